//! The controller of an SP1 proof: has the program's key derived, the program run, its shards proven and folded, and hands in the
//! proof. It does as the SP1 cluster's own controller does, but asks for every task under the same names each time, and folds in an
//! order that follows from the shards alone: whoever starts over finds all that is done.

use super::{
    asked::Tasks, derived, faults::of_task, folds, names::name, request::Request, store::Plain, told::Told,
};
use crate::{
    body::{Body, version_of},
    network,
    shared::Shared,
    stdin,
};
use proofmill_artifacts::{ArtifactKind, refusal_of};
use proofmill_backends::{
    Proof,
    tasks::{ClusterLink, ClusterTask, Foreseen},
};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ArtifactId, ProgramVersion, ProofMode, ProverType, TaskId, TaskKind};
use proofmill_sp1_prover::tasks::ARITY;
use sp1_core_machine::{executor::ExecutionOutput, riscv::RiscvAir};
use sp1_hypercube::{SP1VerifyingKey, air::ShardRange};
use sp1_primitives::SP1Field;
use sp1_prover::worker::{CoreExecuteTaskRequest, ProofData, RawTaskRequest};
use sp1_prover_types::Artifact;
use sp1_verifier::SP1Proof;
use std::{collections::BTreeSet, sync::Arc};

/// How often what is lost on the way is made again.
const MAX_REPEATS: u32 = 3;

/// Where an execution's output is, and the proofs of its shards in the order in which they join.
type Shards = (ArtifactId, Vec<(ShardRange, ArtifactId)>);

/// What a proof is put together from.
struct Made {
    vk: SP1VerifyingKey,
    output: ExecutionOutput,
    inner: SP1Proof,
}

/// Makes the proof that a `Controller` task asks for.
pub(crate) async fn run(
    shared: &Arc<Shared>,
    task: ClusterTask,
    link: &Arc<dyn ClusterLink>,
) -> Result<(), Fault> {
    let store = Plain(link.artifacts());
    let request = Request::read(&task, &store).await?;
    let mut tasks = Tasks::new(link.clone());
    let (mut known, mut folds) = (None, Vec::new());
    let Made { vk, output, inner } = loop {
        match make(shared, &request, &task, &store, &mut tasks, &mut known, &mut folds).await {
            // Not what the client stored, which was read before.
            Err(fault)
                if matches!(fault.code, Code::Missing | Code::Damaged) && tasks.repeated < MAX_REPEATS =>
            {
                tasks.repeated += 1;
                tracing::warn!(
                    proof = %task.proof, cause = fault.text, repeated = tasks.repeated,
                    "what was made on the way is lost: made again"
                );
            }
            made => break made?,
        }
    };
    let body = Body { vk, proof: inner };
    let Finished { program, bytes } = match finish(shared.clone(), body, output.public_value_stream, link)
        .await
    {
        Err(fault) if fault.code == Code::BadProof => {
            // Not to be found again by the next try. What shards are was checked where they were proven.
            for id in &folds {
                tracing::error!(proof = %task.proof, %id, cause = fault.text, "removing what a bad proof is made of");
                link.artifacts().delete(id, ArtifactKind::Exchanged).await.map_err(Fault::from)?;
            }
            return Err(fault);
        }
        finished => finished?,
    };
    let proof_bytes = bytes.len();
    let Some(target) = task.outputs.first() else {
        return Err(Fault::new(Code::Malformed, "the task names no output"));
    };
    link.artifacts().put(target, ArtifactKind::Proof, bytes.into()).await.map_err(Fault::from)?;
    let report = serde_json::json!({
        "program": program.0,
        "instructions": output.cycles,
        "proof_bytes": proof_bytes,
    });
    link.complete_proof(report.to_string()).await
}

/// Has everything made that is not there. `known` are the shards of an earlier try.
async fn make(
    shared: &Arc<Shared>,
    request: &Request,
    task: &ClusterTask,
    store: &Plain,
    tasks: &mut Tasks,
    known: &mut Option<Shards>,
    folds: &mut Vec<ArtifactId>,
) -> Result<Made, Fault> {
    let (vk_name, vk) = key(shared, request, store, tasks).await?;
    let (mode, nonce) = (request.mode.wire().to_le_bytes(), format!("{:?}", request.nonce));
    let parts = [vk_name.as_str().as_bytes(), request.input.as_str().as_bytes(), &mode, nonce.as_bytes()];
    let common = name("common", &parts);
    store.save(&common, &request.common(vk.clone())?).await?;
    let (execution, leaves) = match known.take() {
        Some(known) if are_whole(&known, request.mode, store).await? => known,
        _ => shards(request, task, &common, store, tasks).await?,
    };
    *known = Some((execution.clone(), leaves.clone()));
    let output: ExecutionOutput = store.load(&execution).await?;
    let deferred = request.stdin.proofs.len();
    let foreseen = Foreseen {
        instructions: output.cycles,
        public_values: output.public_value_stream.clone(),
        kinds: kinds(request.mode, leaves.len().saturating_sub(deferred), deferred),
    };
    tasks.link.foresee(foreseen).await?;
    let inner = joined(request.mode, leaves, task, store, tasks, folds).await?;
    Ok(Made { vk, output, inner })
}

