//! SP1's prover, kept warm: starting it builds the recursion programs and their keys, which takes a minute or more.

use crate::{ProverError, settings};
use slop_algebra::PrimeField32;
use sp1_core_machine::{io::SP1Stdin, riscv::RiscvAir};
use sp1_hypercube::{
    MachineVerifier, SP1PcsProofInner, ShardProof,
    air::POSEIDON_NUM_WORDS,
    prover::{CpuShardProver, ProverSemaphore},
};
use sp1_primitives::{SP1Field, SP1GlobalContext};
use sp1_prover::{
    CoreSC, CpuSP1ProverComponents, CpuWrapProverBuilder, SP1ProverComponents,
    recursion::recursive_verifier,
    shapes::SP1NormalizeCache,
    worker::{
        CommonProverInput, CoreExecuteTaskRequest, DeferredInputs, LocalWorkerClient,
        LocalWorkerClientChannels, ProofId, RawTaskRequest, RequesterId, SP1Worker, SP1WorkerBuilder,
        SetupTask, TaskContext, TaskError, TaskId, TaskMetadata, WorkerClient,
    },
};
use sp1_prover_types::{
    Artifact, ArtifactClient, ArtifactType, InMemoryArtifactClient, ProofRequestStatus, TaskStatus, TaskType,
    network_base_types,
};
use sp1_recursion_circuit::shard::RecursiveShardVerifier;
use sp1_recursion_compiler::config::InnerConfig;
use sp1_verifier::{ProofFromNetwork, SP1Proof};
use std::{
    fmt::Display,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::{sync::mpsc::Receiver, task::JoinSet};

type Worker = SP1Worker<InMemoryArtifactClient, LocalWorkerClient, CpuSP1ProverComponents>;

/// Proofs of the shards of one execution.
pub type CoreProof = Vec<ShardProof<SP1GlobalContext, SP1PcsProofInner>>;

/// A running prover. Clones share it. It proves one thing at a time, whoever asks.
#[derive(Clone)]
pub struct Prover {
    pub(crate) worker: Worker,
    pub(crate) core: Arc<CoreShapes>,
    failures: Failures,
    deferred: Deferred,
    /// The loops that run tasks. They end with the last clone, and with them what they hold.
    _loops: Arc<JoinSet<()>>,
}

/// What went wrong in tasks of the proof under way; SP1's controller only says that something did.
type Failures = Arc<Mutex<Vec<String>>>;

/// The digest of the proofs that the program under way verifies.
type Deferred = Arc<Mutex<[u32; POSEIDON_NUM_WORDS]>>;

/// What is needed to lift a shard's proof into the recursion.
pub(crate) struct CoreShapes {
    pub(crate) verifier: MachineVerifier<SP1GlobalContext, CoreSC>,
    pub(crate) recursive: RecursiveShardVerifier<SP1GlobalContext, RiscvAir<SP1Field>, InnerConfig>,
    pub(crate) programs: SP1NormalizeCache,
}

impl Prover {
    /// Starts a prover: a minute or more, and several GB.
    ///
    /// # Errors
    /// [`ProverError::Start`].
    pub async fn start() -> Result<Self, ProverError> {
        tracing::info!("starting SP1's prover; this takes a minute or more, once per process");
        let begun = Instant::now();
        let machine = RiscvAir::<SP1Field>::machine();
        let core = CpuSP1ProverComponents::core_verifier(machine);
        let (client, channels) = LocalWorkerClient::init();
        let worker = build(InMemoryArtifactClient::new(), client).await?;
        let recursive =
            recursive_verifier::<SP1GlobalContext, RiscvAir<SP1Field>, InnerConfig>(core.shard_verifier());
        let core = Arc::new(CoreShapes { verifier: core, recursive, programs: SP1NormalizeCache::new(4) });
        let (failures, deferred) = (Failures::default(), Deferred::default());
        let loops = Arc::new(serve(&worker, &failures, &deferred, channels));
        tracing::info!(seconds = begun.elapsed().as_secs(), "SP1's prover has started");
        Ok(Self { worker, core, failures, deferred, _loops: loops })
    }

    /// Proves the shards of an execution. That the proofs hold which the program verifies is not proven by them, but by
    /// [`compress`](Self::compress).
    ///
    /// # Errors
    /// [`ProverError::Prove`]; start another prover after it.
    pub async fn prove_core(&self, program: Vec<u8>, stdin: SP1Stdin) -> Result<CoreProof, ProverError> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // The proofs that the program verifies are lifted when it is compressed. SP1's controller would lift them now, and
        // take what comes of it for shards. What it needs of them is their digest.
        let verified = DeferredInputs::new(stdin.proofs.iter().map(|(proof, _)| proof.clone()));
        *self.deferred.lock().unwrap_or_else(PoisonError::into_inner) =
            verified.deferred_digest().map(|limb| limb.as_canonical_u32());
        let stdin = SP1Stdin { proofs: Vec::new(), ..stdin };
        let store = self.worker.artifact_client();
        // The controller remembers keys by the program's name, so the same program must have the same name.
        let program_name = Artifact(format!("program-{}", blake3::hash(&program)));
        let [input, output] = [store.create_artifact(), store.create_artifact()];
        let (input, output) = (input.map_err(failed)?, output.map_err(failed)?);
        let context = context("core");
        let mode = network_base_types::ProofMode::Core as i32;
        let request = RawTaskRequest {
            inputs: vec![program_name.clone(), input.clone(), Artifact(mode.to_string())],
            outputs: vec![output.clone()],
            context: context.clone(),
        };
        let proven = async {
            store.upload_program(&program_name, program).await.map_err(text)?;
            store.upload_with_type(&input, ArtifactType::Stdin, stdin).await.map_err(text)?;
            self.worker.controller().run(request).await.map_err(|error| self.cause(&error))?;
            store.download::<ProofFromNetwork>(&output).await.map_err(text)
        }
        .await;
        // Let go of what the proof left behind, however it ended.
        for (artifact, kind) in [
            (program_name, ArtifactType::Program),
            (input, ArtifactType::Stdin),
            (output, ArtifactType::UnspecifiedArtifactType),
        ] {
            let _ = store.delete(&artifact, kind).await;
        }
        let status = if proven.is_ok() { ProofRequestStatus::Completed } else { ProofRequestStatus::Failed };
        let client = self.worker.worker_client();
        let _ = client.complete_proof(context.proof_id.clone(), None, status, "").await;
        client.cleanup(&context.proof_id, store).await;
        match proven.map_err(ProverError::Prove)?.proof {
            SP1Proof::Core(shards) => Ok(shards),
            other => {
                Err(ProverError::Prove(format!("SP1 was asked for a core proof and made a {other} proof")))
            }
        }
    }

    fn cause(&self, error: &TaskError) -> String {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.first() {
            Some(first) => first.clone(),
            None => error.to_string(),
        }
    }
}

