//! `proofmill.v1.OperatorService`: status and progress.

use crate::{
    convert::{self, narrow},
    entry::Entry,
    owner::Handle,
    state::{State, no_such_proof},
};
use futures::{StreamExt, future, stream};
use proofmill_ledger::{Ledger, Timestamp};
use proofmill_primitives::ProofId;
use proofmill_wire::operator::{
    ProofPhase, ProofProgress, ReportPlanRequest, StatusRequest, StatusResponse, WatchProofRequest,
    WorkerStatus, operator_service_server::OperatorService,
};
use std::{cmp::Reverse, time::Duration};
use tokio::sync::watch;
use tonic::{Request, Response, Status, codegen::BoxStream};

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

/// A proof that somebody watches, at the pace at which it is read: whoever takes nothing has no more than the next message waiting.
struct Watched {
    handle: Handle,
    proof: ProofId,
    changes: watch::Receiver<()>,
    begun: bool,
    /// Its public values were told.
    told: bool,
}

impl Watched {
    /// How it stands now, as soon as there is something new of it or it is time to say so again. Nothing where nobody knows it any more.
    async fn next(&mut self) -> Option<Result<ProofProgress, Status>> {
        if std::mem::replace(&mut self.begun, true) {
            tokio::time::sleep(PACE).await;
            drop(tokio::time::timeout(STILL, self.changes.changed()).await);
        }
        self.changes.mark_unchanged();
        let wanted = self.proof.clone();
        let progress = self.handle.call(move |state| state.proofs.get(&wanted).map(Entry::progress)).await;
        let mut progress = match progress {
            Ok(progress) => progress?,
            Err(status) => return Some(Err(status)),
        };
        // They may be megabytes, and do not change.
        if self.told && progress.phase() == ProofPhase::Active {
            progress.public_values.clear();
        }
        self.told |= !progress.public_values.is_empty();
        Some(Ok(progress))
    }
}

/// How many a page has where the client does not say, and at the most.
const PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

fn status(state: &State, asked: StatusRequest) -> StatusResponse {
    let now = Timestamp::now();
    let skip = usize::try_from(asked.skip).unwrap_or(usize::MAX);
    let limit = if asked.limit == 0 { PAGE } else { asked.limit.min(MAX_PAGE) };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let workers = state
        .scheduler
        .workers()
        .skip(skip)
        .take(limit)
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
    let mut proofs: Vec<(Option<Timestamp>, &Entry)> =
        state.proofs.values().map(|entry| (entry.record.completed_at, entry)).collect();
    proofs.sort_by_key(|(ended, entry)| (ended.is_some(), Reverse(ended.unwrap_or(entry.record.created_at))));
    let live = proofs.iter().take_while(|(ended, _)| ended.is_none()).count();
    proofs.truncate(live + ENDED_SHOWN);
    StatusResponse {
        version: env!("CARGO_PKG_VERSION").into(),
        started_at_ms: state.started.as_millis(),
        workers,
        all_workers: narrow(state.scheduler.workers().count()),
        all_proofs: narrow(proofs.len()),
        proofs: proofs.iter().skip(skip).take(limit).map(|(_, entry)| entry.summary()).collect(),
    }
}

#[tonic::async_trait]
impl OperatorService for Operator {
    type WatchProofStream = BoxStream<ProofProgress>;

    async fn get_status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let handle = self.handle.of(request.get_ref());
        let asked = request.into_inner();
        Ok(Response::new(handle.call(move |state| status(state, asked)).await?))
    }

    async fn watch_proof(
        &self,
        request: Request<WatchProofRequest>,
    ) -> Result<Response<Self::WatchProofStream>, Status> {
        let handle = self.handle.of(request.get_ref());
        let proof = ProofId::from(request.into_inner().proof_id);
        let wanted = proof.clone();
        let changes = handle.call(move |state| state.proofs.get(&wanted).map(Entry::watch)).await?;
        let Some(changes) = changes else {
            // One that ended long ago, or before a restart, is only in the ledger.
            let record =
                self.ledger.proof(&proof).await.map_err(|error| Status::unavailable(error.to_string()))?;
            let progress = Entry::new(record.ok_or_else(|| no_such_proof(&proof))?).progress();
            return Ok(Response::new(stream::once(future::ready(Ok(progress))).boxed()));
        };
        let watched = Watched { handle: self.handle.clone(), proof, changes, begun: false, told: false };
        let progress = stream::unfold(Some(watched), |watched| async move {
            let mut watched = watched?;
            let next = watched.next().await?;
            let goes_on = next.as_ref().is_ok_and(|progress| progress.phase() == ProofPhase::Active);
            Some((next, goes_on.then_some(watched)))
        });
        Ok(Response::new(progress.boxed()))
    }

    async fn report_plan(&self, request: Request<ReportPlanRequest>) -> Result<Response<()>, Status> {
        let handle = self.handle.of_list(request.get_ref(), request.get_ref().kinds.len());
        let request = request.into_inner();
        convert::check_public_values(&request.public_values)?;
        handle.call(|state| state.plan(request)).await??;
        Ok(Response::new(()))
    }
}
