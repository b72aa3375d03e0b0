//! `proofmill failures rerun`: what could not be proven, proven again from its record.

use crate::{cli, local::Site, place, progress::Progress, stop, wiring};
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_backends::Registry;
use proofmill_client::{CheckpointProof, ClusterProver, StatedProof, Statement, files, programs};
use proofmill_primitives::{CheckpointNumber, ProofMode, ProverType};
use proofmill_program::{RangePublicValues, range};
use proofmill_prover_node::{
    parts::{FailureId, FailureRecord, FailureStore},
    rerun::{self, Plan, PlannedEpoch, PlannedRange, Scope, Source},
};
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// A record and where it is.
pub(super) struct Kept {
    pub(super) store: FailureStore,
    pub(super) id: FailureId,
    pub(super) record: FailureRecord,
}

pub(super) async fn run(
    global: &cli::Global,
    args: cli::Rerun,
    kept: Kept,
    registry: Registry,
) -> Result<()> {
    let scope = match (args.checkpoint, args.epoch) {
        (Some(number), _) => Scope::Checkpoint(CheckpointNumber(number)),
        (None, true) => Scope::Epoch,
        (None, false) => Scope::Failed,
    };
    let provers = match args.prover {
        Some(prover) => vec![prover],
        None => rerun::provers(&kept.record, scope)?,
    };
    let plans: Vec<_> =
        provers.iter().map(|prover| rerun::plan(&kept.record, scope, *prover)).collect::<Result<_, _>>()?;
    if args.mode.is_some() && plans.iter().all(|plan| plan.epoch.is_none()) {
        bail!(
            "only an epoch's proof is carried to a --mode, and none is made here: ask for it with --epoch, or leave --mode out"
        );
    }
    for plan in &plans {
        execute(&kept, plan).await?;
    }
    if args.execute_only {
        return Ok(());
    }
    for plan in &plans {
        check_programs(&kept.record, &registry, plan)?;
        if let Some(epoch) = &plan.epoch {
            println!("{}", said_of_mode(plan.prover, args.mode, epoch, &kept.record.release));
            check_mode(global, &args.site, &registry, plan.prover, carried(args.mode, epoch)).await?;
        }
    }
    args.site.check_room(&registry, &provers)?;
    let stop = stop::on_signal()?;
    let site = Site::open(global, &args.site, &registry, provers).await?;
    let mut making = Vec::new();
    for plan in &plans {
        let joined = plan.epoch.as_ref().map_or(ProofMode::Compressed, |epoch| carried(args.mode, epoch));
        let prover = site.prover(registry.get(plan.prover)?, None);
        making.push((plan, ClusterProver { joined, ..prover }));
    }
    let folder = args.output.unwrap_or_else(|| global.data_dir.join("reruns")).join(kept.id.as_str());
    site.run(&stop, async |stop| {
        place::check(&folder.join("proof"), "--output")?;
        for (plan, prover) in &making {
            prove(&kept, plan, prover, &folder, stop).await?;
        }
        Ok(())
    })
    .await
}

/// How far an epoch's proof is carried: as it is asked for, or else as L1 wanted it.
fn carried(asked: Option<ProofMode>, epoch: &PlannedEpoch) -> ProofMode {
    asked.or(epoch.mode).unwrap_or(ProofMode::Compressed)
}

fn said_of_mode(prover: ProverType, asked: Option<ProofMode>, epoch: &PlannedEpoch, release: &str) -> String {
    let mode = carried(asked, epoch);
    let why = match (asked, epoch.mode) {
        (Some(asked), Some(wanted)) if asked != wanted => format!("as asked for; L1 wanted {wanted}"),
        (_, Some(ProofMode::Plonk)) => {
            "as L1 wanted it; --mode compressed makes the proof without the SNARK".to_owned()
        }
        (_, Some(_)) => "as L1 wanted it".to_owned(),
        (Some(_), None) => "as asked for".to_owned(),
        (None, None) => {
            format!(
                "the record, of release {release}, does not tell what L1 wanted; --mode plonk makes a SNARK"
            )
        }
    };
    format!("the epoch's {prover} proof is carried to {mode} ({why})")
}

/// Looks now for what making the proof needs, not when hours of proving are done.
async fn check_mode(
    global: &cli::Global,
    site: &cli::Site,
    registry: &Registry,
    prover: ProverType,
    mode: ProofMode,
) -> Result<()> {
    if mode == ProofMode::Compressed || site.cluster.is_some() {
        return Ok(());
    }
    registry.get(prover)?.check_mode(mode).wrap_err(
        "the epoch's SNARK is to be made by this process: name it (--snark), have workers of a cluster make it (--cluster), or ask for the \
         proof without it (--mode compressed)",
    )?;
    wiring::check_memory(global, proofmill_worker::memory::max_weight(site.max_weight)?)?;
    wiring::check_maker(global, registry, &[prover], site.max_weight).await
}

