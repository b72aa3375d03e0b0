//! What several commands put together from their settings.

use crate::cli;
use eyre::{Result, bail, eyre};
use proofmill_backends::Registry;
use proofmill_chain::{Endpoints, L1, Rollup};
use proofmill_client::programs;
use proofmill_devnet::ProofTypePlan;
use proofmill_primitives::ProverType;
use std::path::Path;
use url::Url;

/// The binary of each prover type that no binary with another one has.
const BINARIES: [(ProverType, &str); 2] =
    [(ProverType::OpenVm, "proofmill"), (ProverType::Sp1, "proofmill-sp1")];

/// Names the binaries that have what this one lacks: those beside it, and before them those of the settings.
pub(crate) fn with_helpers(mut registry: Registry, global: &cli::Global) -> Result<Registry> {
    let own = std::env::current_exe().ok();
    if let Some(folder) = own.as_deref().and_then(Path::parent) {
        let beside = BINARIES.map(|(prover, name)| (prover, folder.join(name)));
        for (prover, file) in
            beside.into_iter().filter(|(_, file)| file.is_file() && Some(file) != own.as_ref())
        {
            registry = registry.with_helper(prover, file);
        }
    }
    for (prover, file) in &global.binary {
        if !file.is_file() {
            bail!("--binary {prover}={}: there is no such file", file.display());
        }
        registry = registry.with_helper(*prover, file);
    }
    Ok(registry)
}

/// Has every binary that is asked for another prover type answer once: what is missing is said now, not when a proof is there.
pub(crate) async fn check_helpers(registry: &Registry, provers: &[ProverType]) -> Result<()> {
    for prover in provers {
        let Some(helper) = registry.helper(*prover).cloned() else { continue };
        tokio::task::spawn_blocking(move || helper.ready()).await??;
    }
    Ok(())
}

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
        let (backend, prover) = (registry.checker(*prover)?, *prover);
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
