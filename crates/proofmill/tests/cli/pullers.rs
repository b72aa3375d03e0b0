//! What a prover asks a proof coordinator, by hand; and a coordinator that has no use for it.

use proofmill_wire::prover::{
    AssignRequest, AssignResponse, BatchId, GiveBackRequest, GiveBackResponse, InputPiece,
    ProverTypeNotNeeded, ReadInputRequest, SubmitRequest, SubmitResponse, assign_response,
    proof_coordinator_service_client::ProofCoordinatorServiceClient,
    proof_coordinator_service_server::{ProofCoordinatorService, ProofCoordinatorServiceServer},
    prover_type_not_needed, submit_response,
};
use tonic::{Request, Response, Status, transport::Channel};

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

pub(crate) async fn client(address: &str) -> ProofCoordinatorServiceClient<Channel> {
    ProofCoordinatorServiceClient::new(proofmill_wire::endpoint(address).unwrap().connect().await.unwrap())
}

/// What a prover of this release that is called so asks.
pub(crate) fn ask(name: &str, prover_type: &str) -> AssignRequest {
    let exec = proofmill_backends::ExecBackend::default();
    let (range, aggregation) = (
        proofmill_client::programs::range_version(&exec).unwrap(),
        proofmill_client::programs::aggregation_version(&exec).unwrap(),
    );
    AssignRequest {
        prover: name.to_owned(),
        prover_type: prover_type.to_owned(),
        range_version: range.0.to_vec(),
        aggregation_version: aggregation.0.to_vec(),
    }
}

pub(crate) async fn assign(
    client: &mut ProofCoordinatorServiceClient<Channel>,
    request: AssignRequest,
) -> assign_response::Outcome {
    let AssignResponse { outcome } = client.assign(request).await.unwrap().into_inner();
    outcome.unwrap()
}

pub(crate) async fn submit(
    client: &mut ProofCoordinatorServiceClient<Channel>,
    name: &str,
    batch: &BatchId,
    proof: Vec<u8>,
) -> submit_response::Outcome {
    let (prover, prover_type, batch) = (name.to_owned(), "exec".to_owned(), Some(batch.clone()));
    let request = SubmitRequest { prover, prover_type, batch, proof };
    let SubmitResponse { outcome } = client.submit(request).await.unwrap().into_inner();
    outcome.unwrap()
}

/// A coordinator of another rollup, which needs SP1's proofs only.
struct Unneeding;

#[tonic::async_trait]
impl ProofCoordinatorService for Unneeding {
    type ReadInputStream = futures::stream::Empty<Result<InputPiece, Status>>;

    async fn assign(&self, _: Request<AssignRequest>) -> Result<Response<AssignResponse>, Status> {
        let reason = prover_type_not_needed::Reason::NotAskedFor.into();
        let told = ProverTypeNotNeeded { reason, needed: vec!["sp1".to_owned()] };
        Ok(Response::new(AssignResponse {
            outcome: Some(assign_response::Outcome::ProverTypeNotNeeded(told)),
        }))
    }

    async fn read_input(
        &self,
        _: Request<ReadInputRequest>,
    ) -> Result<Response<Self::ReadInputStream>, Status> {
        Err(Status::not_found("nothing was given out"))
    }

    async fn submit(&self, _: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        Err(Status::not_found("nothing was given out"))
    }

    async fn give_back(&self, _: Request<GiveBackRequest>) -> Result<Response<GiveBackResponse>, Status> {
        Ok(Response::new(GiveBackResponse {}))
    }
}

pub(crate) fn unneeding() -> (tokio::runtime::Runtime, String) {
    let runtime = runtime();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = ProofCoordinatorServiceServer::new(Unneeding);
    let server = tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
    runtime.spawn(server);
    (runtime, address)
}

/// A server of gRPC that knows nothing of provers that pull.
pub(crate) fn of_another_release() -> (tokio::runtime::Runtime, String) {
    let runtime = runtime();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_routes(tonic::service::Routes::default())
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
    runtime.spawn(server);
    (runtime, address)
}

/// Goes between provers and a coordinator, and takes no proofs.
struct TakesNoProofs(ProofCoordinatorServiceClient<Channel>);

#[tonic::async_trait]
impl ProofCoordinatorService for TakesNoProofs {
    type ReadInputStream = tonic::Streaming<InputPiece>;

    async fn assign(&self, asked: Request<AssignRequest>) -> Result<Response<AssignResponse>, Status> {
        self.0.clone().assign(asked.into_inner()).await
    }

    async fn read_input(
        &self,
        asked: Request<ReadInputRequest>,
    ) -> Result<Response<Self::ReadInputStream>, Status> {
        self.0.clone().read_input(asked.into_inner()).await
    }

    async fn submit(&self, _: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        Err(Status::unavailable("no proof is taken here"))
    }

    async fn give_back(&self, given: Request<GiveBackRequest>) -> Result<Response<GiveBackResponse>, Status> {
        self.0.clone().give_back(given.into_inner()).await
    }
}

pub(crate) fn takes_no_proofs(coordinator: &str) -> (tokio::runtime::Runtime, String) {
    let runtime = runtime();
    let client = runtime.block_on(client(coordinator));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(ProofCoordinatorServiceServer::new(TakesNoProofs(client)))
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
    runtime.spawn(server);
    (runtime, address)
}
