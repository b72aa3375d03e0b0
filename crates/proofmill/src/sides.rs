//! The prover node's side of its proof services, for each prover type that a rollup asks for.

#[cfg(test)]
mod tests;

use crate::wiring;
use alloy_primitives::B256;
use eyre::{Result, bail};
use proofmill_backends::Registry;
use proofmill_chain::{L2, ProofTypeConfig, Refusal, Rollup, Rules};
use proofmill_devnet::ProofTypePlan;
use proofmill_primitives::ProverType;
use proofmill_service::NodeSide;
use proofmill_witness::{Node, NodeOptions};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// What the sides are made from.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) data_dir: &'a Path,
    pub(crate) genesis: Option<&'a PathBuf>,
    pub(crate) gather_within: Duration,
    pub(crate) registry: &'a Registry,
    pub(crate) rollup: &'a Rollup,
    pub(crate) chain: &'a L2,
    /// Cancelled when the process ends.
    pub(crate) ending: &'a CancellationToken,
}

/// The rules that this node goes by.
pub(crate) struct Ours {
    /// The rollup with those of its rules under which this node proves.
    pub(crate) rollup: Rollup,
    /// L2, with the chain rules of those.
    l2: Node,
}

/// Rules under which checkpoints are, or will be, proven.
struct Asked {
    /// Which those are.
    what: String,
    rules: Rules,
}

/// What this node can prove: blocks of these chain rules, by these programs, or why not.
struct Able {
    config_hash: B256,
    programs: BTreeMap<ProverType, Result<ProofTypePlan, String>>,
}

/// Finds the rules that this node goes by: those of the oldest checkpoint that it can prove, or else the first that it will be able to
/// prove under. Rules may have changed while checkpoints are unproven, which stay under the old ones. What it cannot prove is said.
///
/// # Errors
/// It can prove under none; or a chain cannot be read.
pub(crate) async fn ours(place: Place<'_>) -> Result<Ours> {
    let Place { data_dir, genesis, registry, rollup, chain, .. } = place;
    let asked = asked(rollup).await?;
    let options = NodeOptions::over(chain.endpoints().clone()).cache(data_dir.join("cache"));
    let options = wiring::with_genesis(options, genesis.map(PathBuf::as_path));
    let l2 = wiring::node_of_role("the rules of L2", options).await?;
    l2.chain().require_rollup()?;
    let mut programs = BTreeMap::new();
    for prover in asked.iter().flat_map(|asked| &asked.rules.proof_types).map(|of| of.prover) {
        if programs.contains_key(&prover) {
            continue;
        }
        let plan = match wiring::proof_types(registry, &[prover]).await {
            Ok(plans) => plans.into_iter().next().ok_or_else(|| format!("{prover} has no programs")),
            Err(error) => Err(format!("{error:#}")),
        };
        programs.insert(prover, plan);
    }
    let able = Able { config_hash: l2.chain().hash(), programs };
    let rollup = rollup.under(choose(&asked, &able)?.clone());
    let wanted: Vec<_> = rollup.config().proof_types.iter().map(|of| of.prover).collect();
    wiring::check_helpers(registry, &wanted).await?;
    Ok(Ours { rollup, l2 })
}

/// The rules of what is not proven, the oldest first, then those in force and those that are to be. Rules change no faster than windows
/// close, so what can still be proven is under those of the first or the last unproven checkpoint.
async fn asked(rollup: &Rollup) -> Result<Vec<Asked>> {
    let tips = wiring::patiently("the rollup's tips on L1", || rollup.tips()).await?;
    let mut asked: Vec<Asked> = Vec::new();
    let mut ask = |what: String, rules: Rules| {
        if asked.iter().all(|before| before.rules != rules) {
            asked.push(Asked { what, rules });
        }
    };
    if tips.proven < tips.pending {
        for number in [tips.proven.next(), tips.pending] {
            match wiring::patiently("a checkpoint's rules on L1", || rollup.rules_of(number)).await {
                Ok(rules) => ask(format!("checkpoint {number}, which is not proven"), rules),
                // It was given up just now.
                Err(error) if matches!(error.refusal(), Some(Refusal::UnknownCheckpoints { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let current = wiring::patiently("the rules in force", || rollup.current_rules()).await?;
    ask(format!("rules {}, which are in force", current.index), current.rules);
    if let Some(next) = wiring::scheduled(rollup).await? {
        ask(format!("rules {}, from checkpoint {} on", next.index, next.from_checkpoint), next.rules);
    }
    Ok(asked)
}

/// The first rules that this node can prove under. Warns of the others.
fn choose<'a>(asked: &'a [Asked], able: &Able) -> Result<&'a Rules> {
    let fits: Vec<_> = asked.iter().map(|asked| able.fits(&asked.rules)).collect();
    let Some((Asked { rules: ours, .. }, _)) = asked.iter().zip(&fits).find(|(_, fits)| fits.is_ok()) else {
        let causes: Vec<_> = asked
            .iter()
            .zip(&fits)
            .filter_map(|(asked, fits)| Some(format!("{}: {}", asked.what, fits.as_ref().err()?)))
            .collect();
        bail!("this node can prove nothing of the rollup. {}", causes.join("; "));
    };
    for (other, fits) in asked.iter().zip(&fits) {
        match fits {
            Err(cause) => {
                let what = &other.what;
                tracing::warn!(what, cause, "this node cannot prove that: another one has to");
            }
            Ok(()) if types(&other.rules) != types(ours) => {
                let what = &other.what;
                tracing::warn!(
                    what,
                    "that asks for other types of proofs: start this node again when its turn has come"
                );
            }
            Ok(()) => {}
        }
    }
    Ok(ours)
}

fn types(rules: &Rules) -> Vec<ProverType> {
    rules.proof_types.iter().map(|of| of.prover).collect()
}

impl Able {
    /// Whether this node can prove under these rules; else what is missing, and what to do.
    fn fits(&self, rules: &Rules) -> Result<(), String> {
        if self.config_hash != rules.config_hash {
            return Err(format!(
                "the rules of L2 hash to {}, and L1 has {}: give the genesis file that has those (--genesis), and a node of L2 that follows \
                 it",
                self.config_hash, rules.config_hash
            ));
        }
        for of in &rules.proof_types {
            let plan = match self.programs.get(&of.prover) {
                Some(Ok(plan)) => plan,
                Some(Err(cause)) => return Err(cause.clone()),
                None => return Err(format!("{} has no programs", of.prover)),
            };
            for (what, ours, wanted) in [
                ("range", plan.range_key, of.range_key),
                ("aggregation", plan.aggregation_key, of.aggregation_key),
            ] {
                if ours != wanted {
                    return Err(format!(
                        "L1 wants {} proofs of the {what} program {wanted}, this release has {ours}: run the release that has it",
                        of.prover
                    ));
                }
            }
        }
        Ok(())
    }
}

/// One for each type that the rules of this node ask for.
pub(crate) fn sides(place: Place<'_>, ours: &Ours) -> Vec<(ProofTypeConfig, NodeSide)> {
    let Place { data_dir, gather_within, chain, ending, .. } = place;
    let config = ours.rollup.config();
    let folder = data_dir.join(config.chain_id.to_string()).join("proofs");
    let side = |of: &ProofTypeConfig| NodeSide {
        rollup: ours.rollup.clone(),
        programs: *of,
        l2: ours.l2.clone(),
        blocks: Arc::new(chain.clone()),
        folder: folder.clone(),
        is_one_of_several: config.proof_types.len() > 1,
        gather_within,
        ending: ending.clone(),
    };
    config.proof_types.iter().map(|of| (*of, side(of))).collect()
}
