//! `cluster.ClusterService`: what clients ask.

use crate::{
    convert,
    error::brief,
    owner::Handle,
    state::{State, no_such_proof},
};
use futures::future::try_join3;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore};
use proofmill_fault::{self as fault, Fault};
use proofmill_ledger::{
    ExecutionStatus, Ledger, ProofFilter, ProofRecord, ProofStatus, ProofUpdate, Timestamp,
};
use proofmill_primitives::{ArtifactId, ProofId, ProofMode, ProverType};
use proofmill_scheduler::Event;
use proofmill_wire::{
    cluster::{
        ClusterComponentManifest, ProofRequestCancelRequest, ProofRequestCreateRequest,
        ProofRequestGetRequest, ProofRequestGetResponse, ProofRequestListRequest, ProofRequestListResponse,
        ProofRequestUpdateRequest, SetClusterComponentInfoRequest, cluster_service_server::ClusterService,
    },
    header,
    worker::ClusterComponentInfo,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tonic::{Code, Request, Response, Status};

/// How many proofs a list has where the client does not say, and at the most; the SP1 cluster's figures. A client that wants
/// all walks the pages.
const PAGE: u32 = 10;
const MAX_PAGE: u32 = 1000;

/// The most bytes of a proof mode, which is a number as text.
const MAX_MODE: usize = 16;

/// How long the artifact store may take to say what it has of a request. Clients wait 10 s for an answer.
const STORE_ANSWERS: Duration = Duration::from_secs(8);

/// Answers clients.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) handle: Handle,
    pub(crate) ledger: Ledger,
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    /// What the last writer said of the cluster's components; only kept for who asks.
    pub(crate) components: Mutex<Option<ClusterComponentManifest>>,
}

impl Api {
    /// Checks a request before anything is done for it.
    async fn record(
        &self,
        prover: ProverType,
        request: ProofRequestCreateRequest,
    ) -> Result<ProofRecord, Status> {
        let id = request.proof_id;
        convert::check_proof_id(&id)?;
        convert::check_names(&request.requester, request.scheduled_by.as_deref().unwrap_or_default())?;
        let mode = request.options_artifact_id.unwrap_or_else(|| ProofMode::Compressed.wire().to_string());
        // Zeros may stand before it, without end.
        let known =
            Some(&mode).filter(|mode| mode.len() <= MAX_MODE).and_then(|mode| mode.parse::<u32>().ok());
        if known.and_then(ProofMode::from_wire).is_none() {
            let mode = brief(mode);
            return Err(Status::invalid_argument(format!(
                "unknown proof mode `{mode}` in options_artifact_id: use 0 execute, 1 core, 2 compressed, 3 plonk, 4 groth16"
            )));
        }
        let now = Timestamp::now();
        let deadline = convert::deadline(request.deadline);
        if deadline.is_some_and(|deadline| deadline < now) {
            let text = format!(
                "the deadline {} has passed already: the cluster's clock shows {}; if it was to come, compare the clocks of the \
                 cluster's machine and the client's",
                request.deadline,
                now.as_secs()
            );
            return Err(header::refusal(Code::InvalidArgument, &Fault::new(fault::Code::Late, text)));
        }
        let stdin_kind = if request.stdin_private { ArtifactKind::PrivateStdin } else { ArtifactKind::Stdin };
        let program = ArtifactId::from(request.program_artifact_id);
        let stdin = ArtifactId::from(request.stdin_artifact_id);
        let named = request.proof_artifact_id.filter(|name| !name.is_empty());
        let proof = named.map_or_else(|| ArtifactId::new(format!("proof-{id}")), ArtifactId::from);
        // A name that no artifact can have is refused now, not when the proof is made.
        let looks = try_join3(
            self.is_stored(&program, ArtifactKind::Program),
            self.is_stored(&stdin, stdin_kind),
            self.is_stored(&proof, ArtifactKind::Proof),
        );
        let looked = tokio::time::timeout(STORE_ANSWERS, looks).await;
        let (has_program, has_stdin, _) = looked.map_err(|_| silent_store(&id))??;
        for (id, kind, is_there) in
            [(&program, ArtifactKind::Program, has_program), (&stdin, stdin_kind, has_stdin)]
        {
            if !is_there {
                return Err(Status::failed_precondition(format!(
                    "the {kind} artifact `{id}` is not in this cluster's store: upload it before asking for the proof, and \
                     check that client and cluster use the same store"
                )));
            }
        }
        Ok(ProofRecord {
            id: id.into(),
            prover,
            status: ProofStatus::Pending,
            requester: request.requester,
            execution: None,
            program,
            stdin,
            stdin_private: request.stdin_private,
            proof: Some(proof),
            options: Some(mode.into()),
            cycle_limit: (request.cycle_limit > 0).then_some(request.cycle_limit),
            gas_limit: (request.gas_limit > 0).then_some(request.gas_limit),
            deadline,
            handled: false,
            metadata: convert::NO_METADATA.into(),
            extra_data: None,
            scheduled_by: request.scheduled_by,
            failure_cause: None,
            diagnosis: None,
            plan: None,
            created_at: now,
            updated_at: now,
            completed_at: None,
        })
    }

