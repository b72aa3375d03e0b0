//! L1 and L2: found from an earlier run, or started.

use super::child::{Child, Orphan, terminate};
use crate::{
    cli,
    commands::localnet::{self, FILE},
};
use eyre::{Result, bail};
use proofmill_chain::RollupConfig;
use proofmill_devnet::Description;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long the chains may take until they are there.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long chains that were found may take to end.
const GOODBYE: Duration = Duration::from_secs(10);

/// The chains of a devnet, kept by a process of their own. They go on when this process is killed, and end with it when
/// it ends by itself.
#[derive(Debug)]
pub(crate) struct Chains {
    pub(crate) description: Description,
    process: Process,
}

/// The process that keeps the chains, if it was started by this one. It is told to end when this is dropped.
#[derive(Debug)]
struct Process(Option<Child>);

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &self.0 {
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
    pub(crate) async fn start(folder: &Path, logs: &Path, args: &cli::Localnet) -> Result<(Self, Found)> {
        let file = folder.join(FILE);
        if let Some(description) = Description::read(&file)?
            && localnet::is_alive(description.pid)
        {
            return Ok((Self { description, process: Process(None) }, Found::There));
        }
        // What a killed localnet wrote is not true any more.
        drop(std::fs::remove_file(&file));
        let child = Child::start("localnet", logs, Orphan::GoesOn, &arguments(folder, args), &[])?;
        let mut process = Process(Some(child));
        let start = Instant::now();
        loop {
            if let Some(description) = Description::read(&file)? {
                return Ok((Self { description, process }, Found::Started));
            }
            if let Process(Some(child)) = &mut process {
                if child.ended().is_some() {
                    bail!("the chains do not start: {}", child.last_words());
                }
                if start.elapsed() > PATIENCE {
                    bail!("the chains are not there after {} s: {}", PATIENCE.as_secs(), child.last_words());
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether the process is still there.
    pub(crate) fn are_alive(&self) -> bool {
        localnet::is_alive(self.description.pid)
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
                terminate(self.description.pid);
                let start = Instant::now();
                while self.are_alive() && start.elapsed() < GOODBYE {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
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
        ("--attestors", args.attestors.to_string()),
        ("--threshold", args.threshold.to_string()),
    ];
    let mut words = vec!["localnet".to_owned()];
    words.extend(settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    words
}
