//! Range proofs of a rollup's blocks, joined to the epoch proof of one checkpoint that is proposed with it
//! (`proofmill submit --propose`).

use super::{by_one_prover, bytes_of, save};
use crate::{cli, commands, local::Site, progress::Progress, wiring};
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_backends::Registry;
use proofmill_chain::{L1, Rollup, VerifierKind};
use proofmill_client::{CheckpointProof, Made};
use proofmill_primitives::ProofMode;
use proofmill_program::Aggregation;
use proofmill_wire::operator::ProofProgress;
use std::path::Path;
use tokio_util::sync::CancellationToken;

pub(super) async fn run(
    global: &cli::Global,
    args: &cli::Aggregate,
    registry: &Registry,
    stop: &CancellationToken,
) -> Result<()> {
    let ranges = args.proofs.iter().map(|path| read(path)).collect::<Result<Vec<_>>>()?;
    let prover = by_one_prover(&args.proofs, &ranges)?;
    let backend = registry.get(prover)?;
    commands::note_unproven(prover);
    let said = &ranges.first().ok_or_else(|| eyre!("name range proofs"))?.statement;
    let l1 = L1::connect(wiring::endpoints(&args.l1_rpc)?, None).await?;
    let rollup = Rollup::connect(l1, said.rollup).await.wrap_err(
        "the rollup that the proofs name (`prove --rollup`; of an OP Stack chain prove with --l1-rpc)",
    )?;
    let (tip, time) = (rollup.proven_tip().await?, rollup.l1().head().await?.timestamp);
    let next = tip.last_block.saturating_add(1);
    if said.firstBlock != next {
        bail!(
            "the first proof begins with block {}, and what is proven on L1 ends with block {}: join proofs from block {next} on",
            said.firstBlock,
            tip.last_block
        );
    }
    let rules = rollup.rules_of_next(&tip, time).await?;
    let of =
        rules.proof_type(prover).ok_or_else(|| eyre!("the rollup asks for no proofs of type {prover}"))?;
    if let Some(other) = ranges.iter().position(|range| range.proof.program != of.range_key) {
        bail!(
            "{} is of the program {}, and the rollup asks for the range program {}: prove it with the release that has that program",
            args.proofs[other].display(),
            ranges[other].proof.program,
            of.range_key
        );
    }
    let by = Aggregation {
        range_key: of.range_key.0,
        from_commitment: tip.commitment,
        checkpoints: vec![ranges.len() as u32],
    };
    let wants_snark = VerifierKind::find(rollup.l1(), of.verifier).await?.wants_snark();
    let site = Site::open(global, &args.site, registry, vec![prover]).await?;
    let mut cluster = site.prover(backend, None);
    if wants_snark {
        cluster.joined = ProofMode::Plonk;
    }
    let default = global.data_dir.join(said.chainId.to_string()).join("proofs");
    site.run(stop, async |stop| {
        let mut progress = Progress::new();
        let show = |now: &ProofProgress| progress.show(now);
        let made = cluster.prove_epoch(&by, &ranges, stop, show).await;
        progress.finish();
        let Made { proof, .. } = made?;
        let said = &proof.statement;
        let file = format!("joined-{}-{}.bin", said.firstBlock, said.lastBlock);
        let output = args.output.clone().unwrap_or_else(|| default.join(file));
        save(&output, &proof)?;
        println!(
            "blocks         {} to {}, as checkpoint {}",
            said.firstBlock,
            said.lastBlock,
            tip.number.next()
        );
        println!("prover         {}", said.prover);
        println!("saved {}", output.display());
        Ok(())
    })
    .await
}

fn read(path: &Path) -> Result<CheckpointProof> {
    CheckpointProof::decode(&bytes_of(path)?).wrap_err_with(|| path.display().to_string())
}
