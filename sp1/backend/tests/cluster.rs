//! The SP1 cluster's tasks without proving: what a controller and an execution ask for, and what is refused.
#![allow(clippy::unwrap_used, missing_docs)]

use proofmill_artifacts::{ArtifactKind, ArtifactStore, FsArtifacts};
use proofmill_backend_sp1::Sp1Backend;
use proofmill_backends::{
    Backend,
    tasks::{ClusterLink, ClusterTask, Foreseen, Later, NewTask, Outcome},
};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ArtifactId, TaskId, TaskKind, Weight};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

const ELF: &[u8] = include_bytes!("fixtures/fibonacci-sp1.elf");

/// A coordinator that runs keys and executions at once, and takes everything else for done.
#[derive(Clone)]
struct Book(Arc<Inner>);

struct Inner {
    sp1: Sp1Backend,
    artifacts: Arc<dyn ArtifactStore>,
    left: &'static [TaskKind],
    /// Whether a shard's events are lost the first time.
    loses_events: bool,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    tasks: Vec<NewTask>,
    messages: HashMap<TaskId, Vec<Vec<u8>>>,
    foreseen: Vec<Foreseen>,
}

impl Book {
    fn new(sp1: Sp1Backend, artifacts: Arc<dyn ArtifactStore>) -> Self {
        Self::leaving(sp1, artifacts, &[])
    }

    fn link(&self, task: &str) -> Arc<dyn ClusterLink> {
        Arc::new(Line { book: self.clone(), task: task.into() })
    }

    /// A coordinator whose workers leave something for these tasks.
    fn leaving(sp1: Sp1Backend, artifacts: Arc<dyn ArtifactStore>, left: &'static [TaskKind]) -> Self {
        Self(Arc::new(Inner { sp1, artifacts, left, loses_events: false, written: Mutex::default() }))
    }

    fn task(id: TaskId, task: NewTask) -> ClusterTask {
        let NewTask { kind, inputs, outputs, repeated, .. } = task;
        ClusterTask { id, proof: "p".into(), kind, inputs, outputs, requester: String::new(), repeated }
    }

    async fn run(&self, kind: TaskKind, inputs: &[&str]) -> Result<(), Fault> {
        let inputs = inputs.iter().map(|input| ArtifactId::new(*input)).collect();
        let (weight, outputs) = (Weight::gb(1), vec!["output".into()]);
        let task = Self::task("first".into(), NewTask { kind, weight, inputs, outputs, repeated: 0 });
        self.0.sp1.cluster_tasks().unwrap().run(task, self.link("first")).await
    }

    /// What was asked for, in order.
    fn asked(&self) -> Vec<(TaskKind, Vec<ArtifactId>)> {
        self.asked_again(0)
    }

    /// What was asked for because it was lost so many times.
    fn asked_again(&self, repeated: u32) -> Vec<(TaskKind, Vec<ArtifactId>)> {
        let tasks = &self.0.written.lock().unwrap().tasks;
        let asked = tasks.iter().filter(|task| task.repeated == repeated);
        asked.map(|task| (task.kind, task.outputs.clone())).collect()
    }
}

/// One task's line to it.
struct Line {
    book: Book,
    task: TaskId,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.task.fmt(f)
    }
}

impl ClusterLink for Line {
    fn artifacts(&self) -> Arc<dyn ArtifactStore> {
        self.book.0.artifacts.clone()
    }

    fn create(&self, task: NewTask) -> Later<TaskId> {
        let book = self.book.clone();
        Box::pin(async move {
            let id: TaskId = {
                let mut written = book.0.written.lock().unwrap();
                written.tasks.push(task.clone());
                format!("{}", written.tasks.len()).as_str().into()
            };
            let proof = task.outputs.first().filter(|_| book.0.left.contains(&task.kind));
            // The execution reads which events a shard left: none.
            let events = task.outputs.get(1).filter(|_| task.repeated > 0 || !book.0.loses_events);
            for (output, bytes) in proof
                .map(|id| (id, &b"proof"[..]))
                .into_iter()
                .chain(events.map(|id| (id, &b"\0\0\0\0\0\0\0\0"[..])))
            {
                let left = book.0.artifacts.put(output, ArtifactKind::Exchanged, bytes.to_vec().into()).await;
                left.map_err(Fault::from)?;
            }
            if matches!(task.kind, TaskKind::SetupVkey | TaskKind::CoreExecute) {
                let line = book.link(id.as_str());
                let task = Book::task(id.clone(), task);
                book.0.sp1.cluster_tasks().unwrap().run(task, line).await?;
            }
            Ok(id)
        })
    }

    fn complete(&self, _: TaskId) -> Later<()> {
        Box::pin(async { Ok(()) })
    }

