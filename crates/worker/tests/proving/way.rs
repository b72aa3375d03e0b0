//! A way to the coordinator on which some calls are lost.

use proofmill_wire::{
    operator::operator_service_server::OperatorServiceServer,
    worker::worker_service_server::WorkerServiceServer,
};
use std::{
    convert::Infallible,
    future::poll_fn,
    marker::PhantomData,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::net::TcpListener;
use tonic::{
    Status,
    body::Body,
    codegen::{
        Service,
        http::{Request, Response},
    },
    server::NamedService,
    transport::{Channel, Server, server::TcpIncoming},
};

/// Passes the calls of a service on, but for the first ones of one name.
struct Way<N> {
    to: Channel,
    name: &'static str,
    lost: Arc<AtomicUsize>,
    service: PhantomData<fn() -> N>,
}

impl<N> Clone for Way<N> {
    fn clone(&self) -> Self {
        Self { to: self.to.clone(), name: self.name, lost: self.lost.clone(), service: PhantomData }
    }
}

impl<N: NamedService> NamedService for Way<N> {
    const NAME: &'static str = N::NAME;
}

impl<N> Service<Request<Body>> for Way<N> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let left = |lost: usize| lost.checked_sub(1);
        let lost = request.uri().path().ends_with(self.name)
            && self.lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok();
        let mut to = self.to.clone();
        Box::pin(async move {
            if lost || poll_fn(|context| to.poll_ready(context)).await.is_err() {
                return Ok(Status::unavailable("lost on the way").into_http());
            }
            let passed_on = to.call(request).await;
            Ok(passed_on.unwrap_or_else(|error| Status::unavailable(error.to_string()).into_http()))
        })
    }
}

/// Opens such a way to a coordinator: the first so many calls whose path ends like this are lost.
pub(crate) async fn losing(coordinator: SocketAddr, name: &'static str, calls: usize) -> SocketAddr {
    fn way<N>(to: &Channel, name: &'static str, lost: &Arc<AtomicUsize>) -> Way<N> {
        Way { to: to.clone(), name, lost: lost.clone(), service: PhantomData }
    }
    let to = Channel::from_shared(format!("http://{coordinator}")).unwrap().connect_lazy();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, lost) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(calls)));
    let server = Server::builder()
        .add_service(way::<WorkerServiceServer<()>>(&to, name, &lost))
        .add_service(way::<OperatorServiceServer<()>>(&to, name, &lost))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);
    address
}
