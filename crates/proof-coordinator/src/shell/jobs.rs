//! What is waited for: what a prover is given for a batch, and who waits for its proof.

use crate::rules::BatchId;
use bytes::Bytes;
use proofmill_ledger::Timestamp;
use proofmill_primitives::{ProgramVersion, ProverType};
use proofmill_service::{JobError, Pulled};
use std::{collections::BTreeMap, num::NonZeroU64};
use tokio::sync::watch;

pub(super) type Key = (BatchId, ProverType);

/// What came of it.
pub(super) type Ended = Option<Result<Pulled, JobError>>;

/// A batch that is waited for.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) program: ProgramVersion,
    /// What the proof's public values may be.
    pub(super) says: [Vec<u8>; 2],
    /// Who waits has it in memory anyway: no store can lose or damage it, and after a restart it is made again.
    pub(super) input: Bytes,
    pub(super) input_hash: [u8; 32],
    /// What is kept with the proof.
    pub(super) note: Bytes,
    pub(super) cycle_limit: Option<NonZeroU64>,
    /// When it was last given out.
    pub(super) given_at: Option<Timestamp>,
    /// Why a prover gave it back last.
    pub(super) given_back: Option<String>,
    /// From how many provers it was taken back, because they were late.
    pub(super) late: u32,
    pub(super) ended: watch::Sender<Ended>,
    /// How many wait for it.
    pub(super) waiting: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Jobs(BTreeMap<Key, Job>);

impl Jobs {
    pub(super) fn get(&self, key: &Key) -> Option<&Job> {
        self.0.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Job> {
        self.0.get_mut(key)
    }

    /// Somebody waits. Who waits for the same waits for the same proof, of the input that came first.
    pub(super) fn join(&mut self, key: Key, job: Job) -> watch::Receiver<Ended> {
        let job = self.0.entry(key).or_insert(job);
        job.waiting += 1;
        job.ended.subscribe()
    }

    /// Somebody does not wait any more; whether that was the last one.
    pub(super) fn leave(&mut self, key: &Key) -> bool {
        let Some(job) = self.0.get_mut(key) else { return false };
        job.waiting = job.waiting.saturating_sub(1);
        job.waiting == 0 && self.0.remove(key).is_some()
    }

    /// It ended, one way or another.
    pub(super) fn end(&mut self, key: &Key, how: Result<Pulled, JobError>) {
        if let Some(job) = self.0.get(key) {
            job.ended.send_replace(Some(how));
        }
    }
}
