//! `proofmill contracts deploy` and `deploy-verifier`.

use super::{
    judge::{Said, check_type, judge_verifier},
    line, show_proof_type,
    verifier::{Quorum, Verifier, try_proof},
};
use crate::{cli, keys, wiring};
use alloy_primitives::{Address, B256};
use eyre::{Report, Result, bail, eyre};
use proofmill_backends::Registry;
use proofmill_chain::{
    BlockAt, ChainError, GenesisBlock, L1, L2, Limits, ProofTypeConfig, Roles, RollupConfig, deploy_rollup,
};
use proofmill_primitives::{ProverType, SlotClock};
use proofmill_witness::{ChainSource, NodeOptions};
use std::num::NonZeroU64;

pub(super) async fn rollup(args: cli::Deploy, registry: Registry) -> Result<()> {
    check_verifiers(&args)?;
    check_clocks(&args)?;
    let l1 = L1::connect(wiring::endpoints(&args.l1_rpc)?, args.l1_chain_id).await?;
    let (mut config, verifiers) = plan(&args, &l1, &registry).await?;
    try_proof(&args.halo2, &l1, &registry).await?;
    let roles = Roles { owner: args.owner, guardian: args.guardian };
    show(&l1, &config, &verifiers, roles).await?;
    if args.dry_run {
        println!("nothing was deployed: leave --dry-run out for that");
        return Ok(());
    }

    let sender = wiring::sender(&l1, keys::payer(&args.paying).await?, &args.sending, None).await?;
    let salt: B256 = rand::random::<[u8; 32]>().into();
    println!("\ndeployed:");
    for (proof_type, verifier) in config.proof_types.iter_mut().zip(&verifiers) {
        // At once: where the rollup itself cannot be deployed, this one is there for the next try (--verifier).
        proof_type.verifier = verifier.deploy(&sender).await?;
        println!("{:<10} verifier {}", proof_type.prover.name(), proof_type.verifier);
    }
    let (rollup, deployed) = deploy_rollup(&sender, &config, roles, salt).await?;
    println!("rollup     {}", rollup.address());
    if let Some(included) = deployed.transaction {
        println!("L1 block   {} ({} gas)", included.block, included.gas_used);
    }
    Ok(())
}

pub(super) async fn verifier(args: cli::DeployVerifier, registry: Registry) -> Result<()> {
    let quorum = Quorum::named(&args.attestor, args.threshold)?;
    let l1 = L1::connect(wiring::endpoints(&args.l1_rpc)?, args.l1_chain_id).await?;
    let verifier = Verifier::named(&l1, args.halo2.halo2_verifier, quorum, args.trust_attestors).await?;
    let verifier =
        verifier.ok_or_else(|| eyre!("which verifier? Name --attestor, --halo2-verifier, or both"))?;
    try_proof(&args.halo2, &l1, &registry).await?;
    line("verifier", format_args!("to be deployed on L1 {}: one {}", l1.chain_id(), verifier.words()));
    let sender = wiring::sender(&l1, keys::payer(&args.paying).await?, &args.sending, None).await?;
    line("verifier", verifier.deploy(&sender).await?);
    Ok(())
}

