//! What a prover node counts, where the process has a recorder of metrics.

use super::spells::{Of, Spell};
use crate::rules::{
    CandidateEnd, Change, EpochStage, EpochStatus, Origin, ProofCost, RangeDone, Receipt, RootDone,
    SessionState, SessionStatus, Snapshot,
};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use proofmill_primitives::ProverType;
use std::fmt::Display;

const SESSIONS: &str = "proofmill_node_sessions_total";
const RANGES: &str = "proofmill_node_ranges_total";
const ROOTS: &str = "proofmill_node_epoch_proofs_total";
const CHECKPOINTS: &str = "proofmill_node_checkpoints_total";
const MISSED: &str = "proofmill_node_epochs_missed_total";
const VOID: &str = "proofmill_node_checkpoints_void_total";
const DISCARDED: &str = "proofmill_node_proofs_discarded_total";
const BLOCKS: &str = "proofmill_node_blocks_proven_total";
const TRANSACTIONS: &str = "proofmill_node_transactions_proven_total";
const GAS: &str = "proofmill_node_gas_proven_total";
const INSTRUCTIONS: &str = "proofmill_node_instructions_total";
const RANGE_SECONDS: &str = "proofmill_node_range_proof_seconds";
const ROOT_SECONDS: &str = "proofmill_node_epoch_proof_seconds";
const SESSION_STATE_SECONDS: &str = "proofmill_node_session_state_seconds";
const CHECKPOINT_STATE_SECONDS: &str = "proofmill_node_checkpoint_state_seconds";
const PUBLISHES: &str = "proofmill_node_publishes_total";
const PRUNES: &str = "proofmill_node_prunes_total";
const L1_GAS: &str = "proofmill_node_publish_gas_total";
const L1_FEE: &str = "proofmill_node_publish_fee_eth_total";
const PENDING: &str = "proofmill_node_pending_checkpoint";
const PROVEN: &str = "proofmill_node_proven_checkpoint";
const UNSETTLED: &str = "proofmill_node_unsettled_epochs";
const LIVE: &str = "proofmill_node_live_sessions";
const MARGIN: &str = "proofmill_node_deadline_margin_seconds";

pub(super) fn describe() {
    describe_counter!(SESSIONS, "States that sessions came into, by kind of session.");
    describe_counter!(
        RANGES,
        "Range proofs, by prover type and what came of them: made, reused, failed, split."
    );
    describe_counter!(ROOTS, "Epoch proofs, by prover type and what came of them: made, reused, delayed.");
    describe_counter!(
        CHECKPOINTS,
        "Checkpoints that were added, proven, stopped (they come back) or refuted."
    );
    describe_counter!(MISSED, "Epochs whose window closed without a proof on L1.");
    describe_counter!(VOID, "Checkpoints that a reorg or a prune took away, by cause.");
    describe_counter!(DISCARDED, "Proofs that did not hold or were refused, and were removed.");
    describe_counter!(
        BLOCKS,
        "Blocks of L2 in range proofs, by prover type; those of proofs that were there too."
    );
    describe_counter!(TRANSACTIONS, "Transactions of L2 in range proofs that were made.");
    describe_counter!(GAS, "Gas of L2 in range proofs that were made.");
    describe_counter!(INSTRUCTIONS, "Instructions that proofs took, where they are counted.");
    describe_histogram!(RANGE_SECONDS, Unit::Seconds, "How long range proofs took that were made.");
    describe_histogram!(ROOT_SECONDS, Unit::Seconds, "How long epoch proofs took that were made.");
    describe_histogram!(
        SESSION_STATE_SECONDS,
        Unit::Seconds,
        "How long sessions were in each state that they left."
    );
    describe_histogram!(
        CHECKPOINT_STATE_SECONDS,
        Unit::Seconds,
        "How long checkpoints were being proven, and stopped."
    );
    describe_counter!(PUBLISHES, "Epoch proofs that left the queue for L1, by how.");
    describe_counter!(
        PRUNES,
        "What was not proven in time and was given up on L1, by who sent that: this node, or others."
    );
    describe_counter!(L1_GAS, "Gas of L1 that submissions and prunes used, also those that failed there.");
    describe_counter!(L1_FEE, "What they cost, in ether.");
    describe_gauge!(PENDING, "The newest checkpoint on L1.");
    describe_gauge!(PROVEN, "The proven tip on L1.");
    describe_gauge!(UNSETTLED, "Epochs that have ended and are not proven on L1.");
    describe_gauge!(LIVE, "Sessions by the state that they are in.");
    describe_gauge!(
        MARGIN,
        Unit::Seconds,
        "Until the window of the oldest of those epochs closes; NaN where there is none."
    );
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Made => "made",
        Origin::Reused => "reused",
    }
}

