//! What can go wrong with sending load.

use crate::Phase;
use alloy_primitives::{Address, B256, U256};
use std::{io, path::PathBuf, time::Duration};

/// Why load could not be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The text is not a private key.
    #[error("not a private key: 32 bytes in hexadecimal, with or without 0x, are wanted")]
    BadKey,
    /// A file of private keys cannot be read.
    #[error("the key file {} cannot be read: {source}", .path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of a file of keys is none.
    #[error("line {line} of {} is not a private key: one of 32 bytes in hexadecimal, with or without 0x, is wanted on each line", .path.display())]
    KeyLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A file of keys has one twice.
    #[error("line {line} of {} has the key of line {first} again: each account sends once, remove one of them", .path.display())]
    KeyTwice {
        /// The file.
        path: PathBuf,
        /// The second line, from 1.
        line: usize,
        /// The first line.
        first: usize,
    },
    /// A file of keys is empty.
    #[error("{} has no private key: one is wanted on each line, in hexadecimal", .path.display())]
    NoKeys {
        /// The file.
        path: PathBuf,
    },
    /// The node cannot be reached.
    #[error("the node at {endpoint} cannot be reached: {reason}; check the address and that the node runs")]
    Unreachable {
        /// Where it should be: scheme, host and port. The rest of an address often is an access key.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// What answers there is no node, or none that can be understood.
    #[error(
        "the answer of {endpoint} to {method} cannot be read ({reason}); check that the address is that of the JSON-RPC service"
    )]
    Unreadable {
        /// Where the node should be: scheme, host and port.
        endpoint: String,
        /// The JSON-RPC method.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The node refused a request.
    #[error("the node refused {method}: {reason}")]
    Refused {
        /// The JSON-RPC method.
        method: &'static str,
        /// What it said.
        reason: String,
    },
    /// The node refused a transaction's nonce.
    #[error(
        "the node refused a nonce ({reason}): another load sends from the same accounts (choose another --seed), or the chain was \
         restarted under this one (start the load anew)"
    )]
    Nonce {
        /// What it said.
        reason: String,
    },
    /// The node's chain is another one than at the start of the load.
    #[error(
        "the chain was restarted under the load: its genesis block is {got}, and was {was}; what was sent is gone, start the load \
         anew"
    )]
    ChainReplaced {
        /// The genesis block at the start.
        was: B256,
        /// The genesis block now.
        got: B256,
    },
    /// The node's mempool stayed full.
    #[error(
        "the node's mempool was full for {} s ({reason}): send fewer transactions at once, or raise the node's limit; does the node \
         make blocks?",
        .idle.as_secs()
    )]
    MempoolFull {
        /// What it said.
        reason: String,
        /// How long nothing was taken.
        idle: Duration,
    },
    /// The node's chain is not the expected one.
    #[error("the node is on chain {got}, but the load is meant for chain {expected}: check the address")]
    ChainId {
        /// The chain that the plan names.
        expected: u64,
        /// The node's.
        got: u64,
    },
    /// The node's chain has no base fee.
    #[error("the latest block has no base fee: chains before the London fork are not supported")]
    NoBaseFee,
    /// The funder is not rich enough.
    #[error(
        "the funder {funder} has {has} wei, but {needs} wei are needed to fund the accounts: send it more"
    )]
    InsufficientFunds {
        /// The funder's address.
        funder: Address,
        /// What it has, in wei.
        has: U256,
        /// What is needed, in wei.
        needs: U256,
    },
    /// The plan holds nothing to send.
    #[error("nothing to send: the plan needs at least one account and one transaction for each")]
    EmptyPlan,
    /// A round takes more memory than there should be.
    #[error(
        "a round of {round} transactions is too large, because all of them are signed before the first is sent: at most {most} are; send \
         fewer (--transactions, --accounts) again and again (--endless)"
    )]
    TooMany {
        /// Transactions of the round.
        round: u64,
        /// The most of one.
        most: u64,
    },
    /// No transaction was included for a long time.
    #[error(
        "no transaction was included for {} s while {phase}: account {account} is at nonce {nonce} of {target}; does the \
         node make blocks, and has its mempool kept what it took? Some drop the oldest when they are full: send fewer at once",
        .idle.as_secs()
    )]
    Stalled {
        /// What was waited for.
        phase: Phase,
        /// The account that is furthest behind.
        account: Address,
        /// Its nonce in the latest block.
        nonce: u64,
        /// The nonce that it should reach.
        target: u64,
        /// How long nothing happened.
        idle: Duration,
    },
    /// A transaction of the preparation failed on the chain.
    #[error("the transaction {transaction} that {what} was included but failed")]
    PreparationFailed {
        /// Its hash.
        transaction: alloy_primitives::TxHash,
        /// What it was for.
        what: &'static str,
    },
    /// A key could not sign.
    #[error("signing failed: {0}")]
    Signing(#[from] alloy_signer::Error),
}
