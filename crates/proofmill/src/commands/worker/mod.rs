//! `proofmill worker`.

pub(crate) mod guard;

use crate::{
    cli,
    observe::{self, Observed},
    stop, wiring,
};
use eyre::{Result, WrapErr};
use proofmill_artifacts::Cached;
use proofmill_backends::Registry;
use proofmill_ledger::DataDir;
use proofmill_primitives::TaskId;
use proofmill_worker::{WorkerConfig, memory};
use std::{env, path::PathBuf, sync::Arc, time::Duration};

pub(crate) async fn run(global: &cli::Global, args: cli::Worker, registry: Registry) -> Result<()> {
    if guard::is_wanted() {
        return guard::watch(&args, default_id()).await;
    }
    let stop = stop::on_signal()?;
    let observed = Observed::new("worker");
    observe::serve(&args.observing, observed.clone(), stop.clone()).await?;
    if args.store.settings()?.choose()?.is_none() {
        DataDir::mark(&global.data_dir)?;
    }
    let mut artifacts = wiring::artifacts(&args.store, &global.data_dir.join("artifacts")).await?;
    if args.artifact_cache > 0 {
        artifacts = Arc::new(Cached::new(artifacts, args.artifact_cache * 1_000_000));
    }
    let coordinator = args.coordinator().to_owned();
    let provers = if args.prover.is_empty() { registry.types().collect() } else { args.prover };
    let memory = memory::max_weight(args.max_weight)?;
    tokio::select! {
        checked = wiring::check_start(&registry, &provers, memory) => checked?,
        () = stop.cancelled() => return Ok(()),
    }
    let config = WorkerConfig {
        id: args.id.unwrap_or_else(default_id).into(),
        coordinator,
        kind: args.kind,
        max_weight: Some(memory),
        provers,
        segment_memory: args.segment_memory,
        heartbeat: Duration::from_secs(3),
        build: args.build,
        note: env::var_os(guard::NOTE).map(PathBuf::from),
        killed: killed()?,
    };
    observed.started(Vec::new);
    proofmill_worker::run(config, registry, artifacts, stop).await?;
    tracing::info!("the worker stopped");
    Ok(())
}

/// What this worker did when it was killed for want of memory, by its guard.
fn killed() -> Result<Vec<TaskId>> {
    let Ok(json) = env::var(guard::KILLED) else { return Ok(Vec::new()) };
    serde_json::from_str(&json).wrap_err_with(|| format!("{} is not what a guard writes", guard::KILLED))
}

fn default_id() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "worker" } else { host.trim() };
    format!("{host}-{}", std::process::id())
}