fn range(prover: ProverType, outcome: &'static str) {
    counter!(RANGES, "prover" => prover.name(), "outcome" => outcome).increment(1);
}

fn root(prover: ProverType, outcome: &'static str) {
    counter!(ROOTS, "prover" => prover.name(), "outcome" => outcome).increment(1);
}

fn checkpoint(state: &'static str) {
    counter!(CHECKPOINTS, "state" => state).increment(1);
}

/// A change that the rules report.
pub(super) fn changed(change: &Change) {
    match change {
        Change::CheckpointAdded { .. } => checkpoint("added"),
        Change::CheckpointProven { .. } => checkpoint("proven"),
        Change::CheckpointStopped { .. } => checkpoint("stopped"),
        Change::CheckpointFailed { .. } => checkpoint("refuted"),
        Change::RangeProven { prover, origin: how, range: blocks, .. } => {
            range(*prover, origin(*how));
            counter!(BLOCKS, "prover" => prover.name()).increment(blocks.blocks.len());
        }
        Change::RangeFailed { prover, .. } => range(*prover, "failed"),
        Change::RangeSplit { prover, .. } => range(*prover, "split"),
        Change::RootProven { prover, origin: how, .. } => root(*prover, origin(*how)),
        Change::RootDelayed { prover, .. } => root(*prover, "delayed"),
        Change::EpochMissed { .. } => counter!(MISSED).increment(1),
        Change::Pruned { removed, cause, .. } => {
            counter!(VOID, "cause" => cause.name()).increment(*removed as u64);
        }
        Change::ProofDiscarded { prover, .. } => {
            counter!(DISCARDED, "prover" => prover.name()).increment(1);
        }
        Change::Session { spec, state, .. } => {
            counter!(SESSIONS, "kind" => spec.kind.name(), "state" => state.name()).increment(1);
        }
        Change::PruneEnded { receipt } => {
            counter!(PRUNES, "sender" => if receipt.is_some() { "self" } else { "other" }).increment(1);
            receipt.iter().for_each(paid);
        }
        Change::Candidate { end, .. } => published(end),
        _ => {}
    }
}

fn paid(receipt: &Receipt) {
    counter!(L1_GAS).increment(receipt.gas_used);
    // A counter of whole numbers would be of gwei; a gauge that only grows is read the same.
    gauge!(L1_FEE).increment(receipt.fee as f64 / 1e18);
}

/// Says and counts that a transaction failed on L1: it is paid for, whatever comes of what it was for.
pub fn paid_in_vain(call: impl Display, receipt: &Receipt) {
    paid(receipt);
    let Receipt { transaction, block: l1_block, gas_used: gas, fee: fee_wei } = *receipt;
    tracing::warn!(
        event = "transaction_failed", %call, %transaction, l1_block, gas, fee_wei,
        "a transaction failed on L1, and is paid for"
    );
}

fn published(end: &CandidateEnd) {
    let how = match end {
        CandidateEnd::Published { receipt } => {
            receipt.iter().for_each(paid);
            "published"
        }
        CandidateEnd::Unsent(_) => "unsent",
        CandidateEnd::Superseded { .. } => "superseded",
        CandidateEnd::Failed { .. } => "refused",
        CandidateEnd::Expired => "expired",
        CandidateEnd::Withdrawn => "withdrawn",
    };
    counter!(PUBLISHES, "outcome" => how).increment(1);
}

/// A state that was left.
pub(super) fn spent(spell: &Spell) {
    let name = match spell.of {
        Of::Session => SESSION_STATE_SECONDS,
        Of::Checkpoint => CHECKPOINT_STATE_SECONDS,
    };
    histogram!(name, "state" => spell.state).record(spell.lasted);
}

/// What is not counted is no 0.
fn instructions(cost: &ProofCost) {
    if let Some(instructions) = cost.instructions {
        counter!(INSTRUCTIONS).increment(instructions.0);
    }
}

/// A range proof that is there.
pub(super) fn range_done(done: &RangeDone) {
    if done.origin == Origin::Made {
        counter!(TRANSACTIONS).increment(done.executed.transactions);
        counter!(GAS).increment(done.executed.gas_used);
        instructions(&done.cost);
        histogram!(RANGE_SECONDS).record(done.cost.took);
    }
}

