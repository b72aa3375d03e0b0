//! The thread that owns a child process.
//!
//! One dedicated thread starts the child, waits for it and signals it. It has to be one thread, for two reasons: the
//! kernel sends the parent-death signal when the *thread* that started the child ends, and a pid may be signalled
//! only by who knows that it has not been reaped.

use crate::{LocalnetError, OutputTail, locate::in_path};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::{mpsc as async_mpsc, watch};

/// How many lines are kept for an error message.
const TAIL_LINES: usize = 20;
/// How often the thread looks whether the child has ended.
const POLL: Duration = Duration::from_millis(20);

/// The state of the child.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Life {
    Running,
    Ended(ExitStatus),
}

/// A child process; killed with its process group when this is dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    pid: u32,
    signals: Option<mpsc::Sender<Signal>>,
    thread: Option<JoinHandle<()>>,
    life: watch::Receiver<Life>,
    /// Closed when all that the child said was read.
    reading: watch::Receiver<()>,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl Keeper {
    /// Starts the program; the receiver gets every line that it prints on its standard output.
    pub(crate) fn start(
        program: &Path,
        args: Vec<String>,
    ) -> Result<(Self, async_mpsc::UnboundedReceiver<String>), LocalnetError> {
        let (signals, orders) = mpsc::channel();
        let (life_tx, life) = watch::channel(Life::Running);
        let (lines_tx, lines) = async_mpsc::unbounded_channel();
        let (reading_tx, reading) = watch::channel(());
        let (started_tx, started) = mpsc::sync_channel(1);
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let spawn_error = |source| LocalnetError::Spawn { program: program.to_owned(), source };

        let mut command = command(program, args);
        let (thread_tail, reads) = (Arc::clone(&tail), Arc::new(reading_tx));
        let thread = thread::Builder::new()
            .name("localnet-keeper".into())
            .spawn(move || match command.spawn() {
                Err(error) => drop(started_tx.send(Err(error))),
                Ok(mut child) => {
                    if let Some(stdout) = child.stdout.take() {
                        read_lines(stdout, Arc::clone(&thread_tail), Some(lines_tx), Arc::clone(&reads));
                    }
                    if let Some(stderr) = child.stderr.take() {
                        read_lines(stderr, thread_tail, None, reads);
                    }
                    drop(started_tx.send(Ok(child.id())));
                    keep(child, &orders, &life_tx);
                }
            })
            .map_err(spawn_error)?;
        match started.recv() {
            Ok(Ok(pid)) => {
                Ok((Self { pid, signals: Some(signals), thread: Some(thread), life, reading, tail }, lines))
            }
            Ok(Err(error)) => Err(spawn_error(error)),
            Err(_) => Err(spawn_error(std::io::Error::other("its thread ended"))),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal to the child's process group, if it still runs.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(signals) = &self.signals {
            // A closed channel means that the child has ended, which is what a signal is for.
            let _ = signals.send(signal);
        }
    }

    /// Waits until the child has ended.
    pub(crate) async fn ended(&self) -> Option<ExitStatus> {
        let mut life = self.life.clone();
        match *life.wait_for(|life| matches!(life, Life::Ended(_))).await.ok()? {
            Life::Ended(status) => Some(status),
            Life::Running => None,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(*self.life.borrow(), Life::Running)
    }

    /// Waits until all that the child said was read: when it has ended, its last words may still be on their way.
    pub(crate) async fn was_heard(&self) {
        // Nothing comes but the end.
        let _ = self.reading.clone().changed().await;
    }

    /// What the child said last, on either stream.
    pub(crate) fn tail(&self) -> OutputTail {
        OutputTail(self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.signals = None;
        if let Some(thread) = self.thread.take() {
            // The thread kills the child as soon as the channel is closed: this waits some milliseconds.
            let _ = thread.join();
        }
    }
}

/// Becomes the program that it is given, where the process that it is given first is its parent.
const WITH_PARENT: &str = r#"parent=$1; shift; [ "$PPID" = "$parent" ] && exec "$@""#;

/// A command that runs the program in a process that ends when the *thread* that starts it ends, also by `SIGKILL`; where
/// the system has no `setpriv` (util-linux), in one that goes on.
///
/// `setpriv` replaces itself after it has asked the kernel to kill it with its parent; asking from here would need `unsafe`. The
/// kernel tells nothing of a parent that was killed before it was asked: such an orphan does not become the program.
pub fn ends_with_parent(program: &Path) -> Command {
    match in_path("setpriv") {
        Some(setpriv) if cfg!(target_os = "linux") => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--", "/bin/sh", "-c", WITH_PARENT, "sh"]);
            command.arg(std::process::id().to_string()).arg(program);
            command
        }
        _ => Command::new(program),
    }
}

fn command(program: &Path, args: Vec<String>) -> Command {
    let mut command = ends_with_parent(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command
}

fn keep(mut child: Child, orders: &mpsc::Receiver<Signal>, life: &watch::Sender<Life>) {
    let group = Pid::from_child(&child);
    loop {
        let signal = match orders.recv_timeout(POLL) {
            Ok(signal) => Some(signal),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Signal::KILL),
        };
        if let Some(signal) = signal {
            // Not reaped yet: only this thread waits for the child. An error means that it is ending by itself.
            let _ = kill_process_group(group, signal);
        }
        let ended = if signal == Some(Signal::KILL) { child.wait().map(Some) } else { child.try_wait() };
        match ended {
            Ok(None) => {}
            Ok(Some(status)) => {
                let _ = life.send(Life::Ended(status));
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "a local node can no longer be waited for");
                return;
            }
        }
    }
}

/// Reads a stream to its end on a thread of its own: a full pipe would stop the child. `reads` is let go at the end.
fn read_lines(
    stream: impl Read + Send + 'static,
    tail: Arc<Mutex<VecDeque<String>>>,
    lines: Option<async_mpsc::UnboundedSender<String>>,
    reads: Arc<watch::Sender<()>>,
) {
    let reader = move || {
        let _reads = reads;
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line.clone());
            drop(tail);
            if let Some(lines) = &lines {
                // The receiver listens until the node is ready.
                let _ = lines.send(line);
            }
        }
    };
    if let Err(error) = thread::Builder::new().name("localnet-output".into()).spawn(reader) {
        tracing::warn!(%error, "the output of a local node cannot be read");
    }
}
