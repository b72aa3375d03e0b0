//! What a contract's verifier is shown of a proof. Each verifier is asked once what it is: what it takes cannot change.

use super::{Works, from_l1, not_now, refused, stale};
use crate::{error::OpProposerError, rules::StepFailed};
use alloy_primitives::{Address, Bytes};
use proofmill_attestor::{Quorum, check_snark};
use proofmill_backends::{Backend, Proof};
use proofmill_chain::{L1, VerifierKind};
use proofmill_client::OpAggregationProof;
use proofmill_primitives::ProofMode;
use std::sync::{Arc, PoisonError};

/// A verifier contract, and who signs for it.
#[derive(Debug)]
pub(in crate::shell) struct Verifier {
    kind: VerifierKind,
    /// For each single verifier of that kind; none where it counts no attestors.
    quorums: Vec<Option<Quorum>>,
}

impl Verifier {
    /// Asks the contract. Errors where proofs that are carried to this mode, as the SNARK that this backend asks for, and these attestors,
    /// are not what it takes.
    async fn connect(
        l1: &L1,
        verifier: Address,
        attestors: &[String],
        (mode, backend): (ProofMode, Arc<dyn Backend>),
    ) -> Result<Self, OpProposerError> {
        let kind = VerifierKind::find(l1, verifier).await?;
        if kind.wants_snark() && mode != ProofMode::Plonk {
            return Err(OpProposerError::WantsSnark { verifier, mode });
        }
        check_snark(&kind, backend.snark_variant(), Some(backend))
            .await
            .map_err(|source| OpProposerError::OtherSnark { verifier, source })?;
        if kind.is_insecure() {
            tracing::warn!(
                %verifier,
                "INSECURE: the contract's verifier takes SNARKs on the setup for development, which anybody can make of anything"
            );
        }
        let quorums = Quorum::of_kind(attestors, l1.chain_id(), &kind)
            .map_err(|source| OpProposerError::Attestors { verifier, source: Box::new(source) })?;
        if quorums.iter().all(Option::is_none) && !attestors.is_empty() {
            tracing::warn!(%verifier, "the contract's verifier counts no attestors: those that are named are not asked");
        }
        Ok(Self { kind, quorums })
    }
}

impl Works {
    /// A contract's verifier. Errors where proofs that are made here are not what it takes; it is asked again then.
    pub(in crate::shell) async fn verifier(&self, at: Address) -> Result<Arc<Verifier>, OpProposerError> {
        let known = self.verifiers.lock().unwrap_or_else(PoisonError::into_inner).get(&at).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let carried = (self.prover.joined, self.prover.backend.clone());
        let found = Verifier::connect(self.sender.l1(), at, &self.attestors, carried).await?;
        let found = Arc::new(found);
        let mut known = self.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry(at).or_insert(found)))
    }

    /// The proof as the contract's verifier takes it.
    pub(in crate::shell) async fn for_l1(
        &self,
        proof: &OpAggregationProof,
        verifier: Address,
    ) -> Result<Bytes, StepFailed> {
        let verifier = self.verifier(verifier).await.map_err(|error| match error {
            OpProposerError::Chain(error) => from_l1(error),
            error => not_now(error),
        })?;
        let mut parts = Vec::new();
        for quorum in &verifier.quorums {
            parts.push(match quorum {
                None => self.for_contract(&proof.proof).await?,
                Some(quorum) => quorum
                    .attest(proof)
                    .await
                    .map_err(|error| if error.is_of_the_proof() { stale(error) } else { not_now(error) })?,
            });
        }
        Ok(verifier.kind.proof_bytes(parts))
    }

    /// The proof as a contract takes it that counts no attestors: a SNARK as it is for the EVM, anything else as it is.
    async fn for_contract(&self, proof: &Proof) -> Result<Bytes, StepFailed> {
        let (backend, asked) = (self.prover.backend.clone(), proof.clone());
        let found = tokio::task::spawn_blocking(move || backend.evm_proof(&asked)).await;
        let broke_off = "putting the proof as a contract takes it broke off; please report it";
        let found = found.map_err(|_| not_now(broke_off))?.map_err(refused)?;
        match (found, proof.mode) {
            (Some(for_l1), _) => Ok(for_l1.into()),
            (None, mode @ (ProofMode::Plonk | ProofMode::Groth16)) => Err(refused(format!(
                "{} gives nothing of a {mode} proof that a contract takes",
                proof.prover
            ))),
            (None, _) => Ok(proof.body.clone().into()),
        }
    }
}
