//! What can go wrong with a local node.

use std::{fmt, io, path::PathBuf, process::ExitStatus, time::Duration};

/// Why a local node could not be started or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalnetError {
    /// No anvil was found.
    #[error(
        "anvil was not found (looked at {}, in node_modules of the current folder and its parents, and in PATH): \
         run `make setup`, or set {} to the program",
        crate::ANVIL_ENV,
        crate::ANVIL_ENV
    )]
    NotInstalled,
    /// The program that the environment names is not there.
    #[error("{} names {}, which is not a file: correct it or unset it", crate::ANVIL_ENV, .path.display())]
    NotAFile {
        /// What the environment names.
        path: PathBuf,
    },
    /// The program could not be started.
    #[error("{} could not be started: {source}", .program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The node ended before it listened.
    #[error("anvil ended with {status} before it listened; its last lines:\n{tail}")]
    Exited {
        /// How it ended.
        status: ExitStatus,
        /// What it said last.
        tail: OutputTail,
    },
    /// The node did not listen in time.
    #[error(
        "anvil did not listen within {} s (a busy machine needs a longer `ready_timeout`); its last lines:\n{tail}",
        .after.as_secs_f32()
    )]
    NotReady {
        /// How long was waited.
        after: Duration,
        /// What it said last.
        tail: OutputTail,
    },
    /// The node listens, but does not do what it is asked.
    #[error("anvil refused to be set up: {reason}; is it version 1.0 or later?")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// The node did not end when asked to.
    #[error("anvil did not end within {} s of being asked to, and was killed: its state may not be saved", .after.as_secs_f32())]
    NotStopped {
        /// How long was waited.
        after: Duration,
    },
}

/// The last lines that a node printed, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputTail(pub Vec<String>);

impl fmt::Display for OutputTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("  (it printed nothing)");
        }
        for (n, line) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "  {line}")?;
        }
        Ok(())
    }
}
