//! One attestor.

use crate::AttestError;
use alloy_primitives::Address;
use proofmill_backends::{Backend, Proof, Registry};
use proofmill_chain::{Attestation, AttestorSignature, ProofTypeConfig, Rollup, RollupConfig, SigningKey};
use proofmill_client::{CheckpointProof, EpochProof, StatedProof, Statement, programs};
use proofmill_primitives::{ProgramVersion, ProofMode};
use proofmill_wire::attestor::{
    AttestRequest, AttestResponse, DescribeResponse,
    attestor_service_server::{AttestorService, AttestorServiceServer},
};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// The largest proof that is taken, in bytes: SP1's compressed proofs have 1.3 MB.
const MAX_PROOF: usize = 32 << 20;

/// Verifies proofs of one rollup and signs that it did.
#[derive(Clone, Debug)]
pub struct Attestor {
    registry: Registry,
    key: SigningKey,
    l1_chain_id: u64,
    rollup: Address,
    config: Arc<RollupConfig>,
}

impl Attestor {
    /// An attestor of proofs for this rollup: for each prover type, its signatures count for the verifier that the rollup
    /// names.
    pub fn new(registry: Registry, key: SigningKey, rollup: &Rollup) -> Self {
        Self {
            registry,
            key,
            l1_chain_id: rollup.l1().chain_id(),
            rollup: rollup.address(),
            config: Arc::new(rollup.config().clone()),
        }
    }

    /// Verifies the file of a proof and signs. Takes as long as verifying: up to a minute where keys must be made first,
    /// so call it where blocking is allowed.
    ///
    /// # Errors
    /// The proof does not hold, or is not one that this attestor attests: see [`AttestError`].
    pub fn attest(&self, file: &[u8]) -> Result<AttestorSignature, AttestError> {
        if EpochProof::is(file) {
            let proof = EpochProof::decode(file)?;
            let (backend, wanted) = self.backend(&proof.proof)?;
            let got = ProgramVersion(proof.statement.rangeKey);
            if got != wanted.range_key {
                return Err(AttestError::OtherRangeProgram { expected: wanted.range_key, got });
            }
            let ours = programs::aggregation_version(&*backend)?;
            self.check(&*backend, wanted, &proof, proof.statement.rollup, ours, wanted.aggregation_key)
        } else {
            let proof = CheckpointProof::decode(file)?;
            let (backend, wanted) = self.backend(&proof.proof)?;
            let ours = programs::range_version(&*backend)?;
            self.check(&*backend, wanted, &proof, proof.statement.rollup, ours, wanted.range_key)
        }
    }

    fn backend(&self, proof: &Proof) -> Result<(Arc<dyn Backend>, &ProofTypeConfig), AttestError> {
        let Proof { prover, mode, .. } = *proof;
        if !prover.proves() {
            return Err(AttestError::ProvesNothing { prover });
        }
        if mode != ProofMode::Compressed {
            return Err(AttestError::OtherMode { mode });
        }
        let wanted = self.config.proof_type(prover).ok_or(AttestError::NotAsked { prover })?;
        Ok((self.registry.get(prover)?, wanted))
    }

    /// `ours` is the program of this release, `wanted` that of the rollup.
    fn check<S: Statement>(
        &self,
        backend: &dyn Backend,
        of: &ProofTypeConfig,
        proof: &StatedProof<S>,
        rollup: Address,
        ours: ProgramVersion,
        wanted: ProgramVersion,
    ) -> Result<AttestorSignature, AttestError> {
        if rollup != self.rollup {
            return Err(AttestError::OtherRollup { expected: self.rollup, got: rollup });
        }
        if ours != wanted {
            return Err(AttestError::OtherRelease { wanted, ours });
        }
        backend.verify(&proof.proof, wanted)?;
        let attestation = Attestation::new(self.l1_chain_id, of.verifier, wanted, &proof.statement.to_abi());
        Ok(attestation.sign(&self.key)?)
    }
}

/// Answers on the listener until told to stop.
///
/// # Errors
/// The server ended by itself.
pub async fn serve(
    attestor: Attestor,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), AttestError> {
    let service = AttestorServiceServer::new(attestor).max_decoding_message_size(MAX_PROOF);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await?;
    Ok(())
}

#[tonic::async_trait]
impl AttestorService for Attestor {
    async fn describe(&self, _: Request<()>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse {
            address: self.key.address().to_vec(),
            l1_chain_id: self.l1_chain_id,
            rollup: self.rollup.to_vec(),
            provers: self
                .registry
                .types()
                .filter(|kind| kind.proves())
                .map(|kind| kind.name().into())
                .collect(),
        }))
    }

    async fn attest(&self, request: Request<AttestRequest>) -> Result<Response<AttestResponse>, Status> {
        let (attestor, file) = (self.clone(), request.into_inner().proof);
        let bytes = file.len();
        let attested = tokio::task::spawn_blocking(move || Self::attest(&attestor, &file));
        match attested.await.unwrap_or(Err(AttestError::BrokeOff)) {
            Ok(signature) => {
                tracing::info!(bytes, "verified a proof and signed");
                Ok(Response::new(AttestResponse { signature: signature.to_bytes().to_vec() }))
            }
            Err(error) => {
                tracing::warn!(bytes, %error, "refused a proof");
                let status = match &error {
                    AttestError::BrokeOff | AttestError::Signing(_) => Status::internal,
                    AttestError::OtherRollup { .. }
                    | AttestError::OtherRelease { .. }
                    | AttestError::NotAsked { .. }
                    | AttestError::ProvesNothing { .. } => Status::failed_precondition,
                    _ => Status::invalid_argument,
                };
                Err(status(error.to_string()))
            }
        }
    }
}
