//! Asks a cluster for proofs, and checks what comes back.
//!
//! [`ClusterClient`] is a connection: it asks, follows, cancels. [`ClusterProver`] is what most callers want: it takes a
//! program and an input (or the witness of a range, or range proofs to be aggregated), and gives a proof that was
//! verified here. [`StatedProof`] is the file of such a proof: what was proven, and the proof. [`programs`] are
//! Proofmill's own programs, as `make elf` built them.
//!
//! ```no_run
//! # async fn example() -> Result<(), proofmill_client::ClientError> {
//! let cluster = proofmill_client::ClusterClient::connect("http://127.0.0.1:50051").await?;
//! println!("{} workers", cluster.status(Default::default()).await?.workers.len());
//! # Ok(()) }
//! ```

mod cluster;
mod error;
mod evidence;
pub mod files;
pub mod programs;
mod proof_file;
mod prover;
mod sp1_snark;
mod verify;

pub use cluster::{Accepted, ClusterClient, ProofAsked};
pub use error::ClientError;
pub use proof_file::{
    CheckpointProof, EpochProof, OpAggregationProof, OpRangeProof, ProofFileError, StatedProof, Statement,
};
pub use prover::{ClusterProver, Made};
pub use sp1_snark::{Sp1Circuit, Sp1Snark, Sp1SnarkError};
pub use verify::{VerifyError, verify_stated};
