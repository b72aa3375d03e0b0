//! Batches on L1: `verifyBatches`, and what its answers mean.

use super::{L1Settlement, NotShown, is_of_other_checkpoints};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_attestor::AttestError;
use proofmill_chain::{BlamedProof, ChainError, Refusal, SubmittedProof};
use proofmill_client::CheckpointProof;
use proofmill_primitives::{CheckpointNumber, ProverType};
use proofmill_program::PublicValues;
use proofmill_proof_coordinator::{
    BatchCall, BatchSettlement, NotReady, RefusedProof,
    rules::{CallEnded, CallReceipt, Quote, Why},
};
use proofmill_prover_node::{
    parts::{
        BadProof, FailureId, FailureRecord, FailureStore, Kept, NewFile, ProgramPair, Statement, Subject,
    },
    rules::{ProofLevel, Time},
};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// The rollup's contract, as batches go to it.
#[derive(Clone, Debug)]
pub(crate) struct L1Batches {
    pub(crate) settlement: L1Settlement,
    /// The most gas of a call with several batches.
    pub(crate) max_gas: u64,
}

impl L1Batches {
    async fn settle(&self, call: BatchCall) -> CallEnded {
        let BatchCall { first, prover, batches } = call;
        let L1Settlement { rollup, publishers, estimates, .. } = &self.settlement;
        loop {
            let sender = publishers.current();
            let quote = match rollup.estimate_batches(sender, first, prover, batches.clone()).await {
                // One alone is tried whatever it takes: L1 has the last word.
                Ok(quote) if quote.gas > self.max_gas && batches.len() > 1 => {
                    let cause =
                        format!("it would take {} gas, more than {} (--settle-gas)", quote.gas, self.max_gas);
                    return CallEnded::Failed { why: Why::TooLarge, cause };
                }
                Ok(quote) => quote,
                Err(error) => return failed(&error),
            };
            if *estimates {
                return CallEnded::Unsent(Quote { gas: quote.gas, fee: quote.fee });
            }
            let sent = rollup.verify_batches(sender, first, prover, batches.clone()).await;
            if publishers.passes_on(&sent) {
                continue;
            }
            return match sent {
                Ok(included) => CallEnded::Settled(CallReceipt {
                    transaction: included.transaction,
                    block: included.block,
                    gas_used: included.gas_used,
                    fee: included.fee(),
                }),
                Err(error) => failed(&error),
            };
        }
    }

    async fn make_ready(&self, prover: ProverType, proof: &Bytes) -> Result<SubmittedProof, NotReady> {
        let proof =
            CheckpointProof::decode(proof).map_err(|error| NotReady::Refused { cause: error.to_string() })?;
        let public_values = proof.statement.to_bytes().into();
        let Some(verifier) = self.settlement.verifier_at_start(prover) else {
            return Err(NotReady::Refused { cause: format!("L1 asks for no {prover} proofs") });
        };
        let proof = self.settlement.show(prover, verifier, &proof).await.map_err(|error| match error {
            NotShown::NotAttested(error) => not_attested(&error),
            error if error.is_away() => NotReady::Away { cause: error.to_string() },
            error => NotReady::Refused { cause: error.to_string() },
        })?;
        Ok(SubmittedProof { public_values, proof })
    }
}

impl BatchSettlement for L1Batches {
    fn ready<'a>(
        &'a self,
        prover: ProverType,
        proof: &'a Bytes,
    ) -> BoxFuture<'a, Result<SubmittedProof, NotReady>> {
        Box::pin(self.make_ready(prover, proof))
    }

    fn verify(&self, call: BatchCall) -> BoxFuture<'_, CallEnded> {
        Box::pin(self.settle(call))
    }
}

fn not_attested(error: &AttestError) -> NotReady {
    let cause = error.to_string();
    if error.is_of_the_proof() { NotReady::Refused { cause } } else { NotReady::Away { cause } }
}

fn failed(error: &ChainError) -> CallEnded {
    CallEnded::Failed { why: why(error), cause: error.to_string() }
}

fn why(error: &ChainError) -> Why {
    let Some(refusal) = error.refusal() else {
        return match error {
            error if error.is_too_large() => Why::TooLarge,
            error if error.is_of_no_call() => Why::NotMade,
            ChainError::NotIncluded { .. } | ChainError::NonceTaken { .. } => Why::NotIncluded,
            _ => Why::Refused,
        };
    };
    match refusal {
        Refusal::NotNextBatch { expected, .. } => Why::NotNext { expected: CheckpointNumber(expected.0) },
        Refusal::WindowClosed { .. } => Why::WindowClosed,
        Refusal::UnknownCheckpoints { .. } => Why::OtherCheckpoints,
        Refusal::ContractPaused { .. } => Why::Paused,
        refusal if is_of_other_checkpoints(refusal) => Why::OtherCheckpoints,
        refusal => match refusal.blames() {
            // A type of another release has no proof of ours.
            Some(BlamedProof::Named(name)) => {
                name.parse().map_or(Why::Refused, |of| Why::InvalidProof(Some(of)))
            }
            Some(BlamedProof::Unnamed) => Why::InvalidProof(None),
            None => Why::Refused,
        },
    }
}

