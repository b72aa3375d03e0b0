//! The controller: plans a proof, has every segment proven wherever there is room, folds results as soon as their
//! neighbours are there, and declares the proof made.
//!
//! Everything it makes is named by what it is made from, so a controller that starts over (on another worker, after a
//! crash, for another request with the same program and input) finds what is finished and asks only for the rest.

use crate::{
    bench::{Bench, blocking},
    board::{Board, Part},
    client::NewTask,
    failure::TaskFailure,
    metadata::{self, Metadata, Step},
    metrics,
    names::{self, Names},
    results::{End, Results},
    step::decode_plan,
    task::Task,
};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use proofmill_artifacts::{ArtifactKind, refusal_of};
use proofmill_backends::{Backend, BackendError, Job, Plan, Proof, SegmentBudget};
use proofmill_fault::Code;
use proofmill_primitives::{ArtifactId, Dialect, Instructions, ProofMode, TaskId, TaskKind, Weight};
use proofmill_wire::operator::{PlannedKind, ReportPlanRequest};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::sync::CancellationToken;

/// How often a part is made again whose result is not there although its task succeeded.
const MAX_REPEATS: u32 = 3;
/// So many calls of one proof are under way together: each of them waits for the network, and for a disk at its other end.
const AT_ONCE: usize = 64;
/// So many parts are read together to see whether they are whole. Each is in memory meanwhile.
const READ_AT_ONCE: usize = 8;

/// What the client asked for, as the SP1 cluster lays it out: program, input, mode, cycle limit, nonce, metadata.
struct Request {
    program_id: ArtifactId,
    input_id: ArtifactId,
    mode: ProofMode,
    cycle_limit: Option<Instructions>,
    about: About,
    program: Bytes,
    input: Bytes,
}

/// The last input of a controller's task.
#[derive(Default, Deserialize)]
struct About {
    #[serde(default)]
    stdin_private: bool,
    /// The SNARK that is asked for; any where none is named.
    #[serde(default)]
    snark: Option<String>,
}

/// The kind of the task that makes what the client gets.
const FINISH: TaskKind = TaskKind::ShrinkWrap;

/// One proof under way.
struct Controller<'a> {
    bench: &'a Bench,
    task: &'a Task,
    cancel: &'a CancellationToken,
    request: Request,
    backend: Arc<dyn Backend>,
    dialect: Dialect,
    budget: SegmentBudget,
    plan_id: ArtifactId,
    plan: Arc<Plan>,
    names: Names,
}

/// Makes the proof that the task asks for, or only runs its program.
pub(crate) async fn run(bench: &Bench, task: &Task, cancel: &CancellationToken) -> Result<(), TaskFailure> {
    let request = Request::fetch(bench, task).await?;
    let backend = bench.registry.get(task.metadata.prover)?;
    backend.check_mode(request.mode)?;
    if let (ProofMode::Plonk, Some(asked)) = (request.mode, &request.about.snark) {
        backend.check_snark(asked)?;
    }
    if request.mode == ProofMode::Execute {
        return execute_only(bench, task, cancel, request, backend).await;
    }
    let budget = bench.budget(&*backend);
    let dialect = bench.dialect(task.metadata.prover)?;
    let plan_id = names::of_plan(dialect, &request.program, &request.input, budget);
    let plan = Arc::new(find_plan(bench, &request, &backend, budget, &plan_id).await?);
    let segments = u32::try_from(plan.segments.len())
        .map_err(|_| TaskFailure::defect("the execution has more segments than can be counted"))?;
    if segments == 0 {
        return Err(TaskFailure::defect("the prover's plan has no segments: a defect of the prover"));
    }
    let tree = match backend.tree(&plan.segments, request.mode, budget) {
        Err(error @ BackendError::MalformedPart { .. }) => {
            tracing::error!(proof = %task.proof, %plan_id, %error, "removing a plan that is not one");
            bench.remove(&plan_id).await?;
            return Err(error.into());
        }
        tree => tree?,
    };
    let board = Board::new(plan.segments.len(), tree)?;
    let names = Names::of(dialect, &plan_id, &plan, &board);
    Controller { bench, task, cancel, request, backend, dialect, budget, plan_id, plan, names }
        .prove(board)
        .await
}

