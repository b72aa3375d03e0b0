//! L1 and L2: found from an earlier run, or started.

use super::child::{Child, Orphan, terminate};
use crate::{
    cli,
    commands::localnet::{self, FILE},
};
use eyre::{Result, bail};
use proofmill_devnet::Description;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long the chains may take until they are there.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long chains that were found may take to end.
const GOODBYE: Duration = Duration::from_secs(10);

/// The chains of a devnet, kept by a process of their own.
#[derive(Debug)]
pub(crate) struct Chains {
    pub(crate) description: Description,
    /// The process, if it was started by this one.
    child: Option<Child>,
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
            return Ok((Self { description, child: None }, Found::There));
        }
        // What a killed localnet wrote is not true any more.
        drop(std::fs::remove_file(&file));
        let mut child = Child::start("localnet", logs, Orphan::GoesOn, &arguments(folder, args), &[])?;
        let start = Instant::now();
        loop {
            if let Some(description) = Description::read(&file)? {
                return Ok((Self { description, child: Some(child) }, Found::Started));
            }
            if child.ended().is_some() {
                bail!("the chains do not start: {}", child.last_words());
            }
            if start.elapsed() > PATIENCE {
                let said = child.last_words();
                child.stop().await;
                bail!("the chains are not there after {} s: {said}", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether the process is still there.
    pub(crate) fn are_alive(&self) -> bool {
        localnet::is_alive(self.description.pid)
    }

    /// Ends the chains.
    pub(crate) async fn stop(self) {
        match self.child {
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
