//! The reading around the core.

use super::{
    core::{Instead, StreamCore},
    status::{StreamStatus, Trouble, Waiting},
    tips::{BlockRef, StreamTips},
    view::{L1View, View},
};
use crate::{BlockAt, BlockHead, ChainError, ChainEvent, L2, Rollup};
use alloy_primitives::B256;
use proofmill_primitives::CheckpointNumber;
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::watch,
    time::{self, Instant},
};

/// How a stream reads.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    poll: Duration,
    tips: Option<StreamTips>,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self { poll: Duration::from_secs(2), tips: None }
    }
}

impl StreamOptions {
    /// How often the chains are looked at; every 2 s by default.
    #[must_use]
    pub const fn poll_every(mut self, interval: Duration) -> Self {
        self.poll = interval;
        self
    }

    /// Goes on from where another stream was. Without this, a stream begins with the first checkpoint of the first epoch
    /// that is not fully proven.
    #[must_use]
    pub fn resume(mut self, tips: StreamTips) -> Self {
        self.tips = Some(tips);
        self
    }
}

/// The events of a rollup, from L1 and L2.
///
/// [`next`](Self::next) gives an event, [`acknowledge`](Self::acknowledge) moves on. An event that is not acknowledged is
/// given again after the poll interval, unless the chains have moved on so that another one is true. A chain that is away
/// is waited for: see [`status`](Self::status).
#[derive(Debug)]
pub struct ChainStream {
    rollup: Rollup,
    l2: L2,
    poll: Duration,
    core: StreamCore,
    view: Option<View>,
    /// When the chains were read.
    read: Option<Instant>,
    /// When they are read again.
    due: Instant,
    /// The proven tip in the final block with this hash.
    finalized: Option<(B256, Option<CheckpointNumber>)>,
    status: watch::Sender<StreamStatus>,
}

impl ChainStream {
    /// A stream over the rollup's contract and the node of its chain. Reads nothing yet.
    ///
    /// Errors when the L2 node is of another chain than the contract.
    pub fn new(rollup: Rollup, l2: L2, options: StreamOptions) -> Result<Self, ChainError> {
        let config = rollup.config();
        if l2.chain_id() != config.chain_id {
            return Err(ChainError::WrongChain {
                endpoint: "the L2 node".to_owned(),
                expected: config.chain_id,
                got: l2.chain_id(),
            });
        }
        let genesis = BlockRef { number: config.genesis.number, hash: config.genesis.hash };
        let core = StreamCore::new(config.clock, genesis, options.tips);
        Ok(Self {
            core,
            rollup,
            l2,
            poll: options.poll,
            view: None,
            read: None,
            due: Instant::now(),
            finalized: None,
            status: watch::Sender::new(StreamStatus::default()),
        })
    }

    /// How the stream is, kept up to date.
    pub fn status(&self) -> watch::Receiver<StreamStatus> {
        self.status.subscribe()
    }

    /// What was told and acknowledged, for [`StreamOptions::resume`]; none until L1 was read.
    pub const fn tips(&self) -> Option<&StreamTips> {
        self.core.tips()
    }

