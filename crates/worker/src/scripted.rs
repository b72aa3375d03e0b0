//! A coordinator that answers what a test wants.

#![expect(clippy::unwrap_used, reason = "tests")]

use proofmill_wire::worker::worker_service_server::{WorkerService, WorkerServiceServer};
use std::sync::Arc;
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

/// The service of a coordinator: the calls that a test answers, and those that nobody makes there.
macro_rules! coordinator {
    ($name:ty { $($answered:tt)* } $($call:ident($request:ty) -> $reply:ty;)*) => {
        #[tonic::async_trait]
        impl proofmill_wire::worker::worker_service_server::WorkerService for $name {
            type OpenStream = BoxStream<ServerMessage>;
            type OpenSubStream = BoxStream<ServerSubMessage>;
            type SubscribeTaskMessagesStream = BoxStream<MessageStreamResponse>;

            $($answered)*

            $(async fn $call(&self, _: Request<$request>) -> Result<Response<$reply>, Status> {
                Err(Status::unimplemented("not asked for"))
            })*
        }
    };
}
pub(crate) use coordinator;

/// Serves on a free port, for as long as the test runs; gives the address.
pub(crate) async fn serve(coordinator: Arc<impl WorkerService>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder().add_service(WorkerServiceServer::from_arc(coordinator));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}
