//! The units that the coordinator schedules, and who can take them.

use crate::{Weight, proof::UnknownName};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Serialize};

/// What a task does. Names, wire numbers and default weights are those of the SP1 cluster's `worker.proto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TaskKind {
    /// Plans a proof, creates its other tasks and puts their results together.
    Controller,
    /// Executes a program ahead of its shards.
    CoreExecute,
    /// Proves one segment of an execution.
    ProveShard,
    /// Folds several proofs into one.
    RecursionReduce,
    /// Folds deferred proofs, those that a program verifies.
    RecursionDeferred,
    /// Makes the last STARK of a proof, of constant size.
    ShrinkWrap,
    /// Derives a program's verifying key.
    SetupVkey,
    /// Marks a deferred record; carries no work.
    MarkerDeferredRecord,
    /// Wraps a proof in PLONK.
    PlonkWrap,
    /// Wraps a proof in Groth16.
    Groth16Wrap,
    /// Only runs a program.
    ExecuteOnly,
    /// SP1's tool that builds its map of recursion keys.
    UtilVkeyMapController,
    /// One part of that map.
    UtilVkeyMapChunk,
}

impl TaskKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Controller,
        Self::CoreExecute,
        Self::ProveShard,
        Self::RecursionReduce,
        Self::RecursionDeferred,
        Self::ShrinkWrap,
        Self::SetupVkey,
        Self::MarkerDeferredRecord,
        Self::PlonkWrap,
        Self::Groth16Wrap,
        Self::ExecuteOnly,
        Self::UtilVkeyMapController,
        Self::UtilVkeyMapChunk,
    ];

    /// The number in `worker.proto`'s `TaskType`.
    pub const fn wire(self) -> i32 {
        match self {
            Self::Controller => 1,
            Self::ProveShard => 2,
            Self::RecursionReduce => 3,
            Self::RecursionDeferred => 4,
            Self::ShrinkWrap => 5,
            Self::SetupVkey => 6,
            Self::MarkerDeferredRecord => 7,
            Self::PlonkWrap => 8,
            Self::Groth16Wrap => 9,
            Self::ExecuteOnly => 10,
            Self::CoreExecute => 11,
            Self::UtilVkeyMapController => 101,
            Self::UtilVkeyMapChunk => 102,
        }
    }

    /// The kind with this number in `worker.proto`.
    pub fn from_wire(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.wire() == number)
    }

    /// The name, as in the product's documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Controller => "Controller",
            Self::CoreExecute => "CoreExecute",
            Self::ProveShard => "ProveShard",
            Self::RecursionReduce => "RecursionReduce",
            Self::RecursionDeferred => "RecursionDeferred",
            Self::ShrinkWrap => "ShrinkWrap",
            Self::SetupVkey => "SetupVkey",
            Self::MarkerDeferredRecord => "MarkerDeferredRecord",
            Self::PlonkWrap => "PlonkWrap",
            Self::Groth16Wrap => "Groth16Wrap",
            Self::ExecuteOnly => "ExecuteOnly",
            Self::UtilVkeyMapController => "UtilVkeyMapController",
            Self::UtilVkeyMapChunk => "UtilVkeyMapChunk",
        }
    }

    /// The memory that a task of this kind needs when nobody said otherwise: the figures of the SP1 cluster 2.7.2
    /// (`crates/common/src/consts.rs`), which change from release to release.
    pub const fn default_weight(self) -> Weight {
        Weight::gb(match self {
            Self::MarkerDeferredRecord => 0,
            Self::Controller | Self::SetupVkey => 1,
            Self::UtilVkeyMapController | Self::UtilVkeyMapChunk => 2,
            Self::RecursionReduce | Self::RecursionDeferred => 3,
            Self::ProveShard | Self::ShrinkWrap | Self::ExecuteOnly => 4,
            Self::CoreExecute => 8,
            Self::Groth16Wrap => 14,
            Self::PlonkWrap => 60,
        })
    }

    /// What a worker must be to take a task of this kind; the SP1 cluster's division.
    pub const fn needs(self) -> Capability {
        match self {
            Self::ProveShard
            | Self::RecursionReduce
            | Self::RecursionDeferred
            | Self::ShrinkWrap
            | Self::SetupVkey
            | Self::UtilVkeyMapChunk => Capability::Gpu,
            Self::MarkerDeferredRecord => Capability::None,
            _ => Capability::Cpu,
        }
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which half of the workers a kind of task belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Capability {
    /// CPU nodes: controllers, executions and SNARK wraps.
    Cpu,
    /// GPU nodes: everything that proves a STARK. A CPU worker of kind `all` can take these as well.
    Gpu,
    /// Nobody: the task is a mark and is never given out.
    None,
}

/// What a worker said it is when it registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerKind {
    /// Takes CPU tasks.
    Cpu,
    /// Takes GPU tasks.
    Gpu,
    /// Takes both.
    All,
}

impl WorkerKind {
    /// Whether a worker of this kind can take tasks that need `capability`.
    pub const fn can(self, capability: Capability) -> bool {
        match capability {
            Capability::Cpu => matches!(self, Self::Cpu | Self::All),
            Capability::Gpu => matches!(self, Self::Gpu | Self::All),
            Capability::None => false,
        }
    }

    /// The name in settings and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::All => "all",
        }
    }
}

impl fmt::Display for WorkerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for WorkerKind {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name.to_ascii_lowercase().as_str() {
            "cpu" => Ok(Self::Cpu),
            "gpu" => Ok(Self::Gpu),
            "all" => Ok(Self::All),
            _ => Err(UnknownName::new("worker kind", name, "cpu, gpu or all")),
        }
    }
}
