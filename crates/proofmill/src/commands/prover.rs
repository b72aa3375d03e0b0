//! `proofmill prover`.

use crate::{
    cli, commands,
    local::Site,
    observe::{self, Observed},
    stop,
};
use eyre::{Result, WrapErr, bail};
use proofmill_backends::Registry;
use proofmill_client::programs;
use proofmill_ledger::{DataDir, LockError, ProcessLock};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use proofmill_proof_coordinator::{
    Puller, Turn,
    rules::{Programs, ProverName},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The most provers that share a data folder.
const PLACES: usize = 64;

pub(crate) async fn run(global: &cli::Global, args: cli::Prover, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    let backend = registry.get(args.prover_type)?;
    let observed = Observed::new("prover");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    backend.check_mode(ProofMode::Compressed)?;
    commands::note_unproven(args.prover_type);
    DataDir::mark(&global.data_dir)?;
    let (folder, _place) = place(&global.data_dir, args.prover_type)?;
    let own = cli::Global { data_dir: folder, ..global.clone() };
    let asked = backend.clone();
    let programs = tokio::task::spawn_blocking(move || {
        Ok::<_, proofmill_backends::BackendError>(Programs {
            range: programs::range_version(&*asked)?,
            aggregation: programs::aggregation_version(&*asked)?,
        })
    });
    let programs = match args.program_version.map(ProgramVersion) {
        Some(other) => Programs { range: other, aggregation: other },
        None => programs.await??,
    };
    args.site.check_room(&registry, &[args.prover_type])?;
    let has_its_share = args.site.max_weight.is_some() || args.site.cluster.is_some();
    let turns = (!has_its_share).then(|| args.turns.clone().unwrap_or_else(Turn::default_file));
    let site = Site::of_role(&own, &args.site, &registry, vec![args.prover_type]).await?;
    let puller = Puller {
        coordinators: args.coordinator,
        name: name()?,
        programs,
        prover: site.prover(backend, None),
        timed: args.timed,
        turns,
        unsent: Some(own.data_dir.join("unsent")),
        delay: Duration::from_millis(args.delay),
    };
    observed.started(Vec::new);
    tracing::info!(
        name = %puller.name,
        prover = %args.prover_type,
        coordinators = puller.coordinators.len(),
        "the prover is ready"
    );
    site.serve(async { Ok(puller.run(&stop).await?) }).await?;
    tracing::info!("the prover stopped");
    Ok(())
}

/// A folder of this process alone, in the data folder that it may share with other provers: the first that nobody has, and that was none of
/// another type's. What one leaves there, proofs that are not handed in and tasks that are not done, is of use to its type alone.
fn place(data_dir: &Path, prover: ProverType) -> Result<(PathBuf, ProcessLock)> {
    let provers = data_dir.join("provers");
    fs::create_dir_all(&provers).wrap_err_with(|| format!("cannot create {}", provers.display()))?;
    for number in 1..=PLACES {
        let folder = provers.join(number.to_string());
        let of_type = folder.join("prover-type");
        if fs::read_to_string(&of_type).is_ok_and(|of| of.trim() != prover.name()) {
            continue;
        }
        match ProcessLock::take(&provers.join(format!("{number}.lock"))) {
            Ok(mut lock) => {
                let cannot_write = || format!("cannot write to {}", provers.display());
                lock.sign().wrap_err_with(cannot_write)?;
                DataDir::mark(&folder)?;
                fs::write(&of_type, format!("{prover}\n")).wrap_err_with(cannot_write)?;
                return Ok((folder, lock));
            }
            Err(LockError::Held(_)) => {}
            Err(LockError::Io(error)) => {
                return Err(error).wrap_err_with(|| format!("cannot lock a folder in {}", provers.display()));
            }
        }
    }
    bail!("{PLACES} provers share {} already: choose another --data-dir", data_dir.display())
}

/// A name that no other process has: whoever comes after this one holds nothing of its batches.
fn name() -> Result<ProverName> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(char::is_ascii_graphic).take(64).collect();
    let host = if host.is_empty() { "prover".to_owned() } else { host };
    Ok(ProverName::new(format!("{host}-{}-{:08x}", std::process::id(), rand::random::<u32>()))?)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_a_name_and_a_folder_of_its_own() {
        assert_ne!(name().unwrap(), name().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let place = |prover| place(folder.path(), prover).unwrap();
        let (first, held) = place(ProverType::Exec);
        let (second, _also_held) = place(ProverType::Exec);
        assert_ne!(first, second);
        drop(held);
        assert_eq!(place(ProverType::Exec).0, first, "a folder is used again");
    }

    #[test]
    fn what_a_prover_leaves_in_its_folder_is_found_by_one_of_its_type() {
        let folder = tempfile::tempdir().unwrap();
        let place = |prover| place(folder.path(), prover).unwrap();
        let ((exec, one), (openvm, two)) = (place(ProverType::Exec), place(ProverType::OpenVm));
        drop((one, two));
        // In the other order, and with nobody beside it.
        for _ in 0..2 {
            assert_eq!(place(ProverType::OpenVm).0, openvm);
            assert_eq!(place(ProverType::Exec).0, exec);
        }
        // Of an earlier release: it did not say whose it is.
        fs::remove_file(exec.join("prover-type")).unwrap();
        assert_eq!(place(ProverType::Exec).0, exec);
    }
}
