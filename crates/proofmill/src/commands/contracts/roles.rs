//! What the owner and the guardian of a rollup's contract do.

use super::{line, show_rules};
use crate::{cli, keys, wiring};
use eyre::{Result, bail, eyre};
use proofmill_backends::Registry;
use proofmill_chain::{ProofTypeConfig, RoleCall, Rollup, Rules};
use proofmill_primitives::CheckpointNumber;
use proofmill_witness::{ChainSource, NodeOptions};

pub(super) async fn act(args: &cli::Act, call: &RoleCall) -> Result<()> {
    let rollup = wiring::rollup(&args.chains).await?;
    send(&rollup, args, call).await
}

pub(super) async fn schedule(args: cli::Schedule, registry: Registry) -> Result<()> {
    let rollup = wiring::rollup(&args.act.chains).await?;
    let current = rollup.current_rules().await?;
    let rules = changed(&args, rollup.config().chain_id, current.rules.clone(), registry).await?;
    if rules == current.rules {
        bail!(
            "the rules in force say just that: name what is to change with --proposer, --config-hash, --genesis, --prover or --verifier"
        );
    }
    let from = args.from_checkpoint.map(CheckpointNumber);
    println!(
        "rules {}, from {} on, at the beginning of an epoch, and {} s after they are scheduled at the earliest:",
        current.index + 1,
        from.map_or("the next checkpoint".to_owned(), |from| format!("checkpoint {from}")),
        rollup.config().limits.change_delay
    );
    show_rules(&rules);
    send(&rollup, &args.act, &RoleCall::ScheduleRules { rules, from }).await
}

/// The rules in force, but for what was named.
async fn changed(args: &cli::Schedule, chain_id: u64, mut rules: Rules, registry: Registry) -> Result<Rules> {
    if let Some(proposer) = args.proposer {
        rules.proposer = proposer;
    }
    if let Some(config_hash) = args.config_hash {
        rules.config_hash = config_hash;
    }
    if let Some(genesis) = &args.genesis {
        let node = NodeOptions::at(wiring::endpoints(&args.l2_rpc)?).chain_id(chain_id);
        let node = node.chain(ChainSource::Genesis(genesis.clone())).connect().await?;
        node.chain().require_rollup()?;
        rules.config_hash = node.chain().hash();
    }
    if !args.prover.is_empty() {
        let mut proof_types = Vec::new();
        for plan in wiring::published_proof_types(&registry, &args.prover).await? {
            let named = args.verifier.iter().find(|(of, _)| *of == plan.prover).map(|(_, address)| *address);
            let before = rules.proof_type(plan.prover).map(|of| of.verifier);
            let verifier = named.or(before).ok_or_else(|| {
                eyre!(
                    "what verifies proofs of type {0} on L1? Name a contract with --verifier {0}=ADDRESS",
                    plan.prover
                )
            })?;
            proof_types.push(ProofTypeConfig {
                prover: plan.prover,
                verifier,
                range_key: plan.range_key,
                aggregation_key: plan.aggregation_key,
            });
        }
        rules.proof_types = proof_types;
    }
    for (prover, address) in &args.verifier {
        match rules.proof_types.iter_mut().find(|of| of.prover == *prover) {
            Some(of) => of.verifier = *address,
            None => {
                bail!("the verifier {address} is for proofs of type {prover}, which the rules do not ask for")
            }
        }
    }
    Ok(rules)
}

/// Sends a call, or shows it to whoever has the role.
async fn send(rollup: &Rollup, args: &cli::Act, call: &RoleCall) -> Result<()> {
    if args.calldata {
        line("to", rollup.address());
        line("data", call.calldata());
        return Ok(());
    }
    let sender = wiring::sender(rollup.l1(), keys::payer(&args.paying).await?, &args.sending, None).await?;
    let included = rollup.act(&sender, call).await?;
    line(
        "transaction",
        format_args!("{} in L1 block {} ({} gas)", included.transaction, included.block, included.gas_used),
    );
    Ok(())
}
