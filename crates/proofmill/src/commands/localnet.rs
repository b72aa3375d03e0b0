//! `proofmill localnet`.

use crate::{cli, stop, wiring};
use eyre::{Result, bail};
use proofmill_backends::Registry;
use proofmill_devnet::{Description, DevnetOptions};
use proofmill_ledger::DataDir;
use std::{fs, path::Path, time::Duration};

/// Where a localnet says where it is, in the data folder.
pub(crate) const FILE: &str = "localnet.json";

pub(crate) async fn run(global: &cli::Global, args: cli::Localnet, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    let folder = &global.data_dir;
    DataDir::mark(folder)?;
    let file = folder.join(FILE);
    if let Some(there) = Description::read(&file)?
        && is_alive(there.pid)
    {
        bail!(
            "a localnet runs already on {} (process {}): stop it first, or choose another --data-dir",
            folder.display(),
            there.pid
        );
    }
    let proof_types = wiring::proof_types(&registry, &args.prover).await?;
    let devnet = DevnetOptions::new(proof_types)
        .slot(Duration::from_secs(args.rules.slot_seconds))
        .epoch_slots(args.rules.epoch_slots)
        .window_epochs(args.rules.window_epochs)
        .l2_block_time(Duration::from_secs(args.l2_block_time.max(1)))
        .attestors(args.attestors, args.threshold)
        .start()
        .await?;
    let description = devnet.description();
    description.write(&file)?;
    println!("L1      {} (chain {})", description.l1_rpc, description.l1_chain_id);
    println!("L2      {} (chain {})", description.l2_rpc, description.l2_chain_id);
    println!("rollup  {}", description.rollup);
    println!("all of this stands in {}", file.display());
    while devnet.is_running() {
        tokio::select! {
            () = stop.cancelled() => {
                devnet.stop().await;
                remove(&file);
                return Ok(());
            }
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
    }
    remove(&file);
    bail!("a node of the localnet ended by itself")
}

/// Whether a process with this id is a Proofmill.
pub(crate) fn is_alive(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|words| words.windows(9).any(|window| window == b"proofmill"))
}

fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file) {
        tracing::warn!(file = %file.display(), %error, "the description of the localnet that ended stays");
    }
}
