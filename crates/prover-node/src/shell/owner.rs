//! The one owner of the state. Everything reaches it as a message; what follows becomes tasks that answer with messages.

use super::{
    context::{CANCEL_GRACE, Context},
    metrics, publish, range,
    requests::Requests,
    root::{self, EpochParts},
    shown::Shown,
    spells::Spells,
    told, upload,
};
use crate::{
    NodeError,
    parts::{RangeRequest, Work},
    rules::{
        Action, Change, Entry, Event, JobError, JobId, NodeState, PruneOutcome, PublishOutcome, Refused,
        Snapshot, Started,
    },
};
use futures::FutureExt;
use proofmill_primitives::Epoch;
use std::{any::Any, collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// How often time passes for the rules.
const TICK: Duration = Duration::from_millis(250);
/// The most messages that are dealt with before those who watch are told.
const GROUP: usize = 256;

/// What reaches the owner.
pub(super) enum Message {
    /// Of the chain; answered when it is dealt with.
    Chain(Event, oneshot::Sender<Result<(), Refused>>),
    StartProof(Epoch, oneshot::Sender<Result<Started, NodeError>>),
    Retry(Epoch, oneshot::Sender<Result<(), Refused>>),
    /// The answer of a task.
    Event(Event),
}

pub(super) struct Owner {
    context: Arc<Context>,
    state: NodeState,
    inbox: mpsc::UnboundedReceiver<Message>,
    /// Those that can be cancelled.
    jobs: HashMap<JobId, CancellationToken>,
    tasks: JoinSet<()>,
    looking: bool,
    shown: Shown,
    spells: Spells,
    outlets: Outlets,
}

/// Who is told what becomes of it.
pub(super) struct Outlets {
    pub(super) changes: broadcast::Sender<Arc<Entry>>,
    /// What operators asked for and is not done.
    pub(super) requests: Requests,
}

impl Owner {
    pub(super) fn new(
        context: Arc<Context>,
        state: NodeState,
        inbox: mpsc::UnboundedReceiver<Message>,
        snapshots: watch::Sender<Arc<Snapshot>>,
        outlets: Outlets,
    ) -> Self {
        metrics::describe();
        let (jobs, tasks, shown) = (HashMap::new(), JoinSet::new(), Shown::new(snapshots));
        let spells = Spells::default();
        Self { context, state, inbox, jobs, tasks, looking: false, shown, spells, outlets }
    }

    /// Lives until it is told to stop, then ends everything in order. The chain stream has to have been stopped before.
    pub(super) async fn live(mut self, stop: CancellationToken) {
        let mut look = interval(self.context.config.look_every);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut messages = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = self.inbox.recv_many(&mut messages, GROUP) => {
                    messages.drain(..).for_each(|message| self.take(message));
                }
                _ = tick.tick() => self.tell(Event::Tick),
                () = self.shown.due() => {}
                _ = look.tick() => {
                    self.look();
                    continue;
                }
                Some(_) = self.tasks.join_next() => continue,
            }
            self.shown.changed(&self.state);
        }
        self.tell(Event::StopSessions);
        self.shown.show(&self.state);
        self.await_publish(&mut messages).await;
        self.tell(Event::StopProvers);
        self.shown.show(&self.state);
        // They were all told to end; a service that does not listen is left behind.
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        drop(tokio::time::timeout(CANCEL_GRACE + Duration::from_secs(1), all_ended).await);
        self.tasks.shutdown().await;
    }

    /// A publish in flight runs to its end, if that comes soon.
    async fn await_publish(&mut self, messages: &mut Vec<Message>) {
        let latest = Instant::now() + self.context.config.publish_grace;
        while self.state.is_sending() {
            tokio::select! {
                _ = self.inbox.recv_many(messages, GROUP) => {
                    messages.drain(..).for_each(|message| self.take(message));
                }
                () = tokio::time::sleep_until(latest) => {
                    tracing::warn!("stopped while a transaction was under way; L1 will show whether it came through");
                    return;
                }
            }
            self.shown.show(&self.state);
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Event(event) => self.tell(event),
            Message::Chain(event, answer) => drop(answer.send(self.handle(event))),
            Message::Retry(epoch, answer) => drop(answer.send(self.handle(Event::Retry { epoch }))),
            Message::StartProof(epoch, mut answer) => {
                match self.state.start_proof(self.context.clock.now(), epoch) {
                    Ok((started, actions)) => {
                        self.carry_out(actions);
                        let kept = self.outlets.requests.all_kept();
                        self.tasks.spawn(async move {
                            tokio::select! {
                                kept = kept => drop(answer.send(kept.map(|()| started))),
                                () = answer.closed() => {}
                            }
                        });
                    }
                    Err(refused) => drop(answer.send(Err(refused.into()))),
                }
            }
        }
    }

    /// Takes in what cannot be refused.
    fn tell(&mut self, event: Event) {
        if let Err(refused) = self.handle(event) {
            tracing::debug!(%refused, "an event came out of turn");
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Refused> {
        match &event {
            Event::RangeEnded { result: Ok(done), .. } => metrics::range_done(done),
            Event::RootEnded { result: Ok(done), .. } => metrics::root_done(done),
            _ => {}
        }
        match &event {
            Event::RangeEnded { job, .. } | Event::RangeSplit { job, .. } | Event::RootEnded { job, .. } => {
                self.jobs.remove(job);
            }
            Event::L1Seen(_) | Event::L1Lost { .. } => self.looking = false,
            _ => {}
        }
        self.state.clock_is_ahead(self.context.clock.ahead());
        let actions = self.state.handle(self.context.clock.now(), event)?;
        self.carry_out(actions);
        Ok(())
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            let context = Arc::clone(&self.context);
            match action {
                Action::Prove { job, prover, checkpoint, range, cycle_limit } => {
                    let work = self.job(job);
                    let cycle_limit = Some(cycle_limit);
                    let request = RangeRequest { cycle_limit, ..context.request(checkpoint, range) };
                    self.spawn(failed_range(job), async move {
                        range::prove(&context, job, prover, request, work).await
                    });
                }
                Action::FindSplit { job, range, at, .. } => {
                    let work = self.job(job);
                    self.spawn(failed_range(job), async move {
                        range::find_split(&context, job, range, at, work).await
                    });
                }
                Action::KeepSplit { prover, range, split } => {
                    self.tasks.spawn(async move { range::keep_split(&context, prover, range, split).await });
                }
                Action::Aggregate { job, prover, span, ranges, checkpoints } => {
                    let work = self.job(job);
                    let failed =
                        move |cause| Event::RootEnded { job, result: Err(JobError::Failed { cause }.into()) };
                    self.spawn(failed, async move {
                        root::aggregate(&context, job, prover, EpochParts { span, ranges, checkpoints }, work)
                            .await
                    });
                }
                Action::Cancel { job } => {
                    if let Some(cancel) = self.jobs.remove(&job) {
                        cancel.cancel();
                    }
                }
                Action::ReadTip { pass } => {
                    let failed = move |cause| Event::TipRead { pass, tip: Err(cause) };
                    self.spawn(failed, async move { Some(publish::read_tip(&context, pass).await) });
                }
                Action::Publish { pass, candidate } => {
                    let failed = move |cause| Event::PublishEnded {
                        pass,
                        outcome: PublishOutcome::Unavailable { cause },
                    };
                    self.spawn(
                        failed,
                        async move { Some(publish::publish(&context, pass, candidate).await) },
                    );
                }
                Action::Prune { pass } => {
                    let failed =
                        move |cause| Event::PruneEnded { pass, outcome: PruneOutcome::Unavailable { cause } };
                    self.spawn(failed, async move { Some(publish::prune(&context, pass).await) });
                }
                Action::Release { through } => {
                    self.tasks.spawn(async move {
                        match context.proofs.release(through).await {
                            Ok(removed) => tracing::debug!(through, removed, "stored proofs were released"),
                            Err(error) => tracing::warn!(through, %error, "stored proofs cannot be released"),
                        }
                    });
                }
                Action::KeepRequests { wanted } => self.outlets.requests.keep(wanted),
                Action::Upload(failure) => {
                    self.tasks.spawn(async move { upload::upload(&context, failure).await });
                }
                Action::Report(change) => self.report(change),
            }
        }
    }

    fn job(&mut self, job: JobId) -> Work {
        let cancel = CancellationToken::new();
        self.jobs.insert(job, cancel.clone());
        self.context.work(job, cancel)
    }

    /// Runs a task whose answer is an event. A panic is answered too: whoever waits must not wait for ever.
    fn spawn(
        &mut self,
        failed: impl FnOnce(String) -> Event + Send + 'static,
        task: impl Future<Output = Option<Event>> + Send + 'static,
    ) {
        let context = Arc::clone(&self.context);
        self.tasks.spawn(async move {
            let event = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(event) => event,
                Err(panic) => Some(failed(format!("it panicked: {}", panic_text(panic.as_ref())))),
            };
            if let Some(event) = event {
                context.tell(event);
            }
        });
    }

    /// Looks at L1, if the last look has ended.
    fn look(&mut self) {
        if std::mem::replace(&mut self.looking, true) {
            return;
        }
        let context = Arc::clone(&self.context);
        self.spawn(|cause| Event::L1Lost { cause }, async move {
            Some(match publish::look(&context).await {
                Ok(view) => Event::L1Seen(view),
                Err(cause) => Event::L1Lost { cause },
            })
        });
    }

    fn report(&mut self, change: Change) {
        metrics::changed(&change);
        if let Some(spell) = self.spells.changed(self.context.clock.now(), &change) {
            metrics::spent(&spell);
        }
        told::told(&change, self.context.clock.now());
        // Nobody may be listening.
        drop(self.outlets.changes.send(Arc::new(Entry { at: self.context.clock.now(), change })));
    }
}

fn failed_range(job: JobId) -> impl FnOnce(String) -> Event {
    move |cause| Event::RangeEnded { job, result: Err(JobError::Failed { cause }) }
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