/// The programs of another release prove something else.
fn check_programs(record: &FailureRecord, registry: &Registry, plan: &Plan) -> Result<()> {
    let prover = plan.prover;
    let backend = registry.get(prover)?;
    let Some(recorded) = record.programs.get(&prover) else { return Ok(()) };
    let mut needed = vec![("range", recorded.range, programs::range(prover))];
    needed.extend(
        plan.epoch.is_some().then(|| ("aggregation", recorded.aggregation, programs::aggregation(prover))),
    );
    for (what, recorded, program) in needed {
        let ours = programs::version(&*backend, program)?;
        if ours != recorded {
            bail!(
                "the record is of the {prover} {what} program {recorded}, this release has {ours}: run the release {} that made it",
                record.release
            );
        }
    }
    Ok(())
}

/// Runs the blocks natively: what cannot be proven because of the blocks is seen at once.
async fn execute(kept: &Kept, plan: &Plan) -> Result<()> {
    for planned in &plan.ranges {
        let blocks = planned.request.range.blocks;
        match &planned.source {
            Source::Proof(file) => println!("blocks {blocks}: {} is their {} proof", file.name, plan.prover),
            Source::Input(_) => {
                statement(kept, planned).await?;
                println!("blocks {blocks}: executed, and they give what the checkpoint says");
            }
            Source::Missing(cause) => {
                bail!("the record has neither a proof nor the input of blocks {blocks}: {cause}")
            }
        }
    }
    Ok(())
}

/// The input of a range, and what its native execution says.
async fn statement(kept: &Kept, planned: &PlannedRange) -> Result<(Vec<u8>, RangePublicValues)> {
    let Source::Input(file) = &planned.source else { bail!("the range has a proof") };
    let blocks = planned.request.range.blocks;
    let input = kept.store.file(&kept.id, file).await?.to_vec();
    let (input, values) = tokio::task::spawn_blocking(move || {
        let values = range::run(&input);
        (input, values)
    })
    .await?;
    let values = values.map_err(|error| eyre!("blocks {blocks} cannot be executed: {error}"))?;
    planned.request.check(&values)?;
    Ok((input, values))
}

async fn prove(
    kept: &Kept,
    plan: &Plan,
    prover: &ClusterProver,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<()> {
    let mut proofs = Vec::new();
    for planned in &plan.ranges {
        proofs.push(range_proof(kept, planned, prover, folder, stop).await?);
    }
    let Some(epoch) = &plan.epoch else { return Ok(()) };
    let values: Vec<_> = proofs.iter().map(|proof| proof.statement.clone()).collect();
    let expected = epoch.expected(&values)?;
    println!("aggregating {} range proofs by {}", proofs.len(), plan.prover);
    let mut progress = Progress::new();
    let made = prover.prove_epoch(&epoch.by, &proofs, stop, |now| progress.show(now)).await;
    progress.finish();
    let made = made?;
    if made.proof.statement != expected {
        bail!("the epoch proof says something else than L1 would take: please report it");
    }
    let snark = if made.proof.proof.mode == ProofMode::Compressed { "" } else { "-snark" };
    let name = format!("epoch-{}-{}{snark}.bin", epoch.span.range.blocks, plan.prover);
    save(&folder.join(name), &made.proof)
}

/// The proof of a range: the recorded one if it holds, or a new one.
async fn range_proof(
    kept: &Kept,
    planned: &PlannedRange,
    prover: &ClusterProver,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<CheckpointProof> {
    let (blocks, kind) = (planned.request.range.blocks, prover.prover_type());
    if let Source::Proof(file) = &planned.source {
        let name = &file.name;
        let bytes = kept.store.file(&kept.id, file).await?;
        let proof = CheckpointProof::decode(&bytes).wrap_err_with(|| format!("{name} cannot be read"))?;
        planned.request.check(&proof.statement)?;
        prover.verify_stated(&proof).await.wrap_err_with(|| format!("{name} does not hold"))?;
        println!("blocks {blocks}: the recorded {kind} proof holds");
        return Ok(proof);
    }
    let (input, statement) = statement(kept, planned).await?;
    println!("proving blocks {blocks} by {kind}");
    let mut progress = Progress::new();
    let made = prover.prove_range(&input, statement, stop, |now| progress.show(now)).await;
    progress.finish();
    let proof = made?.proof;
    save(&folder.join(format!("{blocks}-{kind}.bin")), &proof)?;
    Ok(proof)
}

fn save<S: Statement>(path: &Path, proof: &StatedProof<S>) -> Result<()> {
    files::save(path, &proof.encode()).wrap_err_with(|| format!("cannot write {}", path.display()))?;
    println!("saved {}", path.display());
    Ok(())
}
