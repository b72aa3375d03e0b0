//! The process above a worker: it finds out when the system kills the worker for want of memory, says so, and starts it again
//! with the tasks that were too much, which the worker then hands back with that cause.

use crate::cli;
use eyre::{Result, WrapErr, bail};
use proofmill_primitives::TaskId;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env, fs,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};

/// Where the worker notes what it does. A process that has this has a guard.
pub(super) const NOTE: &str = "PROOFMILL_WORKER_NOTE";
/// What it did when it was killed, as JSON.
pub(super) const KILLED: &str = "PROOFMILL_WORKER_KILLED";
/// Set where somebody else looks after the worker.
pub(crate) const UNGUARDED: &str = "PROOFMILL_WORKER_UNGUARDED";
/// The name under which the worker registers, which must outlive its process.
const ID: &str = "PROOFMILL_WORKER_ID";

/// How often it is looked whether the worker has ended.
const LOOK: Duration = Duration::from_millis(100);
/// The pause before a killed worker is started again, doubled each time to a minute; anew after ten quiet minutes.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);
const QUIET: Duration = Duration::from_secs(600);

/// Whether this process is to watch over a worker, instead of being one.
pub(super) fn is_wanted() -> bool {
    env::var_os(NOTE).is_none() && env::var_os(UNGUARDED).is_none()
}

/// Runs the worker as a child until it ends by itself.
pub(super) async fn watch(args: &cli::Worker, default_id: String) -> Result<()> {
    let id = args.id.clone().unwrap_or(default_id);
    let note = Note::new();
    let mut killed: Vec<TaskId> = Vec::new();
    let mut pause = FIRST_PAUSE;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    loop {
        let (began, kills) = (Instant::now(), MemoryKills::now());
        let mut worker = start(&id, &note, &killed)?;
        let mut stopping = false;
        let ended = loop {
            tokio::select! {
                _ = interrupt.recv() => pass_on(&worker, Signal::INT, &mut stopping),
                _ = terminate.recv() => pass_on(&worker, Signal::TERM, &mut stopping),
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Some(ended) = worker.try_wait().wrap_err("cannot look after the worker's process")? {
                break ended;
            }
        };
        if ended.success() {
            return Ok(());
        }
        let for_memory = ended.signal() == Some(Signal::KILL.as_raw()) && MemoryKills::now().since(&kills);
        if stopping || !for_memory {
            drop(note);
            return end_as(ended);
        }
        if began.elapsed() > QUIET {
            pause = FIRST_PAUSE;
        }
        killed = note.read();
        tracing::error!(
            %id,
            tasks = killed.len(),
            again_in_s = pause.as_secs(),
            "the system killed this worker for want of memory (exit 137): give it more, or let it take less (--max-weight)"
        );
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

fn start(id: &str, note: &Note, killed: &[TaskId]) -> Result<Child> {
    let program = env::current_exe().wrap_err("cannot find this program's own file")?;
    let mut command = proofmill_localnet::ends_with_parent(&program);
    // Signals reach it through this process alone, once.
    command.process_group(0);
    command.args(env::args_os().skip(1)).env(ID, id).env(NOTE, &note.0);
    if !killed.is_empty() {
        command.env(KILLED, serde_json::to_string(killed)?);
    }
    command.spawn().wrap_err("cannot start the worker's process")
}

fn pass_on(worker: &Child, signal: Signal, stopping: &mut bool) {
    *stopping = true;
    if let Some(pid) = i32::try_from(worker.id()).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// Ends as the worker did, whose own words are in the log.
fn end_as(ended: ExitStatus) -> Result<()> {
    if let Some(signal) = ended.signal() {
        bail!(
            "the worker's process was ended by signal {signal}, and not for want of memory as far as the system tells"
        );
    }
    std::process::exit(ended.code().unwrap_or(1));
}

/// The file in which the worker notes its tasks.
struct Note(PathBuf);

impl Note {
    fn new() -> Self {
        Self(env::temp_dir().join(format!("proofmill-worker-{}.json", std::process::id())))
    }

    fn read(&self) -> Vec<TaskId> {
        fs::read(&self.0).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// How many processes the system has killed for want of memory so far: in this cgroup, and on the machine.
#[derive(Debug, Default)]
struct MemoryKills {
    cgroup: Option<u64>,
    machine: Option<u64>,
}

impl MemoryKills {
    fn now() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let files = groups.lines().filter_map(counter_of).collect::<Vec<_>>();
        let count = |path: &Path| counted(&fs::read_to_string(path).ok()?);
        Self { cgroup: files.iter().find_map(|path| count(path)), machine: count(Path::new("/proc/vmstat")) }
    }

    /// Whether one was killed since then. What happens on the machine counts only where the cgroup does not tell.
    fn since(&self, before: &Self) -> bool {
        match (before.cgroup, self.cgroup) {
            (Some(before), Some(now)) if now > before => true,
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
        let kills = |cgroup, machine| MemoryKills { cgroup, machine };
        assert!(kills(Some(2), Some(9)).since(&kills(Some(1), Some(9))));
        assert!(!kills(Some(1), Some(9)).since(&kills(Some(1), Some(9))));
        assert!(kills(None, Some(9)).since(&kills(None, Some(8))));
        assert!(!kills(None, None).since(&kills(None, None)));
    }
}
