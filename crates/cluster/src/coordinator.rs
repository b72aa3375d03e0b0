//! `worker.WorkerService`: what workers and controllers ask.

use crate::{
    convert::{self, narrow},
    error::brief,
    owner::Handle,
    queue::{self, Source},
    state::{Process, State, new_task_id},
    streams::Messages,
};
use proofmill_fault::{Code, Fault};
use proofmill_ledger::{ExecutionFailure, ExecutionStatus, Ledger, ProofRecord, ProofStatus, Timestamp};
use proofmill_primitives::{
    ArtifactId, Dialect, ProofId, ProverType, TaskId, TaskKind, Weight, WorkerId, WorkerKind,
};
use proofmill_scheduler::{Event, TaskSpec, WorkerSpec};
use proofmill_wire::{
    header, text,
    worker::{
        AckSubRequest, CancelProofRequest, CloseRequest, CompleteProofRequest, CompleteTaskRequest,
        CreateDummyProofRequest, CreateProofRequest, CreateProofResponse, CreateTaskRequest,
        CreateTaskResponse, FailProofRequest, FailTaskRequest, GetStatsResponse, GetTaskStatusesRequest,
        GetTaskStatusesResponse, HeartbeatRequest, OpenRequest, OpenSubRequest, SendTaskMessageRequest,
        ServerMessage, ServerSubMessage, SubscribeTaskMessagesRequest, TaskIdList, TaskStatus,
        TaskStatusMapEntry, UpdateSubRequest, WorkerType, worker_service_server::WorkerService,
    },
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tonic::{Request, Response, Status};

/// The SP1 circuits whose proofs the wire format is of.
const SP1_CIRCUIT_VERSION: &str = "v6.1.0";

/// The most bytes of what a worker says of its version.
const MAX_VERSION: usize = 128;

/// Answers workers.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub(crate) handle: Handle,
    pub(crate) ledger: Ledger,
}

/// What our workers say of a finished task; the SP1 cluster's say other things.
#[derive(Default, Deserialize)]
struct Account {
    #[serde(default)]
    busy_ms: u64,
    #[serde(default)]
    peak_memory_mb: u32,
}

fn tasks(ids: Vec<String>) -> Vec<TaskId> {
    ids.into_iter().map(TaskId::from).collect()
}

/// What a stock worker says at the end of a proof that it could not make.
#[derive(Deserialize)]
struct Failed {
    proving_failure: ProvingFailure,
}

#[derive(Deserialize)]
struct ProvingFailure {
    reason: String,
}

/// What it says at the end of an execution without a proof.
#[derive(Deserialize)]
struct Execution {
    status: i32,
    failure_cause: i32,
}

/// Why a stock worker gives up a proof.
fn reason(extra_data: &str) -> Option<Fault> {
    if let Ok(Failed { proving_failure }) = serde_json::from_str(extra_data) {
        return Some(Fault::new(Code::Dismissed, brief(proving_failure.reason)));
    }
    let Execution { status, failure_cause } = serde_json::from_str(extra_data).ok()?;
    (status == ExecutionStatus::Failed.wire()).then(|| match ExecutionFailure::from_wire(failure_cause) {
        Some(ExecutionFailure::ExceededCycleLimit) => {
            Fault::new(Code::CycleLimit, "the program ran past its cycle limit")
        }
        Some(cause) => {
            Fault::new(Code::ProgramFailed, format!("the program stopped without finishing: {cause:?}"))
        }
        None => Fault::new(Code::ProgramFailed, "the program stopped without finishing"),
    })
}

/// A request that came without the API, with its first task's inputs laid out as the SP1 cluster does.
fn record_of(prover: ProverType, request: &CreateProofRequest) -> ProofRecord {
    let input = |index: usize| request.inputs.get(index).cloned().unwrap_or_default();
    let now = Timestamp::now();
    ProofRecord {
        id: request.proof_id.as_str().into(),
        prover,
        status: ProofStatus::Pending,
        requester: request.requester.clone().into_bytes(),
        execution: None,
        program: input(0).into(),
        stdin: input(1).into(),
        stdin_private: convert::is_private(&input(5)),
        proof: request.outputs.first().map(|id| id.as_str().into()),
        options: Some(input(2).into()),
        cycle_limit: input(3).parse().ok().filter(|limit| *limit > 0),
        gas_limit: None,
        deadline: u64::try_from(request.expires_at).ok().and_then(convert::deadline),
        handled: false,
        metadata: convert::NO_METADATA.into(),
        extra_data: None,
        scheduled_by: None,
        failure_cause: None,
        diagnosis: None,
        plan: None,
        created_at: now,
        updated_at: now,
        completed_at: None,
    }
}

