//! The process above a worker: it finds out when the system kills the worker for want of memory, says so, and starts it again
//! with the tasks that were too much, which the worker then hands back with that cause.

use crate::cli;
use eyre::{Result, WrapErr, bail};
use proofmill_primitives::TaskId;
use proofmill_worker::memory::Kills;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env, fs,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
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
        let (began, kills) = (Instant::now(), Kills::now());
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
        // Told to end before it could listen to that: it had nothing to end in order.
        let told = [Signal::INT.as_raw(), Signal::TERM.as_raw()];
        if stopping && ended.signal().is_some_and(|signal| told.contains(&signal)) {
            return Ok(());
        }
        let for_memory = ended.signal() == Some(Signal::KILL.as_raw()) && Kills::now().since(&kills);
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
    let program = still_there(env::current_exe().wrap_err("cannot find this program's own file")?);
    let mut command = proofmill_localnet::ends_with_parent(&program);
    // Signals reach it through this process alone, once.
    command.process_group(0);
    command.args(env::args_os().skip(1)).env(ID, id).env(NOTE, &note.0);
    if !killed.is_empty() {
        command.env(KILLED, serde_json::to_string(killed)?);
    }
    command.spawn().wrap_err("cannot start the worker's process")
}

/// This program's file. Where a newer release has taken its place since, its name leads nowhere, and the system has the file still: otherwise
/// a worker that is killed after the upgrade would not come back to say over what.
fn still_there(named: PathBuf) -> PathBuf {
    let own = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if named.exists() || !own.exists() { named } else { own }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_after_another_release_took_its_place() {
        let own = env::current_exe().unwrap();
        assert_eq!(still_there(own.clone()), own);
        let gone = own.with_file_name("a release that is gone (deleted)");
        assert_eq!(fs::canonicalize(still_there(gone)).unwrap(), fs::canonicalize(own).unwrap());
    }
}
