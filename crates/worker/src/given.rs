//! A task that this worker was given, from its message to what is told of it.

use crate::{
    bench::Bench,
    failure::TaskFailure,
    metrics::Running,
    run::{self, Done},
    task::Task,
};
use futures::FutureExt;
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ProofId, TaskId, Weight};
use proofmill_wire::worker::WorkerTask;
use std::{
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// How often it is said of a task that it goes on: a step of a SNARK takes half an hour.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    HandedIn,
    ToNothing,
}

/// A task that was given.
pub(crate) struct Given {
    /// What it works with.
    pub(crate) bench: Bench,
    pub(crate) proof: ProofId,
    pub(crate) id: TaskId,
    pub(crate) weight: Weight,
    pub(crate) message: WorkerTask,
    /// Of this worker's memory, and how much that is.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) max_weight: Weight,
    /// What it did here before, where it is not begun again for that.
    pub(crate) blamed: Option<Fault>,
    pub(crate) withdrawn: CancellationToken,
    /// Set when the try is over and came to nothing, before the coordinator is told.
    pub(crate) over: Arc<AtomicBool>,
}

impl Given {
    /// Does it and tells what came of it. A panic is a failure too: whoever was given the task must come to say that it is over.
    pub(crate) async fn run(mut self) -> (TaskId, Came) {
        let id = self.id.clone();
        let tried = async {
            let outcome = caught(self.outcome()).await.unwrap_or_else(Err);
            self.hand_in(outcome).await
        };
        let came = caught(tried).await.unwrap_or_else(|TaskFailure(fault)| {
            tracing::error!(task = %id, cause = fault.text, "a task came to nothing: a defect");
            Came::ToNothing
        });
        (id, came)
    }

    async fn outcome(&mut self) -> Result<Done, TaskFailure> {
        if let Some(fault) = self.blamed.take() {
            return Err(TaskFailure(fault));
        }
        let (weight, max_weight) = (self.weight, self.max_weight);
        if weight > max_weight {
            let cause = format!("it needs {weight}, and this worker has {max_weight}");
            return Err(TaskFailure::new(Code::TooSmall, cause));
        }
        let message = std::mem::take(&mut self.message);
        let _room = self.room().await?;
        let task = Task::parse(message)?;
        let output = task.outputs.first().map(tracing::field::display);
        let (id, proof) = (&self.id, &self.proof);
        tracing::info!(task = %id, %proof, kind = %task.kind, weight = %task.weight, output, "started");
        let running = Running::new(task.kind);
        let says = |time: Duration| {
            let (time_s, waits_for) = (time.as_secs(), self.bench.waits.text());
            tracing::info!(task = %id, %proof, kind = %task.kind, time_s, waits_for, "goes on");
        };
        let work = caught(run::run(&self.bench, &task, &self.withdrawn));
        let done = said_of(work, says).await.unwrap_or_else(Err);
        let outcome = match done {
            // Whatever the work makes of it that nobody wants it any more.
            Err(_) if self.withdrawn.is_cancelled() => Err(TaskFailure::withdrawn()),
            done => done,
        };
        running.ended(&outcome);
        outcome
    }

    /// The coordinator does not give out more than there is, but a task that it took back still holds its memory until the prover
    /// returns.
    async fn room(&self) -> Result<SemaphorePermit<'_>, TaskFailure> {
        let gb = self.weight.as_gb();
        if let Ok(room) = self.room.try_acquire_many(gb) {
            return Ok(room);
        }
        let text =
            "it waits for the memory of a task that was withdrawn, and whose prover has not returned yet";
        let _waits = self.bench.waits.begin(text.into());
        tokio::select! {
            room = self.room.acquire_many(gb) => room.map_err(|_| TaskFailure::withdrawn()),
            () = self.withdrawn.cancelled() => Err(TaskFailure::withdrawn()),
        }
    }

    /// Tells the coordinator what came of it.
    async fn hand_in(&self, outcome: Result<Done, TaskFailure>) -> Came {
        let Self { bench, proof, id, withdrawn, over, .. } = self;
        let (came, told) = match outcome {
            Ok(done) => {
                tracing::info!(task = %id, %proof, busy_ms = done.busy_ms, "done");
                let metadata = serde_json::to_string(&done).unwrap_or_default();
                (Came::HandedIn, bench.client.complete_task(proof, id, metadata, withdrawn).await)
            }
            Err(_) if withdrawn.is_cancelled() => return Came::ToNothing,
            Err(TaskFailure(fault)) => {
                tracing::warn!(task = %id, %proof, fault = %fault.code, cause = fault.text, "task failed");
                over.store(true, Ordering::Release);
                (Came::ToNothing, bench.client.fail_task(proof, id, &fault, withdrawn).await)
            }
        };
        match told {
            Ok(()) => came,
            Err(_) if withdrawn.is_cancelled() => Came::ToNothing,
            Err(status) => {
                tracing::warn!(task = %id, cause = status.message(), "the coordinator did not want the result");
                Came::ToNothing
            }
        }
    }
}

/// What comes of the work, or that it panicked.
async fn caught<T>(work: impl Future<Output = T>) -> Result<T, TaskFailure> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| TaskFailure::panicked(&*panic))
}

/// What comes of the work, of which it is said now and then how long it has gone on.
async fn said_of<T>(work: impl Future<Output = T>, says: impl Fn(Duration)) -> T {
    let begun = Instant::now();
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(SAID_EVERY) => says(begun.elapsed()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test(start_paused = true)]
    async fn what_takes_long_is_said_to_go_on_every_minute() {
        let said = Mutex::new(Vec::new());
        let says = |time: Duration| said.lock().unwrap().push(time.as_secs());
        let minutes = |minutes: u64| tokio::time::sleep(Duration::from_secs(60 * minutes + 30));
        assert_eq!(said_of(async { 7 }, says).await, 7);
        said_of(minutes(0), says).await;
        assert!(said.lock().unwrap().is_empty(), "what is short has its end");
        said_of(minutes(25), says).await;
        let every: Vec<u64> = (1..=25).map(|minute| 60 * minute).collect();
        assert_eq!(*said.lock().unwrap(), every);
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_that_says_why() {
        let panics = async |panics: bool| if panics { panic!("it is so") } else { 5 };
        assert!(matches!(caught(panics(false)).await, Ok(5)));
        let failure = caught(panics(true)).await.map_err(|TaskFailure(fault)| (fault.code, fault.text));
        assert_eq!(failure, Err((Code::ProverFailed, "the prover panicked: it is so".to_owned())));
    }
}
