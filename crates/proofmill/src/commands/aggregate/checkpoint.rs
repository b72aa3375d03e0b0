//! Range proofs of a rollup's blocks, joined to the epoch proof of one checkpoint that is proposed with it
//! (`proofmill submit --propose`).

use super::{by_one_prover, bytes_of, check_all};
use crate::{cli, commands, local::Site, place::ProofPlace, progress::Progress, wiring};
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_backends::Registry;
use proofmill_chain::{DEVELOPMENT_CHAIN, L1, Rollup, VerifierKind};
use proofmill_client::{CheckpointProof, ClusterProver, Made};
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
    let none = || eyre!("name range proofs");
    let said = &ranges.first().ok_or_else(none)?.statement;
    let last = ranges.last().ok_or_else(none)?.statement.lastBlock;
    let default = global.data_dir.join(said.chainId.to_string()).join("proofs");
    let default = default.join(format!("joined-{}-{last}.bin", said.firstBlock));
    let output = ProofPlace::new(args.output.as_deref(), default);
    output.check(prover)?;
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
    if said.configHash != rules.config_hash {
        bail!(
            "the first proof is by the chain rules with hash {}, and the rollup's next checkpoint is under {}: prove with the genesis \
             file that those are of",
            said.configHash,
            rules.config_hash
        );
    }
    if (said.parentHash, said.preStateRoot) != (tip.last_hash, tip.state_root) {
        bail!(
            "the first proof follows on {} with state {}, and what is proven on L1 ends with {} with state {}: another branch of L2",
            said.parentHash,
            said.preStateRoot,
            tip.last_hash,
            tip.state_root
        );
    }
    check_all(&backend, &args.proofs, &ranges).await?;
    let by = Aggregation {
        range_key: of.range_key.0,
        from_commitment: tip.commitment,
        checkpoints: vec![ranges.len() as u32],
    };
    let (kind, chain_id) = (VerifierKind::find(rollup.l1(), of.verifier).await?, rollup.l1().chain_id());
    let joined = carried(global, registry, chain_id, &kind).await?;
    if args.site.cluster.is_none() {
        backend.check_mode(joined).wrap_err("L1 verifies a SNARK, and this process is to make it")?;
        if joined == ProofMode::Plonk {
            wiring::check_memory(global, proofmill_worker::memory::max_weight(args.site.max_weight)?)?;
            wiring::check_maker(global, registry, &[prover], args.site.max_weight).await?;
        }
    }
    args.site.check_room(registry, &[prover])?;
    let site = Site::open(global, &args.site, registry, vec![prover]).await?;
    let development = chain_id == DEVELOPMENT_CHAIN;
    let cluster = ClusterProver { joined, development, ..site.prover(backend, None) };
    site.run(stop, async |stop| {
        let mut progress = Progress::new();
        let show = |now: &ProofProgress| progress.show(now);
        let made = cluster.prove_epoch(&by, &ranges, stop, show).await;
        progress.finish();
        let Made { proof, .. } = made?;
        let said = &proof.statement;
        let saved = output.save(prover, &proof.encode())?;
        println!(
            "blocks         {} to {}, as checkpoint {}",
            said.firstBlock,
            said.lastBlock,
            tip.number.next()
        );
        println!("prover         {}", said.prover);
        println!("saved {}", saved.display());
        Ok(())
    })
    .await
}

/// How far the proof is carried for this verifier.
///
/// # Errors
/// It would be a SNARK that L1's contract must not take.
async fn carried(
    global: &cli::Global,
    registry: &Registry,
    l1_chain_id: u64,
    verifier: &VerifierKind,
) -> Result<ProofMode> {
    if !verifier.wants_snark() {
        return Ok(ProofMode::Compressed);
    }
    wiring::check_snark(global, l1_chain_id)?;
    wiring::check_taken(global, registry, verifier).await?;
    Ok(ProofMode::Plonk)
}

fn read(path: &Path) -> Result<CheckpointProof> {
    CheckpointProof::decode(&bytes_of(path)?).wrap_err_with(|| path.display().to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::{Address, Bytes};
    use clap::Parser;

    #[tokio::test]
    async fn a_snark_that_l1_must_not_take_is_not_begun() {
        let global = |snark: &str| {
            let words = ["proofmill", "status", "--snark", snark];
            cli::Cli::try_parse_from(words).unwrap().global
        };
        let registry = Registry::compiled_in();
        let other = VerifierKind::Other { verifier: Address::ZERO };
        let (small, insecure) = (global("small"), global("insecure-development-small"));
        let snark = |insecure| {
            let snark = VerifierKind::Snark { verifier: Address::ZERO, insecure, halo2: Bytes::new() };
            [snark.clone(), VerifierKind::AllOf(vec![other.clone(), snark])]
        };
        for several in snark(false) {
            let refused = carried(&insecure, &registry, 1, &several).await.unwrap_err().to_string();
            assert!(refused.contains("insecure-development-small"), "{refused}");
            let refused =
                carried(&insecure, &registry, DEVELOPMENT_CHAIN, &several).await.unwrap_err().to_string();
            assert!(refused.contains("--snark small"), "{refused}");
            assert_eq!(carried(&small, &registry, 1, &several).await.unwrap(), ProofMode::Plonk);
        }
        for several in snark(true) {
            assert_eq!(
                carried(&insecure, &registry, DEVELOPMENT_CHAIN, &several).await.unwrap(),
                ProofMode::Plonk
            );
            let refused =
                carried(&small, &registry, DEVELOPMENT_CHAIN, &several).await.unwrap_err().to_string();
            assert!(refused.contains("--snark insecure-development-small"), "{refused}");
        }
        // Where L1 wants none, none is made.
        assert_eq!(carried(&insecure, &registry, 1, &other).await.unwrap(), ProofMode::Compressed);
    }
}
