//! The memory that this process may use, and has used.

use crate::WorkerError;
use proofmill_primitives::Weight;
use std::fs;
use sysinfo::{MemoryRefreshKind, ProcessesToUpdate, RefreshKind, System};

const GB: u64 = 1 << 30;
const MB: u64 = 1 << 20;

/// The memory of this machine, or of the cgroup that this process is confined to where that is less, in bytes; 0 where
/// the system does not tell.
pub fn available() -> u64 {
    let ram = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let Ok(mut system) = System::new_with_specifics(ram) else { return 0 };
    let total = system.total_memory();
    // Of this process, not of the machine: a service or a job has a cgroup of its own below the root.
    let limits = sysinfo::get_current_pid().ok().and_then(|id| {
        system.refresh_processes(ProcessesToUpdate::Some(&[id]), true);
        system.process(id)?.cgroup_limits()
    });
    limits.map_or(total, |limits| limits.total_memory.min(total))
}

/// Decides how much this worker's tasks may weigh together: what was asked for, if the memory is there, else the
/// available memory less 1 GB for the process itself.
///
/// # Errors
/// More was asked for than there is.
pub fn max_weight(asked: Option<Weight>) -> Result<Weight, WorkerError> {
    let available = Weight::gb(u32::try_from(available() / GB).unwrap_or(u32::MAX));
    match asked {
        Some(asked) if asked > available => Err(WorkerError::MoreThanTheMachineHas { asked, available }),
        Some(asked) => Ok(asked),
        None => Ok(available.saturating_sub(Weight::gb(1))),
    }
}

/// The most memory that this process has held so far, in MB; 0 where the system does not tell.
pub fn peak_mb() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kb = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kb.map_or(0, |kb| u32::try_from(kb * 1024 / MB).unwrap_or(u32::MAX))
}
