//! What a prover asks one coordinator.

use crate::{
    rules::{BatchId, Heard, Programs, ProverName},
    shell::{asked_batch, heard_batch},
};
use bytes::Bytes;
use proofmill_primitives::ProverType;
use proofmill_wire::{
    BadAddress,
    prover::{
        AssignRequest, AssignResponse, Assigned, GiveBackRequest, ReadInputRequest, SubmitRequest,
        SubmitResponse, assign_response::Outcome,
        proof_coordinator_service_client::ProofCoordinatorServiceClient,
    },
    within,
};
use std::{num::NonZeroU64, time::Duration};
use tonic::{Code, Request, Status, transport::Channel};

/// How long a coordinator may take to say what there is to do.
const ANSWER: Duration = Duration::from_secs(30);
/// How long it may say nothing while it sends an input.
const SILENCE: Duration = Duration::from_secs(30);
/// How long it may take to verify and store a proof.
const CHECK: Duration = Duration::from_secs(180);
/// The largest input, in bytes.
const MAX_INPUT: u64 = 4 << 30;

/// Who asks.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) name: ProverName,
    pub(super) prover: ProverType,
    pub(super) programs: Programs,
}

/// One coordinator.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    pub(super) address: String,
    client: ProofCoordinatorServiceClient<Channel>,
}

/// A batch that is to be proven.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) batch: BatchId,
    pub(super) cycle_limit: Option<NonZeroU64>,
    /// For so long nobody else is given it.
    pub(super) timeout: Duration,
    input_bytes: u64,
    input_hash: [u8; 32],
}

impl Calls {
    /// A coordinator that need not be there yet.
    pub(super) fn new(address: &str) -> Result<Self, BadAddress> {
        let channel = proofmill_wire::endpoint(address)?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(20))
            .connect_lazy();
        Ok(Self { address: address.to_owned(), client: ProofCoordinatorServiceClient::new(channel) })
    }

    pub(super) async fn assign(&self, asker: &Asker) -> Result<AssignResponse, Status> {
        let mut request = Request::new(AssignRequest {
            prover: asker.name.as_str().to_owned(),
            prover_type: asker.prover.name().to_owned(),
            range_version: asker.programs.range.0.to_vec(),
            aggregation_version: asker.programs.aggregation.0.to_vec(),
        });
        request.set_timeout(ANSWER);
        within(ANSWER, self.client.clone().assign(request)).await.map(tonic::Response::into_inner)
    }

    /// The input of a batch, whole.
    pub(super) async fn input(&self, asker: &Asker, work: &Work) -> Result<Bytes, Status> {
        let request = ReadInputRequest {
            prover: asker.name.as_str().to_owned(),
            prover_type: asker.prover.name().to_owned(),
            batch: Some(asked_batch(&work.batch)),
        };
        let mut stream = within(ANSWER, self.client.clone().read_input(request)).await?.into_inner();
        let mut input = Vec::new();
        while let Some(piece) = within(SILENCE, stream.message()).await? {
            input.extend_from_slice(&piece.bytes);
            if input.len() as u64 > work.input_bytes {
                return Err(Status::data_loss("the input is longer than was said"));
            }
        }
        if *blake3::hash(&input).as_bytes() != work.input_hash {
            return Err(Status::data_loss("the input is not what was said: it was damaged on its way"));
        }
        Ok(input.into())
    }

    pub(super) async fn submit(
        &self,
        asker: &Asker,
        batch: &BatchId,
        proof: Vec<u8>,
    ) -> Result<SubmitResponse, Status> {
        let request = SubmitRequest {
            prover: asker.name.as_str().to_owned(),
            prover_type: asker.prover.name().to_owned(),
            batch: Some(asked_batch(batch)),
            proof,
        };
        within(CHECK, self.client.clone().submit(request)).await.map(tonic::Response::into_inner)
    }

    /// Gives a batch back, with a fault where there is one.
    pub(super) async fn give_back(
        &self,
        asker: &Asker,
        batch: &BatchId,
        fault: Option<(proofmill_fault::Code, String)>,
    ) -> Result<(), Status> {
        let (fault, cause) = fault.map(|(code, cause)| (code.to_string(), cause)).unwrap_or_default();
        let request = GiveBackRequest {
            prover: asker.name.as_str().to_owned(),
            prover_type: asker.prover.name().to_owned(),
            batch: Some(asked_batch(batch)),
            fault,
            cause,
        };
        within(Duration::from_secs(5), self.client.clone().give_back(request)).await.map(drop)
    }
}

/// What an answer means for when to ask again. Who does not know the call, or answers what cannot be read, is of another release.
pub(super) fn heard(answer: &Result<AssignResponse, Status>) -> Heard {
    match answer.as_ref().map(|answer| answer.outcome.as_ref()) {
        Ok(Some(Outcome::Assigned(_))) => Heard::Assigned,
        Ok(Some(Outcome::ProverTypeNotNeeded(_))) => Heard::NotNeeded,
        Ok(Some(Outcome::VersionMismatch(_))) => Heard::Mismatch,
        Ok(Some(Outcome::RetryLater(later))) => {
            Heard::Nothing { after: Duration::from_millis(later.after_ms) }
        }
        Ok(None) => Heard::Mismatch,
        Err(status) if status.code() == Code::Unimplemented => Heard::Mismatch,
        Err(_) => Heard::Away,
    }
}

/// An assignment, if it makes sense.
pub(super) fn work(assigned: Assigned) -> Result<Work, Status> {
    let Assigned { batch, input_bytes, input_hash, cycle_limit, timeout_ms } = assigned;
    if input_bytes > MAX_INPUT {
        return Err(Status::out_of_range(format!(
            "an input of {input_bytes} bytes is more than {MAX_INPUT}"
        )));
    }
    Ok(Work {
        batch: heard_batch(batch)?,
        cycle_limit: NonZeroU64::new(cycle_limit),
        timeout: Duration::from_millis(timeout_ms),
        input_bytes,
        input_hash: input_hash
            .try_into()
            .map_err(|_| Status::internal("the hash of the input has another length"))?,
    })
}
