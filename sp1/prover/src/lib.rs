//! SP1's CPU prover, kept warm and small. [`Prover`] makes core proofs and compresses them; [`Light`] derives keys and
//! verifies, without the minute that a prover needs to start.
//!
//! A crate of its own because compiling SP1's prover into anything takes minutes: what is likely to change lies in
//! `proofmill-backend-sp1`, above it.
//!
//! ```no_run
//! use proofmill_sp1_prover::{Light, Prover, SP1Stdin};
//!
//! # async fn example(elf: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//! let key = Light::start().key(elf.clone()).await?;
//! let prover = Prover::start().await?;
//! let core = prover.prove_core(elf, SP1Stdin::new()).await?;
//! let compressed = prover.compress(key, SP1Stdin::new(), core).await?;
//! # Ok(())
//! # }
//! ```

pub mod clients;
mod compress;
mod engine;
mod light;
mod settings;
pub mod tasks;

pub use compress::Lifted;
pub use engine::{CoreProof, Prover};
pub use light::Light;
pub use settings::MEMORY_LIMIT;
pub use sp1_core_machine::io::SP1Stdin;

/// Why a proof was not made.
#[derive(Debug, thiserror::Error)]
pub enum ProverError {
    /// The prover did not start.
    #[error("SP1's prover does not start: {0}")]
    Start(String),
    /// The program is not one that SP1 can prove.
    #[error("SP1 derives no key for this program: {0}")]
    Program(String),
    /// Proving failed. The prover must not be used again: tasks of the proof may still be under way in it.
    #[error("{0}")]
    Prove(String),
}
