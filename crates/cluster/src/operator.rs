//! `proofmill.v1.OperatorService`: status and progress.

use crate::{
    convert,
    entry::Entry,
    owner::Handle,
    state::{State, no_such_proof},
    streams::{self, Source},
};
use proofmill_ledger::{Ledger, Timestamp};
use proofmill_primitives::ProofId;
use proofmill_wire::operator::{
    ProofPhase, ProofProgress, ReportPlanRequest, StatusResponse, WatchProofRequest, WorkerStatus,
    operator_service_server::OperatorService,
};
use std::time::Duration;
use tonic::{Request, Response, Status};

/// The least time between two messages about one proof: people read them.
const PACE: Duration = Duration::from_millis(200);
/// A proof about which there is nothing new is reported all the same, so that the client sees that we live.
const STILL: Duration = Duration::from_secs(5);
/// How many ended proofs a status shows.
const ENDED_SHOWN: usize = 20;

/// Answers the command line and the dashboard.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) handle: Handle,
    pub(crate) ledger: Ledger,
}

fn status(state: &State) -> StatusResponse {
    let now = Timestamp::now();
    let workers = state
        .scheduler
        .workers()
        .map(|worker| WorkerStatus {
            id: worker.spec.id.to_string(),
            kind: worker.spec.kind.name().into(),
            provers: worker.spec.provers.iter().map(|prover| prover.name().into()).collect(),
            current_weight: worker.current.as_gb(),
            max_weight: worker.spec.max_weight.as_gb(),
            tasks: worker
                .tasks
                .iter()
                .map(|task| state.scheduler.task(task).map_or("?", |(spec, _)| spec.kind.name()).to_owned())
                .collect(),
            silent_ms: now.as_millis().saturating_sub(convert::timestamp(worker.last_heartbeat).as_millis()),
            draining: worker.draining,
            apart: worker.apart,
        })
        .collect();
    let mut proofs: Vec<ProofProgress> = state.proofs.values().map(Entry::progress).collect();
    proofs.sort_by_key(|proof| {
        (proof.ended_at_ms != 0, std::cmp::Reverse(proof.ended_at_ms.max(proof.created_at_ms)))
    });
    let live = proofs.iter().take_while(|proof| proof.ended_at_ms == 0).count();
    proofs.truncate(live + ENDED_SHOWN);
    StatusResponse {
        version: env!("CARGO_PKG_VERSION").into(),
        started_at_ms: state.started.as_millis(),
        workers,
        proofs,
    }
}

#[tonic::async_trait]
impl OperatorService for Operator {
    type WatchProofStream = Source<ProofProgress>;

    async fn get_status(&self, _: Request<()>) -> Result<Response<StatusResponse>, Status> {
        Ok(Response::new(self.handle.call(|state| status(state)).await?))
    }

    async fn watch_proof(
        &self,
        request: Request<WatchProofRequest>,
    ) -> Result<Response<Self::WatchProofStream>, Status> {
        let proof = ProofId::from(request.into_inner().proof_id);
        let wanted = proof.clone();
        let changes = self.handle.call(move |state| state.proofs.get(&wanted).map(Entry::watch)).await?;
        let (sink, source) = streams::stream(|| ());
        let Some(mut changes) = changes else {
            // One that ended long ago, or before a restart, is only in the ledger.
            let record =
                self.ledger.proof(&proof).await.map_err(|error| Status::unavailable(error.to_string()))?;
            let progress = Entry::new(record.ok_or_else(|| no_such_proof(&proof))?).progress();
            drop(sink.send(Ok(progress)));
            return Ok(Response::new(source));
        };
        let handle = self.handle.clone();
        tokio::spawn(async move {
            loop {
                changes.mark_unchanged();
                let wanted = proof.clone();
                let Ok(Some(progress)) =
                    handle.call(move |state| state.proofs.get(&wanted).map(Entry::progress)).await
                else {
                    return;
                };
                let over = progress.phase() != ProofPhase::Active;
                if sink.send(Ok(progress)).is_err() || over {
                    return;
                }
                tokio::time::sleep(PACE).await;
                drop(tokio::time::timeout(STILL, changes.changed()).await);
            }
        });
        Ok(Response::new(source))
    }

    async fn report_plan(&self, request: Request<ReportPlanRequest>) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        self.handle.call(|state| state.plan(request)).await??;
        Ok(Response::new(()))
    }
}
