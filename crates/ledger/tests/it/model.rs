//! The ledger against a model in memory that does the same without a database.

use crate::records;
use proofmill_ledger::{
    AssignmentKey, AssignmentRecord, Batch, Change, Ledger, LedgerError, Live, ProofFilter, ProofRecord,
    ProofStatus, Refusal, RefusalRecord, TaskRecord,
};
use proofmill_primitives::{ProofId, TaskId};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Default)]
struct Model {
    proofs: Vec<ProofRecord>,
    tasks: Vec<TaskRecord>,
    messages: Vec<(TaskId, Vec<u8>)>,
    contents: BTreeMap<[u8; 32], ProofId>,
    assignments: BTreeMap<AssignmentKey, AssignmentRecord>,
    refusals: BTreeMap<AssignmentKey, RefusalRecord>,
}

impl Model {
    fn commit(&mut self, batch: &Batch) -> Result<(), (usize, Refusal)> {
        let mut next = self.clone();
        for (index, change) in batch.changes().iter().enumerate() {
            next.apply(change).map_err(|refusal| (index, refusal))?;
        }
        *self = next;
        Ok(())
    }

    fn proof_mut(&mut self, id: &ProofId) -> Result<&mut ProofRecord, Refusal> {
        let found = self.proofs.iter_mut().find(|proof| proof.id == *id);
        found.ok_or_else(|| Refusal::NoSuchProof(id.clone()))
    }

    fn task_mut(&mut self, id: &TaskId) -> Result<&mut TaskRecord, Refusal> {
        let found = self.tasks.iter_mut().find(|task| task.id == *id);
        found.ok_or_else(|| Refusal::NoSuchTask(id.clone()))
    }

    fn apply(&mut self, change: &Change) -> Result<(), Refusal> {
        match change {
            Change::ProofInserted(record) => {
                if self.proof_mut(&record.id).is_ok() {
                    return Err(Refusal::ProofExists(record.id.clone()));
                }
                self.proofs.push((**record).clone());
            }
            Change::ProofUpdated { proof, update, at } => {
                let record = self.proof_mut(proof)?;
                let update = (**update).clone();
                record.updated_at = *at;
                if let Some(status) = update.status {
                    record.status = status;
                    if status != ProofStatus::Pending {
                        record.completed_at = Some(*at);
                        record.diagnosis = None;
                    }
                }
                record.execution = update.execution.or(record.execution.take());
                record.deadline = update.deadline.or(record.deadline);
                record.handled = update.handled.unwrap_or(record.handled);
                record.metadata = update.metadata.unwrap_or(std::mem::take(&mut record.metadata));
                record.extra_data = update.extra_data.or(record.extra_data.take());
                record.proof = update.proof.or(record.proof.take());
                record.failure_cause = update.failure_cause.or(record.failure_cause.take());
            }
            Change::ProofDiagnosed { proof, diagnosis } => {
                self.proof_mut(proof)?.diagnosis = diagnosis.clone();
            }
            Change::ProofPlanned { proof, plan } => {
                self.proof_mut(proof)?.plan = Some(plan.clone());
            }
            Change::TaskInserted(record) => {
                if self.task_mut(&record.id).is_ok() {
                    return Err(Refusal::TaskExists(record.id.clone()));
                }
                self.proof_mut(&record.proof)?;
                self.tasks.push((**record).clone());
            }
            Change::TaskStateChanged { task, state } => self.task_mut(task)?.state = state.clone(),
            Change::TaskSaid { task, payload } => {
                if self.task_mut(task).is_ok() {
                    self.messages.push((task.clone(), payload.clone()));
                }
            }
            Change::TasksForgotten { proof } => {
                self.tasks.retain(|task| task.proof != *proof);
                let tasks = &self.tasks;
                self.messages.retain(|(task, _)| tasks.iter().any(|known| known.id == *task));
            }
            Change::ContentProven { key, proof } => {
                self.proof_mut(proof)?;
                self.contents.insert(*key, proof.clone());
            }
            Change::ContentForgotten { key } => {
                self.contents.remove(key);
            }
            Change::BatchAssigned(record) => {
                self.assignments.insert(record.key.clone(), (**record).clone());
            }
            Change::AssignmentEnded(key) => {
                self.assignments.remove(key);
            }
            Change::ProofRefused(record) => {
                self.refusals.insert(record.key.clone(), (**record).clone());
            }
            Change::RefusalForgotten(key) => {
                self.refusals.remove(key);
            }
        }
        Ok(())
    }

    fn proof(&self, id: &ProofId) -> Option<ProofRecord> {
        self.proofs.iter().find(|proof| proof.id == *id).cloned()
    }

    fn live(&self) -> Live {
        let pending = |id: &ProofId| self.proof(id).is_some_and(|proof| proof.status == ProofStatus::Pending);
        let said_by_live =
            |task: &TaskId| self.tasks.iter().any(|known| known.id == *task && pending(&known.proof));
        Live {
            proofs: self.proofs.iter().filter(|proof| pending(&proof.id)).cloned().collect(),
            tasks: self.tasks.iter().filter(|task| pending(&task.proof)).cloned().collect(),
            messages: self.messages.iter().filter(|(task, _)| said_by_live(task)).cloned().collect(),
        }
    }

