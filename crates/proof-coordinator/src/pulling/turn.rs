//! Several provers on one machine take turns.
//!
//! A prover uses all of a machine's memory, unless it is told its share. Those that were not told take turns, by a lock on a file
//! that all of them name: whoever has it asks for a batch and proves it. Nobody holds a batch while it waits for its turn. Whoever
//! had it leaves it to the others for longer than they take to look: so none that always has work keeps it.

use proofmill_ledger::{LockError, ProcessLock};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// How often it is looked whether the other one is done.
const LOOK: Duration = Duration::from_millis(200);
/// The pause after the file could not be locked that could be before.
const AGAIN: Duration = Duration::from_secs(5);
/// For how long whoever had the turn leaves it to others: all that wait have looked by then.
const LEFT: Duration = Duration::from_millis(400);

/// The turns of one prover.
#[derive(Debug)]
pub(super) struct Turns {
    /// Nothing where the prover has its own share of the machine.
    file: Option<PathBuf>,
    /// When its last one ended.
    ended: Option<Instant>,
    /// It has had one.
    had: bool,
}

/// A machine's turn, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Turn {
    /// Nothing where the prover has its own share of the machine.
    _lock: Option<ProcessLock>,
}

impl Turns {
    pub(super) const fn new(file: Option<PathBuf>) -> Self {
        Self { file, ended: None, had: false }
    }

    /// Waits for the turn. Who had it before lets others go first.
    ///
    /// # Errors
    /// The file cannot be opened or locked, and never could: else that is waited for.
    pub(super) async fn take(&mut self) -> io::Result<Turn> {
        let Some(file) = &self.file else { return Ok(Turn { _lock: None }) };
        if let Some(ended) = self.ended {
            tokio::time::sleep_until(ended + LEFT).await;
        }
        loop {
            match Turn::wait(file).await {
                Err(error) if self.had => {
                    tracing::error!(%error, file = %file.display(), "no turn can be taken now, as if its disk were full");
                    tokio::time::sleep(AGAIN).await;
                }
                turn => {
                    self.had |= turn.is_ok();
                    return turn;
                }
            }
        }
    }

    /// The prover has done something with its turn, and is done.
    pub(super) fn end(&mut self, turn: Turn) {
        drop(turn);
        self.ended = Some(Instant::now());
    }
}

impl Turn {
    /// Where provers of this user take turns on this machine, unless they name another file.
    pub fn default_file() -> PathBuf {
        let user = rustix::process::getuid().as_raw();
        std::env::temp_dir().join(format!("proofmill-prover-{user}.lock"))
    }

    async fn wait(file: &Path) -> io::Result<Self> {
        let mut said = false;
        loop {
            match ProcessLock::take(file) {
                Ok(mut lock) => {
                    // For people alone: a full disk ends no prover.
                    if let Err(error) = lock.sign() {
                        tracing::debug!(file = %file.display(), %error, "a turn is taken without a name");
                    }
                    return Ok(Self { _lock: Some(lock) });
                }
                Err(LockError::Held(by)) => {
                    if !said {
                        let by = by.unwrap_or_default();
                        tracing::info!(
                            pid = by,
                            file = %file.display(),
                            "another prover of this machine has the turn: to prove beside it, give both their share (--max-weight)"
                        );
                    }
                    said = true;
                    tokio::time::sleep(LOOK).await;
                }
                Err(LockError::Io(error)) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_has_the_turn_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("turn");
        let turns = || Turns::new(Some(file.clone()));
        let first = turns().take().await.unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(500), async { turns().take().await }).await;
        assert!(waits.is_err(), "two have it");
        // Who has a share of its own waits for nobody.
        Turns::new(None).take().await.unwrap();
        drop(first);
        turns().take().await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_takes_nobody_the_turn() {
        Turns::new(Some("/dev/full".into())).take().await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_locked_ends_nobody_who_could_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("turn");
        let mut turns = Turns::new(Some(file.clone()));
        drop(turns.take().await.unwrap());
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        Turns::new(Some(file.clone())).take().await.unwrap_err();
        let waits = tokio::time::timeout(Duration::from_millis(500), turns.take()).await;
        assert!(waits.is_err(), "{waits:?}");
        std::fs::remove_dir(&file).unwrap();
        turns.take().await.unwrap();
    }

    /// By a clock that goes on where nobody has anything to do: a machine that does much else changes nothing.
    #[tokio::test(start_paused = true)]
    async fn two_that_always_have_work_have_the_turn_in_turn() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("turn");
        let had = std::sync::Mutex::new(Vec::new());
        let busy = async |name: char| {
            let mut turns = Turns::new(Some(file.clone()));
            for _ in 0..1_000 {
                let turn = turns.take().await.unwrap();
                had.lock().unwrap().push(name);
                tokio::time::sleep(Duration::from_millis(20)).await;
                turns.end(turn);
            }
        };
        let both = async { tokio::join!(busy('a'), busy('b')) };
        assert!(tokio::time::timeout(Duration::from_secs(5), both).await.is_err());
        let had = had.into_inner().unwrap();
        let of = |name: char| had.iter().filter(|of| **of == name).count();
        assert!(of('a') >= 5 && of('b') >= 5, "{had:?}");
        let longest = had.chunk_by(|before, after| before == after).map(<[char]>::len).max();
        assert!(longest <= Some(2), "{had:?}");
    }
}
