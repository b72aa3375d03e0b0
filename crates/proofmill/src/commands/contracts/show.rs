//! `proofmill contracts show`.

use super::{judge::snark, line, show_rules};
use crate::{cli, wiring};
use eyre::Result;
use proofmill_chain::{ChainError, Rules, VerifierKind};
use std::num::NonZeroU64;

pub(super) async fn run(chains: &cli::Chains) -> Result<()> {
    let rollup = wiring::rollup(chains).await?;
    let (config, clock) = (rollup.config(), rollup.clock());
    line("rollup", format_args!("{} on L1 {}", rollup.address(), rollup.l1().chain_id()));
    line("L2", config.chain_id);
    line(
        "genesis",
        format_args!(
            "block {} ({}) of {}",
            config.genesis.number, config.genesis.hash, config.genesis.timestamp
        ),
    );
    line(
        "time",
        format_args!(
            "slots of {} s, epochs of {} slots, window of {} epochs",
            clock.slot_seconds, clock.epoch_slots, clock.window_epochs
        ),
    );
    let seconds =
        |time: Option<NonZeroU64>| time.map_or("never".to_owned(), |seconds| format!("{seconds} s"));
    line("maxLag", format_args!("{} s", config.limits.max_lag));
    line("silence", seconds(config.limits.silence));
    line("changeDelay", format_args!("{} s", config.limits.change_delay));
    line("maxPause", seconds(config.limits.max_pause));
    let tips = rollup.tips().await?;
    line("checkpoints", format_args!("proven up to {}, proposed up to {}", tips.proven, tips.pending));
    let roles = rollup.roles().await?;
    match (roles.owner, rollup.pending_owner().await?) {
        (None, _) => line("owner", "nobody: rules, keys, verifiers and proposer are final"),
        (Some(owner), None) => line("owner", owner),
        (Some(owner), Some(next)) => {
            line("owner", format_args!("{owner}, and {next} once it accepts"));
        }
    }
    match roles.guardian {
        Some(guardian) => line("guardian", guardian),
        None => line("guardian", "nobody"),
    }
    match rollup.paused_until().await? {
        Some(until) => line("paused", format_args!("until {until} at the latest")),
        None => line("paused", "no"),
    }
    match rollup.open_from().await? {
        Some(from) => {
            line("anybody proposes", format_args!("from {from} on, if there is no checkpoint until then"))
        }
        None => line("anybody proposes", "never"),
    }
    let current = rollup.current_rules().await?;
    println!("\nrules {}, in force:", current.index);
    show_rules(&current.rules);
    show_verifiers(&rollup, &current.rules).await?;
    let scheduled = match rollup.scheduled().await {
        Err(error @ ChainError::UnknownProofType { .. }) => {
            println!("\nother rules are scheduled: {error}");
            return Ok(());
        }
        scheduled => scheduled?,
    };
    if let Some(scheduled) = scheduled {
        println!(
            "\nrules {}, scheduled from checkpoint {} on, at the beginning of an epoch, not before {}:",
            scheduled.index, scheduled.from_checkpoint, scheduled.not_before
        );
        show_rules(&scheduled.rules);
        show_verifiers(&rollup, &scheduled.rules).await?;
    } else {
        println!("\nno other rules are scheduled");
    }
    Ok(())
}

async fn show_verifiers(rollup: &proofmill_chain::Rollup, rules: &Rules) -> Result<()> {
    for of in &rules.proof_types {
        for kind in VerifierKind::find(rollup.l1(), of.verifier).await?.single() {
            match kind {
                VerifierKind::Attestors(set) => line(
                    "",
                    format_args!(
                        "the verifier for {} takes what {} of {} attestors signed",
                        of.prover,
                        set.threshold,
                        set.members.len()
                    ),
                ),
                VerifierKind::Snark { insecure, .. } => {
                    line("", format_args!("the verifier for {} verifies {}", of.prover, snark(*insecure)));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
