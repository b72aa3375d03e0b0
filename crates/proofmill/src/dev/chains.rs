//! L1 and L2: found from an earlier run, or started.

use super::{
    Show,
    child::{Child, Launcher, Orphan, Role, terminate},
};
use crate::{
    cli,
    commands::localnet::{self, FILE},
};
use eyre::{Result, bail};
use proofmill_devnet::Description;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long the chains may take until they are there.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked whether they are.
const EVERY: Duration = Duration::from_millis(100);
/// How long chains that were found may take to end.
const GOODBYE: Duration = Duration::from_secs(10);
/// The name of their process.
const NAME: &str = "localnet";
/// The flag of L2's port.
const PORT: &str = "l2-port";

/// The chains of a devnet, kept by a process of their own. They go on when this process is killed, and end with it when
/// it ends by itself.
#[derive(Debug)]
pub(crate) struct Chains {
    pub(crate) description: Description,
    folder: PathBuf,
    process: Process,
}

/// The process that keeps the chains, if it was started by this one. It is told to end when this is dropped.
#[derive(Debug)]
struct Process(Option<Child>);

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0
            && child.ended().is_none()
        {
            terminate(child.pid());
        }
    }
}

/// Whether the chains were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// From an earlier run that was killed.
    There,
    /// Started now.
    Started,
}

impl Chains {
    /// Finds the chains that an earlier run left in the folder, or starts new ones.
    pub(crate) async fn start(
        folder: &Path,
        launcher: &Launcher,
        args: &cli::Localnet,
        show: &Show,
    ) -> Result<(Self, Found)> {
        loop {
            if let Some(description) = find(folder, launcher, show).await? {
                let process = Process(None);
                return Ok((Self { description, folder: folder.to_owned(), process }, Found::There));
            }
            if let Some(started) = Self::start_new(folder, launcher, args).await? {
                return Ok((started, Found::Started));
            }
        }
    }

