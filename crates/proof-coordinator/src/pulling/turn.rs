//! Several provers on one machine take turns.
//!
//! A prover uses all of a machine's memory, unless it is told its share. Those that were not told take turns, by a lock on a file
//! that all of them name: whoever has it asks for a batch, proves it and hands it in. Nobody holds a batch while it waits for its
//! turn.

use proofmill_ledger::{LockError, ProcessLock};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// How often it is looked whether the other one is done.
const LOOK: Duration = Duration::from_millis(200);

/// A machine's turn, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Turn {
    /// Nothing where the prover has its own share of the machine.
    _lock: Option<ProcessLock>,
}

impl Turn {
    /// Where provers of this user take turns on this machine, unless they name another file.
    pub fn default_file() -> PathBuf {
        let user = rustix::process::getuid().as_raw();
        std::env::temp_dir().join(format!("proofmill-prover-{user}.lock"))
    }

    /// Waits for the turn.
    ///
    /// # Errors
    /// The file cannot be opened or locked.
    pub(super) async fn take(file: Option<&Path>) -> io::Result<Self> {
        let Some(file) = file else { return Ok(Self { _lock: None }) };
        let mut said = false;
        loop {
            match ProcessLock::take(file) {
                Ok(mut lock) => {
                    lock.sign()?;
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
        let first = Turn::take(Some(&file)).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(500), Turn::take(Some(&file))).await;
        assert!(waits.is_err(), "two have it");
        // Who has a share of its own waits for nobody.
        Turn::take(None).await.unwrap();
        drop(first);
        Turn::take(Some(&file)).await.unwrap();
    }
}
