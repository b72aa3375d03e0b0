//! Batches on L1: `verifyBatches`, and what its answers mean.

use super::{L1Settlement, NotShown, is_of_other_checkpoints};
use alloy_primitives::{Address, B256, U256};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_attestor::AttestError;
use proofmill_chain::{BlamedProof, ChainError, ProofTypeConfig, Refusal, Rules, SubmittedProof};
use proofmill_client::CheckpointProof;
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
use proofmill_program::PublicValues;
use proofmill_proof_coordinator::{
    BatchCall, BatchSettlement, NotReady,
    rules::{CallEnded, CallReceipt, Quote, Why},
};
use std::collections::BTreeSet;

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
        // Of the richest account.
        let mut payable = 0;
        loop {
            let sender = publishers.current();
            let quote = match rollup.estimate_batches(sender, first, prover, batches.clone()).await {
                // One alone is tried whatever it takes: L1 has the last word.
                Ok(quote) if quote.gas > self.max_gas && batches.len() > 1 => {
                    let cause =
                        format!("it would take {} gas, more than {} (--settle-gas)", quote.gas, self.max_gas);
                    return CallEnded::Failed { why: Why::TooLarge, cause, spent: None };
                }
                Ok(quote) => quote,
                Err(error) => return failed(&error),
            };
            if *estimates {
                return CallEnded::Unsent(Quote { gas: quote.gas, fee: quote.fee });
            }
            let sent = rollup.verify_batches(sender, first, prover, batches.clone()).await;
            if let Err(ChainError::InsufficientFunds { has, needs, .. }) = &sent {
                payable = payable.max(affordable(*has, *needs, batches.len()));
            }
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
                Err(error @ ChainError::InsufficientFunds { .. }) => {
                    let (why, cause) = (Why::TooDear { payable }, error.to_string());
                    CallEnded::Failed { why, cause, spent: None }
                }
                Err(error) => failed(&error),
            };
        }
    }

    async fn make_ready(
        &self,
        number: CheckpointNumber,
        prover: ProverType,
        proof: &Bytes,
    ) -> Result<SubmittedProof, NotReady> {
        let proof =
            CheckpointProof::decode(proof).map_err(|error| NotReady::Refused { cause: error.to_string() })?;
        let public_values = proof.statement.to_bytes().into();
        // Those that it was proposed under: others may be in force now.
        let rules = self.settlement.rollup.rules_of(number).await;
        let rules = rules.map_err(|error| NotReady::Away { cause: error.to_string() })?;
        let made = &self.settlement.rollup.config().proof_types;
        asks_for(&rules, number, made)?;
        is_of_chain(&rules, number, proof.statement.configHash)?;
        let verifier = verifier_of(&rules, number, prover, proof.proof.program)?;
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
        number: CheckpointNumber,
        prover: ProverType,
        proof: &'a Bytes,
    ) -> BoxFuture<'a, Result<SubmittedProof, NotReady>> {
        Box::pin(self.make_ready(number, prover, proof))
    }

    fn verify(&self, call: BatchCall) -> BoxFuture<'_, CallEnded> {
        Box::pin(self.settle(call))
    }
}

fn not_attested(error: &AttestError) -> NotReady {
    let cause = error.to_string();
    if error.is_of_the_proof() { NotReady::Refused { cause } } else { NotReady::Away { cause } }
}

/// For how many of these batches an account could pay, roughly: what a transaction takes by itself is counted as theirs.
fn affordable(has: U256, needs: U256, batches: usize) -> u64 {
    let share = has.saturating_mul(U256::from(batches)) / needs.max(U256::from(1));
    share.saturating_to()
}

fn failed(error: &ChainError) -> CallEnded {
    CallEnded::Failed { why: why(error), cause: error.to_string(), spent: spent(error) }
}

/// What was paid for nothing.
const fn spent(error: &ChainError) -> Option<CallReceipt> {
    match *error {
        ChainError::FailedOnChain { transaction, block, gas_used, fee, .. } => {
            Some(CallReceipt { transaction, block, gas_used, fee })
        }
        _ => None,
    }
}

/// L1 takes a batch with a proof of each type of its rules, and no others. Where other types are made here the batch waits, and those before
/// it go without it.
fn asks_for(rules: &Rules, number: CheckpointNumber, made: &[ProofTypeConfig]) -> Result<(), NotReady> {
    let types = |of: &[ProofTypeConfig]| of.iter().map(|of| of.prover).collect::<BTreeSet<_>>();
    let (wanted, made) = (types(&rules.proof_types), types(made));
    if wanted == made {
        return Ok(());
    }
    let names = |types: &BTreeSet<ProverType>| {
        types.iter().map(|prover| prover.name()).collect::<Vec<_>>().join(" and ")
    };
    let (wanted, made) = (names(&wanted), names(&made));
    Err(NotReady::Away {
        cause: format!(
            "the rules of batch {number} ask for proofs of {wanted}, and this role has those of {made} made: start it again once the \
             batches before are settled"
        ),
    })
}

/// A batch that was given up may be proposed again after the rollup's chain rules have changed. A proof of before is not at fault.
fn is_of_chain(rules: &Rules, number: CheckpointNumber, config_hash: B256) -> Result<(), NotReady> {
    let wanted = rules.config_hash;
    if wanted == config_hash {
        return Ok(());
    }
    Err(NotReady::Away {
        cause: format!(
            "the rules of batch {number} are for the chain rules {wanted}, and its proof is of {config_hash}: start this role again, \
             with the genesis file of those (--genesis)"
        ),
    })
}

