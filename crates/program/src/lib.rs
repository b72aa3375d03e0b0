//! What the range and aggregation programs compute, shared by the zkVM guests and the host.
//!
//! A guest only moves bytes: it reads its input, calls [`range::run`] or [`aggregation::fold`], and makes the resulting
//! [`RangePublicValues`] or [`AggregationPublicValues`] public, as ABI bytes ([`PublicValues::to_bytes`]) or, where a zkVM
//! reveals 32 bytes only, as their hash ([`PublicValues::commitment`]). The host calls the same functions to know what a
//! proof must say before it pays for the proof.
//!
//! ```
//! use proofmill_program::{Aggregation, PublicValues, RangePublicValues, aggregation};
//!
//! let first = RangePublicValues { firstBlock: 1, lastBlock: 5, ..Default::default() };
//! let second = RangePublicValues { firstBlock: 6, lastBlock: 9, ..Default::default() };
//! // Each is a checkpoint of its own.
//! let by = Aggregation { range_key: [1; 32].into(), from_commitment: [2; 32].into(), checkpoints: vec![1, 1] };
//! let epoch = aggregation::fold(&by, &[first.clone(), second.clone()])?;
//! assert_eq!((epoch.firstBlock, epoch.lastBlock), (1, 9));
//! assert_eq!(epoch.toCommitment, second.boundary().commit(first.boundary().commit(epoch.fromCommitment)));
//! assert_eq!(epoch.to_bytes().len(), 32 * 14);
//! # Ok::<(), proofmill_program::ProgramError>(())
//! ```

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod aggregation;
mod boundary;
mod error;
pub mod op;
mod public_values;
pub mod range;

pub use aggregation::Aggregation;
pub use boundary::Boundary;
pub use error::{Link, ProgramError};
pub use public_values::{AggregationPublicValues, PublicValues, RangePublicValues};
pub use range::ProvenFor;
