//! What makes proofs for the prover node.
//!
//! A [`ProofService`] makes the proofs of one prover type: a range proof for a [`RangeRequest`], an epoch proof for an
//! [`AggregationRequest`]. While it works it says by its [`Work`] how far it is; when it cannot, a [`JobError`] says what that
//! means for the range. [`ClusterService`] builds the witness here and has the proof made by a cluster; [`PullService`] has it made
//! by provers that come for their work.
//!
//! ```
//! use proofmill_primitives::BlockRange;
//! use proofmill_service::{RangeSpec, SplitPoint};
//!
//! let blocks = BlockRange::new(1, 8).unwrap();
//! let range = RangeSpec { blocks, parent_hash: [1; 32].into(), last_hash: [2; 32].into() };
//! let at = range.middle().unwrap();
//! let (first, second) = range.split(SplitPoint { at, hash: [3; 32].into() }).unwrap();
//! assert_eq!((first.blocks.last(), second.blocks.first()), (4, 5));
//! ```

mod blame;
mod blocks;
mod cluster;
mod maker;
mod outcome;
mod pull;
mod range;
mod request;
mod service;
mod side;
mod verifiers;
mod work;

pub use blame::dearest;
pub use blocks::{Away, BlockHashes};
pub use cluster::ClusterService;
pub use outcome::{Executed, JobError, JobNote, Progress, ProofCost, ProofLevel};
pub use pull::{FoundProof, PullService, Pulled, Pullers, Sought, Wanted};
pub use range::{EpochSpec, RangeSpec, SplitPoint};
pub use request::{AggregationRequest, EpochProof, RangeProof, RangeRequest, Statement};
pub use service::{Flaw, ProofService};
pub use side::NodeSide;
pub use verifiers::L1Verifiers;
pub use work::Work;