/// SP1's engines, with these clients.
pub(crate) async fn build<A: ArtifactClient, W: WorkerClient>(
    artifacts: A,
    client: W,
) -> Result<SP1Worker<A, W, CpuSP1ProverComponents>, ProverError> {
    let machine = RiscvAir::<SP1Field>::machine();
    // One permit: one thing is proven at a time, with all cores.
    let permit = ProverSemaphore::new(1);
    let core = CpuSP1ProverComponents::core_verifier(machine.clone());
    let compress = CpuSP1ProverComponents::compress_verifier();
    let shrink = CpuSP1ProverComponents::shrink_verifier();
    SP1WorkerBuilder::<CpuSP1ProverComponents>::new_with_machine(machine)
        .with_config(settings::shrink)
        .with_artifact_client(artifacts)
        .with_worker_client(client)
        .with_core_air_prover(Arc::new(CpuShardProver::new(core.shard_verifier().clone())), permit.clone())
        .with_compress_air_prover(
            Arc::new(CpuShardProver::new(compress.shard_verifier().clone())),
            permit.clone(),
        )
        .with_shrink_air_prover(
            Arc::new(CpuShardProver::new(shrink.shard_verifier().clone())),
            permit.clone(),
        )
        .with_wrap_air_prover(CpuWrapProverBuilder, permit)
        .build()
        .await
        .map_err(|error| ProverError::Start(error.to_string()))
}

