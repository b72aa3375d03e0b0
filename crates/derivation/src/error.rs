//! Why a range does not follow from L1, or cannot be said to.

use alloc::string::String;
use alloy_primitives::B256;
use proofmill_stateless::{OpFork, OpRulesError};

/// Why a range does not follow from L1, or cannot be said to. A guest that meets one of these makes no proof.
///
/// What a batcher posts that is of no use is no error: it is left out, as the rules say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerivationError {
    /// Bytes that are not what they should be.
    #[error("the derivation's input is not readable: expected {what}")]
    Encoding {
        /// What was expected.
        what: &'static str,
    },
    /// The rules of execution cannot be followed.
    #[error(transparent)]
    Rules(OpRulesError),
    /// L1's blob parameters.
    #[error("L1's blob parameters are missing, or not in order of time")]
    BlobSchedule,
    /// A window of no blocks.
    #[error("the sequencing window must be 1 block at least")]
    SequenceWindow,
    /// The range was executed by other rules than it is derived by.
    #[error("the blocks are executed by other rules than the rollup configuration has")]
    OtherRules,
    /// There is nothing to derive.
    #[error("there are no blocks to derive")]
    NoBlocks,
    /// Blocks before Holocene.
    #[error("time {timestamp} is before Holocene: blocks before it are executed, and not derived")]
    BeforeHolocene {
        /// The block's time.
        timestamp: u64,
    },
    /// The first block of a fork, which has transactions of its own.
    #[error(
        "the block of time {timestamp} is the first of {fork}, whose transactions are not derived; begin after it"
    )]
    Activation {
        /// The block's time.
        timestamp: u64,
        /// The fork.
        fork: OpFork,
    },
    /// The block before the range is the first of a fork, which does not say all of the configuration.
    #[error(
        "the block before the range is the first of {fork}, which does not say all that L1 has configured; begin a block later"
    )]
    ParentActivates {
        /// The fork.
        fork: OpFork,
    },
    /// An L1 header that cannot be read.
    #[error("L1 header {at} of the input is not readable")]
    L1Header {
        /// Position in the input, from 0.
        at: usize,
    },
    /// L1 blocks that do not follow on each other.
    #[error("L1 block {number} is not the parent of the one after it in the input")]
    L1Link {
        /// The block.
        number: u64,
    },
    /// L1 data that are not those of their block.
    #[error("the {what} of L1 block {number} are not those that its header commits to")]
    L1Data {
        /// The block.
        number: u64,
        /// Which.
        what: &'static str,
    },
    /// Receipts that are needed and not there.
    #[error(
        "the receipts of L1 block {number} are missing: there may be deposits or changes of the configuration in it"
    )]
    ReceiptsMissing {
        /// The block.
        number: u64,
    },
    /// L1 data begin at another block than derivation does.
    #[error("the L1 data begin with block {first}; the derivation of this range begins with {expected}")]
    L1Start {
        /// The first block of the input.
        first: u64,
        /// Where it has to begin.
        expected: u64,
    },
    /// L1 names a batcher before the range, within the time in which its channels began, and who it was before that is not known.
    #[error(
        "L1 block {number}, shortly before the range, names the batcher: who it was until then is not known without a block of L2 that \
         follows an older L1 block"
    )]
    BatcherUnknown {
        /// The block.
        number: u64,
    },
    /// The parent's transactions are not those that its header commits to.
    #[error("the transactions of the block before the range are not those that its header commits to")]
    ParentTransactions,
    /// The parent's first transaction does not say where L1 was.
    #[error("the block before the range does not begin with L1's attributes: {reason}")]
    ParentAttributes {
        /// What is wrong.
        reason: &'static str,
    },
    /// The parent's L1 block is not on this L1.
    #[error("the block before the range is of L1 block {hash} ({number}), which is not on this L1")]
    OtherL1 {
        /// Number of the L1 block.
        number: u64,
        /// Its hash as the parent has it.
        hash: B256,
    },
    /// L1 does not reach far enough for the range.
    #[error("up to its head, L1 block {head}, L1 has {derived} of the {wanted} blocks of the range")]
    NotYet {
        /// Number of the L1 head.
        head: u64,
        /// So many were derived.
        derived: u64,
        /// So many blocks has the range.
        wanted: u64,
    },
    /// What L1 has and what the range has differ.
    #[error("block {block} has another {field} than L1 gives it")]
    Differs {
        /// The block.
        block: u64,
        /// What differs.
        field: &'static str,
    },
    /// A blob that a batcher's transaction names is not there.
    #[error("blob {hash} of L1 block {number} is missing")]
    BlobMissing {
        /// The L1 block.
        number: u64,
        /// Its versioned hash.
        hash: B256,
    },
    /// Blobs of the input that are not those of their commitments, or not shown to be.
    #[error("the {what}")]
    Blobs {
        /// What is wrong.
        what: &'static str,
    },
    /// A channel whose frames or compressed data are damaged. What a node makes of what is before the damage is its own business.
    #[error(
        "a channel with a frame in L1 block {number} is damaged: {reason}. What follows from it is not sure"
    )]
    Channel {
        /// The L1 block.
        number: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A batch for which L1 blocks after its own would decide.
    #[error(
        "a batch in L1 block {number} names L1 block {epoch}, which its batcher could not know: what follows from it is not sure"
    )]
    Undecided {
        /// The L1 block that has the batch.
        number: u64,
        /// The L1 block that it names.
        epoch: u64,
    },
    /// A block before the range's parent that is not what it should be.
    #[error("ancestor {at} of the block before the range {reason}")]
    Ancestor {
        /// Position in the input, from 0.
        at: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A span batch that begins before the range, and blocks that it has are not known.
    #[error(
        "a span batch in L1 block {number} begins at time {start}, before the range: of the {back} blocks before the range's parent \
         some are missing, by their header or their transactions"
    )]
    AncestorMissing {
        /// The L1 block that has the batch.
        number: u64,
        /// Time of the span's first block.
        start: u64,
        /// So many blocks before the range's parent is the block on which the span follows.
        back: u64,
    },
    /// What stands for a transaction in a span batch, and is none: its type, an amount, a list, or who it is for.
    #[error(
        "a span batch in L1 block {number} has a transaction that is none by its type or its fields: nodes differ in what they drop \
         with it"
    )]
    Unusable {
        /// The L1 block that has the batch.
        number: u64,
    },
    /// The range's first block is posted before the block that it follows.
    #[error(
        "L1 block {number} has a batch of the range's first block, and no batch of its parent is before it: whether nodes take it \
         depends on where they come from. Begin the range earlier"
    )]
    ParentNotPosted {
        /// The L1 block that has the batch.
        number: u64,
    },
    /// A batch with which an L1 block would have no block of L2.
    #[error("a batch passes over L1 block {block}, with the deposits in it: nodes do not go on from it")]
    Skips {
        /// The L1 block.
        block: u64,
    },
    /// A log of L1's contracts that no contract of the OP Stack writes.
    #[error("a log of L1 block {number} is not one of {contract}: {reason}")]
    Log {
        /// The L1 block.
        number: u64,
        /// Which contract.
        contract: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A configuration file that cannot be read.
    #[error("`{key}` of the rollup configuration {reason}")]
    ConfigFile {
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}
