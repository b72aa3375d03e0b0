//! Proofs of the SP1 cluster's layout: a controller, an execution that tells of shards while it runs, marks that shards set, and
//! folds; spread over workers that come and go.

use crate::{
    backend::Slow,
    disk::{Disk, Refusal},
    harness::{Hand, Site, settings},
};
use bytes::Bytes;
use proofmill_artifacts::{ArtifactKind, ArtifactStore, ContentKey};
use proofmill_backends::{
    Backend, BackendError, Execution, Job, Node, Plan, Proof, Segment, SegmentBudget,
    tasks::{ClusterLink, ClusterTask, ClusterTasks, Later, NewTask, Outcome},
};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{
    ArtifactId, Instructions, ProgramVersion, ProofMode, ProverType, TaskId, TaskKind, Weight, WorkerKind,
};
use proofmill_worker::run;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How long a shard takes, and how long the execution takes from one to the next.
const SHARD: Duration = Duration::from_millis(300);
const STRIDE: Duration = Duration::from_millis(60);

/// A prover type of that layout, whose program has as many shards as its input says. It remembers what it did, for all workers of a
/// test together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shards(Arc<Work>);

#[derive(Debug)]
struct Work {
    /// How often each was made.
    made: Mutex<BTreeMap<String, u32>>,
    /// Shards whose proofs are in the store.
    stored: Mutex<BTreeSet<String>>,
    /// Shards from this one on are not made before they are let go.
    held_from: AtomicU32,
}

impl Default for Work {
    fn default() -> Self {
        Self { made: Mutex::default(), stored: Mutex::default(), held_from: AtomicU32::new(u32::MAX) }
    }
}

fn name(what: &str, of: &str) -> ArtifactId {
    ContentKey::of(&[what.as_bytes(), of.as_bytes()]).artifact()
}

fn store(error: proofmill_artifacts::ArtifactError) -> Fault {
    Fault::new(Code::StoreAway, error.to_string())
}

fn new(kind: TaskKind, inputs: &[&ArtifactId], output: &ArtifactId) -> NewTask {
    let inputs = inputs.iter().copied().cloned().collect();
    NewTask {
        kind,
        weight: Weight::gb(u32::from(kind != TaskKind::MarkerDeferredRecord)),
        inputs,
        outputs: vec![output.clone()],
        repeated: 0,
    }
}

impl Shards {
    fn made(&self) -> BTreeMap<String, u32> {
        self.0.made.lock().unwrap().clone()
    }

    fn stored(&self) -> BTreeSet<String> {
        self.0.stored.lock().unwrap().clone()
    }

    fn count(&self, what: String) {
        *self.0.made.lock().unwrap().entry(what).or_default() += 1;
    }

    /// Makes none from this one on before they are let go: no time decides what happens meanwhile.
    fn hold_from(&self, shard: u32) {
        self.0.held_from.store(shard, Ordering::SeqCst);
    }

    fn let_go(&self) {
        self.hold_from(u32::MAX);
    }

    fn is_held(&self, shard: u32) -> bool {
        shard >= self.0.held_from.load(Ordering::SeqCst)
    }

