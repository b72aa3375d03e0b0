//! The one owner of the state, and the handle through which everybody reaches it.

use crate::{ClusterError, metrics, state::State};
use proofmill_ledger::{Batch, Ledger};
use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, oneshot},
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
/// How often time passes for the scheduler.
const TICK: Duration = Duration::from_millis(500);
/// The wait before a commit that failed for want of space or access is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// Reaches the state. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    calls: mpsc::UnboundedSender<Call>,
}

impl Handle {
    /// Runs `call` on the state and gives its answer once what it changed is durable.
    pub(crate) async fn call<T: Send + 'static>(
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
        let handle = Handle { calls };
        let stop = CancellationToken::new();
        let task = tokio::spawn(live(state, ledger, inbox, stop.clone()));
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
        let (batch, messages) = state.take_outputs();
        if !batch.is_empty() && commit(&ledger, batch, &stop).await?.is_break() {
            return Ok(());
        }
        for release in messages.into_iter().chain(answers) {
            release();
        }
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
