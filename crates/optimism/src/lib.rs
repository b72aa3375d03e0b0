//! The OP Stack's rules of execution, from Canyon to Karst, on the same EVM, witness and tries as Ethereum's.
//!
//! [`OpRules`] are the rules of one chain: which fork holds when. They are part of an input's chain specification
//! ([`ChainSpec::optimism`]). [`execute`] takes the same input as Ethereum's, checks every field of the headers, and returns an
//! [`OpOutcome`] with the output roots before and after; or an [`OpError`] that names the first thing that is wrong. The same
//! code runs in a zkVM guest (`no_std`, `default-features = false`) and on the host.
//!
//! Written from the specifications (`specs.optimism.io`); `op-revm` and `alloy-op-evm` are what the tests compare with. What
//! is not sure there is refused: the first block of a fork, Lagoon, unknown forks and transactions.
//!
//! **Execution is half of the way.** It says that blocks follow from their parent, not that they are those that L1 orders:
//! deposits, L1's attributes, the gas limit and the sequencer's transactions are what `proofmill-derivation` compares with L1.
//!
//! On the host (feature `std`), [`record`] tells what a block reads, rules come from a chain's own files ([`rules_from_rollup_config`], [`rules_from_genesis`]);
//! [`build`] makes the block that follows from a parent, and [`minimise`] reduces a witness to what blocks need.
//!
//! ```
//! use proofmill_optimism::{OpFork, known_rules};
//!
//! let (name, rules) = known_rules(10).unwrap();
//! assert_eq!(name, "OP Mainnet");
//! assert_eq!(rules.fork_at(1_783_526_401), Some(OpFork::Karst));
//! assert_eq!(rules.fork_at(0), None);
//! ```
//!
//! [`ChainSpec::optimism`]: proofmill_stateless::ChainSpec::optimism

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod block;
mod body;
#[cfg(feature = "std")]
mod build;
#[cfg(feature = "std")]
mod config;
mod error;
mod evm;
mod execute;
mod fastlz;
mod fees;
mod header;
mod precompiles;
#[cfg(feature = "std")]
mod record;
mod registry;

#[cfg(feature = "std")]
pub use build::{OpAttributes, build};
#[cfg(feature = "std")]
pub use config::{rules_from_genesis, rules_from_rollup_config};
pub use error::OpError;
#[cfg(feature = "std")]
pub use execute::minimise;
pub use execute::{OpOutcome, OutputRoots, execute, output_root};
pub use proofmill_stateless::{OpActivation, OpFork, OpRules, OpRulesError};
#[cfg(feature = "std")]
pub use record::record;
pub use registry::{known_chains, known_rules};