    async fn controller(self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Result<(), Fault> {
        let artifacts = link.artifacts();
        let input = task.inputs[1].clone();
        let output = name("execution", input.as_str());
        let (watch, mut ends) = link.results();
        let execution = link.create(new(TaskKind::CoreExecute, &[&input], &output)).await?;
        watch.send(execution.clone()).unwrap();
        let (mut messages, mut waiting, mut parts) = (link.messages(execution), 1, Vec::new());
        let mut told = true;
        while told || waiting > 0 {
            tokio::select! {
                message = messages.recv(), if told => match message {
                    Some(message) => {
                        let (id, part) = serde_json::from_slice::<(String, String)>(&message).unwrap();
                        if !parts.contains(&part) {
                            watch.send(id.as_str().into()).unwrap();
                            waiting += 1;
                            parts.push(part);
                        }
                    }
                    None => told = false,
                },
                end = ends.recv() => {
                    let (_, outcome) = end.ok_or_else(|| Fault::new(Code::Withdrawn, "over"))?;
                    assert_eq!(outcome, Outcome::Succeeded);
                    waiting -= 1;
                }
            }
        }
        let mut proof = Vec::new();
        for part in &parts {
            proof.extend(artifacts.get(&part.as_str().into(), ArtifactKind::Exchanged).await.map_err(store)?);
        }
        artifacts.put(&task.outputs[0], ArtifactKind::Proof, proof.into()).await.map_err(store)?;
        link.complete_proof("{}".into()).await
    }

    /// Asks for a shard every while; each has a mark, and the marks of all must be set before the execution is done.
    async fn execution(self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Result<(), Fault> {
        let artifacts = link.artifacts();
        if artifacts.exists(&task.outputs[0], ArtifactKind::Exchanged).await.map_err(store)? {
            return Ok(());
        }
        let count = artifacts.get(&task.inputs[0], ArtifactKind::Stdin).await.map_err(store)?;
        let count: u32 = String::from_utf8_lossy(&count).parse().unwrap();
        self.count("execution".into());
        let (watch, mut ends) = link.results();
        for shard in 0..count {
            tokio::time::sleep(STRIDE).await;
            let part = name("shard", &shard.to_string());
            let mark =
                link.create(new(TaskKind::MarkerDeferredRecord, &[], &name("mark", part.as_str()))).await?;
            let record = ArtifactId::new(format!("{shard}"));
            let made =
                link.create(new(TaskKind::ProveShard, &[&record, &mark.as_str().into()], &part)).await?;
            link.say(serde_json::to_vec(&(made.to_string(), part.to_string())).unwrap()).await?;
            watch.send(mark).unwrap();
        }
        for _ in 0..count {
            ends.recv().await.ok_or_else(|| Fault::new(Code::Withdrawn, "over"))?;
        }
        artifacts.put(&task.outputs[0], ArtifactKind::Exchanged, Bytes::new()).await.map_err(store)
    }

    async fn shard(self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Result<(), Fault> {
        let artifacts = link.artifacts();
        if !artifacts.exists(&task.outputs[0], ArtifactKind::Exchanged).await.map_err(store)? {
            tokio::time::sleep(SHARD).await;
            let shard = task.inputs[0].to_string();
            while self.is_held(shard.parse().unwrap()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            self.count(shard.clone());
            let proof = format!("<{shard}>");
            artifacts.put(&task.outputs[0], ArtifactKind::Exchanged, proof.into()).await.map_err(store)?;
            self.0.stored.lock().unwrap().insert(shard);
        }
        link.complete(TaskId::from(task.inputs[1].as_str())).await
    }
}

impl ClusterTasks for Shards {
    fn run(&self, task: ClusterTask, link: Arc<dyn ClusterLink>) -> Later<()> {
        let shards = self.clone();
        match task.kind {
            TaskKind::Controller => Box::pin(shards.controller(task, link)),
            TaskKind::CoreExecute => Box::pin(shards.execution(task, link)),
            _ => Box::pin(shards.shard(task, link)),
        }
    }
}

/// What is not of the layout is not asked for.
impl Backend for Shards {
    fn prover_type(&self) -> ProverType {
        ProverType::Sp1
    }

    fn cluster_tasks(&self) -> Option<&dyn ClusterTasks> {
        Some(self)
    }

    fn weight(&self, _: TaskKind, _: SegmentBudget) -> Weight {
        Weight::gb(1)
    }

    fn budget_for(&self, _: Weight) -> SegmentBudget {
        SegmentBudget(1)
    }

    fn program_version(&self, _: &[u8]) -> Result<ProgramVersion, BackendError> {
        Ok(ProgramVersion(Default::default()))
    }

    fn encode_input(&self, frames: &[&[u8]], _: &[Proof]) -> Result<Vec<u8>, BackendError> {
        Ok(frames.concat())
    }

    fn execute(&self, _: &Job<'_>) -> Result<Execution, BackendError> {
        Ok(Execution { public_values: Vec::new(), instructions: Instructions(1) })
    }

    fn plan(&self, _: &Job<'_>, _: SegmentBudget) -> Result<Plan, BackendError> {
        unreachable!("its proofs have another layout")
    }

    fn prove_segment(&self, _: &Job<'_>, _: &Plan, _: u32) -> Result<Vec<u8>, BackendError> {
        unreachable!("its proofs have another layout")
    }

    fn tree(&self, _: &[Segment], _: ProofMode, _: SegmentBudget) -> Result<Vec<Node>, BackendError> {
        unreachable!("its proofs have another layout")
    }

    fn node_weight(&self, _: &Node) -> Weight {
        Weight::gb(1)
    }

    fn reduce(&self, _: &[u8], _: &Node, _: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        unreachable!("its proofs have another layout")
    }

    fn finish(&self, _: &Job<'_>, _: &Plan, _: ProofMode, _: &[Vec<u8>]) -> Result<Proof, BackendError> {
        unreachable!("its proofs have another layout")
    }

    fn verify(&self, _: &Proof, _: ProgramVersion) -> Result<(), BackendError> {
        unreachable!("nobody asks")
    }
}

struct Fleet {
    site: Site,
    shards: Shards,
}

impl Fleet {
    async fn new() -> Self {
        Self { site: Site::new(Slow::new(1)).await, shards: Shards::default() }
    }

    fn worker(&self, id: &str, kind: WorkerKind, room: u32) -> Hand {
        self.worker_on(self.site.artifacts.clone(), id, kind, room)
    }

    /// The same, with another view of the artifacts.
    fn worker_on(&self, artifacts: Arc<dyn ArtifactStore>, id: &str, kind: WorkerKind, room: u32) -> Hand {
        let config = settings(self.site.address, id, kind, room, ProverType::Sp1);
        let registry = proofmill_backends::Registry::default().with(Arc::new(self.shards.clone()));
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(config, registry, artifacts, stop.clone()));
        Hand { stop, running }
    }

    /// Waits until so many shards are proven.
    async fn proven(&self, count: usize) {
        self.site.until("some are proven", || self.shards.stored().len() >= count).await;
    }

    async fn ends_with(&self, id: &str, count: u32) {
        let progress = self.site.ended(id).await;
        assert_eq!(progress.cause, "");
        let proof =
            self.site.artifacts.get(&format!("{id}-proof").into(), ArtifactKind::Proof).await.unwrap();
        let expected: String = (0..count).map(|shard| format!("<{shard}>")).collect();
        assert_eq!(String::from_utf8_lossy(&proof), expected);
    }

    /// How often something was done that must be done once.
    fn repeated(&self) -> Vec<(String, u32)> {
        let made = self.shards.made();
        made.into_iter().filter(|(what, times)| what != "execution" && *times > 1).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_spread_over_workers_and_nothing_is_proven_twice_when_one_of_them_is_lost() {
    let fleet = Fleet::new().await;
    let _controls = fleet.worker("controls", WorkerKind::Cpu, 16);
    let lost = fleet.worker("lost", WorkerKind::Gpu, 2);
    let _stays = fleet.worker("stays", WorkerKind::Gpu, 2);
    fleet.site.request_sp1("p", 12).await;
    fleet.proven(4).await;
    lost.kill().await;
    // What it had made, and had not stored.
    let stored = fleet.shards.stored();
    let torn: Vec<_> = fleet.shards.made().into_keys().filter(|made| !stored.contains(made)).collect();
    fleet.ends_with("p", 12).await;
    let repeated = fleet.repeated();
    assert!(
        repeated.iter().all(|(shard, times)| torn.contains(shard) && *times == 2),
        "{repeated:?}: {torn:?}"
    );
}

/// As in our own layout: a shard is not proven anew because there was no space for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_of_this_layout_while_the_disk_is_full_is_kept() {
    let fleet = Fleet::new().await;
    let disk = Disk::new(&fleet.site, Refusal::Full);
    let _controls = fleet.worker("controls", WorkerKind::Cpu, 16);
    let _proves = fleet.worker_on(disk.clone(), "proves", WorkerKind::Gpu, 2);
    fleet.shards.hold_from(4);
    fleet.site.request_sp1("p", 12).await;
    fleet.proven(2).await;
    disk.refuses.store(true, Ordering::SeqCst);
    fleet.shards.let_go();
    // The two that are made at the same time, each more often than a task is tried.
    fleet.site.until("results wait", || disk.refused.load(Ordering::SeqCst) > 8).await;
    let says = "ProveShard on proves: a result waits for space";
    fleet.site.until_diagnosis("p", |told| told.contains(says)).await;
    disk.refuses.store(false, Ordering::SeqCst);
    fleet.ends_with("p", 12).await;
    assert_eq!(fleet.repeated(), []);
}

/// Controller and execution are on the worker that is lost: both start over elsewhere, and find what is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_and_an_execution_that_start_over_repeat_nothing() {
    let fleet = Fleet::new().await;
    let lost = fleet.worker("lost", WorkerKind::Cpu, 16);
    let _proves = fleet.worker("proves", WorkerKind::Gpu, 2);
    fleet.shards.hold_from(8);
    fleet.site.request_sp1("p", 12).await;
    fleet.proven(4).await;
    lost.kill().await;
    let _next = fleet.worker("next", WorkerKind::Cpu, 16);
    fleet.shards.let_go();
    fleet.ends_with("p", 12).await;
    assert_eq!(fleet.repeated(), []);
    assert_eq!(fleet.shards.made()["execution"], 2);
}

/// What the execution told before is there after a restart of the coordinator, in the middle of it and after its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_is_restarted_remembers_the_messages_of_tasks() {
    let mut fleet = Fleet::new().await;
    let controls = fleet.worker("controls", WorkerKind::Cpu, 16);
    let _proves = fleet.worker("proves", WorkerKind::Gpu, 2);
    // It does not end before the second restart, after which it would not be known.
    fleet.shards.hold_from(8);
    fleet.site.request_sp1("p", 12).await;
    fleet.proven(2).await;
    fleet.site.stop_cluster().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    fleet.site.start_cluster().await;
    fleet.proven(5).await;
    // A coordinator waits half a minute for those that it knew before.
    fleet.site.has_workers(&["controls", "proves"]).await;
    controls.kill().await;
    fleet.site.has_workers(&["proves"]).await;
    fleet.site.stop_cluster().await;
    fleet.site.start_cluster().await;
    fleet.shards.let_go();
    let _next = fleet.worker("next", WorkerKind::Cpu, 16);
    fleet.ends_with("p", 12).await;
    assert_eq!(fleet.repeated(), []);
}
