//! The processes of a session: written down when they start, so that a later session finds what this one left.

use super::ports;
use crate::dev::{Child, Launcher, Orphan, Role};
use eyre::{Result, WrapErr, bail};
use proofmill_bench::leftover::{Fate, ProcessId, Record};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a process that was left may take to end by itself.
const GOODBYE: Duration = Duration::from_secs(10);

/// What runs for this session.
#[derive(Debug)]
pub(super) struct Processes {
    /// The session's.
    session: PathBuf,
    /// What is written down.
    folder: PathBuf,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    record: Record,
    child: Child,
}

impl Processes {
    /// None yet; each that is started is written down in the session's folder.
    pub(super) fn new(session: &Path) -> Result<Self> {
        let folder = session.join("processes");
        fs::create_dir_all(&folder)
            .wrap_err_with(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(Self { session: session.to_owned(), folder, running: Vec::new() })
    }

    /// Starts one, and writes it down.
    pub(super) fn start(&mut self, launcher: &Launcher, role: &Role, orphan: Orphan) -> Result<()> {
        let mark = [(ports::SESSION, self.session.as_os_str())];
        let child = launcher.start_with(role, orphan, &mark)?;
        // It may have ended again: then there is nothing to write down.
        let id = look(child.pid())?.unwrap_or_else(|| ProcessId {
            pid: child.pid(),
            started: 0,
            boot: String::new(),
        });
        let record = Record { name: role.name.clone(), id };
        let path = self.folder.join(format!("{}.json", record.name));
        self.running.push(Running { record: record.clone(), child });
        fs::write(&path, serde_json::to_vec_pretty(&record)?)
            .wrap_err_with(|| format!("cannot write {}", path.display()))
    }

    fn find(&mut self, name: &str) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.record.name == name)
    }

    /// The number of one that runs.
    pub(super) fn pid(&mut self, name: &str) -> Option<u32> {
        self.find(name).map(|running| running.child.pid())
    }

    /// Which one it is, for who keeps it.
    pub(super) fn id(&mut self, name: &str) -> Option<ProcessId> {
        self.find(name).map(|running| running.record.id.clone())
    }

    /// Whether it ended well, if it has ended; one that did not is an error with its last words.
    pub(super) fn has_ended(&mut self, name: &str) -> Result<bool> {
        let Some(running) = self.find(name) else { return Ok(true) };
        match running.child.ended() {
            None => Ok(false),
            Some(status) if status.success() => {
                self.forget(name);
                Ok(true)
            }
            Some(status) => {
                let (log, words) = (running.child.log().display().to_string(), running.child.last_words());
                bail!("{name} ended ({status}); the last lines of {log}:\n{words}")
            }
        }
    }

    /// An error where one of them has ended that should run.
    pub(super) fn must_run(&mut self, names: &[String]) -> Result<()> {
        for name in names {
            if self.has_ended(name)? {
                bail!("{name} ended by itself: see its log");
            }
        }
        Ok(())
    }

    /// It goes on without this session.
    pub(super) fn let_go(&mut self, name: &str) {
        self.forget(name);
    }

    fn forget(&mut self, name: &str) {
        self.running.retain(|running| running.record.name != name);
        // Where it stays it names what has ended, which a later session sees.
        drop(fs::remove_file(self.folder.join(format!("{name}.json"))));
    }

    /// Ends all, the last one first; gives those that are still there.
    pub(super) async fn end(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        while let Some(Running { record, child }) = self.running.pop() {
            child.stop_group().await;
            match look(record.id.pid) {
                Ok(seen) if record.id.fate(seen.as_ref()) == Fate::Runs => {
                    left.push(format!("{} (process {})", record.name, record.id.pid));
                }
                _ => drop(fs::remove_file(self.folder.join(format!("{}.json", record.name)))),
            }
        }
        left
    }
}

/// The process that has this number now.
pub(super) fn look(pid: u32) -> Result<Option<ProcessId>> {
    let read = |path: &str| match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        // One that ends while it is read has no such process any more.
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(3) => Ok(None),
        Err(error) => Err(error).wrap_err_with(|| format!("cannot read {path}")),
    };
    let boot = read("/proc/sys/kernel/random/boot_id")?.unwrap_or_default();
    Ok(read(&format!("/proc/{pid}/stat"))?.and_then(|stat| ProcessId::of(&stat, &boot)))
}

/// Ends a process that is not this one's child, if it is still that one. A number that is another's by now is left alone.
pub(super) async fn end(id: &ProcessId) -> Result<Fate> {
    let gone = Ok(Fate::Ended);
    let Some(pid) = i32::try_from(id.pid).ok().and_then(Pid::from_raw) else { return gone };
    // From here on the descriptor is of one process, whatever becomes of its number.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return gone };
    let fate = id.fate(look(id.pid)?.as_ref());
    if fate != Fate::Runs {
        return Ok(fate);
    }
    for signal in [Signal::TERM, Signal::KILL] {
        // It may have ended meanwhile.
        let _ = pidfd_send_signal(&process, signal);
        let start = Instant::now();
        while start.elapsed() < GOODBYE {
            if id.fate(look(id.pid)?.as_ref()) != Fate::Runs {
                return Ok(Fate::Runs);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    bail!("process {} of an earlier session does not end, not even by SIGKILL: end it by hand", id.pid)
}

/// What earlier sessions wrote down in a folder. A file that cannot be read tells of nothing that could be ended.
pub(super) fn records(folder: &Path) -> Vec<Record> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()).collect()
}
