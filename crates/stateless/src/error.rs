//! Every way in which an input, a witness or a block can be wrong.

use crate::chain::Fork;
use crate::op::OpRulesError;
use alloc::{boxed::Box, string::String};
use alloy_primitives::{Address, B256, Bloom};
use alloy_trie::Nibbles;
use revm::context::{DBErrorMarker, result::InvalidTransaction};

/// A chain configuration that cannot be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainSpecError {
    /// The chain schedules a fork whose header fields this version does not check.
    #[error(
        "the chain schedules the fork {fork}, which this version cannot check in full; use a version that does"
    )]
    UnsupportedFork {
        /// The fork's name in the genesis file.
        fork: &'static str,
    },
    /// The chain has no Shanghai time.
    #[error("the chain has no Shanghai activation time; blocks before Shanghai cannot be proven")]
    ShanghaiMissing,
    /// A fork is left out, twice there, or earlier than the one before it.
    #[error("the forks are not complete and in the order of their activation times")]
    ForkOrder,
    /// Two blob parameters start at the same time, or a later one stands before an earlier one.
    #[error("the blob parameters are not in the order of their activation times")]
    BlobOrder,
    /// Cancun is scheduled without blob parameters.
    #[error("no blob parameters are set at the activation of Cancun")]
    BlobsMissing,
    /// Blob parameters that cannot be computed with.
    #[error(
        "blob parameters are out of range: the update fraction must not be 0, and 0 < maximum <= 4096 >= target"
    )]
    BlobParams,
    /// EIP-1559 parameters of zero.
    #[error("the base fee's change denominator and elasticity must not be 0")]
    BaseFeeParams,
    /// A maximum of the gas limit that no chain can have.
    #[error("the highest gas limit is {gas}, and must be between 5,000 and 2^63 - 1")]
    MaxGasLimit {
        /// The maximum.
        gas: u64,
    },
    /// The chain's blocks are checked by a consensus layer, not by a proof alone.
    #[error(
        "chain {chain_id} has Ethereum's rules, by which a beacon chain checks withdrawals, beacon roots and times: settled \
         as a rollup, whoever makes its blocks could mint; give the rollup a chain id of its own"
    )]
    NotARollup {
        /// EIP-155 chain id.
        chain_id: u64,
    },
    /// The chain's blocks follow from L1's by a derivation that no proof has yet.
    #[error(
        "chain {chain_id} is of the OP Stack, whose deposits and transactions come from L1: a proof does not say yet that they do, \
         so whoever makes its blocks could mint; it cannot be settled"
    )]
    NotDerived {
        /// EIP-155 chain id.
        chain_id: u64,
    },
    /// Rules of the OP Stack are wrong.
    #[error("the rules of the OP Stack are not complete")]
    Optimism(#[from] OpRulesError),
    /// A chain of the OP Stack that says something of Ethereum's rules too.
    #[error("a chain of the OP Stack may say nothing of Ethereum's rules but the forks that its own bring")]
    RulesMixed,
    /// The section `proofmill` of a genesis file's `config` holds something else.
    #[error(
        "the section `proofmill` of the genesis file's config may hold \"requestContracts\" (\"required\" or \
         \"optional\") and \"maxGasLimit\" (a number), and nothing else"
    )]
    GenesisSection,
    /// An account of the genesis file has storage, but neither code nor a nonce.
    #[error(
        "account {address} of the genesis file has storage, but neither code nor a nonce: nodes do not agree on whether a \
         contract can be created there (EIP-7610); give it code, a nonce of 1, or no storage"
    )]
    StorageWithoutCode {
        /// The account.
        address: Address,
    },
    /// The first block needs a contract that the genesis file does not have.
    #[error(
        "the genesis file starts with Prague, but the contract {address}, which Prague's blocks call, has no code in it: \
         add it, or say \"requestContracts\": \"optional\" in the section `proofmill` of its config"
    )]
    RequestContractMissing {
        /// The contract of EIP-7002 or EIP-7251.
        address: Address,
    },
}

