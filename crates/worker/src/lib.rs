//! A worker: connects to a coordinator, takes the tasks that fit its memory, runs them on a backend and hands in the
//! results. [`run`] is the whole of it: it comes back when it was told to stop, or when it can never work.
//!
//! A coordinator that goes away is waited for. What was finished meanwhile is handed in when it is back.
//!
//! ```no_run
//! use proofmill_artifacts::FsArtifacts;
//! use proofmill_backends::Registry;
//! use proofmill_primitives::{ProverType, Weight, WorkerKind};
//! use proofmill_worker::{BUILD, WorkerConfig, run};
//! use std::sync::Arc;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = WorkerConfig {
//!     id: "worker-1".into(),
//!     coordinator: "http://127.0.0.1:50051".into(),
//!     kind: WorkerKind::All,
//!     max_weight: Some(Weight::gb(4)),
//!     provers: vec![ProverType::Exec],
//!     segment_memory: Weight::gb(3),
//!     heartbeat: std::time::Duration::from_secs(3),
//!     build: BUILD.into(),
//!     note: None,
//!     killed: Vec::new(),
//! };
//! let artifacts = Arc::new(FsArtifacts::open("data/artifacts".as_ref())?);
//! run(config, Registry::compiled_in(), artifacts, Default::default()).await?;
//! # Ok(()) }
//! ```

mod bench;
mod board;
mod client;
mod controller;
mod failure;
mod given;
mod killed;
mod link;
pub mod memory;
mod metadata;
mod metrics;
mod names;
mod patient;
mod results;
mod run;
#[cfg(test)]
mod scripted;
mod seen;
mod session;
mod step;
mod task;

pub use session::run;

use proofmill_backends::BackendError;
use proofmill_primitives::{ProverType, TaskId, Weight, WorkerId, WorkerKind};
use std::{path::PathBuf, time::Duration};

/// This build.
pub const BUILD: &str = env!("CARGO_PKG_VERSION");

/// What a worker is to be.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Its name; one name is one worker, also across restarts.
    pub id: WorkerId,
    /// Where the coordinator is, as `http://host:port`.
    pub coordinator: String,
    /// Which half of the tasks it takes.
    pub kind: WorkerKind,
    /// The most that its tasks may weigh together; from the machine's memory where nothing is said.
    pub max_weight: Option<Weight>,
    /// The prover types it runs; each must be compiled in.
    pub provers: Vec<ProverType>,
    /// The memory that controllers on this worker cut segments for: what a segment's task will weigh at the most.
    pub segment_memory: Weight,
    /// How often it says that it lives.
    pub heartbeat: Duration,
    /// Which build of Proofmill this is: workers of other builds do not understand the tasks of its controllers, nor it theirs.
    /// [`BUILD`], unless a fleet of two versions is wanted.
    pub build: String,
    /// A file in which it notes the ids of its tasks, as JSON, for whoever finds out how it ended.
    pub note: Option<PathBuf>,
    /// What it did when the system killed it for want of memory. It hands that back with this cause, and does not begin it again.
    pub killed: Vec<TaskId>,
}

/// Why a worker cannot work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The coordinator's address is not one.
    #[error(transparent)]
    BadAddress(#[from] proofmill_wire::BadAddress),
    /// The machine is smaller than what was declared.
    #[error(
        "this worker is to use {asked}, but the machine (or its cgroup) has {available}: \
         lower --max-weight or WORKER_MAX_WEIGHT_OVERRIDE to at most {}", available.as_gb()
    )]
    MoreThanTheMachineHas {
        /// What was declared.
        asked: Weight,
        /// What there is.
        available: Weight,
    },
    /// A prover type that this binary does not have.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The coordinator does not want this worker.
    #[error("the coordinator at {address} refused this worker: {cause}")]
    Refused {
        /// Where.
        address: String,
        /// What it said.
        cause: String,
    },
}
