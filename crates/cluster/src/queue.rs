//! The stream to one reader. Who reads slowly is waited for, up to a bound. Whoever lags further is told to come back, and is
//! then sent again what it has not had.

use proofmill_wire::MAX_MESSAGE;
use prost::Message;
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use tonic::Status;

/// The most bytes by which a reader may lag, as messages are on the wire. One message more than that always fits, so that none is
/// too large to be sent.
const LAG: usize = MAX_MESSAGE;

/// What is called once when nobody reads any more.
type Gone = Box<dyn FnOnce() + Send>;

/// The writing end. The stream ends when all clones of it are dropped.
pub(crate) struct Sink<T>(Arc<Writer<T>>);

/// The reading end, as tonic takes it.
pub(crate) struct Source<T>(Arc<Queue<T>>);

struct Writer<T>(Arc<Queue<T>>);

struct Queue<T> {
    /// Who reads, for the log.
    reader: String,
    lag: usize,
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    waiting: VecDeque<(usize, T)>,
    bytes: usize,
    standing: Standing,
    waker: Option<Waker>,
    gone: Option<Gone>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    /// It lags too far, and is yet to be told so.
    Behind,
    /// Nothing more comes after what waits.
    Over,
}

/// A stream to this reader; `gone` is called when nobody reads it any more, or its reader lags too far.
pub(crate) fn stream<T>(reader: String, gone: impl FnOnce() + Send + 'static) -> (Sink<T>, Source<T>) {
    lagging(reader, LAG, gone)
}

fn lagging<T>(reader: String, lag: usize, gone: impl FnOnce() + Send + 'static) -> (Sink<T>, Source<T>) {
    let inner = Inner {
        waiting: VecDeque::new(),
        bytes: 0,
        standing: Standing::Open,
        waker: None,
        gone: Some(Box::new(gone)),
    };
    let queue = Arc::new(Queue { reader, lag, inner: Mutex::new(inner) });
    (Sink(Arc::new(Writer(queue.clone()))), Source(queue))
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inner<T> {
    /// Nothing more is taken, and what waits goes. Gives what is to be called, without the lock.
    fn shut(&mut self, standing: Standing) -> Option<Gone> {
        self.waiting = VecDeque::new();
        (self.bytes, self.standing) = (0, standing);
        self.gone.take()
    }
}

impl<T: Message> Sink<T> {
    /// Sends a message. One that is gone does not hear it.
    pub(crate) fn send(&self, message: T) {
        let queue = &*self.0.0;
        // What an empty one takes counts too.
        let bytes = message.encoded_len() + size_of::<T>();
        let mut inner = queue.lock();
        if inner.standing != Standing::Open {
            return;
        }
        let waker = inner.waker.take();
        let gone = if inner.bytes <= queue.lag {
            inner.waiting.push_back((bytes, message));
            inner.bytes += bytes;
            None
        } else {
            inner.shut(Standing::Behind)
        };
        drop(inner);
        if let Some(gone) = gone {
            let (reader, lag) = (&queue.reader, queue.lag);
            tracing::warn!(reader, lag, "a reader lags too far: its stream ends, and it is to open another");
            gone();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Sink<T> {
    /// Whether nothing that is sent is read any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.0.lock().standing != Standing::Open
    }

    /// Whether its reader has taken all that was sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.0.lock().waiting.is_empty()
    }
}

impl<T> Clone for Sink<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Sink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sink({})", self.0.0.reader)
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        if inner.standing == Standing::Open {
            inner.standing = Standing::Over;
        }
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Source<T> {
    /// Ends a stream that was never begun: nobody needs to be told.
    pub(crate) fn abandon(self) {
        drop(self.0.lock().gone.take());
    }
}

impl<T> futures::Stream for Source<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut inner = self.0.lock();
        if let Some((bytes, message)) = inner.waiting.pop_front() {
            inner.bytes -= bytes;
            return Poll::Ready(Some(Ok(message)));
        }
        match inner.standing {
            Standing::Open => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Standing::Behind => {
                inner.standing = Standing::Over;
                let text = format!(
                    "this stream was read too slowly, and more than {} bytes waited: open it again, and what was not \
                     acknowledged is sent again",
                    self.0.lag
                );
                Poll::Ready(Some(Err(Status::unavailable(text))))
            }
            Standing::Over => Poll::Ready(None),
        }
    }
}

impl<T> Drop for Source<T> {
    fn drop(&mut self) {
        let gone = self.0.lock().shut(Standing::Over);
        if let Some(gone) = gone {
            gone();
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use futures::{FutureExt, StreamExt};
    use proofmill_wire::worker::{CancelTask, ServerMessage, server_message};
    use std::sync::atomic::{AtomicU32, Ordering};

    fn withdrawal(task: &str) -> ServerMessage {
        let cancel = CancelTask { proof_id: "p".into(), task_id: task.into() };
        ServerMessage { message: Some(server_message::Message::CancelTask(cancel)) }
    }

    fn counted(lag: usize) -> (Sink<ServerMessage>, Source<ServerMessage>, Arc<AtomicU32>) {
        let gone = Arc::new(AtomicU32::new(0));
        let counts = gone.clone();
        let (sink, source) = lagging("w".into(), lag, move || {
            counts.fetch_add(1, Ordering::Relaxed);
        });
        (sink, source, gone)
    }

    #[test]
    fn a_reader_that_stopped_is_told_to_come_back() {
        let (sink, mut source, gone) = counted(10_000);
        let sent = 1_000;
        (0..sent).for_each(|number| sink.send(withdrawal(&number.to_string())));
        // What waited is let go at once, not when it reads on.
        assert!(sink.is_closed() && sink.is_idle());
        assert_eq!((source.0.lock().waiting.capacity(), gone.load(Ordering::Relaxed)), (0, 1));
        let told = source.next().now_or_never().unwrap().unwrap().unwrap_err();
        assert_eq!(told.code(), tonic::Code::Unavailable);
        assert!(told.message().contains("open it again"), "{told}");
        assert!(source.next().now_or_never().unwrap().is_none());
        drop((source, sink));
        assert_eq!(gone.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_reader_that_reads_misses_nothing() {
        let (sink, mut source, gone) = counted(10_000);
        assert!(source.next().now_or_never().is_none());
        for number in 0..1_000 {
            let message = withdrawal(&number.to_string());
            sink.send(message.clone());
            assert_eq!(source.next().now_or_never().unwrap().unwrap().unwrap(), message);
        }
        // One that is larger than all that may wait is sent nevertheless, and what waits is read to its end.
        let large = withdrawal(&"x".repeat(20_000));
        sink.send(large.clone());
        drop(sink);
        assert_eq!(source.next().now_or_never().unwrap().unwrap().unwrap(), large);
        assert!(source.next().now_or_never().unwrap().is_none());
        drop(source);
        assert_eq!(gone.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn nobody_is_told_of_the_end_of_a_stream_that_was_never_begun() {
        let (sink, source, gone) = counted(10_000);
        source.abandon();
        assert!(sink.is_closed());
        assert_eq!(gone.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (sink, mut source, _) = counted(10_000);
        let reading = tokio::spawn(async move { (source.next().await, source.next().await.is_none()) });
        tokio::task::yield_now().await;
        sink.send(withdrawal("t"));
        tokio::task::yield_now().await;
        drop(sink);
        let (first, is_over) = reading.await.unwrap();
        assert_eq!(first.unwrap().unwrap(), withdrawal("t"));
        assert!(is_over);
    }
}
