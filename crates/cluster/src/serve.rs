//! Starting and serving.

use crate::{
    ClusterConfig, ClusterError,
    api::Api,
    coordinator::Coordinator,
    operator::Operator,
    owner::{self, Handle},
    state::State,
};
use proofmill_artifacts::ArtifactStore;
use proofmill_ledger::Ledger;
use proofmill_wire::{
    cluster::cluster_service_server::ClusterServiceServer, operator::operator_service_server::OperatorServiceServer,
    worker::worker_service_server::WorkerServiceServer,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, sync::oneshot};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

/// The largest message taken, in bytes: a task may name thousands of artifacts.
const MAX_MESSAGE: usize = 64 << 20;

/// A cluster that is going on and can be served.
#[derive(Debug)]
pub struct Cluster {
    handle: Handle,
    ended: oneshot::Receiver<ClusterError>,
    ledger: Ledger,
    artifacts: Arc<dyn ArtifactStore>,
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
            tracing::info!(proofs = live.proofs.len(), tasks = live.tasks.len(), "going on with what was not finished");
        }
        let (handle, ended) = owner::own(ledger.clone(), move |handle| State::restore(config, live, handle));
        Ok(Self { handle, ended, ledger, artifacts })
    }

    /// Answers on the listener until told to stop.
    ///
    /// # Errors
    /// [`ClusterError::Diverged`] where the state could not be made durable, [`ClusterError::Server`].
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), ClusterError> {
        let Self { handle, ended, ledger, artifacts } = self;
        let api = Api { handle: handle.clone(), ledger: ledger.clone(), artifacts, components: Mutex::new(None) };
        let coordinator = Coordinator { handle: handle.clone(), ledger: ledger.clone() };
        let sized_api =
            ClusterServiceServer::new(api).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE);
        let sized_coordinator = WorkerServiceServer::new(coordinator)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let server = Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(5)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .add_service(sized_api)
            .add_service(sized_coordinator)
            .add_service(OperatorServiceServer::new(Operator { handle }))
            // Streams of workers never end by themselves, so nothing is waited for: what was acknowledged is durable.
            .serve_with_incoming(TcpListenerStream::new(listener));
        let outcome = tokio::select! {
            served = server => served.map_err(ClusterError::from),
            Ok(error) = ended => Err(error),
            () = stop.cancelled() => Ok(()),
        };
        ledger.close().await;
        outcome
    }
}
