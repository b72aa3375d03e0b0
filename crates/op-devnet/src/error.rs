//! What can go wrong.

use alloy_primitives::B256;
use proofmill_devnode::DevNodeError;
use proofmill_localnet::LocalnetError;
use proofmill_optimism::OpError;
use std::{io, net::SocketAddr};

/// Why the chain cannot be started, or does not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpDevnetError {
    /// The options contradict each other.
    #[error("the chain cannot be so: {reason}")]
    Options {
        /// Why, and what can be done.
        reason: &'static str,
    },
    /// anvil does not start.
    #[error(transparent)]
    Anvil(#[from] LocalnetError),
    /// The other node of L1 does not start.
    #[error(transparent)]
    DevNode(#[from] DevNodeError),
    /// A port cannot be used.
    #[error("nothing can listen on {address}: {source}; choose another port, or 0 for a free one")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// L1's node does not answer as it should.
    #[error("L1's node does not answer {method}: {reason}; is it still running?")]
    L1 {
        /// What it was asked.
        method: &'static str,
        /// What it said.
        reason: String,
    },
    /// A transaction on L1 failed.
    #[error("the transaction {hash} on L1 failed: {what}")]
    L1Transaction {
        /// Its hash.
        hash: B256,
        /// What it was for.
        what: &'static str,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s; is the machine overloaded, or a node gone?")]
    Late {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
    },
    /// A key cannot sign, or blobs have no commitment.
    #[error("what is to be sent to L1 cannot be made: {0}")]
    Send(String),
    /// A contract of the chain's beginning could not be set up.
    #[error("the code of {contract} cannot be made: {reason}")]
    Contract {
        /// Its name.
        contract: &'static str,
        /// What the EVM says.
        reason: String,
    },
}

/// Why no block was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// What must be in the block cannot be executed.
    #[error("block {block} cannot be made: {reason}")]
    Evm { block: u64, reason: String },
    /// The rules by which it would be proven give another one.
    #[error(
        "block {block}, as alloy-op-evm makes it, is not what proofmill-optimism makes of its transactions: {reason} (the header that \
         was made: {header})"
    )]
    Unsound { block: u64, reason: Box<OpError>, header: String },
    /// The configuration has no such block.
    #[error("block {block} cannot be made: {reason}; change the system configuration on L1 back")]
    Config { block: u64, reason: &'static str },
}
