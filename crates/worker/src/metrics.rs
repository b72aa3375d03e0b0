//! What a worker counts, where the process has a recorder of metrics. Names and labels are the SP1 cluster's where it has one.

use crate::{failure::TaskFailure, run::Done};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::TaskKind;
use std::time::Instant;

const RUNNING: &str = "cluster_worker_tasks_in_progress";
const PROCESSED: &str = "cluster_worker_tasks_processed";
const SUCCEEDED: &str = "cluster_worker_task_successes";
const FAILED: &str = "cluster_worker_task_failures";
const TOOK: &str = "cluster_worker_task_processing_duration_ms";
const INSTRUCTIONS: &str = "cluster_worker_num_cycles_executed";
const PEAK: &str = "proofmill_worker_peak_memory_bytes";

pub(crate) fn describe() {
    describe_gauge!(RUNNING, "Tasks that run on this worker, by kind.");
    describe_counter!(PROCESSED, "Tasks that ended here, by kind.");
    describe_counter!(SUCCEEDED, "Of those, the ones that were done.");
    describe_counter!(
        FAILED,
        "Of those, the ones that failed, by fault; retryable where another try may help."
    );
    describe_histogram!(TOOK, Unit::Milliseconds, "How long tasks took, by kind.");
    describe_counter!(INSTRUCTIONS, "Instructions of programs that were executed here to plan a proof.");
    describe_gauge!(PEAK, Unit::Bytes, "The most memory that this process has held.");
}

/// A task that runs, until it is dropped.
pub(crate) struct Running {
    kind: TaskKind,
    begun: Instant,
}

impl Running {
    pub(crate) fn new(kind: TaskKind) -> Self {
        gauge!(RUNNING, "task_type" => kind.name()).increment(1);
        Self { kind, begun: Instant::now() }
    }

    /// Counts how it ended. One that was withdrawn neither succeeded nor failed.
    pub(crate) fn ended(self, outcome: &Result<Done, TaskFailure>) {
        let kind = self.kind.name();
        match outcome {
            Ok(_) => counter!(SUCCEEDED, "task_type" => kind).increment(1),
            Err(TaskFailure(fault)) if fault.code == Code::Withdrawn => {}
            Err(TaskFailure(Fault { code, .. })) => {
                let retryable = if code.is_final() { "false" } else { "true" };
                let labels = [
                    ("task_type", kind.to_owned()),
                    ("retryable", retryable.to_owned()),
                    ("fault", code.to_string()),
                ];
                counter!(FAILED, &labels).increment(1);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let kind = self.kind.name();
        gauge!(RUNNING, "task_type" => kind).decrement(1);
        counter!(PROCESSED, "task_type" => kind).increment(1);
        histogram!(TOOK, "task_type" => kind).record(self.begun.elapsed().as_secs_f64() * 1e3);
        memory();
    }
}

/// The most memory so far: a task may take hours.
pub(crate) fn memory() {
    gauge!(PEAK).set(f64::from(crate::memory::peak_mb()) * f64::from(1 << 20));
}

pub(crate) fn executed(instructions: u64) {
    counter!(INSTRUCTIONS).increment(instructions);
}
