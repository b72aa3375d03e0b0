//! Decoded programs, kept warm.

use super::{
    Digest, F, Instance,
    circuit::Chain,
    fields::Builder,
    guard::guard,
    machine::{self, Machine},
    provers::Provers,
};
use crate::BackendError;
use openvm_circuit::{
    arch::{VirtualMachine, VmInstance, instructions::exe::VmExe},
    system::program::trace::compute_exe_commit_from_mem_config,
};
use openvm_sdk::{DefaultStarkEngine, openvm_circuit};
use openvm_sdk_config::TranspilerConfig;
use openvm_stark_backend::{
    StarkEngine,
    prover::{CommittedTraceData, DeviceDataTransporter},
};
use openvm_transpiler::{FromElf, elf::Elf, openvm_platform::memory::MEM_SIZE};
use proofmill_primitives::{ProgramVersion, ProverType};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How many programs are kept decoded: a deployment has a range and an aggregation program, and each for a while in two
/// versions.
const KEPT_PROGRAMS: usize = 4;

/// The most memory that a program's image may fill, in bytes. The loader takes some hundred times as much; the range
/// program, with a whole EVM in it, has 2 MB.
const MAX_IMAGE: u64 = 16 << 20;
/// `p_type` of a segment that is loaded.
const PT_LOAD: u64 = 1;

/// The code as a committed table.
type Trace = CommittedTraceData<<DefaultStarkEngine as StarkEngine>::PB>;

/// A decoded program.
pub(super) struct Program {
    /// BLAKE3 of the ELF.
    pub(super) hash: [u8; 32],
    /// What it runs on.
    pub(super) machine: Machine,
    exe: Arc<VmExe<F>>,
    exe_commit: OnceLock<Digest>,
    trace: OnceLock<Trace>,
}

impl Program {
    fn decode(hash: [u8; 32], elf: &[u8], provers: &Provers) -> Result<Self, BackendError> {
        let malformed = |cause: String| BackendError::MalformedProgram { prover: ProverType::OpenVm, cause };
        let (machine, exe) = guard(malformed, || {
            check_image(elf).map_err(malformed)?;
            let elf = Elf::decode(elf, MEM_SIZE as u32).map_err(|error| malformed(error.to_string()))?;
            if elf.instructions.is_empty() {
                return Err(malformed("the ELF has no code".to_owned()));
            }
            let machine = Machine::of(&elf.instructions);
            let transpiler = machine.config(provers.verifier_commit(machine)?)?.app_vm_config.transpiler();
            let exe = VmExe::from_elf(elf, transpiler).map_err(|error| malformed(error.to_string()))?;
            Ok((machine, exe))
        })?;
        Ok(Self { hash, machine, exe: Arc::new(exe), exe_commit: OnceLock::new(), trace: OnceLock::new() })
    }

    /// The executable.
    pub(super) fn exe(&self) -> &VmExe<F> {
        &self.exe
    }

    /// Its identity.
    pub(super) fn version(&self, provers: &Provers) -> Result<ProgramVersion, BackendError> {
        let vm_commit = provers.keys.commit(Chain::Segments(self.machine))?;
        Ok(machine::version(&self.exe_commit(provers)?, &vm_commit))
    }

    /// OpenVM's commitment to the executable.
    fn exe_commit(&self, provers: &Provers) -> Result<Digest, BackendError> {
        if let Some(commit) = self.exe_commit.get() {
            return Ok(*commit);
        }
        let commit = self.with_machine(provers, "committing to the program", |machine| {
            let memory = &machine.vm.config().as_ref().memory_config;
            Ok(compute_exe_commit_from_mem_config(machine.program_commitment(), &self.exe, memory))
        })?;
        Ok(*self.exe_commit.get_or_init(|| commit))
    }

    /// Makes a machine with this program loaded and lends it to `work`. Machines cannot be kept: they must stay on one
    /// thread. Making one takes a few milliseconds, once the program's trace is committed to.
    pub(super) fn with_machine<T>(
        &self,
        provers: &Provers,
        doing: &'static str,
        work: impl FnOnce(&mut Instance) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        guard(|cause| super::failed(doing, cause), || work(&mut self.load(provers)?))
    }