    async fn is_stored(&self, id: &ArtifactId, kind: ArtifactKind) -> Result<bool, Status> {
        self.artifacts.exists(id, kind).await.map_err(|error| match error {
            ArtifactError::BadId { .. } => Status::invalid_argument(error.to_string()),
            _ => Status::unavailable(error.to_string()),
        })
    }

    /// The record of a proof, live or ended.
    async fn find(&self, id: ProofId) -> Result<Option<ProofRecord>, Status> {
        if !convert::is_short(id.as_str()) {
            return Ok(None);
        }
        let wanted = id.clone();
        let live = self
            .handle
            .call(move |state| state.proofs.get(&wanted).map(|entry| entry.record.clone()))
            .await?;
        match live {
            Some(record) => Ok(Some(record)),
            None => self.ledger.proof(&id).await.map_err(internal),
        }
    }
}

/// Whether two requests are one and the same: a client that did not hear our answer asks again.
fn same_request(one: &ProofRecord, other: &ProofRecord) -> bool {
    let key = |record: &ProofRecord| {
        (
            record.prover,
            record.program.clone(),
            record.stdin.clone(),
            record.options.clone(),
            record.proof.clone(),
        )
    };
    key(one) == key(other)
}

/// What these numbers mean; nothing where some are named and none of them means anything: no proof stands there.
fn known<T>(numbers: Vec<i32>, from_wire: impl Fn(i32) -> Option<T>) -> Option<Vec<T>> {
    let any = numbers.is_empty();
    let known: Vec<_> = numbers.into_iter().filter_map(from_wire).collect();
    (any || !known.is_empty()).then_some(known)
}

/// Its client would wait for an answer no longer, and say that the cluster gives none.
fn silent_store(proof: &str) -> Status {
    let seconds = STORE_ANSWERS.as_secs();
    tracing::warn!(proof, seconds, "a request is not taken: the artifact store does not answer");
    Status::unavailable(format!(
        "the artifact store does not answer within {seconds} s, and without it nobody knows whether it has what the request names: ask \
         again when it does"
    ))
}

fn internal(error: proofmill_ledger::LedgerError) -> Status {
    Status::unavailable(format!("the ledger cannot be read: {error}"))
}