/// Keeps refused proofs where a prover node keeps its failures, for `proofmill failures`.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub(crate) store: FailureStore,
    pub(crate) statement: Statement,
    pub(crate) programs: BTreeMap<ProverType, ProgramPair>,
}

impl Evidence {
    async fn record(&self, refused: &RefusedProof) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let file = NewFile::bad_proof(refused.proof.clone());
        let subject = Subject::BadProof(BadProof {
            level: ProofLevel::Range,
            prover: refused.discard.prover,
            range: refused.range,
            cause: refused.discard.cause.clone(),
            at: Time::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
            proof: refused.proof.clone(),
        });
        let id = FailureId::of(&subject);
        let record = FailureRecord {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            statement: self.statement,
            programs: self.programs.clone(),
            subject,
            files: vec![file.described()],
            missing: Vec::new(),
        };
        match self.store.keep(&record, &[file]).await {
            Ok(Kept::New) => tracing::warn!(%id, store = %self.store, "failure recorded"),
            Ok(Kept::Already) => {}
            Err(error) => tracing::error!(%id, %error, "failure not recorded"),
        }
    }
}

impl proofmill_proof_coordinator::Evidence for Evidence {
    fn keep<'a>(&'a self, refused: &'a RefusedProof) -> BoxFuture<'a, ()> {
        Box::pin(self.record(refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, TxHash, U256};
    use proofmill_chain::CallName;
    use std::time::Duration;

    fn reverted(refusal: Refusal) -> Why {
        why(&ChainError::Reverted(refusal.into()))
    }

    fn rejected(proof_type: &str, reason: Refusal) -> Why {
        let (proof_type, checkpoint) = (proof_type.to_owned(), CheckpointNumber(4));
        reverted(Refusal::ProofRejected { proof_type, checkpoint, reason: Box::new(reason) })
    }

    #[test]
    fn a_proof_that_l1_rejects_is_told_apart_from_everything_else() {
        let other = || Refusal::Other { data: Default::default() };
        assert_eq!(rejected("sp1", other()), Why::InvalidProof(Some(ProverType::Sp1)));
        assert_eq!(rejected("a type of another release", other()), Why::Refused);
        assert_eq!(rejected("openvm", Refusal::NotCanonical), Why::Refused, "signatures are not the proof");
        let says = |field: &str| {
            let (proof_type, checkpoint) = ("exec".to_owned(), CheckpointNumber(4));
            reverted(Refusal::StatementMismatch { proof_type, checkpoint, field: field.to_owned() })
        };
        assert_eq!(says("prover"), Why::InvalidProof(Some(ProverType::Exec)));
        assert_eq!(says("lastHash"), Why::OtherCheckpoints);
        let (expected, got) = (CheckpointNumber(5), CheckpointNumber(3));
        assert_eq!(reverted(Refusal::NotNextBatch { expected, got }), Why::NotNext { expected });
        let (deadline, timestamp) = (U256::from(1), U256::from(2));
        assert_eq!(reverted(Refusal::WindowClosed { deadline, timestamp }), Why::WindowClosed);
        assert_eq!(reverted(Refusal::ContractPaused { until: 7 }), Why::Paused);
        assert_eq!(reverted(other()), Why::Refused, "a revert without a reason costs no proof");
    }

    #[test]
    fn a_call_that_was_not_made_says_nothing_of_its_batches() {
        let (call, account, transaction) = (CallName::VerifyBatches, Address::ZERO, TxHash::ZERO);
        let dear = ChainError::FeeAboveLimit { wanted: 2, limit: 1, setting: "--max-fee" };
        assert_eq!(why(&dear), Why::NotMade);
        let poor = ChainError::InsufficientFunds { call, account, has: U256::ZERO, needs: U256::from(1) };
        assert_eq!(why(&poor), Why::NotMade);
        assert_eq!(why(&ChainError::NobodySigns { account }), Why::NotMade);
        let after = Duration::from_secs(120);
        assert_eq!(why(&ChainError::NotIncluded { call, transaction, after }), Why::NotIncluded);
        let large = "oversized data: transaction size 131201, limit 131072".to_owned();
        let refused = |reason| ChainError::Refused { method: "eth_sendRawTransaction", reason };
        assert_eq!(why(&refused(large)), Why::TooLarge);
        assert_eq!(why(&refused("no".to_owned())), Why::Refused);
    }
}
