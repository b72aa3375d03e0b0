//! What a prover node says of itself.

use crate::{observe, progress::duration, report::thousands};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use eyre::{Result, WrapErr, eyre};
use proofmill_prover_node::rules::{
    Candidate, Change, CheckpointState, EpochStage, Hindrance, PieceState, PublishStep, RootState,
    SessionState, Snapshot, StoppedBy, Time, Track,
};
use proofmill_wire::node::prover_node_service_client::ProverNodeServiceClient;
use std::time::Duration;
use tonic::{Status, transport::Channel};

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
            format!(
                "no prover node answers at {address}: start one with `proofmill prover-node`; one that is starting, and waits for its \
                 nodes, says so in its log and where its --metrics-listen is"
            )
        })?;
    Ok(ProverNodeServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
}

/// What a prover node at this address answered in place of what was asked for.
pub(crate) fn refused(address: &str, status: &Status) -> eyre::Report {
    // So says tonic where nobody answers in time.
    if status.message() == "Timeout expired" {
        return eyre!(
            "the prover node at {address} does not answer within {} s: its log says why, or something else listens there",
            PATIENCE.as_secs()
        );
    }
    eyre!("the prover node at {address}: {}", proofmill_wire::cause_of(status))
}

/// Asks the prover node at this address.
pub(crate) async fn of(address: &str) -> Result<String> {
    let answer = connect(address).await?.get_snapshot(()).await;
    let answer = answer.map_err(|status| refused(address, &status))?.into_inner();
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
                format!("{} ({})", of_session(&session.state, snapshot.at), roots.join(", "))
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
            CheckpointState::Stopped { cause, until, .. } => {
                format!("stopped, comes back in {}: {cause}", since(*until, snapshot.at))
            }
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
    out += &of_publishing(snapshot);
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
        let Some(why) = &epoch.waits else { continue };
        let when = match why {
            Hindrance::Delayed { until } | Hindrance::Stopped { until } => {
                format!(" (in {})", since(*until, snapshot.at))
            }
            _ => String::new(),
        };
        out += &format!("epoch {} is not being aggregated: {why}{when}\n", epoch.epoch);
    }
    // The native execution counts none.
    for (prover, limit) in snapshot.cycle_limits.iter().filter(|(prover, _)| prover.proves()) {
        let limit = thousands(limit.get());
        out += &format!("a range may take {limit} instructions of {prover} now (--cycle-limit)\n");
    }
    for problem in &snapshot.problems {
        out += &format!("problem: {problem}\n");
    }
    out
}

/// What is on its way to L1, and what waits for that.
fn of_publishing(snapshot: &Snapshot) -> String {
    let mut out = match &snapshot.publishing {
        PublishStep::Publishing { candidate, since: began, .. } => {
            let so_far = since(snapshot.at, *began);
            let before =
                candidate.trouble.as_ref().map_or_else(String::new, |cause| format!("; before: {cause}"));
            format!("epoch {} is being submitted, for {so_far} so far{before}\n", candidate.epoch)
        }
        PublishStep::Pruning { since: began, .. } => {
            format!(
                "what was not proven in time is being pruned on L1, for {} so far\n",
                since(snapshot.at, *began)
            )
        }
        PublishStep::Idle | PublishStep::ReadingTip { .. } | PublishStep::Picking { .. } => String::new(),
    };
    for candidate in &snapshot.candidates {
        out +=
            &format!("epoch {} waits to be submitted: {}\n", candidate.epoch, waits_for(candidate, snapshot));
    }
    out
}

fn waits_for(candidate: &Candidate, snapshot: &Snapshot) -> String {
    let proven = snapshot.l1.map(|l1| l1.proven);
    match (&candidate.trouble, candidate.span.first.before()) {
        (Some(trouble), _) => trouble.clone(),
        (None, Some(before)) if proven < Some(before) => {
            format!("L1 takes it when checkpoint {before} is proven")
        }
        (None, _) => "its turn".to_owned(),
    }
}

const fn stage(stage: EpochStage) -> &'static str {
    match stage {
        EpochStage::Running => "running",
        EpochStage::Ended => "ended",
        EpochStage::Proven => "proven",
        EpochStage::Expired => "expired",
    }
}

