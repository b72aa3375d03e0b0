//! Proofmill's own programs, as `make elf` built them.

use proofmill_backends::{Backend, BackendError};
use proofmill_primitives::{ProgramVersion, ProverType};
use proofmill_program::{PublicValues, RangePublicValues};

/// The name under which `exec` runs the range program natively.
const EXEC_RANGE: &[u8] = b"proofmill-exec:range";
/// The range program for OpenVM.
const OPENVM_RANGE: &[u8] = include_bytes!("../../../programs/elf/openvm-range.elf");
/// The range program for SP1.
const SP1_RANGE: &[u8] = include_bytes!("../../../programs/elf/sp1-range.elf");

/// The range program of a prover type.
pub(crate) fn range_program(prover: ProverType) -> &'static [u8] {
    match prover {
        ProverType::Exec => EXEC_RANGE,
        ProverType::OpenVm => OPENVM_RANGE,
        ProverType::Sp1 => SP1_RANGE,
    }
}

/// The identity of the range program.
pub(crate) fn range_version(backend: &dyn Backend) -> Result<ProgramVersion, BackendError> {
    backend.program_version(range_program(backend.prover_type()))
}

/// Whether public values of a range proof say what `statement` says: in full, or as its hash where the zkVM reveals
/// 32 bytes. Both bind the program's output, so either convinces.
pub(crate) fn says(public_values: &[u8], statement: &RangePublicValues) -> bool {
    public_values == statement.to_abi() || public_values == statement.commitment().as_slice()
}
