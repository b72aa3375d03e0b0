//! One attestor.

use crate::{
    AttestError,
    claim::{Claim, OnL1},
};
use alloy_primitives::Address;
use proofmill_backends::{Backend, BackendError, Proof, Registry};
use proofmill_chain::{Attestation, AttestorSignature, ProofTypeConfig, Rollup, SigningKey};
use proofmill_client::{CheckpointProof, EpochProof, StatedProof, Statement, programs};
use proofmill_primitives::{ProgramVersion, ProofMode};
use proofmill_wire::attestor::{
    AttestRequest, AttestResponse, DescribeResponse,
    attestor_service_server::{AttestorService, AttestorServiceServer},
};
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
    rollup: Rollup,
}

impl Attestor {
    /// An attestor of proofs for this rollup: for each prover type, its signatures count for the verifier that the rollup
    /// names.
    pub const fn new(registry: Registry, key: SigningKey, rollup: Rollup) -> Self {
        Self { registry, key, rollup }
    }

    /// Compares the file of a proof with the checkpoints that L1 has, verifies it and signs. Takes as long as verifying: up to
    /// a minute where keys must be made first.
    ///
    /// # Errors
    /// The proof does not hold, or is not one that this attestor attests: see [`AttestError`].
    pub async fn attest(&self, file: &[u8]) -> Result<AttestorSignature, AttestError> {
        if EpochProof::is(file) {
            let proof = EpochProof::decode(file)?;
            let wanted = self.wanted(&proof.proof, &Claim::from(&proof.statement)).await?;
            let got = ProgramVersion(proof.statement.rangeKey);
            if got != wanted.range_key {
                return Err(AttestError::OtherRangeProgram { expected: wanted.range_key, got });
            }
            self.verify_and_sign(
                proof,
                wanted.verifier,
                wanted.aggregation_key,
                programs::aggregation_version,
            )
            .await
        } else {
            let proof = CheckpointProof::decode(file)?;
            let wanted = self.wanted(&proof.proof, &Claim::from(&proof.statement)).await?;
            self.verify_and_sign(proof, wanted.verifier, wanted.range_key, programs::range_version).await
        }
    }

    /// What the rollup wants of such a proof, if it is of the checkpoints that L1 has.
    async fn wanted(&self, proof: &Proof, claim: &Claim) -> Result<ProofTypeConfig, AttestError> {
        let Proof { prover, mode, .. } = *proof;
        if !prover.proves() {
            return Err(AttestError::ProvesNothing { prover });
        }
        if mode != ProofMode::Compressed {
            return Err(AttestError::OtherMode { mode });
        }
        if claim.rollup != self.rollup.address() {
            return Err(AttestError::OtherRollup { expected: self.rollup.address(), got: claim.rollup });
        }
        let on_l1 = OnL1::find(&self.rollup, claim).await?;
        on_l1.check(claim)?;
        on_l1.rules.proof_type(prover).copied().ok_or(AttestError::NotAsked { prover })
    }

    /// `wanted` is the rollup's program, `ours` finds that of this release.
    async fn verify_and_sign<S: Statement>(
        &self,
        proof: StatedProof<S>,
        verifier: Address,
        wanted: ProgramVersion,
        ours: fn(&dyn Backend) -> Result<ProgramVersion, BackendError>,
    ) -> Result<AttestorSignature, AttestError> {
        let backend = self.registry.checker(proof.proof.prover)?;
        let attestation =
            Attestation::new(self.rollup.l1().chain_id(), verifier, wanted, &proof.statement.to_bytes());
        let verified = tokio::task::spawn_blocking(move || {
            let ours = ours(&*backend)?;
            if ours != wanted {
                return Err(AttestError::OtherRelease { wanted, ours });
            }
            Ok(backend.verify(&proof.proof, wanted)?)
        });
        verified.await.unwrap_or(Err(AttestError::BrokeOff))?;
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
            l1_chain_id: self.rollup.l1().chain_id(),
            rollup: self.rollup.address().to_vec(),
            provers: self
                .registry
                .checked_types()
                .filter(|kind| kind.proves())
                .map(|kind| kind.name().into())
                .collect(),
        }))
    }

    async fn attest(&self, request: Request<AttestRequest>) -> Result<Response<AttestResponse>, Status> {
        let file = request.into_inner().proof;
        let bytes = file.len();
        match Self::attest(self, &file).await {
            Ok(signature) => {
                tracing::info!(bytes, "verified a proof and signed");
                Ok(Response::new(AttestResponse { signature: signature.to_bytes().to_vec() }))
            }
            Err(error) => {
                tracing::warn!(bytes, %error, "refused a proof");
                let status = match &error {
                    AttestError::BrokeOff | AttestError::Signing(_) => Status::internal,
                    AttestError::L1(_) => Status::unavailable,
                    AttestError::Backend(BackendError::Prover { .. }) => Status::internal,
                    // Whoever asks has the proof made anew.
                    error if error.is_of_the_proof() => Status::invalid_argument,
                    _ => Status::failed_precondition,
                };
                Err(status(error.to_string()))
            }
        }
    }
}
