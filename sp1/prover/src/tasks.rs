//! The SP1 cluster's tasks, each done by SP1's own engines: [`execute`] runs a program and has its shards proven, [`Engine`] does
//! what proves.

use crate::{
    ProverError,
    clients::{Link, LinkClient, Store, StoreClient},
    engine::{build, lost},
    settings,
};
use sp1_core_machine::riscv::RiscvAir;
use sp1_primitives::SP1Field;
use sp1_prover::{
    CpuSP1ProverComponents,
    build::{groth16_circuit_artifacts_dir, plonk_circuit_artifacts_dir},
    verify::{SP1Verifier, VerifierRecursionVks},
    worker::{
        CoreExecuteTaskRequest, RangeProofs, RawTaskRequest, RecursionProof, ReduceTaskRequest,
        SP1Controller, SP1Worker, SP1WorkerConfig, TaskContext, TaskError, TaskId, TaskMetadata,
    },
};
use sp1_prover_types::{Artifact, ArtifactClient, ArtifactType, TaskType};
use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// The most proofs that one task of ours folds.
pub const ARITY: usize = settings::ARITY;

/// Runs the program of a `CoreExecute` task, and asks for the proofs of its shards as it goes. Each is told of by a message of the
/// task. What is asked for, in which order, follows from program and input alone.
///
/// # Errors
/// As SP1 says.
pub async fn execute(
    store: Arc<dyn Store>,
    link: Arc<dyn Link>,
    id: TaskId,
    request: RawTaskRequest,
) -> Result<(), TaskError> {
    let mut request = CoreExecuteTaskRequest::from_raw(request)?;
    // SP1 takes 0 for none where the program has ended, and for a limit while it runs.
    request.cycle_limit = request.cycle_limit.filter(|limit| *limit > 0);
    let mut config = SP1WorkerConfig::new(RiscvAir::<SP1Field>::machine());
    settings::shrink(&mut config);
    // Several would send shards in whatever order they are ready.
    config.controller_config.number_of_send_splice_workers_per_splice = 1;
    config.controller_config.num_splicing_workers = 1;
    let verifier = SP1Verifier::new(VerifierRecursionVks::default());
    let controller =
        SP1Controller::new(config.controller_config, StoreClient(store), LinkClient(link), verifier);
    controller.execute(id, request).await.map(drop)
}

/// Where the circuits of a wrap are, or else the file without which they are not.
///
/// # Errors
/// The file that is missing.
pub fn circuits(kind: TaskType) -> Result<PathBuf, PathBuf> {
    let found = match kind {
        TaskType::Groth16Wrap => groth16_circuit_artifacts_dir(),
        _ => plonk_circuit_artifacts_dir(),
    };
    let folder = found.map_err(|_| PathBuf::from("$HOME/.sp1/circuits"))?;
    // SP1 writes it last.
    let complete = folder.join(".complete");
    if complete.is_file() { Ok(folder) } else { Err(complete) }
}

/// What proves. Clones share it.
#[derive(Clone)]
pub struct Engine {
    worker: SP1Worker<StoreClient, LinkClient, CpuSP1ProverComponents>,
    /// The most proofs for which there is a key to fold them in one step.
    arity: usize,
    broken: Arc<AtomicBool>,
}

impl Engine {
    /// Starts an engine: a minute or more, and several GB. `link` is used for marks alone.
    ///
    /// # Errors
    /// [`ProverError::Start`].
    pub async fn start(store: Arc<dyn Store>, link: Arc<dyn Link>) -> Result<Self, ProverError> {
        tracing::info!("starting SP1's prover; this takes a minute or more, once per process");
        let begun = Instant::now();
        let worker = build(StoreClient(store), LinkClient(link)).await?;
        tracing::info!(seconds = begun.elapsed().as_secs(), "SP1's prover has started");
        Ok(Self { worker, arity: settings::compose_arity(), broken: Arc::default() })
    }

