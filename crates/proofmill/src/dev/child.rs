//! The other processes of the tree.

use crate::{
    cli::{Cli, Global},
    keys, ledger,
};
use clap::{CommandFactory, ValueEnum};
use eyre::{Result, WrapErr};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

/// How long a process may take to end by itself.
const GOODBYE: Duration = Duration::from_secs(5);

/// Names a settings file that sets nothing.
const NO_SETTINGS: &str = "--settings=/dev/null";

/// Starts this binary, or one that has another prover type, in other roles. What those do depends on what they are told here: the settings file and the
/// environment of this process are not theirs.
#[derive(Debug)]
pub(crate) struct Launcher {
    logs: PathBuf,
    /// Said to all of them.
    words: Vec<String>,
    /// Kept from all of them.
    variables: Vec<OsString>,
}

/// What a process is started as.
pub(crate) struct Role {
    pub(crate) name: String,
    /// Another binary than this one.
    pub(crate) binary: Option<PathBuf>,
    pub(crate) words: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
}

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

impl Launcher {
    /// They log as this process does, each to a file of its own.
    pub(crate) fn new(global: &Global) -> Self {
        let format = global.log_format.to_possible_value();
        let mut words = vec![NO_SETTINGS.to_owned(), format!("--log-filter={}", global.log_filter)];
        words.extend(format.map(|format| format!("--log-format={}", format.get_name())));
        let binaries = global.binary.iter();
        words.extend(binaries.map(|(prover, file)| format!("--binary={prover}={}", file.display())));
        words.extend(global.snark.map(|snark| format!("--snark={snark}")));
        words.extend(global.snark.map(|_| format!("--snark-dir={}", global.snark_folder().display())));
        Self { logs: global.data_dir.join("logs"), words, variables: variables() }
    }

    /// The same for programs that are not Proofmill's: they get no words of ours.
    pub(crate) fn of_others(&self) -> Self {
        Self { logs: self.logs.clone(), words: Vec::new(), variables: self.variables.clone() }
    }

    /// The file with what a process of this name says.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// Starts a process.
    pub(crate) fn start(&self, role: &Role, orphan: Orphan) -> Result<Child> {
        self.start_with(role, orphan, &[])
    }

    /// Starts a process with more in its environment than its role wants.
    pub(crate) fn start_with(&self, role: &Role, orphan: Orphan, more: &[(&str, &OsStr)]) -> Result<Child> {
        let (name, logs) = (role.name.clone(), &self.logs);
        let log = self.log(&name);
        let program = match &role.binary {
            Some(binary) => binary.clone(),
            None => std::env::current_exe().wrap_err("cannot find this program's own file")?,
        };
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
        for variable in &self.variables {
            command.env_remove(variable);
        }
        let process = command
            .args(&role.words)
            .args(&self.words)
            .envs(role.environment.iter().map(|(key, value)| (key, value)))
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .wrap_err_with(|| format!("cannot start {name}"))?;
        Ok(Child { name, log, process })
    }
}

impl Child {
    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// The file with what it says.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines that it said.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Asks it and the processes that it has started in its group to end, and ends them if it does not.
    pub(crate) async fn stop_group(mut self) {
        self.signal_group(Signal::TERM);
        if tokio::time::timeout(GOODBYE, self.has_ended()).await.is_err() {
            tracing::warn!(process = self.name, "does not end by itself: killing it");
            self.signal_group(Signal::KILL);
            drop(self.process.wait());
        }
    }

    /// Nothing where it has ended: its number may be another's.
    fn signal_group(&mut self, signal: Signal) {
        if self.ended().is_none() {
            // An error means that it is ending by itself.
            let _ = kill_process_group(Pid::from_child(&self.process), signal);
        }
    }

    async fn has_ended(&mut self) {
        while self.ended().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks it to end, and ends it if it does not.
    pub(crate) async fn stop(mut self) {
        terminate(self.pid());
        if tokio::time::timeout(GOODBYE, self.has_ended()).await.is_err() {
            tracing::warn!(process = self.name, "does not end by itself: killing it");
            drop(self.process.kill());
            drop(self.process.wait());
        }
    }
}

/// The environment variables that are settings of any command, or hold keys.
fn variables() -> Vec<OsString> {
    fn collect(command: &clap::Command, names: &mut Vec<OsString>) {
        names.extend(command.get_arguments().filter_map(|arg| arg.get_env()).map(OsStr::to_owned));
        for subcommand in command.get_subcommands() {
            collect(subcommand, names);
        }
    }
    let mut names = vec![
        keys::L1_KEY.into(),
        keys::ATTESTOR_KEY.into(),
        keys::LOAD_KEY.into(),
        keys::KEYSTORE_PASSWORD.into(),
        ledger::DATABASE.into(),
    ];
    collect(&Cli::command(), &mut names);
    names
}

/// Asks a process to end.
pub(crate) fn terminate(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, Signal::TERM);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_keys_of_every_command_are_kept_from_the_others() {
        let names = variables();
        for name in [
            "PROOFMILL_SETTINGS",
            "PROOFMILL_ARTIFACTS",
            "WORKER_TYPE",
            "PROOFMILL_ATTESTOR_KEY_FILE",
            "PROOFMILL_VERIFIER",
            "PROOFMILL_ATTESTOR_KEY",
            "PRIVATE_KEY",
            "PROOFMILL_KEYSTORE_PASSWORD",
            // A measuring session must not come into the database of the rollups that are proven here.
            "PROOFMILL_DATABASE",
            "PROOFMILL_DATABASE_FILE",
        ] {
            assert!(names.iter().any(|there| there == name), "{name}");
        }
    }
}