/// Whether there is what an execution left, as far as the proof still needs it.
async fn are_whole((execution, leaves): &Shards, mode: ProofMode, store: &Plain) -> Result<bool, Fault> {
    if !store.is_whole(execution).await? {
        return Ok(false);
    }
    let folds = if mode == ProofMode::Core { Vec::new() } else { folds::levels(leaves.clone()) };
    let found = folds::look(&folds, store).await?;
    for (_, leaf) in leaves {
        let is_needed = folds.is_empty() || found.needed.contains(leaf);
        if is_needed && !store.is_whole(leaf).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Has a task done unless what it leaves is there, and looks whether that is there then: one that lacks what it reads is left undone.
async fn obtain(
    kind: TaskKind,
    inputs: Vec<ArtifactId>,
    output: &ArtifactId,
    store: &Plain,
    tasks: &mut Tasks,
) -> Result<(), Fault> {
    if store.is_whole(output).await? {
        return Ok(());
    }
    let task = tasks.ask(kind, inputs, output.clone()).await?;
    tasks.wait(&[task]).await?;
    is_left(kind, output, store).await
}

async fn is_left(kind: TaskKind, output: &ArtifactId, store: &Plain) -> Result<(), Fault> {
    if store.is_whole(output).await? {
        return Ok(());
    }
    Err(Fault::new(
        Code::Missing,
        format!("a {kind} task is done, and the artifact {output} that it leaves is not there"),
    ))
}

/// One proof of those of the shards. `folds` gets the names of what is made on the way.
async fn joined(
    mode: ProofMode,
    leaves: Vec<(ShardRange, ArtifactId)>,
    task: &ClusterTask,
    store: &Plain,
    tasks: &mut Tasks,
    folds: &mut Vec<ArtifactId>,
) -> Result<SP1Proof, Fault> {
    if mode == ProofMode::Core {
        let mut shards = Vec::with_capacity(leaves.len());
        for (_, leaf) in &leaves {
            shards.push(store.load(leaf).await?);
        }
        return Ok(SP1Proof::Core(shards));
    }
    let root = fold(leaves, task, store, tasks, folds).await?;
    Ok(match mode {
        ProofMode::Plonk => {
            SP1Proof::Plonk(store.load(&wrap(TaskKind::PlonkWrap, root, store, tasks).await?).await?)
        }
        ProofMode::Groth16 => {
            SP1Proof::Groth16(store.load(&wrap(TaskKind::Groth16Wrap, root, store, tasks).await?).await?)
        }
        _ => SP1Proof::Compressed(Box::new(store.load(&root).await?)),
    })
}

/// A finished proof, as it is stored for whoever asked.
struct Finished {
    program: ProgramVersion,
    bytes: Vec<u8>,
}

/// Not to hand out what would not verify: a fraction of a second after minutes of work.
async fn finish(
    shared: Arc<Shared>,
    body: Body,
    public_values: Vec<u8>,
    link: &Arc<dyn ClusterLink>,
) -> Result<Finished, Fault> {
    let check = tokio::task::spawn_blocking(move || -> Result<_, Fault> {
        let program = version_of(&body.vk).map_err(|cause| Fault::new(Code::BadProof, cause))?;
        let mode = body.mode();
        if matches!(mode, ProofMode::Core | ProofMode::Compressed) {
            let checked = shared.check_body(&body, mode, &public_values, program);
            checked.map_err(|error| Fault::new(Code::BadProof, error.to_string()))?;
        }
        let body = body.encode().map_err(Fault::from)?;
        let proof = Proof { prover: ProverType::Sp1, mode, program, public_values, body };
        let bytes = network::pack(&proof).map_err(Fault::from)?;
        Ok((Finished { program, bytes }, proof.encode()))
    });
    let checked = check.await.map_err(|panic| Fault::new(Code::ProverFailed, panic.to_string()))?;
    let (finished, proof) = checked?;
    // A client notes what it refuses by what it read, or by the proof in it.
    for bytes in [&finished.bytes, &proof] {
        if link
            .artifacts()
            .exists(&refusal_of(bytes), ArtifactKind::Intermediate)
            .await
            .map_err(Fault::from)?
        {
            return Err(Fault::new(Code::BadProof, "this very proof was refused before"));
        }
    }
    Ok(finished)
}

pub(super) fn ids(artifacts: Vec<Artifact>) -> Vec<ArtifactId> {
    artifacts.into_iter().map(|artifact| ArtifactId::new(artifact.0)).collect()
}

/// The program's key, and its name. One that is not the program's (of a node with another version of SP1) would have every proof of the
/// program fail for as long as it is found.
async fn key(
    shared: &Arc<Shared>,
    request: &Request,
    store: &Plain,
    tasks: &mut Tasks,
) -> Result<(ArtifactId, SP1VerifyingKey), Fault> {
    let output = name("key", &[request.program_hash.as_bytes()]);
    obtain(TaskKind::SetupVkey, vec![request.program.clone()], &output, store, tasks).await?;
    let key: SP1VerifyingKey = store.load(&output).await?;
    let own = derived(shared.clone(), request.elf.clone()).await?;
    if version_of(&key) != version_of(&own) {
        tracing::error!(id = %output, "a program's key is not the one that this build derives: replaced");
        store.save(&output, &own).await?;
    }
    Ok((output, own))
}

/// Has the program run and its shards proven: where the execution's output is, and the proofs in the order in which they join.
async fn shards(
    request: &Request,
    task: &ClusterTask,
    common: &ArtifactId,
    store: &Plain,
    tasks: &mut Tasks,
) -> Result<Shards, Fault> {
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
    if tasks.repeated > 0 {
        // Otherwise it would be taken for done. It asks for the shards that are lost, and finds the others.
        tasks.link.artifacts().delete(&output, ArtifactKind::Exchanged).await.map_err(Fault::from)?;
    }
    let execution = tasks.ask(TaskKind::CoreExecute, ids(inputs), output.clone()).await?;
    let mut messages = tasks.link.messages(execution.clone());
    let mut told = true;
    let mut waiting = BTreeSet::from([execution]);
    let mut shards = Told::default();
    while told || !tasks.done(&waiting) {
        tokio::select! {
            message = messages.recv(), if told => match message {
                Some(message) => {
                    let shard: ProofData = stdin::read(&message)
                        .map_err(|cause| Fault::new(Code::ProverFailed, format!("a message of the execution: {cause}")))?;
                    if shards.add(ArtifactId::new(shard.proof.0), shard.range) {
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
    is_left(TaskKind::CoreExecute, &output, store).await?;
    let leaves = shards.shards();
    if leaves.is_empty() {
        return Err(Fault::new(Code::NoResult, "the execution told of no shards"));
    }
    Ok((output, leaves))
}

/// Has the folds made that are not there, until one proof is left, and notes what is made on the way.
async fn fold(
    leaves: Vec<(ShardRange, ArtifactId)>,
    task: &ClusterTask,
    store: &Plain,
    tasks: &mut Tasks,
    made: &mut Vec<ArtifactId>,
) -> Result<ArtifactId, Fault> {
    let levels = folds::levels(leaves);
    made.extend(levels.iter().flatten().map(|fold| fold.output.clone()));
    let Some(root) = levels.last().and_then(|level| level.first()).map(|fold| fold.output.clone()) else {
        return Err(Fault::new(Code::NoResult, "nothing was folded"));
    };
    let found = folds::look(&levels, store).await?;
    for level in &levels {
        let (mut asked, mut outputs) = (Vec::new(), Vec::new());
        for fold in level.iter().filter(|fold| found.lacking.contains(&fold.output)) {
            let output = fold.output.clone();
            asked.push(tasks.ask(TaskKind::RecursionReduce, fold.inputs(task)?, output).await?);
            outputs.push(&fold.output);
        }
        tasks.wait(&asked).await?;
        for output in outputs {
            is_left(TaskKind::RecursionReduce, output, store).await?;
        }
    }
    Ok(root)
}

/// Wraps the proof for a chain that cannot verify it otherwise.
async fn wrap(
    kind: TaskKind,
    root: ArtifactId,
    store: &Plain,
    tasks: &mut Tasks,
) -> Result<ArtifactId, Fault> {
    let shrunk = name("shrink-wrap", &[root.as_str().as_bytes()]);
    obtain(TaskKind::ShrinkWrap, vec![root], &shrunk, store, tasks).await?;
    let wrapped = name(kind.name(), &[shrunk.as_str().as_bytes()]);
    obtain(kind, vec![shrunk], &wrapped, store, tasks).await?;
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
