//! What was posted to L1, and up to where L2 is safe by it.

use crate::{chain::Chain, l1::L1Chain};
use alloy_primitives::{Address, B256, Bytes};
use std::collections::{HashMap, VecDeque};

/// Of how many transactions the blobs are kept.
const MOST_WITH_BLOBS: usize = 4_096;

/// A channel that was posted.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    /// The first block in it.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) last_hash: B256,
    /// Those that carry it, in order.
    pub(crate) transactions: Vec<B256>,
}

/// All channels that were posted, whether L1 has them or not.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    channels: Vec<Channel>,
    /// The blobs of each transaction.
    blobs: HashMap<B256, Vec<Bytes>>,
    /// The order in which they came.
    with_blobs: VecDeque<B256>,
}

impl Channel {
    /// The L1 block with which it is whole: `batcher` must be the one of each block.
    pub(crate) fn whole_at(&self, l1: &L1Chain, batcher: Address) -> Option<u64> {
        let of_batcher =
            |number: &u64| l1.by_number(*number).is_some_and(|block| block.system.batcher == batcher);
        let included = self.transactions.iter().map(|hash| l1.inclusion(hash).filter(of_batcher));
        included.collect::<Option<Vec<u64>>>()?.into_iter().max()
    }
}

impl Inbox {
    pub(crate) fn add_blobs(&mut self, transaction: B256, blobs: Vec<Bytes>) {
        self.blobs.insert(transaction, blobs);
        self.with_blobs.push_back(transaction);
        if self.with_blobs.len() > MOST_WITH_BLOBS
            && let Some(oldest) = self.with_blobs.pop_front()
        {
            self.blobs.remove(&oldest);
        }
    }

    pub(crate) fn blobs(&self, transaction: &B256) -> &[Bytes] {
        self.blobs.get(transaction).map_or(&[], |blobs| blobs)
    }

    pub(crate) fn add(&mut self, channel: Channel) {
        self.channels.push(channel);
    }

    /// The newest block that follows from L1 up to a block of it.
    pub(crate) fn safe_at(&self, chain: &Chain, l1: &L1Chain, until: u64) -> u64 {
        let batcher = chain.config.system.batcher;
        let mut safe = 0;
        for channel in &self.channels {
            let is_next = channel.first <= safe + 1 && channel.last > safe;
            let is_there =
                chain.by_number(channel.last).is_some_and(|block| block.header.hash() == channel.last_hash);
            if is_next && is_there && channel.whole_at(l1, batcher).is_some_and(|at| at <= until) {
                safe = channel.last;
            }
        }
        safe
    }
}
