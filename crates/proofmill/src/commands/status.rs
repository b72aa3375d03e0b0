//! `proofmill status`.

use crate::{
    cli,
    commands::node_status,
    observe::{self, RoleStatus},
    progress::duration,
    report::thousands,
};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use eyre::{Result, WrapErr, bail, eyre};
use proofmill_client::{ClientError, ClusterClient};
use proofmill_http::{BodyError, NodeUrl};
use proofmill_wire::{
    operator::{ProofPhase, ProofProgress, StatusRequest, StatusResponse},
    worker::GetStatsResponse,
};
use std::{
    num::NonZeroU32,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use url::Url;

/// Where a cluster is looked for that nobody names.
const CLUSTER: &str = "http://127.0.0.1:50051";
/// How many workers, and how many proofs, are shown at a time.
const PAGE: u32 = 100;
/// How long a role may take to tell its status.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest status that is taken, in bytes.
const LARGEST: usize = 64 << 20;

pub(crate) async fn run(args: &cli::Status) -> Result<()> {
    if let Some(url) = &args.role {
        print!("{}", of_role(url).await?);
        return Ok(());
    }
    if let Some(address) = &args.node {
        print!("{}", node_status::of(address).await?);
    }
    let address = args.cluster.as_deref().unwrap_or(CLUSTER);
    let cluster = match ClusterClient::connect(address).await {
        // The node may have its cluster elsewhere, or none: its proofs are made by itself, or by provers that pull.
        Err(ClientError::NobodyThere { .. }) if args.cluster.is_none() && args.node.is_some() => {
            println!("no cluster answers at {address}: name the node's with --cluster, if it has one");
            return Ok(());
        }
        connected => connected?,
    };
    let skip = (args.page.get() - 1).saturating_mul(PAGE);
    let page = StatusRequest { skip, limit: PAGE };
    let (status, stats) = (cluster.status(page).await?, cluster.stats().await?);
    let pages = pages(&status, args.page)?;
    print!("{}{pages}", text(&status, &stats, address));
    Ok(())
}

/// What a role tells over HTTP (its `--metrics-listen`).
async fn of_role(url: &Url) -> Result<String> {
    let place = url.join("/status")?;
    let answer = proofmill_http::client_for(&place)
        .get(place)
        .timeout(PATIENCE)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status);
    let told = match answer {
        Ok(answer) => proofmill_http::body(answer, LARGEST).await,
        Err(error) => Err(BodyError::BrokeOff(error)),
    };
    let told = told.map_err(|error| {
        eyre!(
            "no role tells its status at {}: {error}; start it with --metrics-listen",
            NodeUrl::from(url.clone())
        )
    })?;
    let status: RoleStatus = serde_json::from_slice(&told).wrap_err_with(|| {
        format!(
            "what {} tells is no status that this release can read: check that it is the --metrics-listen of a role, and of the same \
             release",
            NodeUrl::from(url.clone())
        )
    })?;
    Ok(format!("{} {}\n{}", status.role, status.version, observe::text(&status)))
}