    fn results(&self) -> (UnboundedSender<TaskId>, UnboundedReceiver<(TaskId, Outcome)>) {
        let (name, mut named) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(task) = named.recv().await {
                let _ = tell.send((task, Outcome::Succeeded));
            }
        });
        (name, told)
    }

    fn messages(&self, task: TaskId) -> UnboundedReceiver<Vec<u8>> {
        let (tell, told) = mpsc::unbounded_channel();
        for message in self.book.0.written.lock().unwrap().messages.get(&task).into_iter().flatten() {
            tell.send(message.clone()).unwrap();
        }
        told
    }

    fn say(&self, message: Vec<u8>) -> Later<()> {
        self.book.0.written.lock().unwrap().messages.entry(self.task.clone()).or_default().push(message);
        Box::pin(async { Ok(()) })
    }

    fn foresee(&self, foreseen: Foreseen) -> Later<()> {
        self.book.0.written.lock().unwrap().foreseen.push(foreseen);
        Box::pin(async { Ok(()) })
    }

    fn complete_proof(&self, _: String) -> Later<()> {
        Box::pin(async { panic!("nothing was proven") })
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("proofmill-sp1-{name}-{}", std::process::id())))
    }

    /// A store with the program, and an input for it.
    async fn store(&self, number: u32) -> Arc<dyn ArtifactStore> {
        let store = FsArtifacts::open(&self.0).unwrap();
        let input = Sp1Backend::new().encode_input(&[&number.to_le_bytes()], &[]).unwrap();
        store.put(&"program".into(), ArtifactKind::Program, ELF.into()).await.unwrap();
        store.put(&"input".into(), ArtifactKind::Stdin, input.into()).await.unwrap();
        Arc::new(store)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Compressed, with a stock client's limit of cycles.
const REQUEST: [&str; 4] = ["program", "input", "2", "18446744073709551615"];

#[tokio::test(flavor = "multi_thread")]
async fn whoever_starts_over_asks_for_the_same() {
    let mut before = None;
    for name in ["once", "again"] {
        let folder = Folder::new(name);
        let store = folder.store(100).await;
        let book = Book::new(Sp1Backend::new(), store.clone());
        // Everything was asked for, and nothing proven: the last proof is not there.
        let fault = book.run(TaskKind::Controller, &REQUEST).await.unwrap_err();
        assert_eq!(fault.code, Code::Missing, "{fault:?}");
        let asked = book.asked();
        let count = |kind| asked.iter().filter(|(asked, _)| *asked == kind).count();
        assert_eq!((count(TaskKind::SetupVkey), count(TaskKind::CoreExecute)), (1, 1), "{asked:?}");
        // One of the execution, with a mark, and one of the memory; they are folded by one task.
        assert_eq!((count(TaskKind::ProveShard), count(TaskKind::MarkerDeferredRecord)), (2, 1), "{asked:?}");
        assert_eq!(count(TaskKind::RecursionReduce), 1, "{asked:?}");
        assert!(asked.iter().flat_map(|(_, outputs)| outputs).all(|id| id.as_str().starts_with("key-")));
        let key = ArtifactKind::Exchanged;
        assert!(store.exists(&asked[0].1[0], key).await.unwrap(), "the program's key");
        {
            let written = book.0.written.lock().unwrap();
            let foreseen = written.foreseen.first().unwrap();
            assert!(foreseen.instructions > 1000 && !foreseen.public_values.is_empty(), "{foreseen:?}");
            assert!(foreseen.kinds.contains(&(TaskKind::ProveShard, 2)), "{foreseen:?}");
        }
        if let Some(before) = before.replace(asked.clone()) {
            assert_eq!(before, asked, "names follow from what is proven");
        }
    }
    let other = Folder::new("other");
    let book = Book::new(Sp1Backend::new(), other.store(101).await);
    // Without a limit, as our own clients say it.
    let fault = book.run(TaskKind::Controller, &["program", "input", "2", "0"]).await.unwrap_err();
    assert_eq!(fault.code, Code::Missing, "{fault:?}");
    // The input has the same name here, and other bytes: the shards of another execution are others.
    let shards = |asked: Vec<(TaskKind, Vec<ArtifactId>)>| {
        asked.into_iter().filter(|(kind, _)| *kind == TaskKind::ProveShard).collect::<Vec<_>>()
    };
    assert_ne!(shards(book.asked()), shards(before.unwrap()));
}

/// A task that is done and left nothing is asked for anew, and so is what it is made of, where that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_made_again_and_nothing_else() {
    const NOTHING: &[TaskKind] = &[];
    const SHARDS: &[TaskKind] = &[TaskKind::ProveShard];
    const ALL: &[TaskKind] = &[TaskKind::ProveShard, TaskKind::RecursionReduce];
    // What is left in the last case is no proof: damaged, it is removed, and made again.
    for (name, left, shards, code) in [
        ("all-lost", NOTHING, 2, Code::Missing),
        ("fold-lost", SHARDS, 0, Code::Missing),
        ("fold-damaged", ALL, 0, Code::Damaged),
    ] {
        let folder = Folder::new(name);
        let book = Book::leaving(Sp1Backend::new(), folder.store(100).await, left);
        let fault = book.run(TaskKind::Controller, &REQUEST).await.unwrap_err();
        assert_eq!(fault.code, code, "{name}: {fault:?}");
        for repeated in 1..=3 {
            let asked = book.asked_again(repeated);
            let count = |kind| asked.iter().filter(|(asked, _)| *asked == kind).count();
            assert_eq!(count(TaskKind::RecursionReduce), 1, "{name}, {repeated}: {asked:?}");
            assert_eq!(count(TaskKind::ProveShard), shards, "{name}, {repeated}: {asked:?}");
            assert_eq!(count(TaskKind::MarkerDeferredRecord), shards / 2, "{name}, {repeated}: {asked:?}");
            // The one that is run again asks for the shards.
            assert_eq!(count(TaskKind::CoreExecute), shards / 2, "{name}, {repeated}: {asked:?}");
            assert_eq!(count(TaskKind::SetupVkey), 0, "{name}, {repeated}: {asked:?}");
            // Under the same names: whoever asks next finds it.
            assert!(asked.iter().all(|of| book.asked().contains(of)), "{name}, {repeated}: {asked:?}");
        }
        assert!(book.asked_again(4).is_empty(), "{name}: it is given up");
    }
}

