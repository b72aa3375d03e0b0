//! What several commands put together from their settings.

use crate::cli;
use eyre::{Result, eyre};
use proofmill_backends::Registry;
use proofmill_chain::{Endpoints, L1, Rollup};
use proofmill_client::programs;
use proofmill_devnet::ProofTypePlan;
use proofmill_primitives::ProverType;
use url::Url;

/// Nodes that are asked in turn.
pub(crate) fn endpoints(urls: &[Url]) -> Result<Endpoints> {
    let (first, others) = urls.split_first().ok_or_else(|| eyre!("no node is named"))?;
    Ok(others.iter().cloned().fold(Endpoints::new(first.clone()), Endpoints::or))
}

/// The rollup's contract.
pub(crate) async fn rollup(chains: &cli::Chains) -> Result<Rollup> {
    let l1 = L1::connect(endpoints(&chains.l1_rpc)?, chains.l1_chain_id).await?;
    Ok(Rollup::connect(l1, chains.rollup).await?)
}

/// The keys of this release's programs. Takes seconds for zkVMs.
pub(crate) async fn proof_types(registry: &Registry, provers: &[ProverType]) -> Result<Vec<ProofTypePlan>> {
    let mut plans = Vec::new();
    for prover in provers {
        let (backend, prover) = (registry.get(*prover)?, *prover);
        let plan = tokio::task::spawn_blocking(move || {
            Ok::<_, proofmill_backends::BackendError>(ProofTypePlan {
                prover,
                range_key: programs::range_version(&*backend)?,
                aggregation_key: programs::aggregation_version(&*backend)?,
            })
        });
        plans.push(plan.await??);
    }
    Ok(plans)
}
