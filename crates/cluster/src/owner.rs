//! The one owner of the state, and the handle through which everybody reaches it.

use crate::{ClusterError, metrics, state::State};
use proofmill_ledger::{Batch, Ledger};
use prost::Message;
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;

/// What is done only when everything before it is durable: an answer, a message on a stream.
pub(crate) type Release = Box<dyn FnOnce() + Send>;
/// One call into the state.
type Call = Box<dyn FnOnce(&mut State) -> Release + Send>;

/// The most calls that become durable in one transaction.
const GROUP: usize = 512;
/// A call counts once for so many bytes of its message, begun: what waits holds at most 1 GiB by it.
const CALL_BYTES: usize = 64 << 10;
/// What a part of a list takes beside its text, in bytes. A tiny one has two on the wire.
const PART_BYTES: usize = 48;
/// How often time passes for the scheduler.
const TICK: Duration = Duration::from_millis(500);
/// The wait before a commit that failed for want of space or access is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Reaches the state. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    calls: mpsc::UnboundedSender<Call>,
    room: Arc<Room>,
    /// For how many a call counts.
    weight: u32,
}

/// For the calls of peers. While the ledger is away none is answered, and each holds what was sent with it.
#[derive(Debug)]
struct Room {
    most: u32,
    left: Semaphore,
    /// It was said that there is none.
    told: AtomicBool,
}

impl Room {
    fn full(&self) -> Status {
        if !self.told.swap(true, Ordering::Relaxed) {
            let most = self.most;
            tracing::error!(most, "calls are refused: as many as may wait for the ledger already do");
        }
        metrics::refused();
        Status::unavailable(format!(
            "the coordinator cannot answer now: {} calls wait for its ledger; try again later, and see its log",
            self.most
        ))
    }

    /// Calls were answered.
    fn answered(&self) {
        if self.left.available_permits() > self.most as usize / 2 && self.told.swap(false, Ordering::Relaxed)
        {
            tracing::info!("calls are answered again");
        }
    }
}

impl Handle {
    /// For the call of a peer that came with this message: a large one takes the room of many.
    pub(crate) fn of(&self, message: &impl Message) -> Self {
        self.of_list(message, 0)
    }

    /// The same for a message with lists of so many parts in all.
    pub(crate) fn of_list(&self, message: &impl Message, parts: usize) -> Self {
        let bytes = message.encoded_len().saturating_add(parts.saturating_mul(PART_BYTES));
        let weight = bytes / CALL_BYTES + 1;
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).min(self.room.most);
        Self { weight, ..self.clone() }
    }

    /// Runs `call`, of a peer, on the state and gives its answer once what it changed is durable.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Result<T, Status> {
        // Also for one whose caller does not wait for it any more.
        let (room, weight) = (self.room.clone(), self.weight);
        room.left.try_acquire_many(weight).map_err(|_| room.full())?.forget();
        let place = Place { room, weight };
        self.ask(move |state| (call(state), place)).await.map(|(value, _place)| value)
    }

    /// The same for what this process asks of itself, which is not refused.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let (answer, answered) = oneshot::channel();
        let call: Call = Box::new(move |state| {
            let value = call(state);
            Box::new(move || drop(answer.send(value)))
        });
        let gone = || Status::unavailable("the coordinator is stopping");
        self.calls.send(call).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }

    /// Runs `call` on the state some time soon; nobody waits for it.
    pub(crate) fn tell(&self, call: impl FnOnce(&mut State) + Send + 'static) {
        let call: Call = Box::new(move |state| {
            call(state);
            Box::new(|| ())
        });
        // Fails only while the process ends.
        drop(self.calls.send(call));
    }
}

#[cfg(test)]
impl Handle {
    /// One without room for any call, and those that need none.
    pub(crate) fn without_room() -> (Self, mpsc::UnboundedReceiver<Call>) {
        let (calls, inbox) = mpsc::unbounded_channel();
        let room = Arc::new(Room { most: 1, left: Semaphore::new(0), told: AtomicBool::new(false) });
        (Self { calls, room, weight: 1 }, inbox)
    }
}

/// A call that waits, or is being answered.
struct Place {
    room: Arc<Room>,
    weight: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.left.add_permits(self.weight as usize);
    }
}

