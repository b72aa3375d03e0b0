//! What the coordinator counts, where the process has a recorder of metrics. Names and labels are the SP1 cluster's where it has one.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use proofmill_fault::Code;
use proofmill_ledger::ProofStatus;
use proofmill_primitives::{ProverType, TaskKind, WorkerKind};
use proofmill_scheduler::{Counts, Stats};
use std::{collections::BTreeMap, time::Duration};

const DEAD_WORKERS: &str = "coordinator_dead_workers_total";
const DEAD_REQUEUES: &str = "coordinator_dead_worker_requeues_total";
const PROOFS: &str = "proofmill_cluster_active_proofs";
const DIAGNOSED: &str = "proofmill_cluster_diagnosed_proofs";
const ENDED: &str = "proofmill_cluster_proofs_ended_total";
const FAILED: &str = "proofmill_cluster_proofs_failed_total";
const PROOF_SECONDS: &str = "proofmill_cluster_proof_seconds";
const TASKS: &str = "proofmill_cluster_tasks";
const WEIGHT: &str = "proofmill_cluster_weight_gb";
const WORKERS: &str = "proofmill_cluster_workers";
const DRAINING: &str = "proofmill_cluster_draining_workers";
const FAULTS: &str = "proofmill_cluster_task_faults_total";
const WAIT: &str = "proofmill_cluster_queue_wait_seconds";
const COMMIT: &str = "proofmill_cluster_commit_seconds";
const REFUSED: &str = "proofmill_cluster_calls_refused_total";

pub(crate) fn describe() {
    describe_counter!(
        DEAD_WORKERS,
        "Workers that were lost: silent, or their stream broke and they did not come back."
    );
    describe_counter!(DEAD_REQUEUES, "Tasks that were given back because their worker was lost.");
    describe_gauge!(PROOFS, "Proofs being made.");
    describe_gauge!(DIAGNOSED, "Of those, with a task that no present worker could ever take.");
    describe_counter!(ENDED, "Proofs that ended, by prover type and how.");
    describe_counter!(FAILED, "Of those, the ones that failed, by fault.");
    describe_histogram!(PROOF_SECONDS, Unit::Seconds, "From the request to the end of a completed proof.");
    describe_gauge!(TASKS, "Tasks of active proofs, by kind and state.");
    describe_gauge!(WEIGHT, "Gigabytes of tasks that run (current), and that workers have (max).");
    describe_gauge!(WORKERS, "Registered workers, by kind.");
    describe_gauge!(DRAINING, "Of those, the ones that take no more tasks.");
    describe_counter!(FAULTS, "Tasks that came back to be tried again, by kind and fault.");
    describe_histogram!(WAIT, Unit::Seconds, "How long a task waited for a worker, each time that it did.");
    describe_histogram!(
        COMMIT,
        Unit::Seconds,
        "How long the ledger took to make a group of changes durable."
    );
    describe_counter!(REFUSED, "Calls that were refused because too many waited for the ledger.");
}

/// The fleet and the queues as they are.
pub(crate) fn fleet(stats: &Stats, tasks: &BTreeMap<TaskKind, Counts>) {
    gauge!(PROOFS).set(stats.active_proofs as f64);
    gauge!(DIAGNOSED).set(stats.diagnosed_proofs as f64);
    for (half, current, max) in
        [("cpu", stats.cpu_current, stats.cpu_max), ("gpu", stats.gpu_current, stats.gpu_max)]
    {
        gauge!(WEIGHT, "half" => half, "of" => "current").set(current as f64);
        gauge!(WEIGHT, "half" => half, "of" => "max").set(max as f64);
    }
    for (kind, count) in [
        (WorkerKind::Cpu, stats.cpu_workers),
        (WorkerKind::Gpu, stats.gpu_workers),
        (WorkerKind::All, stats.all_workers),
    ] {
        gauge!(WORKERS, "worker_type" => kind.name()).set(count as f64);
    }
    gauge!(DRAINING).set(stats.draining_workers as f64);
    for (kind, counts) in tasks {
        for (state, count) in
            [("pending", counts.pending), ("running", counts.running), ("succeeded", counts.succeeded)]
        {
            gauge!(TASKS, "task_type" => kind.name(), "state" => state).set(count as f64);
        }
    }
}

pub(crate) fn worker_lost(kind: WorkerKind, tasks: impl Iterator<Item = TaskKind>) {
    counter!(DEAD_WORKERS, "worker_type" => kind.name()).increment(1);
    for task in tasks {
        counter!(DEAD_REQUEUES, "worker_type" => kind.name(), "task_type" => task.name()).increment(1);
    }
}

/// A task came back, to be tried again.
pub(crate) fn task_fault(kind: TaskKind, code: Code) {
    counter!(FAULTS, "task_type" => kind.name(), "fault" => code.to_string()).increment(1);
}

pub(crate) fn task_waited(kind: TaskKind, wait: Duration) {
    histogram!(WAIT, "task_type" => kind.name()).record(wait);
}

/// `took` is for those that were completed.
pub(crate) fn proof_ended(
    prover: ProverType,
    status: ProofStatus,
    fault: Option<Code>,
    took: Option<Duration>,
) {
    counter!(ENDED, "prover" => prover.name(), "state" => status.name()).increment(1);
    if let Some(code) = fault {
        counter!(FAILED, "prover" => prover.name(), "fault" => code.to_string()).increment(1);
    }
    if let Some(took) = took {
        histogram!(PROOF_SECONDS, "prover" => prover.name()).record(took);
    }
}

pub(crate) fn committed(took: Duration) {
    histogram!(COMMIT).record(took);
}

pub(crate) fn refused() {
    counter!(REFUSED).increment(1);
}
