//! A proof coordinator put together: its ledger, its artifacts, its port.

use crate::{cli, ledger, wiring};
use eyre::{Result, WrapErr, eyre};
use proofmill_artifacts::ArtifactStore;
use proofmill_backends::Registry;
use proofmill_ledger::ProcessLock;
use proofmill_primitives::ProverType;
use proofmill_proof_coordinator::{Coordinator, CoordinatorConfig, CoordinatorError};
use std::{path::Path, sync::Arc};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// A coordinator that answers.
pub(crate) struct Serving {
    pub(crate) coordinator: Coordinator,
    server: JoinHandle<Result<(), CoordinatorError>>,
    /// One process gives out the batches of a rollup.
    _lock: ProcessLock,
}

impl Serving {
    /// Starts one in a folder, for provers of these types; it goes on with what was given out.
    pub(crate) async fn start(
        args: &cli::Serving,
        folder: &Path,
        needed: impl IntoIterator<Item = ProverType>,
        artifacts: Arc<dyn ArtifactStore>,
        registry: &Registry,
        stop: CancellationToken,
    ) -> Result<Self> {
        let lock = wiring::lock(folder, "assignments.lock", "gives out the batches of this rollup")?;
        let listener = TcpListener::bind(&args.pull_listen).await.wrap_err_with(|| {
            format!(
                "cannot listen on {}: stop what listens there, or choose another --pull-listen",
                args.pull_listen
            )
        })?;
        let file = folder.join("assignments.sqlite");
        let ledger = ledger::open(&args.database, &ledger::schema(folder), &file, &stop).await?;
        let timeout = args.prover_timeout();
        let config = CoordinatorConfig { needed: needed.into_iter().collect(), timeout };
        let types: Vec<_> = config.needed.iter().map(|prover| prover.name()).collect();
        let (types, listen) = (types.join(","), listener.local_addr()?);
        let coordinator = Coordinator::start(config, ledger, artifacts, registry, stop.clone()).await?;
        tracing::info!(
            %listen,
            types,
            prover_timeout_s = timeout.as_secs(),
            "provers that pull are served"
        );
        let server = tokio::spawn(proofmill_proof_coordinator::serve(coordinator.clone(), listener, stop));
        Ok(Self { coordinator, server, _lock: lock })
    }

    /// Does not come back while all is well.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        match (&mut self.server).await {
            Ok(served) => Ok(served?),
            Err(panic) => Err(eyre!("the proof coordinator panicked: {panic}")),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_artifacts::FsArtifacts;

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_with_its_setting() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = taken.local_addr().unwrap().to_string();
        let args = cli::Serving { pull_listen: place.clone(), ..cli::Serving::default() };
        let artifacts = Arc::new(FsArtifacts::open(&folder.path().join("artifacts")).unwrap());
        let registry = Registry::compiled_in();
        let start = Serving::start(
            &args,
            folder.path(),
            [ProverType::Exec],
            artifacts,
            &registry,
            CancellationToken::new(),
        );
        let said = format!("{:#}", start.await.err().unwrap());
        assert!(said.contains(&format!("cannot listen on {place}")), "{said}");
        assert!(said.contains("choose another --pull-listen"), "{said}");
    }
}
