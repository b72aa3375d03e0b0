//! Between rows and records.

use crate::{
    AssignmentKey, AssignmentRecord, Execution, ExecutionFailure, ExecutionStatus, ProofRecord, ProofStatus,
    TaskRecord, TaskRecordState, Timestamp,
};
use proofmill_primitives::{ArtifactId, TaskKind, Weight};
use sqlx::{Error, Row, sqlite::SqliteRow};

/// The columns that [`proof`] reads.
macro_rules! proof_columns {
    () => {
        "p.id, p.prover, p.status, p.requester, p.execution_status, p.execution_failure, p.execution_cycles, \
         p.execution_gas, p.public_values_hash, p.program, p.stdin, p.stdin_private, p.proof, p.options, \
         p.cycle_limit, p.gas_limit, p.deadline, p.handled, p.metadata, p.extra_data, p.scheduled_by, \
         p.failure_cause, p.diagnosis, p.created_at, p.updated_at, p.completed_at"
    };
}
pub(super) use proof_columns;

/// Counts use all 64 bits, for which SQLite has only the signed number. They are never compared there.
pub(super) const fn count(number: u64) -> i64 {
    number.cast_signed()
}

/// A moment always fits: see [`Timestamp::MAX`].
pub(super) const fn moment(time: Timestamp) -> i64 {
    time.as_millis().cast_signed()
}

pub(super) fn ids(ids: &[ArtifactId]) -> Result<String, Error> {
    serde_json::to_string(ids).map_err(|error| Error::Encode(error.into()))
}

fn nonsense(column: &str, value: impl std::fmt::Display) -> Error {
    Error::Decode(format!("column {column} holds {value}, which means nothing").into())
}

fn decode_moment(column: &str, millis: i64) -> Result<Timestamp, Error> {
    u64::try_from(millis).map(Timestamp::from_millis).map_err(|_| nonsense(column, millis))
}

fn decode_optional_moment(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, Error> {
    row.try_get::<Option<i64>, _>(column)?.map(|millis| decode_moment(column, millis)).transpose()
}

fn decode_count(row: &SqliteRow, column: &str) -> Result<Option<u64>, Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(i64::cast_unsigned))
}

fn decode_ids(row: &SqliteRow, column: &str) -> Result<Vec<ArtifactId>, Error> {
    serde_json::from_str(row.try_get(column)?).map_err(|error| nonsense(column, error))
}

pub(super) fn proof(row: &SqliteRow) -> Result<ProofRecord, Error> {
    let text = |column| row.try_get::<String, _>(column);
    let optional_text = |column| row.try_get::<Option<String>, _>(column);
    let status: i32 = row.try_get("status")?;
    Ok(ProofRecord {
        id: text("id")?.into(),
        prover: text("prover")?.parse().map_err(|error| nonsense("prover", error))?,
        status: ProofStatus::from_wire(status).ok_or_else(|| nonsense("status", status))?,
        requester: row.try_get("requester")?,
        execution: execution(row)?,
        program: text("program")?.into(),
        stdin: text("stdin")?.into(),
        stdin_private: row.try_get("stdin_private")?,
        proof: optional_text("proof")?.map(ArtifactId::new),
        options: optional_text("options")?.map(ArtifactId::new),
        cycle_limit: decode_count(row, "cycle_limit")?,
        gas_limit: decode_count(row, "gas_limit")?,
        deadline: decode_optional_moment(row, "deadline")?,
        handled: row.try_get("handled")?,
        metadata: text("metadata")?,
        extra_data: optional_text("extra_data")?,
        scheduled_by: optional_text("scheduled_by")?,
        failure_cause: optional_text("failure_cause")?,
        diagnosis: optional_text("diagnosis")?,
        created_at: decode_moment("created_at", row.try_get("created_at")?)?,
        updated_at: decode_moment("updated_at", row.try_get("updated_at")?)?,
        completed_at: decode_optional_moment(row, "completed_at")?,
    })
}

