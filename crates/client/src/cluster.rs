//! A client of the cluster: asks for a proof, follows it, fetches it.

use crate::ClientError;
use proofmill_backends::SnarkVariant;
use proofmill_fault::Jitter;
use proofmill_primitives::{ArtifactId, ProofMode, ProverType};
use proofmill_wire::{
    MAX_MESSAGE,
    cluster::{
        ProofRequest, ProofRequestCancelRequest, ProofRequestCreateRequest, ProofRequestGetRequest,
        ProofRequestStatus, ProofRequestUpdateRequest, cluster_service_client::ClusterServiceClient,
    },
    header,
    operator::{
        ProofPhase, ProofProgress, StatusRequest, StatusResponse, WatchProofRequest,
        operator_service_client::OperatorServiceClient,
    },
    worker::{GetStatsResponse, worker_service_client::WorkerServiceClient},
};
use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint},
};

/// The first pause before another look at a cluster that is away; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause between two looks at a cluster that is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a cluster may take for an answer. It answers from memory, once what it answers is durable.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a cluster may say nothing of a proof that is watched: it does so every 5 s.
const SILENCE: Duration = Duration::from_secs(30);
/// What is allowed at most: a deadline farther off than that is no deadline, and may not be countable.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ProofAsked {
    /// What makes the proof.
    pub prover: ProverType,
    /// What the backend says of its [circuits](proofmill_backends::Backend::circuits): a proof by others does not hold here.
    pub circuits: Vec<u8>,
    /// The program.
    pub program: ArtifactId,
    /// Its input, in the backend's encoding.
    pub stdin: ArtifactId,
    /// How far the proof is carried.
    pub mode: ProofMode,
    /// Which SNARK, where there are several; any where none is named.
    pub snark: Option<SnarkVariant>,
    /// The most instructions that the program may take.
    pub cycle_limit: Option<NonZeroU64>,
    /// When the cluster gives up; ten years at the most.
    pub timeout: Duration,
}

impl ProofAsked {
    /// What is the same for the same proof, whoever asks for it. How much it may take changes no proof.
    fn key(&self) -> String {
        let Self { prover, circuits, program, stdin, mode, snark, cycle_limit: _, timeout: _ } = self;
        let circuits = blake3::hash(circuits);
        let mut asked = format!("{prover} {circuits} {program} {stdin} {mode}");
        if let Some(snark) = snark {
            asked.push(' ');
            asked.push_str(snark.name());
        }
        blake3::hash(asked.as_bytes()).to_string()
    }
}

/// A request that the cluster has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: String,
    /// When the cluster gives up, in Unix seconds.
    pub deadline: u64,
    /// Whether this client made it, now or before, and nobody else was seen to ask for the same.
    pub is_ours: bool,
    /// The most instructions that it may take, as whoever made it said.
    pub cycle_limit: Option<NonZeroU64>,
}

