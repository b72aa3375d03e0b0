//! Starting and serving.

use crate::{
    ClusterConfig, ClusterError, api::Api, coordinator::Coordinator, metrics, operator::Operator,
    owner::Owner, state::State, sweep,
};
use axum::{http::StatusCode, routing::get};
use proofmill_artifacts::ArtifactStore;
use proofmill_ledger::Ledger;
use proofmill_wire::{
    Connections, MAX_MESSAGE, cluster::cluster_service_server::ClusterServiceServer,
    operator::operator_service_server::OperatorServiceServer,
    worker::worker_service_server::WorkerServiceServer,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};
use tonic_web::GrpcWebLayer;

/// The largest message that clients send, in bytes: what they have kept with a request is bounded far below.
const MAX_ASKED: usize = 4 << 20;

/// How long connections are waited for once their streams have ended.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long the state may take to answer before the cluster does not count as healthy.
const HEALTHY: Duration = Duration::from_secs(5);

/// A cluster that is going on and can be served.
#[derive(Debug)]
pub struct Cluster {
    owner: Owner,
    ledger: Ledger,
    artifacts: Arc<dyn ArtifactStore>,
    artifact_retention: Duration,
}

impl Cluster {
    /// Brings back the proofs that were going on when the last process ended; there may be none.
    ///
    /// # Errors
    /// [`ClusterError::Restore`].
    pub async fn start(
        config: ClusterConfig,
        ledger: Ledger,
        artifacts: Arc<dyn ArtifactStore>,
    ) -> Result<Self, ClusterError> {
        let live = ledger.load_live().await.map_err(ClusterError::Restore)?;
        if !live.proofs.is_empty() {
            tracing::info!(
                proofs = live.proofs.len(),
                tasks = live.tasks.len(),
                "going on with what was not finished"
            );
        }
        metrics::describe();
        let artifact_retention = config.artifact_retention;
        let owner = Owner::new(ledger.clone(), State::restore(config, live));
        Ok(Self { owner, ledger, artifacts, artifact_retention })
    }

    /// Answers on the listener until told to stop. Then every stream ends and every connection is closed, so that
    /// whoever is connected looks for the coordinator anew.
    ///
    /// # Errors
    /// [`ClusterError::Diverged`] or [`ClusterError::Panicked`] where state and ledger can no longer be kept the same,
    /// [`ClusterError::Server`].
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), ClusterError> {
        let Self { mut owner, ledger, artifacts, artifact_retention } = self;
        let handle = owner.handle.clone();
        let sweep = sweep::run(handle.clone(), Arc::clone(&artifacts), artifact_retention);
        let _sweep = AbortOnDropHandle::new(tokio::spawn(sweep));
        let api =
            Api { handle: handle.clone(), ledger: ledger.clone(), artifacts, components: Mutex::new(None) };
        let coordinator = Coordinator { handle: handle.clone(), ledger: ledger.clone() };
        let operator = Operator { handle, ledger: ledger.clone() };
        let (health, routes) = routes(api, coordinator, operator).await;
        let closing = CancellationToken::new();
        let server = proofmill_wire::server()
            .http2_keepalive_interval(Some(Duration::from_secs(5)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            // For browsers, and for whoever looks at `/healthz`.
            .accept_http1(true)
            .add_routes(routes)
            .serve_with_incoming_shutdown(Connections::from(listener), closing.clone().cancelled_owned());
        tokio::pin!(server);
        let outcome = tokio::select! {
            served = &mut server => {
                drop(owner.stop().await);
                served.map_err(ClusterError::from)
            }
            lost = owner.ended() => {
                closing.cancel();
                drop(tokio::time::timeout(GOODBYE, server).await);
                lost
            }
            () = stop.cancelled() => {
                health.set_service_status("", ServingStatus::NotServing).await;
                // The streams of workers never end by themselves, only with the state.
                let kept = owner.stop().await;
                closing.cancel();
                drop(tokio::time::timeout(GOODBYE, server).await);
                kept
            }
        };
        ledger.close().await;
        outcome
    }
}

/// Everything that is answered on the port: the SP1 cluster's two services, ours, gRPC's own for health, and the two paths
/// that the SP1 cluster's processes answer over plain HTTP.
async fn routes(api: Api, coordinator: Coordinator, operator: Operator) -> (HealthReporter, Routes) {
    let handle = api.handle.clone();
    let api = ClusterServiceServer::new(api)
        .max_decoding_message_size(MAX_ASKED)
        .max_encoding_message_size(MAX_MESSAGE);
    let coordinator = WorkerServiceServer::new(coordinator)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let operator = OperatorServiceServer::new(operator)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<ClusterServiceServer<Api>>().await;
    health.set_serving::<WorkerServiceServer<Coordinator>>().await;
    health.set_serving::<OperatorServiceServer<Operator>>().await;
    let services =
        Routes::new(health_service).add_service(api).add_service(coordinator).add_service(operator);
    let healthz = move || async move {
        match tokio::time::timeout(HEALTHY, handle.call(|_: &mut State| ())).await {
            Ok(Ok(())) => (StatusCode::OK, "OK"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "the coordinator does not answer; see its log"),
        }
    };
    // Browsers may ask the services; the layer refuses everything else that comes by HTTP/1.
    let services = services.into_axum_router().layer(GrpcWebLayer::new());
    let paths = services.route("/", get(async || "OK")).route("/healthz", get(healthz));
    (health, paths.into())
}
