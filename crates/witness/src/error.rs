//! Why a witness could not be built.

use crate::{ExecutionError, GenesisError};
use alloy_primitives::{Address, B256, U256};
use proofmill_derivation::DerivationError;
use proofmill_primitives::{BlockRange, EmptyRange};
use proofmill_stateless::{ChainSpecError, OpRulesError, TrieId};
use revm::context::DBErrorMarker;
use std::{io, path::PathBuf};

/// Why a witness could not be built, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No endpoint answered, after all retries.
    #[error("{method} got no answer after {attempts} attempts at {endpoints}: {reason}; {remedy}")]
    Unreachable {
        /// The JSON-RPC method.
        method: &'static str,
        /// The endpoints tried.
        endpoints: String,
        /// How often.
        attempts: usize,
        /// What each of them said last.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The node refuses a request.
    #[error("the node refused {method}: {reason}")]
    Refused {
        /// The JSON-RPC method.
        method: &'static str,
        /// What it said.
        reason: String,
        /// Whether that may pass by itself: it lags behind what it, or another node behind the same address, said before.
        passes: bool,
    },
    /// The node does not have a method that is needed.
    #[error("the node does not serve {method}: use a node that does, or enable it there")]
    MethodMissing {
        /// The JSON-RPC method.
        method: &'static str,
    },
    /// An answer that cannot be read.
    #[error("the answer to {method} cannot be read: {reason}; see the node's log, or name another node")]
    Malformed {
        /// The JSON-RPC method.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The node is on another chain.
    #[error("the node at {endpoint} is on chain {got}, not on chain {expected}: check the address")]
    ChainId {
        /// Where it is: scheme, host and port.
        endpoint: String,
        /// The wanted chain.
        expected: u64,
        /// The node's.
        got: u64,
    },
    /// The chain's rules are not known.
    #[error(
        "the rules of chain {chain_id} are not known: give the genesis file that its nodes were started with (--genesis; \
         what geth, reth or Besu take, or Nethermind's chain specification), or the answer of a node that you trust to \
         debug_chainConfig as a file"
    )]
    UnknownChain {
        /// The node's chain.
        chain_id: u64,
    },
    /// The genesis file cannot be read.
    #[error("the genesis file {} cannot be read: {source}", .path.display())]
    GenesisFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The genesis file cannot be used.
    #[error("the genesis file {} cannot be used: {reason}", .path.display())]
    GenesisFormat {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: GenesisError,
    },
    /// The node says that its chain has rules that are not followed.
    #[error(
        "chain {chain_id} has {rules}, as the node says ({method}): this version checks Ethereum's rules and the OP Stack's, \
         so its blocks cannot be proven, and a genesis file does not change that"
    )]
    ForeignRules {
        /// The node's chain.
        chain_id: u64,
        /// The method by which it says so.
        method: &'static str,
        /// Whose rules they are.
        rules: String,
    },
    /// What the node says of its chain of the OP Stack cannot be followed.
    #[error("chain {chain_id} is of the OP Stack, as the node says ({method}): {reason}")]
    OpRules {
        /// The node's chain.
        chain_id: u64,
        /// The method by which it says so.
        method: &'static str,
        /// What is wrong.
        reason: OpRulesError,
    },
    /// How long a block takes is not said anywhere.
    #[error(
        "the genesis file of a chain of the OP Stack does not say how long a block takes, and the node has no two blocks that \
         show it: give op-node's rollup.json"
    )]
    NoBlockTime,
    /// The genesis file and the node do not agree.
    #[error(
        "the genesis file does not agree with the node (eth_config) on {what}: the file says {ours}, the node {nodes}; give \
         the genesis file that the node was started with, or ask a node of the chain"
    )]
    RulesDisagree {
        /// What they do not agree on.
        what: &'static str,
        /// What the file says.
        ours: String,
        /// What the node says.
        nodes: String,
    },
    /// The chain's rules are not supported.
    #[error("the chain's rules are not supported: {0}")]
    ChainRules(#[from] ChainSpecError),
    /// The range is not contiguous.
    #[error(transparent)]
    EmptyRange(#[from] EmptyRange),
    /// The range begins with block 0, which has no parent.
    #[error("block 0 has no parent to execute it on: begin at block 1 or later")]
    Genesis,
    /// The parent is a genesis block that commits to an empty state, and its child does not execute on that.
    #[error(
        "block 0 commits to a state without accounts, and block 1 does not execute on it ({source}): begin at block 2, whose \
         parent is the first block with a true state root (anvil does not commit to the accounts that it starts with)"
    )]
    EmptyGenesis {
        /// Why block 1 does not execute.
        source: Box<BuildError>,
    },
    /// There are too few blocks for a range.
    #[error("the chain has no block that can be proven yet: its head is {head}")]
    NoBlocks {
        /// The number of the latest block.
        head: u64,
    },
    /// The range starts after the head.
    #[error("the range {range} starts beyond the head {head} of the node's chain")]
    BeyondHead {
        /// The wanted range.
        range: BlockRange,
        /// The number of the node's latest block.
        head: u64,
    },
    /// The node does not have a block yet.
    #[error(
        "the node is behind: it does not have block {block}, its head is {head}; wait, or ask another node"
    )]
    Lags {
        /// The number of the block.
        block: u64,
        /// The number of the node's latest block.
        head: u64,
    },
    /// The node does not know the state or block it showed before.
    #[error("the node does not know block {block} ({hash}) any more: {reason}")]
    BlockGone {
        /// The number of the block.
        block: u64,
        /// Its hash.
        hash: B256,
        /// What the node said.
        reason: String,
    },
    /// A reorg replaced a block of the range.
    #[error(
        "a reorg replaced block {block} while the witness was built ({before} became {after}): try again, or choose finalized blocks"
    )]
    Reorg {
        /// The number of the first block found replaced.
        block: u64,
        /// Its hash before.
        before: B256,
        /// Its hash now, or the parent hash in the block after it.
        after: B256,
    },
    /// The state of an old block is gone.
    #[error(
        "the node has no state of block {block} any more ({reason}): use an archive node, or newer blocks"
    )]
    NoHistory {
        /// The number of the block.
        block: u64,
        /// What the node said.
        reason: String,
    },
    /// The node has given an old block up.
    #[error(
        "the node does not serve block {block} ({reason}): its history has expired there (EIP-4444), or another node behind \
         the same address has it; use a node that keeps it, or newer blocks"
    )]
    Expired {
        /// The number of the block.
        block: u64,
        /// What the node said.
        reason: String,
    },
    /// An answer, or a request, is too large.
    #[error("{method}: {reason}: take fewer blocks, or raise the node's limit")]
    TooLarge {
        /// The JSON-RPC method.
        method: &'static str,
        /// What is too large.
        reason: String,
    },
    /// A block or transaction of a kind that is not supported.
    #[error("block {block} is not supported: {reason}")]
    UnsupportedBlock {
        /// The number of the block.
        block: u64,
        /// What is not supported.
        reason: String,
    },
    /// The node calls a header by a hash that is not its own.
    #[error(
        "the node says that block {block} has hash {claimed}, but its fields hash to {computed}: the node lies, or the \
         header has fields of a fork that is not supported"
    )]
    FalseHeader {
        /// The number of the block.
        block: u64,
        /// What the node says.
        claimed: B256,
        /// What the fields hash to.
        computed: B256,
    },
    /// The node shows another block than was asked for.
    #[error("the node was asked for block {wanted} and sent block {got}: the node lies")]
    OtherBlock {
        /// The number asked for.
        wanted: u64,
        /// The number in the answer.
        got: u64,
    },
    /// The block's body does not belong to its header.
    #[error(
        "the {what} of block {block} are not those that its header commits to: the node lies (or is an anvil \
         with blob transactions, whose sidecars it hashes in)"
    )]
    FalseBody {
        /// The number of the block.
        block: u64,
        /// Transactions or withdrawals.
        what: &'static str,
    },
    /// A proof that does not lead to the state root.
    #[error(
        "the proof of {account} does not lead to the state root {root} of block {block} ({reason}): the node lies"
    )]
    FalseProof {
        /// The account.
        account: Address,
        /// The number of the block.
        block: u64,
        /// The state root in its header.
        root: B256,
        /// What does not fit.
        reason: String,
    },
    /// A leaf for a slot whose value is zero.
    #[error(
        "the storage trie of {account} holds slot {slot:#x} with the value zero in block {block}, where Ethereum holds no \
         leaf: the state roots of this chain are not Ethereum's, and its blocks cannot be proven (anvil keeps slots that \
         are read or cleared that way)"
    )]
    ZeroLeaf {
        /// The account.
        account: Address,
        /// The slot.
        slot: U256,
        /// The number of the block.
        block: u64,
    },
    /// A code that is not the one that the account commits to.
    #[error("the code of {account} hashes to {got}, its account commits to {expected}: the node lies")]
    FalseCode {
        /// The account.
        account: Address,
        /// The hash in the account.
        expected: B256,
        /// The hash of the answer.
        got: B256,
    },
    /// A deletion needs a node that `eth_getProof` does not show.
    #[error(
        "a deletion needs the node {hash} of {trie} at depth {depth}, and no key that leads to it can be found: use a node \
         with debug_executionWitness"
    )]
    SiblingOutOfReach {
        /// The node's hash.
        hash: B256,
        /// Which trie.
        trie: TrieId,
        /// Its depth, in nibbles.
        depth: usize,
    },
    /// The blocks do not execute from the witness.
    #[error("the blocks do not execute as their headers say: {}", chain_of(.0))]
    Execution(#[source] ExecutionError),
    /// A block that the node does not have.
    #[error("the node's chain has no block {hash}: a reorg replaced it, or the node is of another chain")]
    UnknownHash {
        /// Its hash.
        hash: B256,
    },
    /// A block of an OP Stack chain that does not begin with L1's attributes.
    #[error("block {block} does not begin with L1's attributes: it is no block of an OP Stack chain")]
    NoAttributes {
        /// The block.
        block: u64,
    },
    /// The output root before the range is of before Isthmus.
    #[error(
        "block {block}, after which the range begins, is of before Isthmus{}: its header does not say its output root, and such ranges are \
         not proven; begin with a later block",
        begins(*.isthmus)
    )]
    BeforeIsthmus {
        /// The block before the range.
        block: u64,
        /// When Isthmus begins, in Unix seconds, where the chain has a time for it.
        isthmus: Option<u64>,
    },
    /// L1 does not give the range.
    #[error("the range is not what L1 gives")]
    NotDerived(#[source] DerivationError),
    /// Batches are in blobs, and no beacon node is named.
    #[error(
        "the batcher sent blobs in L1 block {block}, and they are not in L1's blocks: name a beacon node (--l1-beacon-rpc, \
         L1_BEACON_RPC)"
    )]
    NoBeacon {
        /// The L1 block.
        block: u64,
    },
    /// The beacon node fails.
    #[error(
        "the beacon node {endpoint} does not answer {path}: {reason}; check its address (--l1-beacon-rpc, L1_BEACON_RPC), which must be \
         that of a beacon node's HTTP API"
    )]
    Beacon {
        /// Scheme, host and port.
        endpoint: String,
        /// What was asked.
        path: String,
        /// What it says.
        reason: String,
    },
    /// The beacon node is of another chain than L1's nodes.
    #[error(
        "the beacon node {endpoint} is of chain {got}, and L1 is chain {expected}: check its address (--l1-beacon-rpc, L1_BEACON_RPC)"
    )]
    BeaconChain {
        /// Scheme, host and port.
        endpoint: String,
        /// The chain of L1's nodes.
        expected: u64,
        /// The beacon node's.
        got: u64,
    },
    /// The beacon node does not have a blob.
    #[error(
        "the beacon node does not have blob {hash} of L1 block {block} (slot {slot}): nodes give blobs up after 18 days; name one \
         that keeps them"
    )]
    BlobMissing {
        /// The L1 block.
        block: u64,
        /// Its slot.
        slot: u64,
        /// The blob's versioned hash.
        hash: B256,
    },
    /// A thread ended with a panic.
    #[error("execution stopped unexpectedly: {0}")]
    Stopped(String),
}

impl DBErrorMarker for BuildError {}

/// When a fork begins, behind its name.
fn begins(time: Option<u64>) -> String {
    time.map_or(" (the chain has no time for it)".to_owned(), |time| {
        format!(" (from {time} in Unix seconds on)")
    })
}

/// An error with all its sources in one line.
fn chain_of(error: &ExecutionError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
