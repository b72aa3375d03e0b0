//! The memory that this process may use, and has used; and what the system killed for want of it.

use crate::WorkerError;
use proofmill_primitives::Weight;
use std::{
    fs,
    path::{Path, PathBuf},
};
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

/// How many processes the system has killed for want of memory so far: in this cgroup, and on the machine.
#[derive(Debug, Default)]
pub struct Kills {
    cgroup: Option<u64>,
    machine: Option<u64>,
}

impl Kills {
    /// Up to now.
    pub fn now() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let files = groups.lines().filter_map(counter_of).collect::<Vec<_>>();
        let count = |path: &Path| counted(&fs::read_to_string(path).ok()?);
        Self { cgroup: files.iter().find_map(|path| count(path)), machine: count(Path::new("/proc/vmstat")) }
    }

    /// Whether one was killed since then. What happens on the machine counts only where the cgroup does not tell.
    pub fn since(&self, before: &Self) -> bool {
        match (before.cgroup, self.cgroup) {
            (Some(before), Some(now)) => now > before,
            _ => self.machine > before.machine,
        }
    }
}

/// The file that counts, for a line of `/proc/self/cgroup`: of cgroup v2 (`0::/path`), or of the memory controller of v1.
fn counter_of(line: &str) -> Option<PathBuf> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?.trim_start_matches('/'));
    let root = Path::new("/sys/fs/cgroup");
    match controllers {
        "" => Some(root.join(path).join("memory.events")),
        "memory" => Some(root.join("memory").join(path).join("memory.oom_control")),
        _ => None,
    }
}

/// The count in a file of lines `name number`.
fn counted(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted_in_both_versions_of_cgroups() {
        let file = |line: &str| counter_of(line).map(|path| path.display().to_string());
        let v2 = file("0::/system.slice/worker.service");
        assert_eq!(v2.as_deref(), Some("/sys/fs/cgroup/system.slice/worker.service/memory.events"));
        let v1 = file("5:memory:/docker/abc");
        assert_eq!(v1.as_deref(), Some("/sys/fs/cgroup/memory/docker/abc/memory.oom_control"));
        assert_eq!(file("3:cpu,cpuacct:/docker/abc"), None);
        assert_eq!(counted("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"), Some(2));
        assert_eq!(counted("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"), Some(1));
        assert_eq!(counted("oom_kill_disable 0\n"), None);
    }

    #[test]
    fn only_what_was_killed_meanwhile_counts() {
        let kills = |cgroup, machine| Kills { cgroup, machine };
        assert!(kills(Some(2), Some(9)).since(&kills(Some(1), Some(9))));
        assert!(!kills(Some(1), Some(9)).since(&kills(Some(1), Some(9))));
        assert!(!kills(Some(1), Some(9)).since(&kills(Some(1), Some(8))), "it was in another cgroup");
        assert!(kills(None, Some(9)).since(&kills(None, Some(8))));
        assert!(!kills(None, None).since(&kills(None, None)));
    }
}
