//! `proofmill localnet`.

use crate::{
    cli,
    observe::{self, Observed},
    stop, wiring,
};
use eyre::{Result, WrapErr, bail};
use proofmill_backends::Registry;
use proofmill_devnet::{Description, Devnet, DevnetOptions};
use proofmill_ledger::{DataDir, LockError, ProcessLock};
use std::{
    fs,
    num::NonZeroU16,
    path::Path,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Where a localnet says where it is, in the data folder.
pub(crate) const FILE: &str = "localnet.json";
/// L2's genesis file, in the data folder: for other nodes of the same chain, and for `--genesis`.
const GENESIS: &str = "l2-genesis.json";
/// Locked by the process of a localnet from before its start until its end, and names it.
const LOCK: &str = "localnet.lock";
/// Longer than a look at the lock takes.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) async fn run(global: &cli::Global, args: cli::LocalnetAlone, registry: Registry) -> Result<()> {
    let (stack, none) = match args.stack {
        cli::Stack::Ethereum => ("ethereum", "of the OP Stack"),
        cli::Stack::Op => ("op", "by Ethereum's rules"),
    };
    let other = args.of_the_other_stack();
    if !other.is_empty() {
        bail!("{}: of use for chains {none} alone, and these are to be of --stack {stack}", other.join(", "));
    }
    let stop = stop::on_signal()?;
    let folder = &global.data_dir;
    DataDir::mark(folder)?;
    take(folder)?;
    let file = folder.join(FILE);
    // What a killed localnet wrote is not true any more.
    drop(fs::remove_file(&file));
    if args.stack == cli::Stack::Op {
        let ran = super::localnet_op::run(&args, &registry, folder, &file, stop).await;
        drop(fs::remove_file(&file));
        return ran;
    }
    let cli::LocalnetAlone { chains: args, observing, .. } = args;
    let observed = Observed::new("localnet");
    observe::serve(&observing, observed.clone(), stop.clone()).await?;
    let devnet = tokio::select! {
        devnet = start(&args, &registry) => devnet?,
        () = stop.cancelled() => bail!("stopped"),
    };
    let settings = args.flags().into_iter().map(|(flag, value)| (flag.to_owned(), value)).collect();
    let description = &Description { settings, ..devnet.description().clone() };
    if observing.metrics_listen.is_some() {
        observe_chains(description, &observed, &stop).await?;
    }
    observed.started(Vec::new);
    let genesis = folder.join(GENESIS);
    fs::write(&genesis, serde_json::to_vec_pretty(&devnet.l2_genesis())?)
        .wrap_err_with(|| format!("cannot write {}", genesis.display()))?;
    description.write(&file)?;
    println!("L1      {} (chain {})", description.l1_rpc, description.l1_chain_id);
    println!("L2      {} (chain {})", description.l2_rpc, description.l2_chain_id);
    println!("rollup  {}", description.rollup);
    println!("all of this stands in {}, L2's genesis file is {}", file.display(), genesis.display());
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

/// Shows the nodes and how full the batches are.
async fn observe_chains(there: &Description, observed: &Observed, stop: &CancellationToken) -> Result<()> {
    let chains = cli::Chains {
        l1: cli::L1 { l1_rpc: vec![there.l1_rpc.clone()], l1_chain_id: Some(there.l1_chain_id) },
        rollup: there.rollup,
    };
    let rollup = wiring::rollup_of_role(&chains, observed).await?;
    let l2 = cli::L2 { l2_rpc: vec![there.l2_rpc.clone()] };
    let l2 = wiring::l2_of_role(&l2, Some(there.l2_chain_id), observed).await?;
    observed.batches(observe::watch_batches(rollup, l2, stop.clone()));
    Ok(())
}

async fn start(args: &cli::Localnet, registry: &Registry) -> Result<Devnet> {
    let proof_types = wiring::proof_types(registry, &args.prover).await?;
    let mut options = DevnetOptions::new(proof_types)
        .slot(Duration::from_secs(args.rules.slot_seconds))
        .epoch_slots(args.rules.epoch_slots)
        .window_epochs(args.rules.window_epochs)
        .l2_block_time(Duration::from_secs(args.l2_block_time))
        .verifier(args.l1_verifier)
        .attestors(args.attestors, args.threshold())
        .l2_port(args.l2_port.map_or(0, NonZeroU16::get))
        .mempool_limit(args.l2_mempool_limit.get());
    if let Some(l1) = &args.on_l1 {
        options = options.on_l1(l1.clone());
    }
    Ok(options.start().await?)
}

/// The process whose localnet runs, starts or ends in this data folder. In the moment in which it begins, it is still
/// called as the one before it, or 0.
pub(crate) fn keeper(folder: &Path) -> Result<Option<u32>> {
    let path = folder.join(LOCK);
    let holder = ProcessLock::holder(&path).wrap_err_with(|| format!("cannot look at {}", path.display()))?;
    Ok(holder.map(Option::unwrap_or_default))
}

/// Takes the data folder for the localnet of this process.
fn take(folder: &Path) -> Result<()> {
    let path = folder.join(LOCK);
    let failed = || format!("cannot lock {}", path.display());
    let start = Instant::now();
    let mut lock = loop {
        match ProcessLock::take(&path) {
            Ok(lock) => break lock,
            // Whoever looks for a keeper holds the lock for a moment.
            Err(LockError::Held(_)) if start.elapsed() < LOOK => std::thread::sleep(LOOK / 10),
            Err(LockError::Held(by)) => bail!(
                "a localnet runs already on {} (process {}): stop it first, or choose another --data-dir",
                folder.display(),
                by.unwrap_or_default()
            ),
            Err(LockError::Io(error)) => return Err(error).wrap_err_with(failed),
        }
    };
    lock.sign().wrap_err_with(failed)?;
    // The lock goes when the process has ended, and not before: who finds it free finds nothing that still ends.
    std::mem::forget(lock);
    Ok(())
}

fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file) {
        tracing::warn!(file = %file.display(), %error, "the description of the localnet that ended stays");
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(keeper(folder.path()).unwrap(), None);
        take(folder.path()).unwrap();
        assert_eq!(keeper(folder.path()).unwrap(), Some(std::process::id()));
        let refused = take(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    }

    #[test]
    fn what_an_ended_one_left_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK), "1234567\n").unwrap();
        assert_eq!(keeper(folder.path()).unwrap(), None);
        take(folder.path()).unwrap();
        assert_eq!(keeper(folder.path()).unwrap(), Some(std::process::id()));
    }
}
