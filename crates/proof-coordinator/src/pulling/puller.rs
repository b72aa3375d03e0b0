//! The prover's loop.

use super::{
    calls::{Asker, Calls, Work, heard, work},
    counted::{self, Doing, Outcome},
    said,
    turn::Turn,
};
use crate::{
    rules::{Next, Programs, ProofLevel, ProverName, Round},
    shell::Clock,
};
use proofmill_client::{ClientError, ClusterProver, programs};
use proofmill_fault::{Jitter, Patience};
use proofmill_primitives::ProofMode;
use proofmill_wire::prover::{AssignResponse, assign_response, submit_response};
use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU64,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// The pauses before a proof is handed in again that nobody took.
const AGAIN: Patience = Patience::pauses(Duration::from_secs(1), Duration::from_secs(30));
/// For how long a proof is handed in again at least. The batch of one that comes later is likely proven by another.
const PATIENT_FOR: Duration = Duration::from_secs(900);

/// Why a prover does not begin. Nothing that a coordinator answers is among these.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// An address cannot be one.
    #[error(transparent)]
    BadAddress(#[from] proofmill_wire::BadAddress),
    /// No address.
    #[error("no coordinator is named: give at least one address (--coordinator)")]
    NoCoordinator,
    /// Provers of this machine cannot take turns.
    #[error("cannot lock {}: {source}; name another file (--turns), or give this prover its share (--max-weight)", file.display())]
    Turns {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A prover that pulls batches of one type.
#[derive(Debug)]
pub struct Puller {
    /// The coordinators' addresses.
    pub coordinators: Vec<String>,
    /// Its name: no other process has it.
    pub name: ProverName,
    /// The programs that it says it proves.
    pub programs: Programs,
    /// Makes the proofs.
    pub prover: ClusterProver,
    /// Logs how long each proof took.
    pub timed: bool,
    /// The file on which provers of this machine take turns; none where this one has its own share.
    pub turns: Option<PathBuf>,
    /// Waits so long before each proof. For tests.
    pub delay: Duration,
}

impl Puller {
    /// Pulls until told to stop; a batch that is not finished then is given back. No answer of a coordinator ends it.
    ///
    /// # Errors
    /// [`PullError`]: the settings cannot work.
    pub async fn run(&self, stop: &CancellationToken) -> Result<(), PullError> {
        let calls: Vec<_> =
            self.coordinators.iter().map(|address| Calls::new(address)).collect::<Result<_, _>>()?;
        if calls.is_empty() {
            return Err(PullError::NoCoordinator);
        }
        let prover = self.prover.prover_type();
        let asker = Asker { name: self.name.clone(), prover, programs: self.programs };
        let (mut round, clock) = (Round::new(calls.len()), Clock::start());
        counted::describe();
        while !stop.is_cancelled() {
            let place = match round.next(clock.now()) {
                Next::Ask(place) => place,
                Next::Wait(wait) => {
                    counted::does(Doing::Waiting);
                    stop.run_until_cancelled(tokio::time::sleep(wait)).await;
                    continue;
                }
            };
            let Some(coordinator) = calls.get(place) else { continue };
            counted::does(Doing::Waiting);
            // The turn comes first: nobody holds a batch and waits for a machine.
            let turn = Turn::take(self.turns.as_deref());
            let Some(turn) = stop.run_until_cancelled(turn).await else { break };
            let _turn = turn.map_err(|source| self.no_turns(source))?;
            counted::does(Doing::Asking);
            let Some(answer) = stop.run_until_cancelled(coordinator.assign(&asker)).await else { break };
            let is_news = round.heard(clock.now(), place, heard(&answer), jitter());
            if is_news {
                say(coordinator, &asker, &answer);
            }
            if let Ok(AssignResponse { outcome: Some(assign_response::Outcome::Assigned(assigned)) }) = answer
            {
                match work(assigned) {
                    Ok(work) => self.serve(coordinator, &asker, &work, stop).await,
                    Err(status) => said::away(&coordinator.address, &status),
                }
            }
        }
        Ok(())
    }

    fn no_turns(&self, source: std::io::Error) -> PullError {
        PullError::Turns { file: self.turns.clone().unwrap_or_default(), source }
    }

    /// One batch, from its input to the coordinator's word on the proof.
    async fn serve(&self, coordinator: &Calls, asker: &Asker, work: &Work, stop: &CancellationToken) {
        let (batch, level) = (work.batch.number.0, work.batch.level.name());
        tracing::info!(batch, level, coordinator = %coordinator.address, "proving a batch");
        let made = tokio::select! {
            made = self.prove(coordinator, asker, work, stop) => made,
            // What is withdrawn from the cluster in this process ends soon; it is not waited for.
            () = stop.cancelled() => Err(Failed::Stopped),
        };
        let given_back = match made {
            Ok(proof) => {
                counted::does(Doing::HandingIn);
                counted::ended(asker.prover, hand_in(coordinator, asker, work, proof, stop).await);
                return;
            }
            Err(Failed::Stopped) => {
                counted::ended(asker.prover, Outcome::Stopped);
                coordinator.give_back(asker, &work.batch, None).await
            }
            Err(Failed::NoInput(status)) => {
                counted::ended(asker.prover, Outcome::NoInput);
                tracing::warn!(batch, level, code = ?status.code(), cause = status.message(), "the input of a batch did not come");
                coordinator.give_back(asker, &work.batch, None).await
            }
            Err(Failed::NotMade(error)) => {
                counted::ended(asker.prover, Outcome::Failed);
                let is_late = error.code() == proofmill_fault::Code::Late;
                let event = if is_late { "proof_timed_out" } else { "proof_failed" };
                tracing::error!(event, batch, level, cause = %error, "a batch could not be proven");
                coordinator.give_back(asker, &work.batch, Some((error.code(), error.to_string()))).await
            }
        };
        if let Err(status) = given_back {
            let cause = status.message();
            tracing::warn!(
                batch,
                level,
                cause,
                "a batch could not be given back: it is taken back after its time-out"
            );
        }
    }

    async fn prove(
        &self,
        coordinator: &Calls,
        asker: &Asker,
        work: &Work,
        stop: &CancellationToken,
    ) -> Result<Vec<u8>, Failed> {
        let input = coordinator.input(asker, work).await.map_err(Failed::NoInput)?;
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let program = match work.batch.level {
            ProofLevel::Range => programs::range(asker.prover),
            ProofLevel::Epoch => programs::aggregation(asker.prover),
        };
        let prover = ClusterProver { cycle_limit: work.cycle_limit, ..self.prover.clone() };
        counted::does(Doing::Proving);
        let began = Instant::now();
        let made = prover.prove(program, input.to_vec(), ProofMode::Compressed, stop, |_| {}).await;
        let made = match made {
            Ok(made) => made,
            Err(_) if stop.is_cancelled() => return Err(Failed::Stopped),
            Err(error) => return Err(Failed::NotMade(error)),
        };
        let took = began.elapsed();
        counted::proved(asker.prover, took);
        if self.timed {
            tracing::info!(
                batch = work.batch.number.0,
                level = work.batch.level.name(),
                prover = %asker.prover,
                proves_nothing = !asker.prover.proves(),
                // 0 where nothing counts them.
                instructions = NonZeroU64::new(made.progress.instructions).map(NonZeroU64::get),
                proving_time_s = took.as_secs(),
                proving_time_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                "proved a batch"
            );
        }
        Ok(made.proof.encode())
    }
}

/// Why there is no proof to hand in.
enum Failed {
    /// The prover stops.
    Stopped,
    /// The input did not come.
    NoInput(Status),
    /// It could not be proven.
    NotMade(ClientError),
}

/// Hands a proof in until the coordinator says what it thinks of it.
async fn hand_in(
    coordinator: &Calls,
    asker: &Asker,
    work: &Work,
    proof: Vec<u8>,
    stop: &CancellationToken,
) -> Outcome {
    use submit_response::Outcome as Said;
    let (batch, level) = (work.batch.number.0, work.batch.level.name());
    let proves_nothing = !asker.prover.proves();
    let until = Instant::now() + PATIENT_FOR.max(work.timeout);
    let mut times = 0;
    loop {
        times += 1;
        let answer = coordinator.submit(asker, &work.batch, proof.clone()).await;
        let after = match answer.map(|answer| answer.outcome) {
            Ok(Some(Said::Accepted(accepted))) => {
                let dropped = accepted.dropped;
                tracing::info!(batch, level, proves_nothing, dropped, "a proof was handed in");
                return if dropped { Outcome::Dropped } else { Outcome::Accepted };
            }
            Ok(Some(Said::Refused(refused))) => {
                let (reason, cause) = (refused.reason().as_str_name(), refused.cause);
                tracing::error!(
                    event = "proof_refused",
                    batch,
                    level,
                    reason,
                    cause,
                    "a proof was refused: are coordinator and prover of the same release?"
                );
                return Outcome::Refused;
            }
            Ok(Some(Said::ProverTypeNotNeeded(answer))) => {
                said::not_needed(&coordinator.address, asker.prover, &answer);
                return Outcome::Lost;
            }
            Ok(Some(Said::RetryLater(later))) => Duration::from_millis(later.after_ms)
                .clamp(Duration::from_millis(100), Duration::from_secs(120)),
            Ok(None) => {
                said::away(&coordinator.address, &Status::unknown("it is of another release"));
                return Outcome::Lost;
            }
            Err(status) => {
                if times == 1 {
                    said::away(&coordinator.address, &status);
                }
                AGAIN.wait(times, jitter())
            }
        };
        if Instant::now() + after > until || stop.is_cancelled() {
            tracing::error!(
                event = "proof_lost",
                batch,
                level,
                times,
                "a proof could not be handed in: it is given up"
            );
            return Outcome::Lost;
        }
        stop.run_until_cancelled(tokio::time::sleep(after)).await;
    }
}

fn say(coordinator: &Calls, asker: &Asker, answer: &Result<AssignResponse, Status>) {
    use assign_response::Outcome;
    let address = &coordinator.address;
    match answer.as_ref().map(|answer| answer.outcome.as_ref()) {
        Ok(Some(Outcome::Assigned(_))) => {}
        Ok(Some(Outcome::ProverTypeNotNeeded(answer))) => said::not_needed(address, asker.prover, answer),
        Ok(Some(Outcome::VersionMismatch(answer))) => said::mismatch(address, &asker.programs, answer),
        Ok(Some(Outcome::RetryLater(answer))) => said::nothing(address, answer),
        Ok(None) => said::away(address, &Status::unknown("it answers as another release does")),
        Err(status) => said::away(address, status),
    }
}

/// Drawn anew each time.
fn jitter() -> Jitter {
    Jitter::of(RandomState::new().hash_one(0_u8))
}
