//! What must be durable, in the order in which it was decided.
//!
//! Changes are handed over while their owner is locked, so that their order is that of the decisions; they are committed outside,
//! all that wait together. What gives nothing out and cannot be written is written with the next, or a moment later.

use crate::rules::{BatchId, Held, ProofLevel, ProverName, Record};
use proofmill_ledger::{AssignmentKey, AssignmentRecord, Batch, Change, Ledger, LedgerError, Timestamp};
use proofmill_primitives::{CheckpointNumber, ProverType};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

/// The most messages in one transaction.
const GROUP: usize = 256;

/// The wait before what could not be written is tried again, where nothing else comes to be written.
const AGAIN: Duration = Duration::from_secs(1);

/// How often it is said that the ledger takes nothing: every prover that asks finds it out again.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Why the ledger is no longer this process's, once it is not.
pub(crate) type Lost = watch::Receiver<Option<Arc<LedgerError>>>;

type Message = (Vec<Change>, oneshot::Sender<bool>);

/// Makes changes durable. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    changes: mpsc::UnboundedSender<Message>,
}

/// Becomes true when the changes are durable; false when they could not be written, where something was to be given out. Of refused proofs
/// it is waited for.
pub(crate) struct Receipt(oneshot::Receiver<bool>);

impl Receipt {
    /// Waits until they are durable; whether they are.
    pub(crate) async fn kept(self) -> bool {
        self.0.await.unwrap_or(false)
    }
}

impl Journal {
    /// A journal in this ledger; its task ends with its last clone.
    pub(crate) fn new(ledger: Ledger) -> (Self, Lost) {
        let (changes, inbox) = mpsc::unbounded_channel();
        let (lose, lost) = watch::channel(None);
        tokio::spawn(async move {
            if let Err(error) = write(ledger, inbox).await {
                tracing::error!(%error, "the ledger takes no more changes: the coordinator ends");
                lose.send_replace(Some(Arc::new(error)));
            }
            // Until nobody listens any more: a sender that is gone would say no more than that.
            lose.closed().await;
        });
        (Self { changes }, lost)
    }

    /// One that writes nothing, for tests whose clock does not wait for a database.
    #[cfg(test)]
    pub(crate) fn unwritten() -> Self {
        let (changes, _) = mpsc::unbounded_channel();
        Self { changes }
    }

    /// Hands changes over.
    pub(crate) fn keep(&self, changes: Vec<Change>) -> Receipt {
        let (durable, receipt) = oneshot::channel();
        if !changes.is_empty() {
            // Fails only while the process ends; the receipt then says no.
            drop(self.changes.send((changes, durable)));
        }
        Receipt(receipt)
    }
}

async fn write(ledger: Ledger, mut inbox: mpsc::UnboundedReceiver<Message>) -> Result<(), LedgerError> {
    let mut messages: Vec<Message> = Vec::new();
    let (mut late, mut waiting): (Vec<Change>, Vec<oneshot::Sender<bool>>) = (Vec::new(), Vec::new());
    let mut said: Option<Instant> = None;
    loop {
        let next = inbox.recv_many(&mut messages, GROUP);
        let is_over = match late.is_empty() {
            true => next.await == 0,
            false => tokio::time::timeout(AGAIN, next).await == Ok(0),
        };
        if is_over {
            return Ok(());
        }
        let mut changes: Vec<Change> = std::mem::take(&mut late);
        let mut receipts = Vec::new();
        for (more, receipt) in messages.drain(..) {
            receipts.push((more.iter().all(is_of_refusals), receipt));
            changes.extend(more);
        }
        let committed = ledger.commit(Batch::from(changes.clone())).await;
        if let Err(error) = &committed {
            if said.is_none_or(|at| at.elapsed() >= SAID_EVERY) {
                tracing::error!(%error, "cannot make changes durable: nothing is given out until this is mended");
                said = Some(Instant::now());
            }
            late = owed(changes);
        }
        for (can_wait, receipt) in receipts {
            if can_wait && committed.is_err() {
                waiting.push(receipt);
            } else {
                // Who asked may have gone.
                let _ = receipt.send(committed.is_ok());
            }
        }
        if committed.is_ok() {
            for receipt in waiting.drain(..) {
                let _ = receipt.send(true);
            }
        }
        waiting.retain(|receipt| !receipt.is_closed());
        if let Err(error) = committed
            && error.is_final()
        {
            return Err(error);
        }
    }
}

