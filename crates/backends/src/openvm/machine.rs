//! The virtual machines that programs run on, and the identity that follows from them.
//!
//! OpenVM lets each program bring its own set of extensions. Proofmill fixes two sets, because keys are then made once per
//! process instead of once per program:
//!
//! - [`Machine::Base`] (`openvm.toml`): RV32IM, input and output, keccak, the field and curve of secp256k1, and the fields
//!   of BN254's and BLS12-381's coordinates. A guest that needs no more runs unchanged; one with other instructions is refused as malformed.
//! - [`Machine::Aggregation`] (`aggregation.toml`): RV32IM, input and output, keccak, and verification of compressed proofs
//!   of the base machine.
//!
//! Which one a program runs on follows from its code: the base machine has no instructions that verify proofs, so a program
//! that has one can only be of the other. Nothing depends on it being told right: the machine is part of the version.
//!
//! The sets are small because each leaf of the folding tree evaluates the constraints of every table that could have been
//! used, whether it was or not. Measured (constraint nodes of the whole machine; CPU seconds and peak memory of a leaf over
//! two segments of one and the same program):
//!
//! | machine | nodes | leaf |
//! |---|---|---|
//! | RV32IM and input and output | 5,699 | 34 s, 1.9 GB |
//! | + keccak | 48,644 | |
//! | + keccak, secp256k1 | 86,314 | 78 s, 4.0 GB |
//! | + keccak, sha2, secp256k1, BN254 | 176,113 | 128 s, 4.2 GB |
//! | OpenVM's standard set without 256-bit integers | 349,899 | stopped after 500 s |
//!
//! 256-bit integers are worse still: their lookup table has 2^21 rows in every segment, which does not fit
//! [`LOG_STACKED_HEIGHT`]. So what blocks need rarely is an ordinary instruction where that can be afforded (SHA-256, BLAKE2).
//! Pairings cannot: one KZG proof took 147 million instructions in software, half of a real block. The base machine has the
//! prime fields of their coordinates alone (six tables), and not OpenVM's complex extension, curves and pairings: extension
//! fields of products and sums are 25 to 100 times cheaper than software already. The same 381 bits multiply the whole
//! numbers of modular powers (`programs/curves`). What the two fields add to a leaf is not measured yet.

use super::{AppKey, Digest};
use crate::BackendError;
use alloy_primitives::{B256, keccak256};
use openvm_continuations::CommitBytes;
use openvm_sdk::{config::AppConfig, keygen::AppProvingKey};
use openvm_sdk_config::{
    SdkSystemConfig, SdkVmConfig,
    deferral::{DeferralCircuitConfig, DeferralConfig, SupportedDeferral},
};
use openvm_stark_sdk::config::app_params_with_100_bits_security;
use proofmill_primitives::ProgramVersion;

/// The bytes that a program can commit to, OpenVM's default; those it leaves out are zero.
pub(super) const PUBLIC_VALUES: usize = 32;

/// Log2 of the height of the stacked trace. OpenVM's default is 24; 20 proves segments of our size 3 to 5 times faster
/// at the same 100 bits of security. It is part of the program's key.
const LOG_STACKED_HEIGHT: usize = 20;

/// Opcode and `funct3` of OpenVM's instructions that call on a deferred circuit (`openvm-deferral-guest`), and the bits of
/// an instruction that hold them.
const DEFERRED: u32 = 0b111 << 12 | 0x2b;
const OPCODE_AND_FUNCT3: u32 = 0x707f;

/// A virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    /// Runs programs that verify no proofs.
    Base,
    /// Runs programs that verify proofs of the base machine.
    Aggregation,
}

impl Machine {
    /// The machine that can run this code.
    pub(super) fn of(code: &[u32]) -> Self {
        if code.iter().any(|word| word & OPCODE_AND_FUNCT3 == DEFERRED) {
            Self::Aggregation
        } else {
            Self::Base
        }
    }

    /// The machine's configuration. `verifier` is the commitment to the circuits that verify proofs for the program;
    /// it is put into the memory that a program of the aggregation machine begins with.
    pub(super) fn config(self, verifier: Digest) -> Result<AppConfig<SdkVmConfig>, BackendError> {
        let text = match self {
            Self::Base => include_str!("openvm.toml"),
            Self::Aggregation => include_str!("aggregation.toml"),
        };
        let mut config = SdkVmConfig::from_toml(text)
            .map_err(|error| super::failed("reading the configuration of the virtual machine", error))?;
        if self == Self::Aggregation {
            // Read without circuits to call on, it has no memory for the record of calls.
            config.system = SdkSystemConfig::default();
            let circuit = DeferralCircuitConfig {
                def_type: SupportedDeferral::VerifyStark,
                commit: CommitBytes::from(verifier),
            };
            config.deferral = Some(DeferralConfig::new(vec![circuit]));
        }
        config.system.config = config.system.config.clone().with_public_values(PUBLIC_VALUES);
        Ok(AppConfig::new(config.optimize(), app_params_with_100_bits_security(LOG_STACKED_HEIGHT)))
    }

    /// Makes the proving key of the machine.
    pub(super) fn key(self, verifier: Digest) -> Result<AppKey, BackendError> {
        AppProvingKey::keygen(self.config(verifier)?)
            .map_err(|error| super::failed("making the keys of the virtual machine", error))
    }
}

/// The identity of a program: Keccak-256 of OpenVM's two commitments, `app_exe_commit` (code, first memory, entry point)
/// and `app_vm_commit` (the machine and the folding circuits), 32 bytes each in the big-endian form that OpenVM's
/// Solidity verifier takes, so that a contract can derive it too. The aggregation program derives it of the proofs it
/// verifies.
pub(super) fn version(exe_commit: &Digest, vm_commit: &Digest) -> ProgramVersion {
    let bytes = [exe_commit, vm_commit].map(|commit| B256::from(*CommitBytes::from(*commit).as_slice()));
    ProgramVersion(keccak256(bytes.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_tells_the_machine() {
        // `addi`, and what the base machine has on the same opcode: modular arithmetic with `funct3` 0 and 1.
        let base = [0x0010_0093, 0x02b5_052b, 0x02b5_152b];
        assert_eq!(Machine::of(&base), Machine::Base);
        let call = 0x0005_752b;
        assert_eq!(Machine::of(&[base[0], call]), Machine::Aggregation);
    }
}
