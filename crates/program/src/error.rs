//! Why a program refuses its input. A guest that meets one of these must not produce public values.

use alloy_primitives::{Address, B256};
use proofmill_stateless::{DecodeError, StatelessError};

/// What two neighbouring ranges must agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The last block's hash is the next range's parent hash.
    BlockHash,
    /// The state after one is the state before the next.
    StateRoot,
}

impl core::fmt::Display for Link {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::BlockHash => "block hash",
            Self::StateRoot => "state root",
        })
    }
}

/// Why a program refuses its input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The range input is shorter than the addresses of rollup and prover that it begins with.
    #[error("the range input has {len} bytes and is too short for the two addresses it begins with")]
    NoAddresses {
        /// Its length in bytes.
        len: usize,
    },
    /// What follows the addresses is not an encoded stateless input.
    #[error("the range input is not readable")]
    Decode(#[from] DecodeError),
    /// The blocks do not execute, or not to what their headers say.
    #[error("the blocks are not valid")]
    Blocks(#[from] StatelessError),
    /// The same of blocks of the OP Stack.
    #[cfg(feature = "optimism")]
    #[error("the blocks are not valid by the OP Stack's rules")]
    OptimismBlocks(#[from] proofmill_optimism::OpError),
    /// Public values that are not the ABI encoding of their type.
    #[error("{len} bytes are not the ABI encoding of {what}")]
    PublicValues {
        /// Which public values were expected.
        what: &'static str,
        /// How many bytes there were.
        len: usize,
    },
    /// An aggregation of nothing.
    #[error("there is no range to aggregate")]
    NoRanges,
    /// A range ends before it begins.
    #[error("range {at} ends with block {last}, before its first block {first}")]
    EmptyRange {
        /// Position in the list, from 0.
        at: usize,
        /// Its first block.
        first: u64,
        /// Its last block.
        last: u64,
    },
    /// A range is for another chain.
    #[error("range {at} is of chain {got}, the first is of chain {expected}")]
    OtherChain {
        /// Position in the list, from 0.
        at: usize,
        /// Chain id of the first range.
        expected: u64,
        /// Chain id of this one.
        got: u64,
    },
    /// A range was executed under other rules.
    #[error("range {at} was executed under chain configuration {got}, the first under {expected}")]
    OtherConfig {
        /// Position in the list, from 0.
        at: usize,
        /// Configuration hash of the first range.
        expected: B256,
        /// Configuration hash of this one.
        got: B256,
    },
    /// A range is for another rollup.
    #[error("range {at} is of rollup {got}, the first is of rollup {expected}")]
    OtherRollup {
        /// Position in the list, from 0.
        at: usize,
        /// Rollup of the first range.
        expected: Address,
        /// Rollup of this one.
        got: Address,
    },
    /// A range was proven by somebody else.
    #[error("range {at} was proven by {got}, the first by {expected}: each prover aggregates its own ranges")]
    OtherProver {
        /// Position in the list, from 0.
        at: usize,
        /// Prover of the first range.
        expected: Address,
        /// Prover of this one.
        got: Address,
    },
    /// Blocks are left out, or there twice, between two ranges.
    #[error("range {at} begins with block {got}, but the range before it ends at block {before}")]
    Gap {
        /// Position in the list, from 0.
        at: usize,
        /// Last block of the range before.
        before: u64,
        /// First block of this one.
        got: u64,
    },
    /// The ends of two neighbouring ranges differ.
    #[error("range {at} begins at {link} {got}, but the range before it ends at {expected}")]
    Broken {
        /// Position in the list, from 0.
        at: usize,
        /// What differs.
        link: Link,
        /// Where the range before ends.
        expected: B256,
        /// Where this one begins.
        got: B256,
    },
    /// A checkpoint without a range.
    #[error("checkpoint {at} of the epoch has no ranges")]
    EmptyCheckpoint {
        /// Position among the epoch's checkpoints, from 0.
        at: usize,
    },
    /// A checkpoint is to be made of more ranges than there are.
    #[error("checkpoint {at} of the epoch ends after the last range")]
    RangesMissing {
        /// Position among the epoch's checkpoints, from 0.
        at: usize,
    },
    /// Ranges after the last checkpoint.
    #[error("{ranges} ranges are of no checkpoint")]
    RangesLeft {
        /// How many.
        ranges: usize,
    },
}
