//! The streams that the coordinator writes to: workers, subscribers, task channels.

use crate::{owner::Release, queue::Sink};
use futures::{StreamExt, future, stream};
use proofmill_ledger::Timestamp;
use proofmill_primitives::{ProofId, TaskId, TaskKind, WorkerKind};
use proofmill_wire::worker::{
    EndOfStream, MessageStreamResponse, ServerMessage, ServerSubHeartbeat, ServerSubMessage, TaskResult,
    TaskStatus, UnknownTask, message_stream_response, server_sub_message::Message,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tonic::{Status, codegen::BoxStream};

/// What a subscriber does not acknowledge for so long is sent again; the SP1 cluster's figure.
pub(crate) const REPEAT_AFTER: Duration = Duration::from_secs(4);

/// A subscriber whose stream is gone for so long is forgotten: whoever it is names all that it waits for when it comes back, and
/// a controller that starts over never does.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// A worker's stream. The session tells an old stream from the one that took its place.
#[derive(Debug)]
pub(crate) struct WorkerLink {
    pub(crate) session: u64,
    /// Which process it is, where that is said.
    pub(crate) incarnation: Option<String>,
    pub(crate) sink: Sink<ServerMessage>,
    pub(crate) draining: bool,
    pub(crate) kind: WorkerKind,
}

impl WorkerLink {
    /// Whether it is a node of the SP1 cluster that takes no more tasks. Such nodes do not say which process they are, and no two have the
    /// same name. One that stops says so once, and then opens its stream as often as that breaks, for as long as what it holds takes:
    /// only its silence tells that it is gone.
    pub(crate) const fn is_leaving_node(&self) -> bool {
        self.draining && self.incarnation.is_none()
    }
}

/// A subscriber: whoever waits for the ends of some of a proof's tasks. What it is told goes out with the releases, so
/// that it hears of nothing that a crash could undo.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) proof: ProofId,
    /// What it waits for: tasks, and of one that no other task asked for, its kind.
    pub(crate) waiting: BTreeMap<TaskId, Option<TaskKind>>,
    /// It named a task before. One that did not may be about to, also after its proof: of that task it must hear something.
    pub(crate) has_named: bool,
    unacknowledged: BTreeMap<String, Told>,
    /// The tasks in `unacknowledged`: each is told of once at a time.
    told: BTreeSet<TaskId>,
    sink: Sink<ServerSubMessage>,
    /// Since when its stream is seen to be gone.
    gone_since: Option<Instant>,
    last_message: u64,
}

/// What a subscriber was told, and when last.
#[derive(Debug)]
struct Told {
    task: TaskId,
    message: ServerSubMessage,
    at: Instant,
}

impl Subscriber {
    pub(crate) fn new(proof: ProofId, sink: Sink<ServerSubMessage>) -> Self {
        Self {
            proof,
            waiting: BTreeMap::new(),
            has_named: false,
            unacknowledged: BTreeMap::new(),
            told: BTreeSet::new(),
            sink,
            gone_since: None,
            // A late acknowledgement from before a restart must not hit another message with the same number.
            last_message: Timestamp::now().as_millis().saturating_mul(1_000_000),
        }
    }

    /// The subscriber came back: what it did not acknowledge is sent again.
    pub(crate) fn reopen(&mut self, sink: Sink<ServerSubMessage>, now: Instant, out: &mut Vec<Release>) {
        (self.sink, self.gone_since) = (sink, None);
        self.repeat(now, Duration::ZERO, out);
    }

