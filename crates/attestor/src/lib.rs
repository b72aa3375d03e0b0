//! Attested settlement, for L1s that cannot verify a STARK: processes that verify the real proof off chain and sign that
//! they did. The `AttestedVerifier` contract counts their signatures.
//!
//! [`Attestor`] is one such process: it takes the file of a proof, compares what it says with the checkpoints that L1 has,
//! verifies it with the backend of its prover type as one of Proofmill's own programs, and signs. It never signs what `exec` made. [`Quorum`]
//! asks several attestors and returns the bytes that the contract takes, once enough of them signed.
//!
//! ```no_run
//! # async fn example(l1: proofmill_chain::L1, proof: &proofmill_client::EpochProof) -> Result<(), Box<dyn std::error::Error>> {
//! use proofmill_attestor::Quorum;
//! use proofmill_chain::AttestorSet;
//!
//! let verifier = "0x00000000000000000000000000000000000000a7".parse()?;
//! let counted = AttestorSet::read(&l1, verifier).await?;
//! let attestors = ["http://127.0.0.1:50061".into(), "http://127.0.0.1:50062".into()];
//! let quorum = Quorum::new(&attestors, l1.chain_id(), counted)?;
//! println!("{} bytes for the contract", quorum.attest(proof).await?.len());
//! # Ok(()) }
//! ```

mod claim;
mod error;
mod quorum;
mod service;
mod snark;

pub use error::AttestError;
pub use quorum::Quorum;
pub use service::{Attestor, serve};
pub use snark::check_snark;
