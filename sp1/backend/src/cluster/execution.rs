//! What an execution (`CoreExecute`) asks for, under names that follow from what it is of.
//!
//! SP1 gives everything a random name. Here those names last as long as the execution; to the outside, a shard's record is called by
//! its content, and the shard's proof by its record. The same program and input give the same records in the same order, so an
//! execution that starts over asks for the very tasks that are known already, and is told of those that are done.
//!
//! The events that shards leave for precompiles are put together in the order in which they come, and what they are put together to
//! depends on it. So the marks that tell of them are passed on in the order of the shards, however they came.

use super::{
    faults::faulted,
    names::{is_kept, name, record},
    store::Plain,
};
use proofmill_backends::tasks::{ClusterLink, ClusterTask, NewTask, Outcome};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ArtifactId, Instructions, TaskKind, Weight};
use proofmill_sp1_prover::clients::{Later, Link, Store};
use serde::Deserialize;
use sp1_prover::worker::{ProofData, RawTaskRequest, TaskId};
use sp1_prover_types::{Artifact, ArtifactType, TaskStatus, TaskType};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// What an execution is asked for, as far as it is read here.
pub(crate) struct Asked {
    pub(crate) program: ArtifactId,
    pub(crate) input: ArtifactId,
    pub(crate) private: bool,
    pub(crate) cycle_limit: Option<Instructions>,
}

/// The last input of the task, as JSON.
#[derive(Deserialize)]
struct About {
    cycle_limit: Option<u64>,
    #[serde(default)]
    stdin_private: bool,
}

impl Asked {
    pub(crate) fn read(task: &ClusterTask) -> Result<Self, Fault> {
        let [program, input, _, about] = task.inputs.as_slice() else {
            let count = task.inputs.len();
            return Err(Fault::new(Code::Malformed, format!("a CoreExecute task has 4 inputs, not {count}")));
        };
        let About { cycle_limit, stdin_private } = serde_json::from_str(about.as_str())
            .map_err(|error| Fault::new(Code::Malformed, format!("what the task says of itself: {error}")))?;
        let cycle_limit = cycle_limit.filter(|limit| *limit > 0).map(Instructions);
        Ok(Self { program: program.clone(), input: input.clone(), private: stdin_private, cycle_limit })
    }
}

/// The names of one execution.
pub(crate) struct Named {
    link: Arc<dyn ClusterLink>,
    store: Arc<Plain>,
    /// The inputs that its shards share.
    of: Vec<ArtifactId>,
    /// What it is to leave itself, under names that are given.
    outputs: Vec<ArtifactId>,
    /// How often it was run before because something that its shards left was lost.
    repeated: u32,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    names: HashMap<String, ArtifactId>,
    /// How often a content was stored.
    contents: HashMap<blake3::Hash, u64>,
    /// The task that stands behind a mark that SP1 was given.
    marks: HashMap<String, proofmill_primitives::TaskId>,
    next_mark: u64,
    fault: Option<Fault>,
    /// Whether something that a shard left is not there as it was stored.
    lacks: bool,
}

impl Named {
    pub(crate) fn new(task: &ClusterTask, link: Arc<dyn ClusterLink>, store: Arc<Plain>) -> Self {
        let (of, outputs) = (task.inputs.clone(), task.outputs.clone());
        Self { link, store, of, outputs, repeated: task.repeated, known: Arc::default() }
    }