/// Bytes that are not an encoded input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The first word is not the mark of an encoded input.
    #[error("not an encoded stateless input: it begins with {found:#010x}")]
    NotAnInput {
        /// The first word.
        found: u32,
    },
    /// Written by another version of the format.
    #[error("the input has format version {found}, this program reads version {supported}; encode it again")]
    Version {
        /// The version in the input.
        found: u32,
        /// The version that is read.
        supported: u32,
    },
    /// The input ends in the middle of something.
    #[error("the input is truncated: {wanted} bytes wanted at byte {at}, {left} left")]
    Truncated {
        /// Offset in bytes.
        at: usize,
        /// Bytes wanted.
        wanted: usize,
        /// Bytes left.
        left: usize,
    },
    /// A list claims more items than the bytes that are left could hold.
    #[error("a list at byte {at} claims {count} items, which {left} bytes cannot hold")]
    TooMany {
        /// Offset in bytes.
        at: usize,
        /// The claimed number of items.
        count: usize,
        /// Bytes left.
        left: usize,
    },
    /// Padding that is not zero.
    #[error("the padding before byte {at} is not zero")]
    NonZeroPadding {
        /// Offset in bytes.
        at: usize,
    },
    /// Bytes behind the end.
    #[error("{left} bytes follow the end of the input")]
    TrailingBytes {
        /// How many.
        left: usize,
    },
    /// A tag without a meaning.
    #[error("unknown {what} {tag}")]
    UnknownTag {
        /// What the tag selects.
        what: &'static str,
        /// Its value.
        tag: u32,
    },
    /// A header that is not canonical RLP.
    #[error("the header of {what} is not valid RLP: {reason}")]
    Header {
        /// Which header.
        what: HeaderRole,
        /// The RLP error.
        reason: alloy_rlp::Error,
    },
    /// The chain configuration contradicts itself.
    #[error("the chain configuration is invalid")]
    Chain(#[from] ChainSpecError),
}

/// Which header of an input is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderRole {
    /// The parent of the first block.
    Parent,
    /// The block at this position of the range, from 0.
    Block(usize),
    /// The ancestor at this position of the witness, from 0 (the parent's parent).
    Ancestor(usize),
}

impl core::fmt::Display for HeaderRole {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Parent => f.write_str("the parent"),
            Self::Block(at) => write!(f, "block {at} of the range"),
            Self::Ancestor(at) => write!(f, "ancestor {at}"),
        }
    }
}

/// One of the tries of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrieId {
    /// The account trie.
    Accounts,
    /// The storage trie of this account.
    Storage(Address),
}

impl core::fmt::Display for TrieId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Accounts => f.write_str("the account trie"),
            Self::Storage(address) => write!(f, "the storage trie of {address}"),
        }
    }
}

