//! The SP1 cluster's tasks, each done by SP1's own engines: [`execute`] runs a program and has its shards proven, [`Engine`] does
//! what proves.

use crate::{
    ProverError,
    clients::{Link, LinkClient, Store, StoreClient},
    engine::{build, lost, setup_task},
    settings,
};
use sp1_core_machine::riscv::RiscvAir;
use sp1_primitives::SP1Field;
use sp1_prover::{
    CpuSP1ProverComponents,
    verify::{SP1Verifier, VerifierRecursionVks},
    worker::{
        CoreExecuteTaskRequest, RawTaskRequest, ReduceTaskRequest, SP1Controller, SP1Worker, SP1WorkerConfig,
        SetupTask, TaskError, TaskId,
    },
};
use sp1_prover_types::TaskType;
use std::{sync::Arc, time::Instant};

/// The most proofs that one task of ours folds, and that an [`Engine`] can fold.
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
    let request = CoreExecuteTaskRequest::from_raw(request)?;
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

/// What proves. Clones share it.
#[derive(Clone)]
pub struct Engine(SP1Worker<StoreClient, LinkClient, CpuSP1ProverComponents>);

impl Engine {
    /// Starts an engine: a minute or more, and several GB. `link` is used for marks alone, of whatever proof.
    ///
    /// # Errors
    /// [`ProverError::Start`].
    pub async fn start(store: Arc<dyn Store>, link: Arc<dyn Link>) -> Result<Self, ProverError> {
        tracing::info!("starting SP1's prover; this takes a minute or more, once per process");
        let begun = Instant::now();
        let worker = build(StoreClient(store), LinkClient(link)).await?;
        tracing::info!(seconds = begun.elapsed().as_secs(), "SP1's prover has started");
        Ok(Self(worker))
    }

    /// Does one task. A task whose results are there already, and whose inputs may be gone therefore, is done.
    ///
    /// # Errors
    /// As SP1 says.
    pub async fn run(&self, kind: TaskType, id: TaskId, request: RawTaskRequest) -> Result<(), TaskError> {
        let (engine, store) = (self.0.prover_engine(), self.0.artifact_client());
        match kind {
            TaskType::SetupVkey => {
                let SetupTask { id, elf, output } = setup_task(id, request)?;
                engine.submit_setup(id, elf, output).await?.await.map_err(lost)?.map(drop)
            }
            TaskType::ProveShard => {
                let done = engine.submit_prove_core_shard(request.clone()).await?.await.map_err(lost)?;
                request.recover_prove_shard_if_complete(done, store).await.map(drop)
            }
            TaskType::RecursionDeferred => {
                let done = engine.submit_prove_deferred(request.clone()).await?.await.map_err(lost)?;
                request.recover_if_complete(done, store).await.map(drop)
            }
            TaskType::RecursionReduce => {
                let done = engine.submit_recursion_reduce(request.clone()).await?.await.map_err(lost)?;
                request.recover_if_complete(done, store).await.map(drop)
            }
            TaskType::ShrinkWrap => engine.run_shrink_wrap(request).await.map(drop),
            other => {
                let cause = format!("{} is none of the tasks that prove", other.as_str_name());
                Err(TaskError::Fatal(std::io::Error::other(cause).into()))
            }
        }
    }
}

/// How many proofs a `RecursionReduce` task folds.
///
/// # Errors
/// The task is none.
pub fn arity(request: RawTaskRequest) -> Result<usize, TaskError> {
    Ok(ReduceTaskRequest::from_raw(request)?.range_proofs.len())
}
