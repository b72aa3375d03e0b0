//! Proofmill's own programs, as `make elf` built them.

use proofmill_backends::{Backend, BackendError};
use proofmill_primitives::{ProgramVersion, ProverType};
use proofmill_program::PublicValues;

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

/// The range program of a prover type.
pub const fn range(prover: ProverType) -> &'static [u8] {
    match prover {
        ProverType::Exec => EXEC_RANGE,
        ProverType::OpenVm => OPENVM_RANGE,
        ProverType::Sp1 => SP1_RANGE,
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

/// The identity of the range program.
pub fn range_version(backend: &dyn Backend) -> Result<ProgramVersion, BackendError> {
    backend.program_version(range(backend.prover_type()))
}

/// The identity of the aggregation program.
pub fn aggregation_version(backend: &dyn Backend) -> Result<ProgramVersion, BackendError> {
    backend.program_version(aggregation(backend.prover_type()))
}

/// Whether public values of a proof say what `statement` says: in full, or as its hash where the zkVM reveals 32 bytes.
/// Both bind the program's output, so either convinces.
pub fn says(public_values: &[u8], statement: &impl PublicValues) -> bool {
    public_values == statement.to_abi() || public_values == statement.commitment().as_slice()
}