/// An epoch proof that is there.
pub(super) fn root_done(done: &RootDone) {
    if done.origin == Origin::Made {
        instructions(&done.cost);
        histogram!(ROOT_SECONDS).record(done.cost.took);
    }
}

/// The state as it is shown.
pub(super) fn standing(snapshot: &Snapshot) {
    gauge!(UNSETTLED).set(unsettled(snapshot).count() as f64);
    if let Some(l1) = &snapshot.l1 {
        gauge!(PENDING).set(l1.pending.0 as f64);
        gauge!(PROVEN).set(l1.proven.0 as f64);
        gauge!(MARGIN).set(margin(snapshot).unwrap_or(f64::NAN));
    }
    for state in SessionState::LIVE {
        gauge!(LIVE, "state" => state).set(in_state(snapshot, state) as f64);
    }
}

/// Epochs that have ended and are not proven on L1.
fn unsettled(snapshot: &Snapshot) -> impl Iterator<Item = &EpochStatus> {
    snapshot.epochs.iter().filter(|epoch| epoch.stage == EpochStage::Ended)
}

/// Seconds until the first of their windows closes.
fn margin(snapshot: &Snapshot) -> Option<f64> {
    let now = snapshot.l1?.time.0 as f64;
    unsettled(snapshot).map(|epoch| epoch.deadline as f64 - now).reduce(f64::min)
}

/// How many sessions are in a state. One that stopped counts until the next one is there, or none is needed.
fn in_state(snapshot: &Snapshot, state: &str) -> usize {
    let in_it = snapshot.sessions.iter().filter(|session| session.state.name() == state);
    in_it.filter(|session| session.state.is_live() || is_awaited(snapshot, session)).count()
}