    /// Sends again what has not been acknowledged for so long. What waits to be read is not lost: as long as something does, nothing
    /// is put behind it once more.
    pub(crate) fn repeat(&mut self, now: Instant, after: Duration, out: &mut Vec<Release>) {
        if self.is_gone() || !self.sink.is_idle() {
            return;
        }
        for told in self.unacknowledged.values_mut() {
            if now.saturating_duration_since(told.at) >= after {
                told.at = now;
                release(&self.sink, told.message.clone(), out);
            }
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.sink.is_closed()
    }

    /// Whether it was told of a task's end, and has not acknowledged that.
    pub(crate) fn is_owed(&self) -> bool {
        !self.unacknowledged.is_empty()
    }

    /// Whether it has been gone for so long that it is to be forgotten.
    pub(crate) fn is_over(&mut self, now: Instant) -> bool {
        let gone = self.is_gone().then(|| *self.gone_since.get_or_insert(now));
        gone.is_some_and(|since| now.saturating_duration_since(since) >= FORGET_AFTER)
    }

    pub(crate) fn acknowledge(&mut self, message: &str) {
        if let Some(told) = self.unacknowledged.remove(message) {
            self.told.remove(&told.task);
        }
    }

    pub(crate) fn result(&mut self, task: &TaskId, status: TaskStatus, out: &mut Vec<Release>) {
        let result = TaskResult { task_id: task.to_string(), task_status: status.into() };
        self.send_until_acknowledged(task, Message::TaskResult(result), out);
    }

    /// Said once each time that the task is named: nothing is kept of what may be any text. Who comes back names all that it waits for.
    pub(crate) fn unknown(&mut self, task: &TaskId, out: &mut Vec<Release>) {
        let unknown = UnknownTask { proof_id: self.proof.to_string(), task_id: task.to_string() };
        let message = self.message(Message::UnknownTask(unknown));
        release(&self.sink, message, out);
    }

    /// Its proof has ended, and all tasks of it. Whoever asked for one from outside, as the SP1 cluster's command line does, waits for
    /// that one's end, and makes nothing of the stream's. What tasks asked for is withdrawn together with them.
    pub(crate) fn proof_ended(&mut self, is_made: bool, out: &mut Vec<Release>) {
        for (task, kind) in std::mem::take(&mut self.waiting) {
            let Some(kind) = kind else { continue };
            // These declare their proof made, and are done with that.
            let is_done = is_made && matches!(kind, TaskKind::Controller | TaskKind::ExecuteOnly);
            self.result(&task, if is_done { TaskStatus::Succeeded } else { TaskStatus::FailedFatal }, out);
        }
        self.end(out);
    }

    pub(crate) fn end(&mut self, out: &mut Vec<Release>) {
        let message = self.message(Message::EndOfStream(EndOfStream {}));
        release(&self.sink, message, out);
    }

    /// Goes out at once: it tells nothing but that the coordinator lives. So does whatever waits to be read.
    pub(crate) fn heartbeat(&mut self) {
        if self.sink.is_idle() {
            let message = self.message(Message::ServerHeartbeat(ServerSubHeartbeat {}));
            self.sink.send(message);
        }
    }

    fn send_until_acknowledged(&mut self, task: &TaskId, message: Message, out: &mut Vec<Release>) {
        if self.told.insert(task.clone()) {
            let message = self.message(message);
            let told = Told { task: task.clone(), message: message.clone(), at: Instant::now() };
            self.unacknowledged.insert(message.msg_id.clone(), told);
            release(&self.sink, message, out);
        }
    }

    fn message(&mut self, message: Message) -> ServerSubMessage {
        self.last_message += 1;
        // Padded, so that unacknowledged messages are kept in the order in which they were sent.
        ServerSubMessage { msg_id: format!("msg-{:020}", self.last_message), message: Some(message) }
    }
}

fn release<T: prost::Message + 'static>(sink: &Sink<T>, message: T, out: &mut Vec<Release>) {
    let sink = sink.clone();
    out.push(Box::new(move || sink.send(message)));
}

/// What a reader of a task's messages is sent.
pub(crate) type Messages = BoxStream<MessageStreamResponse>;

/// The most bytes of the messages of one task: all of them are kept in memory and in the ledger.
const MAX_SAID: usize = 1 << 30;

/// The messages that a running task sends to whoever follows it. Kept until its proof ends, for readers that come late
/// or come back, also after a restart. A task that is tried again sends them again. Each reader reads what is kept at its own pace:
/// nothing is kept for it. It hears nothing before it is durable: it comes back with the number of messages that it has had, and a
/// restart must not put others in their place.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) proof: ProofId,
    /// The bytes of all that was said.
    bytes: usize,
    /// The task has ended.
    is_over: bool,
    heard: watch::Sender<Log>,
}

