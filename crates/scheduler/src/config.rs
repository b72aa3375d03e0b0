//! What an operator can set.

use proofmill_fault::Patience;
use proofmill_primitives::{TaskKind, Weight};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// The scheduler's limits. [`Config::default`] is what the product documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// A worker that was silent for longer is dead and its tasks go to others. 30 s, the SP1 cluster's default.
    pub heartbeat_timeout: Duration,
    /// A task that runs for longer is taken from its worker and tried on another; a controller and an execution, which wait for
    /// the others, are not. After the coordinator was away, it has as long again. 6 h (`TASK_TIMEOUT`).
    pub task_timeout: Duration,
    /// How long a worker whose stream broke has to come back before its tasks go to others, from its last heartbeat. 30 s, as long as
    /// one that is silent: the work that it holds is worth more than that, and it tries each second to come back.
    pub reconnect_grace: Duration,
    /// What follows from a fault of a task: the pauses between tries, and the last try.
    pub patience: Patience,
    /// How long a worker's heartbeats may leave out a task that it was sent before the task counts as lost on the
    /// way or dropped. 10 s: two heartbeats of a worker that sends one every 5 s.
    pub delivery_grace: Duration,
    /// How long the first task in line may be overtaken by lighter ones, or blocked by the controllers of other proofs,
    /// before a worker is kept free for it. 30 s: longer than most shards run, short against a proof.
    pub reserve_after: Duration,
    /// What a worker of kind `all` keeps free of every controller after its first, so that the proofs that the
    /// controllers wait for can advance on it. 4 GB, the weight of a `ProveShard`.
    pub controller_headroom: Weight,
    /// Who goes first.
    pub policy: Policy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat_timeout: Duration::from_secs(30),
            task_timeout: Duration::from_secs(6 * 60 * 60),
            reconnect_grace: Duration::from_secs(30),
            patience: Patience::default(),
            delivery_grace: Duration::from_secs(10),
            reserve_after: Duration::from_secs(30),
            controller_headroom: TaskKind::ProveShard.default_weight(),
            policy: Policy::default(),
        }
    }
}

/// In which order waiting tasks are given out. Within a proof, under every policy, the tasks nearest to its end go
/// first (wraps, then recursion, then the rest), because they let memory and artifacts go; then in order of creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The oldest proof first.
    #[default]
    Fifo,
    /// The requester whose running GPU tasks weigh least first, then that requester's proof of which the same is true,
    /// then the oldest.
    Balanced,
    /// The earliest deadline first, those without one last; then the oldest.
    Deadline,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Fifo, Self::Balanced, Self::Deadline];

    /// The name in settings and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Balanced => "balanced",
            Self::Deadline => "deadline",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No policy has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scheduling policy `{0}`: use fifo, balanced or deadline")]
pub struct UnknownPolicy(String);

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.name() == name)
            .ok_or_else(|| UnknownPolicy(name.to_owned()))
    }
}
