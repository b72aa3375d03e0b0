//! The virtual machines that programs run on, and the identity that follows from them.
//!
//! OpenVM lets each program bring its own set of extensions. Proofmill fixes two sets, because keys are then made once per
//! process instead of once per program:
//!
//! - [`Machine::Base`] (`openvm.toml` and [`FIELDS`]): RV32IM, input and output, keccak, the fields and curve of
//!   secp256k1, and the fields of BN254's and BLS12-381's coordinates. A guest that needs no more runs unchanged; one with other instructions is refused as malformed.
//! - [`Machine::Aggregation`] (`aggregation.toml`): RV32IM, input and output, keccak, and verification of compressed proofs
//!   of the base machine.
//!
//! Which one a program runs on follows from its code: the base machine has no instructions that verify proofs, so a program
//! that has one can only be of the other. Nothing depends on it being told right: the machine is part of the version.
//!
//! The sets are small because each leaf of the folding tree evaluates the constraints of every table that could have been
//! used, whether it was or not, in a table of its own: a row for each node of the constraints and each field of the lookups,
//! padded to a power of two, and four times as wide, for four children. So what a machine's tables cost goes by steps. Measured
//! by `examples/openvm_machines.rs` (`benches/cycles.md`):
//!
//! | machine | rows | leaf over two segments |
//! |---|---|---|
//! | keccak, secp256k1 | 107,327 | 48 CPU seconds |
//! | + BLS12-381's coordinates | 125,429 | 46 |
//! | + BN254's | 136,028 | 68 |
//! | this one: the same without comparisons of three moduli | 129,243 | as the first two |
//! | + sha2, P-256's coordinates | 193,042 | as the third |
//!
//! 256-bit integers are worse still: their lookup table has 2^21 rows in every segment, which does not fit
//! [`LOG_STACKED_HEIGHT`]. So what blocks need rarely is an ordinary instruction where that can be afforded (SHA-256, BLAKE2).
//! Pairings cannot: one KZG proof took 147 million instructions in software, half of a real block. The base machine has the
//! prime fields of their coordinates alone, without comparisons (four tables; [`fields`](super::fields)), and not OpenVM's
//! complex extension, curves and pairings: extension fields of products and sums are 25 to 100 times cheaper than software
//! already. The same 381 bits multiply the whole numbers of modular powers (`programs/curves`). A table of more than 1,800
//! rows does not fit any more without another step.

use super::{
    AppKey, Digest,
    fields::{Fields, MachineConfig},
};
use crate::BackendError;
use alloy_primitives::keccak256;
use num_bigint::BigUint;
use openvm_continuations::CommitBytes;
use openvm_sdk::{SC, config::AppConfig, keygen::AppProvingKey};
use openvm_sdk_config::{
    SdkSystemConfig, SdkVmConfig,
    deferral::{DeferralCircuitConfig, DeferralConfig, SupportedDeferral},
};
use openvm_stark_backend::keygen::types::StarkProvingKey;
use openvm_stark_sdk::config::app_params_with_100_bits_security;
use proofmill_primitives::ProgramVersion;

/// The bytes that a program can commit to, OpenVM's default; those it leaves out are zero.
pub(super) const PUBLIC_VALUES: usize = 32;

/// Log2 of the height of the stacked trace. OpenVM's default is 24; 20 proves segments of our size 3 to 5 times faster
/// at the same 100 bits of security. It is part of the program's key.
const LOG_STACKED_HEIGHT: usize = 20;

/// The moduli of the base machine behind those of `openvm.toml`: secp256k1's scalars, and the coordinates of BN254 and
/// BLS12-381.
pub(super) const FIELDS: [&str; 3] = [
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47",
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
];

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
    pub(super) fn config(self, verifier: Digest) -> Result<AppConfig<MachineConfig>, BackendError> {
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
        let mut fields = Fields::default();
        if let (Self::Base, Some(modular)) = (self, &config.modular) {
            fields.first = modular.supported_moduli.len();
            fields.moduli =
                FIELDS.iter().filter_map(|digits| BigUint::parse_bytes(digits.as_bytes(), 16)).collect();
        }
        let config = MachineConfig { sdk: config.optimize(), fields };
        Ok(AppConfig::new(config, app_params_with_100_bits_security(LOG_STACKED_HEIGHT)))
    }

    /// Makes the proving key of the machine.
    pub(super) fn key(self, verifier: Digest) -> Result<AppKey, BackendError> {
        AppProvingKey::keygen(self.config(verifier)?)
            .map_err(|error| super::failed("making the keys of the virtual machine", error))
    }
}

/// A table of a machine.
#[derive(Clone, Debug)]
pub struct Table {
    /// OpenVM's name.
    pub name: String,
    /// Columns of its main trace.
    pub columns: u64,
    /// Lookups of each row.
    pub lookups: u64,
    /// Rows that it takes in the table of a leaf in which constraints are evaluated, used or not.
    pub leaf_rows: u64,
}

/// The tables of a machine, in the order of a segment's heights.
pub(super) fn tables(key: &AppKey) -> Vec<Table> {
    let table = |air: &StarkProvingKey<SC>| {
        let constraints = &air.vk.symbolic_constraints;
        // A lookup's fields, its count and its bus.
        let lookups: usize = constraints.interactions.iter().map(|lookup| lookup.message.len() + 2).sum();
        let rows = constraints.constraints.nodes.len() + lookups + air.vk.unused_variables.len();
        Table {
            name: air.air_name.clone(),
            columns: air.vk.params.width.main_widths().iter().sum::<usize>() as u64,
            lookups: constraints.interactions.len() as u64,
            leaf_rows: rows as u64,
        }
    };
    key.app_vm_pk.vm_pk.per_air.iter().map(table).collect()
}

/// The identity of a program: Keccak-256 of OpenVM's two commitments, `app_exe_commit` (code, first memory, entry point)
/// and `app_vm_commit` (the machine and the folding circuits), 32 bytes each in the big-endian form that OpenVM's
/// Solidity verifier takes, so that a contract can derive it too. The aggregation program derives it of the proofs it
/// verifies.
pub(super) fn version(exe_commit: &Digest, vm_commit: &Digest) -> ProgramVersion {
    version_of([exe_commit, vm_commit].map(|commit| *CommitBytes::from(*commit).as_slice()))
}

/// As [`version`], of the commitments in the form that Solidity takes.
pub(super) fn version_of(commits: [[u8; 32]; 2]) -> ProgramVersion {
    ProgramVersion(keccak256(commits.concat()))
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    /// One row more in that table, and each leaf would be dearer by four fifths.
    #[test]
    fn the_constraints_of_the_base_machine_fit_the_leaf() {
        let key = Machine::Base.key(Digest::default()).expect("a key");
        let rows: u64 = tables(&key).iter().map(|table| table.leaf_rows).sum();
        assert!((1 << 16..=1 << 17).contains(&rows), "{rows} rows");
    }

    #[test]
    fn the_code_tells_the_machine() {
        // `addi`, and what the base machine has on the same opcode: modular arithmetic with `funct3` 0 and 1.
        let base = [0x0010_0093, 0x02b5_052b, 0x02b5_152b];
        assert_eq!(Machine::of(&base), Machine::Base);
        let call = 0x0005_752b;
        assert_eq!(Machine::of(&[base[0], call]), Machine::Aggregation);
    }
}