impl Coordinator {
    /// Takes a request, unless the ledger remembers one of the same id from long ago.
    async fn create(
        &self,
        handle: Handle,
        record: ProofRecord,
        create: impl FnOnce(&mut State, ProofRecord) -> Result<TaskId, Status> + Send + 'static,
    ) -> Result<TaskId, Status> {
        convert::check_proof_id(record.id.as_str())?;
        convert::check_names(&record.requester, "")?;
        let earlier = self.ledger.proof(&record.id).await;
        if earlier.map_err(|error| Status::unavailable(error.to_string()))?.is_some() {
            return Err(Status::already_exists(format!("the proof {} exists already", record.id)));
        }
        handle.call(|state| create(state, record)).await?
    }
}

#[tonic::async_trait]
impl WorkerService for Coordinator {
    type OpenStream = Source<ServerMessage>;
    type OpenSubStream = Source<ServerSubMessage>;
    type SubscribeTaskMessagesStream = Messages;

    async fn open(&self, request: Request<OpenRequest>) -> Result<Response<Self::OpenStream>, Status> {
        let handle = self.handle.of(request.get_ref());
        let provers =
            header::provers(&request).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let process =
            Process { incarnation: header::incarnation(&request), is_fresh: header::is_fresh(&request) };
        let dialects = header::dialects(&request);
        let request = request.into_inner();
        let kind = match request.worker_type() {
            WorkerType::Cpu => WorkerKind::Cpu,
            WorkerType::Gpu => WorkerKind::Gpu,
            WorkerType::All => WorkerKind::All,
            other => {
                return Err(Status::invalid_argument(format!(
                    "{} is not a type of worker",
                    other.as_str_name()
                )));
            }
        };
        convert::check_worker_id(&request.worker_id)?;
        let id = WorkerId::from(request.worker_id);
        let max_weight = Weight::gb(request.max_weight);
        let spoken = dialects.iter().map(Dialect::to_string).collect::<Vec<_>>().join(" ");
        let version = text::brief(request.version, MAX_VERSION);
        let build = format!("{version} {spoken}").trim().to_owned();
        let spec = WorkerSpec { id: id.clone(), kind, max_weight, provers, dialects, build };
        // The session is known only once the worker is registered, and the stream must exist before. A client that is
        // gone by then is found to have left all the same.
        let session = Arc::new(AtomicU64::new(0));
        let (gone, of) = (self.handle.clone(), session.clone());
        let (sink, source) = queue::stream(format!("the worker {id}"), move || {
            gone.tell(move |state| state.worker_left(id, of.load(Ordering::Acquire)));
        });
        match handle.call(move |state| state.open_worker(spec, process, sink, &session)).await {
            Ok(Ok(())) => Ok(Response::new(source)),
            // While the ledger is away, those that come again and again must leave nothing behind.
            Ok(Err(refused)) | Err(refused) => {
                source.abandon();
                Err(refused)
            }
        }
    }

    async fn close(&self, request: Request<CloseRequest>) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        let worker = WorkerId::from(request.into_inner().worker_id);
        handle.call(|state| state.close_worker(worker)).await??;
        Ok(Response::new(()))
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Result<Response<()>, Status> {
        let beat = request.get_ref();
        let named = beat.active_task_proof_ids.len() + beat.active_task_ids.len();
        let handle = self.handle.of_list(beat, named);
        // Before it waits for its turn: of what the worker was sent later it could say nothing.
        let received = Timestamp::now();
        let waiting = header::waiting(&request);
        let request = request.into_inner();
        let worker = WorkerId::from(request.worker_id);
        // The tasks count; their proofs are only repeated where one is withdrawn.
        let mut proofs = request.active_task_proof_ids.into_iter().map(ProofId::from);
        let active = tasks(request.active_task_ids).into_iter();
        let active = active.map(|task| (proofs.next().unwrap_or_else(|| "".into()), task)).collect();
        handle.call(move |state| state.heartbeat(worker, active, &waiting, received)).await??;
        Ok(Response::new(()))
    }

