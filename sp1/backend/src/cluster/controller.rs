//! The controller of an SP1 proof: has the program's key derived, the program run, its shards proven and folded, and hands in the
//! proof. It does as the SP1 cluster's own controller does, but asks for every task under the same names each time, and folds in an
//! order that follows from the shards alone: whoever starts over finds all that is done.

use super::{
    execution::weight,
    faults::{of_backend, of_store, of_task},
    names::name,
    store::Plain,
};
use crate::{
    body::Body,
    network,
    shared::{OPEN, Shared},
    stdin,
};
use proofmill_artifacts::ArtifactKind;
use proofmill_backends::{
    Job, Proof,
    tasks::{ClusterLink, ClusterTask, Foreseen, NewTask, Outcome},
};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ArtifactId, ProofMode, ProverType, TaskId, TaskKind};
use proofmill_sp1_prover::{SP1Stdin, tasks::ARITY};
use slop_algebra::PrimeField32;
use sp1_core_machine::{executor::ExecutionOutput, riscv::RiscvAir};
use sp1_hypercube::{SP1VerifyingKey, air::ShardRange};
use sp1_primitives::SP1Field;
use sp1_prover::worker::{
    CommonProverInput, ControllerInputs, CoreExecuteTaskRequest, DeferredInputs, ProofData, RangeProofs,
    RawTaskRequest, RecursionProof, ReduceTaskRequest,
};
use sp1_prover_types::{Artifact, network_base_types};
use sp1_verifier::SP1Proof;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// Makes the proof that a `Controller` task asks for.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    task: ClusterTask,
    link: &Arc<dyn ClusterLink>,
) -> Result<(), Fault> {
    let store = Plain(link.artifacts());
    let request = Request::read(&task, &store).await?;
    let mut tasks = Tasks::new(link.clone());
    let (vk_name, vk) = key(&request, &store, &mut tasks).await?;
    let (mode, nonce) = (request.mode.wire().to_le_bytes(), format!("{:?}", request.nonce));
    let parts = [vk_name.as_str().as_bytes(), request.input.as_str().as_bytes(), &mode, nonce.as_bytes()];
    let common = name("common", &parts);
    store.save(&common, &request.common(vk.clone())).await?;
    let (execution, leaves) = shards(&request, &task, &common, &store, &mut tasks).await?;
    let output: ExecutionOutput = store.load(&execution).await?;
    let deferred = request.stdin.proofs.len();
    link.foresee(Foreseen {
        instructions: output.cycles,
        public_values: output.public_value_stream.clone(),
        kinds: kinds(request.mode, leaves.len() - deferred, deferred),
    })
    .await?;
    let inner = match request.mode {
        ProofMode::Core => {
            let mut shards = Vec::with_capacity(leaves.len());
            for (_, leaf) in &leaves {
                shards.push(store.load(leaf).await?);
            }
            SP1Proof::Core(shards)
        }
        mode => {
            let root = fold(leaves, &task, &mut tasks).await?;
            match mode {
                ProofMode::Plonk => {
                    SP1Proof::Plonk(store.load(&wrap(TaskKind::PlonkWrap, root, &mut tasks).await?).await?)
                }
                ProofMode::Groth16 => SP1Proof::Groth16(
                    store.load(&wrap(TaskKind::Groth16Wrap, root, &mut tasks).await?).await?,
                ),
                _ => SP1Proof::Compressed(Box::new(store.load(&root).await?)),
            }
        }
    };
    let body = Body { vk, proof: inner };
    let finished = finish(shared.clone(), body, output.public_value_stream).await?;
    let stored = network::pack(&finished).map_err(of_backend)?;
    let proof_bytes = stored.len();
    let Some(target) = task.outputs.first() else {
        return Err(Fault::new(Code::Malformed, "the task names no output"));
    };
    link.artifacts().put(target, ArtifactKind::Proof, stored.into()).await.map_err(of_store)?;
    let report = serde_json::json!({
        "program": finished.program.0,
        "instructions": output.cycles,
        "proof_bytes": proof_bytes,
    });
    link.complete_proof(report.to_string()).await
}

