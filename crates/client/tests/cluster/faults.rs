//! What a cluster says instead of taking a request.

use crate::site::{PATIENCE, Site, prove};
use proofmill_artifacts::FsArtifacts;
use proofmill_client::{ClientError, ClusterClient, ClusterProver, ProofAsked};
use proofmill_fault::{At, Code as FaultCode};
use proofmill_primitives::{ProofMode, ProverType};
use proofmill_wire::{
    cluster::{
        ClusterComponentManifest, ProofRequest, ProofRequestCancelRequest, ProofRequestCreateRequest,
        ProofRequestGetRequest, ProofRequestGetResponse, ProofRequestListRequest, ProofRequestListResponse,
        ProofRequestStatus, ProofRequestUpdateRequest, SetClusterComponentInfoRequest,
        cluster_service_server::{ClusterService, ClusterServiceServer},
    },
    operator::{
        ProofPhase, ProofProgress, ReportPlanRequest, StatusRequest, StatusResponse, WatchProofRequest,
        operator_service_client::OperatorServiceClient,
        operator_service_server::{OperatorService, OperatorServiceServer},
    },
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Response, Status,
    codegen::BoxStream,
    transport::{Endpoint, Server, server::TcpIncoming},
};

/// A cluster that says to every request that it takes none.
#[derive(Clone, Default)]
struct Wayward {
    /// The reason; without one it says nothing at all.
    code: Arc<Mutex<Option<Code>>>,
    kept: Arc<Mutex<Kept>>,
}

/// What a cluster has whose answers are lost on the way: it takes requests, though it seems not to.
#[derive(Default)]
struct Kept {
    takes: bool,
    request: Option<ProofRequest>,
}

impl Wayward {
    /// Starts it, and gives its address.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        self.serve(listener);
        address
    }

    fn serve(&self, listener: TcpListener) {
        let server = Server::builder()
            .add_service(ClusterServiceServer::new(self.clone()))
            .add_service(OperatorServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    }

    async fn says(&self) -> Status {
        let code = *self.code.lock().unwrap();
        match code {
            Some(code) => Status::new(code, "for a reason"),
            None => std::future::pending().await,
        }
    }
}

#[tonic::async_trait]
impl ClusterService for Wayward {
    async fn proof_request_create(
        &self,
        request: Request<ProofRequestCreateRequest>,
    ) -> Result<Response<()>, Status> {
        let ProofRequestCreateRequest { proof_id, deadline, .. } = request.into_inner();
        let mut request = ProofRequest { id: proof_id, deadline, ..ProofRequest::default() };
        request.set_proof_status(ProofRequestStatus::Pending);
        {
            let mut kept = self.kept.lock().unwrap();
            kept.request = kept.takes.then_some(request);
        }
        Err(self.says().await)
    }

    async fn proof_request_cancel(
        &self,
        _: Request<ProofRequestCancelRequest>,
    ) -> Result<Response<()>, Status> {
        let was_there = self.kept.lock().unwrap().request.take().is_some();
        if was_there { Ok(Response::new(())) } else { Err(self.says().await) }
    }

    async fn proof_request_update(
        &self,
        update: Request<ProofRequestUpdateRequest>,
    ) -> Result<Response<()>, Status> {
        let is_there = match &mut self.kept.lock().unwrap().request {
            Some(request) => {
                request.deadline = update.get_ref().deadline.unwrap_or(request.deadline);
                true
            }
            None => false,
        };
        if is_there { Ok(Response::new(())) } else { Err(self.says().await) }
    }

    async fn proof_request_get(
        &self,
        _: Request<ProofRequestGetRequest>,
    ) -> Result<Response<ProofRequestGetResponse>, Status> {
        let proof_request = self.kept.lock().unwrap().request.clone();
        match proof_request {
            Some(_) => Ok(Response::new(ProofRequestGetResponse { proof_request })),
            None => Err(Status::not_found("no such proof")),
        }
    }

    async fn proof_request_list(
        &self,
        _: Request<ProofRequestListRequest>,
    ) -> Result<Response<ProofRequestListResponse>, Status> {
        Err(self.says().await)
    }

    async fn set_cluster_component_info(
        &self,
        _: Request<SetClusterComponentInfoRequest>,
    ) -> Result<Response<()>, Status> {
        Err(self.says().await)
    }

    async fn get_cluster_component_info(
        &self,
        _: Request<()>,
    ) -> Result<Response<ClusterComponentManifest>, Status> {
        Err(self.says().await)
    }