    /// The next event. Waits as long as nothing happens, or a chain is away.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> ChainEvent {
        let mut stale = self.core.is_offering() || self.read.is_none_or(|read| read.elapsed() > self.poll);
        loop {
            if stale {
                time::sleep_until(self.due).await;
                self.read().await;
                stale = false;
            }
            let Some(view) = &mut self.view else {
                self.due = Instant::now() + self.poll;
                stale = true;
                continue;
            };
            let has_begun = self.core.tips().is_some();
            let step = self.core.step(view);
            if let Some(tips) = self.core.tips().filter(|_| !has_begun) {
                let (first, contract) = (tips.checkpointed().next(), view.l1.tips);
                tracing::info!(
                    %first, proven = %contract.proven, pending = %contract.pending,
                    "the chain stream begins with the first checkpoint of the first epoch that is not fully proven"
                );
            }
            match step {
                Ok(event) => {
                    // If it comes back here without an acknowledgement.
                    self.due = Instant::now() + self.poll;
                    return event;
                }
                Err(Instead::LookUpL1(number)) => match self.rollup.l1().block(BlockAt::Number(number)).await
                {
                    Ok(block) => {
                        view.l1_hashes.insert(number, block.map(|block| block.hash));
                    }
                    Err(error) => {
                        self.l1_is(Some(error));
                        self.due = Instant::now() + self.poll;
                        stale = true;
                    }
                },
                Err(Instead::LookUpL2(number)) => match self.l2.block(BlockAt::Number(number)).await {
                    Ok(block) => {
                        view.l2_hashes.insert(number, block.map(|block| block.hash));
                    }
                    Err(error) => {
                        view.l2 = None;
                        self.l2_is(Some(error));
                    }
                },
                Err(Instead::Wait(waiting)) => {
                    view.doubt(waiting);
                    self.status.send_if_modified(|status| {
                        let before = std::mem::replace(&mut status.waiting, waiting);
                        if before != waiting {
                            tracing::debug!(%waiting, "the chain stream waits");
                        }
                        before != waiting
                    });
                    self.due = Instant::now() + self.poll;
                    stale = true;
                }
            }
        }
    }

    /// The event that [`next`](Self::next) gave last is dealt with, and does not come again.
    pub fn acknowledge(&mut self) {
        self.core.acknowledge();
        self.due = Instant::now();
        let checkpointed = self.core.tips().map(StreamTips::checkpointed).unwrap_or_default();
        self.status.send_if_modified(|status| {
            let before = (status.checkpointed, status.waiting);
            (status.checkpointed, status.waiting) = (checkpointed, Waiting::Nothing);
            before != (status.checkpointed, status.waiting)
        });
    }

    /// Reads both chains. One that is away stays as it was read last, which is told in the status.
    async fn read(&mut self) {
        self.read = Some(Instant::now());
        let known = self.view.as_ref().map(|view| view.l1.head.hash);
        let (l1, l2) =
            tokio::join!(read_l1(&self.rollup, &self.core, known, &mut self.finalized), self.l2.head());
        let (l1, l1_error) = split(l1);
        let (l2, l2_error) = split(l2);
        self.l1_is(l1_error);
        self.l2_is(l2_error);
        match (&mut self.view, l1.flatten()) {
            (Some(view), l1) => {
                if let Some(l1) = l1 {
                    view.l1 = l1;
                    view.l1_hashes.clear();
                }
                view.l2_is(l2);
            }
            (None, Some(l1)) => {
                self.view = Some(View { l1, l1_hashes: BTreeMap::new(), l2, l2_hashes: BTreeMap::new() });
            }
            (None, None) => {}
        }
        let l1 = self.view.as_ref().map(|view| (view.l1.head, view.l1.tips));
        self.status.send_if_modified(|status| {
            let before = (status.l1, status.contract, status.l2);
            if let Some((head, contract)) = l1 {
                (status.l1, status.contract) = (Some(head), contract);
            }
            status.l2 = l2.or(status.l2);
            before != (status.l1, status.contract, status.l2)
        });
    }

    fn l1_is(&self, error: Option<ChainError>) {
        self.status.send_if_modified(|status| note("L1", &mut status.l1_trouble, error));
    }

    fn l2_is(&self, error: Option<ChainError>) {
        self.status.send_if_modified(|status| note("L2", &mut status.l2_trouble, error));
    }
}

fn split<T>(result: Result<T, ChainError>) -> (Option<T>, Option<ChainError>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    }
}

/// Keeps what is wrong with a chain, and says in the log when it begins and ends.
fn note(chain: &str, trouble: &mut Option<Trouble>, error: Option<ChainError>) -> bool {
    let (before, error) = (trouble.take(), error.map(|error| error.to_string()));
    match (&before, &error) {
        (None, Some(error)) => tracing::warn!(chain, error, "a chain cannot be read; trying again"),
        (Some(_), None) => tracing::info!(chain, "the chain can be read again"),
        _ => {}
    }
    *trouble = error.map(|error| Trouble {
        since: before.as_ref().map_or_else(SystemTime::now, |trouble| trouble.since),
        error,
    });
    *trouble != before
}

/// L1 in its newest block; none if that is the block that is known already.
async fn read_l1(
    rollup: &Rollup,
    core: &StreamCore,
    known: Option<B256>,
    finalized: &mut Option<(B256, Option<CheckpointNumber>)>,
) -> Result<Option<L1View>, ChainError> {
    let head: BlockHead = rollup.l1().head().await?;
    if known == Some(head.hash) {
        return Ok(None);
    }
    let at = Some(head.hash);
    let tips = rollup.tips_at(at).await?;
    let checkpoints = rollup.checkpoints_at(core.first_to_read(tips), tips.pending, at).await?;
    Ok(Some(L1View { head, tips, checkpoints, finalized: read_finalized(rollup, finalized).await? }))
}

/// The proven tip in the newest final block. None where the chain has no final blocks, or the contract is younger, or the
/// node no longer has that state: it comes with a later one.
async fn read_finalized(
    rollup: &Rollup,
    cache: &mut Option<(B256, Option<CheckpointNumber>)>,
) -> Result<Option<CheckpointNumber>, ChainError> {
    let Some(block) = if_known(rollup.l1().block(BlockAt::Finalized).await)?.flatten() else {
        return Ok(None);
    };
    match *cache {
        Some((hash, tip)) if hash == block.hash => Ok(tip),
        _ => {
            let tip = if_known(rollup.tips_at(Some(block.hash)).await)?.map(|tips| tips.proven);
            *cache = Some((block.hash, tip));
            Ok(tip)
        }
    }
}

/// None where the node answers, but has no answer to this.
fn if_known<T>(answer: Result<T, ChainError>) -> Result<Option<T>, ChainError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error @ ChainError::Unreachable { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}
