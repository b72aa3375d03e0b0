//! Before a session: what earlier ones left is ended and removed, and what it needs is looked for.

use super::{
    fetch, ports,
    processes::{self, records},
    session::{Place, Session},
};
use eyre::{Result, WrapErr, bail};
use proofmill_bench::{
    Server,
    leftover::{Fate, ProcessId},
    steps::{self, Need},
};
use proofmill_chain::{L1, PoolOptions, Rollup};
use serde::{Deserialize, Serialize};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// L1 that a session kept for the next one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptL1 {
    pub(super) id: ProcessId,
    pub(super) port: u16,
}

/// Where it is written down.
pub(super) fn kept_l1_file(root: &Path) -> PathBuf {
    root.join("l1.json")
}

/// L1 that an earlier session kept, if it still runs.
pub(super) fn kept_l1(root: &Path) -> Result<Option<KeptL1>> {
    let path = kept_l1_file(root);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).wrap_err_with(|| format!("cannot read {}", path.display())),
    };
    // What cannot be read tells of nothing that could be found.
    let kept: Option<KeptL1> = serde_json::from_slice(&text).ok();
    let runs = match &kept {
        Some(kept) => kept.id.fate(processes::look(kept.id.pid)?.as_ref()) == Fate::Runs,
        None => false,
    };
    if !runs {
        remove(&path)?;
    }
    Ok(kept.filter(|_| runs))
}

impl Session<'_> {
    pub(super) async fn prepare(&mut self) -> Result<()> {
        self.clean_up().await?;
        let (l2, metrics) = (self.run.l2_port.get(), self.run.metrics_port.get());
        for need in steps::needs(self.shape, l2, metrics, self.run.gpu()) {
            check(&need)?;
        }
        // What is too little for a proof is said now, and not by each prover when the chains are there.
        self.share()?;
        // What is no page of metrics is so now, and not after an hour.
        if let Some(url) = &self.metrics {
            self.batches = fetch(url).await?;
        }
        self.registry.checker(self.prover)?;
        match self.place.clone() {
            Some(there) => self.check_rollup(there).await,
            None => Ok(()),
        }
    }

    /// Chains that run already must ask for such proofs.
    async fn check_rollup(&self, there: Place) -> Result<()> {
        let l1 = L1::connect(PoolOptions::new(there.l1_rpc), None).await?;
        let rollup = Rollup::connect(l1, there.rollup).await?;
        let types: Vec<&str> = rollup.config().proof_types.iter().map(|of| of.prover.name()).collect();
        if !types.contains(&self.prover.name()) {
            bail!(
                "the rollup asks for proofs of {}, not of {}: name one of those with --prover",
                types.join(", "),
                self.prover
            );
        }
        Ok(())
    }

    /// Ends and removes what earlier sessions left. Their logs and reports stay.
    async fn clean_up(&self) -> Result<()> {
        let kept = kept_l1(&self.root)?.map(|kept| kept.id);
        let entries =
            fs::read_dir(&self.root).wrap_err_with(|| format!("cannot read {}", self.root.display()))?;
        for session in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
            let name = session.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for record in records(&session.join("processes")) {
                // It is written down twice until its session has let it go.
                if Some(&record.id) == kept.as_ref() {
                    continue;
                }
                if processes::end(&record.id).await? == Fate::Runs {
                    let (what, pid) = (&record.name, record.id.pid);
                    self.live.line(&format!("ended {what} (process {pid}), which the session {name} left"));
                }
            }
            for rest in ["processes", "work"] {
                let path = session.join(rest);
                let is_ours = session == self.folder;
                if path.exists() && !(is_ours && rest == "processes") {
                    remove(&path)?;
                    if !is_ours {
                        self.live.line(&format!("removed {}, which the session {name} left", path.display()));
                    }
                }
            }
        }
        Ok(())
    }
}

fn check(need: &Need) -> Result<()> {
    match need {
        Need::Port(port, flag) if !ports::is_free(*port) => {
            let by = ports::listener(*port).unwrap_or_else(|| "another user's process".to_owned());
            bail!("port {port} is in use by {by}: end it, or choose another port with {flag}")
        }
        Need::Program(name) if !is_in_path(name) => {
            bail!(
                "{name} is not in PATH, and a revision is built with it: install it, or leave --git-ref out"
            )
        }
        Need::Anvil => {
            proofmill_localnet::locate_anvil()?;
            Ok(())
        }
        Need::Gpu if Server::this().gpus.is_empty() => bail!(
            "nvidia-smi finds no GPU here: install the driver, or prove without one (--gpu auto or --gpu no)"
        ),
        _ => Ok(()),
    }
}

fn is_in_path(name: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// A file, or a folder and all in it; one that is not there is removed already.
pub(super) fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).wrap_err_with(|| format!("cannot remove {}: remove it by hand", path.display()))
        }
        _ => Ok(()),
    }
}