/// A connection to a cluster.
#[derive(Clone, Debug)]
pub struct ClusterClient {
    address: String,
    api: ClusterServiceClient<Channel>,
    operator: OperatorServiceClient<Channel>,
    tasks: WorkerServiceClient<Channel>,
    /// The requests that were made here and not seen to end, and the deadlines that they were given here.
    ours: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl ClusterClient {
    /// Connects, or says at once that nobody is there.
    ///
    /// # Errors
    /// The address is none, or nobody is there.
    pub async fn connect(address: &str) -> Result<Self, ClientError> {
        let channel = endpoint(address)?
            .connect()
            .await
            .map_err(|source| ClientError::NobodyThere { address: address.to_owned(), source })?;
        Ok(Self::over(address, channel))
    }

    /// Connects when something is first asked for: the cluster may come later. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The address is none.
    pub fn lazy(address: &str) -> Result<Self, ClientError> {
        Ok(Self::over(address, endpoint(address)?.connect_lazy()))
    }

    fn over(address: &str, channel: Channel) -> Self {
        Self {
            address: address.to_owned(),
            api: ClusterServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE),
            operator: OperatorServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE),
            tasks: WorkerServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE),
            ours: Arc::default(),
        }
    }

    /// Workers, proofs and what keeps them waiting: a page of each.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn status(&self, page: StatusRequest) -> Result<StatusResponse, ClientError> {
        self.answer(self.operator.clone().get_status(page)).await
    }

    /// The cluster's totals, as its `GetStats` tells any client.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn stats(&self) -> Result<GetStatsResponse, ClientError> {
        self.answer(self.tasks.clone().get_stats(())).await
    }

    /// Asks for a proof. What was asked for before and is live or made is not made again: the id follows from what is
    /// asked. One that is live is given as much time as is asked for now.
    ///
    /// # Errors
    /// The cluster refuses, or does not answer.
    pub async fn ask(&self, asked: &ProofAsked) -> Result<Accepted, ClientError> {
        self.ask_past(asked, &[ProofRequestStatus::Failed, ProofRequestStatus::Cancelled]).await
    }

    /// The same where what was made before is lost: it is made again.
    ///
    /// # Errors
    /// As of [`ask`](Self::ask).
    pub async fn ask_anew(&self, asked: &ProofAsked) -> Result<Accepted, ClientError> {
        let past = [ProofRequestStatus::Failed, ProofRequestStatus::Cancelled, ProofRequestStatus::Completed];
        self.ask_past(asked, &past).await
    }

    /// Asks under the first id whose request has not come to one of these ends.
    async fn ask_past(
        &self,
        asked: &ProofAsked,
        past: &[ProofRequestStatus],
    ) -> Result<Accepted, ClientError> {
        let key = asked.key();
        // The artifact is named by what it proves, not by who asked: a later try finds an earlier one's work.
        let output = format!("proof-{key}");
        let deadline = deadline(SystemTime::now(), asked.timeout);
        for attempt in 0u32.. {
            let id = if attempt == 0 {
                format!("p-{}", &key[..16])
            } else {
                format!("p-{}-{attempt}", &key[..16])
            };
            match self.find(&id).await? {
                Some(there) if past.contains(&there.proof_status()) => continue,
                Some(there) => return self.join(there, deadline).await,
                None => {}
            }
            let mut request = Request::new(ProofRequestCreateRequest {
                proof_id: id.clone(),
                program_artifact_id: asked.program.to_string(),
                stdin_artifact_id: asked.stdin.to_string(),
                options_artifact_id: Some(asked.mode.wire().to_string()),
                proof_artifact_id: Some(output.clone()),
                requester: Vec::new(),
                deadline,
                cycle_limit: asked.cycle_limit.map_or(0, NonZeroU64::get),
                gas_limit: 0,
                scheduled_by: None,
                stdin_private: false,
            });
            header::set_prover(&mut request, asked.prover);
            if let Some(snark) = asked.snark {
                header::set_snark(&mut request, snark.name());
            }
            // Before it is sent: where its answer is lost, it is found again as this client's own.
            self.ours().insert(id.clone(), deadline);
            match within(ANSWER, self.api.clone().proof_request_create(request)).await {
                Some(Ok(_)) => {
                    return Ok(Accepted { id, deadline, is_ours: true, cycle_limit: asked.cycle_limit });
                }
                // Somebody else asked for it in between, and it came to nothing.
                Some(Err(status)) if status.code() == Code::AlreadyExists => {
                    self.ours().remove(&id);
                }
                Some(Err(status)) => return Err(self.not_taken(id, status)),
                None => return Err(self.silent()),
            }
        }
        // Four billion tries failed before.
        Err(ClientError::Unknown { id: output })
    }

    /// Takes a request that is there already. One that is live must not end before whoever asks now gives up; and where
    /// others wait for it, its deadline is moved in any case, which tells them that they are not alone
    /// ([`withdraw`](Self::withdraw)).
    async fn join(&self, there: ProofRequest, deadline: u64) -> Result<Accepted, ClientError> {
        let is_live = there.proof_status() != ProofRequestStatus::Completed;
        let ProofRequest { id, deadline: before, cycle_limit, .. } = there;
        let cycle_limit = cycle_limit.and_then(NonZeroU64::new);
        // Somebody who joined it has moved its deadline.
        let is_ours = self.ours().get(&id) == Some(&before);
        // No deadline is the latest of all.
        if !is_live || before == 0 || (is_ours && before >= deadline) {
            return Ok(Accepted { id, deadline: before, is_ours, cycle_limit });
        }
        let deadline = if is_ours { deadline } else { deadline.max(before.saturating_add(1)) };
        let request = ProofRequestUpdateRequest {
            proof_id: id.clone(),
            deadline: Some(deadline),
            ..ProofRequestUpdateRequest::default()
        };
        self.answer(self.api.clone().proof_request_update(request)).await?;
        if is_ours {
            self.ours().insert(id.clone(), deadline);
        }
        Ok(Accepted { id, deadline, is_ours, cycle_limit })
    }

    /// The request with this id, if there is one.
    async fn find(&self, id: &str) -> Result<Option<ProofRequest>, ClientError> {
        let request = ProofRequestGetRequest { proof_id: id.to_owned() };
        match within(ANSWER, self.api.clone().proof_request_get(request)).await {
            Some(Ok(reply)) => Ok(reply.into_inner().proof_request),
            Some(Err(status)) if status.code() == Code::NotFound => Ok(None),
            Some(Err(status)) => Err(self.said(status)),
            None => Err(self.silent()),
        }
    }

    /// Calls `show` at every change until the proof has ended, and gives how. A cluster that goes away is waited for, for as
    /// long as the caller does: its work is kept.
    ///
    /// # Errors
    /// The cluster is back, and does not know the proof; or what there is to be told is more than is taken.
    pub async fn follow(
        &self,
        id: &str,
        mut show: impl FnMut(&ProofProgress),
    ) -> Result<ProofProgress, ClientError> {
        let (mut pause, mut told) = (FIRST_PAUSE, false);
        loop {
            let request = WatchProofRequest { proof_id: id.to_owned() };
            let watched = within(ANSWER, self.operator.clone().watch_proof(request)).await;
            let cause = match watched {
                Some(Ok(reply)) => {
                    let mut stream = reply.into_inner();
                    loop {
                        match within(SILENCE, stream.message()).await {
                            Some(Ok(Some(progress))) => {
                                (pause, told) = (FIRST_PAUSE, false);
                                show(&progress);
                                if progress.phase() != ProofPhase::Active {
                                    self.ours().remove(id);
                                    return Ok(progress);
                                }
                            }
                            Some(Err(status)) if is_too_large(&status) => {
                                return Err(ClientError::Refused(Box::new(status)));
                            }
                            _ => break,
                        }
                    }
                    "it says nothing of the proof".to_owned()
                }
                Some(Err(status)) if is_too_large(&status) => {
                    return Err(ClientError::Refused(Box::new(status)));
                }
                // It was restarted after the proof had ended: the ledger remembers how.
                Some(Err(status)) if status.code() == Code::NotFound => {
                    let ended = self.ended(id).await?;
                    if ended.phase() != ProofPhase::Active {
                        self.ours().remove(id);
                        return Ok(ended);
                    }
                    // Somebody on the way says so, or it was not there yet.
                    status.message().to_owned()
                }
                Some(Err(status)) => status.message().to_owned(),
                None => self.silent().to_string(),
            };
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(
                    cluster = self.address,
                    proof = id,
                    cause,
                    "the cluster is away: waiting for it"
                );
            }
            tokio::time::sleep(Jitter::of(dice()).spread(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// How a proof ended that the cluster no longer keeps in memory.
    async fn ended(&self, id: &str) -> Result<ProofProgress, ClientError> {
        let record = self.find(id).await?.ok_or_else(|| ClientError::Unknown { id: id.to_owned() })?;
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
            cause: match phase {
                ProofPhase::Failed => "the cluster's log says why".into(),
                _ => String::new(),
            },
            created_at_ms: record.created_at * 1000,
            ended_at_ms: record.updated_at * 1000,
            ..ProofProgress::default()
        })
    }

    /// Withdraws a request.
    ///
    /// # Errors
    /// The cluster does not know it, or does not answer.
    pub async fn cancel(&self, id: &str) -> Result<(), ClientError> {
        let request = ProofRequestCancelRequest { proof_id: id.to_owned() };
        self.answer(self.api.clone().proof_request_cancel(request)).await
    }

    /// Withdraws a request that nobody else waits for, as far as can be known: ids follow from what is asked, so others may
    /// have asked for the same. Whoever finds a request joins it and moves its deadline.
    ///
    /// # Errors
    /// As of [`cancel`](Self::cancel).
    pub async fn withdraw(&self, accepted: &Accepted) -> Result<(), ClientError> {
        if !accepted.is_ours {
            return Ok(());
        }
        match self.find(&accepted.id).await? {
            Some(there) if there.deadline == accepted.deadline => self.cancel(&accepted.id).await,
            _ => Ok(()),
        }
    }

    fn ours(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, ClientError> {
        match within(ANSWER, call).await {
            Some(reply) => Ok(reply.map_err(|status| self.said(status))?.into_inner()),
            None => Err(self.silent()),
        }
    }

    fn said(&self, status: Status) -> ClientError {
        ClientError::Cluster { address: self.address.clone(), status: Box::new(status) }
    }

    fn silent(&self) -> ClientError {
        ClientError::NoAnswer { address: self.address.clone(), after: ANSWER }
    }

    /// Why a request was not taken: for now, or as often as it is made.
    fn not_taken(&self, id: String, status: Status) -> ClientError {
        match status.code() {
            // Its clock is ahead of ours by more than was allowed.
            _ if header::code_of(&status) == Some(proofmill_fault::Code::Late) => {
                ClientError::Late { id, cause: status.message().to_owned() }
            }
            Code::FailedPrecondition => {
                ClientError::OtherStore { address: self.address.clone(), status: Box::new(status) }
            }
            Code::InvalidArgument => ClientError::Refused(Box::new(status)),
            _ if is_too_large(&status) => ClientError::Refused(Box::new(status)),
            // Nothing of the request: a proxy on the way, or a cluster that is starting, stopping or replaced.
            _ => self.said(status),
        }
    }
}

fn endpoint(address: &str) -> Result<Endpoint, ClientError> {
    Ok(proofmill_wire::endpoint(address)?
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(10)))
}