/// Runs the tasks that the controller asks for. One loop for each kind: a kind that waits must not hold up another.
fn serve(
    worker: &Worker,
    failures: &Failures,
    deferred: &Deferred,
    mut channels: LocalWorkerClientChannels,
) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    let mut on = |kind| channels.task_receivers.remove(&kind);
    if let Some(tasks) = on(TaskType::CoreExecute) {
        let deferred = deferred.clone();
        let execute = move |worker: Worker, id, request| {
            let deferred = *deferred.lock().unwrap_or_else(PoisonError::into_inner);
            async move {
                let request = CoreExecuteTaskRequest::from_raw(request)?;
                state_deferred(worker.artifact_client(), &request.common_input, deferred).await?;
                worker.controller().execute(id, request).await.map(drop)
            }
        };
        loops.spawn(each("execute the program", worker.clone(), failures.clone(), tasks, execute));
    }
    if let Some(tasks) = on(TaskType::SetupVkey) {
        loops.spawn(each(
            "derive the program's key",
            worker.clone(),
            failures.clone(),
            tasks,
            |worker, id, request| async move {
                let SetupTask { id, elf, output } = setup_task(id, request)?;
                let running = worker.prover_engine().submit_setup(id, elf, output).await?;
                running.await.map_err(lost)?.map(drop)
            },
        ));
    }
    if let Some(tasks) = on(TaskType::ProveShard) {
        loops.spawn(each(
            "prove a shard",
            worker.clone(),
            failures.clone(),
            tasks,
            |worker, _, request| async move {
                let running = worker.prover_engine().submit_prove_core_shard(request).await?;
                running.await.map_err(lost)?.map(drop)
            },
        ));
    }
    // Marks are set by the shard that they belong to; they only have to be taken off the queue.
    if let Some(mut marks) = on(TaskType::MarkerDeferredRecord) {
        loops.spawn(async move { while marks.recv().await.is_some() {} });
    }
    loops
}

/// Puts the digest of the proofs that the program verifies where shards take it from: those of its memory state it, and
/// must state what the program's own shards came to.
async fn state_deferred(
    store: &InMemoryArtifactClient,
    common_input: &Artifact,
    deferred_digest: [u32; POSEIDON_NUM_WORDS],
) -> Result<(), TaskError> {
    let common: CommonProverInput = store.download(common_input).await?;
    store.upload(common_input, CommonProverInput { deferred_digest, ..common }).await?;
    Ok(())
}

/// Runs each task as soon as it comes, and reports how it ended. How many run at once is limited by the queues of the
/// prover itself.
async fn each<F, R>(
    what: &'static str,
    worker: Worker,
    failures: Failures,
    mut tasks: Receiver<(TaskId, RawTaskRequest)>,
    run: F,
) where
    F: Fn(Worker, TaskId, RawTaskRequest) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), TaskError>> + Send + 'static,
{
    while let Some((id, request)) = tasks.recv().await {
        let proof = request.context.proof_id.clone();
        let running = tokio::spawn(run(worker.clone(), id.clone(), request));
        let (client, failures) = (worker.worker_client().clone(), failures.clone());
        tokio::spawn(async move {
            let ended = match running.await {
                Ok(ended) => ended.map_err(|error| error.to_string()),
                // A panic in a task would leave the controller waiting for ever.
                Err(panic) => Err(panic.to_string()),
            };
            let told = match ended {
                Ok(()) => client.complete_task(proof, id, TaskMetadata::default()).await,
                Err(cause) => {
                    let cause = format!("cannot {what}: {cause}");
                    failures.lock().unwrap_or_else(PoisonError::into_inner).push(cause);
                    client.update_task_status(id, TaskStatus::FailedFatal).await
                }
            };
            if let Err(error) = told {
                // The proof it was for has already been given up.
                tracing::debug!(%error, what, "a task ended after its proof");
            }
        });
    }
}

/// Who asks, for tasks of this process.
pub(crate) fn context(what: &str) -> TaskContext {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    TaskContext {
        proof_id: ProofId::new(format!("{what}-{number}")),
        parent_id: None,
        parent_context: None,
        requester_id: RequesterId::new("proofmill"),
    }
}

fn setup_task(id: TaskId, request: RawTaskRequest) -> Result<SetupTask, TaskError> {
    let RawTaskRequest { inputs, outputs, .. } = request;
    match (inputs.into_iter().next(), outputs.into_iter().next()) {
        (Some(elf), Some(output)) => Ok(SetupTask { id, elf, output }),
        _ => Err(TaskError::Fatal(std::io::Error::other("a setup task without a program").into())),
    }
}

pub(crate) fn lost(error: impl std::error::Error + Send + Sync + 'static) -> TaskError {
    TaskError::Fatal(error.into())
}

fn failed(error: impl Display) -> ProverError {
    ProverError::Prove(error.to_string())
}

fn text(error: impl Display) -> String {
    error.to_string()
}
