//! The streams that the coordinator writes to: workers, subscribers, task channels.

use proofmill_primitives::{ProofId, TaskId};
use proofmill_wire::worker::{
    EndOfStream, MessageStreamResponse, ServerMessage, ServerSubHeartbeat, ServerSubMessage, TaskResult, TaskStatus,
    UnknownTask, message_stream_response, server_sub_message::Message,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::mpsc;
use tonic::Status;

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
    pub(crate) sink: Sink<ServerMessage>,
    pub(crate) draining: bool,
}

/// A subscriber: whoever waits for the ends of some of a proof's tasks.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) proof: ProofId,
    pub(crate) waiting: BTreeSet<TaskId>,
    unacknowledged: BTreeMap<String, ServerSubMessage>,
    sink: Sink<ServerSubMessage>,
    messages: u64,
}

impl Subscriber {
    pub(crate) fn new(proof: ProofId, sink: Sink<ServerSubMessage>) -> Self {
        Self { proof, waiting: BTreeSet::new(), unacknowledged: BTreeMap::new(), sink, messages: 0 }
    }

    /// The subscriber came back: what it did not acknowledge is sent again.
    pub(crate) fn reopen(&mut self, sink: Sink<ServerSubMessage>) {
        self.sink = sink;
        for message in self.unacknowledged.values() {
            drop(self.sink.send(Ok(message.clone())));
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.sink.is_closed()
    }

    pub(crate) fn acknowledge(&mut self, message: &str) {
        self.unacknowledged.remove(message);
    }

    pub(crate) fn result(&mut self, task: &TaskId, status: TaskStatus) {
        let result = TaskResult { task_id: task.to_string(), task_status: status.into() };
        self.send(Message::TaskResult(result), Delivery::UntilAcknowledged);
    }

    pub(crate) fn unknown(&mut self, task: &TaskId) {
        let unknown = UnknownTask { proof_id: self.proof.to_string(), task_id: task.to_string() };
        self.send(Message::UnknownTask(unknown), Delivery::UntilAcknowledged);
    }

    pub(crate) fn end(&mut self) {
        self.send(Message::EndOfStream(EndOfStream {}), Delivery::Once);
    }

    pub(crate) fn heartbeat(&mut self) {
        self.send(Message::ServerHeartbeat(ServerSubHeartbeat {}), Delivery::Once);
    }

    fn send(&mut self, message: Message, delivery: Delivery) {
        self.messages += 1;
        // Padded, so that unacknowledged messages are kept in the order in which they were sent.
        let msg_id = format!("msg-{:012}", self.messages);
        let message = ServerSubMessage { msg_id: msg_id.clone(), message: Some(message) };
        if delivery == Delivery::UntilAcknowledged {
            self.unacknowledged.insert(msg_id, message.clone());
        }
        drop(self.sink.send(Ok(message)));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Once,
    UntilAcknowledged,
}

/// The messages that running tasks send to one task. Kept while the task lives, for readers that come or come back.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    log: Vec<Vec<u8>>,
    readers: Vec<Sink<MessageStreamResponse>>,
}

impl Channel {
    pub(crate) fn write(&mut self, payload: Vec<u8>) {
        self.readers.retain(|reader| reader.send(Ok(message(payload.clone()))).is_ok());
        self.log.push(payload);
    }

    /// Reads from the message with this number on.
    pub(crate) fn read(&mut self, start: u64, reader: Sink<MessageStreamResponse>) {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        for payload in self.log.iter().skip(start) {
            drop(reader.send(Ok(message(payload.clone()))));
        }
        self.readers.push(reader);
    }

    pub(crate) fn end(self) {
        for reader in self.readers {
            let end = message_stream_response::Message::EndOfStream(EndOfStream {});
            drop(reader.send(Ok(MessageStreamResponse { message: Some(end) })));
        }
    }
}

fn message(payload: Vec<u8>) -> MessageStreamResponse {
    MessageStreamResponse { message: Some(message_stream_response::Message::Payload(payload)) }
}
