//! What the programs for chains of the OP Stack say: the public values of OP Succinct's contracts, to the byte.
//!
//! A range proof says that an output root follows from another one by the rules of the chain, from what L1 had posted up to
//! a block ([`OpRangePublicValues`]). An aggregation proof says the same of ranges that follow on each other, up to one L1
//! block that is after all of theirs ([`OpAggregationPublicValues`]); the contracts take that one. Both are what
//! OP Succinct 4.3.0 has (`utils/client/src/boot.rs`, `contracts/src/lib/Types.sol`), so that its contracts, and its
//! aggregation program over our range proofs, need not be told apart from their own.
//!
//! The same program can prove that blocks of such a chain were executed, and no more (`range::OpStatement::Executed`): what it then says
//! is what Ethereum's range program says, and no contract of the OP Stack takes it.
//!
//! ```
//! use proofmill_program::PublicValues;
//! use proofmill_program::op::{OpAggregation, OpRangePublicValues, aggregation};
//!
//! // One L1 block, of which only its parent matters here: a list of one hash.
//! let header = [&[0xe1, 0xa0][..], &[7; 32]].concat();
//! let l1_head = alloy_primitives::keccak256(&header);
//! let first = OpRangePublicValues { l1Head: l1_head, l2PostRoot: [2; 32].into(), l2BlockNumber: 10, ..Default::default() };
//! let second = OpRangePublicValues { l2PreRoot: [2; 32].into(), l2BlockNumber: 20, ..first.clone() };
//! let by = OpAggregation { range_key: [1; 32].into(), prover: [3; 20].into(), l1_head, l1_headers: vec![header] };
//! let says = aggregation::fold(&by, &[first, second])?;
//! assert_eq!((says.claimBlockNum, says.to_bytes().len()), (20, 224));
//! # Ok::<(), proofmill_program::op::OpAggregationError>(())
//! ```

pub mod aggregation;
mod error;
#[cfg(feature = "optimism")]
pub mod range;
mod values;

pub use aggregation::OpAggregation;
pub use error::OpAggregationError;
#[cfg(feature = "optimism")]
pub use error::OpRangeError;
#[cfg(feature = "optimism")]
pub use proofmill_derivation::{Arkworks, Kzg, ScaledBlob};
pub use values::{OpAggregationPublicValues, OpRangePublicValues};
