//! An L2 node for development whose blocks are Ethereum's to the last root, so that any transaction that Ethereum accepts
//! can be proven and settled.
//!
//! No node that can be had as the rest of Proofmill is, from a package registry and in one process or a small program, makes
//! such blocks for a rollup:
//!
//! - anvil 1.7 keeps slots of zero and touched empty accounts in its tries, hashes blob sidecars into the transactions root,
//!   refunds too much for a new EIP-7702 authority, and its genesis block does not commit to its state. So an `ecrecover`
//!   call makes a block that is not Ethereum's. A proxy that seals anvil's blocks anew (as tests of `witness` have it) takes a
//!   dump of the full state for each, and what contracts see of BLOCKHASH and gas stays anvil's.
//! - EDR (Hardhat's node, on npm) gives its blocks random parent beacon roots, which no rollup may have, and takes a Node
//!   program around it to listen anywhere.
//! - The client of EthereumJS (on npm) wants a consensus client that drives it, and a database.
//! - ethrex's crates (on crates.io) bring an EVM, a trie and a store of their own, and the programs around them are not there.
//! - geth with `--dev` would do, but is on none of the registries. reth's node is not on crates.io either, and brings a database
//!   and a network with it.
//!
//! What is missing beside `stateless` is little: a trie, a pool and JSON-RPC. So the node is this crate.
//!
//! Transactions run on revm; the state is a Merkle Patricia trie that shares what blocks have in common. A block is taken
//! only when `stateless` executes it from its witness and comes to the same header. State, blocks and pool are in memory
//! and gone at the end. States are kept of the last 8,192 blocks (or of fewer, where they would take more than about 1 GiB);
//! transactions and receipts of those, and of older ones up to another GiB; headers for as long as the node runs. There are
//! no withdrawals and no beacon chain. Blobs are taken with their sidecar, whose proofs nobody verifies and which nobody
//! keeps.
//!
//! ```no_run
//! # async fn example() -> Result<(), proofmill_devnode::DevNodeError> {
//! use proofmill_devnode::DevNodeOptions;
//!
//! let rich = alloy_primitives::address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
//! let node = DevNodeOptions::new(900_901)
//!     .rich(vec![rich])
//!     .block_time(std::time::Duration::from_secs(1))
//!     .start()
//!     .await?;
//! println!("{}", node.rpc_url());
//! # Ok(()) }
//! ```

mod admit;
mod chain;
mod error;
mod genesis;
mod node;
mod pool;
mod refusal;
mod rpc;
mod seal;
mod state;
pub mod trie;
mod view;

/// JSON-RPC over HTTP as geth's words and limits are, for other nodes of development.
pub mod jsonrpc {
    pub use crate::rpc::{Failure, Methods, Params, execution_witness, serve};
}

pub use alloy_genesis::Genesis;
pub use error::DevNodeError;
pub use node::{DevNode, DevNodeOptions};