/// What of it is durable.
#[derive(Debug, Default)]
struct Log {
    said: Vec<Arc<Vec<u8>>>,
    is_over: bool,
}

impl Log {
    fn add(&mut self, payload: Vec<u8>) {
        self.said.push(Arc::new(payload));
    }
}

impl Channel {
    pub(crate) fn new(proof: ProofId) -> Self {
        Self { proof, bytes: 0, is_over: false, heard: watch::Sender::new(Log::default()) }
    }

    /// Whether there is somebody left who may want it.
    pub(crate) fn write(&mut self, payload: Vec<u8>, out: &mut Vec<Release>) -> Result<bool, Status> {
        if self.is_over {
            return Ok(false);
        }
        let bytes = self.bytes.saturating_add(payload.len());
        if bytes > MAX_SAID {
            // As of one message that is too large: it is so as often as it is said.
            return Err(Status::out_of_range(format!(
                "the messages of a task have at most {MAX_SAID} bytes, and this one would be more: store what is large, and \
                 say its name"
            )));
        }
        self.bytes = bytes;
        let heard = self.heard.clone();
        out.push(Box::new(move || heard.send_modify(|log| log.add(payload))));
        Ok(true)
    }

    /// What was said before a restart.
    pub(crate) fn remember(&mut self, payload: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(payload.len());
        self.heard.send_modify(|log| log.add(payload));
    }

    /// Reads from the message with this number on.
    pub(crate) fn read(&self, start: u64) -> Messages {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        stream::unfold(Some((self.heard.subscribe(), start)), |reader| async move {
            let (mut log, at) = reader?;
            loop {
                let (said, is_over) = {
                    let log = log.borrow_and_update();
                    (log.said.get(at).cloned(), log.is_over)
                };
                match said {
                    Some(said) => return Some((Ok(payload_message(said.to_vec())), Some((log, at + 1)))),
                    None if is_over => return Some((Ok(end_message()), None)),
                    // Otherwise the coordinator stops.
                    None => log.changed().await.ok()?,
                }
            }
        })
        .boxed()
    }

    /// The task has ended.
    pub(crate) fn end(&mut self, out: &mut Vec<Release>) {
        if !std::mem::replace(&mut self.is_over, true) {
            let heard = self.heard.clone();
            out.push(Box::new(move || heard.send_modify(|log| log.is_over = true)));
        }
    }
}

/// What is to be read of a task that is not known any more.
pub(crate) fn nothing_but_the_end() -> Messages {
    stream::once(future::ready(Ok(end_message()))).boxed()
}

fn payload_message(payload: Vec<u8>) -> MessageStreamResponse {
    MessageStreamResponse { message: Some(message_stream_response::Message::Payload(payload)) }
}

