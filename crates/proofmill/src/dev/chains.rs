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
use proofmill_chain::RollupConfig;
use proofmill_devnet::Description;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long the chains may take until they are there.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked whether they are.
const EVERY: Duration = Duration::from_millis(100);
/// How long chains that were found may take to end.
const GOODBYE: Duration = Duration::from_secs(10);
/// The name of their process.
const NAME: &str = "localnet";

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

    /// Whether chains that were found are what is asked for. Theirs are the rules of the rollup, whatever is asked for.
    pub(crate) fn check(&self, found: &RollupConfig, args: &cli::Localnet) -> Result<()> {
        let settings = |slot: u64, slots: u64, window: u64, mut provers: Vec<&str>| {
            provers.sort_unstable();
            format!(
                "--slot-seconds {slot} --epoch-slots {slots} --window-epochs {window} --prover {}",
                provers.join(",")
            )
        };
        let clock = &found.clock;
        let there = settings(
            clock.slot_seconds.get(),
            clock.epoch_slots.get(),
            clock.window_epochs.get(),
            found.proof_types.iter().map(|of| of.prover.name()).collect(),
        );
        let asked = settings(
            args.rules.slot_seconds,
            args.rules.epoch_slots,
            args.rules.window_epochs,
            args.prover.iter().map(|prover| prover.name()).collect(),
        );
        if there != asked {
            bail!(
                "the chains of an earlier run are still there, started with `{there}`, and not with `{asked}`: use the \
                 same settings, or end process {} first",
                self.description.pid
            );
        }
        Ok(())
    }

    /// Ends the chains.
    pub(crate) async fn stop(mut self) {
        match self.process.0.take() {
            Some(child) => child.stop().await,
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
    let provers: Vec<&str> = args.prover.iter().map(|prover| prover.name()).collect();
    let settings = [
        ("--data-dir", folder.display().to_string()),
        ("--prover", provers.join(",")),
        ("--slot-seconds", args.rules.slot_seconds.to_string()),
        ("--epoch-slots", args.rules.epoch_slots.to_string()),
        ("--window-epochs", args.rules.window_epochs.to_string()),
        ("--l2-block-time", args.l2_block_time.to_string()),
        ("--l1-verifier", args.l1_verifier.to_string()),
        ("--attestors", args.attestors.to_string()),
        ("--threshold", args.threshold.to_string()),
    ];
    let more = [
        ("--on-l1", args.on_l1.as_ref().map(ToString::to_string)),
        ("--l2-port", args.l2_port.map(|port| port.to_string())),
        ("--l2-mempool-limit", Some(args.l2_mempool_limit.to_string())),
    ];
    let more = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let mut words = vec![NAME.to_owned()];
    words.extend(settings.into_iter().chain(more).flat_map(|(name, value)| [name.to_owned(), value]));
    words
}
