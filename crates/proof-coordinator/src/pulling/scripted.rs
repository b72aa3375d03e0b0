//! A coordinator that answers what a test wants.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::calls::Asker;
use crate::{
    rules::{BatchId, Programs, ProofLevel, ProverName},
    shell::asked_batch,
};
use alloy_primitives::B256;
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
use proofmill_wire::prover::{
    Accepted, AssignRequest, AssignResponse, Assigned, GiveBackRequest, GiveBackResponse, InputPiece,
    ReadInputRequest, SubmitRequest, SubmitResponse, assign_response,
    proof_coordinator_service_server::{ProofCoordinatorService, ProofCoordinatorServiceServer},
    submit_response,
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{net::TcpListener, sync::Notify};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

/// What it answers, and what it was told.
#[derive(Debug, Default)]
pub(super) struct Scripted {
    /// So many times it answers what cannot be read before it takes a proof.
    pub(super) unreadable: AtomicUsize,
    /// Batch 1 is given out, once `answers` says so.
    pub(super) assigns: bool,
    /// Somebody asks for work.
    pub(super) asked: Notify,
    pub(super) answers: Notify,
    /// The batches that were given back.
    pub(super) given_back: Mutex<Vec<u64>>,
}

impl Scripted {
    /// Serves on a free port, for as long as the test runs.
    pub(super) async fn serve(self) -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let scripted = Arc::new(self);
        let service = ProofCoordinatorServiceServer::from_arc(Arc::clone(&scripted));
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (scripted, address)
    }
}

#[tonic::async_trait]
impl ProofCoordinatorService for Scripted {
    type ReadInputStream = futures::stream::Empty<Result<InputPiece, Status>>;

    async fn assign(&self, _: Request<AssignRequest>) -> Result<Response<AssignResponse>, Status> {
        if !self.assigns {
            return Err(Status::unavailable("nothing is given out here"));
        }
        self.asked.notify_one();
        self.answers.notified().await;
        let batch = Some(asked_batch(&batch(1)));
        let assigned =
            Assigned { batch, input_bytes: 1, input_hash: vec![0; 32], cycle_limit: 0, timeout_ms: 600_000 };
        Ok(Response::new(AssignResponse { outcome: Some(assign_response::Outcome::Assigned(assigned)) }))
    }

    async fn read_input(
        &self,
        _: Request<ReadInputRequest>,
    ) -> Result<Response<Self::ReadInputStream>, Status> {
        Err(Status::not_found("there is no input here"))
    }

    async fn submit(&self, _: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        let before = self.unreadable.load(Ordering::Relaxed);
        self.unreadable.store(before.saturating_sub(1), Ordering::Relaxed);
        let accepted = submit_response::Outcome::Accepted(Accepted { dropped: false });
        Ok(Response::new(SubmitResponse { outcome: (before == 0).then_some(accepted) }))
    }

    async fn give_back(&self, asked: Request<GiveBackRequest>) -> Result<Response<GiveBackResponse>, Status> {
        let batch = asked.into_inner().batch.unwrap();
        self.given_back.lock().unwrap().push(batch.number);
        Ok(Response::new(GiveBackResponse {}))
    }
}

pub(super) fn asker() -> Asker {
    let version = ProgramVersion(B256::ZERO);
    let programs = Programs { range: version, aggregation: version };
    Asker { name: ProverName::new("a").unwrap(), prover: ProverType::Exec, programs }
}

pub(super) const fn batch(number: u64) -> BatchId {
    BatchId { number: CheckpointNumber(number), level: ProofLevel::Range, content: [1; 32] }
}