impl Request {
    async fn fetch(bench: &Bench, task: &Task) -> Result<Self, TaskFailure> {
        let program_id = task.input(0, "program")?.clone();
        let input_id = task.input(1, "program input")?.clone();
        let mode = match task.kind {
            // Whatever is asked for beside it, which may be nothing: it leaves nothing.
            TaskKind::ExecuteOnly => ProofMode::Execute,
            _ => asked_mode(task)?,
        };
        let cycle_limit = match task.inputs.get(3).map(ArtifactId::as_str) {
            None | Some("" | "0") => None,
            Some(limit) => Some(Instructions(limit.parse().map_err(|_| {
                TaskFailure::malformed(format!("the cycle limit `{limit}` is not a number"))
            })?)),
        };
        let about = match task.inputs.get(5).map(ArtifactId::as_str) {
            None | Some("") => About::default(),
            Some(about) => serde_json::from_str(about).map_err(|error| {
                TaskFailure::malformed(format!("what the task says about its input cannot be read: {error}"))
            })?,
        };
        Ok(Self {
            program: bench.get(&program_id, ArtifactKind::Program).await?,
            input: bench.get(&input_id, metadata::input_kind(about.stdin_private)).await?,
            about,
            program_id,
            input_id,
            mode,
            cycle_limit,
        })
    }
}

/// The mode of a proof that is to be left somewhere.
fn asked_mode(task: &Task) -> Result<ProofMode, TaskFailure> {
    let mode = task.input(2, "proof mode")?.as_str();
    let mode = mode.parse().ok().and_then(ProofMode::from_wire).ok_or_else(|| {
        TaskFailure::malformed(format!(
            "unknown proof mode `{mode}`: use 0 execute, 1 core, 2 compressed, 3 plonk, 4 groth16"
        ))
    })?;
    task.output().map(|_| mode)
}

/// Finds the plan, or runs the program to make it.
async fn find_plan(
    bench: &Bench,
    request: &Request,
    backend: &Arc<dyn Backend>,
    budget: SegmentBudget,
    plan_id: &ArtifactId,
) -> Result<Plan, TaskFailure> {
    let known = bench.made(plan_id).await?;
    if let Some(plan) = known.and_then(|bytes| decode_plan(&bytes).ok()) {
        let total = plan.execution.instructions;
        return match request.cycle_limit {
            Some(limit) if total > limit => Err(BackendError::CycleLimit { limit }.into()),
            _ => Ok(plan),
        };
    }
    make_plan(bench, request, backend, budget, plan_id).await
}

/// Runs the program, and stores the plan that comes of it.
async fn make_plan(
    bench: &Bench,
    request: &Request,
    backend: &Arc<dyn Backend>,
    budget: SegmentBudget,
    plan_id: &ArtifactId,
) -> Result<Plan, TaskFailure> {
    let (backend, program, input) = (backend.clone(), request.program.clone(), request.input.clone());
    let cycle_limit = request.cycle_limit;
    let plan = blocking(move || backend.plan(&Job { program: &program, input: &input, cycle_limit }, budget))
        .await?;
    metrics::executed(plan.execution.instructions.0);
    let bytes = bitcode::serialize(&plan)
        .map_err(|error| TaskFailure::defect(format!("the plan cannot be written down: {error}")))?;
    bench.keep(plan_id, ArtifactKind::Intermediate, bytes.into()).await?;
    Ok(plan)
}

/// The validation step: runs the program and reports, proves nothing.
async fn execute_only(
    bench: &Bench,
    task: &Task,
    cancel: &CancellationToken,
    request: Request,
    backend: Arc<dyn Backend>,
) -> Result<(), TaskFailure> {
    let execution = blocking(move || {
        let Request { program, input, cycle_limit, .. } = &request;
        backend.execute(&Job { program, input, cycle_limit: *cycle_limit })
    })
    .await?;
    metrics::executed(execution.instructions.0);
    let report = ReportPlanRequest {
        proof_id: task.proof.to_string(),
        instructions: execution.instructions.0,
        public_values: execution.public_values,
        kinds: vec![PlannedKind { kind: TaskKind::ExecuteOnly.name().into(), count: 1, weight: 0 }],
    };
    bench.client.report_plan(report, cancel).await?;
    bench.client.complete_proof(&task.proof, String::new(), cancel).await?;
    Ok(())
}