/// The verifier of a batch's proof of a type, by its rules. A proof for others is not at fault.
fn verifier_of(
    rules: &Rules,
    number: CheckpointNumber,
    prover: ProverType,
    program: ProgramVersion,
) -> Result<Address, NotReady> {
    let Some(of) = rules.proof_type(prover) else {
        return Err(NotReady::Away {
            cause: format!("the rules of batch {number} ask for no {prover} proof of it"),
        });
    };
    if of.range_key != program {
        let cause = format!(
            "the rules of batch {number} ask for a {prover} proof of the range program {}, and this one is of {program}: start \
             this role again, with the release that has that program",
            of.range_key
        );
        return Err(NotReady::Away { cause });
    }
    Ok(of.verifier)
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
        refusal if refusal.is_not_attested() => Why::NotAttested,
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::TxHash;
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
        assert_eq!(
            rejected("openvm", Refusal::NotCanonical),
            Why::NotAttested,
            "signatures are not the proof"
        );
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
    fn the_rules_of_a_batch_say_who_verifies_it() {
        let program = |byte: u8| ProgramVersion(B256::repeat_byte(byte));
        let rules = |verifier: u8, range: u8| Rules {
            config_hash: B256::ZERO,
            proposer: Address::ZERO,
            proof_types: vec![ProofTypeConfig {
                prover: ProverType::OpenVm,
                verifier: Address::repeat_byte(verifier),
                range_key: program(range),
                aggregation_key: program(9),
            }],
        };
        let of = |rules: &Rules, prover| verifier_of(rules, CheckpointNumber(4), prover, program(1));
        for verifier in [1, 2] {
            assert_eq!(of(&rules(verifier, 1), ProverType::OpenVm), Ok(Address::repeat_byte(verifier)));
        }
        // Neither is the proof's fault: it is not deleted.
        for not_ready in [of(&rules(1, 2), ProverType::OpenVm), of(&rules(1, 1), ProverType::Sp1)] {
            assert!(
                matches!(&not_ready, Err(NotReady::Away { cause }) if cause.contains("batch 4")),
                "{not_ready:?}"
            );
        }
    }

    #[test]
    fn a_proof_of_other_chain_rules_is_not_at_fault() {
        let rules =
            Rules { config_hash: B256::repeat_byte(1), proposer: Address::ZERO, proof_types: Vec::new() };
        let of = |byte| is_of_chain(&rules, CheckpointNumber(4), B256::repeat_byte(byte));
        assert_eq!(of(1), Ok(()));
        let Err(NotReady::Away { cause }) = of(2) else { panic!("it goes to L1") };
        assert!(cause.contains("batch 4") && cause.contains("--genesis"), "{cause}");
    }

    #[test]
    fn a_batch_whose_rules_ask_for_other_types_waits_for_a_restart() {
        let of = |prover| ProofTypeConfig {
            prover,
            verifier: Address::ZERO,
            range_key: ProgramVersion(B256::ZERO),
            aggregation_key: ProgramVersion(B256::ZERO),
        };
        let (exec, openvm) = (of(ProverType::Exec), of(ProverType::OpenVm));
        let rules = |proof_types: &[ProofTypeConfig]| Rules {
            config_hash: B256::ZERO,
            proposer: Address::ZERO,
            proof_types: proof_types.to_vec(),
        };
        let number = CheckpointNumber(4);
        assert_eq!(asks_for(&rules(&[openvm, exec]), number, &[exec, openvm]), Ok(()), "in any order");
        for (wanted, made) in [(vec![exec, openvm], vec![exec]), (vec![exec], vec![exec, openvm])] {
            let Err(NotReady::Away { cause }) = asks_for(&rules(&wanted), number, &made) else {
                panic!("it goes to L1")
            };
            assert!(cause.contains("batch 4") && cause.contains("start it again"), "{cause}");
        }
    }

    #[test]
    fn what_failed_on_l1_is_paid_for() {
        let (call, transaction) = (CallName::VerifyBatches, TxHash::repeat_byte(3));
        let lost = ChainError::FailedOnChain {
            call,
            transaction,
            block: 7,
            gas_used: 30_000,
            fee: 60,
            refusal: None,
        };
        let receipt = CallReceipt { transaction, block: 7, gas_used: 30_000, fee: 60 };
        let ended = failed(&lost);
        assert!(
            matches!(&ended, CallEnded::Failed { spent: Some(spent), .. } if *spent == receipt),
            "{ended:?}"
        );
        assert!(lost.to_string().contains("30000 gas"), "{lost}");
        let after = Duration::from_secs(120);
        assert_eq!(spent(&ChainError::NotIncluded { call, transaction, after }), None);
    }

    #[test]
    fn an_account_pays_for_as_many_batches_as_it_can() {
        let of = |has: u64, needs: u64| affordable(U256::from(has), U256::from(needs), 16);
        assert_eq!([of(0, 1_600), of(99, 1_600), of(100, 1_600), of(1_599, 1_600)], [0, 0, 1, 15]);
        assert_eq!(affordable(U256::from(7), U256::from(8), 1), 0, "one alone");
        assert_eq!(affordable(U256::ZERO, U256::ZERO, 16), 0);
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
        let refused =
            |reason| ChainError::Refused { method: "eth_sendRawTransaction", reason, passes: false };
        assert_eq!(why(&refused(large)), Why::TooLarge);
        assert_eq!(why(&refused("no".to_owned())), Why::Refused);
    }
}
