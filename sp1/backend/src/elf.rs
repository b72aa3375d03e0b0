//! Checks a program before SP1 reads it.
//!
//! SP1's loader trusts the sizes in an ELF: it fills memory for as many bytes as a header claims and indexes where a
//! header points. A few lies in a header of 64 bytes would cost hours and all memory, so they are refused here.

use crate::guard::{catch, malformed_program};
use proofmill_backends::BackendError;
use sp1_core_executor::Program;
use std::sync::Arc;

/// The most memory that a program's image may fill. SP1 keeps some 20 bytes for each 8 of it; a program with a whole
/// EVM in it has 3 MB.
const MAX_IMAGE_BYTES: u64 = 256 << 20;
/// `e_machine` of RISC-V.
const EM_RISCV: u16 = 243;
/// `p_type` of a segment that is loaded.
const PT_LOAD: u32 = 1;
/// `p_type` of a segment of notes.
const PT_NOTE: u32 = 4;

/// Reads an SP1 program.
pub(crate) fn load(bytes: &[u8]) -> Result<Arc<Program>, BackendError> {
    check(bytes).map_err(malformed_program)?;
    let program = catch(|| Program::from(bytes)).map_err(malformed_program)?.map_err(malformed_program)?;
    if program.enable_untrusted_programs {
        return Err(malformed_program(
            "it loads code at run time, which SP1's standard prover does not allow",
        ));
    }
    Ok(Arc::new(program))
}

/// Checks the headers: sizes within the file, and a bounded image.
fn check(bytes: &[u8]) -> Result<(), String> {
    let (identity, header) = bytes.split_at_checked(16).ok_or("it is shorter than an ELF header")?;
    if identity[..4] != *b"\x7fELF" {
        return Err("it is not an ELF file".to_owned());
    }
    if identity[4] != 2 || identity[5] != 1 {
        return Err("it is not a 64-bit little-endian ELF; SP1 programs are built for riscv64im".to_owned());
    }
    let machine = u16_at(header, 2).ok_or("its header is cut off")?;
    if machine != EM_RISCV {
        return Err(format!("it is built for machine {machine}, not for RISC-V ({EM_RISCV})"));
    }
    let start = u64_at(header, 16).ok_or("its header is cut off")?;
    let size = u16_at(header, 38).ok_or("its header is cut off")?;
    let count = u16_at(header, 40).ok_or("its header is cut off")?;
    if size != 56 {
        return Err(format!("its program headers have {size} bytes, not 56"));
    }
    let file = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut image = 0u64;
    for index in 0..u64::from(count) {
        let at = start.checked_add(index * 56).ok_or("its program headers lie outside of it")?;
        let segment = usize::try_from(at)
            .ok()
            .and_then(|at| bytes.get(at..)?.get(..56))
            .ok_or("its program headers lie outside of it")?;
        let kind = u32_at(segment, 0).unwrap_or_default();
        let [offset, in_file, in_memory] = [8, 32, 40].map(|at| u64_at(segment, at).unwrap_or_default());
        if !matches!(kind, PT_LOAD | PT_NOTE) {
            continue;
        }
        if offset.checked_add(in_file).is_none_or(|end| end > file) {
            return Err(format!("segment {index} reaches past the end of the file"));
        }
        if kind == PT_LOAD {
            image = image.saturating_add(in_memory.max(in_file));
        }
    }
    if image > MAX_IMAGE_BYTES {
        return Err(format!(
            "it fills {image} bytes of memory before it runs; the most allowed is {MAX_IMAGE_BYTES}"
        ));
    }
    Ok(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ELF: &[u8] = include_bytes!("../tests/fixtures/fibonacci-sp1.elf");

    #[test]
    fn the_fixture_loads() {
        assert!(load(ELF).is_ok());
    }

    #[test]
    fn a_header_that_lies_about_its_size_is_refused_at_once() {
        let table = usize::try_from(u64_at(ELF, 32).unwrap()).unwrap();
        for index in 0..usize::from(u16_at(ELF, 56).unwrap()) {
            let at = table + 56 * index;
            if u32_at(ELF, at) != Some(PT_LOAD) {
                continue;
            }
            let mut elf = ELF.to_vec();
            elf[at + 40..at + 48].copy_from_slice(&(1u64 << 40).to_le_bytes());
            assert!(load(&elf).unwrap_err().to_string().contains("bytes of memory"));
            let mut elf = ELF.to_vec();
            elf[at + 32..at + 40].copy_from_slice(&(1u64 << 40).to_le_bytes());
            assert!(load(&elf).unwrap_err().to_string().contains("past the end"));
        }
    }

    #[test]
    fn no_prefix_of_a_program_is_a_program() {
        for length in (0..ELF.len().min(0x400)).chain([ELF.len() / 4]) {
            assert!(load(&ELF[..length]).is_err(), "{length}");
        }
    }
}