fn of_session(state: &SessionState, now: Time) -> String {
    match state {
        SessionState::Initialized => "begun".into(),
        SessionState::AwaitingCheckpoints => "awaiting checkpoints".into(),
        SessionState::AwaitingRoot => "awaiting root".into(),
        SessionState::Publishing => "publishing".into(),
        SessionState::Completed { .. } => "completed".into(),
        SessionState::Unsent(estimate) => format!("proven, not sent ({} gas)", estimate.gas),
        SessionState::Superseded { .. } => "superseded".into(),
        SessionState::Failed { cause } => format!("failed: {cause}"),
        SessionState::Stopped { by: StoppedBy::Itself { until }, cause } if *until > now => {
            format!("stopped, comes back in {}: {cause}", since(*until, now))
        }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use proofmill_primitives::{BlockRange, CheckpointNumber, Epoch, ProverType, SlotClock};
    use proofmill_prover_node::rules::{
        Config, EpochSpec, EpochStatus, L1Time, L1View, NodeState, Pass, RangeSpec, SessionId, SessionKind,
        Span, Wanted,
    };
    use std::num::NonZeroU64;

    /// A node that has seen nothing, a minute and a half after its beginning of time.
    fn snapshot() -> Snapshot {
        let one = NonZeroU64::MIN;
        let clock = SlotClock { genesis: 0, slot_seconds: one, epoch_slots: one, window_epochs: one };
        let at = Time::from_millis(90_000);
        Snapshot { at, ..NodeState::new(Config::new(clock, [ProverType::Exec])).snapshot() }
    }

    fn candidate(epoch: u64, first: u64) -> Candidate {
        let (first, last) = (CheckpointNumber(first), CheckpointNumber(first + 1));
        let (zero, blocks) = (B256::ZERO, BlockRange::new(1, 2).unwrap());
        let range = RangeSpec { blocks, parent_hash: zero, last_hash: zero };
        let spec = EpochSpec { range, from_commitment: zero, to_commitment: zero };
        Candidate {
            session: SessionId(epoch),
            kind: SessionKind::Full,
            epoch: Epoch(epoch),
            span: Span { first, last, spec, state_root: zero },
            deadline: L1Time(0),
            queued: Time::default(),
            not_before: Time::default(),
            tries: 0,
            trouble: None,
        }
    }

    #[test]
    fn what_an_epoch_waits_for_is_shown() {
        let mut snapshot = snapshot();
        let (pass, since) = (Pass(1), Time::from_millis(60_000));
        let sent = Candidate { trouble: Some("dear gas".to_owned()), ..candidate(3, 5) };
        snapshot.publishing =
            PublishStep::Publishing { pass, candidate: Box::new(sent), since, wanted: Wanted::Yes };
        let (pending, proven) = (CheckpointNumber(10), CheckpointNumber(4));
        snapshot.l1 = Some(L1View { time: L1Time(0), pending, proven, paused: 0, closes: None });
        let held_up = Candidate { trouble: Some("no funds".to_owned()), ..candidate(5, 9) };
        snapshot.candidates = vec![candidate(3, 5), candidate(4, 7), held_up];
        let until = Time::from_millis(133_000);
        snapshot.epochs.push(EpochStatus {
            epoch: Epoch(6),
            first: CheckpointNumber(11),
            last: CheckpointNumber(12),
            stage: EpochStage::Ended,
            waits: Some(Hindrance::Stopped { until }),
            ends_at: 0,
            deadline: 0,
        });
        let said = text(&snapshot, "here");
        for line in [
            "epoch 3 is being submitted, for 30 s so far; before: dear gas\n",
            "epoch 3 waits to be submitted: its turn\n",
            "epoch 4 waits to be submitted: L1 takes it when checkpoint 6 is proven\n",
            "epoch 5 waits to be submitted: no funds\n",
            "epoch 6 is not being aggregated: its last session stopped, and the next one opens later (in 43 s)\n",
        ] {
            assert!(said.contains(line), "no {line:?} in {said}");
        }
        // Nobody counts what the native execution takes.
        assert!(!said.contains("instructions of"), "{said}");
        snapshot.cycle_limits.insert(ProverType::OpenVm, NonZeroU64::new(72_000_000_000).unwrap());
        snapshot.publishing = PublishStep::Pruning { pass, since };
        let said = text(&snapshot, "here");
        assert!(said.contains("being pruned on L1, for 30 s so far"), "{said}");
        assert!(said.contains("a range may take 72 000 000 000 instructions of openvm now"), "{said}");
    }
}