fn text(status: &StatusResponse, stats: &GetStatsResponse, address: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = |ms: u64| duration(now.saturating_sub(Duration::from_millis(ms)));
    let mut out = format!("proofmill {} at {address}, up {}\n", status.version, since(status.started_at_ms));
    out += &totals(stats);

    if status.workers.is_empty() && status.all_workers == 0 {
        out += "no workers: start one with `proofmill worker --coordinator ";
        out += &format!("{address}`\n");
    } else {
        let mut table = Table::new();
        table
            .load_style(UTF8_BORDERS_ONLY)
            .set_header(["worker", "kind", "provers", "weight", "heard of", "tasks"]);
        for worker in &status.workers {
            let draining = if worker.draining { " (draining)" } else { "" };
            // It may have room, and yet is given nothing.
            let apart = if worker.apart { " (one task apart, after a kill for memory)" } else { "" };
            table.add_row([
                format!("{}{draining}{apart}", worker.id),
                worker.kind.clone(),
                worker.provers.join(", "),
                format!("{} of {} GB", worker.current_weight, worker.max_weight),
                format!("{} ago", duration(Duration::from_millis(worker.silent_ms))),
                worker.tasks.join(", "),
            ]);
        }
        out += &format!("{table}\n");
    }

    if status.proofs.is_empty() {
        // A later page may have workers alone.
        out += if status.all_proofs == 0 { "no proofs yet\n" } else { "" };
        return out;
    }
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header([
        "proof",
        "prover",
        "mode",
        "state",
        "tasks",
        "instructions",
        "time",
    ]);
    for proof in &status.proofs {
        let ended = if proof.ended_at_ms == 0 { now } else { Duration::from_millis(proof.ended_at_ms) };
        table.add_row([
            proof.proof_id.clone(),
            proof.prover.clone() + if proof.prover == "exec" { " (proves nothing)" } else { "" },
            proof.mode.clone(),
            state(proof),
            tasks(proof),
            thousands(proof.instructions),
            duration(ended.saturating_sub(Duration::from_millis(proof.created_at_ms))),
        ]);
    }
    out += &format!("{table}\n");
    for proof in &status.proofs {
        if !proof.diagnosis.is_empty() {
            out += &format!("{} waits: {}\n", proof.proof_id, proof.diagnosis);
        }
        if !proof.cause.is_empty() {
            out += &format!("{} failed: {}\n", proof.proof_id, proof.cause);
        }
    }
    out
}

/// Which page it is, where there are several. Nothing of an older cluster, which tells all at once.
fn pages(status: &StatusResponse, page: NonZeroU32) -> Result<String> {
    let StatusResponse { all_workers, all_proofs, .. } = status;
    let pages = all_workers.max(all_proofs).div_ceil(PAGE).max(1);
    if page.get() > pages {
        bail!("--page {page}: the last is {pages}, with {all_workers} worker(s) and {all_proofs} proof(s)");
    }
    Ok(match pages {
        1 => String::new(),
        _ => format!("page {page} of {pages} (--page): {all_workers} worker(s), {all_proofs} proof(s)\n"),
    })
}

/// The totals that `GetStats` has. A worker of kind `all` counts for CPU and for GPU.
fn totals(stats: &GetStatsResponse) -> String {
    let of = |name: &str, workers: u32, queue: u32, current: u32, max: u32| {
        format!("{name}: {workers} worker(s), {current} of {max} GB in use, {queue} task(s) waiting")
    };
    let GetStatsResponse { total_tasks, active_tasks, active_proofs, active_subscribers, .. } = stats;
    format!(
        "{active_proofs} proof(s) in progress; {active_tasks} task(s) active, {total_tasks} since the ledger began; {active_subscribers} \
         subscriber(s)\n{}\n{}\n",
        of(
            "CPU",
            stats.cpu_workers,
            stats.cpu_queue,
            stats.cpu_utilization_current,
            stats.cpu_utilization_max
        ),
        of(
            "GPU",
            stats.gpu_workers,
            stats.gpu_queue,
            stats.gpu_utilization_current,
            stats.gpu_utilization_max
        ),
    )
}

fn state(proof: &ProofProgress) -> String {
    match proof.phase() {
        ProofPhase::Active if proof.diagnosis.is_empty() => "active",
        ProofPhase::Active => "waiting",
        ProofPhase::Completed => "completed",
        ProofPhase::Failed => "failed",
        ProofPhase::Cancelled => "cancelled",
        ProofPhase::Unspecified => "?",
    }
    .into()
}

fn tasks(proof: &ProofProgress) -> String {
    proof
        .kinds
        .iter()
        .map(|kind| format!("{} {}/{}", kind.kind, kind.succeeded, kind.known()))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_there_is_said() {
        let status = |all_proofs| StatusResponse { all_proofs, ..StatusResponse::default() };
        let at = |all_proofs, page| pages(&status(all_proofs), NonZeroU32::new(page).unwrap());
        assert_eq!((at(0, 1).unwrap(), at(100, 1).unwrap()), (String::new(), String::new()));
        assert!(at(101, 2).unwrap().contains("page 2 of 2"));
        for (proofs, page) in [(0, 2), (100, 2), (101, 3)] {
            assert!(at(proofs, page).unwrap_err().to_string().contains("the last is"), "{proofs} {page}");
        }
    }
}