/// Not to hand out what would not verify: a fraction of a second after minutes of work.
async fn finish(shared: Arc<Shared>, body: Body, public_values: Vec<u8>) -> Result<Proof, Fault> {
    let check = tokio::task::spawn_blocking(move || {
        let program = crate::body::version_of(&body.vk).map_err(|cause| Fault::new(Code::BadProof, cause))?;
        let mode = body.mode();
        if matches!(mode, ProofMode::Core | ProofMode::Compressed) {
            let checked = shared.check_body(&body, mode, &public_values, program);
            checked.map_err(|error| Fault::new(Code::BadProof, error.to_string()))?;
        }
        let body = body.encode().map_err(of_backend)?;
        Ok(Proof { prover: ProverType::Sp1, mode, program, public_values, body })
    });
    check.await.map_err(|panic| Fault::new(Code::ProverFailed, panic.to_string()))?
}

/// What is asked for.
struct Request {
    program: ArtifactId,
    program_hash: blake3::Hash,
    input: ArtifactId,
    mode: ProofMode,
    cycle_limit: Option<u64>,
    nonce: [u32; 4],
    private: bool,
    stdin: SP1Stdin,
}

impl Request {
    async fn read(task: &ClusterTask, store: &Plain) -> Result<Self, Fault> {
        let malformed = |cause: String| Fault::new(Code::Malformed, cause);
        let inputs: Vec<String> = task.inputs.iter().map(ToString::to_string).collect();
        let ControllerInputs { elf, stdin_artifact, mode, cycle_limit, proof_nonce, metadata } =
            ControllerInputs::try_from(inputs.as_slice()).map_err(|error| malformed(error.to_string()))?;
        let (program, input) = (ArtifactId::new(elf.0), ArtifactId::new(stdin_artifact.0));
        let mode = u32::try_from(mode as i32).ok().and_then(ProofMode::from_wire);
        let mode = mode
            .filter(|mode| *mode != ProofMode::Execute)
            .ok_or_else(|| malformed("no such mode".into()))?;
        let elf = store.program(&program).await?;
        let bytes = store.input(&input, metadata.stdin_private).await?;
        let stdin =
            stdin::decode(&Job { program: &elf, input: &bytes, cycle_limit: None }).map_err(of_backend)?;
        if mode == ProofMode::Core && !stdin.proofs.is_empty() {
            return Err(Fault::new(Code::Unsupported, OPEN));
        }
        let nonce = match proof_nonce {
            Some(nonce) => store.load(&ArtifactId::new(nonce.0)).await?,
            None => [0; 4],
        };
        Ok(Self {
            program,
            program_hash: blake3::hash(&elf),
            input,
            mode,
            cycle_limit,
            nonce,
            private: metadata.stdin_private,
            stdin,
        })
    }

    fn common(&self, vk: SP1VerifyingKey) -> CommonProverInput {
        let deferred = DeferredInputs::new(self.stdin.proofs.iter().map(|(proof, _)| proof.clone()));
        let mode = i32::try_from(self.mode.wire()).unwrap_or_default();
        CommonProverInput {
            vk,
            mode: network_base_types::ProofMode::try_from(mode)
                .unwrap_or(network_base_types::ProofMode::Compressed),
            deferred_digest: deferred.deferred_digest().map(|limb| limb.as_canonical_u32()),
            num_deferred_proofs: deferred.num_deferred_proofs(),
            nonce: self.nonce,
        }
    }
}

/// The tasks that were asked for, and how they ended.
struct Tasks {
    link: Arc<dyn ClusterLink>,
    watch: UnboundedSender<TaskId>,
    ends: UnboundedReceiver<(TaskId, Outcome)>,
    ended: HashMap<TaskId, Outcome>,
}

impl Tasks {
    fn new(link: Arc<dyn ClusterLink>) -> Self {
        let (watch, ends) = link.results();
        Self { link, watch, ends, ended: HashMap::new() }
    }