/// Whether a change is about what is known of refused proofs: it gives nothing out, and nobody takes it back.
const fn is_of_refusals(change: &Change) -> bool {
    matches!(change, Change::ProofRefused(_) | Change::RefusalForgotten(_))
}

/// What is still to be written of changes that could not be. What was to be given out is taken back, by whoever waits for the receipt; and
/// as that goes on for as long as provers ask, an end is written once.
fn owed(mut changes: Vec<Change>) -> Vec<Change> {
    let mut ended = BTreeSet::new();
    changes.retain(|change| match change {
        Change::BatchAssigned(_) => false,
        Change::AssignmentEnded(key) => ended.insert(key.clone()),
        _ => true,
    });
    changes
}

/// What the ledger is told of a record.
pub(super) fn change(record: &Record) -> Change {
    match record {
        Record::Held(batch, prover, held) => Change::BatchAssigned(Box::new(AssignmentRecord {
            key: key(batch, *prover),
            holder: held.by.as_str().to_owned(),
            since: held.since,
        })),
        Record::Ended(batch, prover) => Change::AssignmentEnded(Box::new(key(batch, *prover))),
    }
}

fn key(batch: &BatchId, prover: ProverType) -> AssignmentKey {
    let BatchId { number, level, content } = *batch;
    AssignmentKey { number: number.0, level: level.name().to_owned(), content, prover }
}

/// What the ledger holds. A row of another release, which cannot be read, counts for nothing.
pub(super) fn read(row: AssignmentRecord) -> Option<(BatchId, ProverType, Held)> {
    let AssignmentRecord { key: AssignmentKey { number, level, content, prover }, holder, since } = row;
    let level = ProofLevel::parse(&level)?;
    let by = ProverName::new(holder).ok()?;
    let since: Timestamp = since;
    Some((BatchId { number: CheckpointNumber(number), level, content }, prover, Held { by, since }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_ledger::RefusalRecord;
    use sqlx::{Connection, SqliteConnection};

    fn held_or_ended(number: u64, is_held: bool) -> Change {
        let batch = BatchId { number: CheckpointNumber(number), level: ProofLevel::Range, content: [1; 32] };
        let held = Held { by: ProverName::new("a").unwrap(), since: Timestamp::from_secs(1) };
        change(&match is_held {
            true => Record::Held(batch, ProverType::Exec, held),
            false => Record::Ended(batch, ProverType::Exec),
        })
    }

    /// Whoever is started after a kill is to know it.
    #[tokio::test]
    async fn that_a_proof_is_refused_is_written_once_the_ledger_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("assignments.sqlite");
        let ledger = Ledger::open(&path).await.unwrap();
        let (journal, _lost) = Journal::new(ledger.clone());
        let address = format!("sqlite://{}", path.display());
        let mut foreign = SqliteConnection::connect(&address).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut foreign).await.unwrap();
        let Change::AssignmentEnded(key) = held_or_ended(1, false) else { panic!("it is another change") };
        let (cause, again_at, remains) = ("an opening".to_owned(), Timestamp::from_secs(1), Some([7; 32]));
        let record = RefusalRecord { key: *key, times: 1, cause, again_at, remains };
        let noted = journal.keep(vec![Change::ProofRefused(Box::new(record.clone()))]);
        assert!(!journal.keep(vec![held_or_ended(2, true)]).kept().await, "it is given out");
        sqlx::query("ROLLBACK").execute(&mut foreign).await.unwrap();
        // Nothing else comes to be written.
        assert!(tokio::time::timeout(Duration::from_secs(300), noted.kept()).await.unwrap());
        assert_eq!(ledger.refusals().await.unwrap(), [record]);
        ledger.close().await;
    }

    #[test]
    fn a_ledger_that_is_away_for_hours_is_owed_no_more_than_there_are_batches() {
        let mut late = Vec::new();
        // Each try gives two batches out, and takes them back.
        for _ in 0..10_000 {
            let tried = [(1, true), (1, false), (2, true), (2, false)];
            let tried = tried.map(|(number, is_held)| held_or_ended(number, is_held));
            late = owed(late.into_iter().chain(tried).collect());
        }
        assert_eq!(late, [held_or_ended(1, false), held_or_ended(2, false)]);
    }
}