    async fn healthcheck(&self, _: Request<()>) -> Result<Response<()>, Status> {
        Err(self.says().await)
    }
}

#[tonic::async_trait]
impl OperatorService for Wayward {
    type WatchProofStream = BoxStream<ProofProgress>;

    async fn get_status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Err(self.says().await)
    }

    async fn watch_proof(
        &self,
        _: Request<WatchProofRequest>,
    ) -> Result<Response<Self::WatchProofStream>, Status> {
        Err(self.says().await)
    }

    async fn report_plan(&self, _: Request<ReportPlanRequest>) -> Result<Response<()>, Status> {
        Err(self.says().await)
    }
}

async fn asked(prover: &ClusterProver) -> ClientError {
    let (seen, _ids) = mpsc::unbounded_channel();
    prove(prover, &CancellationToken::new(), seen).await.unwrap_err()
}

#[tokio::test]
async fn a_cluster_that_cannot_take_a_request_now_has_not_refused_it() {
    let site = Site::new().await;
    let wayward = Wayward::default();
    let client = ClusterClient::connect(&wayward.start().await).await.unwrap();
    let prover = ClusterProver { client, ..site.prover.clone() };
    for code in [
        Code::Unavailable,
        Code::Unknown,
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Internal,
        Code::Aborted,
        Code::ResourceExhausted,
        // A proxy on the way, or a server that is being replaced.
        Code::PermissionDenied,
        Code::Unauthenticated,
        Code::Unimplemented,
        Code::NotFound,
        Code::DataLoss,
    ] {
        *wayward.code.lock().unwrap() = Some(code);
        let error = asked(&prover).await;
        assert!(matches!(error, ClientError::Cluster { .. }), "{code:?}: {error:?}");
        assert!(error.to_string().contains("for a reason"), "{error}");
        assert_eq!(error.code().at(), At::Cluster, "{code:?}: it says nothing of the task");
    }
    for code in [Code::InvalidArgument, Code::OutOfRange] {
        *wayward.code.lock().unwrap() = Some(code);
        let error = asked(&prover).await;
        assert!(matches!(error, ClientError::Refused(_)), "{code:?}: {error:?}");
    }
    site.stop.cancel();
}

/// A call that came to the cluster, and whose answer did not come back: asked again, it is joined as what it is, and can be withdrawn.
#[tokio::test]
async fn a_request_whose_answer_was_lost_is_still_its_clients_own() {
    let wayward = Wayward::default();
    wayward.kept.lock().unwrap().takes = true;
    *wayward.code.lock().unwrap() = Some(Code::Unavailable);
    let address = wayward.start().await;
    let asked = ProofAsked {
        prover: ProverType::Exec,
        circuits: vec![],
        program: "program".into(),
        stdin: "stdin".into(),
        mode: ProofMode::Compressed,
        snark: None,
        cycle_limit: None,
        timeout: Duration::from_secs(60),
    };
    let client = ClusterClient::connect(&address).await.unwrap();
    let error = client.ask(&asked).await.unwrap_err();
    assert!(matches!(error, ClientError::Cluster { .. }), "{error:?}");
    let accepted = client.ask(&asked).await.unwrap();
    assert!(accepted.is_ours);
    // Whoever else asks for the same joins it, which the first one sees.
    let other = ClusterClient::connect(&address).await.unwrap();
    let joined = other.ask(&asked).await.unwrap();
    assert!(!joined.is_ours);
    client.withdraw(&accepted).await.unwrap();
    assert!(wayward.kept.lock().unwrap().request.is_some(), "another one waits for it");
    // Of one that nobody joined nothing is left.
    wayward.kept.lock().unwrap().request = None;
    client.ask(&asked).await.unwrap_err();
    let accepted = client.ask(&asked).await.unwrap();
    client.withdraw(&accepted).await.unwrap();
    assert_eq!(wayward.kept.lock().unwrap().request, None);
}

