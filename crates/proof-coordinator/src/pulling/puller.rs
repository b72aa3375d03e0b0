//! The prover's loop.

use super::{
    calls::{Asker, Calls, Work, heard, work},
    counted::{self, Doing, Outcome},
    hand_in::{LAST, hand_in},
    said,
    turn::Turns,
    unsent::{Unsent, is_same},
};
use crate::{
    rules::{BatchId, Next, Programs, ProofLevel, ProverName, Round},
    shell::Clock,
};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use proofmill_client::{ClientError, ClusterProver, programs};
use proofmill_fault::{Code, Jitter};
use proofmill_primitives::{ProofMode, ProverType};
use proofmill_wire::prover::{AssignResponse, assign_response};
use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU64,
    path::PathBuf,
    pin::pin,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;

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
    /// Where proofs are kept until their coordinator has answered for them; nowhere where there is none.
    pub unsent: Option<PathBuf>,
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
            each_once(&self.coordinators).map(|address| Calls::new(address)).collect::<Result<_, _>>()?;
        if calls.is_empty() {
            return Err(PullError::NoCoordinator);
        }
        let prover = self.prover.prover_type();
        let asker = Asker { name: self.name.clone(), prover, programs: self.programs };
        let (mut round, clock) = (Round::new(calls.len()), Clock::start());
        let mut turns = Turns::new(self.turns.clone());
        // Each coordinator with a proof that it is to take.
        let mut handing_in = FuturesUnordered::new();
        counted::describe();
        for unsent in self.kept_unsent(prover, &self.coordinators) {
            let at = calls.iter().position(|coordinator| is_same(&coordinator.address, &unsent.coordinator));
            let Some((place, coordinator)) = at.and_then(|place| Some((place, calls.get(place)?))) else {
                continue;
            };
            let (batch, level) = (unsent.batch.number.0, unsent.batch.level.name());
            tracing::info!(batch, level, coordinator = %coordinator.address, "a proof from before is handed in");
            round.hands_in(place);
            handing_in.push(self.hand_in(place, coordinator, &asker, unsent, Duration::ZERO, stop));
        }
        while !stop.is_cancelled() {
            while let Some(Some((place, is_kept))) = handing_in.next().now_or_never() {
                round.handed_in(place, is_kept);
            }
            let place = match round.next(clock.now()) {
                Next::Ask(place) => place,
                Next::Wait(wait) => {
                    counted::does(if handing_in.is_empty() { Doing::Waiting } else { Doing::HandingIn });
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(wait) => {}
                        Some((place, is_kept)) = handing_in.next() => round.handed_in(place, is_kept),
                    }
                    continue;
                }
            };
            let Some(coordinator) = calls.get(place) else { continue };
            counted::does(Doing::Waiting);
            // The turn comes first: nobody holds a batch and waits for a machine.
            let Some(turn) = stop.run_until_cancelled(turns.take()).await else { break };
            let turn = turn.map_err(|source| self.no_turns(source))?;
            counted::does(Doing::Asking);
            let Some(answer) = ask(coordinator, &asker, stop).await else { break };
            let means = heard(&answer);
            if round.heard(clock.now(), place, means, jitter()) {
                say(coordinator, &asker, &answer);
            }
            if round.takes_kept(place, means) {
                for unsent in self.kept_unsent(prover, std::slice::from_ref(&coordinator.address)) {
                    let (batch, level) = (unsent.batch.number.0, unsent.batch.level.name());
                    tracing::info!(batch, level, coordinator = %coordinator.address, "a proof that was kept is handed in");
                    round.hands_in(place);
                    handing_in.push(self.hand_in(place, coordinator, &asker, unsent, Duration::ZERO, stop));
                }
            }
            let Ok(AssignResponse { outcome: Some(assign_response::Outcome::Assigned(assigned)) }) = answer
            else {
                continue;
            };
            let work = match work(assigned) {
                Ok(work) => work,
                Err(status) => {
                    round.came_to_nothing(clock.now(), place, jitter());
                    said::away(&coordinator.address, &status);
                    continue;
                }
            };
            let made = self.make(coordinator, &asker, &work, stop).await;
            // Whatever a coordinator takes its time for, the machine is not kept from the others meanwhile.
            turns.end(turn);
            match made {
                Ok(proof) => {
                    let Work { batch, timeout, .. } = work;
                    let unsent = Unsent { coordinator: coordinator.address.clone(), prover, batch, proof };
                    round.hands_in(place);
                    handing_in.push(self.hand_in(place, coordinator, &asker, unsent, timeout, stop));
                }
                Err(failed) => {
                    if let Failed::NoInput(_) = failed {
                        round.came_to_nothing(clock.now(), place, jitter());
                    }
                    give_back(coordinator, &asker, &work.batch, failed).await;
                }
            }
        }
        // Each ends soon: it is told to stop as well.
        while handing_in.next().await.is_some() {}
        Ok(())
    }

    fn no_turns(&self, source: std::io::Error) -> PullError {
        PullError::Turns { file: self.turns.clone().unwrap_or_default(), source }
    }

    fn kept_unsent(&self, prover: ProverType, coordinators: &[String]) -> Vec<Unsent> {
        let folder = self.unsent.as_deref();
        folder.map(|folder| Unsent::kept(folder, prover, coordinators)).unwrap_or_default()
    }

    /// Hands a proof in beside everything else; gives the coordinator's place when that has ended, and whether the proof is kept.
    fn hand_in(
        &self,
        place: usize,
        coordinator: &Calls,
        asker: &Asker,
        unsent: Unsent,
        timeout: Duration,
        stop: &CancellationToken,
    ) -> impl Future<Output = (usize, bool)> + use<> {
        let (coordinator, asker, stop) = (coordinator.clone(), asker.clone(), stop.clone());
        let kept_in = self.unsent.clone();
        let prover = asker.prover;
        let task = tokio::spawn(async move {
            let outcome = hand_in(&coordinator, &asker, &unsent, timeout, &stop, kept_in.as_deref()).await;
            counted::ended(prover, outcome);
            outcome == Outcome::Kept
        });
        // Also where it panicked: the coordinator is asked again.
        async move { (place, task.await.unwrap_or(false)) }
    }

    /// One batch, from its input to its proof.
    async fn make(
        &self,
        coordinator: &Calls,
        asker: &Asker,
        work: &Work,
        stop: &CancellationToken,
    ) -> Result<Vec<u8>, Failed> {
        let (batch, level) = (work.batch.number.0, work.batch.level.name());
        tracing::info!(batch, level, coordinator = %coordinator.address, "proving a batch");
        tokio::select! {
            made = self.prove(coordinator, asker, work, stop) => made,
            // What is withdrawn from the cluster in this process ends soon; it is not waited for.
            () = stop.cancelled() => Err(Failed::Stopped),
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

/// What a coordinator answers; nothing where the prover is told to stop meanwhile. The coordinator may have given it a batch by then,
/// which nobody else gets before its time-out: the answer is waited for, and the batch given back.
async fn ask(
    coordinator: &Calls,
    asker: &Asker,
    stop: &CancellationToken,
) -> Option<Result<AssignResponse, Status>> {
    let mut asking = pin!(coordinator.assign(asker));
    if let Some(answer) = stop.run_until_cancelled(asking.as_mut()).await {
        return Some(answer);
    }
    let answer = tokio::time::timeout(LAST, asking).await;
    if let Ok(Ok(AssignResponse { outcome: Some(assign_response::Outcome::Assigned(assigned)) })) = answer
        && let Ok(Work { batch, .. }) = work(assigned)
    {
        give_back(coordinator, asker, &batch, Failed::Stopped).await;
    }
    None
}

/// Gives back a batch of which there is no proof.
async fn give_back(coordinator: &Calls, asker: &Asker, batch_id: &BatchId, failed: Failed) {
    let (batch, level) = (batch_id.number.0, batch_id.level.name());
    let given_back = match failed {
        Failed::Stopped => {
            counted::ended(asker.prover, Outcome::Stopped);
            coordinator.give_back(asker, batch_id, None).await
        }
        Failed::NoInput(status) => {
            counted::ended(asker.prover, Outcome::NoInput);
            let cause = status.message();
            tracing::warn!(batch, level, code = ?status.code(), cause, "the input of a batch did not come");
            coordinator.give_back(asker, batch_id, Some((Code::NotDelivered, cause.to_owned()))).await
        }
        Failed::NotMade(error) => {
            counted::ended(asker.prover, Outcome::Failed);
            let is_late = error.code() == Code::Late;
            let event = if is_late { "proof_timed_out" } else { "proof_failed" };
            tracing::error!(event, batch, level, cause = %error, "a batch could not be proven");
            coordinator.give_back(asker, batch_id, Some((error.code(), error.to_string()))).await
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

fn say(coordinator: &Calls, asker: &Asker, answer: &Result<AssignResponse, Status>) {
    use assign_response::Outcome;
    let address = &coordinator.address;
    match answer.as_ref().map(|answer| answer.outcome.as_ref()) {
        Ok(Some(Outcome::Assigned(_))) => {}
        Ok(Some(Outcome::ProverTypeNotNeeded(answer))) => said::not_needed(address, asker.prover, answer),
        Ok(Some(Outcome::VersionMismatch(answer))) => said::mismatch(address, &asker.programs, answer),
        Ok(Some(Outcome::RetryLater(answer))) => said::nothing(address, answer),
        Ok(None) => said::other_version(address),
        Err(status) => said::away(address, status),
    }
}

/// Addresses without those that are there twice: one that is to take a proof would be asked by its other name, and give the same batch.
fn each_once(named: &[String]) -> impl Iterator<Item = &String> {
    let is_first =
        move |(at, address): &(usize, &String)| !named.iter().take(*at).any(|other| is_same(other, address));
    named.iter().enumerate().filter(is_first).map(|(_, address)| address)
}

/// Drawn anew each time.
pub(super) fn jitter() -> Jitter {
    Jitter::of(RandomState::new().hash_one(0_u8))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::pulling::scripted::{Scripted, asker};

    /// Nobody else would be given it before its time-out.
    #[tokio::test]
    async fn what_a_coordinator_gives_out_while_a_prover_stops_is_given_back() {
        let scripted = Scripted { assigns: true, ..Scripted::default() };
        let (server, address) = scripted.serve().await;
        let (coordinator, stop) = (Calls::new(&address).unwrap(), CancellationToken::new());
        let asker = asker();
        let stopping = async {
            server.asked.notified().await;
            stop.cancel();
            // The answer is on its way for longer, as where the coordinator's ledger is slow.
            tokio::task::yield_now().await;
            server.answers.notify_one();
        };
        let (answer, ()) = tokio::join!(ask(&coordinator, &asker, &stop), stopping);
        assert!(answer.is_none());
        assert_eq!(*server.given_back.lock().unwrap(), [1]);
    }

    #[test]
    fn a_coordinator_that_is_named_twice_is_asked_once() {
        let named =
            ["http://a:1", "http://b:1", "http://a:1/", "http://a:1", "http://a:2"].map(str::to_owned);
        let once: Vec<_> = each_once(&named).collect();
        assert_eq!(once, ["http://a:1", "http://b:1", "http://a:2"]);
    }
}
