//! Keys and verification, which need no recursion programs.

use crate::{ProverError, settings};
use sp1_core_machine::riscv::RiscvAir;
use sp1_hypercube::SP1VerifyingKey;
use sp1_prover::worker::SP1LightNode;
use sp1_verifier::SP1Proof;

/// Derives keys and verifies proofs. Clones share what they need.
#[derive(Clone)]
pub struct Light(SP1LightNode);

impl Light {
    /// Starts in about a second. Blocks.
    pub fn start() -> Self {
        Self(SP1LightNode::with_opts_and_machine_sync(RiscvAir::machine(), settings::core_opts()))
    }

    /// The verifying key of a program.
    ///
    /// # Errors
    /// [`ProverError::Program`] when SP1 cannot read it.
    pub async fn key(&self, elf: Vec<u8>) -> Result<SP1VerifyingKey, ProverError> {
        self.0.setup(&elf).await.map_err(|error| ProverError::Program(error.to_string()))
    }

    /// Checks that `proof` proves an execution of the program `key`. The public values are not looked at.
    ///
    /// # Errors
    /// [`ProverError::Prove`] with the check that failed.
    ///
    /// # Panics
    /// SP1's verifier may panic on proofs that nobody's prover made.
    pub fn verify(&self, key: &SP1VerifyingKey, proof: &SP1Proof) -> Result<(), ProverError> {
        self.0.verify(key, proof).map_err(|error| ProverError::Prove(error.to_string()))
    }
}
