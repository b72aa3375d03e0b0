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
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
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
/// A look at the chains that takes longer is told as a problem: what is known of them is old.
const LOOK_WITHIN: Duration = Duration::from_secs(300);
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
    /// Since when the chains are being looked at, if they are.
    looking: Option<Instant>,
    /// A look has ended since the start.
    has_looked: bool,
    /// Why the chains are not seen.
    pub(super) blind: Option<String>,
    clock: Clock,
}

impl<M: Mode> Tasks<M> {
    fn new() -> Self {
        Self {
            all: JoinSet::new(),
            ranges: BTreeMap::new(),
            begun: 0,
            steps: BTreeMap::new(),
            looking: None,
            has_looked: false,
            blind: None,
            clock: Clock::start(),
        }
    }

    /// The rules' time: in ms since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Begins to look at the chains; the look ends also where it panics.
    fn look(&mut self, look: BoxFuture<'static, Result<M::Seen, String>>) {
        self.looking = Some(Instant::now());
        let caught = AssertUnwindSafe(look).catch_unwind();
        self.all.spawn(async move { Done::Looked(caught.await.unwrap_or_else(|_| Err(PANICKED.into()))) });
    }

    /// What is shown is old while a look hangs, and nothing is shown before the first one ends: that is said until one ends.
    fn watch(&mut self, now: Instant) {
        let Some(since) = self.looking else { return };
        let taken = now.saturating_duration_since(since);
        let seconds = taken.as_secs();
        let cause = if taken >= LOOK_WITHIN {
            format!("a look at them that began {seconds} s ago has not ended; see whether their nodes answer")
        } else if !self.has_looked {
            format!("the first look at them, which began {seconds} s ago, has not ended")
        } else {
            return;
        };
        self.blind = Some(cause);
    }

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
            Some(StepFailed::Refused { cause }) => {
                tracing::warn!(event = "step_failed", of, cause, "a step is refused");
            }
            Some(StepFailed::Stale { cause }) => {
                tracing::warn!(event = "step_failed", of, cause, "what was made does not fit any more");
            }
            Some(StepFailed::NotNow { cause }) => {
                tracing::warn!(event = "step_failed", of, cause, "a step is not possible now");
            }
            Some(StepFailed::RangesLost(lost)) => {
                for Problem { blocks, cause } in lost {
                    tracing::warn!(%blocks, cause, "the proof of a range is made again");
                }
            }
        }
    }

    /// What a task's end tells the rules, if anything.
    fn news(&mut self, done: Done<M>) -> Option<M::Event> {
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
                (self.looking, self.has_looked) = (None, true);
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
    let mut tasks = Tasks::<M>::new();
    let (mut tick, mut look, mut say) = (interval(TICK), interval(look_every), interval(SAY_EVERY));
    for each in [&mut tick, &mut look, &mut say] {
        each.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => break,
            _ = look.tick(), if tasks.looking.is_none() => {
                tasks.look(mode.look());
                continue;
            }
            _ = tick.tick() => {
                tasks.watch(Instant::now());
                M::tick()
            }
            _ = say.tick() => {
                mode.say(tasks.ranges.len());
                continue;
            }
            Some(done) = tasks.all.join_next() => match done {
                Ok(done) => match tasks.news(done) {
                    Some(event) => event,
                    None => continue,
                },
                Err(error) => {
                    // Tasks catch their panics, and nobody aborts them.
                    tracing::error!(%error, "a task ended by itself; please report it");
                    tasks.looking = None;
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

/// The system's time at the start, carried on by a clock that never goes back: a pause lasts no longer because the system's is put right.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// In ms since 1970.
    began_ms: u64,
    at: Instant,
}

impl Clock {
    fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began_ms: in_ms(since), at: Instant::now() }
    }

    fn now_ms(self) -> u64 {
        self.began_ms.saturating_add(in_ms(self.at.elapsed()))
    }
}

fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake;

    impl Mode for Fake {
        type Seen = u64;
        type Event = Option<u64>;
        type Range = u64;
        const STEPS_OF: &str = "test";

        fn look(&self) -> BoxFuture<'static, Result<u64, String>> {
            Box::pin(std::future::pending())
        }

        fn seen(seen: u64) -> Option<u64> {
            Some(seen)
        }

        fn tick() -> Option<u64> {
            None
        }

        fn handle(&mut self, _: Option<u64>, _: &mut Tasks<Self>) {}

        fn say(&self, _: usize) {}
    }

    #[test]
    fn the_rules_time_goes_on_whatever_the_systems_becomes() {
        // As if the system's were put back by decades since.
        let clock = Clock { began_ms: 4_000_000_000_000, at: Instant::now() };
        let before = clock.now_ms();
        assert!(before >= 4_000_000_000_000 && clock.now_ms() >= before);
    }

    #[tokio::test]
    async fn a_look_that_does_not_end_is_a_problem() {
        let mut tasks = Tasks::<Fake>::new();
        tasks.look(Fake.look());
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        // Before the first look ends, at once.
        tasks.watch(later(2));
        let said = tasks.blind.clone().unwrap_or_default();
        assert!(said.contains("the first look") && said.contains(" s ago"), "{said}");
        assert_eq!(tasks.news(Done::Looked(Ok(7))), Some(Some(7)));
        assert_eq!(tasks.blind, None);
        // Between two looks, and in the next one, after some minutes only.
        tasks.watch(later(1_000));
        assert_eq!(tasks.blind, None);
        tasks.look(Fake.look());
        tasks.watch(later(200));
        assert_eq!(tasks.blind, None);
        tasks.watch(later(302));
        let said = tasks.blind.clone().unwrap_or_default();
        assert!(said.contains("has not ended"), "{said}");
        assert_eq!(tasks.news(Done::Looked(Err("away".into()))), Some(None));
        assert_eq!(tasks.blind.as_deref(), Some("away"));
    }

    #[tokio::test]
    async fn a_look_that_panics_ends() {
        fn panics() -> Result<u64, String> {
            panic!("a look that panics")
        }
        let mut tasks = Tasks::<Fake>::new();
        tasks.look(Box::pin(async { panics() }));
        let done = tasks.all.join_next().await;
        assert!(matches!(done, Some(Ok(Done::Looked(Err(cause)))) if cause == PANICKED));
    }
}
