//! What a task asks of a worker.

use proofmill_primitives::{Capability, Dialect, ProverType, TaskKind, Weight, WorkerKind};

/// Whether a task waits for others of its proof while it holds its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// It begins a proof, and ends only after the proof's other tasks have run.
    Controller,
    /// An execution of the SP1 cluster's layout: it puts together what its shards leave, and ends only after they have run. Its proof
    /// has begun already: where there is room for it, it is not made to wait for more.
    Execution,
    /// It waits for nobody: it ends by itself.
    Work,
}

impl Lane {
    pub(crate) const fn of(kind: TaskKind) -> Self {
        match kind {
            TaskKind::Controller | TaskKind::UtilVkeyMapController => Self::Controller,
            TaskKind::CoreExecute => Self::Execution,
            _ => Self::Work,
        }
    }

    /// Whether it ends only after others have run.
    pub(crate) const fn waits(self) -> bool {
        !matches!(self, Self::Work)
    }
}

/// What tells the tasks of one proof apart for those who could take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sort {
    pub(crate) kind: TaskKind,
    pub(crate) weight: Weight,
    pub(crate) dialect: Option<Dialect>,
}

/// Prover type, dialect and kind of worker. Without a dialect, those of any.
pub(crate) type RackKey = (ProverType, Option<Dialect>, WorkerKind);

/// What a task asks of a worker. Tasks that want the same can stand in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Want {
    pub(crate) prover: ProverType,
    /// Any where nothing is said.
    pub(crate) dialect: Option<Dialect>,
    pub(crate) capability: Capability,
    pub(crate) lane: Lane,
    /// It runs beside no other work: `worker.rs` says why.
    pub(crate) apart: bool,
    /// GB; wider than [`Weight`], so that sums are exact.
    pub(crate) weight: u64,
}

impl Want {
    /// `None` for a kind that is never given out.
    pub(crate) fn new(prover: ProverType, sort: Sort) -> Option<Self> {
        let Sort { kind, weight, dialect } = sort;
        match kind.needs() {
            Capability::None => None,
            capability => {
                let lane = Lane::of(kind);
                Some(Self { prover, dialect, capability, lane, apart: false, weight: gb(weight) })
            }
        }
    }

    /// Where workers of one kind stand that could take it.
    pub(crate) fn rack(self, kind: WorkerKind) -> RackKey {
        (self.prover, self.dialect, kind)
    }

    /// The kinds of worker that can take it, those that can take nothing else first: an `all` worker is left for what
    /// has no other place.
    pub(crate) const fn hosts(self) -> [WorkerKind; 2] {
        match self.capability {
            Capability::Gpu => [WorkerKind::Gpu, WorkerKind::All],
            _ => [WorkerKind::Cpu, WorkerKind::All],
        }
    }
}

pub(crate) fn gb(weight: Weight) -> u64 {
    u64::from(weight.as_gb())
}

pub(crate) fn as_weight(gb: u64) -> Weight {
    Weight::gb(u32::try_from(gb).unwrap_or(u32::MAX))
}
