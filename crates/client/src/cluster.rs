//! A client of the cluster: asks for a proof, follows it, fetches it.

use crate::ClientError;
use proofmill_primitives::{ArtifactId, ProofMode, ProverType};
use proofmill_wire::{
    cluster::{
        ProofRequestCancelRequest, ProofRequestCreateRequest, ProofRequestGetRequest, ProofRequestStatus,
        cluster_service_client::ClusterServiceClient,
    },
    header,
    operator::{
        ProofPhase, ProofProgress, StatusResponse, WatchProofRequest,
        operator_service_client::OperatorServiceClient,
    },
};
use std::time::{Duration, SystemTime};
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};

/// How long a cluster may be away before a client gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ProofAsked {
    /// What makes the proof.
    pub prover: ProverType,
    /// The program.
    pub program: ArtifactId,
    /// Its input, in the backend's encoding.
    pub stdin: ArtifactId,
    /// How far the proof is carried.
    pub mode: ProofMode,
    /// The most instructions that the program may take.
    pub cycle_limit: Option<u64>,
    /// When the cluster gives up.
    pub timeout: Duration,
}

/// A connection to a cluster.
#[derive(Clone, Debug)]
pub struct ClusterClient {
    address: String,
    api: ClusterServiceClient<Channel>,
    operator: OperatorServiceClient<Channel>,
}

impl ClusterClient {
    /// Connects, or says at once that nobody is there.
    pub async fn connect(address: &str) -> Result<Self, ClientError> {
        let channel = Endpoint::from_shared(address.to_owned())
            .map_err(|source| ClientError::NotAnAddress { address: address.to_owned(), source })?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(10))
            .connect()
            .await
            .map_err(|source| ClientError::NobodyThere { address: address.to_owned(), source })?;
        Ok(Self {
            address: address.to_owned(),
            api: ClusterServiceClient::new(channel.clone()),
            operator: OperatorServiceClient::new(channel),
        })
    }

    /// Workers, proofs and what keeps them waiting.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn status(&self) -> Result<StatusResponse, ClientError> {
        let reply = self.operator.clone().get_status(()).await;
        Ok(reply.map_err(|status| self.said(status))?.into_inner())
    }

    /// Asks for a proof and gives its id. What was asked for before and is live or made is not made again: the id
    /// follows from what is asked.
    pub async fn ask(&self, asked: &ProofAsked) -> Result<String, ClientError> {
        let key = blake3::hash(
            format!(
                "{} {} {} {} {:?}",
                asked.prover, asked.program, asked.stdin, asked.mode, asked.cycle_limit
            )
            .as_bytes(),
        );
        let key = key.to_hex();
        // The artifact is named by what it proves, not by who asked: a later try finds an earlier one's work.
        let output = format!("proof-{key}");
        for attempt in 0u32.. {
            let id = if attempt == 0 {
                format!("p-{}", &key[..16])
            } else {
                format!("p-{}-{attempt}", &key[..16])
            };
            match self.phase(&id).await? {
                Some(ProofRequestStatus::Failed | ProofRequestStatus::Cancelled) => continue,
                Some(_) => return Ok(id),
                None => {}
            }
            let deadline = SystemTime::now() + asked.timeout;
            let mut request = Request::new(ProofRequestCreateRequest {
                proof_id: id.clone(),
                program_artifact_id: asked.program.to_string(),
                stdin_artifact_id: asked.stdin.to_string(),
                options_artifact_id: Some(asked.mode.wire().to_string()),
                proof_artifact_id: Some(output.clone()),
                requester: Vec::new(),
                deadline: deadline.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()),
                cycle_limit: asked.cycle_limit.unwrap_or(0),
                gas_limit: 0,
                scheduled_by: None,
                stdin_private: false,
            });
            header::set_prover(&mut request, asked.prover);
            let created = self.api.clone().proof_request_create(request).await;
            created.map_err(|status| ClientError::Refused(Box::new(status)))?;
            return Ok(id);
        }
        // Four billion tries failed before.
        Err(ClientError::Unknown { id: output })
    }

    async fn phase(&self, id: &str) -> Result<Option<ProofRequestStatus>, ClientError> {
        let request = ProofRequestGetRequest { proof_id: id.to_owned() };
        match self.api.clone().proof_request_get(request).await {
            Ok(reply) => Ok(reply.into_inner().proof_request.map(|proof| proof.proof_status())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(self.said(status)),
        }
    }

    /// Calls `show` at every change until the proof has ended, and gives how. A cluster that goes away is waited for.
    pub async fn follow(
        &self,
        id: &str,
        mut show: impl FnMut(&ProofProgress),
    ) -> Result<ProofProgress, ClientError> {
        let mut last_heard = std::time::Instant::now();
        loop {
            let request = WatchProofRequest { proof_id: id.to_owned() };
            match self.operator.clone().watch_proof(request).await {
                Ok(reply) => {
                    let mut stream = reply.into_inner();
                    while let Ok(Some(progress)) = stream.message().await {
                        last_heard = std::time::Instant::now();
                        show(&progress);
                        if progress.phase() != ProofPhase::Active {
                            return Ok(progress);
                        }
                    }
                }
                // It was restarted after the proof had ended: the ledger remembers how.
                Err(status) if status.code() == Code::NotFound => return self.ended(id).await,
                Err(status) if last_heard.elapsed() > PATIENCE => {
                    return Err(ClientError::Away {
                        address: self.address.clone(),
                        away: PATIENCE,
                        cause: status.message().to_owned(),
                    });
                }
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// How a proof ended that the cluster no longer keeps in memory.
    async fn ended(&self, id: &str) -> Result<ProofProgress, ClientError> {
        let request = ProofRequestGetRequest { proof_id: id.to_owned() };
        let reply = self.api.clone().proof_request_get(request).await;
        let record = reply.map_err(|status| self.said(status))?.into_inner().proof_request;
        let record = record.ok_or_else(|| ClientError::Unknown { id: id.to_owned() })?;
        let phase = match record.proof_status() {
            ProofRequestStatus::Completed => ProofPhase::Completed,
            ProofRequestStatus::Cancelled => ProofPhase::Cancelled,
            ProofRequestStatus::Failed => ProofPhase::Failed,
            _ => ProofPhase::Active,
        };
        Ok(ProofProgress {
            proof_id: record.id,
            phase: phase.into(),
            proof_artifact_id: record.proof_artifact_id.unwrap_or_default(),
            instructions: record.execution_result.map_or(0, |result| result.cycles),
            created_at_ms: record.created_at * 1000,
            ended_at_ms: record.updated_at * 1000,
            ..ProofProgress::default()
        })
    }

    /// Withdraws a request.
    pub async fn cancel(&self, id: &str) -> Result<(), ClientError> {
        let request = ProofRequestCancelRequest { proof_id: id.to_owned() };
        let reply = self.api.clone().proof_request_cancel(request).await;
        reply.map_err(|status| self.said(status))?;
        Ok(())
    }

    fn said(&self, status: tonic::Status) -> ClientError {
        ClientError::Cluster { address: self.address.clone(), status: Box::new(status) }
    }
}