/// Everything that is to be deployed. The verifiers' addresses are not known yet.
async fn plan(args: &cli::Deploy, l1: &L1, registry: &Registry) -> Result<(RollupConfig, Vec<Verifier>)> {
    let l2 = L2::connect(wiring::endpoints(&args.l2_rpc)?, None).await?;
    let mut rules = NodeOptions::over(l2.endpoints().clone());
    if let Some(genesis) = &args.genesis {
        rules = rules.chain(ChainSource::Genesis(genesis.clone()));
    }
    let rules = rules.connect().await?;
    rules.chain().require_rollup()?;
    let config_hash = rules.chain().hash();
    let at = args.genesis_block.map_or(BlockAt::Finalized, BlockAt::Number);
    let genesis = match l2.block(at).await {
        // So answer nodes of a chain that has none yet.
        Err(error @ ChainError::Refused { .. }) if args.genesis_block.is_none() => {
            let words = "L2's node shows no finalized block: name the one that the rollup begins after with --genesis-block, or wait";
            return Err(Report::new(error).wrap_err(words));
        }
        block => block?,
    };
    let genesis = genesis.ok_or_else(|| eyre!("L2 has no such block: name another --genesis-block"))?;
    let head = l1.head().await?;
    if genesis.timestamp > head.timestamp {
        bail!(
            "L2's block {} is of {}, ahead of L1, which is at {}: name an older --genesis-block, or wait",
            genesis.number,
            genesis.timestamp,
            head.timestamp
        );
    }
    let proof_types = wiring::published_proof_types(registry, &args.prover)
        .await?
        .into_iter()
        .map(|plan| ProofTypeConfig {
            prover: plan.prover,
            verifier: Address::ZERO,
            range_key: plan.range_key,
            aggregation_key: plan.aggregation_key,
        })
        .collect();
    let mut verifiers = Vec::new();
    for prover in &args.prover {
        verifiers.push(planned_verifier(args, l1, *prover).await?);
    }
    let clock = clock(&args.rules, head.timestamp)?;
    let config = RollupConfig {
        chain_id: l2.chain_id(),
        clock,
        limits: limits(&args.limits, &clock),
        genesis: GenesisBlock {
            number: genesis.number,
            hash: genesis.hash,
            state_root: genesis.state_root,
            timestamp: genesis.timestamp,
        },
        config_hash,
        proposer: args.proposer,
        proof_types,
    };
    Ok((config, verifiers))
}

fn clock(rules: &cli::Rules, genesis: u64) -> Result<SlotClock> {
    let not_zero = |number| NonZeroU64::new(number).ok_or_else(|| eyre!("lengths of time must not be zero"));
    Ok(SlotClock {
        genesis,
        slot_seconds: not_zero(rules.slot_seconds)?,
        epoch_slots: not_zero(rules.epoch_slots)?,
        window_epochs: not_zero(rules.window_epochs)?,
    })
}

fn limits(args: &cli::Limits, clock: &SlotClock) -> Limits {
    let usual = Limits::of(clock);
    let max_lag = args.max_lag.unwrap_or(usual.max_lag);
    Limits {
        max_lag,
        silence: args.silence.map_or(usual.silence, NonZeroU64::new),
        change_delay: args.change_delay.unwrap_or(usual.change_delay),
        max_pause: NonZeroU64::new(args.max_pause),
    }
}

/// What the contract would refuse of lengths of time, said before its verifiers are deployed.
fn check_clocks(args: &cli::Deploy) -> Result<()> {
    let clock = clock(&args.rules, 0)?;
    let window = Limits::of(&clock).change_delay;
    let Limits { max_lag, silence, change_delay, max_pause } = limits(&args.limits, &clock);
    let silent_for = silence.map_or(0, NonZeroU64::get);
    for (flag, seconds) in
        [("--max-lag", max_lag), ("--change-delay", change_delay), ("--silence", silent_for)]
    {
        if seconds > Limits::LONGEST {
            bail!(
                "{flag} {seconds}: it must be 100 years ({} s) at the most. Where it is not named it follows from --slot-seconds, \
                 --epoch-slots and --window-epochs",
                Limits::LONGEST
            );
        }
    }
    if max_lag < clock.slot_seconds.get() {
        bail!(
            "--max-lag {max_lag}: it must be a slot at least, which is {} s: the blocks of a slot could not be proposed else",
            clock.slot_seconds
        );
    }
    if change_delay < window {
        bail!(
            "--change-delay {change_delay}: new rules must be visible for {window} s at least, which is the proof submission window and an \
             epoch"
        );
    }
    if let Some(silence) = silence.filter(|silence| silence.get() < window) {
        bail!(
            "--silence {silence}: it must be {window} s at least, which is the proof submission window and an epoch, or 0 for never: \
             strangers could take away what can still be proven else"
        );
    }
    if let Some(pause) = max_pause.filter(|pause| pause.get() > change_delay)
        && args.guardian.is_some()
        && args.owner.is_none()
    {
        bail!(
            "--max-pause {pause}: a guardian without an owner may pause for {change_delay} s at the most, as long as --change-delay is, because \
             nobody could end it. Name an --owner, or a shorter --max-pause"
        );
    }
    Ok(())
}

