//! A rollup on one machine, for development, tests and the demo: anvil as L1, a node with Ethereum's rules as L2, which makes
//! blocks while there are transactions, the contracts deployed with a random salt, and a *proposer* that groups the blocks
//! into one checkpoint per slot. The [`Proposer`] serves any rollup, and stands in for one that is lost.
//!
//! [`DevnetOptions::start`] gives a [`Devnet`]; [`Description`] says where everything is, also as a file that other
//! processes read. What a devnet knows of keys are anvil's well-known ones: worth nothing elsewhere.
//!
//! ```no_run
//! # async fn example(proof_types: Vec<proofmill_devnet::ProofTypePlan>) -> Result<(), proofmill_devnet::DevnetError> {
//! let devnet = proofmill_devnet::DevnetOptions::new(proof_types).start().await?;
//! println!("the rollup is at {} on {}", devnet.description().rollup, devnet.description().l1_rpc);
//! # Ok(()) }
//! ```

mod describe;
mod error;
mod keys;
mod proposer;
mod range;
mod start;

pub use describe::Description;
pub use error::DevnetError;
pub use keys::DevKeys;
pub use proposer::Proposer;
pub use start::{Devnet, DevnetOptions, L1Verifier, ProofTypePlan, UnknownL1Verifier, l1_options};
