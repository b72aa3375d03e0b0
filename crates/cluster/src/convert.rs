//! Between the wire, the ledger and the scheduler, which each have their own words for the same things.

use proofmill_fault::{Fault, History};
use proofmill_ledger::{Execution, ExecutionStatus, ProofRecord, TaskRecord, TaskRecordState, Timestamp};
use proofmill_primitives::{ArtifactId, Dialect, ProverType, TaskId, TaskKind, Weight};
use proofmill_scheduler::{ProofSpec, TaskSpec, TaskState, Time};
use proofmill_wire::{
    cluster::{ExecutionResult, ProofRequest},
    header, text,
    worker::{TaskData, TaskStatus},
};
use std::collections::BTreeMap;
use tonic::Status;

/// The longest id that a request or a worker may have, in bytes.
const MAX_ID: usize = 512;

/// The most bytes of what clients and workers have kept with a request: it stays in the ledger for good.
pub(crate) const MAX_KEPT: usize = 64 << 10;

/// The most bytes that a program may commit to. OpenVM's commit to 32, and Proofmill's own to hundreds, of each range; SP1's machine has no
/// bound.
pub(crate) const MAX_PUBLIC_VALUES: usize = 16 << 20;

/// The most tasks that a call of a subscriber may name of those that nobody knows: far more than a proof has. Where the ledger was put back to
/// an older state, its controller names all of them, and makes them again.
pub(crate) const MAX_UNKNOWN: usize = 65_536;

/// What a request's metadata says before anybody has said anything: JSON, as clients of the SP1 cluster expect it.
pub(crate) const NO_METADATA: &str = "null";

/// A count, as messages have it.
pub(crate) fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Checks the id that a client chose.
pub(crate) fn check_proof_id(id: &str) -> Result<(), Status> {
    check_id("a proof id", id)
}

/// Checks the id that a worker chose.
pub(crate) fn check_worker_id(id: &str) -> Result<(), Status> {
    check_id("the id of a worker", id)
}

/// Checks the id that a subscriber chose.
pub(crate) fn check_subscriber_id(id: &str) -> Result<(), Status> {
    check_id("the id of a subscriber", id)
}

/// Whether an id is as short as all are that were taken: there is nothing by a longer one.
pub(crate) const fn is_short(id: &str) -> bool {
    id.len() <= MAX_ID
}

fn check_id(what: &str, id: &str) -> Result<(), Status> {
    match id.len() {
        // It stands in logs and tables, where what follows would be taken for a line of ours.
        1..=MAX_ID if id.contains(text::breaks_lines) => {
            Err(Status::invalid_argument(format!("{what} has no line breaks: choose another")))
        }
        1..=MAX_ID => Ok(()),
        length => Err(Status::invalid_argument(format!("{what} has 1 to {MAX_ID} bytes, not {length}"))),
    }
}

/// Checks who asks for a proof, and whoever schedules it: they are kept with it.
pub(crate) fn check_names(requester: &[u8], scheduled_by: &str) -> Result<(), Status> {
    for (what, length) in [("requester", requester.len()), ("scheduled_by", scheduled_by.len())] {
        if length > MAX_ID {
            let text = format!("{what} has at most {MAX_ID} bytes, not {length}");
            return Err(Status::invalid_argument(text));
        }
    }
    Ok(())
}

/// Checks what a client has kept with a request. Cut, it would not be what the client reads again.
pub(crate) fn check_kept(what: &str, kept: Option<&String>) -> Result<(), Status> {
    match kept.map_or(0, String::len) {
        0..=MAX_KEPT => Ok(()),
        length => Err(Status::invalid_argument(format!(
            "{what} has at most {MAX_KEPT} bytes, not {length}: store what is large as an artifact"
        ))),
    }
}

/// Checks what a program commits to, as its controller tells it. As what is too large for a message: it is so each time.
pub(crate) fn check_public_values(values: &[u8]) -> Result<(), Status> {
    match values.len() {
        0..=MAX_PUBLIC_VALUES => Ok(()),
        length => Err(Status::out_of_range(format!(
            "the program's public values have at most {MAX_PUBLIC_VALUES} bytes, not {length}: commit to a hash of what is large"
        ))),
    }
}

/// Checks a weight against what a worker could ever have.
pub(crate) fn check_weight(weight: Weight) -> Result<(), Status> {
    const MOST: Weight = Weight::gb(1 << 20);
    if weight > MOST {
        return Err(Status::invalid_argument(format!("a task of {weight} is impossible: weights are in GB")));
    }
    Ok(())
}

