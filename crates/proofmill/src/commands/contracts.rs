//! `proofmill contracts`.

use crate::{cli, keys, wiring};
use alloy_primitives::{Address, B256};
use eyre::{Result, bail, eyre};
use proofmill_backends::Registry;
use proofmill_chain::{
    BlockAt, Endpoints, GenesisBlock, L1, L2, ProofTypeConfig, RollupConfig, Sender,
    deploy_accepts_anything_verifier, deploy_attested_verifier, deploy_rollup,
};
use proofmill_primitives::{ProverType, SlotClock};
use proofmill_witness::{ChainSource, NodeOptions};
use std::num::NonZeroU64;

pub(crate) async fn run(args: cli::Contracts, registry: Registry) -> Result<()> {
    match args {
        cli::Contracts::Deploy(args) => deploy(*args, registry).await,
    }
}

async fn deploy(args: cli::Deploy, registry: Registry) -> Result<()> {
    check_verifiers(&args)?;
    let key = keys::key(args.key_file.as_deref(), keys::L1_KEY)?;
    let l1 = L1::connect(Endpoints::new(args.l1_rpc.clone()), args.l1_chain_id).await?;
    let l2 = L2::connect(Endpoints::new(args.l2_rpc.clone()), None).await?;
    let mut rules = NodeOptions::new(args.l2_rpc.clone()).chain_id(l2.chain_id());
    if let Some(genesis) = &args.genesis {
        rules = rules.chain(ChainSource::Genesis(genesis.clone()));
    }
    let rules = rules.connect().await?;
    rules.chain().require_rollup()?;
    let config_hash = rules.chain().hash();
    let at = args.genesis_block.map_or(BlockAt::Finalized, BlockAt::Number);
    let genesis =
        l2.block(at).await?.ok_or_else(|| eyre!("L2 has no such block: name another --genesis-block"))?;
    let plans = wiring::proof_types(&registry, &args.prover).await?;
    let sender = Sender::new(l1, key);
    let salt: B256 = rand::random::<[u8; 32]>().into();

    let mut proof_types = Vec::new();
    for plan in plans {
        proof_types.push(ProofTypeConfig {
            prover: plan.prover,
            verifier: verifier(&args, &sender, plan.prover, salt).await?,
            range_key: plan.range_key,
            aggregation_key: plan.aggregation_key,
        });
    }
    let not_zero = |number| NonZeroU64::new(number).ok_or_else(|| eyre!("lengths of time must not be zero"));
    let config = RollupConfig {
        chain_id: l2.chain_id(),
        config_hash,
        clock: SlotClock {
            genesis: sender.l1().head().await?.timestamp,
            slot_seconds: not_zero(args.rules.slot_seconds)?,
            epoch_slots: not_zero(args.rules.epoch_slots)?,
            window_epochs: not_zero(args.rules.window_epochs)?,
        },
        proposer: args.proposer,
        genesis: GenesisBlock { number: genesis.number, hash: genesis.hash, state_root: genesis.state_root },
        proof_types,
    };
    let (rollup, deployed) = deploy_rollup(&sender, &config, salt).await?;
    println!("rollup     {}", rollup.address());
    if let Some(included) = deployed.transaction {
        println!("L1 block   {} ({} gas)", included.block, included.gas_used);
    }
    println!("genesis    L2 block {} ({})", genesis.number, genesis.hash);
    for proof_type in &config.proof_types {
        println!(
            "{:<10} verifier {}, range program {}, aggregation program {}",
            proof_type.prover.name(),
            proof_type.verifier,
            proof_type.range_key,
            proof_type.aggregation_key
        );
    }
    Ok(())
}

/// What is deployed stays as it is: nothing that was named may be left out without a word.
fn check_verifiers(args: &cli::Deploy) -> Result<()> {
    let named = |prover: ProverType| args.verifier.iter().filter(move |(of, _)| *of == prover).count();
    for (prover, address) in &args.verifier {
        if !args.prover.contains(prover) {
            bail!("the verifier {address} is for proofs of type {prover}, which --prover does not name");
        }
        if named(*prover) > 1 {
            bail!(
                "a verifier for proofs of type {prover} is named twice: --verifier takes one for each type"
            );
        }
    }
    if !args.attestor.is_empty() && !args.prover.iter().any(|prover| prover.proves() && named(*prover) == 0) {
        bail!("there is nothing for the attestors to sign: leave --attestor out, or a --verifier");
    }
    Ok(())
}

/// The verifier that was named, or one that is deployed now.
async fn verifier(args: &cli::Deploy, sender: &Sender, prover: ProverType, salt: B256) -> Result<Address> {
    if let Some((_, address)) = args.verifier.iter().find(|(of, _)| *of == prover) {
        return Ok(*address);
    }
    if !prover.proves() {
        return Ok(deploy_accepts_anything_verifier(sender, salt).await?.address);
    }
    if args.attestor.is_empty() {
        bail!(
            "what verifies proofs of type {prover} on L1? Name a contract with --verifier {prover}=ADDRESS, or attestors \
             with --attestor ADDRESS"
        );
    }
    Ok(deploy_attested_verifier(sender, &args.attestor, args.threshold, salt).await?.address)
}
