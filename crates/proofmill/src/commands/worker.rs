//! `proofmill worker`.

use crate::{cli, stop, wiring};
use eyre::Result;
use proofmill_artifacts::Cached;
use proofmill_backends::Registry;
use proofmill_ledger::DataDir;
use proofmill_worker::WorkerConfig;
use std::{sync::Arc, time::Duration};

pub(crate) async fn run(global: &cli::Global, args: cli::Worker, registry: Registry) -> Result<()> {
    let stop = stop::on_signal()?;
    if args.store.settings()?.choose()?.is_none() {
        DataDir::mark(&global.data_dir)?;
    }
    let mut artifacts = wiring::artifacts(&args.store, &global.data_dir.join("artifacts")).await?;
    if args.artifact_cache > 0 {
        artifacts = Arc::new(Cached::new(artifacts, args.artifact_cache * 1_000_000));
    }
    let provers = if args.prover.is_empty() { registry.types().collect() } else { args.prover };
    let config = WorkerConfig {
        id: args.id.unwrap_or_else(default_id).into(),
        coordinator: args.coordinator,
        kind: args.kind,
        max_weight: args.max_weight,
        provers,
        segment_memory: args.segment_memory,
        heartbeat: Duration::from_secs(3),
        build: args.build,
    };
    proofmill_worker::run(config, registry, artifacts, stop).await?;
    tracing::info!("the worker stopped");
    Ok(())
}

fn default_id() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "worker" } else { host.trim() };
    format!("{host}-{}", std::process::id())
}
