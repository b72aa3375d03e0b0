//! `proofmill aggregate`: range proofs that follow on each other, joined: of an OP Stack chain for OP Succinct's contracts, of another
//! rollup to one checkpoint of its own contract.

mod checkpoint;

use crate::{cli, commands, local::Site, place::ProofPlace, progress::Progress, stop, wiring};
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_backends::{Backend, Registry};
use proofmill_client::{
    CheckpointProof, Made, OpRangeProof, StatedProof, Statement, files, programs, verify_stated,
};
use proofmill_ledger::DataDir;
use proofmill_primitives::ProverType;
use proofmill_program::op::OpAggregation;
use proofmill_stateless::Fork;
use proofmill_wire::operator::ProofProgress;
use proofmill_witness::{ChainSource, L1Source, NodeOptions};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) async fn run(global: &cli::Global, args: cli::Aggregate, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    DataDir::mark(&global.data_dir)?;
    if let Some(first) = args.proofs.first()
        && CheckpointProof::is(&bytes_of(first)?)
    {
        return checkpoint::run(global, &args, &registry, &stop).await;
    }
    let ranges = args.proofs.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let prover = by_one_prover(&args.proofs, &ranges)?;
    let shown_by = args.prover_id.ok_or_else(|| {
        eyre!("name who shows the proof to the contract: --prover-id (PROOFMILL_PROVER_ID)")
    })?;
    let backend = registry.get(prover)?;
    commands::note_unproven(prover);
    let last = ranges.last().ok_or_else(|| eyre!("name range proofs"))?.statement.l2BlockNumber;
    let default = global.data_dir.join("op-proofs").join(format!("{last}.bin"));
    let output = ProofPlace::new(args.output.as_deref(), default);
    output.check(prover)?;
    check_all(&backend, &args.proofs, &ranges).await?;
    // Its headers are read, and none of its rules matters for that.
    let node = NodeOptions::at(wiring::endpoints(&args.l1_rpc)?).chain(ChainSource::Fork(Fork::Prague));
    let node = node.connect().await.wrap_err("L1")?;
    let mut heads = Vec::new();
    for range in &ranges {
        heads.push(node.number_of(range.statement.l1Head).await?);
    }
    let (oldest, newest) = match (heads.iter().min(), heads.iter().max()) {
        (Some(oldest), Some(newest)) => (*oldest, *newest),
        _ => bail!("name range proofs"),
    };
    let l1_head = args.l1_head.unwrap_or(newest);
    if l1_head < newest {
        bail!(
            "a range was derived up to L1 block {newest}, after --l1-head {l1_head}: name that block, or a later one"
        );
    }
    let l1_headers = L1Source { node, beacon: None }.headers(oldest, l1_head).await?;
    let last = l1_headers.last().ok_or_else(|| eyre!("L1 has no block {l1_head}"))?;
    let by = OpAggregation {
        range_key: programs::op_range_version(&*backend)?.0,
        prover: shown_by,
        l1_head: alloy_primitives::keccak256(last),
        l1_headers,
    };
    args.site.check_room(&registry, &[prover])?;
    let site = Site::open(global, &args.site, &registry, vec![prover]).await?;
    let cluster = site.prover(backend, None);
    site.run(&stop, async |stop| {
        let mut progress = Progress::new();
        let show = |now: &ProofProgress| progress.show(now);
        let made = cluster.prove_op_aggregation(&by, &ranges, stop, show).await;
        progress.finish();
        let Made { proof, .. } = made?;
        let saved = output.save(prover, &proof.encode())?;
        println!("output root    {} of block {}", proof.statement.claimRoot, proof.statement.claimBlockNum);
        println!("L1 head        {}", proof.statement.l1Head);
        println!("saved {}", saved.display());
        Ok(())
    })
    .await
}

/// The type of the prover that made all of these.
fn by_one_prover<S: Statement>(files: &[PathBuf], ranges: &[StatedProof<S>]) -> Result<ProverType> {
    let prover = ranges.first().map(|range| range.proof.prover).ok_or_else(|| eyre!("name range proofs"))?;
    if let Some(other) = ranges.iter().position(|range| range.proof.prover != prover) {
        bail!(
            "{} is by {}, the first by {prover}: one program cannot join both",
            files[other].display(),
            ranges[other].proof.prover
        );
    }
    Ok(prover)
}

/// Errors with the file of a proof that does not hold: where all are joined, nobody would say which it was.
async fn check_all<S: Statement>(
    backend: &Arc<dyn Backend>,
    files: &[PathBuf],
    ranges: &[StatedProof<S>],
) -> Result<()> {
    for (file, range) in files.iter().zip(ranges) {
        verify_stated(backend, range).await.wrap_err_with(|| file.display().to_string())?;
    }
    Ok(())
}

fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    files::read_proof(path).wrap_err_with(|| format!("cannot read {}", path.display()))
}

fn read(path: &Path) -> Result<OpRangeProof> {
    let bytes = bytes_of(path)?;
    if !OpRangeProof::is(&bytes) {
        bail!(
            "{} is not the proof of a range that was derived from L1: make one with `proofmill prove --l1-rpc`",
            path.display()
        );
    }
    OpRangeProof::decode(&bytes).wrap_err_with(|| path.display().to_string())
}
