//! Between rows and records, the same in every engine.

use crate::{
    AssignmentKey, AssignmentRecord, Execution, ExecutionFailure, ExecutionStatus, ProofRecord, ProofStatus,
    RefusalRecord, TaskRecord, TaskRecordState, Timestamp,
};
use proofmill_primitives::{ArtifactId, TaskId, TaskKind, Weight};
use sqlx::{Error, Row, postgres::PgRow, sqlite::SqliteRow};
use std::borrow::Cow;

/// The columns that [`proof`] reads.
macro_rules! proof_columns {
    () => {
        "p.id, p.prover, p.status, p.requester, p.execution_status, p.execution_failure, p.execution_cycles, \
         p.execution_gas, p.public_values_hash, p.program, p.stdin, p.stdin_private, p.proof, p.options, \
         p.cycle_limit, p.gas_limit, p.deadline, p.handled, p.metadata, p.extra_data, p.scheduled_by, \
         p.failure_cause, p.diagnosis, p.plan, p.created_at, p.updated_at, p.completed_at"
    };
}
pub(crate) use proof_columns;

/// A row of some engine: what the types of all columns are made from.
pub(crate) trait Columns {
    /// A whole number, or null.
    fn number(&self, column: &str) -> Result<Option<i64>, Error>;
    /// A text, or null.
    fn optional_text(&self, column: &str) -> Result<Option<String>, Error>;
    /// Bytes, or null.
    fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, Error>;
    /// Yes or no.
    fn flag(&self, column: &str) -> Result<bool, Error>;

    /// A text.
    fn text(&self, column: &str) -> Result<String, Error> {
        self.optional_text(column)?.ok_or_else(|| nonsense(column, "null"))
    }

    /// Bytes.
    fn bytes(&self, column: &str) -> Result<Vec<u8>, Error> {
        self.optional_bytes(column)?.ok_or_else(|| nonsense(column, "null"))
    }

    /// A whole number of fewer bits.
    fn small<N: TryFrom<i64>>(&self, column: &str) -> Result<N, Error> {
        self.optional_small(column)?.ok_or_else(|| nonsense(column, "null"))
    }

    /// A whole number of fewer bits, or null.
    fn optional_small<N: TryFrom<i64>>(&self, column: &str) -> Result<Option<N>, Error> {
        let small = |number| N::try_from(number).map_err(|_| nonsense(column, number));
        self.number(column)?.map(small).transpose()
    }

    /// A moment.
    fn moment(&self, column: &str) -> Result<Timestamp, Error> {
        self.optional_moment(column)?.ok_or_else(|| nonsense(column, "null"))
    }

    /// A moment, or null.
    fn optional_moment(&self, column: &str) -> Result<Option<Timestamp>, Error> {
        Ok(self.optional_small::<u64>(column)?.map(Timestamp::from_millis))
    }

    /// A count, or null.
    fn count(&self, column: &str) -> Result<Option<u64>, Error> {
        Ok(self.number(column)?.map(i64::cast_unsigned))
    }
}

macro_rules! columns_of {
    ($row:ty, $text:expr) => {
        impl Columns for $row {
            fn number(&self, column: &str) -> Result<Option<i64>, Error> {
                self.try_get(column)
            }

            fn optional_text(&self, column: &str) -> Result<Option<String>, Error> {
                Ok(self.try_get::<Option<String>, _>(column)?.map($text))
            }

            fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, Error> {
                self.try_get(column)
            }

            fn flag(&self, column: &str) -> Result<bool, Error> {
                self.try_get(column)
            }
        }
    };
}
columns_of!(SqliteRow, |text| text);
columns_of!(PgRow, |text| unescaped(&text).into_owned());

/// What stands before an escaped character: one that is no character of any script.
const ESCAPE: char = '\u{10ffff}';