    /// Whether a part of it has ended, so that another engine must be started.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Does one task. A task whose results are there already, and whose inputs may be gone therefore, is done.
    ///
    /// # Errors
    /// As SP1 says.
    pub async fn run(&self, kind: TaskType, request: RawTaskRequest) -> Result<(), TaskError> {
        let (engine, store) = (self.worker.prover_engine(), self.worker.artifact_client());
        match kind {
            TaskType::ProveShard => {
                let done = engine.submit_prove_core_shard(request.clone()).await?.await;
                let done = done.map_err(|error| self.lost(error))?;
                request.recover_prove_shard_if_complete(done, store).await.map(drop)
            }
            TaskType::RecursionDeferred => {
                let done = engine.submit_prove_deferred(request.clone()).await?.await;
                let done = done.map_err(|error| self.lost(error))?;
                request.recover_if_complete(done, store).await.map(drop)
            }
            TaskType::RecursionReduce => {
                let done = self.fold(request.clone()).await;
                request.recover_if_complete(done, store).await.map(drop)
            }
            TaskType::ShrinkWrap => engine.run_shrink_wrap(request).await.map(drop),
            TaskType::Groth16Wrap => engine.run_groth16(request).await,
            TaskType::PlonkWrap => engine.run_plonk(request).await,
            other => {
                let cause = format!("{} is none of the tasks that prove", other.as_str_name());
                Err(TaskError::Fatal(std::io::Error::other(cause).into()))
            }
        }
    }

    /// Folds proofs into one. More than there is a key for (controllers of the SP1 cluster ask for four) take several steps, each of
    /// which takes in the last one's result: every step's program is among those that SP1's verifier accepts, so what comes of it is as
    /// good. Their names follow from the output's, so that another try goes on where this one ended.
    async fn fold(&self, request: RawTaskRequest) -> Result<TaskMetadata, TaskError> {
        let ReduceTaskRequest { range_proofs, is_complete, output, context } =
            ReduceTaskRequest::from_raw(request)?;
        let store = self.worker.artifact_client();
        let steps = Steps { proofs: range_proofs.len(), arity: self.arity };
        let part = |step: usize| Artifact(format!("{}-part-{step}", output.0));
        let mut left = range_proofs.proofs;
        let mut step = 0;
        for made in (0..steps.before_last()).rev() {
            if store.exists(&part(made), ArtifactType::UnspecifiedArtifactType).await? {
                let rest = left.split_off(steps.covered_by(made));
                left = std::iter::once(joined(&left, part(made))?).chain(rest).collect();
                step = made + 1;
                break;
            }
        }
        while left.len() > self.arity {
            let rest = left.split_off(self.arity);
            let folded = joined(&left, part(step))?;
            self.step(left, false, folded.proof.clone(), context.clone()).await?;
            left = std::iter::once(folded).chain(rest).collect();
            step += 1;
        }
        self.step(left, is_complete, output, context).await
    }

    async fn step(
        &self,
        proofs: VecDeque<RecursionProof>,
        is_complete: bool,
        output: Artifact,
        context: TaskContext,
    ) -> Result<TaskMetadata, TaskError> {
        let range = joined(&proofs, output.clone())?.shard_range;
        let range_proofs = RangeProofs::new(range, proofs);
        let request = ReduceTaskRequest { range_proofs, is_complete, output, context }.into_raw()?;
        let running = self.worker.prover_engine().submit_recursion_reduce(request).await?;
        running.await.map_err(|error| self.lost(error))?
    }

    fn lost(&self, error: impl std::error::Error + Send + Sync + 'static) -> TaskError {
        self.broken.store(true, Ordering::Release);
        lost(error)
    }
}

/// A proof that stands for neighbours.
fn joined(proofs: &VecDeque<RecursionProof>, proof: Artifact) -> Result<RecursionProof, TaskError> {
    let (Some(first), Some(last)) = (proofs.front(), proofs.back()) else {
        return Err(TaskError::Fatal(std::io::Error::other("there is nothing to fold").into()));
    };
    let shard_range = (first.shard_range.start()..last.shard_range.end()).into();
    Ok(RecursionProof { shard_range, proof })
}

/// In how many steps so many proofs are folded: the first takes as many as there is a key for, each other one less and what came of
/// the one before.
#[derive(Clone, Copy)]
struct Steps {
    proofs: usize,
    arity: usize,
}

impl Steps {
    const fn before_last(self) -> usize {
        self.proofs.saturating_sub(self.arity).div_ceil(self.arity - 1)
    }

    const fn covered_by(self, step: usize) -> usize {
        self.arity + step * (self.arity - 1)
    }
}

// Four in three steps of two: the first covers two, the second three.
const _: () = {
    let four = Steps { proofs: 4, arity: 2 };
    assert!(four.before_last() == 2 && four.covered_by(0) == 2 && four.covered_by(1) == 3);
    assert!(
        Steps { proofs: 2, arity: 2 }.before_last() == 0 && Steps { proofs: 1, arity: 2 }.before_last() == 0
    );
    let three = Steps { proofs: 4, arity: 3 };
    assert!(three.before_last() == 1 && three.covered_by(0) == 3);
};
