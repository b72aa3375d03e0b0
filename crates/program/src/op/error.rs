//! Why the programs for OP Stack chains refuse their input.

use crate::error::ProgramError;
use alloy_primitives::B256;

/// Why range proofs of an OP Stack chain are not joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpAggregationError {
    /// Bytes that are no input, or no public values.
    #[error(transparent)]
    Encoding(#[from] ProgramError),
    /// Nothing to join.
    #[error("there is no range to aggregate")]
    NoRanges,
    /// A range of another chain, or of other rules.
    #[error("range {at} is of rollup configuration {got}, the first of {expected}")]
    OtherConfig {
        /// Position in the list, from 0.
        at: usize,
        /// Configuration of the first range.
        expected: B256,
        /// Configuration of this one.
        got: B256,
    },
    /// A range that does not begin where the one before it ends.
    #[error("range {at} begins with output root {got}, the one before it ends with {expected}")]
    Broken {
        /// Position in the list, from 0.
        at: usize,
        /// Where the one before ends.
        expected: B256,
        /// Where this one begins.
        got: B256,
    },
    /// A range that ends before the one before it.
    #[error("range {at} ends with block {got}, the one before it with {before}")]
    NotLater {
        /// Position in the list, from 0.
        at: usize,
        /// Last block of the range before.
        before: u64,
        /// Last block of this one.
        got: u64,
    },
    /// L1 headers that do not follow on each other up to the L1 head.
    #[error(
        "L1 header {at} has hash {got}, expected {expected}: headers follow on each other up to the L1 head"
    )]
    HeaderChain {
        /// Position in the list, from 0.
        at: usize,
        /// The hash that what follows it says.
        expected: B256,
        /// Its hash.
        got: B256,
    },
    /// Bytes that are no header.
    #[error("L1 header {at} is not the RLP encoding of a header")]
    Header {
        /// Position in the list, from 0.
        at: usize,
    },
    /// A range was derived up to an L1 block that is not among the headers.
    #[error(
        "range {at} was derived up to L1 block {head}, which is not among the {headers} headers before the L1 head"
    )]
    HeadNotFound {
        /// Position in the list, from 0.
        at: usize,
        /// The last L1 block from which it was derived.
        head: B256,
        /// How many headers there are.
        headers: usize,
    },
}

/// Why the range program refuses its input.
#[cfg(feature = "optimism")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpRangeError {
    /// Bytes that are no input.
    #[error("{len} bytes are not an input of the range program for OP Stack chains")]
    Encoding {
        /// How many there are.
        len: usize,
    },
    /// The blocks were only to be executed, and are not valid.
    #[error(transparent)]
    Executed(#[from] ProgramError),
    /// The input of the execution cannot be read.
    #[error("the range input is not readable")]
    Decode(#[from] proofmill_stateless::DecodeError),
    /// The blocks do not execute, or not to what their headers say.
    #[error("the blocks are not valid")]
    Blocks(#[from] proofmill_optimism::OpError),
    /// The blocks are not those that L1 gives, or that cannot be said.
    #[error("the blocks do not follow from L1")]
    Derivation(#[from] proofmill_derivation::DerivationError),
    /// Headers before Isthmus do not say the message passer's root.
    #[error(
        "the block before the range is of before Isthmus: no header says its output root. Begin the range later"
    )]
    NoOutputRoot,
}