/// A witness that lacks something, holds something false, or holds more than the blocks need.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// A trie node that execution walks through is not in the witness.
    ///
    /// A witness builder can ask a node for the proof of any key whose hash begins with `path`.
    #[error("the witness lacks the node {hash} at {path:?} of {trie}; fetch a proof that passes through it")]
    MissingNode {
        /// The node's hash.
        hash: B256,
        /// Which trie it belongs to.
        trie: TrieId,
        /// The nibbles from the root to the node.
        path: Nibbles,
    },
    /// A node that is not a leaf, extension or branch of a state trie.
    #[error("a node at {path:?} of {trie} is malformed: {reason}")]
    MalformedNode {
        /// Which trie it belongs to.
        trie: TrieId,
        /// The nibbles from the root to the node.
        path: Nibbles,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An account's leaf does not hold an account.
    #[error("the leaf of account {address} does not hold an account")]
    MalformedAccount {
        /// The account.
        address: Address,
    },
    /// A slot's leaf does not hold a 256-bit number.
    #[error("a storage leaf of account {address} does not hold a number")]
    MalformedSlot {
        /// The account.
        address: Address,
    },
    /// A contract's code is not in the witness.
    #[error("the witness lacks the code with hash {hash}; fetch it with eth_getCode")]
    MissingCode {
        /// keccak256 of the code.
        hash: B256,
    },
    /// BLOCKHASH asks for a block that the ancestors do not reach.
    #[error("the witness lacks the headers down to block {number}, whose hash BLOCKHASH asks for")]
    MissingAncestor {
        /// The block whose hash is asked for.
        number: u64,
    },
    /// An ancestor's hash is not its child's parent hash.
    #[error("ancestor header {number} has hash {got}, its child names {expected}")]
    AncestorNotLinked {
        /// The number where the chain of ancestors breaks.
        number: u64,
        /// The child's parent hash.
        expected: B256,
        /// The hash of the header in the witness.
        got: B256,
    },
    /// A node that no block of the range needs, or that is there more often. See [`minimise`](crate::minimise).
    #[error(
        "the witness holds the node {hash}, which no block needs, or holds it too often; reduce it with `minimise`"
    )]
    UnusedNode {
        /// The node's hash.
        hash: B256,
    },
    /// A code that no block of the range needs, or that is there twice. See [`minimise`](crate::minimise).
    #[error(
        "the witness holds the code {hash}, which no block needs, or holds it twice; reduce it with `minimise`"
    )]
    UnusedCode {
        /// keccak256 of the code.
        hash: B256,
    },
    /// Ancestors that no BLOCKHASH asks for. See [`minimise`](crate::minimise).
    #[error(
        "the witness holds the ancestor header {number}, which no block needs; reduce it with `minimise`"
    )]
    UnusedAncestor {
        /// The oldest ancestor's number.
        number: u64,
    },
}

impl DBErrorMarker for WitnessError {}

