//! What a prover node says of itself.

use crate::{observe, progress::duration};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use eyre::{Result, WrapErr, eyre};
use proofmill_prover_node::rules::{
    Change, CheckpointState, EpochStage, PieceState, RootState, SessionState, Snapshot, Time, Track,
};
use proofmill_wire::node::prover_node_service_client::ProverNodeServiceClient;
use std::time::Duration;
use tonic::transport::Channel;

/// The largest answer taken, in bytes: a kilobyte for each checkpoint whose epoch is not over.
const MAX_MESSAGE: usize = 256 << 20;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connects to the prover node at this address.
pub(crate) async fn connect(address: &str) -> Result<ProverNodeServiceClient<Channel>> {
    let channel = proofmill_wire::endpoint(address)?
        .connect_timeout(Duration::from_secs(5))
        .timeout(PATIENCE)
        .connect()
        .await
        .wrap_err_with(|| {
            format!("no prover node answers at {address}: start one with `proofmill prover-node`")
        })?;
    Ok(ProverNodeServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
}

/// Asks the prover node at this address.
pub(crate) async fn of(address: &str) -> Result<String> {
    let answer = connect(address).await?.get_snapshot(()).await;
    let answer = answer.map_err(|status| eyre!("{address}: {}", status.message()))?.into_inner();
    let snapshot: Snapshot = serde_json::from_str(&answer.json).wrap_err_with(|| {
        format!("the prover node at {address} has version {}, another than this", answer.version)
    })?;
    let mut out = text(&snapshot, address);
    // A node of an earlier release does not tell it.
    if let Ok(status) = serde_json::from_str::<observe::RoleStatus>(&answer.role_json) {
        // Its problems are in the snapshot.
        out += &observe::text(&observe::RoleStatus { problems: Vec::new(), ..status });
    }
    Ok(out)
}

fn text(snapshot: &Snapshot, address: &str) -> String {
    let l1 = snapshot.l1.map_or_else(
        || "L1 not read yet".to_owned(),
        |l1| format!("L1 has {} checkpoints, {} proven", l1.pending, l1.proven),
    );
    let mut out = format!("prover node at {address}: {l1}\n");
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(["epoch", "checkpoints", "stage", "session"]);
    for epoch in &snapshot.epochs {
        let session = snapshot.sessions.iter().rev().find(|session| session.spec.epoch == epoch.epoch);
        table.add_row([
            epoch.epoch.to_string(),
            format!("{}-{}", epoch.first, epoch.last),
            stage(epoch.stage).to_owned(),
            session.map_or_else(String::new, |session| {
                let roots: Vec<_> = session
                    .roots
                    .iter()
                    .map(|(prover, root)| format!("{prover}: {}", of_root(&root.state)))
                    .collect();
                format!("{} ({})", of_session(&session.state), roots.join(", "))
            }),
        ]);
    }
    if !snapshot.epochs.is_empty() {
        out += &format!("{table}\n");
    }
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header([
        "checkpoint",
        "epoch",
        "slot",
        "blocks",
        "here for",
        "state",
    ]);
    for status in &snapshot.checkpoints {
        let tracks: Vec<_> =
            status.tracks.iter().map(|(prover, track)| format!("{prover}: {}", of_track(track))).collect();
        let state = match &status.state {
            CheckpointState::Failed { cause, .. } => format!("refuted: {cause}"),
            CheckpointState::Stopped { cause, .. } => format!("stopped, comes back: {cause}"),
            _ => tracks.join(", "),
        };
        table.add_row([
            status.checkpoint.number.to_string(),
            status.epoch.to_string(),
            status.checkpoint.slot.to_string(),
            status.checkpoint.blocks.to_string(),
            since(snapshot.at, status.added),
            state,
        ]);
    }
    if !snapshot.checkpoints.is_empty() {
        out += &format!("{table}\n");
    }
    for candidate in &snapshot.candidates {
        let trouble = candidate.trouble.as_deref().unwrap_or("its turn");
        out += &format!("epoch {} waits to be submitted: {trouble}\n", candidate.epoch);
    }
    for entry in &snapshot.discarded {
        if let Change::ProofDiscarded { epoch, prover, level, range, cause } = &entry.change {
            out += &format!(
                "epoch {epoch}: {} ago the {} proof of blocks {} by {prover} did not hold and was removed: {cause}\n",
                since(snapshot.at, entry.at),
                level.name(),
                range.blocks
            );
        }
    }
    for epoch in &snapshot.epochs {
        if let Some(why) = &epoch.waits {
            out += &format!("epoch {} is not being aggregated: {why}\n", epoch.epoch);
        }
    }
    for problem in &snapshot.problems {
        out += &format!("problem: {problem}\n");
    }
    out
}

const fn stage(stage: EpochStage) -> &'static str {
    match stage {
        EpochStage::Running => "running",
        EpochStage::Ended => "ended",
        EpochStage::Proven => "proven",
        EpochStage::Expired => "expired",
    }
}

fn of_session(state: &SessionState) -> String {
    match state {
        SessionState::Initialized => "begun".into(),
        SessionState::AwaitingCheckpoints => "awaiting checkpoints".into(),
        SessionState::AwaitingRoot => "awaiting root".into(),
        SessionState::Publishing => "publishing".into(),
        SessionState::Completed { .. } => "completed".into(),
        SessionState::Unsent(estimate) => format!("proven, not sent ({} gas)", estimate.gas),
        SessionState::Superseded { .. } => "superseded".into(),
        SessionState::Failed { cause } => format!("failed: {cause}"),
        SessionState::Stopped { cause, .. } => format!("stopped: {cause}"),
        SessionState::TimedOut => "timed out".into(),
        SessionState::Cancelled { .. } => "cancelled".into(),
    }
}

fn of_root(state: &RootState) -> String {
    match state {
        RootState::AwaitingRanges { ready, of } => format!("{ready} of {of} checkpoints"),
        RootState::Waiting { .. } => "waiting".into(),
        RootState::Aggregating { progress, .. } => {
            progress.map_or_else(|| "aggregating".into(), |so_far| so_far.to_string())
        }
        RootState::Made(_) => "made".into(),
        RootState::GivenUp => "given up".into(),
    }
}

fn of_track(track: &Track) -> String {
    let proven = track.pieces.iter().filter(|piece| matches!(piece.state, PieceState::Proven(_))).count();
    if proven == track.pieces.len() {
        let costs = track.pieces.iter().filter_map(|piece| match &piece.state {
            PieceState::Proven(done) => done.per_gas(),
            _ => None,
        });
        return costs
            .max()
            .map_or_else(|| "proven".into(), |most| format!("proven, {most} instructions per gas"));
    }
    let running = track.pieces.iter().find_map(|piece| match &piece.state {
        PieceState::Proving { progress: Some(so_far), .. } => Some(so_far.to_string()),
        PieceState::Proving { .. } => Some("proving".into()),
        PieceState::Waiting { .. } => Some(format!("waiting: {}", piece.trouble.as_deref().unwrap_or(""))),
        _ => None,
    });
    let running = running.unwrap_or_else(|| "queued".into());
    if track.pieces.len() == 1 {
        running
    } else {
        format!("{proven} of {} parts, {running}", track.pieces.len())
    }
}

fn since(now: Time, then: Time) -> String {
    duration(now.since(then))
}
