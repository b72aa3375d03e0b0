//! What every rule has at hand while an event is handled.

use super::{Action, Change, Config, Entry, JobId, SessionId, Time, cost::Speeds};
use proofmill_primitives::{CheckpointNumber, Epoch, ProverType};
use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU64,
};

/// How many reports are kept for the record of a failure.
const JOURNAL: usize = 1_000;

/// How many discarded proofs are shown.
const DISCARDED: usize = 16;

/// Who asked for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A checkpoint prover.
    Range { checkpoint: CheckpointNumber, prover: ProverType },
    /// A session.
    Root { session: SessionId, prover: ProverType },
}

/// What lasts longer than an event: settings, jobs under way, and what was reported.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub(crate) config: Config,
    pub(crate) jobs: BTreeMap<JobId, Asker>,
    last_job: JobId,
    journal: VecDeque<Entry>,
    /// How fast proofs are made.
    pub(crate) speeds: Speeds,
    /// The proofs that were discarded last.
    pub(crate) discarded: VecDeque<Entry>,
}

impl Desk {
    pub(crate) const fn new(config: Config) -> Self {
        Self {
            config,
            jobs: BTreeMap::new(),
            last_job: JobId(0),
            journal: VecDeque::new(),
            speeds: Speeds::new(),
            discarded: VecDeque::new(),
        }
    }

    /// The most instructions of a range of a prover type.
    pub(crate) fn cycle_limit(&self, prover: ProverType) -> NonZeroU64 {
        self.config.cost.limit(self.speeds.get(prover), self.config.window())
    }

    /// How many range jobs of a prover type are under way.
    pub(crate) fn running(&self, prover: ProverType) -> usize {
        let range = |asker: &&Asker| matches!(asker, Asker::Range { prover: of, .. } if *of == prover);
        self.jobs.values().filter(range).count()
    }

    /// What was reported of an epoch, and of none in particular.
    pub(crate) fn journal_of(&self, epoch: Epoch) -> Vec<Entry> {
        let about = |entry: &&Entry| entry.change.epoch().is_none_or(|of| of == epoch);
        self.journal.iter().filter(about).cloned().collect()
    }
}

/// One event being handled.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now: Time,
    pub(crate) desk: &'a mut Desk,
    pub(crate) actions: Vec<Action>,
}

impl Turn<'_> {
    /// A new job.
    pub(crate) fn ask(&mut self, asker: Asker) -> JobId {
        self.desk.last_job.0 += 1;
        self.desk.jobs.insert(self.desk.last_job, asker);
        self.desk.last_job
    }

    /// Takes a job back, if it is under way.
    pub(crate) fn cancel(&mut self, job: JobId) {
        if self.desk.jobs.remove(&job).is_some() {
            self.actions.push(Action::Cancel { job });
        }
    }

    pub(crate) fn report(&mut self, change: Change) {
        if self.desk.journal.len() == JOURNAL {
            self.desk.journal.pop_front();
        }
        let entry = Entry { at: self.now, change: change.clone() };
        if matches!(change, Change::ProofDiscarded { .. }) {
            if self.desk.discarded.len() == DISCARDED {
                self.desk.discarded.pop_front();
            }
            self.desk.discarded.push_back(entry.clone());
        }
        self.desk.journal.push_back(entry);
        self.actions.push(Action::Report(change));
    }
}