pub(crate) fn proof_request(record: &ProofRecord) -> ProofRequest {
    ProofRequest {
        id: record.id.to_string(),
        proof_status: record.status.wire(),
        requester: record.requester.clone(),
        execution_result: record.execution.as_ref().map(execution_result),
        stdin_artifact_id: record.stdin.to_string(),
        program_artifact_id: record.program.to_string(),
        proof_artifact_id: record.proof.as_ref().map(ToString::to_string),
        options_artifact_id: record.options.as_ref().map(ToString::to_string),
        cycle_limit: record.cycle_limit,
        gas_limit: record.gas_limit,
        deadline: record.deadline.map_or(0, |deadline| deadline.as_secs()),
        handled: record.handled,
        metadata: record.metadata.clone(),
        created_at: record.created_at.as_secs(),
        updated_at: record.updated_at.as_secs(),
        extra_data: record.extra_data.clone(),
        scheduled_by: record.scheduled_by.clone(),
        stdin_private: record.stdin_private,
    }
}

fn execution_result(execution: &Execution) -> ExecutionResult {
    ExecutionResult {
        status: execution.status.wire(),
        failure_cause: execution.failure.map_or(0, proofmill_ledger::ExecutionFailure::wire),
        cycles: execution.cycles,
        gas: execution.gas,
        public_values_hash: execution.public_values_hash.clone(),
    }
}

pub(crate) fn execution(result: ExecutionResult) -> Execution {
    Execution {
        status: ExecutionStatus::from_wire(result.status).unwrap_or(ExecutionStatus::Unexecuted),
        failure: proofmill_ledger::ExecutionFailure::from_wire(result.failure_cause),
        cycles: result.cycles,
        gas: result.gas,
        public_values_hash: result.public_values_hash,
    }
}

/// A moment as the wire has it, in Unix seconds; 0 is never.
pub(crate) fn deadline(secs: u64) -> Option<Timestamp> {
    (secs > 0).then(|| Timestamp::from_secs(secs))
}

pub(crate) fn proof_spec(record: &ProofRecord) -> ProofSpec {
    ProofSpec {
        id: record.id.clone(),
        prover: record.prover,
        requester: hex::encode(&record.requester),
        deadline: record.deadline.map(time),
    }
}

pub(crate) fn time(timestamp: Timestamp) -> Time {
    Time::from_millis(timestamp.as_millis())
}

pub(crate) fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_millis(time.as_millis())
}

pub(crate) fn task_spec(id: TaskId, data: TaskData) -> Result<TaskSpec, Status> {
    let kind = TaskKind::from_wire(data.task_type)
        .ok_or_else(|| Status::invalid_argument(format!("unknown task type {}", data.task_type)))?;
    let artifacts = |ids: Vec<String>| ids.into_iter().map(ArtifactId::from).collect();
    Ok(TaskSpec {
        id,
        proof: data.proof_id.into(),
        kind,
        weight: Weight::gb(data.weight),
        parent: data.parent_id.map(TaskId::from),
        inputs: artifacts(data.inputs),
        outputs: artifacts(data.outputs),
        dialect: dialect_of(kind, &data.metadata),
        metadata: data.metadata,
        requester: data.requester,
    })
}

/// In which dialect a task is written. Its metadata are a map from names to texts, as nodes of the SP1 cluster read it (they keep
/// the trace there); ours name the dialect in it. First tasks are for any worker of the prover type.
fn dialect_of(kind: TaskKind, metadata: &str) -> Option<Dialect> {
    if matches!(kind, TaskKind::Controller | TaskKind::ExecuteOnly) {
        return None;
    }
    if metadata.is_empty() {
        return Some(Dialect::Sp1Cluster);
    }
    // Anything but such a map would be the end of a node of the SP1 cluster.
    let Ok(map) = serde_json::from_str::<BTreeMap<String, String>>(metadata) else {
        return Some(Dialect::UNNAMED);
    };
    let named = map.get(header::DIALECT).map(|name| name.parse().unwrap_or(Dialect::UNNAMED));
    Some(named.unwrap_or(Dialect::Sp1Cluster))
}

pub(crate) fn task_data(spec: &TaskSpec) -> TaskData {
    let strings = |ids: &[ArtifactId]| ids.iter().map(ToString::to_string).collect();
    TaskData {
        task_type: spec.kind.wire(),
        inputs: strings(&spec.inputs),
        outputs: strings(&spec.outputs),
        metadata: spec.metadata.clone(),
        proof_id: spec.proof.to_string(),
        parent_id: spec.parent.as_ref().map(ToString::to_string),
        weight: spec.weight.as_gb(),
        requester: spec.requester.clone(),
    }
}

