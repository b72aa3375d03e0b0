//! Why range proofs of an OP Stack chain are not joined.

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
    /// A range was executed, and not derived from L1.
    #[error("range {at} was not derived from L1: its L1 head is zero. Prove it with what L1 posted of it")]
    NotDerived {
        /// Position in the list, from 0.
        at: usize,
    },
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
