//! The store and the coordinator as SP1's prover sees them: those of the task at hand.
//!
//! A shard leaves the events of its precompiles in artifacts that SP1 gives random names, and a list of them. Shards of precompiles are
//! made of those lists. Here the names follow from the shard and from what is in them: a shard that is proven again, because its worker
//! was killed when it had left the list but not the proof, leaves the same list, and what was proven of the first one still fits.

use super::{
    faults::{fault_in, faulted},
    names::{is_kept, name},
    store::Plain,
};
use proofmill_backends::tasks::{ClusterLink, ClusterTask};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ArtifactId, TaskKind};
use proofmill_sp1_prover::clients::{Later, Link, Store};
use sp1_prover::worker::{DeferredEvents, RawTaskRequest, TaskId};
use sp1_prover_types::{ArtifactType, TaskStatus, TaskType};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc;

/// Of whichever task is at hand.
#[derive(Default)]
pub(crate) struct Bench(Mutex<Option<AtHand>>);

struct AtHand {
    link: Arc<dyn ClusterLink>,
    /// The record, where it is a shard.
    record: Option<ArtifactId>,
    /// The mark that says that its events are stored.
    mark: Option<ArtifactId>,
    outputs: Vec<ArtifactId>,
    /// What SP1's random names stand for.
    events: HashMap<String, ArtifactId>,
    fault: Option<Fault>,
    /// The first result of ours that was to be read and is not there as it was stored.
    lost: Option<ArtifactId>,
}

/// What becomes of what the prover stores.
enum Kept {
    /// Stored under the name that it has.
    AsIs,
    /// Events of precompiles, stored under this name.
    Events(ArtifactId),
    /// The list of them.
    List,
}

impl Bench {
    /// From now on it is this task that stores, reads and sets marks.
    pub(crate) fn turn_to(&self, task: &ClusterTask, link: Arc<dyn ClusterLink>) {
        let of_shard =
            |input: usize| task.inputs.get(input).filter(|_| task.kind == TaskKind::ProveShard).cloned();
        let (record, mark, outputs) = (of_shard(2), of_shard(3), task.outputs.clone());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(AtHand { link, record, mark, outputs, events: HashMap::new(), fault: None, lost: None });
    }

    /// The first fault of the store or the coordinator in this task.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.at_hand(|at_hand| at_hand.fault.clone()).ok().flatten()
    }

    /// What this task lacks of what others have made, and would make again.
    pub(crate) fn lost(&self) -> Option<ArtifactId> {
        self.at_hand(|at_hand| at_hand.lost.clone()).ok().flatten()
    }

    fn at_hand<T>(&self, ask: impl FnOnce(&mut AtHand) -> T) -> anyhow::Result<T> {
        let mut at_hand = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ask(at_hand.as_mut().ok_or_else(|| anyhow::anyhow!("no task is at hand"))?))
    }

    fn store(&self) -> anyhow::Result<Plain> {
        self.at_hand(|at_hand| Plain(at_hand.link.artifacts()))
    }

    /// Notes whose fault it was: SP1 makes words of it.
    fn noted(&self, error: anyhow::Error) -> anyhow::Error {
        match fault_in(error) {
            Ok(fault) => {
                // Without a task there is nobody to tell.
                let _ = self.at_hand(|at_hand| at_hand.fault.get_or_insert_with(|| fault.clone()).clone());
                faulted(fault)
            }
            Err(error) => error,
        }
    }

    /// The same of what was to be read.
    fn missed(&self, id: &str, error: anyhow::Error) -> anyhow::Error {
        match fault_in(error) {
            Ok(fault) => {
                if matches!(fault.code, Code::Missing | Code::Damaged) && is_kept(id) {
                    let _ = self.at_hand(|at_hand| at_hand.lost.get_or_insert_with(|| id.into()).clone());
                }
                self.noted(faulted(fault))
            }
            Err(error) => error,
        }
    }

    fn kept(&self, id: &str, bytes: &[u8]) -> anyhow::Result<Kept> {
        self.at_hand(|at_hand| {
            let Some(record) = &at_hand.record else { return Kept::AsIs };
            match at_hand.outputs.iter().position(|output| output.as_str() == id) {
                Some(1) => Kept::List,
                Some(_) => Kept::AsIs,
                None => {
                    let named = name("events", &[record.as_str().as_bytes(), blake3::hash(bytes).as_bytes()]);
                    at_hand.events.insert(id.to_owned(), named.clone());
                    Kept::Events(named)
                }
            }
        })
    }

    /// The list with the names under which the events are stored.
    fn renamed(&self, list: &[u8]) -> anyhow::Result<Vec<u8>> {
        let DeferredEvents(mut events) = bincode::deserialize(list)?;
        self.at_hand(|at_hand| {
            for slice in events.values_mut().flatten() {
                if let Some(named) = at_hand.events.get(&slice.artifact.0) {
                    slice.artifact.0 = named.to_string();
                }
            }
        })?;
        Ok(bincode::serialize(&DeferredEvents(events))?)
    }
}

