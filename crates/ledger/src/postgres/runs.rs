//! Many changes of one kind in one statement: a server answers each statement on its own, over the network.

use super::{
    Connection, text,
    write::{self, ApplyError},
};
use crate::{
    Change, Refusal, TaskRecord, TaskRecordState,
    row::{self, StateColumns},
};
use proofmill_primitives::{ArtifactId, TaskId};
use sqlx::{Error, error::ErrorKind};
use std::collections::BTreeSet;

/// Changes that follow each other in a batch and can be made at once.
pub(super) enum Run<'a> {
    /// Tasks that are new.
    Inserted(Vec<&'a TaskRecord>),
    /// New states, each of another task.
    States(Vec<(&'a TaskId, &'a TaskRecordState)>),
    /// One of another kind.
    One(&'a Change),
}

impl<'a> Run<'a> {
    /// Those that a batch begins with; only the first, where they are not to be made at once.
    pub(super) fn first(changes: &'a [Change], at_once: bool) -> Option<Self> {
        Some(match changes.first()? {
            first if !at_once => Self::One(first),
            Change::TaskInserted(_) => {
                let inserted = changes.iter().map_while(|change| match change {
                    Change::TaskInserted(record) => Some(&**record),
                    _ => None,
                });
                Self::Inserted(inserted.collect())
            }
            Change::TaskStateChanged { .. } => {
                let mut seen = BTreeSet::new();
                let changed = changes.iter().map_while(|change| match change {
                    Change::TaskStateChanged { task, state } => seen.insert(task).then_some((task, state)),
                    _ => None,
                });
                Self::States(changed.collect())
            }
            other => Self::One(other),
        })
    }

    /// How many changes they are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Inserted(records) => records.len(),
            Self::States(states) => states.len(),
            Self::One(_) => 1,
        }
    }
}

/// Makes the changes of a run. What is refused of several is told as if it were the first.
pub(super) async fn apply(connection: &mut Connection, run: &Run<'_>) -> Result<(), ApplyError> {
    match run {
        Run::One(change) => write::apply(connection, change).await,
        Run::Inserted(records) => insert(connection, records).await.map_err(|error| {
            match (error.as_database_error().map(|error| error.kind()), records.first()) {
                (Some(ErrorKind::UniqueViolation | ErrorKind::ForeignKeyViolation), Some(first)) => {
                    ApplyError::Refused(Refusal::TaskExists(first.id.clone()))
                }
                _ => error.into(),
            }
        }),
        Run::States(states) => match (change(connection, states).await?, states.first()) {
            (changed, Some((first, _))) if changed < states.len() as u64 => {
                Err(ApplyError::Refused(Refusal::NoSuchTask((*first).clone())))
            }
            _ => Ok(()),
        },
    }
}

/// A list for one column.
fn column<T, C>(items: &[T], of: impl Fn(&T) -> C) -> Vec<C> {
    items.iter().map(of).collect()
}

fn owned(value: &str) -> String {
    text(value).into_owned()
}

/// The columns of states, in the order of their names in the tables.
macro_rules! bind_states {
    ($query:expr, $states:expr) => {
        $query
            .bind(column($states, |columns| columns.state))
            .bind(column($states, |columns| columns.retries))
            .bind(column($states, |columns| columns.worker.map(owned)))
            .bind(column($states, |columns| columns.since))
            .bind(column($states, |columns| columns.cause.map(owned)))
            .bind(column($states, |columns| columns.history.map(owned)))
    };
}

/// Inserts tasks in their order.
async fn insert(connection: &mut Connection, records: &[&TaskRecord]) -> Result<(), Error> {
    let states = column(records, |record| StateColumns::from(&record.state));
    let ids = |ids: fn(&TaskRecord) -> &[ArtifactId]| {
        records.iter().map(|record| Ok(owned(&row::ids(ids(record))?))).collect::<Result<Vec<_>, Error>>()
    };
    let query = sqlx::query(
        "INSERT INTO tasks (state, retries, worker, since, cause, history, id, proof, kind, weight, parent, inputs, outputs, \
         metadata, requester) SELECT state, retries, worker, since, cause, history, id, proof, kind, weight, parent, inputs, \
         outputs, metadata, requester FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], \
         $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[]) \
         WITH ORDINALITY AS new (state, retries, worker, since, cause, history, id, proof, kind, weight, parent, inputs, \
         outputs, metadata, requester, at) ORDER BY at",
    );
    bind_states!(query, &states)
        .bind(column(records, |record| owned(record.id.as_str())))
        .bind(column(records, |record| owned(record.proof.as_str())))
        .bind(column(records, |record| i64::from(record.kind.wire())))
        .bind(column(records, |record| i64::from(record.weight.as_gb())))
        .bind(column(records, |record| record.parent.as_ref().map(|parent| owned(parent.as_str()))))
        .bind(ids(|record| &record.inputs)?)
        .bind(ids(|record| &record.outputs)?)
        .bind(column(records, |record| owned(&record.metadata)))
        .bind(column(records, |record| owned(&record.requester)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Changes the states of tasks; how many of them there are.
async fn change(connection: &mut Connection, changes: &[(&TaskId, &TaskRecordState)]) -> Result<u64, Error> {
    let states = column(changes, |(_, state)| StateColumns::from(*state));
    let query = sqlx::query(
        "UPDATE tasks SET state = new.state, retries = new.retries, worker = new.worker, since = new.since, cause = new.cause, \
         history = new.history FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], \
         $7::text[]) AS new (state, retries, worker, since, cause, history, id) WHERE tasks.id = new.id",
    );
    let changed = bind_states!(query, &states)
        .bind(column(changes, |(task, _)| owned(task.as_str())))
        .execute(connection)
        .await?;
    Ok(changed.rows_affected())
}
