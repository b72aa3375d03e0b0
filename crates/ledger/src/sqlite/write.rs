//! Changes.

use super::row::{self, StateColumns, count, moment};
use crate::{
    AssignmentKey, AssignmentRecord, Change, Execution, ProofRecord, ProofStatus, ProofUpdate, Refusal,
    TaskRecord, TaskRecordState, Timestamp,
};
use proofmill_primitives::{ArtifactId, ProofId, TaskId};
use sqlx::{Error, SqliteConnection, error::ErrorKind, sqlite::SqliteQueryResult};

pub(super) enum ApplyError {
    Refused(Refusal),
    Engine(Error),
}

impl From<Error> for ApplyError {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

pub(super) async fn apply(connection: &mut SqliteConnection, change: &Change) -> Result<(), ApplyError> {
    match change {
        Change::ProofInserted(record) => insert_proof(connection, record).await,
        Change::ProofUpdated { proof, update, at } => update_proof(connection, proof, update, *at).await,
        Change::ProofDiagnosed { proof, diagnosis } => {
            let result = sqlx::query("UPDATE proofs SET diagnosis = ? WHERE id = ?")
                .bind(diagnosis.as_deref())
                .bind(proof.as_str())
                .execute(connection)
                .await?;
            found(&result, || Refusal::NoSuchProof(proof.clone()))
        }
        Change::TaskInserted(record) => insert_task(connection, record).await,
        Change::TaskStateChanged { task, state } => change_state(connection, task, state).await,
        Change::TaskSaid { task, payload } => {
            sqlx::query("INSERT INTO messages (task, payload) SELECT id, ? FROM tasks WHERE id = ?")
                .bind(payload.as_slice())
                .bind(task.as_str())
                .execute(connection)
                .await?;
            Ok(())
        }
        Change::TasksForgotten { proof } => {
            sqlx::query("DELETE FROM tasks WHERE proof = ?").bind(proof.as_str()).execute(connection).await?;
            Ok(())
        }
        Change::ContentProven { key, proof } => {
            sqlx::query("INSERT OR REPLACE INTO contents (key, proof) VALUES (?, ?)")
                .bind(key.as_slice())
                .bind(proof.as_str())
                .execute(connection)
                .await
                .map_err(|error| match kind(&error) {
                    Some(ErrorKind::ForeignKeyViolation) => {
                        ApplyError::Refused(Refusal::NoSuchProof(proof.clone()))
                    }
                    _ => error.into(),
                })?;
            Ok(())
        }
        Change::ContentForgotten { key } => {
            sqlx::query("DELETE FROM contents WHERE key = ?")
                .bind(key.as_slice())
                .execute(connection)
                .await?;
            Ok(())
        }
        Change::BatchAssigned(record) => assign(connection, record).await,
        Change::AssignmentEnded(key) => end_assignment(connection, key).await,
    }
}

/// The database's numbers are signed.
fn number(key: &AssignmentKey) -> i64 {
    i64::try_from(key.number).unwrap_or(i64::MAX)
}

async fn assign(connection: &mut SqliteConnection, record: &AssignmentRecord) -> Result<(), ApplyError> {
    let AssignmentRecord { key, holder, since } = record;
    sqlx::query(
        "INSERT OR REPLACE INTO assignments (number, level, content, prover, holder, since) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(number(key))
    .bind(key.level.as_str())
    .bind(key.content.as_slice())
    .bind(key.prover.name())
    .bind(holder.as_str())
    .bind(moment(*since))
    .execute(connection)
    .await?;
    Ok(())
}

async fn end_assignment(connection: &mut SqliteConnection, key: &AssignmentKey) -> Result<(), ApplyError> {
    sqlx::query("DELETE FROM assignments WHERE number = ? AND level = ? AND content = ? AND prover = ?")
        .bind(number(key))
        .bind(key.level.as_str())
        .bind(key.content.as_slice())
        .bind(key.prover.name())
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_proof(connection: &mut SqliteConnection, record: &ProofRecord) -> Result<(), ApplyError> {
    let execution = record.execution.as_ref();
    sqlx::query(
        "INSERT INTO proofs (id, prover, status, requester, execution_status, execution_failure, execution_cycles, \
         execution_gas, public_values_hash, program, stdin, stdin_private, proof, options, cycle_limit, gas_limit, \
         deadline, handled, metadata, extra_data, scheduled_by, failure_cause, diagnosis, created_at, updated_at, \
         completed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(record.id.as_str())
    .bind(record.prover.name())
    .bind(record.status.wire())
    .bind(record.requester.as_slice())
    .bind(execution.map(|execution| execution.status.wire()))
    .bind(execution.and_then(|execution| execution.failure).map(|failure| failure.wire()))
    .bind(execution.map(|execution| count(execution.cycles)))
    .bind(execution.map(|execution| count(execution.gas)))
    .bind(execution.map(|execution| execution.public_values_hash.as_slice()))
    .bind(record.program.as_str())
    .bind(record.stdin.as_str())
    .bind(record.stdin_private)
    .bind(record.proof.as_ref().map(ArtifactId::as_str))
    .bind(record.options.as_ref().map(ArtifactId::as_str))
    .bind(record.cycle_limit.map(count))
    .bind(record.gas_limit.map(count))
    .bind(record.deadline.map(moment))
    .bind(record.handled)
    .bind(record.metadata.as_str())
    .bind(record.extra_data.as_deref())
    .bind(record.scheduled_by.as_deref())
    .bind(record.failure_cause.as_deref())
    .bind(record.diagnosis.as_deref())
    .bind(moment(record.created_at))
    .bind(moment(record.updated_at))
    .bind(record.completed_at.map(moment))
    .execute(connection)
    .await
    .map_err(|error| match kind(&error) {
        Some(ErrorKind::UniqueViolation) => ApplyError::Refused(Refusal::ProofExists(record.id.clone())),
        _ => error.into(),
    })?;
    Ok(())
}

async fn update_proof(
    connection: &mut SqliteConnection,
    proof: &ProofId,
    update: &ProofUpdate,
    at: Timestamp,
) -> Result<(), ApplyError> {
    let ended = update.status.filter(|status| status.has_ended());
    // One statement whatever changes, so that it is compiled once. `coalesce` keeps what is not given.
    let result = sqlx::query(
        "UPDATE proofs SET status = coalesce(?, status), deadline = coalesce(?, deadline), \
         handled = coalesce(?, handled), metadata = coalesce(?, metadata), extra_data = coalesce(?, extra_data), \
         proof = coalesce(?, proof), failure_cause = coalesce(?, failure_cause), updated_at = ?, \
         completed_at = coalesce(?, completed_at), diagnosis = iif(?, NULL, diagnosis) WHERE id = ?",
    )
    .bind(update.status.map(ProofStatus::wire))
    .bind(update.deadline.map(moment))
    .bind(update.handled)
    .bind(update.metadata.as_deref())
    .bind(update.extra_data.as_deref())
    .bind(update.proof.as_ref().map(ArtifactId::as_str))
    .bind(update.failure_cause.as_deref())
    .bind(moment(at))
    .bind(ended.map(|_| moment(at)))
    .bind(ended.is_some())
    .bind(proof.as_str())
    .execute(&mut *connection)
    .await?;
    found(&result, || Refusal::NoSuchProof(proof.clone()))?;
    if let Some(execution) = &update.execution {
        update_execution(connection, proof, execution).await?;
    }
    Ok(())
}

async fn update_execution(
    connection: &mut SqliteConnection,
    proof: &ProofId,
    execution: &Execution,
) -> Result<(), ApplyError> {
    sqlx::query(
        "UPDATE proofs SET execution_status = ?, execution_failure = ?, execution_cycles = ?, execution_gas = ?, \
         public_values_hash = ? WHERE id = ?",
    )
    .bind(execution.status.wire())
    .bind(execution.failure.map(|failure| failure.wire()))
    .bind(count(execution.cycles))
    .bind(count(execution.gas))
    .bind(execution.public_values_hash.as_slice())
    .bind(proof.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_task(connection: &mut SqliteConnection, record: &TaskRecord) -> Result<(), ApplyError> {
    let state = StateColumns::from(&record.state);
    sqlx::query(
        "INSERT INTO tasks (id, proof, kind, weight, parent, inputs, outputs, metadata, requester, state, retries, \
         worker, since, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(record.id.as_str())
    .bind(record.proof.as_str())
    .bind(record.kind.wire())
    .bind(record.weight.as_gb())
    .bind(record.parent.as_ref().map(TaskId::as_str))
    .bind(row::ids(&record.inputs)?)
    .bind(row::ids(&record.outputs)?)
    .bind(record.metadata.as_str())
    .bind(record.requester.as_str())
    .bind(state.state)
    .bind(state.retries)
    .bind(state.worker)
    .bind(state.since)
    .bind(state.cause)
    .execute(connection)
    .await
    .map_err(|error| match kind(&error) {
        Some(ErrorKind::UniqueViolation) => ApplyError::Refused(Refusal::TaskExists(record.id.clone())),
        Some(ErrorKind::ForeignKeyViolation) => ApplyError::Refused(Refusal::NoSuchProof(record.proof.clone())),
        _ => error.into(),
    })?;
    Ok(())
}

async fn change_state(
    connection: &mut SqliteConnection,
    task: &TaskId,
    state: &TaskRecordState,
) -> Result<(), ApplyError> {
    let state = StateColumns::from(state);
    let result =
        sqlx::query("UPDATE tasks SET state = ?, retries = ?, worker = ?, since = ?, cause = ? WHERE id = ?")
            .bind(state.state)
            .bind(state.retries)
            .bind(state.worker)
            .bind(state.since)
            .bind(state.cause)
            .bind(task.as_str())
            .execute(connection)
            .await?;
    found(&result, || Refusal::NoSuchTask(task.clone()))
}

fn found(result: &SqliteQueryResult, refusal: impl FnOnce() -> Refusal) -> Result<(), ApplyError> {
    if result.rows_affected() == 0 { Err(ApplyError::Refused(refusal())) } else { Ok(()) }
}

fn kind(error: &Error) -> Option<ErrorKind> {
    error.as_database_error().map(|error| error.kind())
}