fn execution(row: &SqliteRow) -> Result<Option<Execution>, Error> {
    let Some(status) = row.try_get::<Option<i32>, _>("execution_status")? else {
        return Ok(None);
    };
    let failure: Option<i32> = row.try_get("execution_failure")?;
    let failure = failure.map(|number| {
        ExecutionFailure::from_wire(number).ok_or_else(|| nonsense("execution_failure", number))
    });
    Ok(Some(Execution {
        status: ExecutionStatus::from_wire(status).ok_or_else(|| nonsense("execution_status", status))?,
        failure: failure.transpose()?,
        cycles: decode_count(row, "execution_cycles")?.unwrap_or_default(),
        gas: decode_count(row, "execution_gas")?.unwrap_or_default(),
        public_values_hash: row.try_get::<Option<Vec<u8>>, _>("public_values_hash")?.unwrap_or_default(),
    }))
}

pub(super) fn task(row: &SqliteRow) -> Result<TaskRecord, Error> {
    let text = |column| row.try_get::<String, _>(column);
    let kind: i32 = row.try_get("kind")?;
    Ok(TaskRecord {
        id: text("id")?.into(),
        proof: text("proof")?.into(),
        kind: TaskKind::from_wire(kind).ok_or_else(|| nonsense("kind", kind))?,
        weight: Weight::gb(row.try_get("weight")?),
        parent: row.try_get::<Option<String>, _>("parent")?.map(Into::into),
        inputs: decode_ids(row, "inputs")?,
        outputs: decode_ids(row, "outputs")?,
        metadata: text("metadata")?,
        requester: text("requester")?,
        state: state(row)?,
    })
}

fn state(row: &SqliteRow) -> Result<TaskRecordState, Error> {
    let text = |column| row.try_get::<Option<String>, _>(column);
    // Which of the columns are null depends on the state, so the schema cannot forbid it.
    let missing = |column| nonsense(column, "null");
    let retries = || row.try_get::<Option<u32>, _>("retries")?.ok_or_else(|| missing("retries"));
    Ok(match row.try_get("state")? {
        "pending" => TaskRecordState::Pending { retries: retries()?, last_failure: text("cause")? },
        "running" => TaskRecordState::Running {
            worker: text("worker")?.ok_or_else(|| missing("worker"))?.into(),
            since: decode_optional_moment(row, "since")?.ok_or_else(|| missing("since"))?,
            retries: retries()?,
        },
        "succeeded" => TaskRecordState::Succeeded,
        "failed" => TaskRecordState::Failed { cause: text("cause")?.ok_or_else(|| missing("cause"))? },
        other => return Err(nonsense("state", other)),
    })
}

pub(super) fn assignment(row: &SqliteRow) -> Result<AssignmentRecord, Error> {
    let number: i64 = row.try_get("number")?;
    let content: Vec<u8> = row.try_get("content")?;
    let prover: String = row.try_get("prover")?;
    let bytes = content.len();
    let key = AssignmentKey {
        number: u64::try_from(number).map_err(|_| nonsense("number", number))?,
        level: row.try_get("level")?,
        content: content.try_into().map_err(|_| nonsense("content", format!("{bytes} bytes")))?,
        prover: prover.parse().map_err(|error| nonsense("prover", error))?,
    };
    let since = decode_moment("since", row.try_get("since")?)?;
    Ok(AssignmentRecord { key, holder: row.try_get("holder")?, since })
}

/// The columns of a task's state.
pub(super) struct StateColumns<'a> {
    pub(super) state: &'static str,
    pub(super) retries: Option<u32>,
    pub(super) worker: Option<&'a str>,
    pub(super) since: Option<i64>,
    pub(super) cause: Option<&'a str>,
}

impl<'a> From<&'a TaskRecordState> for StateColumns<'a> {
    fn from(state: &'a TaskRecordState) -> Self {
        let plain = |state| Self { state, retries: None, worker: None, since: None, cause: None };
        match state {
            TaskRecordState::Pending { retries, last_failure } => {
                Self { retries: Some(*retries), cause: last_failure.as_deref(), ..plain("pending") }
            }
            TaskRecordState::Running { worker, since, retries } => Self {
                retries: Some(*retries),
                worker: Some(worker.as_str()),
                since: Some(moment(*since)),
                ..plain("running")
            },
            TaskRecordState::Succeeded => plain("succeeded"),
            TaskRecordState::Failed { cause } => Self { cause: Some(cause), ..plain("failed") },
        }
    }
}
