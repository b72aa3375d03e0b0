//! What is asked of a service, and what it gives.

use crate::{EpochSpec, Executed, JobError, ProofCost, RangeSpec};
use alloy_primitives::{Address, B256};
use bytes::Bytes;
use proofmill_client::CheckpointProof;
use proofmill_primitives::Checkpoint;
use proofmill_program::{Aggregation, AggregationPublicValues, RangePublicValues};
use serde::{Deserialize, Serialize};
use std::{fmt, num::NonZeroU64};

/// What every proof of a rollup says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// EIP-155 chain id of the rollup.
    pub chain_id: u64,
    /// keccak256 of the encoded chain configuration.
    pub config_hash: B256,
    /// The rollup's contract on L1.
    pub rollup: Address,
    /// Who proves, and may claim the reward.
    pub prover: Address,
}

/// A range proof that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeRequest {
    /// The checkpoint that it is of.
    pub checkpoint: Checkpoint,
    /// Its blocks, or a part of them.
    pub range: RangeSpec,
    /// What it must say besides.
    pub statement: Statement,
    /// The most instructions that it may take: [`JobError::CannotExecute`] where it takes more.
    pub cycle_limit: Option<NonZeroU64>,
}

impl RangeRequest {
    /// Whether public values are those that are wanted. A service calls this as soon as it has executed the blocks; the
    /// node does so before it keeps the proof.
    ///
    /// # Errors
    ///
    /// [`JobError::Unavailable`] where the blocks are of another branch (the L2 node has not come to this one, or has left
    /// it), [`JobError::Refuted`] where they are the right ones and end in another state than the checkpoint claims, and
    /// [`JobError::Failed`] where the values are of another chain, rollup or range.
    pub fn check(&self, values: &RangePublicValues) -> Result<(), JobError> {
        let Self { checkpoint, range, statement, cycle_limit: _ } = self;
        let wrong = |what: &str, expected: &dyn fmt::Display, got: &dyn fmt::Display| JobError::Failed {
            cause: format!("the proof is of {what} {got} instead of {expected}"),
        };
        if values.chainId != statement.chain_id {
            return Err(wrong("chain", &statement.chain_id, &values.chainId));
        }
        if values.configHash != statement.config_hash {
            return Err(wrong("the chain configuration", &statement.config_hash, &values.configHash));
        }
        if values.rollup != statement.rollup {
            return Err(wrong("rollup", &statement.rollup, &values.rollup));
        }
        if values.prover != statement.prover {
            return Err(wrong("prover", &statement.prover, &values.prover));
        }
        if (values.firstBlock, values.lastBlock) != (range.blocks.first(), range.blocks.last()) {
            let got = format!("{}-{}", values.firstBlock, values.lastBlock);
            return Err(wrong("blocks", &range.blocks, &got));
        }
        for (what, number, expected, got) in [
            ("parent", range.blocks.first().saturating_sub(1), range.parent_hash, values.parentHash),
            ("last block", range.blocks.last(), range.last_hash, values.lastHash),
        ] {
            if got != expected {
                let cause = format!(
                    "L2 has another branch than L1: {what} {number} has hash {got} there, and {expected} in checkpoint {}",
                    checkpoint.number
                );
                return Err(JobError::Unavailable { cause });
            }
        }
        let ends = range.blocks.last() == checkpoint.blocks.last();
        if ends && values.postStateRoot != checkpoint.state_root {
            let (expected, got) = (checkpoint.state_root, values.postStateRoot);
            let cause = format!("its blocks end in state root {got}, it claims {expected}");
            return Err(JobError::Refuted { cause });
        }
        if ends && values.lastTimestamp != checkpoint.last_timestamp {
            let (expected, got) = (checkpoint.last_timestamp, values.lastTimestamp);
            let cause = format!("its last block is of time {got}, it claims {expected}");
            return Err(JobError::Refuted { cause });
        }
        Ok(())
    }
}

/// A range proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeProof {
    /// What it says.
    pub values: RangePublicValues,
    /// The proof, in the encoding that the same service's [`aggregate`](ProofService::aggregate) reads.
    pub proof: Bytes,
    /// What its blocks did.
    pub executed: Executed,
    /// What it took.
    pub cost: ProofCost,
}

/// An epoch proof that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregationRequest {
    /// What it is about.
    pub span: EpochSpec,
    /// The range program's key, and where the checkpoints end.
    pub by: Aggregation,
    /// The range proofs, in order.
    pub ranges: Vec<RangeProof>,
    /// What it must say.
    pub expected: AggregationPublicValues,
}

impl AggregationRequest {
    /// The range proofs as files.
    ///
    /// # Errors
    /// [`JobError::Failed`] where one cannot be read.
    pub(crate) fn parts(&self) -> Result<Vec<CheckpointProof>, JobError> {
        let parts = self.ranges.iter().map(|range| CheckpointProof::decode(&range.proof));
        parts.collect::<Result<_, _>>().map_err(|error| JobError::Failed { cause: error.to_string() })
    }

    /// What all blocks did.
    pub fn executed(&self) -> Executed {
        self.ranges.iter().fold(Executed::default(), |all, range| Executed {
            gas_used: all.gas_used.saturating_add(range.executed.gas_used),
            transactions: all.transactions.saturating_add(range.executed.transactions),
        })
    }
}

/// An epoch proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochProof {
    /// What it says.
    pub values: AggregationPublicValues,
    /// The proof, in the encoding that goes to L1 (or to whoever attests it for L1).
    pub proof: Bytes,
    /// What its blocks did.
    pub executed: Executed,
    /// What it took.
    pub cost: ProofCost,
}