#[tokio::test]
async fn a_cluster_that_comes_later_is_found() {
    // Nobody listens there, and nobody else is given it.
    let kept = TcpSocket::new_v4().unwrap();
    kept.set_reuseaddr(true).unwrap();
    kept.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = kept.local_addr().unwrap();
    let client = ClusterClient::lazy(&format!("http://{address}")).unwrap();
    let error = client.status(StatusRequest::default()).await.unwrap_err();
    assert_eq!(error.code(), FaultCode::ClusterAway, "{error:?}");
    let wayward = Wayward::default();
    *wayward.code.lock().unwrap() = Some(Code::InvalidArgument);
    wayward.serve(TcpListener::bind(address).await.unwrap());
    let until = Instant::now() + PATIENCE;
    loop {
        match client.status(StatusRequest::default()).await.unwrap_err() {
            ClientError::Cluster { status, .. } if status.code() == Code::InvalidArgument => break,
            error => assert!(Instant::now() < until, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(matches!(ClusterClient::lazy("nowhere"), Err(ClientError::BadAddress(_))));
}

/// Somebody on the way knows no such service, or the cluster no such proof yet: it has not ended by that, and not without a cause.
#[tokio::test]
async fn a_proof_that_is_there_has_not_ended_because_nobody_can_watch_it() {
    let wayward = Wayward::default();
    *wayward.code.lock().unwrap() = Some(Code::NotFound);
    let stands = |status| {
        let mut request = ProofRequest { id: "p".into(), ..ProofRequest::default() };
        request.set_proof_status(status);
        wayward.kept.lock().unwrap().request = Some(request);
    };
    stands(ProofRequestStatus::Pending);
    let client = ClusterClient::connect(&wayward.start().await).await.unwrap();
    let followed = tokio::time::timeout(Duration::from_secs(2), client.follow("p", |_| {})).await;
    assert!(followed.is_err(), "{followed:?}");
    stands(ProofRequestStatus::Failed);
    let followed = tokio::time::timeout(PATIENCE, client.follow("p", |_| {})).await;
    let ended = followed.unwrap().unwrap();
    assert_eq!(ended.phase(), ProofPhase::Failed);
    assert!(!ended.cause.is_empty());
}

#[tokio::test]
async fn what_is_too_large_to_be_told_is_not_waited_for() {
    let wayward = Wayward::default();
    let client = ClusterClient::connect(&wayward.start().await).await.unwrap();
    *wayward.code.lock().unwrap() = Some(Code::OutOfRange);
    let followed = tokio::time::timeout(PATIENCE, client.follow("p", |_| {})).await;
    let error = followed.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn public_values_of_megabytes_are_told() {
    const LENGTH: usize = 5 << 20;
    let site = Site::new().await;
    let (seen, mut ids) = mpsc::unbounded_channel();
    let (prover, stop) = (site.prover.clone(), CancellationToken::new());
    let asked = {
        let stop = stop.clone();
        tokio::spawn(async move { prove(&prover, &stop, seen).await })
    };
    let (id, _) = ids.recv().await.unwrap();
    let channel = Endpoint::from_shared(site.address.clone()).unwrap().connect().await.unwrap();
    let plan = ReportPlanRequest {
        proof_id: id.clone(),
        instructions: 7,
        public_values: vec![7; LENGTH],
        kinds: Vec::new(),
    };
    OperatorServiceClient::new(channel).report_plan(plan).await.unwrap();
    let (say, mut told) = mpsc::unbounded_channel();
    let following = site.prover.client.follow(&id, |progress| {
        let _ = say.send(progress.public_values.len());
    });
    // The first word is enough.
    tokio::select! {
        told = told.recv() => assert_eq!(told, Some(LENGTH)),
        ended = following => panic!("ended: {ended:?}"),
    }
    stop.cancel();
    assert!(matches!(asked.await.unwrap(), Err(ClientError::Cancelled { .. })));
    site.stop.cancel();
}

#[tokio::test]
async fn a_client_with_another_artifact_store_is_told_so() {
    let site = Site::new().await;
    let elsewhere = FsArtifacts::open(&site.folder.path().join("elsewhere")).unwrap();
    let error = asked(&ClusterProver { artifacts: Arc::new(elsewhere), ..site.prover.clone() }).await;
    assert!(matches!(error, ClientError::OtherStore { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("the program artifact") && said.contains("--artifacts"), "{said}");
    site.stop.cancel();
}

#[tokio::test]
async fn a_cluster_that_says_nothing_is_not_waited_for_without_end() {
    let wayward = Wayward::default();
    let client = ClusterClient::connect(&wayward.start().await).await.unwrap();
    let start = Instant::now();
    let error = client.status(StatusRequest::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::NoAnswer { .. }), "{error:?}");
    assert!(start.elapsed() < PATIENCE);
    let said = error.to_string();
    assert!(said.contains("does not answer within 10 s") && said.contains("log"), "{said}");
}