/// Whether one side does not take a message for its size, which is so as often as it is sent.
fn is_too_large(status: &Status) -> bool {
    status.code() == Code::OutOfRange
}

/// Differs from process to process, and from time to time.
fn dice() -> u64 {
    RandomState::new().hash_one(SystemTime::now())
}

/// What comes of a call, if that is known in time.
async fn within<T>(time: Duration, call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, call).await.ok()
}

/// What is allowed, of what is asked for.
pub(crate) fn allowed(timeout: Duration) -> Duration {
    timeout.min(LONGEST)
}

/// A deadline so long after `now`, in Unix seconds; rounded up, so that it is not over at once.
fn deadline(now: SystemTime, timeout: Duration) -> u64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.saturating_add(allowed(timeout)).as_secs().saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_was_asked_for_is_told_apart_by_all_that_changes_the_proof() {
        let asked = ProofAsked {
            prover: ProverType::OpenVm,
            circuits: vec![1],
            program: "program".into(),
            stdin: "stdin".into(),
            mode: ProofMode::Compressed,
            snark: None,
            cycle_limit: None,
            timeout: ANSWER,
        };
        let others = [
            ProofAsked { prover: ProverType::Sp1, ..asked.clone() },
            ProofAsked { circuits: vec![2], ..asked.clone() },
            ProofAsked { program: "another".into(), ..asked.clone() },
            ProofAsked { stdin: "another".into(), ..asked.clone() },
            ProofAsked { mode: ProofMode::Core, ..asked.clone() },
        ];
        for other in others {
            assert_ne!(other.key(), asked.key(), "{other:?}");
        }
        // A proof of one SNARK is none of another, nor is the one that answers whoever takes any.
        let snarks = SnarkVariant::ALL.map(Some).into_iter().chain([None]);
        let keys = snarks.map(|snark| ProofAsked { mode: ProofMode::Plonk, snark, ..asked.clone() }.key());
        assert_eq!(keys.collect::<BTreeSet<_>>().len(), SnarkVariant::ALL.len() + 1);
        assert_eq!(ProofAsked { timeout: SILENCE, ..asked.clone() }.key(), asked.key());
        assert_eq!(ProofAsked { cycle_limit: NonZeroU64::new(1), ..asked.clone() }.key(), asked.key());
    }

    #[test]
    fn a_deadline_is_never_beyond_what_can_be_counted() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_900);
        assert_eq!(deadline(now, Duration::ZERO), 1_700_000_001);
        assert_eq!(deadline(now, Duration::from_millis(200)), 1_700_000_002);
        assert_eq!(deadline(now, Duration::MAX), 1_700_000_001 + LONGEST.as_secs());
    }
}
