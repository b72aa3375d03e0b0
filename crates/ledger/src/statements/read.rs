//! Questions. The same text for each engine, which compiles this file with its own types.

use super::{Engine, SNAPSHOT, text};
use crate::{
    AssignmentRecord, Live, ProofFilter, ProofRecord, ProofStatus, RefusalRecord,
    row::{self, moment, proof_columns},
};
use proofmill_primitives::ProofId;
use sqlx::{Error, Pool, QueryBuilder};

pub(super) async fn load_live(pool: &Pool<Engine>) -> Result<Live, Error> {
    // One transaction, so that proofs and tasks are of the same moment.
    let mut transaction = pool.begin_with(SNAPSHOT).await?;
    let pending = ProofStatus::Pending.wire();
    let proofs = sqlx::query(concat!(
        "SELECT ",
        proof_columns!(),
        " FROM proofs p WHERE p.status = $1 ORDER BY p.seq"
    ))
    .bind(pending)
    .fetch_all(&mut *transaction)
    .await?;
    let tasks = sqlx::query(
        "SELECT t.* FROM tasks t JOIN proofs p ON p.id = t.proof WHERE p.status = $1 ORDER BY t.seq",
    )
    .bind(pending)
    .fetch_all(&mut *transaction)
    .await?;
    let messages = sqlx::query(
        "SELECT m.task, m.payload FROM messages m JOIN tasks t ON t.id = m.task JOIN proofs p ON p.id = t.proof \
         WHERE p.status = $1 ORDER BY m.seq",
    )
    .bind(pending)
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Live {
        proofs: proofs.iter().map(row::proof).collect::<Result<_, _>>()?,
        tasks: tasks.iter().map(row::task).collect::<Result<_, _>>()?,
        messages: messages.iter().map(row::message).collect::<Result<_, _>>()?,
    })
}

pub(super) async fn proof(pool: &Pool<Engine>, id: &ProofId) -> Result<Option<ProofRecord>, Error> {
    let row = sqlx::query(concat!("SELECT ", proof_columns!(), " FROM proofs p WHERE p.id = $1"))
        .bind(text(id.as_str()))
        .fetch_optional(pool)
        .await?;
    row.as_ref().map(row::proof).transpose()
}

pub(super) async fn proof_by_content(
    pool: &Pool<Engine>,
    key: [u8; 32],
) -> Result<Option<ProofRecord>, Error> {
    let row = sqlx::query(concat!(
        "SELECT ",
        proof_columns!(),
        " FROM contents c JOIN proofs p ON p.id = c.proof WHERE c.key = $1 AND p.status = $2"
    ))
    .bind(key.as_slice())
    .bind(ProofStatus::Completed.wire())
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(row::proof).transpose()
}

pub(super) async fn list(pool: &Pool<Engine>, filter: &ProofFilter) -> Result<Vec<ProofRecord>, Error> {
    let mut query =
        QueryBuilder::<Engine>::new(concat!("SELECT ", proof_columns!(), " FROM proofs p WHERE true"));
    if !filter.statuses.is_empty() {
        push_any(query.push(" AND p.status"), filter.statuses.iter().map(|status| status.wire()));
    }
    if !filter.execution_statuses.is_empty() {
        push_any(
            query.push(" AND p.execution_status"),
            filter.execution_statuses.iter().map(|status| status.wire()),
        );
    }
    if let Some(deadline) = filter.minimum_deadline {
        query.push(" AND (p.deadline IS NULL OR p.deadline >= ").push_bind(moment(deadline)).push(")");
    }
    if let Some(handled) = filter.handled {
        query.push(" AND p.handled = ").push_bind(handled);
    }
    if let Some(scheduled_by) = &filter.scheduled_by {
        query.push(" AND p.scheduled_by = ").push_bind(String::from(text(scheduled_by)));
    }
    query.push(" ORDER BY p.created_at, p.id LIMIT ").push_bind(filter.limit.map_or(i64::MAX, i64::from));
    query.push(" OFFSET ").push_bind(i64::from(filter.offset));
    let rows = query.build().fetch_all(pool).await?;
    rows.iter().map(row::proof).collect()
}

pub(super) async fn assignments(pool: &Pool<Engine>) -> Result<Vec<AssignmentRecord>, Error> {
    let rows = sqlx::query("SELECT * FROM assignments ORDER BY number, level, content, prover");
    rows.fetch_all(pool).await?.iter().map(row::assignment).collect()
}

pub(super) async fn refusals(pool: &Pool<Engine>) -> Result<Vec<RefusalRecord>, Error> {
    let rows = sqlx::query("SELECT * FROM refusals ORDER BY number, level, content, prover");
    rows.fetch_all(pool).await?.iter().map(row::refusal).collect()
}

/// ` IN (…)`. A client may send the same number a million times, and a statement can bind only so many.
fn push_any(query: &mut QueryBuilder<Engine>, numbers: impl Iterator<Item = i32>) {
    let numbers: std::collections::BTreeSet<_> = numbers.collect();
    let mut list = query.push(" IN (").separated(", ");
    for number in numbers {
        list.push_bind(number);
    }
    query.push(")");
}