    async fn complete_task(&self, request: Request<CompleteTaskRequest>) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        let request = request.into_inner();
        // Its account of the task is kept under it.
        convert::check_worker_id(&request.worker_id)?;
        let (worker, task) = (WorkerId::from(request.worker_id), TaskId::from(request.task_id));
        let Account { busy_ms, peak_memory_mb } = serde_json::from_str(&request.metadata).unwrap_or_default();
        handle.call(move |state| state.complete_task(worker, task, busy_ms, peak_memory_mb)).await??;
        Ok(Response::new(()))
    }

    async fn fail_task(&self, request: Request<FailTaskRequest>) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        // A peer that says no more tells whether another try can help, there. A broken node says so of whatever it is given.
        let code = if request.get_ref().retryable { Code::ProverFailed } else { Code::Dismissed };
        let text = "its worker did not say why; see the worker's log";
        let fault = header::fault(&request, Fault::new(code, text));
        let request = request.into_inner();
        let (worker, task) = (WorkerId::from(request.worker_id), TaskId::from(request.task_id));
        handle.call(move |state| state.fail_task(worker, task, fault)).await??;
        Ok(Response::new(()))
    }

    async fn create_task(
        &self,
        request: Request<CreateTaskRequest>,
    ) -> Result<Response<CreateTaskResponse>, Status> {
        let data = request.get_ref().data.as_ref();
        let named = data.map_or(0, |data| data.inputs.len() + data.outputs.len());
        let handle = self.handle.of_list(request.get_ref(), named);
        let data =
            request.into_inner().data.ok_or_else(|| Status::invalid_argument("a task must have data"))?;
        let spec = convert::task_spec(new_task_id(), data)?;
        convert::check_weight(spec.weight)?;
        let task = handle.call(|state| state.create_task(spec)).await??;
        Ok(Response::new(CreateTaskResponse { task_id: task.into() }))
    }

    async fn get_task_statuses(
        &self,
        request: Request<GetTaskStatusesRequest>,
    ) -> Result<Response<GetTaskStatusesResponse>, Status> {
        let handle = self.handle.of_list(request.get_ref(), request.get_ref().task_ids.len());
        let asked = tasks(request.into_inner().task_ids);
        let found = handle
            .call(move |state| {
                let status =
                    |task: &TaskId| state.scheduler.task(task).map(|(_, state)| convert::task_status(state));
                asked
                    .into_iter()
                    .map(|task| (status(&task).unwrap_or(TaskStatus::UnspecifiedStatus), task))
                    .collect::<Vec<_>>()
            })
            .await?;
        let mut by_status: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for (status, task) in found {
            by_status.entry(status.into()).or_default().push(task.into());
        }
        let statuses = by_status
            .into_iter()
            .map(|(key, ids)| TaskStatusMapEntry { key, value: Some(TaskIdList { ids }) })
            .collect();
        Ok(Response::new(GetTaskStatusesResponse { statuses }))
    }

    async fn complete_proof(&self, request: Request<CompleteProofRequest>) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        let CompleteProofRequest { proof_id, extra_data, .. } = request.into_inner();
        let proof = ProofId::from(proof_id);
        handle
            .call(move |state| {
                state.end_proof_with(&proof.clone(), extra_data, Event::ProofCompleted { proof })
            })
            .await??;
        Ok(Response::new(()))
    }

    async fn fail_proof(&self, request: Request<FailProofRequest>) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        let text = "its controller did not say why; see the log of the worker";
        let said = request.get_ref().extra_data.as_deref().and_then(reason);
        let fault = header::fault(&request, said.unwrap_or_else(|| Fault::new(Code::Dismissed, text)));
        let FailProofRequest { worker_id, proof_id, task_id, extra_data } = request.into_inner();
        let (worker, proof) = (WorkerId::from(worker_id), ProofId::from(proof_id));
        let task = task_id.map(TaskId::from);
        handle.call(move |state| state.give_up_proof(worker, proof, task, fault, extra_data)).await??;
        Ok(Response::new(()))
    }

    async fn create_proof(
        &self,
        request: Request<CreateProofRequest>,
    ) -> Result<Response<CreateProofResponse>, Status> {
        let prover = header::prover(&request).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let named = request.get_ref().inputs.len() + request.get_ref().outputs.len();
        let handle = self.handle.of_list(request.get_ref(), named);
        let request = request.into_inner();
        let record = record_of(prover, &request);
        if crate::entry::mode(&record).is_none() {
            return Err(Status::invalid_argument("the third input must be the proof mode as decimal text"));
        }
        // As they came: some of them are for its worker alone.
        let CreateProofRequest { inputs, outputs, requester, .. } = request;
        let create = move |state: &mut State, record: ProofRecord| {
            let root = TaskSpec {
                inputs: inputs.into_iter().map(ArtifactId::from).collect(),
                outputs: outputs.into_iter().map(ArtifactId::from).collect(),
                requester,
                ..state.root(&record, None)
            };
            state.create_proof_with(record, root)
        };
        let task = self.create(handle, record, create).await?;
        Ok(Response::new(CreateProofResponse { task_id: task.into() }))
    }

    async fn create_dummy_proof(
        &self,
        request: Request<CreateDummyProofRequest>,
    ) -> Result<Response<()>, Status> {
        let prover = header::prover(&request).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let handle = self.handle.of(request.get_ref());
        let CreateDummyProofRequest { proof_id, requester, expires_at, .. } = request.into_inner();
        let request = CreateProofRequest { proof_id, requester, expires_at, ..CreateProofRequest::default() };
        let record = record_of(prover, &request);
        // Every proof has a first task; here it is a mark that nobody is given.
        let root = TaskSpec {
            id: new_task_id(),
            proof: record.id.clone(),
            kind: TaskKind::MarkerDeferredRecord,
            weight: Weight::ZERO,
            parent: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
            dialect: None,
            metadata: "{}".into(),
            requester: String::new(),
        };
        self.create(handle, record, |state, record| state.create_proof_with(record, root)).await?;
        Ok(Response::new(()))
    }

    async fn cancel_proof(&self, request: Request<CancelProofRequest>) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        let proof = ProofId::from(request.into_inner().proof_id);
        handle.call(|state| state.feed_if_live(Event::ProofCancelled { proof })).await??;
        Ok(Response::new(()))
    }

    async fn open_sub(
        &self,
        request: Request<OpenSubRequest>,
    ) -> Result<Response<Self::OpenSubStream>, Status> {
        let handle = self.handle.of_list(request.get_ref(), request.get_ref().task_ids.len());
        let OpenSubRequest { sub_id, proof_id, task_ids } = request.into_inner();
        convert::check_subscriber_id(&sub_id)?;
        let (sink, source) = queue::stream(format!("the subscriber {sub_id}"), || ());
        handle
            .call(move |state| state.open_subscriber(sub_id, proof_id.into(), tasks(task_ids), sink))
            .await??;
        Ok(Response::new(source))
    }

    async fn update_sub(&self, request: Request<UpdateSubRequest>) -> Result<Response<()>, Status> {
        let handle = self.handle.of_list(request.get_ref(), request.get_ref().task_ids.len());
        let UpdateSubRequest { sub_id, task_ids } = request.into_inner();
        handle.call(move |state| state.update_subscriber(&sub_id, tasks(task_ids))).await??;
        Ok(Response::new(()))
    }

    async fn ack_sub(&self, request: Request<AckSubRequest>) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        let AckSubRequest { sub_id, msg_id } = request.into_inner();
        handle.call(move |state| state.acknowledge(&sub_id, &msg_id)).await?;
        Ok(Response::new(()))
    }

    async fn healthcheck(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.handle.call(|_: &mut State| ()).await?;
        Ok(Response::new(()))
    }

    async fn get_stats(&self, _: Request<()>) -> Result<Response<GetStatsResponse>, Status> {
        let reply = self
            .handle
            .call(|state| {
                let stats = state.scheduler.stats();
                let weight = |gb: u64| u32::try_from(gb).unwrap_or(u32::MAX);
                GetStatsResponse {
                    coordinator_version: env!("CARGO_PKG_VERSION").into(),
                    sp1_circuit_version: SP1_CIRCUIT_VERSION.into(),
                    total_tasks: state.total_tasks,
                    active_tasks: narrow(stats.active_tasks),
                    cpu_workers: narrow(stats.cpu_workers + stats.all_workers),
                    gpu_workers: narrow(stats.gpu_workers + stats.all_workers),
                    cpu_utilization_current: weight(stats.cpu_current),
                    cpu_utilization_max: weight(stats.cpu_max),
                    gpu_utilization_current: weight(stats.gpu_current),
                    gpu_utilization_max: weight(stats.gpu_max),
                    active_proofs: narrow(stats.active_proofs),
                    cpu_queue: narrow(stats.cpu_queue),
                    gpu_queue: narrow(stats.gpu_queue),
                    active_subscribers: narrow(state.live_subscribers()),
                }
            })
            .await?;
        Ok(Response::new(reply))
    }

    async fn subscribe_task_messages(
        &self,
        request: Request<SubscribeTaskMessagesRequest>,
    ) -> Result<Response<Self::SubscribeTaskMessagesStream>, Status> {
        let handle = self.handle.of(request.get_ref());
        let SubscribeTaskMessagesRequest { task_id, start_offset, .. } = request.into_inner();
        let messages = handle.call(move |state| state.read_channel(task_id.into(), start_offset)).await?;
        Ok(Response::new(messages))
    }

    async fn send_task_message(
        &self,
        request: Request<SendTaskMessageRequest>,
    ) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        let SendTaskMessageRequest { task_id, payload, .. } = request.into_inner();
        handle.call(move |state| state.write_channel(task_id.into(), payload)).await??;
        Ok(Response::new(()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