    fn known<T>(&self, ask: impl FnOnce(&mut Known) -> T) -> T {
        ask(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first fault of store or coordinator.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.known(|known| known.fault.clone())
    }

    /// Whether a shard must be proven again for what it left.
    pub(crate) fn lacks(&self) -> bool {
        self.known(|known| known.lacks)
    }

    fn note(&self, fault: Fault) -> anyhow::Error {
        self.known(|known| known.fault.get_or_insert_with(|| fault.clone()).clone());
        faulted(fault)
    }

    /// The name to the outside.
    fn name_of(&self, id: &str) -> ArtifactId {
        self.known(|known| known.names.get(id).cloned()).unwrap_or_else(|| id.into())
    }

    /// Gives what is stored a name of its content.
    fn name_content(&self, id: &str, bytes: &[u8]) -> ArtifactId {
        if self.outputs.iter().any(|output| output.as_str() == id) {
            return id.into();
        }
        let hash = blake3::hash(bytes);
        let parts: Vec<&[u8]> = self.of.iter().map(|input| input.as_str().as_bytes()).collect();
        self.known(|known| {
            // The same content again is another record of its own.
            let times = known.contents.entry(hash).or_default();
            let number = times.to_le_bytes();
            *times += 1;
            let key = [&parts[..], &[hash.as_bytes(), &number]].concat();
            let name = record(&name("record", &key));
            known.names.insert(id.to_owned(), name.clone());
            name
        })
    }

    /// Names what a task makes by what it is made of.
    fn name_outputs(&self, of: &ArtifactId, outputs: &[Artifact]) -> Vec<ArtifactId> {
        let names = (0u64..).zip(outputs).map(|(number, output)| {
            let made = made(of, number);
            self.known(|known| known.names.insert(output.0.clone(), made.clone()));
            made
        });
        names.collect()
    }

    /// Whether a shard of this record is proven, with all that it leaves: then nobody reads the record any more.
    async fn is_proven(&self, record: &ArtifactId) -> Result<bool, Fault> {
        Ok(self.store.is_whole(&made(record, 0)).await? && self.store.is_whole(&made(record, 1)).await?)
    }

    /// Which time it is that these are asked for: what is lost was left by a task that is done, and is made by another one.
    async fn time(&self, made: &[ArtifactId]) -> anyhow::Result<u32> {
        if self.repeated == 0 {
            return Ok(0);
        }
        for id in made {
            if !self.store.is_whole(id).await.map_err(|fault| self.note(fault))? {
                return Ok(self.repeated);
            }
        }
        Ok(0)
    }

    async fn create(
        &self,
        kind: TaskKind,
        inputs: Vec<ArtifactId>,
        outputs: Vec<ArtifactId>,
        repeated: u32,
    ) -> anyhow::Result<proofmill_primitives::TaskId> {
        let task = NewTask { kind, weight: weight(kind), inputs, outputs, repeated };
        self.link.create(task).await.map_err(|fault| self.note(fault))
    }

    async fn submitted(&self, kind: TaskType, task: RawTaskRequest) -> anyhow::Result<TaskId> {
        let RawTaskRequest { inputs, outputs, .. } = task;
        let mut named: Vec<_> = inputs.iter().map(|input| self.name_of(&input.0)).collect();
        let of = |index: usize| {
            named.get(index).cloned().ok_or_else(|| anyhow::anyhow!("a task without input {index}"))
        };
        match kind {
            // Created with its shard, whose name it has.
            TaskType::MarkerDeferredRecord => Ok(TaskId::new(self.known(|known| {
                known.next_mark += 1;
                format!("{MARK}{}", known.next_mark)
            }))),
            TaskType::ProveShard => {
                let record = of(2)?;
                let made = self.name_outputs(&record, &outputs);
                let time = self.time(&made).await?;
                if let Some(mark) = named.get_mut(3).filter(|mark| mark.as_str().starts_with(MARK)) {
                    let output = name("mark", &[record.as_str().as_bytes()]);
                    let task =
                        self.create(TaskKind::MarkerDeferredRecord, Vec::new(), vec![output], time).await?;
                    self.known(|known| known.marks.insert(mark.to_string(), task.clone()));
                    *mark = task.as_str().into();
                }
                Ok(sp1(&self.create(TaskKind::ProveShard, named, made, time).await?))
            }
            TaskType::RecursionDeferred => {
                let made = self.name_outputs(&of(1)?, &outputs);
                let time = self.time(&made).await?;
                Ok(sp1(&self.create(TaskKind::RecursionDeferred, named, made, time).await?))
            }
            other => anyhow::bail!("an execution asks for no {} task", other.as_str_name()),
        }
    }
}

/// Passes on the ends of tasks: marks under the names that SP1 was given, and in the order in which it named them.
async fn pass_on(
    known: Arc<Mutex<Known>>,
    (submit, mut ended): (
        UnboundedSender<proofmill_primitives::TaskId>,
        UnboundedReceiver<(proofmill_primitives::TaskId, Outcome)>,
    ),
    mut named: UnboundedReceiver<TaskId>,
    tell: UnboundedSender<(TaskId, TaskStatus)>,
) {
    let mut submit = Some(submit);
    let mut marks: HashMap<proofmill_primitives::TaskId, String> = HashMap::new();
    let mut order: VecDeque<String> = VecDeque::new();
    let mut early: HashMap<String, TaskStatus> = HashMap::new();
    loop {
        tokio::select! {
            task = named.recv(), if submit.is_some() => match task {
                // Whoever listens to the ends may be gone; then nobody waits for them.
                Some(task) => {
                    let id = task.to_string();
                    let real = known.lock().unwrap_or_else(PoisonError::into_inner).marks.get(&id).cloned();
                    let real = match real {
                        Some(real) => {
                            marks.insert(real.clone(), id.clone());
                            order.push_back(id);
                            real
                        }
                        None => id.into(),
                    };
                    drop(submit.as_ref().map(|submit| submit.send(real)));
                }
                None => submit = None,
            },
            end = ended.recv() => {
                let Some((task, outcome)) = end else { return };
                let status = match outcome {
                    Outcome::Succeeded => TaskStatus::Succeeded,
                    Outcome::Failed => TaskStatus::FailedFatal,
                };
                match marks.get(&task) {
                    None => drop(tell.send((sp1(&task), status))),
                    Some(mark) => {
                        early.insert(mark.clone(), status);
                        while let Some(status) = order.front().and_then(|first| early.remove(first)) {
                            let first = order.pop_front().unwrap_or_default();
                            drop(tell.send((TaskId::new(first), status)));
                        }
                    }
                }
            }
            () = tell.closed() => return,
        }
    }
}

/// What a task makes of an artifact.
fn made(of: &ArtifactId, number: u64) -> ArtifactId {
    name("made", &[of.as_str().as_bytes(), &number.to_le_bytes()])
}

/// What SP1 takes for the id of a mark.
const MARK: &str = "mark-";

/// What an execution needs while its shards are proven: its program's memory, and chunks of trace that are on their way. The limit on
/// a program's memory is higher, and few come near it.
const EXECUTION: Weight = Weight::gb(1);

/// What a task of ours weighs. Our prover stays warm, so each that proves is as heavy as the heaviest. One worker must have room for one
/// of them beside controller and execution, which wait for it.
pub(crate) fn weight(kind: TaskKind) -> Weight {
    match kind {
        TaskKind::ProveShard
        | TaskKind::RecursionReduce
        | TaskKind::RecursionDeferred
        | TaskKind::ShrinkWrap => crate::backend::PROVER,
        TaskKind::CoreExecute => EXECUTION,
        other => other.default_weight(),
    }
}

fn sp1(task: &proofmill_primitives::TaskId) -> TaskId {
    TaskId::new(task.as_str())
}

impl Store for Named {
    fn put<'a>(&'a self, id: &'a str, kind: ArtifactType, bytes: Vec<u8>) -> Later<'a, ()> {
        Box::pin(async move {
            let name = self.name_content(id, &bytes);
            if self.is_proven(&name).await.map_err(|fault| self.note(fault))? {
                return Ok(());
            }
            let put = self.store.put(name.as_str(), kind, bytes).await;
            put.map_err(|error| self.noted(error))
        })
    }