    async fn ask(
        &self,
        kind: TaskKind,
        inputs: Vec<ArtifactId>,
        output: ArtifactId,
    ) -> Result<TaskId, Fault> {
        let task =
            self.link.create(NewTask { kind, weight: weight(kind), inputs, outputs: vec![output] }).await?;
        self.watch(task.clone())?;
        Ok(task)
    }

    fn watch(&self, task: TaskId) -> Result<(), Fault> {
        self.watch.send(task).map_err(|_| over())
    }

    /// Takes the next end.
    async fn next(&mut self) -> Result<(), Fault> {
        let (task, outcome) = self.ends.recv().await.ok_or_else(over)?;
        if outcome == Outcome::Failed {
            let text = format!("the task {task} failed; the coordinator's log says why");
            return Err(Fault::new(Code::ProverFailed, text));
        }
        self.ended.insert(task, outcome);
        Ok(())
    }

    fn done<'a>(&self, tasks: impl IntoIterator<Item = &'a TaskId>) -> bool {
        tasks.into_iter().all(|task| self.ended.contains_key(task))
    }

    async fn wait(&mut self, tasks: &[TaskId]) -> Result<(), Fault> {
        while !self.done(tasks) {
            self.next().await?;
        }
        Ok(())
    }
}

/// The stream of ends is over before they are all there.
fn over() -> Fault {
    Fault::new(Code::Withdrawn, "the proof has ended")
}

fn ids(artifacts: Vec<Artifact>) -> Vec<ArtifactId> {
    artifacts.into_iter().map(|artifact| ArtifactId::new(artifact.0)).collect()
}

/// The program's key, and its name.
async fn key(
    request: &Request,
    store: &Plain,
    tasks: &mut Tasks,
) -> Result<(ArtifactId, SP1VerifyingKey), Fault> {
    let output = name("key", &[request.program_hash.as_bytes()]);
    if !store.has(Some(&output)).await? {
        let task = tasks.ask(TaskKind::SetupVkey, vec![request.program.clone()], output.clone()).await?;
        tasks.wait(&[task]).await?;
    }
    let key = store.load(&output).await?;
    Ok((output, key))
}

/// Has the program run and its shards proven: where the execution's output is, and the proofs in the order in which they join.
async fn shards(
    request: &Request,
    task: &ClusterTask,
    common: &ArtifactId,
    store: &Plain,
    tasks: &mut Tasks,
) -> Result<(ArtifactId, Vec<(ShardRange, ArtifactId)>), Fault> {
    let output = name("execution", &[common.as_str().as_bytes(), task.proof.as_str().as_bytes()]);
    let asked = CoreExecuteTaskRequest {
        elf: Artifact(request.program.to_string()),
        stdin: Artifact(request.input.to_string()),
        common_input: Artifact(common.to_string()),
        execution_output: Artifact(output.to_string()),
        num_deferred_proofs: request.stdin.proofs.len(),
        cycle_limit: request.cycle_limit,
        context: super::raw(task).context,
        machine: RiscvAir::<SP1Field>::machine(),
        stdin_private: request.private,
    };
    let RawTaskRequest { inputs, .. } = asked.into_raw().map_err(of_task)?;
    let execution = tasks.ask(TaskKind::CoreExecute, ids(inputs), output.clone()).await?;
    let mut messages = tasks.link.messages(execution.clone());
    let mut told = true;
    let mut waiting = BTreeSet::from([execution]);
    // By the proof's name: an execution that starts over tells again of what it told before.
    let mut proofs: BTreeMap<ArtifactId, ShardRange> = BTreeMap::new();
    while told || !tasks.done(&waiting) {
        tokio::select! {
            message = messages.recv(), if told => match message {
                Some(message) => {
                    let shard: ProofData = stdin::read(&message)
                        .map_err(|cause| Fault::new(Code::ProverFailed, format!("a message of the execution: {cause}")))?;
                    if proofs.insert(ArtifactId::new(shard.proof.0), shard.range).is_none() {
                        let shard = TaskId::new(shard.task_id.to_string());
                        tasks.watch(shard.clone())?;
                        waiting.insert(shard);
                    }
                }
                None => told = false,
            },
            next = tasks.next() => next?,
        }
    }
    if !store.has(Some(&output)).await? {
        return Err(Fault::new(
            Code::NoResult,
            "the execution is said to be done, and its output is not there",
        ));
    }
    let mut leaves: Vec<_> = proofs.into_iter().map(|(proof, range)| (range, proof)).collect();
    // Precompiles, deferred proofs, execution, memory: the order of their ranges. Shards of precompiles have all the same.
    leaves.sort();
    if leaves.is_empty() {
        return Err(Fault::new(Code::NoResult, "the execution told of no shards"));
    }
    Ok((output, leaves))
}