/// Why a range of blocks is refused.
///
/// In the variants for a field of a header, `expected` is what the header says and `got` what execution found, or for
/// a rule between a header and its parent, `expected` is what the rule demands and `got` what the header says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the fields of each variant are the block's number and the two values that differ"
)]
pub enum StatelessError {
    #[error("the input is not readable")]
    Decode(#[from] DecodeError),
    #[error("the range holds no block")]
    NoBlocks,
    #[error("block {block} has time {timestamp}, before the chain's Shanghai activation")]
    BeforeShanghai { block: u64, timestamp: u64 },
    #[error("block {block} names the parent {got}, but the block before it has hash {expected}")]
    ParentHashMismatch { block: u64, expected: B256, got: B256 },
    #[error("a block numbered {got} stands where block {expected} should follow; was a block skipped?")]
    NumberMismatch { expected: u64, got: u64 },
    #[error("block {block} has time {got} s, which is not after its parent's {parent} s")]
    TimestampNotAfterParent { block: u64, parent: u64, got: u64 },
    #[error("block {block} carries {len} bytes of extra data; at most 32 are allowed")]
    ExtraDataTooLong { block: u64, len: usize },
    #[error("block {block} has a {field} that proof of stake forbids")]
    NotProofOfStake { block: u64, field: &'static str },
    #[error("block {block} lacks the header field {field}, which {fork:?} demands")]
    FieldMissing { block: u64, field: &'static str, fork: Fork },
    #[error("block {block} has the header field {field}, which {fork:?} does not know")]
    FieldUnknown { block: u64, field: &'static str, fork: Fork },
    #[error("block {block} has gas limit {got}, out of bounds of its parent's {parent}")]
    GasLimitOutOfBounds { block: u64, parent: u64, got: u64 },
    #[error("block {block} has gas limit {got}, above the chain's maximum of {max}")]
    GasLimitAboveMaximum { block: u64, max: u64, got: u64 },
    #[error(
        "block {block} has the parent beacon block root {got}; a rollup has no beacon chain, so it must be zero"
    )]
    BeaconRootOfRollup { block: u64, got: B256 },
    #[error(
        "block {block} has {count} withdrawals; a rollup has no beacon chain that pays them, so there must be none"
    )]
    WithdrawalsOfRollup { block: u64, count: usize },
    #[error("block {block} claims {gas_used} gas used, above its limit of {gas_limit}")]
    GasUsedAboveLimit { block: u64, gas_limit: u64, gas_used: u64 },
    #[error("block {block} has base fee {got} wei, its parent makes it {expected} wei")]
    BaseFeeMismatch { block: u64, expected: u64, got: u64 },
    #[error("the base fee or blob gas that follow from the parent of block {block} do not fit 64 bits")]
    ParentOutOfRange { block: u64 },
    #[error("block {block} has {got} excess blob gas, its parent makes it {expected}")]
    ExcessBlobGasMismatch { block: u64, expected: u64, got: u64 },
    #[error("block {block} claims {expected} blob gas used, its transactions use {got}")]
    BlobGasUsedMismatch { block: u64, expected: u64, got: u64 },
    #[error("block {block} uses {got} blob gas, above the chain's maximum of {max}")]
    BlobGasAboveLimit { block: u64, max: u64, got: u64 },
    #[error("block {block} takes {size} bytes as RLP, above the limit of {max}")]
    BlockTooLarge { block: u64, max: usize, size: usize },
    #[error("block {block} commits to transactions {expected}, those given have root {got}")]
    TransactionsRootMismatch { block: u64, expected: B256, got: B256 },
    #[error("block {block} commits to withdrawals {expected}, those given have root {got}")]
    WithdrawalsRootMismatch { block: u64, expected: B256, got: B256 },
    #[error("block {block} comes without a list of withdrawals, which its fork demands")]
    WithdrawalsMissing { block: u64 },
    #[error("transaction {tx} of block {block} is not a valid encoding: {reason}")]
    MalformedTransaction { block: u64, tx: usize, reason: String },
    #[error("transaction {tx} of block {block} has a signature from which no sender can be recovered")]
    BadSignature { block: u64, tx: usize },
    #[error("transaction {tx} of block {block} is for chain {got}, not for chain {expected}")]
    ChainIdMismatch { block: u64, tx: usize, expected: u64, got: u64 },
    #[error("transaction {tx} of block {block} may use {gas_limit} gas, and the block has {left} left")]
    GasAboveBlockLimit { block: u64, tx: usize, gas_limit: u64, left: u64 },
    #[error("transaction {tx} of block {block} is invalid: {reason}")]
    InvalidTransaction { block: u64, tx: usize, reason: Box<InvalidTransaction> },
    #[error("transaction {tx} of block {block} logs a deposit that is not laid out as EIP-6110 says")]
    MalformedDeposit { block: u64, tx: usize },
    #[error("block {block} calls the system contract {contract}, which has no code")]
    SystemContractMissing { block: u64, contract: Address },
    #[error("the call of the system contract {contract} in block {block} failed: {reason}")]
    SystemCall { block: u64, contract: Address, reason: String },
    #[error(
        "chain {chain_id} is of the OP Stack, and these are Ethereum's rules; execute it by `proofmill-optimism`"
    )]
    RulesOfOptimism { chain_id: u64 },
    #[error("block {block} cannot be executed: {reason}")]
    Execution { block: u64, reason: String },
    #[error("block {block} claims {expected} gas used, execution used {got}")]
    GasUsedMismatch { block: u64, expected: u64, got: u64 },
    #[error("block {block} commits to receipts {expected}, execution made {got}")]
    ReceiptsRootMismatch { block: u64, expected: B256, got: B256 },
    #[error("block {block} has a logs bloom that is not that of its receipts")]
    LogsBloomMismatch { block: u64, expected: Box<Bloom>, got: Box<Bloom> },
    #[error("block {block} commits to requests {expected}, execution made {got}")]
    RequestsHashMismatch { block: u64, expected: B256, got: B256 },
    #[error("block {block} commits to state {expected}, execution reached {got}")]
    StateRootMismatch { block: u64, expected: B256, got: B256 },
    #[error("the witness does not carry the execution of block {block}")]
    Witness {
        block: u64,
        #[source]
        error: Box<WitnessError>,
    },
}
