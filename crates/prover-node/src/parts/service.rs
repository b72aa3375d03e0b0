//! Proof services: what makes the proofs of one prover type, be it a cluster, this process or provers that pull.

use crate::rules::{EpochSpec, Event, Executed, JobError, JobId, JobNote, Progress, ProofCost, RangeSpec};
use alloy_primitives::{Address, B256};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_primitives::Checkpoint;
use proofmill_program::{Aggregation, AggregationPublicValues, RangePublicValues};
use std::{
    fmt,
    num::NonZeroU64,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// Makes proofs of one prover type.
///
/// What was asked for is asked again after a restart, unless it was finished. A service that keeps its own work (a
/// cluster does) should find it again by what is asked.
pub trait ProofService: fmt::Debug + Send + Sync {
    /// Makes a range proof. Where the witness shows that the request is not true ([`RangeRequest::check`]), it should say
    /// so before the proof is paid for.
    ///
    /// When the work is cancelled, it ends soon; a proof that is finished nevertheless is kept.
    ///
    /// # Errors
    ///
    /// [`JobError`], by which the node decides whether to try again, to split the range or to give up.
    fn prove_range<'a>(
        &'a self,
        request: &'a RangeRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<RangeProof, JobError>>;

    /// Aggregates range proofs into an epoch proof, carried as far as L1's verifier needs it.
    ///
    /// # Errors
    ///
    /// As of [`prove_range`](Self::prove_range).
    fn aggregate<'a>(
        &'a self,
        request: &'a AggregationRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<EpochProof, JobError>>;

    /// Verifies a range proof that was stored: whether it can be aggregated, and proves what it says.
    ///
    /// # Errors
    ///
    /// [`Flaw`], by which the node decides whether the proof counts as not there, or is discarded.
    fn check_range<'a>(&'a self, proof: &'a RangeProof) -> BoxFuture<'a, Result<(), Flaw>>;

    /// The same of an epoch proof, which goes to L1.
    ///
    /// # Errors
    ///
    /// As of [`check_range`](Self::check_range).
    fn check_epoch<'a>(&'a self, proof: &'a EpochProof) -> BoxFuture<'a, Result<(), Flaw>>;

    /// A proof of this service does not hold, or is refused where it goes. The service must not hand it out again from what it
    /// keeps: who asks next gets one that was made anew.
    fn refuse<'a>(&'a self, proof: &'a Bytes, cause: &'a str) -> BoxFuture<'a, ()>;

    /// The range program's input for a request, for the record of a failure. Nothing where it cannot be built.
    fn input<'a>(&'a self, request: &'a RangeRequest) -> BoxFuture<'a, Option<Bytes>>;
}

/// Why a stored proof is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It cannot be read: another version made it. It counts as not there.
    #[error("it was made by another version, and cannot be read")]
    Unreadable,
    /// It was read, and does not hold.
    #[error("{cause}")]
    Bad {
        /// What refused it, and why.
        cause: String,
    },
    /// It could not be checked now.
    #[error("it cannot be checked now: {cause}")]
    Unchecked {
        /// Why.
        cause: String,
    },
}

/// What every proof of a rollup says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A job as its service sees it: whether it is still wanted, and where to say how far it is.
#[derive(Clone)]
pub struct Work {
    job: JobId,
    cancel: CancellationToken,
    tell: Arc<dyn Fn(Event) + Send + Sync>,
    last: Arc<Mutex<Option<Progress>>>,
}

impl Work {
    pub(crate) fn new(
        job: JobId,
        cancel: CancellationToken,
        tell: impl Fn(Event) + Send + Sync + 'static,
    ) -> Self {
        Self { job, cancel, tell: Arc::new(tell), last: Arc::default() }
    }

    /// Fires when the work is no longer wanted.
    pub const fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// The work has come so far. Saying the same again costs nothing.
    pub fn progress(&self, progress: Progress) {
        let before = self.last.lock().unwrap_or_else(PoisonError::into_inner).replace(progress);
        if before != Some(progress) {
            (self.tell)(Event::JobNoted { job: self.job, note: JobNote::Progress(progress) });
        }
    }

    /// The proof that was in the store did not hold: it is removed, and made anew.
    pub(crate) fn discarded(&self, cause: &str) {
        let note = JobNote::Discarded { cause: cause.to_owned() };
        (self.tell)(Event::JobNoted { job: self.job, note });
    }

    /// The work does not go on for now. Shown until it comes further.
    pub fn held_up(&self, cause: impl fmt::Display) {
        let note = JobNote::HeldUp { cause: cause.to_string() };
        (self.tell)(Event::JobNoted { job: self.job, note });
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("job", &self.job).finish_non_exhaustive()
    }
}
