//! Every way in which rules or blocks of an OP Stack chain can be wrong.

use crate::fork::OpFork;
use alloc::{boxed::Box, string::String};
use alloy_primitives::{Address, B256, Bloom, Bytes};
use proofmill_stateless::WitnessError;
use revm::context::result::InvalidTransaction;

/// Rules that cannot be executed by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpRulesError {
    /// The chain schedules a fork that this version does not know.
    #[error(
        "the chain schedules a fork by `{key}`, whose rules this version does not have; use a version that does"
    )]
    UnknownFork {
        /// The key of the configuration.
        key: String,
    },
    /// The chain has no Canyon time.
    #[error("the chain has no activation time of Canyon; blocks before Canyon cannot be proven")]
    CanyonMissing,
    /// A fork is left out, twice there, or earlier than the one before it.
    #[error(
        "the activation of {fork} is not in order: forks follow on each other without a gap, by their times"
    )]
    ForkOrder {
        /// The fork that is out of order.
        fork: OpFork,
    },
    /// Blocks of no time.
    #[error("the time between blocks must be 1 second at least")]
    BlockTime,
    /// Parameters of zero.
    #[error("the base fee's change denominator and elasticity must not be 0")]
    BaseFeeParams,
    /// A fork of Ethereum is not scheduled with that of the OP Stack that brings it.
    #[error("`{key}` is {got}, but it comes with `{with}`, which is {expected}: both must be the same")]
    ForkOfEthereum {
        /// The key of Ethereum's fork.
        key: &'static str,
        /// What it says.
        got: String,
        /// The key of the OP Stack's fork.
        with: String,
        /// What that says.
        expected: String,
    },
    /// A value is missing, or of another kind.
    #[error("`{key}` of the {file} is missing or no {kind}; take the file as the chain's node writes it")]
    Value {
        /// Which file.
        file: &'static str,
        /// The key.
        key: String,
        /// What the value has to be.
        kind: &'static str,
    },
    /// The file is no JSON.
    #[error("the {file} is not valid JSON: {reason}")]
    Json {
        /// Which file.
        file: &'static str,
        /// What the parser says.
        reason: String,
    },
}

/// A block that does not follow from its parent by the rules.
///
/// Hashes and numbers: `said` is what the header says, `due` what the rules make of parent, transactions and state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message names its fields")]
pub enum OpError {
    #[error("the rules cannot be executed by")]
    Rules(#[from] OpRulesError),
    #[error("there are no blocks to execute")]
    NoBlocks,
    #[error("the time {timestamp} of block {block} is before Canyon; blocks before Canyon cannot be proven")]
    BeforeCanyon { block: u64, timestamp: u64 },
    #[error(
        "block {block} is the first of {fork}: what such a block changes by itself is not executed; begin after it"
    )]
    Activation { block: u64, fork: OpFork },
    #[error("block {block} has {field} {said}; the rules make it {due}")]
    Hash { block: u64, field: &'static str, said: B256, due: B256 },
    #[error("block {block} has {field} {said}; the rules make it {due}")]
    Number { block: u64, field: &'static str, said: u64, due: u64 },
    #[error("block {block} has {field} {said}, above {max}")]
    Above { block: u64, field: &'static str, said: u64, max: u64 },
    #[error("block {block} lacks the header field {field}, which {fork} demands")]
    FieldMissing { block: u64, field: &'static str, fork: OpFork },
    #[error("block {block} has the header field {field}, which {fork} does not know")]
    FieldUnknown { block: u64, field: &'static str, fork: OpFork },
    #[error("block {block} has a {field}, which only blocks before proof of stake have")]
    NotProofOfStake { block: u64, field: &'static str },
    #[error("block {block} pays its fees to {got}; on the OP Stack that is the sequencer's fee vault")]
    FeeRecipient { block: u64, got: Address },
    #[error("block {block} has the extra data {got}: {reason}")]
    ExtraData { block: u64, got: Bytes, reason: &'static str },
    #[error("the base fee that follows from the parent of block {block} cannot be computed")]
    ParentOutOfRange { block: u64 },
    #[error("block {block} must come with an empty list of withdrawals")]
    Withdrawals { block: u64 },
    #[error("block {block} has a logs bloom that is not that of its receipts")]
    LogsBloom { block: u64, said: Box<Bloom>, due: Box<Bloom> },
    #[error("the first transaction of block {block} is not that of L1's attributes: {reason}")]
    L1Attributes { block: u64, reason: &'static str },
    #[error("transaction {tx} of block {block} is a deposit after a user's transaction")]
    DepositAfterUser { block: u64, tx: usize },
    #[error(
        "transaction {tx} of block {block} is a deposit with the system mark, which none has since Regolith"
    )]
    SystemDeposit { block: u64, tx: usize },
    #[error("transaction {tx} of block {block} is not a valid encoding: {reason}")]
    MalformedTransaction { block: u64, tx: usize, reason: String },
    #[error("transaction {tx} of block {block} has the type {kind:#04x}, which no fork known here has")]
    UnknownTransaction { block: u64, tx: usize, kind: u8 },
    #[error("transaction {tx} of block {block} has a signature from which no sender can be recovered")]
    BadSignature { block: u64, tx: usize },
    #[error("transaction {tx} of block {block} is for chain {got}, not for chain {expected}")]
    ChainId { block: u64, tx: usize, expected: u64, got: u64 },
    #[error("transaction {tx} of block {block} takes {wanted} of the block's {what}, and {left} are left")]
    AboveBlock { block: u64, tx: usize, what: &'static str, wanted: u64, left: u64 },
    #[error("transaction {tx} of block {block} is invalid: {reason}")]
    InvalidTransaction { block: u64, tx: usize, reason: Box<InvalidTransaction> },
    #[error("the fees of L1 that block {block} has are out of range: {reason}")]
    L1Fees { block: u64, reason: &'static str },
    #[error("block {block} cannot be executed: {reason}")]
    Execution { block: u64, reason: String },
    #[error("the witness does not carry the execution of block {block}")]
    Witness {
        block: u64,
        #[source]
        error: Box<WitnessError>,
    },
}