/// The task that has the state. Ends when it is dropped, or told to.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) handle: Handle,
    task: JoinHandle<Result<(), ClusterError>>,
    stop: CancellationToken,
    _stop_with_me: DropGuard,
}

impl Owner {
    /// Gives the state to a task of its own.
    pub(crate) fn new(ledger: Ledger, state: State) -> Self {
        let (calls, inbox) = mpsc::unbounded_channel();
        let most = state.config.most_calls;
        let room = Room { most, left: Semaphore::new(most as usize), told: AtomicBool::new(false) };
        let room = Arc::new(room);
        let handle = Handle { calls, room: room.clone(), weight: 1 };
        let stop = CancellationToken::new();
        let task = tokio::spawn(live(state, ledger, inbox, room, stop.clone()));
        Self { handle, task, _stop_with_me: stop.clone().drop_guard(), stop }
    }

    /// Waits until the state can no longer be kept. Not to be called again after it came back.
    pub(crate) async fn ended(&mut self) -> Result<(), ClusterError> {
        outcome((&mut self.task).await)
    }

    /// Lets go of the state, once what it is making durable is durable. Streams end with it.
    pub(crate) async fn stop(self) -> Result<(), ClusterError> {
        self.stop.cancel();
        outcome(self.task.await)
    }
}

fn outcome(ended: Result<Result<(), ClusterError>, JoinError>) -> Result<(), ClusterError> {
    ended.unwrap_or_else(|panic| Err(ClusterError::Panicked { cause: panic.to_string() }))
}

async fn live(
    mut state: State,
    ledger: Ledger,
    mut inbox: mpsc::UnboundedReceiver<Call>,
    room: Arc<Room>,
    stop: CancellationToken,
) -> Result<(), ClusterError> {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut calls = Vec::new();
    loop {
        let mut time_passes = false;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            count = inbox.recv_many(&mut calls, GROUP) => if count == 0 { return Ok(()) },
            _ = tick.tick() => {
                time_passes = true;
                // Before what time brings: a call that was repeated while a commit took long must not be taken for one of a task that
                // is given out again only now.
                while calls.len() < GROUP && let Ok(call) = inbox.try_recv() {
                    calls.push(call);
                }
            }
        }
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls.drain(..) {
            answers.push(call(&mut state));
        }
        if time_passes {
            state.tick();
        }
        let (batch, releases) = state.take_outputs();
        if !batch.is_empty() && commit(&ledger, batch, &stop).await?.is_break() {
            return Ok(());
        }
        for release in releases.into_iter().chain(answers) {
            release();
        }
        room.answered();
        state.released();
    }
}

/// Commits, for as long as it takes: nobody is answered before. A full disk stops the cluster, and loses nothing.
async fn commit(
    ledger: &Ledger,
    batch: Batch,
    stop: &CancellationToken,
) -> Result<ControlFlow<()>, ClusterError> {
    loop {
        let begun = Instant::now();
        match ledger.commit(batch.clone()).await {
            Ok(()) => {
                metrics::committed(begun.elapsed());
                return Ok(ControlFlow::Continue(()));
            }
            Err(error) if error.is_final() => {
                return Err(ClusterError::Diverged(error));
            }
            Err(error) => {
                tracing::error!(%error, "cannot make changes durable: nothing is acknowledged until this is mended");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            // Nothing of it was acknowledged.
            () = stop.cancelled() => return Ok(ControlFlow::Break(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proofmill_wire::{MAX_PARTS, worker::UpdateSubRequest};

    /// What waits for the ledger holds all parts of its lists.
    #[test]
    fn a_call_that_names_much_takes_the_room_of_many() {
        let (calls, _inbox) = mpsc::unbounded_channel();
        let room = Room { most: 16_384, left: Semaphore::new(0), told: AtomicBool::new(false) };
        let handle = Handle { calls, room: Arc::new(room), weight: 1 };
        let naming = |ids: usize| {
            let asked =
                UpdateSubRequest { task_ids: vec![String::new(); ids], ..UpdateSubRequest::default() };
            handle.of_list(&asked, ids).weight
        };
        assert_eq!((naming(0), naming(1_000)), (1, 1));
        let memory = MAX_PARTS * size_of::<String>();
        assert!(naming(MAX_PARTS) as usize * CALL_BYTES >= memory);
    }
}
