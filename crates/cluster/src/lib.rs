//! The proving cluster: the API that clients ask for proofs and the coordinator that gives tasks to workers, in one
//! process around one state. [`Cluster::start`] brings back what was going on, [`Cluster::serve`] answers until told to
//! stop.
//!
//! One task owns the state (scheduler, proofs, streams). Calls reach it as closures; what they change is made durable
//! in one transaction for all calls that arrived together, and only then are they answered and are tasks sent out. So
//! whatever a client or worker was told survives a crash.
//!
//! ```no_run
//! use proofmill_artifacts::FsArtifacts;
//! use proofmill_cluster::{Cluster, ClusterConfig};
//! use proofmill_ledger::{DataDir, Ledger};
//! use std::sync::Arc;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = DataDir::open("data".as_ref())?;
//! let ledger = Ledger::open(&dir.ledger()).await?;
//! let artifacts = Arc::new(FsArtifacts::open(&dir.artifacts())?);
//! let cluster = Cluster::start(ClusterConfig::default(), ledger, artifacts).await?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:50051").await?;
//! cluster.serve(listener, Default::default()).await?;
//! # Ok(()) }
//! ```

mod api;
mod config;
mod convert;
mod coordinator;
mod entry;
mod error;
mod metrics;
mod operator;
mod owner;
mod queue;
mod serve;
mod state;
mod streams;
mod sweep;

pub use config::ClusterConfig;
pub use error::ClusterError;
pub use serve::Cluster;