impl Store for Bench {
    fn put<'a>(&'a self, id: &'a str, kind: ArtifactType, bytes: Vec<u8>) -> Later<'a, ()> {
        Box::pin(async move {
            let store = self.store()?;
            let put = match self.kept(id, &bytes)? {
                Kept::AsIs => store.put(id, kind, bytes).await,
                Kept::Events(named) => store.put(named.as_str(), kind, bytes).await,
                Kept::List => store.put(id, kind, self.renamed(&bytes)?).await,
            };
            put.map_err(|error| self.noted(error))
        })
    }

    fn get<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, Vec<u8>> {
        Box::pin(async move { self.store()?.get(id, kind).await.map_err(|error| self.missed(id, error)) })
    }

    fn exists<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, bool> {
        Box::pin(async move { self.store()?.exists(id, kind).await.map_err(|error| self.noted(error)) })
    }

    fn delete<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, ()> {
        Box::pin(async move { self.store()?.delete(id, kind).await.map_err(|error| self.noted(error)) })
    }

    fn add_ref<'a>(&'a self, id: &'a str, holder: &'a str) -> Later<'a, ()> {
        Box::pin(async move { self.store()?.add_ref(id, holder).await.map_err(|error| self.noted(error)) })
    }

    /// A shard is proven when this is said: a store that is away then costs nothing but memory until the blob expires.
    fn remove_ref<'a>(&'a self, id: &'a str, kind: ArtifactType, holder: &'a str) -> Later<'a, bool> {
        Box::pin(async move { self.store()?.remove_ref(id, kind, holder).await })
    }
}

impl Link for Bench {
    fn submit(&self, _: TaskType, _: RawTaskRequest) -> Later<'_, TaskId> {
        Box::pin(async { anyhow::bail!("what proves asks for no tasks") })
    }

    fn complete(&self, task: TaskId) -> Later<'_, ()> {
        Box::pin(async move {
            // SP1 stores events beside the proving, and goes on with that when the task is withdrawn: what it stores then is in the wrong
            // place, and nobody may take it for stored.
            let is_its = |mark: &ArtifactId| mark.as_str() == task.to_string();
            let link = self
                .at_hand(|at_hand| at_hand.mark.as_ref().is_some_and(is_its).then(|| at_hand.link.clone()))?;
            let link =
                link.ok_or_else(|| anyhow::anyhow!("{task} marks a task that is not at hand any more"))?;
            link.complete(task.to_string().into()).await.map_err(|fault| self.noted(faulted(fault)))
        })
    }

    fn results(&self) -> (mpsc::UnboundedSender<TaskId>, mpsc::UnboundedReceiver<(TaskId, TaskStatus)>) {
        (mpsc::unbounded_channel().0, mpsc::unbounded_channel().1)
    }

    fn say(&self, _: TaskId, _: Vec<u8>) -> Later<'_, ()> {
        Box::pin(async { anyhow::bail!("what proves sends no messages") })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proofmill_artifacts::ArtifactStore;
    use proofmill_backends::tasks::{Foreseen, Later, NewTask, Outcome};
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

    type Ours = proofmill_primitives::TaskId;

    /// Notes which marks are set.
    #[derive(Clone, Debug, Default)]
    struct Marks(Arc<Mutex<Vec<Ours>>>);

    impl ClusterLink for Marks {
        fn complete(&self, task: Ours) -> Later<()> {
            self.0.lock().unwrap().push(task);
            Box::pin(async { Ok(()) })
        }

        fn artifacts(&self) -> Arc<dyn ArtifactStore> {
            unreachable!("nothing is stored")
        }

        fn create(&self, _: NewTask) -> Later<Ours> {
            unreachable!("nothing is created")
        }

        fn results(&self) -> (UnboundedSender<Ours>, UnboundedReceiver<(Ours, Outcome)>) {
            unreachable!("nothing is waited for")
        }

        fn messages(&self, _: Ours) -> UnboundedReceiver<Vec<u8>> {
            unreachable!("nothing is read")
        }

        fn say(&self, _: Vec<u8>) -> Later<()> {
            unreachable!("nothing is said")
        }

        fn foresee(&self, _: Foreseen) -> Later<()> {
            unreachable!("nothing is planned")
        }

        fn complete_proof(&self, _: String) -> Later<()> {
            unreachable!("nothing is proven")
        }
    }

    #[tokio::test]
    async fn what_goes_on_of_a_withdrawn_shard_sets_no_mark() {
        let (bench, marks) = (Bench::default(), Marks::default());
        let shard = |record: &str, mark: &str| ClusterTask {
            id: "task".into(),
            proof: "p".into(),
            kind: TaskKind::ProveShard,
            inputs: ["program", "common", record, mark].map(ArtifactId::from).to_vec(),
            outputs: ["proof", "events"].map(ArtifactId::from).to_vec(),
            requester: String::new(),
            repeated: 0,
        };
        bench.turn_to(&shard("record-1", "mark-1"), Arc::new(marks.clone()));
        bench.complete(TaskId::new("mark-1")).await.unwrap();
        bench.turn_to(&shard("record-2", "mark-2"), Arc::new(marks.clone()));
        bench.complete(TaskId::new("mark-1")).await.unwrap_err();
        bench.complete(TaskId::new("mark-2")).await.unwrap();
        assert_eq!(*marks.0.lock().unwrap(), ["mark-1", "mark-2"].map(Ours::from));
        assert!(bench.fault().is_none(), "it is no fault of the task at hand");
    }
}
