//! Proofmill's own programs, as `make elf` built them.

use alloy_primitives::B256;
use proofmill_backends::{Backend, BackendError};
use proofmill_primitives::{ProgramVersion, ProverType};
use proofmill_program::PublicValues;
use std::{collections::BTreeMap, sync::LazyLock};

/// The name under which `exec` runs the range program natively.
const EXEC_RANGE: &[u8] = b"proofmill-exec:range";
/// The name under which `exec` runs the aggregation program natively.
const EXEC_AGGREGATION: &[u8] = b"proofmill-exec:aggregation";
/// The range program for OpenVM.
const OPENVM_RANGE: &[u8] = include_bytes!("../../../programs/elf/openvm-range.elf");
/// The aggregation program for OpenVM.
const OPENVM_AGGREGATION: &[u8] = include_bytes!("../../../programs/elf/openvm-aggregation.elf");
/// The range program for SP1.
const SP1_RANGE: &[u8] = include_bytes!("../../../programs/elf/sp1-range.elf");
/// The aggregation program for SP1.
const SP1_AGGREGATION: &[u8] = include_bytes!("../../../programs/elf/sp1-aggregation.elf");

/// The range program for OP Stack chains, as `exec` runs it.
const EXEC_OP_RANGE: &[u8] = b"proofmill-exec:op-range";
/// The aggregation program for OP Stack chains, as `exec` runs it.
const EXEC_OP_AGGREGATION: &[u8] = b"proofmill-exec:op-aggregation";
/// The range program for OP Stack chains, for OpenVM.
const OPENVM_OP_RANGE: &[u8] = include_bytes!("../../../programs/elf/openvm-op-range.elf");
/// The aggregation program for OP Stack chains, for OpenVM.
const OPENVM_OP_AGGREGATION: &[u8] = include_bytes!("../../../programs/elf/openvm-op-aggregation.elf");
/// The range program for OP Stack chains, for SP1.
const SP1_OP_RANGE: &[u8] = include_bytes!("../../../programs/elf/sp1-op-range.elf");
/// The aggregation program for OP Stack chains, for SP1.
const SP1_OP_AGGREGATION: &[u8] = include_bytes!("../../../programs/elf/sp1-op-aggregation.elf");

/// The range program of a prover type.
pub const fn range(prover: ProverType) -> &'static [u8] {
    match prover {
        ProverType::Exec => EXEC_RANGE,
        ProverType::OpenVm => OPENVM_RANGE,
        ProverType::Sp1 => SP1_RANGE,
    }
}

/// The range program of a prover type for OP Stack chains.
pub const fn op_range(prover: ProverType) -> &'static [u8] {
    match prover {
        ProverType::Exec => EXEC_OP_RANGE,
        ProverType::OpenVm => OPENVM_OP_RANGE,
        ProverType::Sp1 => SP1_OP_RANGE,
    }
}

/// The aggregation program of a prover type for OP Stack chains.
pub const fn op_aggregation(prover: ProverType) -> &'static [u8] {
    match prover {
        ProverType::Exec => EXEC_OP_AGGREGATION,
        ProverType::OpenVm => OPENVM_OP_AGGREGATION,
        ProverType::Sp1 => SP1_OP_AGGREGATION,
    }
}

/// The aggregation program of a prover type.
pub const fn aggregation(prover: ProverType) -> &'static [u8] {
    match prover {
        ProverType::Exec => EXEC_AGGREGATION,
        ProverType::OpenVm => OPENVM_AGGREGATION,
        ProverType::Sp1 => SP1_AGGREGATION,
    }
}

/// The identity of a program. Proofmill's own have it in the manifest of the ELFs, as `programs/keys.sh` had the backends
/// derive it: to derive it anew takes OpenVM 0.3 GB, and SP1 a minute.
pub fn version(backend: &dyn Backend, program: &[u8]) -> Result<ProgramVersion, BackendError> {
    let prover = backend.prover_type();
    let known = if program == range(prover) {
        known_version(prover, "range")
    } else if program == op_range(prover) {
        known_version(prover, "op-range")
    } else if program == op_aggregation(prover) {
        known_version(prover, "op-aggregation")
    } else if program == aggregation(prover) {
        known_version(prover, "aggregation")
    } else {
        None
    };
    known.map_or_else(|| backend.program_version(program), Ok)
}

/// The identity of the range program.
pub fn range_version(backend: &dyn Backend) -> Result<ProgramVersion, BackendError> {
    version(backend, range(backend.prover_type()))
}

/// The identity of the range program for OP Stack chains.
pub fn op_range_version(backend: &dyn Backend) -> Result<ProgramVersion, BackendError> {
    version(backend, op_range(backend.prover_type()))
}

/// The identity of the aggregation program.
pub fn aggregation_version(backend: &dyn Backend) -> Result<ProgramVersion, BackendError> {
    version(backend, aggregation(backend.prover_type()))
}

/// The identity of the aggregation program for OP Stack chains.
pub fn op_aggregation_version(backend: &dyn Backend) -> Result<ProgramVersion, BackendError> {
    version(backend, op_aggregation(backend.prover_type()))
}

/// The identities of the range program and the aggregation program of a prover type, as the manifest has them: no backend of the type
/// is needed. None for `exec`, whose programs are not built.
pub fn published(prover: ProverType) -> Option<[ProgramVersion; 2]> {
    Some([known_version(prover, "range")?, known_version(prover, "aggregation")?])
}

/// What the manifest says of a program. None for `exec`, whose programs are not built, and for an ELF whose version has
/// not been derived yet.
fn known_version(prover: ProverType, program: &str) -> Option<ProgramVersion> {
    #[derive(serde::Deserialize)]
    struct Built {
        version: Option<B256>,
    }
    static BUILT: LazyLock<BTreeMap<String, Built>> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../../../programs/elf/manifest.json")).unwrap_or_default()
    });
    BUILT.get(&format!("{}-{program}", prover.name()))?.version.map(ProgramVersion)
}

/// Whether public values of a proof say what `statement` says: in full, or as its hash where the zkVM reveals 32 bytes.
/// Both bind the program's output, so either convinces.
pub fn says(public_values: &[u8], statement: &impl PublicValues) -> bool {
    public_values == statement.to_bytes() || public_values == statement.commitment().as_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_knows_every_program_that_was_built() {
        for prover in [ProverType::OpenVm, ProverType::Sp1] {
            for program in ["range", "aggregation", "op-range", "op-aggregation"] {
                assert!(known_version(prover, program).is_some(), "{prover} {program}");
            }
        }
        assert_eq!(known_version(ProverType::Exec, "range"), None);
        assert!(published(ProverType::Sp1).is_some() && published(ProverType::Exec).is_none());
    }
}
