//! One attestor.

use crate::{
    AttestError,
    claim::{Claim, Next, OnL1},
};
use alloy_primitives::Address;
use proofmill_backends::{Backend, BackendError, Proof, Registry};
use proofmill_chain::{
    Attestation, AttestorSignature, DEVELOPMENT_CHAIN, Games, GamesSettings, L1, Output, OutputOracle,
    ProofTypeConfig, Rollup, Rules, SigningKey, VerifierKind,
};
use proofmill_client::{CheckpointProof, EpochProof, OpAggregationProof, StatedProof, Statement, programs};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use proofmill_wire::{
    Connections,
    attestor::{
        AttestRequest, AttestResponse, DescribeResponse,
        attestor_service_server::{AttestorService, AttestorServiceServer},
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// The largest proof that is taken, in bytes: SP1's compressed proofs have 1.3 MB.
const MAX_PROOF: usize = 32 << 20;

/// Verifies proofs for one contract and signs that it did.
#[derive(Clone, Debug)]
pub struct Attestor {
    registry: Registry,
    key: SigningKey,
    of: Of,
}

/// Whose proofs are attested.
#[derive(Clone, Debug)]
enum Of {
    Rollup(Rollup),
    Oracle(OutputOracle),
    Games(Games),
}

/// An aggregation for OP Succinct's contracts, and the programs that this release has for them.
struct Aggregation {
    proof: OpAggregationProof,
    range: ProgramVersion,
    aggregation: ProgramVersion,
}

impl Of {
    const fn l1(&self) -> &L1 {
        match self {
            Self::Rollup(rollup) => rollup.l1(),
            Self::Oracle(oracle) => oracle.l1(),
            Self::Games(games) => games.l1(),
        }
    }

    const fn address(&self) -> Address {
        match self {
            Self::Rollup(rollup) => rollup.address(),
            Self::Oracle(oracle) => oracle.address(),
            Self::Games(games) => games.factory(),
        }
    }
}

impl Attestor {
    /// An attestor of proofs for this rollup: for each prover type, its signatures count for the verifier that the rollup
    /// names, or for the one that counts attestors among those that it asks.
    pub const fn new(registry: Registry, key: SigningKey, rollup: Rollup) -> Self {
        Self { registry, key, of: Of::Rollup(rollup) }
    }

    /// An attestor of aggregations for OP Succinct's contract: its signatures count for the verifier that the contract names.
    pub const fn of_oracle(registry: Registry, key: SigningKey, oracle: OutputOracle) -> Self {
        Self { registry, key, of: Of::Oracle(oracle) }
    }

    /// An attestor of aggregations for OP Succinct's dispute games: its signatures count for the verifier that a game was created with.
    pub const fn of_games(registry: Registry, key: SigningKey, games: Games) -> Self {
        Self { registry, key, of: Of::Games(games) }
    }

    /// Compares the file of a proof with the checkpoints that L1 has, verifies it and signs. Takes as long as verifying: up to
    /// a minute where keys must be made first. Where anybody may propose, after a silence, blocks that nobody proposed are taken too, if
    /// they follow on the proven tip: they may be proposed and proven at once. What an aggregation for OP Succinct's contracts says is not
    /// compared: an oracle or a game puts it together itself. Programs and configuration are, with those of the game that claims this, or else
    /// with those that new games have.
    ///
    /// # Errors
    /// The proof does not hold, or is not one that this attestor attests: see [`AttestError`].
    pub async fn attest(&self, file: &[u8]) -> Result<AttestorSignature, AttestError> {
        match &self.of {
            Of::Rollup(rollup) => self.attest_checkpoints(rollup, file).await,
            Of::Oracle(oracle) => self.attest_outputs(oracle, file).await,
            Of::Games(games) => self.attest_claims(games, file).await,
        }
    }

    async fn attest_outputs(
        &self,
        oracle: &OutputOracle,
        file: &[u8],
    ) -> Result<AttestorSignature, AttestError> {
        let Aggregation { proof, range, aggregation } = self.aggregation(file).await?;
        let joins = ProgramVersion(proof.statement.rangeVkeyCommitment);
        // The contract may take several, and a new release is not everywhere at once: that says nothing against the proof.
        for (wanted, ours) in [(joins, range), (proof.proof.program, aggregation)] {
            if wanted != ours {
                return Err(AttestError::OtherRelease { wanted, ours });
            }
        }
        let verifier = oracle.verifier().await.map_err(AttestError::L1)?;
        self.verify_and_sign(proof, verifier, aggregation, programs::op_aggregation_version).await
    }

    async fn attest_claims(&self, games: &Games, file: &[u8]) -> Result<AttestorSignature, AttestError> {
        let Aggregation { proof, range: ours, .. } = self.aggregation(file).await?;
        let said = &proof.statement;
        let claim = Output { root: said.claimRoot, block: said.claimBlockNum };
        let of_game = games.wanted_of(claim, said.l1Head).await.map_err(AttestError::L1)?;
        let (config, verifier) = match of_game {
            Some(wanted) => wanted,
            None => {
                let GamesSettings { config, verifier, .. } =
                    games.settings().await.map_err(AttestError::L1)?;
                (config, verifier)
            }
        };
        let (wanted, got) = (ProgramVersion(config.range_key), ProgramVersion(said.rangeVkeyCommitment));
        // Nothing that this one says is said against a proof that may be what games want.
        if wanted != ours {
            return Err(AttestError::OtherRelease { wanted, ours });
        }
        if wanted != got {
            return Err(AttestError::OtherRangeProgram { expected: wanted, got });
        }
        let (l1, got) = (config.rollup_config_hash, said.rollupConfigHash);
        if l1 != got {
            return Err(AttestError::OtherConfig { l1, got });
        }
        let wanted = ProgramVersion(config.aggregation_key);
        self.verify_and_sign(proof, verifier, wanted, programs::op_aggregation_version).await
    }

    /// An aggregation of range proofs, which is not verified yet, and this release's programs.
    async fn aggregation(&self, file: &[u8]) -> Result<Aggregation, AttestError> {
        let proof = OpAggregationProof::decode(file)?;
        is_attested(&proof.proof)?;
        let backend = self.registry.checker(proof.proof.prover)?;
        let versions = tokio::task::spawn_blocking(move || {
            let range = programs::op_range_version(&*backend)?;
            Ok::<_, BackendError>((range, programs::op_aggregation_version(&*backend)?))
        });
        let (range, aggregation) = versions.await.map_err(|_| AttestError::BrokeOff)??;
        Ok(Aggregation { proof, range, aggregation })
    }

    async fn attest_checkpoints(
        &self,
        rollup: &Rollup,
        file: &[u8],
    ) -> Result<AttestorSignature, AttestError> {
        if EpochProof::is(file) {
            let proof = EpochProof::decode(file)?;
            let wanted = wanted(rollup, &proof.proof, &Claim::from(&proof.statement)).await?;
            let got = ProgramVersion(proof.statement.rangeKey);
            if got != wanted.range_key {
                return Err(AttestError::OtherRangeProgram { expected: wanted.range_key, got });
            }
            // The aggregation joins proofs of whatever program it is told, and the rollup may name any.
            self.check_release(proof.proof.prover, wanted.range_key, programs::range_version).await?;
            self.verify_and_sign(
                proof,
                wanted.verifier,
                wanted.aggregation_key,
                programs::aggregation_version,
            )
            .await
        } else {
            let proof = CheckpointProof::decode(file)?;
            let wanted = wanted(rollup, &proof.proof, &Claim::from(&proof.statement)).await?;
            self.verify_and_sign(proof, wanted.verifier, wanted.range_key, programs::range_version).await
        }
    }

    /// `verifier` is the one that the contract names, `wanted` the contract's program; `ours` finds that of this release.
    async fn verify_and_sign<S: Statement>(
        &self,
        proof: StatedProof<S>,
        verifier: Address,
        wanted: ProgramVersion,
        ours: fn(&dyn Backend) -> Result<ProgramVersion, BackendError>,
    ) -> Result<AttestorSignature, AttestError> {
        self.check_release(proof.proof.prover, wanted, ours).await?;
        let backend = self.registry.checker(proof.proof.prover)?;
        let chain_id = self.of.l1().chain_id();
        // Asked each time: that is nothing beside the check of a proof, and what a proxy leads to may change.
        let kind = VerifierKind::find(self.of.l1(), verifier).await.map_err(AttestError::L1)?;
        let counting = counting(verifier, &kind)?;
        let attestation = Attestation::new(chain_id, counting, wanted, &proof.statement.to_bytes());
        let verified = tokio::task::spawn_blocking(move || {
            backend.verify(&proof.proof, wanted)?;
            match backend.insecure(&proof.proof)? {
                Some(cause) if chain_id != DEVELOPMENT_CHAIN => {
                    Err(AttestError::Insecure { cause, chain_id })
                }
                _ => Ok(()),
            }
        });
        verified.await.unwrap_or(Err(AttestError::BrokeOff))?;
        Ok(attestation.sign(&self.key)?)
    }

    /// Errors where the contract wants another program than this release has, which `ours` finds.
    async fn check_release(
        &self,
        prover: ProverType,
        wanted: ProgramVersion,
        ours: fn(&dyn Backend) -> Result<ProgramVersion, BackendError>,
    ) -> Result<(), AttestError> {
        let backend = self.registry.checker(prover)?;
        let ours = tokio::task::spawn_blocking(move || ours(&*backend));
        let ours = ours.await.map_err(|_| AttestError::BrokeOff)??;
        if ours == wanted { Ok(()) } else { Err(AttestError::OtherRelease { wanted, ours }) }
    }
}

/// The verifier that counts signatures: the one that the contract names, or one of those that it asks. A signature is for one
/// contract alone.
fn counting(verifier: Address, kind: &VerifierKind) -> Result<Address, AttestError> {
    let those: Vec<Address> = kind
        .single()
        .filter_map(|single| match single {
            VerifierKind::Attestors(set) => Some(set.verifier),
            _ => None,
        })
        .collect();
    match those[..] {
        [one] => Ok(one),
        [] => Err(AttestError::NotCounted { verifier }),
        _ => Err(AttestError::SeveralCount { verifier, several: those.len() }),
    }
}

/// Errors where nobody signs proofs of this sort.
fn is_attested(proof: &Proof) -> Result<(), AttestError> {
    let Proof { prover, mode, .. } = *proof;
    if !prover.proves() {
        return Err(AttestError::ProvesNothing { prover });
    }
    // A SNARK says what the compressed proof said that it was made of: a contract may want both it and signatures.
    match mode {
        ProofMode::Compressed | ProofMode::Plonk => Ok(()),
        mode => Err(AttestError::OtherMode { mode }),
    }
}

/// What the rollup wants of such a proof, if it is of the checkpoints that L1 has, or after a silence of what may be proposed with it.
async fn wanted(rollup: &Rollup, proof: &Proof, claim: &Claim) -> Result<ProofTypeConfig, AttestError> {
    is_attested(proof)?;
    if claim.rollup != rollup.address() {
        return Err(AttestError::OtherRollup { expected: rollup.address(), got: claim.rollup });
    }
    let rules = match on_l1(rollup, claim).await {
        Ok(rules) => rules,
        Err(error @ (AttestError::NotOnL1 { .. } | AttestError::NotAsOnL1 { .. })) => {
            match Next::find(rollup).await.map_err(AttestError::L1)? {
                Some(next) if next.check(claim).is_ok() => next.rules,
                _ => return Err(error),
            }
        }
        Err(error) => return Err(error),
    };
    let prover = proof.prover;
    rules.proof_type(prover).copied().ok_or(AttestError::NotAsked { prover })
}

/// The rules of the checkpoints that L1 has, if the claim is of those.
async fn on_l1(rollup: &Rollup, claim: &Claim) -> Result<Rules, AttestError> {
    let on_l1 = OnL1::find(rollup, claim).await?;
    on_l1.check(claim)?;
    Ok(on_l1.rules)
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
    proofmill_wire::server()
        .add_service(service)
        .serve_with_incoming_shutdown(Connections::from(listener), stop.cancelled_owned())
        .await?;
    Ok(())
}

#[tonic::async_trait]
impl AttestorService for Attestor {
    async fn describe(&self, _: Request<()>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse {
            address: self.key.address().to_vec(),
            l1_chain_id: self.of.l1().chain_id(),
            rollup: self.of.address().to_vec(),
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_chain::AttestorSet;

    #[test]
    fn signatures_are_for_the_one_verifier_that_counts_them() {
        let at = Address::repeat_byte;
        let attested = |byte: u8| {
            VerifierKind::Attestors(AttestorSet { verifier: at(byte), members: vec![at(9)], threshold: 1 })
        };
        let (snark, other) = (
            VerifierKind::Snark { verifier: at(2), insecure: false, halo2: Default::default() },
            VerifierKind::Other { verifier: at(3) },
        );
        assert_eq!(counting(at(4), &attested(4)).unwrap(), at(4));
        let both = VerifierKind::AllOf(vec![snark.clone(), attested(4)]);
        assert_eq!(counting(at(1), &both).unwrap(), at(4));
        let neither = VerifierKind::AllOf(vec![snark.clone(), other.clone()]);
        for kind in [snark, other, neither] {
            let error = counting(at(1), &kind).unwrap_err();
            assert!(matches!(error, AttestError::NotCounted { verifier } if verifier == at(1)), "{error}");
        }
        let two = VerifierKind::AllOf(vec![attested(4), attested(5)]);
        let error = counting(at(1), &two).unwrap_err();
        assert!(matches!(error, AttestError::SeveralCount { several: 2, .. }), "{error}");
    }
}