fn end_message() -> MessageStreamResponse {
    let end = message_stream_response::Message::EndOfStream(EndOfStream {});
    MessageStreamResponse { message: Some(end) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::queue;
    use futures::FutureExt;

    #[test]
    fn a_subscriber_that_does_not_come_back_is_forgotten() {
        let (sink, source) = queue::stream("s".into(), || ());
        let mut subscriber = Subscriber::new("p".into(), sink);
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        assert!(!subscriber.is_over(began) && !subscriber.is_over(after(1_000)), "it is there");
        drop(source);
        assert!(!subscriber.is_over(after(1_000)) && !subscriber.is_over(after(1_059)));
        // It comes back, and goes again.
        let (sink, source) = queue::stream("s".into(), || ());
        subscriber.reopen(sink, after(1_059), &mut Vec::new());
        drop(source);
        assert!(!subscriber.is_over(after(1_061)) && !subscriber.is_over(after(1_120)));
        assert!(subscriber.is_over(after(1_121)));
    }

    /// It reads nothing, and what it was told is not acknowledged: it waits for it once, however long that lasts.
    #[test]
    fn a_subscriber_that_stopped_reading_is_not_sent_the_same_again_and_again() {
        let (sink, mut source) = queue::stream("s".into(), || ());
        let mut subscriber = Subscriber::new("p".into(), sink);
        let mut out = Vec::new();
        subscriber.result(&"t".into(), TaskStatus::Succeeded, &mut out);
        let told = Instant::now();
        out.drain(..).for_each(|release| release());
        for seconds in 1..100 {
            subscriber.repeat(told + Duration::from_secs(10 * seconds), REPEAT_AFTER, &mut out);
            subscriber.heartbeat();
            out.drain(..).for_each(|release| release());
        }
        let mut next = || source.next().now_or_never();
        let first = next().unwrap().unwrap().unwrap();
        assert!(matches!(first.message, Some(Message::TaskResult(_))) && next().is_none());
        // It has read, and says nothing: it may not have had it.
        subscriber.repeat(told + Duration::from_secs(2_000), REPEAT_AFTER, &mut out);
        out.drain(..).for_each(|release| release());
        assert_eq!(source.next().now_or_never().unwrap().unwrap().unwrap(), first);
    }

    /// A channel, and what is done once all is durable.
    fn spoken() -> (Channel, Vec<Release>) {
        (Channel::new("p".into()), Vec::new())
    }

    fn durable(out: &mut Vec<Release>) {
        out.drain(..).for_each(|release| release());
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_is_kept_nothing_for() {
        let (mut channel, mut out) = spoken();
        channel.remember(b"before".to_vec());
        let readers: Vec<_> = (0..10).map(|_| channel.read(0)).collect();
        assert!(channel.write(b"one".to_vec(), &mut out).unwrap());
        channel.end(&mut out);
        assert!(!channel.write(b"too late".to_vec(), &mut out).unwrap());
        durable(&mut out);
        assert!(channel.heard.borrow().said.iter().all(|said| Arc::strong_count(said) == 1));
        // Whoever reads on later has all of it, also after the proof.
        drop(channel);
        let all =
            [b"before".to_vec(), b"one".to_vec()].map(payload_message).into_iter().chain([end_message()]);
        let all: Vec<_> = all.collect();
        for reader in readers {
            assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>().await, all);
        }
    }

    #[tokio::test]
    async fn a_reader_hears_what_is_said_while_it_waits_and_the_end() {
        let (mut channel, mut out) = spoken();
        let mut reader = channel.read(1);
        let reading = tokio::spawn(async move { (reader.next().await, reader.next().await) });
        tokio::task::yield_now().await;
        channel.write(b"zero".to_vec(), &mut out).unwrap();
        channel.write(b"one".to_vec(), &mut out).unwrap();
        durable(&mut out);
        tokio::task::yield_now().await;
        channel.end(&mut out);
        durable(&mut out);
        let (one, end) = reading.await.unwrap();
        assert_eq!(one.unwrap().unwrap(), payload_message(b"one".to_vec()));
        assert_eq!(end.unwrap().unwrap(), end_message());
    }

    /// Otherwise it would come back after a kill with a number of messages of which nobody knows, and miss as many others.
    #[test]
    fn nothing_is_heard_before_it_is_durable() {
        let (mut channel, mut out) = spoken();
        channel.remember(b"before".to_vec());
        let mut reader = channel.read(0);
        channel.write(b"one".to_vec(), &mut out).unwrap();
        channel.end(&mut out);
        let mut next = || reader.next().now_or_never();
        assert_eq!(next().unwrap().unwrap().unwrap(), payload_message(b"before".to_vec()));
        assert!(next().is_none(), "it was heard before it was durable");
        durable(&mut out);
        assert_eq!(next().unwrap().unwrap().unwrap(), payload_message(b"one".to_vec()));
        assert_eq!(next().unwrap().unwrap().unwrap(), end_message());
    }

    #[test]
    fn a_task_may_say_no_more_than_is_kept() {
        let (mut channel, mut out) = spoken();
        channel.bytes = MAX_SAID - 3;
        assert!(channel.write(b"one".to_vec(), &mut out).unwrap());
        let refused = channel.write(b"two".to_vec(), &mut out).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::OutOfRange, "its worker would say it again and again");
        durable(&mut out);
        assert_eq!(channel.heard.borrow().said.len(), 1);
    }
}
