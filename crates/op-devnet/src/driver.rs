//! What goes on by itself: following L1, making blocks, posting them.

use crate::{
    OpDevnetError,
    batcher::{Batcher, Format},
    chain::Chain,
    error::SealError,
    inbox::Inbox,
    l1::{L1Chain, L1Client},
    send::Sender,
};
use alloy_signer_local::PrivateKeySigner;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    task::spawn_blocking,
    time::{self, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// How often L1 is looked at.
const BEAT: Duration = Duration::from_millis(200);
/// How many blocks are made, where they are late, before L1 is looked at again.
const MOST_AT_ONCE: usize = 32;

/// What requests, the sequencer and the batcher share.
#[derive(Debug)]
pub(crate) struct Shared {
    chain: RwLock<Chain>,
    l1: RwLock<Arc<L1Chain>>,
    inbox: RwLock<Inbox>,
    /// In L1 blocks.
    finality_depth: u64,
    /// Whether there is a batcher.
    pub(crate) batching: AtomicBool,
}

impl Shared {
    pub(crate) fn new(chain: Chain, l1: L1Chain, finality_depth: u64) -> Self {
        Self {
            chain: RwLock::new(chain),
            l1: RwLock::new(Arc::new(l1)),
            inbox: RwLock::default(),
            finality_depth,
            batching: AtomicBool::new(true),
        }
    }

    pub(crate) fn chain(&self) -> RwLockReadGuard<'_, Chain> {
        self.chain.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn chain_mut(&self) -> RwLockWriteGuard<'_, Chain> {
        self.chain.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn l1(&self) -> Arc<L1Chain> {
        Arc::clone(&self.l1.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn inbox(&self) -> RwLockReadGuard<'_, Inbox> {
        self.inbox.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn inbox_mut(&self) -> RwLockWriteGuard<'_, Inbox> {
        self.inbox.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last L1 block that is final.
    pub(crate) fn final_l1(&self, l1: &L1Chain) -> u64 {
        l1.tip().number.saturating_sub(self.finality_depth).max(l1.first().number)
    }

    /// Makes the next block, if it is time.
    fn make_block(&self) -> Result<bool, SealError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let (config, next) = {
            let (chain, l1) = (self.chain(), self.l1());
            if chain.head().header.timestamp + chain.config.rules.block_time > now {
                return Ok(false);
            }
            (Arc::clone(&chain.config), chain.next(&l1))
        };
        let Some(next) = next else { return Ok(false) };
        let sealing = next.seal(&config)?;
        self.chain_mut().push(sealing);
        Ok(true)
    }

    /// Says anew what is safe and what is finalized.
    fn judge(&self) {
        let l1 = self.l1();
        let (safe, finalized) = {
            let (chain, inbox) = (self.chain(), self.inbox());
            let at = |until| inbox.safe_at(&chain, &l1, until);
            (at(l1.tip().number), at(self.final_l1(&l1)))
        };
        let mut chain = self.chain_mut();
        (chain.safe, chain.finalized) = (safe, finalized);
    }
}

/// Does what goes on by itself.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: L1Client,
    pub(crate) sender: Sender,
    pub(crate) batcher_key: PrivateKeySigner,
    pub(crate) format: Format,
}

impl Driver {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut batcher: Option<Batcher> = None;
        let mut beat = time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = self.step(&mut batcher) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn step(&self, batcher: &mut Option<Batcher>) {
        match self.follow().await {
            Ok(true) => batcher.iter_mut().for_each(Batcher::reset),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "L1 is not followed"),
        }
        for _ in 0..MOST_AT_ONCE {
            let shared = Arc::clone(&self.shared);
            match spawn_blocking(move || shared.make_block()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => break,
                Ok(Err(error)) => {
                    tracing::error!(%error, "no L2 block could be made");
                    break;
                }
                Err(error) => {
                    tracing::error!(%error, "making an L2 block was cut short");
                    break;
                }
            }
        }
        if !self.shared.batching.load(Ordering::Relaxed) {
            *batcher = None;
            return;
        }
        let batcher = batcher.get_or_insert_with(|| {
            let (shared, sender, key) = (&self.shared, &self.sender, &self.batcher_key);
            Batcher::new(Arc::clone(shared), sender.clone(), key.clone(), self.format)
        });
        if let Err(error) = batcher.step().await {
            tracing::warn!(%error, "batches could not be posted");
        }
    }

    /// What L1 has new. Whether it was replaced in part.
    async fn follow(&self) -> Result<bool, OpDevnetError> {
        let Some((now, replaced)) = self.shared.l1().follow(&self.client).await? else { return Ok(false) };
        let now = Arc::new(now);
        *self.shared.l1.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&now);
        if replaced && let Some(last) = self.shared.chain_mut().reset(&now) {
            tracing::warn!(
                block = last,
                "L1 was replaced in part: L2 goes on from its last block that stands"
            );
        }
        self.shared.judge();
        Ok(replaced)
    }
}

/// Makes a block of L1 each time, where its node does not.
pub(crate) async fn mine(client: L1Client, every: Duration, stop: CancellationToken) {
    let mut beat = time::interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = client.ask::<Value>("evm_mine", json!([])).await {
            tracing::warn!(%error, "no L1 block could be made");
        }
    }
}