/// Whether the next session for the same is still to come.
fn is_awaited(snapshot: &Snapshot, session: &SessionStatus) -> bool {
    let has_next = snapshot.sessions.iter().any(|other| other.spec == session.spec && other.id > session.id);
    let is_open = |epoch: &EpochStatus| {
        let stage = epoch.stage;
        epoch.epoch == session.spec.epoch && matches!(stage, EpochStage::Running | EpochStage::Ended)
    };
    !has_next && snapshot.epochs.iter().any(is_open)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::rules::{
        Config, Event, Executed, L1Time, L1View, NodeState, ProofLevel, RangeSpec, SessionId, StoppedBy, Time,
    };
    use alloy_primitives::B256;
    use metrics::with_local_recorder;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use proofmill_chain::PruneCause;
    use proofmill_primitives::{
        BlockRange, Checkpoint, CheckpointNumber, Epoch, Instructions, Slot, SlotClock,
    };
    use std::{num::NonZeroU64, time::Duration};

    /// The first epoch has ended with a checkpoint that is not proven. Its window would close at second 144, and the rollup was paused
    /// for a minute.
    fn snapshot(time: u64) -> Snapshot {
        let some = |number| NonZeroU64::new(number).unwrap();
        let clock =
            SlotClock { genesis: 0, slot_seconds: some(12), epoch_slots: some(4), window_epochs: some(2) };
        let mut node = NodeState::new(Config::new(clock, [ProverType::Exec]));
        let (pending, proven) = (CheckpointNumber(1), CheckpointNumber(0));
        let l1 = L1View { time: L1Time(time), pending, proven, paused: 60, closes: Some(L1Time(204)) };
        let zero = B256::ZERO;
        let checkpoint = Checkpoint {
            number: pending,
            slot: Slot(0),
            blocks: BlockRange::new(1, 10).unwrap(),
            parent_hash: zero,
            last_hash: zero,
            state_root: zero,
            last_timestamp: 0,
            parent_commitment: zero,
            commitment: zero,
        };
        for event in [Event::Began { l1 }, Event::Checkpointed(checkpoint)] {
            node.handle(Time::from_millis(1_000 * time), event).unwrap();
        }
        node.snapshot()
    }

    /// What Prometheus reads of what is counted here.
    fn page(count: impl FnOnce()) -> String {
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, count);
        recorder.handle().render()
    }

    #[test]
    fn what_goes_wrong_is_counted_with_what_it_cost() {
        let (epoch, prover, cause) = (Epoch(1), ProverType::Sp1, String::new());
        let receipt =
            Receipt { transaction: B256::ZERO, block: 9, gas_used: 90_000, fee: 2_000_000_000_000_000 };
        let range = RangeSpec {
            blocks: BlockRange::new(1, 10).unwrap(),
            parent_hash: B256::ZERO,
            last_hash: B256::ZERO,
        };
        let level = ProofLevel::Range;
        let end = CandidateEnd::Published { receipt: Some(receipt) };
        let changes = [
            Change::Pruned { to: CheckpointNumber(3), removed: 2, cause: PruneCause::L1Reorg },
            Change::EpochMissed { epoch, cause: cause.clone() },
            Change::ProofDiscarded { epoch, prover, level, range, cause: cause.clone() },
            Change::RootDelayed { session: SessionId(1), epoch, prover, cause },
            Change::PruneEnded { receipt: Some(receipt) },
            Change::PruneEnded { receipt: None },
            Change::Candidate { session: SessionId(1), epoch, end },
        ];
        let page = page(|| {
            changes.iter().for_each(changed);
            paid_in_vain("submitEpochProof", &receipt);
        });
        for sample in [
            "proofmill_node_checkpoints_void_total{cause=\"L1 reorg\"} 2",
            "proofmill_node_epochs_missed_total 1",
            "proofmill_node_proofs_discarded_total{prover=\"sp1\"} 1",
            "proofmill_node_epoch_proofs_total{prover=\"sp1\",outcome=\"delayed\"} 1",
            "proofmill_node_prunes_total{sender=\"self\"} 1",
            "proofmill_node_prunes_total{sender=\"other\"} 1",
            "proofmill_node_publishes_total{outcome=\"published\"} 1",
            // Of a prune, of what was published, and of what failed.
            "proofmill_node_publish_gas_total 270000",
            "proofmill_node_publish_fee_eth_total 0.006",
        ] {
            assert!(page.lines().any(|line| line == sample), "{sample} is not in\n{page}");
        }
    }

    #[test]
    fn what_is_counted_of_a_proof_is_of_one_that_was_made() {
        let executed = Executed { gas_used: 42_000, transactions: 2 };
        let cost = |instructions| ProofCost { instructions, segments: None, took: Duration::from_secs(3) };
        let done =
            |origin, instructions| RangeDone { executed, proof_bytes: 1, cost: cost(instructions), origin };
        let root = RootDone { proof_bytes: 1, cost: cost(Some(Instructions(5))), origin: Origin::Made };
        let counted = page(|| {
            range_done(&done(Origin::Made, Some(Instructions(700))));
            range_done(&done(Origin::Reused, Some(Instructions(700))));
            root_done(&root);
        });
        for sample in [
            "proofmill_node_transactions_proven_total 2",
            "proofmill_node_gas_proven_total 42000",
            "proofmill_node_instructions_total 705",
            "proofmill_node_range_proof_seconds_count 1",
            "proofmill_node_range_proof_seconds_sum 3",
            "proofmill_node_epoch_proof_seconds_count 1",
        ] {
            assert!(counted.lines().any(|line| line == sample), "{sample} is not in\n{counted}");
        }
        // What is not counted is absent.
        assert!(!page(|| range_done(&done(Origin::Made, None))).contains("instructions"));
    }

    #[test]
    fn a_pause_of_the_rollup_is_counted_once() {
        assert_eq!(margin(&snapshot(192)), Some(12.0));
        assert_eq!(margin(&snapshot(203)), Some(1.0));
    }

    #[test]
    fn a_session_that_stopped_counts_until_the_next_one_is_there_or_none_is_needed() {
        let mut snapshot = snapshot(60);
        let live = snapshot.sessions.pop().unwrap();
        let stopped = |id| {
            let by = StoppedBy::Itself { until: Time::default() };
            let state = SessionState::Stopped { by, cause: String::new() };
            SessionStatus { id: SessionId(live.id.0 + id), state, ..live.clone() }
        };
        let next = SessionStatus { id: SessionId(live.id.0 + 2), ..live.clone() };
        snapshot.sessions = vec![stopped(0), stopped(1)];
        assert_eq!(in_state(&snapshot, "stopped"), 1);
        snapshot.sessions.push(next);
        assert_eq!((in_state(&snapshot, "stopped"), in_state(&snapshot, live.state.name())), (0, 1));
        snapshot.sessions.pop();
        snapshot.epochs.first_mut().unwrap().stage = EpochStage::Proven;
        assert_eq!(in_state(&snapshot, "stopped"), 0);
    }
}
