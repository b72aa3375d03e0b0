//! Where chain events come from.

use super::Away;
use futures::{StreamExt, future::BoxFuture, stream::BoxStream};
use proofmill_chain::{ChainEvent, ChainStream, L2, Rollup, StreamOptions};

/// Tells what happens to the chain, one event at a time.
pub trait ChainSource: Send {
    /// Begins anew: the first checkpoint that is told is the first of the first epoch that is not fully proven.
    ///
    /// # Errors
    ///
    /// [`Away`] where that cannot be done now.
    fn begin(&mut self) -> Result<(), Away>;

    /// The next event. It comes again until it is acknowledged, as long as it is true. Dropping the future loses nothing.
    fn next(&mut self) -> BoxFuture<'_, ChainEvent>;

    /// The last event was dealt with.
    fn acknowledge(&mut self);

    /// What keeps events from coming (a node that is away, or on another branch), each time that changes; nothing when all
    /// is well. Asked for after each [`begin`](Self::begin). By default nothing is ever known of that.
    fn troubles(&self) -> BoxStream<'static, Option<String>> {
        futures::stream::pending().boxed()
    }
}

/// The chain stream over a rollup's contract and the node of its chain.
#[derive(Debug)]
pub struct ChainFeed {
    rollup: Rollup,
    l2: L2,
    options: StreamOptions,
    stream: ChainStream,
}

impl ChainFeed {
    /// A feed that reads nothing yet.
    ///
    /// # Errors
    ///
    /// [`proofmill_chain::ChainError`] when the L2 node is of another chain than the contract.
    pub fn new(rollup: Rollup, l2: L2, options: StreamOptions) -> Result<Self, proofmill_chain::ChainError> {
        let stream = ChainStream::new(rollup.clone(), l2.clone(), options.clone())?;
        Ok(Self { rollup, l2, options, stream })
    }

    /// How the stream is.
    pub const fn stream(&self) -> &ChainStream {
        &self.stream
    }
}

impl ChainSource for ChainFeed {
    fn begin(&mut self) -> Result<(), Away> {
        let stream = ChainStream::new(self.rollup.clone(), self.l2.clone(), self.options.clone());
        self.stream = stream.map_err(Away::because)?;
        Ok(())
    }

    fn next(&mut self) -> BoxFuture<'_, ChainEvent> {
        Box::pin(self.stream.next())
    }

    fn acknowledge(&mut self) {
        self.stream.acknowledge();
    }

    fn troubles(&self) -> BoxStream<'static, Option<String>> {
        let changes = futures::stream::unfold(self.stream.status(), |mut status| async {
            status.changed().await.ok()?;
            let trouble = status.borrow_and_update().trouble();
            Some((trouble, status))
        });
        changes.boxed()
    }
}