pub(crate) fn task_record(spec: TaskSpec) -> TaskRecord {
    TaskRecord {
        id: spec.id,
        proof: spec.proof,
        kind: spec.kind,
        weight: spec.weight,
        parent: spec.parent,
        inputs: spec.inputs,
        outputs: spec.outputs,
        metadata: spec.metadata,
        requester: spec.requester,
        state: TaskRecordState::Pending { retries: 0, history: None, last_failure: None },
    }
}

pub(crate) fn task_of_record(record: TaskRecord) -> (TaskSpec, TaskState) {
    let state = match record.state {
        TaskRecordState::Pending { retries, history, last_failure } => TaskState::Pending {
            history: history_of(retries, history.as_deref()),
            last_failure: last_failure.as_deref().map(Fault::decode),
        },
        TaskRecordState::Running { worker, since, retries, history } => {
            let history = history_of(retries, history.as_deref());
            TaskState::Running { worker, since: time(since), history }
        }
        TaskRecordState::Succeeded => TaskState::Succeeded,
        TaskRecordState::Failed { cause } => TaskState::Failed { fault: Fault::decode(&cause) },
    };
    let spec = TaskSpec {
        id: record.id,
        proof: record.proof,
        kind: record.kind,
        weight: record.weight,
        parent: record.parent,
        inputs: record.inputs,
        outputs: record.outputs,
        dialect: dialect_of(record.kind, &record.metadata),
        metadata: record.metadata,
        requester: record.requester,
    };
    (spec, state)
}

pub(crate) fn task_record_state(state: TaskState) -> TaskRecordState {
    match state {
        TaskState::Pending { history, last_failure } => TaskRecordState::Pending {
            retries: history.tries(),
            history: beyond_tries(&history),
            last_failure: last_failure.as_ref().map(Fault::encode),
        },
        TaskState::Running { worker, since, history } => {
            let (retries, history) = (history.tries(), beyond_tries(&history));
            TaskRecordState::Running { worker, since: timestamp(since), retries, history }
        }
        TaskState::Succeeded => TaskRecordState::Succeeded,
        TaskState::Failed { fault } => TaskRecordState::Failed { cause: fault.encode() },
    }
}

/// What went wrong with a task. Of one that an older version wrote down it is only known how often it was tried.
fn history_of(retries: u32, history: Option<&str>) -> History {
    let known = history.and_then(|history| serde_json::from_str(history).ok());
    known.unwrap_or_else(|| History::of_tries(retries))
}

/// What went wrong with a task, where there is more to it than tries: of most there is nothing.
fn beyond_tries(history: &History) -> Option<String> {
    let is_more = *history != History::of_tries(history.tries());
    is_more.then(|| serde_json::to_string(history).ok()).flatten()
}

pub(crate) fn task_status(state: &TaskState) -> TaskStatus {
    match state {
        TaskState::Pending { .. } => TaskStatus::Pending,
        TaskState::Running { .. } => TaskStatus::Running,
        TaskState::Succeeded => TaskStatus::Succeeded,
        TaskState::Failed { .. } => TaskStatus::FailedFatal,
    }
}

/// The metadata of a request's first task. The SP1 cluster's workers know only `{}`; the others read the prover type.
pub(crate) fn root_metadata(prover: ProverType) -> String {
    match prover {
        ProverType::Sp1 => "{}".into(),
        other => format!(r#"{{"prover":"{other}"}}"#),
    }
}

/// Whether the last input of a request's first task says that the program's input is not to leave the cluster.
pub(crate) fn is_private(about: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct About {
        #[serde(default)]
        stdin_private: bool,
    }
    serde_json::from_str::<About>(about).is_ok_and(|about| about.stdin_private)
}

/// Checks the name of a SNARK that a client asks for: it is written into the request's first task.
pub(crate) fn check_snark(name: &str) -> Result<(), Status> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain && (1..=64).contains(&name.len()) {
        return Ok(());
    }
    Err(Status::invalid_argument("the name of a SNARK has up to 64 letters, digits and hyphens, and no more"))
}

/// A request's first task, laid out as the SP1 cluster does: program, input, mode, cycle limit, nonce, metadata. The metadata name the
/// SNARK that is asked for, where one is named.
pub(crate) fn root_inputs(record: &ProofRecord, snark: Option<&str>) -> Vec<ArtifactId> {
    let snark = snark.map_or_else(String::new, |name| format!(r#","snark":"{name}""#));
    vec![
        record.program.clone(),
        record.stdin.clone(),
        record.options.clone().unwrap_or_else(|| "".into()),
        record.cycle_limit.unwrap_or(0).to_string().into(),
        "".into(),
        format!(r#"{{"stdin_private":{}{snark}}}"#, record.stdin_private).into(),
    ]
}
