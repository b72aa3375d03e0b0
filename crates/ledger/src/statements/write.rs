//! Changes. The same text for each engine, which compiles this file with its own types.

use super::{Connection, Done, Engine, text};
use crate::{
    AssignmentKey, AssignmentRecord, Change, Execution, ProofRecord, ProofStatus, ProofUpdate, Refusal,
    RefusalRecord, TaskRecord, TaskRecordState, Timestamp,
    row::{self, StateColumns, count, moment},
};
use proofmill_primitives::{ProofId, TaskId};
use sqlx::{Database, Error, error::ErrorKind};

pub(super) enum ApplyError {
    Refused(Refusal),
    Engine(Error),
}

impl From<Error> for ApplyError {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// For [`keyed`].
macro_rules! delete_from {
    ($table:literal) => {
        concat!("DELETE FROM ", $table, " WHERE number = $1 AND level = $2 AND content = $3 AND prover = $4")
    };
}

pub(super) async fn apply(connection: &mut Connection, change: &Change) -> Result<(), ApplyError> {
    match change {
        Change::ProofInserted(record) => insert_proof(connection, record).await,
        Change::ProofUpdated { proof, update, at } => update_proof(connection, proof, update, *at).await,
        Change::ProofDiagnosed { proof, diagnosis } => {
            let result = sqlx::query("UPDATE proofs SET diagnosis = $1 WHERE id = $2")
                .bind(diagnosis.as_deref().map(text))
                .bind(text(proof.as_str()))
                .execute(connection)
                .await?;
            found(&result, || Refusal::NoSuchProof(proof.clone()))
        }
        Change::ProofPlanned { proof, plan } => {
            let result = sqlx::query("UPDATE proofs SET plan = $1 WHERE id = $2")
                .bind(text(plan.as_str()))
                .bind(text(proof.as_str()))
                .execute(connection)
                .await?;
            found(&result, || Refusal::NoSuchProof(proof.clone()))
        }
        Change::TaskInserted(record) => insert_task(connection, record).await,
        Change::TaskStateChanged { task, state } => change_state(connection, task, state).await,
        Change::TaskSaid { task, payload } => {
            sqlx::query("INSERT INTO messages (task, payload) SELECT id, $1 FROM tasks WHERE id = $2")
                .bind(payload.as_slice())
                .bind(text(task.as_str()))
                .execute(connection)
                .await?;
            Ok(())
        }
        Change::TasksForgotten { proof } => {
            sqlx::query("DELETE FROM tasks WHERE proof = $1")
                .bind(text(proof.as_str()))
                .execute(connection)
                .await?;
            Ok(())
        }
        Change::ContentProven { key, proof } => {
            sqlx::query("INSERT INTO contents (key, proof) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET proof = excluded.proof")
                .bind(key.as_slice())
                .bind(text(proof.as_str()))
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
            sqlx::query("DELETE FROM contents WHERE key = $1")
                .bind(key.as_slice())
                .execute(connection)
                .await?;
            Ok(())
        }
        Change::BatchAssigned(record) => assign(connection, record).await,
        Change::AssignmentEnded(key) => delete(connection, delete_from!("assignments"), key).await,
        Change::ProofRefused(record) => refuse(connection, record).await,
        Change::RefusalForgotten(key) => delete(connection, delete_from!("refusals"), key).await,
    }
}

type Query = sqlx::query::Query<'static, Engine, <Engine as Database>::Arguments>;

/// A statement whose first four values are of the key: number, level, content and prover.
fn keyed(statement: &'static str, key: &AssignmentKey) -> Query {
    // The database's numbers are signed.
    let number = i64::try_from(key.number).unwrap_or(i64::MAX);
    sqlx::query(statement)
        .bind(number)
        .bind(text(key.level.as_str()))
        .bind(key.content.as_slice())
        .bind(key.prover.name())
}

async fn assign(connection: &mut Connection, record: &AssignmentRecord) -> Result<(), ApplyError> {
    let AssignmentRecord { key, holder, since } = record;
    let statement = "INSERT INTO assignments (number, level, content, prover, holder, since) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (number, level, content, prover) DO UPDATE SET holder = excluded.holder, since = excluded.since";
    keyed(statement, key).bind(text(holder.as_str())).bind(moment(*since)).execute(connection).await?;
    Ok(())
}

async fn refuse(connection: &mut Connection, record: &RefusalRecord) -> Result<(), ApplyError> {
    let RefusalRecord { key, times, cause, again_at, remains } = record;
    let statement = "INSERT INTO refusals (number, level, content, prover, times, cause, again_at, remains) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (number, level, content, prover) DO UPDATE SET times = excluded.times, cause = excluded.cause, \
         again_at = excluded.again_at, remains = excluded.remains";
    keyed(statement, key)
        .bind(i64::from(*times))
        .bind(text(cause.as_str()))
        .bind(moment(*again_at))
        .bind(remains.as_ref().map(<[u8; 32]>::as_slice))
        .execute(connection)
        .await?;
    Ok(())
}

async fn delete(
    connection: &mut Connection,
    statement: &'static str,
    key: &AssignmentKey,
) -> Result<(), ApplyError> {
    keyed(statement, key).execute(connection).await?;
    Ok(())
}

async fn insert_proof(connection: &mut Connection, record: &ProofRecord) -> Result<(), ApplyError> {
    let execution = record.execution.as_ref();
    sqlx::query(
        "INSERT INTO proofs (id, prover, status, requester, execution_status, execution_failure, execution_cycles, \
         execution_gas, public_values_hash, program, stdin, stdin_private, proof, options, cycle_limit, gas_limit, \
         deadline, handled, metadata, extra_data, scheduled_by, failure_cause, diagnosis, plan, created_at, updated_at, \
         completed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, \
         $26, $27)",
    )
    .bind(text(record.id.as_str()))
    .bind(record.prover.name())
    .bind(i64::from(record.status.wire()))
    .bind(record.requester.as_slice())
    .bind(execution.map(|execution| execution.status.wire()))
    .bind(execution.and_then(|execution| execution.failure).map(|failure| failure.wire()))
    .bind(execution.map(|execution| count(execution.cycles)))
    .bind(execution.map(|execution| count(execution.gas)))
    .bind(execution.map(|execution| execution.public_values_hash.as_slice()))
    .bind(text(record.program.as_str()))
    .bind(text(record.stdin.as_str()))
    .bind(record.stdin_private)
    .bind(record.proof.as_ref().map(|id| text(id.as_str())))
    .bind(record.options.as_ref().map(|id| text(id.as_str())))
    .bind(record.cycle_limit.map(count))
    .bind(record.gas_limit.map(count))
    .bind(record.deadline.map(moment))
    .bind(record.handled)
    .bind(text(record.metadata.as_str()))
    .bind(record.extra_data.as_deref().map(text))
    .bind(record.scheduled_by.as_deref().map(text))
    .bind(record.failure_cause.as_deref().map(text))
    .bind(record.diagnosis.as_deref().map(text))
    .bind(record.plan.as_deref().map(text))
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
    connection: &mut Connection,
    proof: &ProofId,
    update: &ProofUpdate,
    at: Timestamp,
) -> Result<(), ApplyError> {
    let ended = update.status.filter(|status| status.has_ended());
    // One statement whatever changes, so that it is compiled once. `coalesce` keeps what is not given.
    let result = sqlx::query(
        "UPDATE proofs SET status = coalesce($1, status), deadline = coalesce($2, deadline), \
         handled = coalesce($3, handled), metadata = coalesce($4, metadata), extra_data = coalesce($5, extra_data), \
         proof = coalesce($6, proof), failure_cause = coalesce($7, failure_cause), updated_at = $8, \
         completed_at = coalesce($9, completed_at), diagnosis = CASE WHEN $10 THEN NULL ELSE diagnosis END WHERE id = $11",
    )
    .bind(update.status.map(ProofStatus::wire))
    .bind(update.deadline.map(moment))
    .bind(update.handled)
    .bind(update.metadata.as_deref().map(text))
    .bind(update.extra_data.as_deref().map(text))
    .bind(update.proof.as_ref().map(|id| text(id.as_str())))
    .bind(update.failure_cause.as_deref().map(text))
    .bind(moment(at))
    .bind(ended.map(|_| moment(at)))
    .bind(ended.is_some())
    .bind(text(proof.as_str()))
    .execute(&mut *connection)
    .await?;
    found(&result, || Refusal::NoSuchProof(proof.clone()))?;
    if let Some(execution) = &update.execution {
        update_execution(connection, proof, execution).await?;
    }
    Ok(())
}

async fn update_execution(
    connection: &mut Connection,
    proof: &ProofId,
    execution: &Execution,
) -> Result<(), ApplyError> {
    sqlx::query(
        "UPDATE proofs SET execution_status = $1, execution_failure = $2, execution_cycles = $3, execution_gas = $4, \
         public_values_hash = $5 WHERE id = $6",
    )
    .bind(execution.status.wire())
    .bind(execution.failure.map(|failure| failure.wire()))
    .bind(count(execution.cycles))
    .bind(count(execution.gas))
    .bind(execution.public_values_hash.as_slice())
    .bind(text(proof.as_str()))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_task(connection: &mut Connection, record: &TaskRecord) -> Result<(), ApplyError> {
    let state = StateColumns::from(&record.state);
    sqlx::query(
        "INSERT INTO tasks (id, proof, kind, weight, parent, inputs, outputs, metadata, requester, state, retries, \
         worker, since, cause, history) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(text(record.id.as_str()))
    .bind(text(record.proof.as_str()))
    .bind(i64::from(record.kind.wire()))
    .bind(i64::from(record.weight.as_gb()))
    .bind(record.parent.as_ref().map(|id| text(id.as_str())))
    .bind(String::from(text(&row::ids(&record.inputs)?)))
    .bind(String::from(text(&row::ids(&record.outputs)?)))
    .bind(text(record.metadata.as_str()))
    .bind(text(record.requester.as_str()))
    .bind(state.state)
    .bind(state.retries)
    .bind(state.worker.map(text))
    .bind(state.since)
    .bind(state.cause.map(text))
    .bind(state.history.map(text))
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
    connection: &mut Connection,
    task: &TaskId,
    state: &TaskRecordState,
) -> Result<(), ApplyError> {
    let state = StateColumns::from(state);
    let result = sqlx::query(
        "UPDATE tasks SET state = $1, retries = $2, worker = $3, since = $4, cause = $5, history = $6 WHERE id = $7",
    )
    .bind(state.state)
    .bind(state.retries)
    .bind(state.worker.map(text))
    .bind(state.since)
    .bind(state.cause.map(text))
    .bind(state.history.map(text))
    .bind(text(task.as_str()))
    .execute(connection)
    .await?;
    found(&result, || Refusal::NoSuchTask(task.clone()))
}

fn found(result: &Done, refusal: impl FnOnce() -> Refusal) -> Result<(), ApplyError> {
    if result.rows_affected() == 0 { Err(ApplyError::Refused(refusal())) } else { Ok(()) }
}

fn kind(error: &Error) -> Option<ErrorKind> {
    error.as_database_error().map(|error| error.kind())
}
