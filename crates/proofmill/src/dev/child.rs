//! The other processes of the tree.

use eyre::{Result, WrapErr};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

/// How long a process may take to end by itself.
const GOODBYE: Duration = Duration::from_secs(5);

/// A Proofmill process with another role.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    log: PathBuf,
    process: std::process::Child,
}

/// What becomes of a process when this one is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orphan {
    /// It ends too.
    Ends,
    /// It goes on.
    GoesOn,
}

impl Child {
    /// Starts this binary with other arguments; what it says goes to `NAME.log` in the folder.
    pub(crate) fn start(
        name: impl Into<String>,
        logs: &Path,
        orphan: Orphan,
        args: &[String],
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let name = name.into();
        let log = logs.join(format!("{name}.log"));
        let program = std::env::current_exe().wrap_err("cannot find this program's own file")?;
        fs::create_dir_all(logs).wrap_err_with(|| format!("cannot make the folder {}", logs.display()))?;
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .wrap_err_with(|| format!("cannot write {}", log.display()))?;
        let mut command = match orphan {
            Orphan::Ends => proofmill_localnet::ends_with_parent(&program),
            Orphan::GoesOn => Command::new(&program),
        };
        // A group of its own: Ctrl-C reaches this process alone, which ends the others in order.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let process = command
            .args(args)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .wrap_err_with(|| format!("cannot start {name}"))?;
        Ok(Self { name, log, process })
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// The last lines that it said.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Asks it to end, and ends it if it does not.
    pub(crate) async fn stop(mut self) {
        terminate(self.pid());
        let ends = async {
            while self.ended().is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(GOODBYE, ends).await.is_err() {
            tracing::warn!(process = self.name, "does not end by itself: killing it");
            drop(self.process.kill());
            drop(self.process.wait());
        }
    }
}

/// Asks a process to end.
pub(crate) fn terminate(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}