async fn show(l1: &L1, config: &RollupConfig, verifiers: &[Verifier], roles: Roles) -> Result<()> {
    let seconds =
        |time: Option<NonZeroU64>| time.map_or("never".to_owned(), |seconds| format!("{seconds} s"));
    println!("to be deployed:");
    line("L1", l1.chain_id());
    line("L2", config.chain_id);
    line("configHash", config.config_hash);
    let genesis = &config.genesis;
    line("genesis", format_args!("L2 block {} ({}) of {}", genesis.number, genesis.hash, genesis.timestamp));
    let SlotClock { slot_seconds, epoch_slots, window_epochs, .. } = config.clock;
    line(
        "time",
        format_args!(
            "slots of {slot_seconds} s, epochs of {epoch_slots} slots, window of {window_epochs} epochs"
        ),
    );
    line("maxLag", format_args!("{} s", config.limits.max_lag));
    line("silence", seconds(config.limits.silence));
    line("changeDelay", format_args!("{} s", config.limits.change_delay));
    line("maxPause", seconds(config.limits.max_pause));
    line("proposer", config.proposer);
    let somebody = |address: Option<Address>, nobody: &str| {
        address.map_or_else(|| nobody.to_owned(), |address| address.to_string())
    };
    line("owner", somebody(roles.owner, "nobody: rules, keys, verifiers and proposer are final"));
    line("guardian", somebody(roles.guardian, "nobody"));
    for (proof_type, verifier) in config.proof_types.iter().zip(verifiers) {
        show_proof_type(proof_type, &verifier.words());
    }
    if let Some(owner) = roles.owner
        && !l1.is_contract(owner).await?
    {
        println!(
            "note: the owner is an account, not a contract: whoever has its key can schedule other rules. A timelock or a \
             multisig is safer"
        );
    }
    Ok(())
}

/// What is deployed stays as it is: nothing that was named may be left out without a word.
fn check_verifiers(args: &cli::Deploy) -> Result<()> {
    if args.halo2.halo2_verifier.is_some() {
        if !args.prover.contains(&ProverType::OpenVm) {
            bail!("--halo2-verifier is for proofs of type openvm, which --prover does not name");
        }
        if args.verifier.iter().any(|(of, _)| *of == ProverType::OpenVm) {
            bail!(
                "--halo2-verifier and --verifier both name what verifies proofs of type openvm: leave one out"
            );
        }
    }
    let named = |prover: ProverType| args.verifier.iter().filter(move |(of, _)| *of == prover).count();
    for (prover, address) in &args.verifier {
        if !args.prover.contains(prover) {
            bail!("the verifier {address} is for proofs of type {prover}, which --prover does not name");
        }
    }
    if !args.attestor.is_empty() && !args.prover.iter().any(|prover| prover.proves() && named(*prover) == 0) {
        bail!("there is nothing for the attestors to sign: leave --attestor out, or a --verifier");
    }
    Ok(())
}

/// The verifier that was named, or one that is to be deployed.
async fn planned_verifier(args: &cli::Deploy, l1: &L1, prover: ProverType) -> Result<Verifier> {
    if let Some((_, address)) = args.verifier.iter().find(|(of, _)| *of == prover) {
        let said = Said { threshold: args.threshold, trust_attestors: args.trust_attestors };
        return Ok(Verifier::There(*address, judge_verifier(l1, prover, *address, said).await?));
    }
    if !prover.proves() {
        check_type(l1.chain_id(), prover)?;
        return Ok(Verifier::AcceptsAnything);
    }
    let halo2 = args.halo2.halo2_verifier.filter(|_| prover == ProverType::OpenVm);
    let quorum = Quorum::named(&args.attestor, args.threshold)?;
    let verifier = Verifier::named(l1, halo2, quorum, args.trust_attestors).await?;
    verifier.ok_or_else(|| {
        eyre!(
            "what verifies proofs of type {prover} on L1? Name a contract with --verifier {prover}=ADDRESS, or attestors \
             with --attestor ADDRESS"
        )
    })
}
