//! A coordinator that runs: its desk, what is waited for, and what it stands on.

use super::{
    board::{Board, OpenBatches},
    clock::Clock,
    counted,
    error::CoordinatorError,
    jobs::{Jobs, Key},
    journal::{self, Journal, Lost, Receipt},
    shelf::Shelf,
};
use crate::{
    rules::{Desk, DeskConfig, ProverName, Quiet, Shown},
    settle::Remembered,
};
use proofmill_artifacts::ArtifactStore;
use proofmill_backends::{Backend, Registry};
use proofmill_ledger::{Ledger, Timestamp};
use proofmill_primitives::{CheckpointNumber, ProverType};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How many proofs are verified at the same time: it takes a core for a second or more, and provers are many.
const CHECKS: usize = 2;

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct CoordinatorConfig {
    /// The prover types whose proofs are needed.
    pub needed: BTreeSet<ProverType>,
    /// A batch that was held for so long is given to another prover. 600 s by default.
    pub timeout: Duration,
}

/// Gives batches to provers that pull, and takes their proofs. Cheap to clone.
#[derive(Clone)]
pub struct Coordinator(pub(super) Arc<Inner>);

pub(super) struct Inner {
    state: Mutex<State>,
    pub(super) config: CoordinatorConfig,
    pub(super) shelf: Shelf,
    pub(super) backends: BTreeMap<ProverType, Arc<dyn Backend>>,
    pub(super) checks: Arc<Semaphore>,
    pub(super) clock: Clock,
    pub(super) began: Timestamp,
    ledger: Ledger,
    /// Cancelled when this process ends, before those who wait for batches are.
    ending: CancellationToken,
    pub(super) lost: Lost,
}

/// What the lock guards.
pub(super) struct State {
    pub(super) desk: Desk,
    pub(super) jobs: Jobs,
    pub(super) board: Board,
    /// The lines of what is refused.
    pub(super) quiet: Quiet,
    /// Those of what this process cannot do: its store is away, say.
    pub(super) unable: Quiet,
    /// Why the rollup cannot be followed, while it cannot.
    pub(super) cannot_follow: Option<String>,
    /// L1 has verified the batches up to this one, as far as anybody said so.
    pub(super) verified: Option<CheckpointNumber>,
    /// Who is handing in a proof at this moment: one at a time for each.
    pub(super) submitting: BTreeSet<ProverName>,
    /// The proofs that are being verified, by a number of their own, and since when.
    pub(super) checking: BTreeMap<u64, Timestamp>,
    /// When a prover of a type asked last.
    pub(super) asked: BTreeMap<ProverType, Timestamp>,
    journal: Journal,
}

impl State {
    /// Hands over what must be made durable, while the desk is locked: so it stays in order.
    pub(super) fn keep(&mut self) -> Receipt {
        counted::standing(&self.desk);
        let records = self.desk.take_records();
        self.journal.keep(records.iter().map(journal::change).collect())
    }
}

impl Coordinator {
    /// A coordinator that goes on with what the ledger says was given out. It gives out what is [wanted](proofmill_service::Pullers)
    /// of it. `ending` is cancelled when the process ends: what is not wanted any more from then on stays given out.
    ///
    /// # Errors
    /// [`CoordinatorError`], where proofs of a needed type could not be verified here, or the ledger cannot be read.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(
        config: CoordinatorConfig,
        ledger: Ledger,
        artifacts: Arc<dyn ArtifactStore>,
        registry: &Registry,
        ending: CancellationToken,
    ) -> Result<Self, CoordinatorError> {
        if config.needed.is_empty() {
            return Err(CoordinatorError::NoProverTypes);
        }
        let mut backends = BTreeMap::new();
        for prover in &config.needed {
            let backend = registry.checker(*prover);
            let backend =
                backend.map_err(|source| CoordinatorError::NoVerifier { prover: *prover, source })?;
            backends.insert(*prover, backend);
        }
        counted::describe();
        let clock = Clock::start();
        let began = clock.now();
        let held: Vec<_> = ledger.assignments().await?.into_iter().filter_map(journal::read).collect();
        if !held.is_empty() {
            tracing::info!(assignments = held.len(), "going on with what was given out");
        }
        let mut desk = Desk::new(DeskConfig { needed: config.needed.clone(), timeout: config.timeout });
        desk.restore(began, held);
        let (journal, lost) = Journal::new(ledger.clone());
        let mut state = State {
            desk,
            jobs: Jobs::default(),
            board: Board::default(),
            quiet: Quiet::default(),
            unable: Quiet::default(),
            cannot_follow: None,
            verified: None,
            submitting: BTreeSet::new(),
            checking: BTreeMap::new(),
            asked: BTreeMap::new(),
            journal,
        };
        drop(state.keep());
        Ok(Self(Arc::new(Inner {
            state: Mutex::new(state),
            config,
            shelf: Shelf(artifacts),
            backends,
            checks: Arc::new(Semaphore::new(CHECKS)),
            clock,
            began,
            ledger,
            ending,
            lost,
        })))
    }

    /// What is known in the ledger of refused proofs, for a [`Settler`](crate::Settler), and where it keeps more.
    ///
    /// # Errors
    /// [`CoordinatorError::Restore`].
    pub async fn remembered(&self) -> Result<Remembered, CoordinatorError> {
        let journal = self.0.lock().journal.clone();
        Ok(Remembered::of(&self.0.ledger, journal).await?)
    }

    /// L1 has verified the batches up to this one: nobody is given them any more.
    pub fn verified(&self, through: CheckpointNumber) {
        let mut state = self.0.lock();
        state.desk.verified(through);
        state.board.verified(through);
        state.verified = Some(through);
        drop(state.keep());
    }

    /// The rollup cannot be followed for this cause; without one it is.
    pub(crate) fn cannot_follow(&self, cause: Option<String>) {
        self.0.lock().cannot_follow = cause;
    }

    /// The batches above this one are not on L1 any more: nothing is told of them.
    pub(crate) fn pruned(&self, to: CheckpointNumber) {
        self.0.lock().board.pruned(to);
    }

    /// The batches that wait for proofs, for an operator: which proofs each has, which it waits for and since when, and who makes them.
    pub fn open_batches(&self) -> OpenBatches {
        let state = self.0.lock();
        state.board.open(self.0.clock.now(), self.0.config.timeout, state.desk.shown())
    }

    /// What is waited for, in order, and who holds it.
    pub fn shown(&self) -> Vec<Shown> {
        self.0.lock().desk.shown()
    }
}

impl Inner {
    /// The lock. It is held to scan and mark, and never while anything is waited for.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody waits for a batch any more. Who only ends waits for it again after a restart, and its prover goes on meanwhile.
    pub(super) fn forget(&self, key: Key) {
        if self.ending.is_cancelled() {
            return;
        }
        let mut state = self.lock();
        if state.jobs.leave(&key) {
            state.desk.remove(key.0, key.1);
            drop(state.keep());
        }
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}
