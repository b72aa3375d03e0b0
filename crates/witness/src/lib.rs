//! Builds the witness of a block range from an EVM JSON-RPC node.
//!
//! [`NodeOptions`] says which node and how to ask it; [`NodeOptions::connect`] gives a [`Node`], whose
//! [`Node::witness`] returns [`Witnessed`]: a [`StatelessInput`] with the smallest witness that its blocks execute from,
//! and the outcome of having executed them natively. It takes `debug_executionWitness` where the node has it. Where it
//! does not, it executes the blocks over `eth_getProof` and asks for the siblings that deletions need.
//!
//! A node is not trusted: headers are hashed again, proofs are checked against the state roots in them, and a range that
//! a reorg replaced meanwhile is refused.
//!
//! ```no_run
//! # async fn example() -> Result<(), proofmill_witness::BuildError> {
//! use proofmill_primitives::BlockRange;
//! use proofmill_witness::NodeOptions;
//!
//! let node = NodeOptions::new("http://127.0.0.1:8545".parse().unwrap()).connect().await?;
//! let range = node.finalized_range(5).await?.range;
//! let witnessed = node.witness(range, &|progress| println!("{progress}")).await?;
//! println!("{} gas, {} trie nodes", witnessed.outcome.gas_used, witnessed.input.witness.state.len());
//! # Ok(()) }
//! ```
//!
//! Of chains of the OP Stack, [`L1Source`] gathers what the derivation of a range takes: L1's blocks and receipts from a node of L1, blobs
//! from a [`Beacon`] node.
//!
//! [`StatelessInput`]: proofmill_stateless::StatelessInput

mod beacon;
mod blocks;
mod build;
mod cache;
mod chain;
mod database;
mod error;
mod eth_config;
mod execution_witness;
#[cfg(test)]
mod fuzz;
mod genesis;
mod header;
mod json;
mod l1;
mod node;
mod optimism;
mod progress;
mod proof;
mod range;
mod rollup_node;
mod rpc;
mod rules;
mod sibling;
mod times;
mod transaction;
mod trie;

pub use beacon::Beacon;
pub use build::{WitnessSource, Witnessed};
pub use chain::ChainSource;
pub use error::BuildError;
pub use genesis::GenesisError;
pub use l1::L1Source;
pub use node::{Node, NodeOptions};
pub use progress::{Phase, Progress};
pub use range::{Anchor, AnchoredRange};
pub use rollup_node::{OutputAt, RollupNode};
pub use rules::ExecutionError;
