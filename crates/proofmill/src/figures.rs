//! What settling took, by checkpoint and by epoch: collected from the prover node's snapshots, which forget what is
//! settled.

use crate::{progress::duration, report::thousands};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use proofmill_primitives::{ProverType, SlotClock};
use proofmill_prover_node::rules::{
    CheckpointStatus, PieceState, ProofCost, RootState, SessionState, SessionStatus, Snapshot,
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// The figures of a run so far.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// By number and prover type.
    checkpoints: BTreeMap<(u64, ProverType), CheckpointRow>,
    /// By number.
    epochs: BTreeMap<u64, EpochRow>,
}

#[derive(Debug, Serialize)]
struct CheckpointRow {
    checkpoint: u64,
    prover: ProverType,
    epoch: u64,
    first_block: u64,
    last_block: u64,
    transactions: u64,
    gas: u64,
    instructions: u64,
    segments: u32,
    proving_ms: u64,
    proof_bytes: u64,
}

#[derive(Debug, Serialize)]
struct EpochRow {
    epoch: u64,
    first_checkpoint: u64,
    last_checkpoint: u64,
    first_block: u64,
    last_block: u64,
    /// Of all prover types together.
    aggregation_ms: u64,
    proof_bytes: u64,
    l1_transaction: Option<alloy_primitives::B256>,
    l1_gas: Option<u64>,
    /// From the epoch's end on L1 to the acceptance of its proof.
    settled_after_ms: u64,
}

impl Figures {
    /// Takes over what is new; returns the epochs that are settled since the last time.
    pub(crate) fn observe(&mut self, clock: &SlotClock, snapshot: &Snapshot) -> Vec<u64> {
        for status in &snapshot.checkpoints {
            self.checkpoint(status);
        }
        let mut settled = Vec::new();
        for session in &snapshot.sessions {
            if let SessionState::Completed { .. } = session.state
                && !self.epochs.contains_key(&session.spec.epoch.0)
            {
                self.epochs.insert(session.spec.epoch.0, epoch_row(clock, session));
                settled.push(session.spec.epoch.0);
            }
        }
        settled
    }

    /// How many epochs are settled.
    pub(crate) fn settled(&self) -> usize {
        self.epochs.len()
    }

    fn checkpoint(&mut self, status: &CheckpointStatus) {
        let checkpoint = &status.checkpoint;
        for (prover, track) in &status.tracks {
            let mut row = CheckpointRow {
                checkpoint: checkpoint.number.0,
                prover: *prover,
                epoch: status.epoch.0,
                first_block: checkpoint.blocks.first(),
                last_block: checkpoint.blocks.last(),
                transactions: 0,
                gas: 0,
                instructions: 0,
                segments: 0,
                proving_ms: 0,
                proof_bytes: 0,
            };
            let mut proven = 0;
            for piece in &track.pieces {
                let PieceState::Proven(done) = &piece.state else { continue };
                let ProofCost { instructions, segments, took } = done.cost;
                proven += 1;
                row.transactions += done.executed.transactions;
                row.gas += done.executed.gas_used;
                row.instructions += instructions.map_or(0, |instructions| instructions.0);
                row.segments += segments.unwrap_or(0);
                row.proving_ms += millis(took);
                row.proof_bytes += done.proof_bytes;
            }
            if proven == track.pieces.len() {
                self.checkpoints.insert((checkpoint.number.0, *prover), row);
            }
        }
    }

    /// The rows for machines.
    pub(crate) fn json(&self) -> serde_json::Value {
        let checkpoints: Vec<_> = self.checkpoints.values().collect();
        let epochs: Vec<_> = self.epochs.values().collect();
        serde_json::json!({ "checkpoints": checkpoints, "epochs": epochs })
    }

    /// The tables for people.
    pub(crate) fn tables(&self) -> String {
        let mut checkpoints = Table::new();
        checkpoints.load_style(UTF8_BORDERS_ONLY).set_header([
            "checkpoint",
            "epoch",
            "prover",
            "blocks",
            "transactions",
            "gas",
            "instructions",
            "per gas",
            "segments",
            "proving",
            "proof",
        ]);
        for ((number, prover), row) in &self.checkpoints {
            checkpoints.add_row([
                number.to_string(),
                row.epoch.to_string(),
                prover.to_string(),
                format!("{}-{}", row.first_block, row.last_block),
                thousands(row.transactions),
                thousands(row.gas),
                thousands(row.instructions),
                row.instructions.checked_div(row.gas).map_or_else(String::new, thousands),
                row.segments.to_string(),
                duration(Duration::from_millis(row.proving_ms)),
                format!("{} bytes", thousands(row.proof_bytes)),
            ]);
        }
        let mut epochs = Table::new();
        epochs.load_style(UTF8_BORDERS_ONLY).set_header([
            "epoch",
            "checkpoints",
            "blocks",
            "aggregation",
            "proof",
            "L1 transaction",
            "L1 gas",
            "settled after its end",
        ]);
        for (number, row) in &self.epochs {
            epochs.add_row([
                number.to_string(),
                format!("{}-{}", row.first_checkpoint, row.last_checkpoint),
                format!("{}-{}", row.first_block, row.last_block),
                duration(Duration::from_millis(row.aggregation_ms)),
                format!("{} bytes", thousands(row.proof_bytes)),
                row.l1_transaction.map_or_else(|| "(before a restart)".into(), short),
                row.l1_gas.map_or_else(String::new, thousands),
                duration(Duration::from_millis(row.settled_after_ms)),
            ]);
        }
        format!("{checkpoints}\n{epochs}")
    }
}

fn epoch_row(clock: &SlotClock, session: &SessionStatus) -> EpochRow {
    let mut row = EpochRow {
        epoch: session.spec.epoch.0,
        first_checkpoint: session.span.first.0,
        last_checkpoint: session.span.last.0,
        first_block: session.span.spec.range.blocks.first(),
        last_block: session.span.spec.range.blocks.last(),
        aggregation_ms: 0,
        proof_bytes: 0,
        l1_transaction: None,
        l1_gas: None,
        settled_after_ms: 0,
    };
    for root in session.roots.values() {
        if let RootState::Made(done) = &root.state {
            row.aggregation_ms += millis(done.cost.took);
            row.proof_bytes += done.proof_bytes;
        }
    }
    if let SessionState::Completed { receipt: Some(receipt) } = &session.state {
        row.l1_transaction = Some(receipt.transaction);
        row.l1_gas = Some(receipt.gas_used);
    }
    if let Some((at, _)) = session.history.last() {
        row.settled_after_ms = at.as_millis().saturating_sub(clock.ends_at(session.spec.epoch) * 1000);
    }
    row
}

/// The beginning of a hash: the whole one was said when it was settled, and stands in the report.
fn short(hash: alloy_primitives::B256) -> String {
    format!("{}…", &hash.to_string()[..12])
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
