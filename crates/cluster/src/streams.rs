//! The streams that the coordinator writes to: workers, subscribers, task channels.

use crate::owner::Release;
use proofmill_ledger::Timestamp;
use proofmill_primitives::{ProofId, TaskId, WorkerKind};
use proofmill_wire::worker::{
    EndOfStream, MessageStreamResponse, ServerMessage, ServerSubHeartbeat, ServerSubMessage, TaskResult,
    TaskStatus, UnknownTask, message_stream_response, server_sub_message::Message,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tonic::Status;

/// What a subscriber does not acknowledge for so long is sent again; the SP1 cluster's figure.
pub(crate) const REPEAT_AFTER: Duration = Duration::from_secs(4);

/// A subscriber whose stream is gone for so long is forgotten: whoever it is names all that it waits for when it comes back, and
/// a controller that starts over never does.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// The writing end of a stream. Unbounded: what is written is bounded by the tasks that a worker or a proof has.
pub(crate) type Sink<T> = mpsc::UnboundedSender<Result<T, Status>>;

/// The reading end, as tonic takes it. Tells when its client is gone.
pub(crate) struct Source<T> {
    messages: mpsc::UnboundedReceiver<Result<T, Status>>,
    gone: Option<Box<dyn FnOnce() + Send>>,
}

/// A stream; `gone` is called when nobody reads it any more.
pub(crate) fn stream<T>(gone: impl FnOnce() + Send + 'static) -> (Sink<T>, Source<T>) {
    let (sink, messages) = mpsc::unbounded_channel();
    (sink, Source { messages, gone: Some(Box::new(gone)) })
}

impl<T> futures::Stream for Source<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_recv(cx)
    }
}

impl<T> Drop for Source<T> {
    fn drop(&mut self) {
        if let Some(gone) = self.gone.take() {
            gone();
        }
    }
}

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

/// A subscriber: whoever waits for the ends of some of a proof's tasks. What it is told goes out with the releases, so
/// that it hears of nothing that a crash could undo.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) proof: ProofId,
    pub(crate) waiting: BTreeSet<TaskId>,
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
            waiting: BTreeSet::new(),
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

    /// Sends again what has not been acknowledged for so long.
    pub(crate) fn repeat(&mut self, now: Instant, after: Duration, out: &mut Vec<Release>) {
        if self.is_gone() {
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

    pub(crate) fn unknown(&mut self, task: &TaskId, out: &mut Vec<Release>) {
        let unknown = UnknownTask { proof_id: self.proof.to_string(), task_id: task.to_string() };
        self.send_until_acknowledged(task, Message::UnknownTask(unknown), out);
    }

    pub(crate) fn end(&mut self, out: &mut Vec<Release>) {
        let message = self.message(Message::EndOfStream(EndOfStream {}));
        release(&self.sink, message, out);
    }

    /// Goes out at once: it tells nothing but that the coordinator lives.
    pub(crate) fn heartbeat(&mut self) {
        let message = self.message(Message::ServerHeartbeat(ServerSubHeartbeat {}));
        drop(self.sink.send(Ok(message)));
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

fn release<T: Send + 'static>(sink: &Sink<T>, message: T, out: &mut Vec<Release>) {
    let sink = sink.clone();
    // Whoever is gone does not hear it.
    out.push(Box::new(move || drop(sink.send(Ok(message)))));
}

/// The messages that a running task sends to whoever follows it. Kept until its proof ends, for readers that come late
/// or come back, also after a restart. A task that is tried again sends them again.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) proof: ProofId,
    log: Vec<Vec<u8>>,
    /// `None` once the task has ended.
    readers: Option<Vec<Sink<MessageStreamResponse>>>,
}

impl Channel {
    pub(crate) const fn new(proof: ProofId) -> Self {
        Self { proof, log: Vec::new(), readers: Some(Vec::new()) }
    }

    /// Whether there is somebody left who may want it.
    pub(crate) fn write(&mut self, payload: Vec<u8>) -> bool {
        let Some(readers) = &mut self.readers else { return false };
        readers.retain(|reader| reader.send(Ok(payload_message(payload.clone()))).is_ok());
        self.log.push(payload);
        true
    }

    /// What was said before a restart.
    pub(crate) fn remember(&mut self, payload: Vec<u8>) {
        self.log.push(payload);
    }

    /// Reads from the message with this number on.
    pub(crate) fn read(&mut self, start: u64, reader: Sink<MessageStreamResponse>) {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        for payload in self.log.iter().skip(start) {
            drop(reader.send(Ok(payload_message(payload.clone()))));
        }
        match &mut self.readers {
            Some(readers) => {
                // One that comes back again and again while nothing is said is kept once.
                readers.retain(|reader| !reader.is_closed());
                readers.push(reader);
            }
            None => send_end(&reader),
        }
    }

    /// The task has ended.
    pub(crate) fn end(&mut self) {
        self.readers.take().into_iter().flatten().for_each(|reader| send_end(&reader));
    }
}

fn payload_message(payload: Vec<u8>) -> MessageStreamResponse {
    MessageStreamResponse { message: Some(message_stream_response::Message::Payload(payload)) }
}

pub(crate) fn send_end(reader: &Sink<MessageStreamResponse>) {
    let end = message_stream_response::Message::EndOfStream(EndOfStream {});
    drop(reader.send(Ok(MessageStreamResponse { message: Some(end) })));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_that_does_not_come_back_is_forgotten() {
        let (sink, source) = stream(|| ());
        let mut subscriber = Subscriber::new("p".into(), sink);
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        assert!(!subscriber.is_over(began) && !subscriber.is_over(after(1_000)), "it is there");
        drop(source);
        assert!(!subscriber.is_over(after(1_000)) && !subscriber.is_over(after(1_059)));
        // It comes back, and goes again.
        let (sink, source) = stream(|| ());
        subscriber.reopen(sink, after(1_059), &mut Vec::new());
        drop(source);
        assert!(!subscriber.is_over(after(1_061)) && !subscriber.is_over(after(1_120)));
        assert!(subscriber.is_over(after(1_121)));
    }

    #[test]
    fn a_reader_that_comes_back_while_nothing_is_said_is_kept_once() {
        let mut channel = Channel::new("p".into());
        for _ in 0..10 {
            let (sink, source) = stream(|| ());
            channel.read(0, sink);
            drop(source);
        }
        assert_eq!(channel.readers.map(|readers| readers.len()), Some(1));
    }
}
