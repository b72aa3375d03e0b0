//! What the owner and the guardian of a rollup's contract do.

use super::{
    judge::{Said, judge_verifier, words},
    line, show_rules,
};
use crate::{cli, keys, wiring};
use eyre::{Result, bail, eyre};
use proofmill_backends::Registry;
use proofmill_chain::{ChainError, ProofTypeConfig, Refusal, RoleCall, Roles, Rollup, Rules, VerifierKind};
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
    let verifiers = judged(&args, &rollup, &rules).await?;
    let from = args.from_checkpoint.map(CheckpointNumber);
    println!(
        "rules {}, from {} on, at the beginning of an epoch, and {} s after they are scheduled at the earliest:",
        current.index + 1,
        from.map_or("the next checkpoint".to_owned(), |from| format!("checkpoint {from}")),
        rollup.config().limits.change_delay
    );
    show_rules(&rules);
    verifiers.iter().for_each(|of| line("", of));
    if args.act.calldata && others_are_scheduled(&rollup).await? {
        println!(
            "note: other rules are scheduled (contracts show), and these here are those in force with what was named: sent after the others \
             have come into force, they take back what those change"
        );
    }
    send(&rollup, &args.act, &RoleCall::ScheduleRules { rules, from }).await
}

/// Whether rules are scheduled already, be it that only another release knows their types of proofs.
async fn others_are_scheduled(rollup: &Rollup) -> Result<bool> {
    match rollup.scheduled().await {
        Ok(scheduled) => Ok(scheduled.is_some()),
        Err(ChainError::UnknownProofType { .. }) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// What the verifiers of new rules are. Those that were named are judged; the others stay as they are.
async fn judged(args: &cli::Schedule, rollup: &Rollup, rules: &Rules) -> Result<Vec<String>> {
    let said = Said { threshold: args.threshold, trust_attestors: args.trust_attestors };
    let mut verifiers = Vec::new();
    for of in &rules.proof_types {
        let is = if args.verifier.contains(&(of.prover, of.verifier)) {
            judge_verifier(rollup.l1(), of.prover, of.verifier, said).await?
        } else {
            words(of.prover, &VerifierKind::find(rollup.l1(), of.verifier).await?)
        };
        verifiers.push(format!("the verifier for {} is one {is}", of.prover));
    }
    Ok(verifiers)
}

/// The rules in force, but for what was named.
async fn changed(args: &cli::Schedule, chain_id: u64, mut rules: Rules, registry: Registry) -> Result<Rules> {
    if let Some(proposer) = args.proposer {
        rules.proposer = proposer;
    }
    if args.config_hash.is_some() || args.genesis.is_some() {
        let mut node = NodeOptions::at(wiring::endpoints(&args.l2_rpc)?).chain_id(chain_id);
        if let Some(genesis) = &args.genesis {
            node = node.chain(ChainSource::Genesis(genesis.clone()));
        }
        let node = node.connect().await?;
        node.chain().require_rollup()?;
        rules.config_hash = node.chain().hash();
    }
    if let Some(wanted) = args.config_hash
        && wanted != rules.config_hash
    {
        bail!(
            "the rules of L2 hash to {}, and --config-hash says {wanted}: name the genesis file that has it with --genesis, and a node that \
             follows it",
            rules.config_hash
        );
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
    let is_the_owners = !matches!(call, RoleCall::Pause | RoleCall::AcceptOwnership);
    let roles = rollup.roles().await?;
    if is_the_owners && roles.owner.is_none() {
        bail!(
            "the rollup has no owner: its rules, keys, verifiers and proposer are final. What is to have others is another rollup, which begins \
             with the last proven block of this one (contracts deploy --genesis-block)"
        );
    }
    let in_vain = in_vain(rollup, roles, call).await?;
    if args.calldata {
        if let Some(cause) = in_vain {
            println!("note: sent now, it would change nothing: {cause}");
        }
        match rollup.try_act(call).await {
            Err(ChainError::Reverted(refusal)) if may_pass(&refusal) => {
                println!("note: sent now, the contract would refuse it: {refusal}");
            }
            tried => tried?,
        }
        line("to", rollup.address());
        line("data", call.calldata());
        return Ok(());
    }
    if let Some(cause) = in_vain {
        bail!("{cause}: there is nothing to change, and nothing is sent");
    }
    let sender = wiring::sender(rollup.l1(), keys::payer(&args.paying).await?, &args.sending, None).await?;
    let included = rollup.act(&sender, call).await?;
    line(
        "transaction",
        format_args!("{} in L1 block {} ({} gas)", included.transaction, included.block, included.gas_used),
    );
    Ok(())
}

/// Why a call would change nothing that the contract takes all the same. What it refuses, it says itself.
async fn in_vain(rollup: &Rollup, roles: Roles, call: &RoleCall) -> Result<Option<String>> {
    Ok(match call {
        RoleCall::SetGuardian(next) if *next == roles.guardian => Some(match next {
            Some(guardian) => format!("{guardian} is the guardian already"),
            None => "the rollup has no guardian".to_owned(),
        }),
        // The owner may be named to take back that another was.
        RoleCall::TransferOwnership(next) => match rollup.pending_owner().await? {
            Some(named) if named == *next => {
                Some(format!("{next} was named already, and is to accept (contracts accept-ownership)"))
            }
            None if roles.owner == Some(*next) => Some(format!("{next} is the owner already")),
            _ => None,
        },
        _ => None,
    })
}

/// Whether others, or time, may make room for a call that is refused now: whoever has the role may send it later.
const fn may_pass(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::AlreadyScheduled { .. }
            | Refusal::NothingScheduled
            | Refusal::ContractPaused { .. }
            | Refusal::NotPaused
            | Refusal::PausedTooRecently { .. }
            | Refusal::NotTheOwner { .. }
            | Refusal::NotTheGuardian { .. }
    )
}