    /// None where another process was faster.
    async fn start_new(folder: &Path, launcher: &Launcher, args: &cli::Localnet) -> Result<Option<Self>> {
        let file = folder.join(FILE);
        // What a killed localnet wrote is not true any more.
        drop(std::fs::remove_file(&file));
        let role = Role {
            name: NAME.to_owned(),
            binary: None,
            words: arguments(folder, args),
            environment: Vec::new(),
        };
        let child = launcher.start(&role, Orphan::GoesOn)?;
        let (pid, mut process) = (child.pid(), Process(Some(child)));
        let start = Instant::now();
        loop {
            if let Some(description) = Description::read(&file)?
                && description.pid == pid
            {
                return Ok(Some(Self { description, folder: folder.to_owned(), process }));
            }
            if let Process(Some(child)) = &mut process {
                if child.ended().is_some() {
                    if localnet::keeper(folder)?.is_some() {
                        return Ok(None);
                    }
                    bail!("the chains do not start: {}", child.last_words());
                }
                if start.elapsed() > PATIENCE {
                    bail!("the chains are not there after {} s: {}", PATIENCE.as_secs(), child.last_words());
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Whether their process is still there.
    pub(crate) fn are_alive(&self) -> Result<bool> {
        Ok(localnet::keeper(&self.folder)? == Some(self.description.pid))
    }

    /// Whether chains that were found are what is asked for.
    pub(crate) fn check(&self, args: &cli::Localnet) -> Result<()> {
        let (there, asked) = (&self.description.settings, args.flags());
        let mut different = Vec::new();
        for flag in there.keys().map(String::as_str).chain(asked.keys().copied()).collect::<BTreeSet<_>>() {
            let (there, asked) = (there.get(flag), asked.get(flag));
            // Any port is good enough where none is named.
            if there != asked && !(flag == PORT && asked.is_none()) {
                let said = |value: Option<&String>| match value {
                    None => "left out".to_owned(),
                    // It may hold an access key.
                    Some(value) if value.contains("://") => "another address".to_owned(),
                    Some(value) => value.clone(),
                };
                different.push(format!("--{flag} (there: {}, asked for: {})", said(there), said(asked)));
            }
        }
        if !different.is_empty() {
            bail!(
                "the chains of an earlier run are still there, started with other settings: {}. Use the same, or end process {} \
                 first",
                different.join(", "),
                self.description.pid
            );
        }
        Ok(())
    }

    /// Has the chains that process `pid` keeps end, without waiting for it.
    pub(crate) fn end_at_once(folder: &Path, pid: u32) {
        // Whose number it is where it is not their keeper any more, nobody knows.
        if localnet::keeper(folder).is_ok_and(|keeper| keeper == Some(pid)) {
            terminate(pid);
        }
    }

    /// Ends the chains.
    pub(crate) async fn stop(mut self) {
        match self.process.0.take() {
            Some(child) => {
                child.stop().await;
                // One that had to be killed has left what is not true any more.
                drop(std::fs::remove_file(self.folder.join(FILE)));
            }
            // Not this process's child: it cannot be waited for, only looked at.
            None => {
                let alive = || self.are_alive().unwrap_or(false);
                if alive() {
                    terminate(self.description.pid);
                }
                let start = Instant::now();
                while alive() && start.elapsed() < GOODBYE {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// The chains of a localnet that runs. One that starts is waited for, and so is one that ends.
async fn find(folder: &Path, launcher: &Launcher, show: &Show) -> Result<Option<Description>> {
    let (file, start) = (folder.join(FILE), Instant::now());
    let mut said = false;
    while let Some(pid) = localnet::keeper(folder)? {
        if let Some(description) = Description::read(&file)?
            && description.pid == pid
        {
            return Ok(Some(description));
        }
        if start.elapsed() > PATIENCE {
            bail!(
                "a localnet was left here (process {pid}) that neither ends nor says where its chains are, after {} s: \
                 see {}, or end it",
                PATIENCE.as_secs(),
                launcher.log(NAME).display()
            );
        }
        if !said {
            show.line(&format!("a localnet starts or ends here already (process {pid}): waiting for it"));
            said = true;
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(None)
}

fn arguments(folder: &Path, args: &cli::Localnet) -> Vec<String> {
    let mut words = vec![NAME.to_owned(), format!("--data-dir={}", folder.display())];
    words.extend(args.flags().into_iter().map(|(flag, value)| format!("--{flag}={value}")));
    words
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        cli::{Cli, Command, Dev},
        settings::takes,
    };
    use clap::Parser;

    fn dev(words: &[&str]) -> Dev {
        match Cli::try_parse_from(["proofmill", "dev"].iter().chain(words)).unwrap().command {
            Command::Dev(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    fn chains(words: &[&str]) -> Chains {
        let nobody: url::Url = "http://127.0.0.1:1".parse().unwrap();
        let settings = dev(words).localnet.flags();
        let description = Description {
            pid: 7,
            l1_rpc: nobody.clone(),
            l2_rpc: nobody,
            l1_chain_id: 31337,
            l2_chain_id: 900_901,
            rollup: alloy_primitives::Address::ZERO,
            deployed_at: 0,
            attestors: Vec::new(),
            settings: settings.into_iter().map(|(flag, value)| (flag.to_owned(), value)).collect(),
        };
        Chains { description, folder: PathBuf::new(), process: Process(None) }
    }

    #[test]
    fn chains_are_started_with_what_they_take_whatever_l1_verifies() {
        for verifier in ["attestors", "snark", "both"] {
            let verifier = format!("--l1-verifier={verifier}");
            let mut asked =
                vec![verifier.as_str(), "--on-l1=http://127.0.0.1:1/", "--l2-port=7", "--prover=exec,sp1"];
            if verifier != "--l1-verifier=snark" {
                asked.extend(["--attestors=5", "--threshold=4"]);
            }
            let words = arguments(Path::new("data"), &dev(&asked).localnet);
            assert_eq!(takes(&words), Ok(()), "{words:?}");
            let mut given = asked.iter().filter(|word| !word.starts_with("--prover"));
            assert!(given.all(|word| words.iter().any(|there| there == word)), "{words:?}");
        }
    }

    #[test]
    fn chains_that_are_found_must_be_what_is_asked_for() {
        let check = |there: &[&str], asked: &[&str]| chains(there).check(&dev(asked).localnet);
        check(&[], &[]).unwrap();
        check(&["--prover=exec,sp1"], &["--prover=sp1,exec"]).unwrap();
        check(&["--l2-port=7"], &[]).unwrap();
        // Not fewer than half of them by accident.
        check(&["--attestors=5"], &["--attestors=5", "--threshold=3"]).unwrap();
        let refused = |there: &[&str], asked: &[&str]| check(there, asked).unwrap_err().to_string();
        let snark = refused(&["--l1-verifier=snark"], &[]);
        assert!(snark.contains("--threshold (there: left out, asked for: 2)"), "{snark}");
        let text = refused(&["--l1-verifier=both", "--threshold=1"], &["--l2-port=8"]);
        for part in [
            "--l1-verifier (there: both, asked for: attestors)",
            "--threshold (there: 1, asked for: 2)",
            "--l2-port (there: left out, asked for: 8)",
            "end process 7",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let secret = refused(&["--on-l1=http://127.0.0.1:1/key"], &[]);
        assert!(secret.contains("--on-l1 (there: another address, asked for: left out)"), "{secret}");
    }
}
