//! The loop that all modes have. It looks at the chains now and then, and tells a mode what they show and what comes of the work that
//! the mode has begun.
//!
//! Work is tasks: each ends with exactly one event, also where it panics. A task that is of no use any more is told so, and
//! withdraws what it asked the cluster for; when the process ends, tasks are dropped, and the cluster goes on.

use crate::rules::{Attempt, Problem, StepFailed};
use futures::{FutureExt, future::BoxFuture};
use proofmill_service::JobError;
use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// So often rules are asked whether a pause is over.
const TICK: Duration = Duration::from_secs(1);
/// So often it is said where things are.
const SAY_EVERY: Duration = Duration::from_secs(300);
const PANICKED: &str = "its task panicked; please report it";

/// What the loop drives.
pub(super) trait Mode: Sized + 'static {
    /// What the chains show.
    type Seen: Send + 'static;
    /// What the rules are told.
    type Event: Send + 'static;
    /// What is proven.
    type Range: Copy + Ord + Send + 'static;
    /// What its steps are of, for the log.
    const STEPS_OF: &str;

    /// Looks at the chains.
    fn look(&self) -> BoxFuture<'static, Result<Self::Seen, String>>;
    /// They were looked at.
    fn seen(seen: Self::Seen) -> Self::Event;
    /// Time has passed.
    fn tick() -> Self::Event;
    /// Asks the rules what follows, and begins it.
    fn handle(&mut self, event: Self::Event, tasks: &mut Tasks<Self>);
    /// Says where things are.
    fn say(&self, proving: usize);
}

/// What a task ended with.
enum Done<M: Mode> {
    Looked(Result<M::Seen, String>),
    /// Of the range's task with this number.
    Range(u64, M::Range, M::Event),
    Happened(M::Event),
}

/// The tasks of a mode.
pub(super) struct Tasks<M: Mode> {
    all: JoinSet<Done<M>>,
    /// Those that prove ranges, by their numbers. What comes of one that is withdrawn is nobody's news: its range may be proven anew by
    /// another.
    ranges: BTreeMap<M::Range, (u64, CancellationToken)>,
    begun: u64,
    steps: BTreeMap<Attempt, CancellationToken>,
    /// Why the chains are not seen.
    pub(super) blind: Option<String>,
}

impl<M: Mode> Tasks<M> {
    /// Begins to prove a range.
    pub(super) fn prove<F: Future<Output = M::Event> + Send + 'static>(
        &mut self,
        range: M::Range,
        proving: impl FnOnce(CancellationToken) -> F,
    ) {
        let cancel = CancellationToken::new();
        self.begun += 1;
        let number = self.begun;
        self.ranges.insert(range, (number, cancel.clone()));
        let proving = proving(cancel);
        self.all.spawn(async move { Done::Range(number, range, proving.await) });
    }

    /// A range is of no use any more.
    pub(super) fn withdraw(&mut self, range: M::Range) {
        if let Some((_, cancel)) = self.ranges.remove(&range) {
            cancel.cancel();
        }
    }

    /// Begins a try of a step.
    pub(super) fn step<F: Future<Output = M::Event> + Send + 'static>(
        &mut self,
        attempt: Attempt,
        step: impl FnOnce(CancellationToken) -> F,
    ) {
        let cancel = CancellationToken::new();
        self.steps.insert(attempt, cancel.clone());
        let step = step(cancel);
        self.all.spawn(async move { Done::Happened(step.await) });
    }

    /// A try of a step is of no use any more.
    pub(super) fn abandon(&mut self, attempt: Attempt) {
        if let Some(cancel) = self.steps.remove(&attempt) {
            cancel.cancel();
        }
    }

    /// A try of a step ended. Why it came to nothing is said, unless it is of no use any more.
    pub(super) fn ended(&mut self, attempt: Attempt, failed: Option<&StepFailed>) {
        let of = M::STEPS_OF;
        let is_wanted = self.steps.remove(&attempt).is_some();
        match failed.filter(|_| is_wanted) {
            None => {}
            Some(StepFailed::Refused { cause }) => tracing::warn!(of, cause, "a step is refused"),
            Some(StepFailed::Stale { cause }) => {
                tracing::warn!(of, cause, "what was made does not fit any more");
            }
            Some(StepFailed::NotNow { cause }) => tracing::warn!(of, cause, "a step is not possible now"),
            Some(StepFailed::RangesLost(lost)) => {
                for Problem { blocks, cause } in lost {
                    tracing::warn!(%blocks, cause, "the proof of a range is made again");
                }
            }
        }
    }

    /// What a task's end tells the rules, if anything.
    fn news(&mut self, done: Done<M>, looking: &mut bool) -> Option<M::Event> {
        match done {
            Done::Happened(event) => Some(event),
            Done::Range(number, range, event) => match self.ranges.get(&range) {
                Some((of, _)) if *of == number => {
                    self.ranges.remove(&range);
                    Some(event)
                }
                _ => None,
            },
            Done::Looked(looked) => {
                *looking = false;
                let cause = looked.as_ref().err().cloned();
                if let Some(cause) = cause.as_ref().filter(|cause| self.blind.as_ref() != Some(cause)) {
                    tracing::warn!(cause, "the chains cannot be seen");
                }
                self.blind = cause;
                Some(looked.map_or_else(|_| M::tick(), M::seen))
            }
        }
    }
}

/// Goes on until it is told to stop. What is under way then is begun again at the next start.
pub(super) async fn run<M: Mode>(mut mode: M, look_every: Duration, stop: CancellationToken) {
    let mut tasks =
        Tasks { all: JoinSet::new(), ranges: BTreeMap::new(), begun: 0, steps: BTreeMap::new(), blind: None };
    let (mut tick, mut look, mut say) = (interval(TICK), interval(look_every), interval(SAY_EVERY));
    for each in [&mut tick, &mut look, &mut say] {
        each.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut looking = false;
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => break,
            _ = look.tick(), if !looking => {
                looking = true;
                let look = mode.look();
                tasks.all.spawn(async move { Done::Looked(look.await) });
                continue;
            }
            _ = tick.tick() => M::tick(),
            _ = say.tick() => {
                mode.say(tasks.ranges.len());
                continue;
            }
            Some(done) = tasks.all.join_next() => match done {
                Ok(done) => match tasks.news(done, &mut looking) {
                    Some(event) => event,
                    None => continue,
                },
                Err(error) => {
                    // Tasks catch their panics, and nobody aborts them.
                    tracing::error!(%error, "a task ended by itself; please report it");
                    looking = false;
                    continue;
                }
            },
        };
        mode.handle(event, &mut tasks);
    }
    tasks.all.shutdown().await;
}

/// What comes of proving a range; also where it panics.
pub(super) async fn proven<T>(proving: impl Future<Output = Result<T, JobError>>) -> Result<T, JobError> {
    let caught = AssertUnwindSafe(proving).catch_unwind().await;
    caught.unwrap_or_else(|_| Err(JobError::Failed { cause: PANICKED.into() }))
}

/// What comes of a step; also where it panics, or is of no use any more.
pub(super) async fn caught<T>(
    cancel: &CancellationToken,
    step: impl Future<Output = Result<T, StepFailed>>,
) -> Result<T, StepFailed> {
    let not_now = |cause: &str| Err(StepFailed::NotNow { cause: cause.to_owned() });
    tokio::select! {
        came = AssertUnwindSafe(step).catch_unwind() => came.unwrap_or_else(|_| not_now(PANICKED)),
        () = cancel.cancelled() => not_now("it is of no use any more"),
    }
}

/// The rules' time: in ms since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
