//! The gRPC service.

use super::{
    coordinator::{Coordinator, Inner},
    counted,
    error::CoordinatorError,
    inputs, looks, submit,
    wire::{BadCall, assigned, heard_batch, name, submitted, version},
};
use crate::rules::{Ask, AskedType, Programs};
use futures::stream::BoxStream;
use proofmill_fault::{Code, Fault};
use proofmill_wire::{
    Connections,
    prover::{
        AssignRequest, AssignResponse, GiveBackRequest, GiveBackResponse, InputPiece, ReadInputRequest,
        SubmitRequest, SubmitResponse,
        proof_coordinator_service_server::{ProofCoordinatorService, ProofCoordinatorServiceServer},
    },
    text,
};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// The largest proof that is taken, in bytes: SP1's compressed proofs have 1.3 MB.
const MAX_PROOF: usize = 32 << 20;
/// The most calls of one connection that are answered at the same time.
const CALLS: usize = 64;
/// The most bytes of what a prover says of its failure.
const MAX_CAUSE: usize = 500;

/// Answers on the listener until told to stop.
///
/// # Errors
/// [`CoordinatorError::Server`] where the server ended by itself, and [`CoordinatorError::Lost`] where the ledger is another
/// process's, or does not take what it should.
pub async fn serve(
    coordinator: Coordinator,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), CoordinatorError> {
    let lost = coordinator.0.lost.clone();
    let mut losing = lost.clone();
    let service =
        ProofCoordinatorServiceServer::new(Service(coordinator.0)).max_decoding_message_size(MAX_PROOF);
    proofmill_wire::server()
        .concurrency_limit_per_connection(CALLS)
        .add_service(service)
        .serve_with_incoming_shutdown(Connections::from(listener), async {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = losing.wait_for(Option::is_some) => {}
            }
        })
        .await?;
    let lost = lost.borrow().clone();
    lost.map_or(Ok(()), |error| Err(CoordinatorError::Lost(error)))
}

struct Service(Arc<Inner>);

#[tonic::async_trait]
impl ProofCoordinatorService for Service {
    type ReadInputStream = BoxStream<'static, Result<InputPiece, Status>>;

    async fn assign(&self, request: Request<AssignRequest>) -> Result<Response<AssignResponse>, Status> {
        let AssignRequest { prover, prover_type, range_version, aggregation_version } = request.into_inner();
        let ask = Ask {
            by: name(&prover)?,
            prover: AskedType::from(prover_type.as_str()),
            programs: Programs {
                range: version("the range program's version", &range_version)?,
                aggregation: version("the aggregation program's version", &aggregation_version)?,
            },
        };
        let (outcome, given) = looks::assign(&self.0, &ask).await;
        counted::answered(&ask.prover, &outcome);
        Ok(Response::new(assigned(outcome, given, &self.0.config.needed)))
    }

    async fn read_input(
        &self,
        request: Request<ReadInputRequest>,
    ) -> Result<Response<Self::ReadInputStream>, Status> {
        let ReadInputRequest { prover, prover_type, batch } = request.into_inner();
        let AskedType::Known(of) = AskedType::from(prover_type.as_str()) else {
            return Err(BadCall::ProverType.into());
        };
        let key = (heard_batch(batch)?, of);
        Ok(Response::new(inputs::read(&self.0, &name(&prover)?, key)?))
    }

    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        let SubmitRequest { prover, prover_type, batch, proof } = request.into_inner();
        let (by, batch, of) = (name(&prover)?, heard_batch(batch)?, AskedType::from(prover_type.as_str()));
        let outcome = submit::submit(&self.0, &by, batch, &of, proof.into()).await;
        counted::handed_in(&of, &outcome);
        Ok(Response::new(submitted(outcome, &self.0.config.needed)))
    }

    async fn give_back(
        &self,
        request: Request<GiveBackRequest>,
    ) -> Result<Response<GiveBackResponse>, Status> {
        let GiveBackRequest { prover, prover_type, batch, fault, cause } = request.into_inner();
        let AskedType::Known(of) = AskedType::from(prover_type.as_str()) else {
            return Err(BadCall::ProverType.into());
        };
        let cause: String = cause.chars().filter(|one| !text::is_obeyed(*one)).collect();
        let cause = text::brief(cause, MAX_CAUSE);
        let fault =
            (!fault.is_empty()).then(|| Fault::new(Code::parse(&fault).unwrap_or(Code::ProverFailed), cause));
        submit::give_back(&self.0, &name(&prover)?, heard_batch(batch)?, of, fault.as_ref());
        Ok(Response::new(GiveBackResponse {}))
    }
}