/// Such as that of a node with another version of SP1.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_the_programs_is_replaced() {
    let folder = Folder::new("key");
    let store = folder.store(100).await;
    let book = Book::new(Sp1Backend::new(), store.clone());
    let other = concat!(env!("CARGO_MANIFEST_DIR"), "/../../programs/elf/sp1-range.elf");
    let other = std::fs::read(other).unwrap();
    store.put(&"other".into(), ArtifactKind::Program, other.into()).await.unwrap();
    book.run(TaskKind::SetupVkey, &["other"]).await.unwrap();
    let wrong = store.get(&"output".into(), ArtifactKind::Exchanged).await.unwrap();
    // What a proof of this input asks for is not there yet: its execution is run.
    let asked = async |input: &str| {
        let fault = book.run(TaskKind::Controller, &["program", input, "2", "0"]).await.unwrap_err();
        assert_eq!(fault.code, Code::Missing, "{fault:?}");
    };
    asked("input").await;
    let (_, keys) = book.asked().into_iter().find(|(kind, _)| *kind == TaskKind::SetupVkey).unwrap();
    let key = &keys[0];
    let right = store.get(key, ArtifactKind::Exchanged).await.unwrap();
    assert_ne!(right, wrong);
    store.put(key, ArtifactKind::Exchanged, wrong).await.unwrap();
    let input = Sp1Backend::new().encode_input(&[&101_u32.to_le_bytes()], &[]).unwrap();
    store.put(&"another".into(), ArtifactKind::Stdin, input.into()).await.unwrap();
    asked("another").await;
    assert_eq!(store.get(key, ArtifactKind::Exchanged).await.unwrap(), right);
}

/// SP1 goes on without the events of a shard that it cannot read, to a proof that does not hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_events_are_lost_is_proven_again() {
    let folder = Folder::new("events");
    let (sp1, artifacts) = (Sp1Backend::new(), folder.store(100).await);
    let left = &[TaskKind::ProveShard];
    let written = Mutex::default();
    let book = Book(Arc::new(Inner { sp1, artifacts, left, loses_events: true, written }));
    let fault = book.run(TaskKind::Controller, &REQUEST).await.unwrap_err();
    assert_eq!(fault.code, Code::Missing, "{fault:?}");
    let again = book.asked_again(1);
    let count = |kind| again.iter().filter(|(asked, _)| *asked == kind).count();
    assert_eq!(count(TaskKind::CoreExecute), 1, "{again:?}");
    // The other one left no events.
    assert_eq!((count(TaskKind::ProveShard), count(TaskKind::MarkerDeferredRecord)), (1, 1), "{again:?}");
    assert!(again.iter().filter(|(kind, _)| *kind == TaskKind::ProveShard).all(|(_, left)| left.len() == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_with_its_cause() {
    let folder = Folder::new("refused");
    let book = Book::new(Sp1Backend::new(), folder.store(100).await);
    for (kind, circuit) in [(TaskKind::Groth16Wrap, "groth16"), (TaskKind::PlonkWrap, "plonk")] {
        let fault = book.run(kind, &["wrapped"]).await.unwrap_err();
        assert_eq!(fault.code, Code::NotSetUp, "another worker of this build may have them");
        assert!(fault.text.contains(circuit) && fault.text.contains(".complete"), "{}", fault.text);
    }
    let refused = async |inputs: &[&str]| book.run(TaskKind::Controller, inputs).await.unwrap_err();
    assert_eq!(refused(&["program", "input"]).await.code, Code::Malformed);
    assert_eq!(refused(&["program", "input", "9"]).await.code, Code::Malformed);
    assert_eq!(refused(&["program", "program", "2"]).await.code, Code::Missing);
    assert_eq!(refused(&["elsewhere", "input", "2"]).await.code, Code::Missing);
    assert_eq!(refused(&["program", "input", "2", "100"]).await.code, Code::CycleLimit);
    assert_eq!(book.run(TaskKind::CoreExecute, &["program"]).await.unwrap_err().code, Code::Malformed);
    assert_eq!(book.run(TaskKind::UtilVkeyMapChunk, &[]).await.unwrap_err().code, Code::Unfit);
}