#[tonic::async_trait]
impl ClusterService for Api {
    async fn proof_request_create(
        &self,
        request: Request<ProofRequestCreateRequest>,
    ) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        let prover = header::prover(&request).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let snark = header::snark(&request);
        snark.as_deref().map_or(Ok(()), convert::check_snark)?;
        let record = self.record(prover, request.into_inner()).await?;
        if self.find(record.id.clone()).await?.is_none() {
            let new = record.clone();
            match handle.call(move |state| state.create_proof(new, snark.as_deref())).await? {
                // The same id was asked for at the same time.
                Err(status) if status.code() == Code::AlreadyExists => {}
                outcome => return outcome.map(|_| Response::new(())),
            }
        }
        let earlier = self.find(record.id.clone()).await?.filter(|earlier| {
            same_request(earlier, &record)
                && !matches!(earlier.status, ProofStatus::Failed | ProofStatus::Cancelled)
        });
        earlier.map(|_| Response::new(())).ok_or_else(|| {
            let id = &record.id;
            Status::already_exists(format!(
                "the proof id {id} is taken by another request (or one that failed): choose another id"
            ))
        })
    }

    async fn proof_request_cancel(
        &self,
        request: Request<ProofRequestCancelRequest>,
    ) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        let proof = ProofId::from(request.into_inner().proof_id);
        // What is not there is not wanted either: the SP1 cluster's clients clean up without looking.
        handle.call(|state| state.feed_if_live(Event::ProofCancelled { proof })).await??;
        Ok(Response::new(()))
    }

    async fn proof_request_update(
        &self,
        request: Request<ProofRequestUpdateRequest>,
    ) -> Result<Response<()>, Status> {
        let handle = self.handle.of(request.get_ref());
        let request = request.into_inner();
        if request == (ProofRequestUpdateRequest { proof_id: request.proof_id.clone(), ..Default::default() })
        {
            return Err(Status::invalid_argument("the update changes nothing: it names no field"));
        }
        convert::check_kept("metadata", request.metadata.as_ref())?;
        convert::check_kept("extra_data", request.extra_data.as_ref())?;
        let proof = ProofId::from(request.proof_id);
        let status = match request.proof_status {
            None => None,
            Some(number) => Some(
                ProofStatus::from_wire(number)
                    .ok_or_else(|| Status::invalid_argument(format!("unknown proof status {number}")))?,
            ),
        };
        let update = ProofUpdate {
            execution: request.execution_result.map(convert::execution),
            deadline: request.deadline.and_then(convert::deadline),
            handled: request.handled,
            metadata: request.metadata,
            extra_data: request.extra_data,
            ..ProofUpdate::default()
        };
        let end = match status {
            None | Some(ProofStatus::Pending) => None,
            Some(ProofStatus::Completed) => Some(Event::ProofCompleted { proof: proof.clone() }),
            Some(ProofStatus::Failed) => Some(Event::ProofFailed {
                proof: proof.clone(),
                fault: Fault::new(fault::Code::Rejected, "its client declared it failed"),
            }),
            Some(ProofStatus::Cancelled) => Some(Event::ProofCancelled { proof: proof.clone() }),
        };
        // One that ended long ago is only in the ledger.
        if self.find(proof.clone()).await?.is_none() {
            // Whoever reports an end is not to report it again; as in the SP1 cluster.
            return if end.is_some() { Ok(Response::new(())) } else { Err(no_such_proof(&proof)) };
        }
        handle
            .call(move |state| {
                let deadline = update.deadline;
                state.update_proof(&proof, update);
                if let Some(deadline) = deadline {
                    state.move_deadline(&proof, deadline)?;
                }
                end.map_or(Ok(()), |end| state.feed_if_live(end))
            })
            .await??;
        Ok(Response::new(()))
    }

    async fn proof_request_get(
        &self,
        request: Request<ProofRequestGetRequest>,
    ) -> Result<Response<ProofRequestGetResponse>, Status> {
        let proof = ProofId::from(request.into_inner().proof_id);
        let record = self.find(proof).await?;
        let proof_request = record.as_ref().map(convert::proof_request);
        Ok(Response::new(ProofRequestGetResponse { proof_request }))
    }

    async fn proof_request_list(
        &self,
        request: Request<ProofRequestListRequest>,
    ) -> Result<Response<ProofRequestListResponse>, Status> {
        let request = request.into_inner();
        let (Some(statuses), Some(execution_statuses)) = (
            known(request.proof_status, ProofStatus::from_wire),
            known(request.execution_status, ExecutionStatus::from_wire),
        ) else {
            return Ok(Response::new(ProofRequestListResponse::default()));
        };
        let filter = ProofFilter {
            statuses,
            execution_statuses,
            minimum_deadline: request.minimum_deadline.map(Timestamp::from_secs),
            handled: request.handled,
            scheduled_by: request.scheduled_by,
            limit: Some(request.limit.unwrap_or(PAGE).min(MAX_PAGE)),
            offset: request.offset.unwrap_or(0),
        };
        let records = self.ledger.list(&filter).await.map_err(internal)?;
        let proof_requests = records.iter().map(convert::proof_request).collect();
        Ok(Response::new(ProofRequestListResponse { proof_requests }))
    }

    async fn set_cluster_component_info(
        &self,
        request: Request<SetClusterComponentInfoRequest>,
    ) -> Result<Response<()>, Status> {
        let SetClusterComponentInfoRequest { components, capacity } = request.into_inner();
        let manifest =
            ClusterComponentManifest { components, updated_at: Timestamp::now().as_secs(), capacity };
        *self.components.lock().unwrap_or_else(PoisonError::into_inner) = Some(manifest);
        Ok(Response::new(()))
    }

    /// What was set last, or this process alone.
    async fn get_cluster_component_info(
        &self,
        _: Request<()>,
    ) -> Result<Response<ClusterComponentManifest>, Status> {
        let set = self.components.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Response::new(set.unwrap_or_else(|| ClusterComponentManifest {
            components: vec![ClusterComponentInfo {
                component: "coordinator".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                ..ClusterComponentInfo::default()
            }],
            updated_at: Timestamp::now().as_secs(),
            capacity: None,
        })))
    }

    async fn healthcheck(&self, _: Request<()>) -> Result<Response<()>, Status> {
        self.handle.call(|_: &mut State| ()).await?;
        Ok(Response::new(()))
    }
}