    fn list(&self, filter: &ProofFilter) -> Vec<ProofRecord> {
        let one_of =
            |proof: &&ProofRecord| filter.statuses.is_empty() || filter.statuses.contains(&proof.status);
        let executed = |proof: &&ProofRecord| {
            let status = proof.execution.as_ref().map(|execution| execution.status);
            filter.execution_statuses.is_empty()
                || status.is_some_and(|status| filter.execution_statuses.contains(&status))
        };
        let in_time = |proof: &&ProofRecord| match (filter.minimum_deadline, proof.deadline) {
            (Some(minimum), Some(deadline)) => deadline >= minimum,
            _ => true,
        };
        let handled = |proof: &&ProofRecord| filter.handled.is_none_or(|handled| proof.handled == handled);
        let scheduled =
            |proof: &&ProofRecord| filter.scheduled_by.is_none() || proof.scheduled_by == filter.scheduled_by;
        let all = self
            .proofs
            .iter()
            .filter(one_of)
            .filter(executed)
            .filter(in_time)
            .filter(handled)
            .filter(scheduled);
        let mut all: Vec<_> = all.cloned().collect();
        all.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        all.into_iter().skip(filter.offset as usize).take(limit).collect()
    }
}

async fn commit_both(ledger: &Ledger, model: &mut Model, batch: Batch) {
    match (model.commit(&batch), ledger.commit(batch).await) {
        (Ok(()), Ok(())) => {}
        (Err((expected, refusal)), Err(LedgerError::Refused { index, reason })) => {
            assert_eq!((index, reason), (expected, refusal));
        }
        (expected, found) => panic!("the model says {expected:?}, the ledger {found:?}"),
    }
}

async fn assert_same(ledger: &Ledger, model: &Model, filters: &[ProofFilter]) {
    assert_eq!(ledger.load_live().await.unwrap(), model.live());
    let mut held = ledger.assignments().await.unwrap();
    held.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(held, model.assignments.values().cloned().collect::<Vec<_>>());
    let mut refused = ledger.refusals().await.unwrap();
    refused.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(refused, model.refusals.values().cloned().collect::<Vec<_>>());
    for id in records::proof_ids().map(ProofId::new) {
        assert_eq!(ledger.proof(&id).await.unwrap(), model.proof(&id));
    }
    for key in records::keys() {
        let expected = model.contents.get(&key).and_then(|id| model.proof(id));
        let expected = expected.filter(|proof| proof.status == ProofStatus::Completed);
        assert_eq!(ledger.proof_by_content(key).await.unwrap(), expected);
    }
    for filter in filters {
        assert_eq!(ledger.list(filter).await.unwrap(), model.list(filter), "{filter:?}");
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// After every batch, kept or refused, all that can be asked has the model's answer.
    #[test]
    fn ledger_is_the_model(
        batches in records::batches(25),
        filters in proptest::collection::vec(records::filter(), 4),
    ) {
        block_on(async {
            let ledger = Ledger::in_memory().await.unwrap();
            let mut model = Model::default();
            for batch in batches {
                commit_both(&ledger, &mut model, batch).await;
                assert_same(&ledger, &model, &filters).await;
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// The same with a file that is opened anew after every few batches, with and without being closed.
    #[test]
    fn ledger_is_the_model_across_restarts(
        lives in proptest::collection::vec((records::batches(6), any::<bool>()), 1..5),
        filters in proptest::collection::vec(records::filter(), 2),
    ) {
        block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ledger.sqlite");
            let mut model = Model::default();
            for (batches, close) in lives {
                let ledger = Ledger::open(&path).await.unwrap();
                assert_same(&ledger, &model, &filters).await;
                for batch in batches {
                    commit_both(&ledger, &mut model, batch).await;
                }
                assert_same(&ledger, &model, &filters).await;
                if close {
                    ledger.close().await;
                }
            }
        });
    }
}

/// The same on Postgres, where a ledger is a schema, that is opened anew after every few batches, in one way or the other.
#[test]
fn a_ledger_on_postgres_is_the_model() {
    let Some(server) = crate::engines::server() else { return };
    let cases = std::cell::Cell::new(0);
    let lives = proptest::collection::vec((records::batches(6), any::<bool>()), 1..4);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) };
    proptest!(config, |(lives in lives, filters in proptest::collection::vec(records::filter(), 2))| {
        cases.set(cases.get() + 1);
        block_on(async {
            let (schema, mut model) = (format!("case_{}", cases.get()), Model::default());
            for (batches, close) in lives {
                let ledger = Ledger::open_postgres(&server.url(), &schema).await.unwrap();
                assert_same(&ledger, &model, &filters).await;
                for batch in batches {
                    commit_both(&ledger, &mut model, batch).await;
                }
                assert_same(&ledger, &model, &filters).await;
                if close {
                    ledger.close().await;
                }
            }
        });
    });
}
