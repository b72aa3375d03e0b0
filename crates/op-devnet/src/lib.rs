//! A chain of the OP Stack on one machine, for development and tests: L1, a sequencer, a batcher, and the nodes of both, so that
//! derivation and proofs can be tried on blocks that are made while one looks.
//!
//! - **L1** is anvil, or `proofmill-devnode` where batches are in blobs ([`L1Kind`]), with two small contracts of our own: one has the
//!   portal's call and event, one the system configuration's. They are for development alone.
//! - **Blocks** are executed by the published `alloy-op-evm` and `op-revm`, on an older EVM than that of `proofmill-optimism`, so that they do not
//!   come from the code that proves them. Each block is taken only when `proofmill-optimism` executes it from its witness and comes to
//!   the same header.
//! - **JSON-RPC** of the execution node and of the rollup's node is on one URL, a beacon node's API for blobs on another.
//! - **Batches** are of one block or spans, compressed by zlib or put into brotli's format, in calldata or blobs ([`BatchKind`],
//!   [`Compression`], [`DataKind`]).
//!
//! What each part does follows the specifications (`specs.optimism.io`), and names their files. State, blocks and pool are in memory and
//! gone at the end; states and witnesses are kept of the last 4,096 blocks, blobs of as many transactions. There are no proxies before the predeploys, no withdrawals on L1, no fault proofs, and no protection against a
//! sequencing window that runs out.
//!
//! ```no_run
//! # async fn example() -> Result<(), proofmill_op_devnet::OpDevnetError> {
//! let chain = proofmill_op_devnet::OpDevnetOptions::new().start().await?;
//! println!("L2 at {}, L1 at {}", chain.rpc_url(), chain.l1_url());
//! # Ok(()) }
//! ```

mod attributes;
mod batch;
mod batcher;
mod beacon;
mod chain;
mod config;
mod contracts;
mod deposits;
mod devnet;
mod driver;
mod error;
mod evm;
mod genesis;
mod inbox;
mod keys;
mod l1;
mod options;
mod pool;
mod rpc;
mod seal;
mod send;
mod state;
mod system;

pub use devnet::OpDevnet;
pub use error::OpDevnetError;
pub use options::{BatchKind, Compression, DataKind, L1Kind, OpDevnetOptions};
pub use proofmill_localnet::DevAccount;
pub use proofmill_stateless::OpFork;
pub use system::{ConfigChange, SystemConfig};
