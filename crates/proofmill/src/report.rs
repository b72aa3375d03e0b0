//! The figures of a run, as a table for people and as JSON for machines.

use crate::progress::duration;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use proofmill_backends::Proof;
use proofmill_primitives::{BlockRange, Instructions};
use proofmill_service::Executed;
use proofmill_wire::operator::ProofProgress;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// What a proof took.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) prover: String,
    pub(crate) mode: String,
    /// Whether the proof convinces anybody.
    pub(crate) proves: bool,
    /// Why nobody should rely on it even so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) insecure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blocks: Option<Blocks>,
    /// zkVM instructions.
    pub(crate) instructions: u64,
    pub(crate) tasks: BTreeMap<String, Tasks>,
    /// By worker.
    pub(crate) workers: BTreeMap<String, Worker>,
    pub(crate) proof_bytes: usize,
    pub(crate) witness_ms: u64,
    pub(crate) proving_ms: u64,
    pub(crate) verify_ms: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Blocks {
    pub(crate) chain_id: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) transactions: u64,
    pub(crate) gas: u64,
    /// zkVM instructions for each gas, where they are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_gas: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Tasks {
    pub(crate) count: u32,
    pub(crate) busy_ms: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Worker {
    pub(crate) tasks: u32,
    pub(crate) busy_ms: u64,
    pub(crate) peak_memory_mb: u32,
}

impl Report {
    pub(crate) fn new(
        proof: &Proof,
        proof_bytes: usize,
        progress: &ProofProgress,
        blocks: Option<(u64, BlockRange, Executed)>,
        witness: Duration,
        verify: Duration,
    ) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            prover: proof.prover.name().into(),
            mode: proof.mode.name().into(),
            proves: proof.prover.proves(),
            insecure: None,
            blocks: blocks.map(|(chain_id, range, executed)| Blocks {
                chain_id,
                first: range.first(),
                last: range.last(),
                transactions: executed.transactions,
                gas: executed.gas_used,
                per_gas: executed.per_gas(Instructions(progress.instructions)),
            }),
            instructions: progress.instructions,
            tasks: progress
                .kinds
                .iter()
                .filter(|kind| kind.kind != "Controller" && kind.succeeded > 0)
                .map(|kind| (kind.kind.clone(), Tasks { count: kind.succeeded, busy_ms: kind.busy_ms }))
                .collect(),
            workers: progress
                .workers
                .iter()
                .map(|worker| {
                    let share = Worker {
                        tasks: worker.tasks,
                        busy_ms: worker.busy_ms,
                        peak_memory_mb: worker.peak_memory_mb,
                    };
                    (worker.worker_id.clone(), share)
                })
                .collect(),
            proof_bytes,
            witness_ms: ms(witness),
            proving_ms: progress.ended_at_ms.saturating_sub(progress.created_at_ms),
            verify_ms: ms(verify),
        }
    }

    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        let mut row = |name: &str, value: String| {
            table.add_row([name.to_owned(), value]);
        };
        let proves = if self.proves { "" } else { " (PROVES NOTHING: the program was only run natively)" };
        row("prover", format!("{}, {}{proves}", self.prover, self.mode));
        if let Some(cause) = &self.insecure {
            row("INSECURE", cause.clone());
        }
        if let Some(blocks) = &self.blocks {
            row("chain", blocks.chain_id.to_string());
            row(
                "blocks",
                format!("{} ({} to {})", blocks.last - blocks.first + 1, blocks.first, blocks.last),
            );
            row("transactions", thousands(blocks.transactions));
            row("gas", thousands(blocks.gas));
        }
        if self.instructions > 0 {
            row("instructions", thousands(self.instructions));
            if let Some(per_gas) = self.blocks.as_ref().and_then(|blocks| blocks.per_gas) {
                row("cost per gas", format!("{per_gas} instructions"));
            }
        }
        if let Some(segments) = self.tasks.get("ProveShard") {
            row("segments", segments.count.to_string());
        }
        for (kind, tasks) in &self.tasks {
            let total = Duration::from_millis(tasks.busy_ms);
            let each = total / tasks.count.max(1);
            row(kind, format!("{} tasks, {} each, {} in all", tasks.count, duration(each), duration(total)));
        }
        for (id, worker) in &self.workers {
            let busy = duration(Duration::from_millis(worker.busy_ms));
            row(
                id,
                format!(
                    "{} tasks, busy {busy}, peak memory {} MB",
                    worker.tasks,
                    thousands(worker.peak_memory_mb.into())
                ),
            );
        }
        row("proof size", format!("{} bytes", thousands(self.proof_bytes as u64)));
        if self.blocks.is_some() {
            row("witness", duration(Duration::from_millis(self.witness_ms)));
        }
        row("proving", duration(Duration::from_millis(self.proving_ms)));
        row("verification", format!("{} ms", self.verify_ms));
        table
    }
}

/// A number with thin groups of three digits.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