/// Folds neighbours until one is left. A single one is folded as well: only the last step marks the proof as complete.
async fn fold(
    mut level: Vec<(ShardRange, ArtifactId)>,
    task: &ClusterTask,
    tasks: &mut Tasks,
) -> Result<ArtifactId, Fault> {
    loop {
        let last = level.len() <= ARITY;
        let (mut folded, mut asked) = (Vec::with_capacity(level.len().div_ceil(ARITY)), Vec::new());
        for children in level.chunks(ARITY) {
            if let ([only], false) = (children, last) {
                folded.push(only.clone());
                continue;
            }
            let (Some((first, _)), Some((end, _))) = (children.first(), children.last()) else { continue };
            let range: ShardRange = (first.start()..end.end()).into();
            let is_last = [u8::from(last)];
            let parts = children.iter().map(|(_, child)| child.as_str().as_bytes());
            let output = name("fold", &[is_last.as_slice()].into_iter().chain(parts).collect::<Vec<_>>());
            let proofs = children.iter().map(|(range, child)| RecursionProof {
                shard_range: *range,
                proof: Artifact(child.to_string()),
            });
            let request = ReduceTaskRequest {
                range_proofs: RangeProofs::new(range, proofs.collect()),
                is_complete: last,
                output: Artifact(output.to_string()),
                context: super::raw(task).context,
            };
            let RawTaskRequest { inputs, .. } = request.into_raw().map_err(of_task)?;
            asked.push(tasks.ask(TaskKind::RecursionReduce, ids(inputs), output.clone()).await?);
            folded.push((range, output));
        }
        tasks.wait(&asked).await?;
        level = folded;
        if last {
            break;
        }
    }
    level
        .into_iter()
        .next()
        .map(|(_, root)| root)
        .ok_or_else(|| Fault::new(Code::NoResult, "nothing was folded"))
}

/// Wraps the proof for a chain that cannot verify it otherwise.
async fn wrap(kind: TaskKind, root: ArtifactId, tasks: &mut Tasks) -> Result<ArtifactId, Fault> {
    let shrunk = name("shrink-wrap", &[root.as_str().as_bytes()]);
    let task = tasks.ask(TaskKind::ShrinkWrap, vec![root], shrunk.clone()).await?;
    tasks.wait(&[task]).await?;
    let wrapped = name(kind.name(), &[shrunk.as_str().as_bytes()]);
    let task = tasks.ask(kind, vec![shrunk], wrapped.clone()).await?;
    tasks.wait(&[task]).await?;
    Ok(wrapped)
}

fn kinds(mode: ProofMode, shards: usize, deferred: usize) -> Vec<(TaskKind, usize)> {
    let mut kinds = vec![
        (TaskKind::Controller, 1),
        (TaskKind::CoreExecute, 1),
        (TaskKind::ProveShard, shards),
        (TaskKind::RecursionDeferred, deferred),
    ];
    if mode != ProofMode::Core {
        let (mut folds, mut left) = (1, shards + deferred);
        while left > ARITY {
            folds += left / ARITY;
            left = left.div_ceil(ARITY);
        }
        kinds.push((TaskKind::RecursionReduce, folds));
    }
    kinds.retain(|(_, count)| *count > 0);
    kinds
}
