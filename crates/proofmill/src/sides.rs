//! The prover node's side of its proof services, for each prover type that a rollup asks for.

use crate::wiring;
use eyre::{Result, bail};
use proofmill_backends::Registry;
use proofmill_chain::{L2, ProofTypeConfig, Rollup};
use proofmill_service::NodeSide;
use proofmill_witness::{ChainSource, NodeOptions};
use std::{
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

/// One for each type that the rollup asks for; the programs must be those of this release.
pub(crate) async fn sides(place: Place<'_>) -> Result<Vec<(ProofTypeConfig, NodeSide)>> {
    let Place { data_dir, genesis, gather_within, registry, rollup, chain, ending } = place;
    let wanted: Vec<_> = rollup.config().proof_types.iter().map(|of| of.prover).collect();
    let plans = wiring::proof_types(registry, &wanted).await?;
    wiring::check_helpers(registry, &wanted).await?;
    let mut options = NodeOptions::over(chain.endpoints().clone()).cache(data_dir.join("cache"));
    if let Some(genesis) = genesis {
        options = options.chain(ChainSource::Genesis(genesis.clone()));
    }
    let l2 = options.connect().await?;
    l2.chain().require_rollup()?;
    let config_hash = l2.chain().hash();
    if config_hash != rollup.config().config_hash {
        bail!(
            "the rules of L2 hash to {config_hash}, the rollup was deployed for {}: give the genesis file that it was \
             deployed with (--genesis)",
            rollup.config().config_hash
        );
    }
    let folder = data_dir.join(rollup.config().chain_id.to_string()).join("proofs");
    let mut sides = Vec::new();
    for (plan, of) in plans.iter().zip(&rollup.config().proof_types) {
        for (what, ours, wanted) in [
            ("range", plan.range_key, of.range_key),
            ("aggregation", plan.aggregation_key, of.aggregation_key),
        ] {
            if ours != wanted {
                bail!(
                    "the rollup wants {} proofs of the {what} program {wanted}, this release has {ours}: run the release \
                     that deployed the rollup",
                    of.prover
                );
            }
        }
        let side = NodeSide {
            rollup: rollup.clone(),
            programs: *of,
            l2: l2.clone(),
            blocks: Arc::new(chain.clone()),
            folder: folder.clone(),
            gather_within,
            ending: ending.clone(),
        };
        sides.push((*of, side));
    }
    Ok(sides)
}
