//! The memory of all processes together.

use std::fs;

/// The most memory that a set of processes held at the same time, as far as it was looked at.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    peak_kb: u64,
}

impl Memory {
    /// Looks at what these processes hold now.
    pub(crate) fn look(&mut self, pids: impl Iterator<Item = u32>) {
        self.peak_kb = self.peak_kb.max(pids.map(resident_kb).sum());
    }

    /// The peak so far, in MB.
    pub(crate) const fn peak_mb(&self) -> u64 {
        self.peak_kb / 1024
    }
}

/// 0 where the process has ended, or the system does not tell.
fn resident_kb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}
