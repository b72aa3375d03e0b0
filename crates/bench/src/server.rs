//! The machine that a run was on.

use serde::{Deserialize, Serialize};
use std::process::{Command, Stdio};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// What a machine is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The processor's name.
    pub cpu: String,
    /// Logical cores.
    pub cores: usize,
    /// Memory, in MiB.
    pub memory_mb: u64,
    /// The GPUs' names; none where there is none, or no driver.
    pub gpus: Vec<String>,
    /// Operating system and kernel.
    pub os: String,
}

impl Server {
    /// This machine.
    pub fn this() -> Self {
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(wanted).ok();
        let cpus = system.as_ref().map_or(&[][..], System::cpus);
        let cpu = cpus.first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default();
        let os =
            [System::long_os_version(), System::kernel_version().map(|version| format!("kernel {version}"))];
        Self {
            cpu,
            cores: cpus.len(),
            memory_mb: system.as_ref().map_or(0, System::total_memory) >> 20,
            gpus: gpus(),
            os: os.into_iter().flatten().collect::<Vec<_>>().join(", "),
        }
    }
}

fn gpus() -> Vec<String> {
    let asked = Command::new("nvidia-smi")
        .args(["--query-gpu=name,memory.total", "--format=csv,noheader"])
        .stdin(Stdio::null())
        .output();
    let said =
        asked.ok().filter(|output| output.status.success()).map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said)
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}
