//! Asking several attestors.

use crate::AttestError;
use alloy_primitives::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use proofmill_chain::{Attestation, AttestorSet, AttestorSignature};
use proofmill_client::{StatedProof, Statement};
use proofmill_wire::attestor::{AttestRequest, attestor_service_client::AttestorServiceClient};
use std::{collections::BTreeMap, time::Duration};
use tonic::transport::{Channel, Endpoint};

/// How long an attestor may take for a proof: the first one makes the keys it verifies with.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Attestors for one verifier contract.
#[derive(Clone, Debug)]
pub struct Quorum {
    attestors: Vec<(String, AttestorServiceClient<Channel>)>,
    l1_chain_id: u64,
    counted: AttestorSet,
}

impl Quorum {
    /// Attestors at these addresses, for a contract that counts the signatures of `counted` on the L1 with this chain id.
    /// They are connected to when they are asked: one that is away now may be there later.
    ///
    /// # Errors
    /// An address is none, or there are fewer than the contract wants.
    pub fn new(addresses: &[String], l1_chain_id: u64, counted: AttestorSet) -> Result<Self, AttestError> {
        let attestors = addresses
            .iter()
            .map(|address| {
                let endpoint = Endpoint::from_shared(address.clone())
                    .map_err(|_| AttestError::NotAnAddress { address: address.clone() })?;
                let channel = endpoint.connect_timeout(CONNECT).timeout(PATIENCE).connect_lazy();
                Ok((address.clone(), AttestorServiceClient::new(channel)))
            })
            .collect::<Result<Vec<_>, AttestError>>()?;
        let threshold = counted.threshold;
        if attestors.len() < threshold {
            return Err(AttestError::TooFewNamed { threshold, named: attestors.len() });
        }
        Ok(Self { attestors, l1_chain_id, counted })
    }

    /// Has a proof verified by the attestors, and returns the bytes that the contract takes. The first signatures that are
    /// enough are taken.
    ///
    /// # Errors
    /// [`AttestError::TooFew`], with what the others said.
    pub async fn attest<S: Statement>(&self, proof: &StatedProof<S>) -> Result<Bytes, AttestError> {
        let program = proof.proof.program;
        let attestation =
            Attestation::new(self.l1_chain_id, self.counted.verifier, program, &proof.statement.to_abi());
        let file = proof.encode();
        let mut asked: FuturesUnordered<_> = self
            .attestors
            .iter()
            .map(|(address, client)| {
                let (mut client, request) = (client.clone(), AttestRequest { proof: file.clone() });
                async move { (address, client.attest(request).await) }
            })
            .collect();
        let mut by_signer = BTreeMap::new();
        let mut causes = Vec::new();
        while let Some((address, answer)) = asked.next().await {
            let signature = match answer {
                Ok(answer) => AttestorSignature::from_bytes(&answer.into_inner().signature),
                Err(status) => {
                    causes.push(format!("{address}: {}", status.message()));
                    continue;
                }
            };
            match signature.and_then(|signature| Some((attestation.signer(&signature)?, signature))) {
                Some((signer, signature)) if self.counted.members.contains(&signer) => {
                    by_signer.insert(signer, signature)
                }
                Some((signer, _)) => {
                    causes.push(format!(
                        "{address}: signed as {signer}, whom the contract does not count, or for another contract"
                    ));
                    continue;
                }
                None => {
                    causes.push(format!("{address}: its answer is not a signature"));
                    continue;
                }
            };
            if by_signer.len() == self.counted.threshold {
                let signatures: Vec<_> = by_signer.into_values().collect();
                return Ok(attestation.proof_bytes(&signatures));
            }
        }
        Err(AttestError::TooFew {
            threshold: self.counted.threshold,
            got: by_signer.len(),
            attestors: self.attestors.len(),
            causes: causes.join("; "),
        })
    }
}