    fn get<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, Vec<u8>> {
        Box::pin(async move {
            let name = self.name_of(id);
            let got = self.store.get(name.as_str(), kind).await;
            got.map_err(|error| self.missed(&name, error))
        })
    }

    fn exists<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, bool> {
        Box::pin(async move {
            let exists = self.store.exists(self.name_of(id).as_str(), kind).await;
            exists.map_err(|error| self.noted(error))
        })
    }

    /// Whoever starts over reads it again.
    fn delete<'a>(&'a self, _: &'a str, _: ArtifactType) -> Later<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn add_ref<'a>(&'a self, id: &'a str, holder: &'a str) -> Later<'a, ()> {
        Box::pin(async move {
            let noted = self.store.add_ref(self.name_of(id).as_str(), holder).await;
            noted.map_err(|error| self.noted(error))
        })
    }

    /// What an execution has put together it goes on needing, as above, until all of it expires: nodes of the SP1 cluster that prove
    /// its shards then remove nothing.
    fn remove_ref<'a>(&'a self, _: &'a str, _: ArtifactType, _: &'a str) -> Later<'a, bool> {
        Box::pin(async { Ok(false) })
    }
}

impl Named {
    /// Notes whose fault it was that something cannot be read.
    fn missed(&self, name: &ArtifactId, error: anyhow::Error) -> anyhow::Error {
        match super::faults::fault_in(error) {
            Ok(fault) => {
                let lost = matches!(fault.code, Code::Missing | Code::Damaged) && is_kept(name.as_str());
                self.known(|known| known.lacks |= lost);
                self.note(fault)
            }
            Err(error) => error,
        }
    }

    fn noted(&self, error: anyhow::Error) -> anyhow::Error {
        match super::faults::fault_in(error) {
            Ok(fault) => self.note(fault),
            Err(error) => error,
        }
    }
}

impl Link for Named {
    fn submit(&self, kind: TaskType, task: RawTaskRequest) -> Later<'_, TaskId> {
        Box::pin(self.submitted(kind, task))
    }

    fn complete(&self, task: TaskId) -> Later<'_, ()> {
        Box::pin(async move {
            let done = self.link.complete(task.to_string().into()).await;
            done.map_err(|fault| self.note(fault))
        })
    }

    fn results(&self) -> (UnboundedSender<TaskId>, UnboundedReceiver<(TaskId, TaskStatus)>) {
        let (name, named) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(pass_on(self.known.clone(), self.link.results(), named, tell));
        (name, told)
    }

    fn say(&self, _: TaskId, message: Vec<u8>) -> Later<'_, ()> {
        Box::pin(async move {
            let shard: ProofData = bincode::deserialize(&message)?;
            let shard = ProofData { proof: Artifact(self.name_of(&shard.proof.0).to_string()), ..shard };
            let said = self.link.say(bincode::serialize(&shard)?).await;
            said.map_err(|fault| self.note(fault))
        })
    }
}