    fn load(&self, provers: &Provers) -> Result<Instance, BackendError> {
        let key = &provers.app(self.machine)?.app_vm_pk;
        let engine = DefaultStarkEngine::new(key.get_params());
        let device_key = engine.device().transport_pk_to_device(&*key.vm_pk);
        let vm = VirtualMachine::new(engine, Builder, key.vm_config.clone(), device_key)
            .map_err(super::rejected)?;
        let trace = self.trace.get_or_init(|| vm.commit_program_on_device(&self.exe.program)).clone();
        let mut machine = VmInstance::new(vm, self.exe.clone(), trace).map_err(super::rejected)?;
        // The first memory is made anew for each run; this one would only take room.
        machine.state_mut().take();
        Ok(machine)
    }
}

/// Checks how much memory the image of an ELF fills. OpenVM's loader keeps an entry for each word and each byte of it, and
/// a few headers can claim gigabytes. What else is wrong with an ELF, the loader says.
fn check_image(elf: &[u8]) -> Result<(), String> {
    let number = |at: usize, size: usize| {
        let bytes = elf.get(at..at.checked_add(size)?)?;
        Some(bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    // Of the header of a 32-bit ELF: where the program headers are, the size of one, and how many there are.
    let (Some(table), Some(size), Some(count)) = (number(28, 4), number(42, 2), number(44, 2)) else {
        return Ok(());
    };
    let mut image = 0u64;
    for index in 0..count {
        let Ok(at) = usize::try_from(table + index * size) else { break };
        let (Some(kind), Some(in_file), Some(in_memory)) =
            (number(at, 4), number(at + 16, 4), number(at + 20, 4))
        else {
            break;
        };
        if kind == PT_LOAD {
            image += in_memory.max(in_file);
        }
    }
    if image > MAX_IMAGE {
        return Err(format!(
            "it fills {image} bytes of memory before it runs; the most allowed is {MAX_IMAGE}"
        ));
    }
    Ok(())
}

/// The programs seen last.
#[derive(Default)]
pub(super) struct Programs(Mutex<Vec<Arc<Program>>>);

impl Programs {
    /// The program with these bytes.
    pub(super) fn get(&self, elf: &[u8], provers: &Provers) -> Result<Arc<Program>, BackendError> {
        let hash = *blake3::hash(elf).as_bytes();
        if let Some(program) = self.touch(&hash) {
            return Ok(program);
        }
        // Decoded outside the lock: two threads may do it twice, but none waits for the other's program.
        let program = Arc::new(Program::decode(hash, elf, provers)?);
        if let Some(program) = self.touch(&hash) {
            return Ok(program);
        }
        let mut programs = lock(&self.0);
        if programs.len() == KEPT_PROGRAMS {
            programs.remove(0);
        }
        programs.push(program.clone());
        Ok(program)
    }

    /// Finds a program and makes it the one used last.
    fn touch(&self, hash: &[u8; 32]) -> Option<Arc<Program>> {
        let mut programs = lock(&self.0);
        let at = programs.iter().position(|program| program.hash == *hash)?;
        let program = programs.remove(at);
        programs.push(program.clone());
        Some(program)
    }
}

/// Nothing that these locks protect can be left half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_gigabytes_is_refused_before_it_is_loaded() {
        let elf = include_bytes!("../../../../programs/elf/openvm-range.elf");
        check_image(elf).unwrap();
        let count = u16::from_le_bytes([elf[44], elf[45]]);
        let mut refused = 0;
        for index in 0..usize::from(count) {
            let at = 52 + 32 * index;
            let mut lies = elf.to_vec();
            lies[at + 20..at + 24].copy_from_slice(&(1u32 << 28).to_le_bytes());
            refused += usize::from(check_image(&lies).is_err_and(|cause| cause.contains("bytes of memory")));
        }
        assert_eq!(refused, 4, "one for each segment that is loaded");
        // Whatever the headers say: no panic.
        for length in 0..200 {
            drop(check_image(&elf[..length]));
        }
    }
}