/// A text without the zero character, which Postgres has in no text.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', ESCAPE]) {
        let escape = |char| match char {
            '\0' => [Some(ESCAPE), Some('0')],
            ESCAPE => [Some(ESCAPE), Some('1')],
            other => [Some(other), None],
        };
        Cow::Owned(text.chars().flat_map(escape).flatten().collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains(ESCAPE) {
        return Cow::Borrowed(text);
    }
    let (mut out, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(char) = chars.next() {
        match char {
            ESCAPE if chars.next() == Some('0') => out.push('\0'),
            char => out.push(char),
        }
    }
    Cow::Owned(out)
}

/// Counts use all 64 bits, for which databases have only the signed number. They are never compared there.
pub(crate) const fn count(number: u64) -> i64 {
    number.cast_signed()
}

/// A moment always fits: see [`Timestamp::MAX`].
pub(crate) const fn moment(time: Timestamp) -> i64 {
    time.as_millis().cast_signed()
}

pub(crate) fn ids(ids: &[ArtifactId]) -> Result<String, Error> {
    serde_json::to_string(ids).map_err(|error| Error::Encode(error.into()))
}

fn nonsense(column: &str, value: impl std::fmt::Display) -> Error {
    Error::Decode(format!("column {column} holds {value}, which means nothing").into())
}

fn ids_of(row: &impl Columns, column: &str) -> Result<Vec<ArtifactId>, Error> {
    serde_json::from_str(&row.text(column)?).map_err(|error| nonsense(column, error))
}

pub(crate) fn proof(row: &impl Columns) -> Result<ProofRecord, Error> {
    let status = row.small("status")?;
    Ok(ProofRecord {
        id: row.text("id")?.into(),
        prover: row.text("prover")?.parse().map_err(|error| nonsense("prover", error))?,
        status: ProofStatus::from_wire(status).ok_or_else(|| nonsense("status", status))?,
        requester: row.bytes("requester")?,
        execution: execution(row)?,
        program: row.text("program")?.into(),
        stdin: row.text("stdin")?.into(),
        stdin_private: row.flag("stdin_private")?,
        proof: row.optional_text("proof")?.map(ArtifactId::new),
        options: row.optional_text("options")?.map(ArtifactId::new),
        cycle_limit: row.count("cycle_limit")?,
        gas_limit: row.count("gas_limit")?,
        deadline: row.optional_moment("deadline")?,
        handled: row.flag("handled")?,
        metadata: row.text("metadata")?,
        extra_data: row.optional_text("extra_data")?,
        scheduled_by: row.optional_text("scheduled_by")?,
        failure_cause: row.optional_text("failure_cause")?,
        diagnosis: row.optional_text("diagnosis")?,
        plan: row.optional_text("plan")?,
        created_at: row.moment("created_at")?,
        updated_at: row.moment("updated_at")?,
        completed_at: row.optional_moment("completed_at")?,
    })
}

fn execution(row: &impl Columns) -> Result<Option<Execution>, Error> {
    let Some(status) = row.optional_small("execution_status")? else {
        return Ok(None);
    };
    let failure = row.optional_small("execution_failure")?.map(|number| {
        ExecutionFailure::from_wire(number).ok_or_else(|| nonsense("execution_failure", number))
    });
    Ok(Some(Execution {
        status: ExecutionStatus::from_wire(status).ok_or_else(|| nonsense("execution_status", status))?,
        failure: failure.transpose()?,
        cycles: row.count("execution_cycles")?.unwrap_or_default(),
        gas: row.count("execution_gas")?.unwrap_or_default(),
        public_values_hash: row.optional_bytes("public_values_hash")?.unwrap_or_default(),
    }))
}

pub(crate) fn task(row: &impl Columns) -> Result<TaskRecord, Error> {
    let kind = row.small("kind")?;
    Ok(TaskRecord {
        id: row.text("id")?.into(),
        proof: row.text("proof")?.into(),
        kind: TaskKind::from_wire(kind).ok_or_else(|| nonsense("kind", kind))?,
        weight: Weight::gb(row.small("weight")?),
        parent: row.optional_text("parent")?.map(Into::into),
        inputs: ids_of(row, "inputs")?,
        outputs: ids_of(row, "outputs")?,
        metadata: row.text("metadata")?,
        requester: row.text("requester")?,
        state: state(row)?,
    })
}

/// Which of the columns are null depends on the state, so the schema cannot forbid it.
fn state(row: &impl Columns) -> Result<TaskRecordState, Error> {
    Ok(match row.text("state")?.as_str() {
        "pending" => TaskRecordState::Pending {
            retries: row.small("retries")?,
            history: row.optional_text("history")?,
            last_failure: row.optional_text("cause")?,
        },
        "running" => TaskRecordState::Running {
            worker: row.text("worker")?.into(),
            since: row.moment("since")?,
            retries: row.small("retries")?,
            history: row.optional_text("history")?,
        },
        "succeeded" => TaskRecordState::Succeeded,
        "failed" => TaskRecordState::Failed { cause: row.text("cause")? },
        other => return Err(nonsense("state", other)),
    })
}

pub(crate) fn message(row: &impl Columns) -> Result<(TaskId, Vec<u8>), Error> {
    Ok((row.text("task")?.into(), row.bytes("payload")?))
}

pub(crate) fn assignment(row: &impl Columns) -> Result<AssignmentRecord, Error> {
    Ok(AssignmentRecord { key: key(row)?, holder: row.text("holder")?, since: row.moment("since")? })
}

pub(crate) fn refusal(row: &impl Columns) -> Result<RefusalRecord, Error> {
    let (times, cause, again_at) = (row.small("times")?, row.text("cause")?, row.moment("again_at")?);
    let remains = row.optional_bytes("remains")?.map(|bytes| hash("remains", bytes)).transpose()?;
    Ok(RefusalRecord { key: key(row)?, times, cause, again_at, remains })
}

fn hash(column: &str, bytes: Vec<u8>) -> Result<[u8; 32], Error> {
    let length = bytes.len();
    bytes.try_into().map_err(|_| nonsense(column, format!("{length} bytes")))
}

/// Which batch, for provers of which type.
fn key(row: &impl Columns) -> Result<AssignmentKey, Error> {
    Ok(AssignmentKey {
        number: row.small("number")?,
        level: row.text("level")?,
        content: hash("content", row.bytes("content")?)?,
        prover: row.text("prover")?.parse().map_err(|error| nonsense("prover", error))?,
    })
}

/// The columns of a task's state.
pub(crate) struct StateColumns<'a> {
    pub(crate) state: &'static str,
    pub(crate) retries: Option<i64>,
    pub(crate) worker: Option<&'a str>,
    pub(crate) since: Option<i64>,
    pub(crate) cause: Option<&'a str>,
    pub(crate) history: Option<&'a str>,
}

impl<'a> From<&'a TaskRecordState> for StateColumns<'a> {
    fn from(state: &'a TaskRecordState) -> Self {
        let plain =
            |state| Self { state, retries: None, worker: None, since: None, cause: None, history: None };
        match state {
            TaskRecordState::Pending { retries, history, last_failure } => Self {
                retries: Some(i64::from(*retries)),
                history: history.as_deref(),
                cause: last_failure.as_deref(),
                ..plain("pending")
            },
            TaskRecordState::Running { worker, since, retries, history } => Self {
                retries: Some(i64::from(*retries)),
                history: history.as_deref(),
                worker: Some(worker.as_str()),
                since: Some(moment(*since)),
                ..plain("running")
            },
            TaskRecordState::Succeeded => plain("succeeded"),
            TaskRecordState::Failed { cause } => Self { cause: Some(cause), ..plain("failed") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_escaped_has_no_zero_and_comes_back(text in "[a\0\u{10ffff}01]{0,12}") {
            let stored = escaped(&text).into_owned();
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(unescaped(&stored), text.as_str());
        }
    }
}