impl Controller<'_> {
    async fn prove(self, mut board: Board) -> Result<(), TaskFailure> {
        self.report(&board).await?;
        if !self.is_finished().await? {
            self.drive(&mut board).await?;
        }
        // Under the name that the client chose, where nothing tells what an earlier proof was of.
        let made = self.bench.made(&self.result_of(Part::Finish)).await?;
        let bytes =
            made.ok_or_else(|| TaskFailure::new(Code::NoResult, "the finished proof is not there any more"))?;
        let proof = match Proof::decode(&bytes) {
            Ok(proof) => proof,
            Err(error) => {
                // Not to be found again by the next try.
                let id = self.result_of(Part::Finish);
                self.bench.remove(&id).await?;
                return Err(TaskFailure::new(Code::BadProof, error.to_string()));
            }
        };
        let (backend, program, length) = (self.backend.clone(), proof.program, bytes.len());
        let stored = blocking(move || backend.pack(&proof)).await?;
        self.bench.keep(self.task.output()?, ArtifactKind::Proof, stored.into()).await?;
        let report = serde_json::json!({
            "program": program.0,
            "instructions": self.plan.execution.instructions,
            "segments": self.plan.segments.len(),
            "proof_bytes": length,
        });
        self.bench.client.complete_proof(&self.task.proof, report.to_string(), self.cancel).await?;
        Ok(())
    }

    /// Whether the finished proof is there, and nobody has refused it.
    async fn is_finished(&self) -> Result<bool, TaskFailure> {
        let id = self.result_of(Part::Finish);
        let Some(bytes) = self.bench.made(&id).await? else { return Ok(false) };
        if !self.bench.artifacts.exists(&refusal_of(&bytes), ArtifactKind::Intermediate).await? {
            return Ok(true);
        }
        tracing::error!(proof = %self.task.proof, %id, "removing a finished proof that was refused");
        self.bench.remove(&id).await?;
        Ok(false)
    }

    /// Tells what the proof will take: how many tasks of each kind, and the memory of the heaviest of them.
    async fn report(&self, board: &Board) -> Result<(), TaskFailure> {
        // This one is under way: there was a place for it.
        let mut kinds = BTreeMap::from([(TaskKind::Controller, (1_u32, Weight::ZERO))]);
        let segments = self.plan.segments.iter().map(|segment| segment.kind.task());
        let segments = segments.map(|kind| (kind, self.backend.weight(kind, self.budget)));
        let nodes =
            board.tree().iter().map(|node| (self.backend.node_task(node), self.backend.node_weight(node)));
        let finish = (FINISH, self.backend.weight(FINISH, self.budget));
        for (kind, weight) in segments.chain(nodes).chain([finish]) {
            let (count, heaviest) = kinds.entry(kind).or_default();
            *count = count.saturating_add(1);
            *heaviest = weight.max(*heaviest);
        }
        let kinds = kinds
            .into_iter()
            .map(|(kind, (count, heaviest))| PlannedKind {
                kind: kind.name().into(),
                count,
                weight: heaviest.as_gb(),
            })
            .collect();
        let report = ReportPlanRequest {
            proof_id: self.task.proof.to_string(),
            instructions: self.plan.execution.instructions.0,
            public_values: self.plan.execution.public_values.clone(),
            kinds,
        };
        self.bench.client.report_plan(report, self.cancel).await?;
        Ok(())
    }

    /// Creates each task as soon as what it reads is there, until the last one is done.
    async fn drive(&self, board: &mut Board) -> Result<(), TaskFailure> {
        // From the root down: what a finished node is made of is not looked for.
        let mut parts = board.children(Part::Finish);
        while !parts.is_empty() {
            for (part, whole) in self.look(std::mem::take(&mut parts)).await? {
                if whole {
                    tracing::info!(proof = %self.task.proof, %part, "proven before: reused");
                    board.done(part);
                } else {
                    parts.extend(board.children(part));
                }
            }
        }
        let client = self.bench.client.clone();
        let mut results = Results::new(client, self.task.proof.clone(), self.cancel.clone());
        // Equal parts are made by one task.
        let mut running: BTreeMap<TaskId, Vec<Part>> = BTreeMap::new();
        let mut repeats: BTreeMap<Part, u32> = BTreeMap::new();
        loop {
            let mut created = Vec::new();
            for (id, part) in self.create_ready(board, &repeats).await? {
                created.push(id.clone());
                running.entry(id).or_default().push(part);
            }
            results.watch(created).await;
            if running.is_empty() {
                return Err(TaskFailure::defect(
                    "nothing is left to be done, but the proof is not finished: a defect",
                ));
            }
            let (id, end) = results.next().await?;
            if end == End::Unknown {
                let text = format!("the coordinator does not know task {id}");
                return Err(TaskFailure::new(Code::ClusterRefused, text));
            }
            for part in running.remove(&id).into_iter().flatten() {
                if end == End::Failed {
                    return Err(TaskFailure::defect(format!(
                        "{part} failed; the coordinator's log says why"
                    )));
                }
                if self.is_there(part).await? {
                    if part == Part::Finish {
                        return Ok(());
                    }
                    board.done(part);
                    continue;
                }
                let repeated = repeats.entry(part).or_default();
                *repeated += 1;
                if *repeated > MAX_REPEATS {
                    // A share that shows files late looks like this too.
                    return Err(TaskFailure::new(
                        Code::Missing,
                        format!(
                            "{part} was done {repeated} times, and its result is not in the artifact store: check that \
                             the workers and this one use the same store, and its disk"
                        ),
                    ));
                }
                self.mend(part, board).await?;
            }
        }
    }

    /// Creates a task for each part that can be made now.
    async fn create_ready(
        &self,
        board: &mut Board,
        repeats: &BTreeMap<Part, u32>,
    ) -> Result<Vec<(TaskId, Part)>, TaskFailure> {
        let ready = board.take_ready();
        let board = &*board;
        let created = stream::iter(ready).map(|part| async move {
            let repeated = repeats.get(&part).copied().unwrap_or_default();
            Ok::<_, TaskFailure>((self.create(part, board, repeated).await?, part))
        });
        created.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// A part was left undone because something that it is made of is not there any more, or was refused and removed:
    /// what is missing is made again.
    async fn mend(&self, part: Part, board: &mut Board) -> Result<(), TaskFailure> {
        if self.bench.made(&self.plan_id).await?.is_none() {
            // Not stored as it was found: it may be the plan that was refused. The same program and input give the
            // same plan.
            let Self { bench, request, backend, budget, plan_id, .. } = self;
            if make_plan(bench, request, backend, *budget, plan_id).await? != *self.plan {
                return Err(TaskFailure::new(
                    Code::BadProof,
                    "the plan that was found was of something else; it was made again, and the proof starts over",
                ));
            }
        }
        board.undone(part);
        let mut parts = board.children(part);
        while !parts.is_empty() {
            for (part, whole) in self.look(std::mem::take(&mut parts)).await? {
                if !whole {
                    tracing::warn!(proof = %self.task.proof, %part, "its result is lost: made again");
                    board.undone(part);
                    parts.extend(board.children(part));
                }
            }
        }
        Ok(())
    }

    /// Of each of these parts, whether its result is there, every byte of it.
    async fn look(&self, parts: Vec<Part>) -> Result<Vec<(Part, bool)>, TaskFailure> {
        // Most are not there, which is found out at less cost.
        let there = stream::iter(parts)
            .map(|part| async move { Ok::<_, TaskFailure>((part, self.is_there(part).await?)) });
        let there: Vec<(Part, bool)> = there.buffer_unordered(AT_ONCE).try_collect().await?;
        let whole = stream::iter(there).map(|(part, there)| async move {
            let whole = there && self.bench.made(&self.result_of(part)).await?.is_some();
            Ok::<_, TaskFailure>((part, whole))
        });
        whole.buffer_unordered(READ_AT_ONCE).try_collect().await
    }

    /// Whether there is a result of the part.
    async fn is_there(&self, part: Part) -> Result<bool, TaskFailure> {
        Ok(self.bench.artifacts.exists(&self.result_of(part), ArtifactKind::Intermediate).await?)
    }

    /// The name of a part's result: it follows from the plan, so whoever makes it finds it under the same name.
    fn result_of(&self, part: Part) -> ArtifactId {
        match self.names.of_part(part) {
            Some(name) => name.clone(),
            None => {
                // There are several SNARKs of one plan, on other circuits or setups.
                let made_of = self.names.top().filter(|_| self.request.mode == ProofMode::Plonk);
                names::of_whole(made_of.unwrap_or(&self.plan_id), "proof", self.request.mode.wire())
            }
        }
    }

    /// `repeated` is how often the part was left undone before.
    async fn create(&self, part: Part, board: &Board, repeated: u32) -> Result<TaskId, TaskFailure> {
        let Request { program_id, input_id, .. } = &self.request;
        let whole = [program_id.clone(), input_id.clone(), self.plan_id.clone()];
        let parts = board.children(part).into_iter().map(|child| self.result_of(child));
        let (kind, weight, inputs, step) = match part {
            Part::Segment(index) => {
                let cycle_limit = self.request.cycle_limit.map(|limit| limit.0);
                let kind =
                    self.plan.segments.get(index as usize).map_or(TaskKind::ProveShard, |of| of.kind.task());
                let weight = self.backend.weight(kind, self.budget);
                (kind, weight, whole.to_vec(), Step::Segment { index, cycle_limit })
            }
            Part::Node(index) => {
                let node = board.node(index).cloned();
                let node =
                    node.ok_or_else(|| TaskFailure::defect(format!("there is no {part}: a defect")))?;
                let inputs = [program_id.clone()].into_iter().chain(parts).collect();
                let kind = self.backend.node_task(&node);
                (kind, self.backend.node_weight(&node), inputs, Step::Reduce { node })
            }
            Part::Finish => {
                let inputs = whole.into_iter().chain(parts).collect();
                let weight = self.backend.weight(FINISH, self.budget);
                (FINISH, weight, inputs, Step::Finish { mode: self.request.mode })
            }
        };
        let metadata = Metadata {
            dialect: self.dialect,
            prover: self.task.metadata.prover,
            stdin_private: self.request.about.stdin_private,
            step: Some(step),
            repeated,
        };
        let outputs = vec![self.result_of(part)];
        let new = NewTask { kind, weight, inputs, outputs, metadata: metadata.write()? };
        Ok(self.bench.client.create_task(&self.task.proof, &self.task.id, &new, self.cancel).await?)
    }
}
