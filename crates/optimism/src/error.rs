//! Every way in which blocks of an OP Stack chain can be wrong.

use alloc::{boxed::Box, string::String};
use alloy_primitives::{Address, B256, Bloom, Bytes};
use proofmill_stateless::{OpFork, WitnessError};
use revm::context::result::InvalidTransaction;

/// A block that does not follow from its parent by the rules.
///
/// Hashes and numbers: `said` is what the header says, `due` what the rules make of parent, transactions and state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message names its fields")]
pub enum OpError {
    #[error("chain {chain_id} is not of the OP Stack; execute it by Ethereum's rules")]
    RulesOfEthereum { chain_id: u64 },
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
