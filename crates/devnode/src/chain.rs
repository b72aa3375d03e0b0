//! The blocks, and what waits for the next one.

use crate::{
    admit::{self, LEAST_BASE_FEE},
    genesis,
    pool::{Counts, Pool, Pooled},
    refusal::Refusal,
    seal::{Block, Parent, Past},
    state::State,
};
use alloy_consensus::{Header, TxEnvelope};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256};
use proofmill_stateless::ChainSpec;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Of how many blocks the states are kept: two hours and a quarter, at a block each second.
pub(crate) const STATES: u64 = 8_192;
/// How many bytes the states and witnesses that are kept may have, about.
const MOST_WEIGHT: usize = 1 << 30;
/// How many bytes the transactions and receipts that are kept may have, about.
const MOST_HISTORY: usize = 1 << 30;
/// About how many bytes a transaction takes beside its own, with its receipt and its places in indexes.
const TRANSACTION_WEIGHT: usize = 1_000;
/// How far behind the newest block the finalized one is, as on Ethereum: two epochs.
const FINALIZED: u64 = 64;
/// How far behind the newest block the safe one is.
const SAFE: u64 = 32;
/// How many blocks BLOCKHASH reaches back.
const ANCESTORS: usize = 256;

/// The chain.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) rules: ChainSpec,
    pub(crate) genesis: Genesis,
    pub(crate) pool: Pool,
    /// By number; never empty.
    blocks: Vec<Arc<Block>>,
    by_hash: HashMap<B256, u64>,
    transactions: HashMap<B256, (u64, usize)>,
    /// The oldest block whose state is kept.
    oldest: u64,
    /// Of the states that are kept.
    weight: usize,
    /// The oldest block whose transactions are kept.
    oldest_body: u64,
    /// Of the transactions and receipts that are kept.
    history: usize,
    most_history: usize,
}

/// Why there is no state.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoState {
    #[error("header not found")]
    NoBlock,
    #[error(
        "historical state {0} is not available: this node keeps those of the last {STATES} blocks at most"
    )]
    Pruned(B256),
}

impl Chain {
    pub(crate) fn new(rules: ChainSpec, genesis: Genesis, most_waiting: usize) -> Self {
        let block = Arc::new(genesis::block(&rules, &genesis));
        Self {
            rules,
            genesis,
            pool: Pool::new(most_waiting),
            by_hash: HashMap::from([(block.header.hash(), 0)]),
            transactions: HashMap::new(),
            oldest: 0,
            weight: 0,
            oldest_body: 0,
            history: history(&block),
            blocks: vec![block],
            most_history: MOST_HISTORY,
        }
    }

    pub(crate) fn head(&self) -> &Arc<Block> {
        // There is the genesis block at least.
        &self.blocks[self.blocks.len() - 1]
    }

    pub(crate) fn by_number(&self, number: u64) -> Option<&Arc<Block>> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    pub(crate) fn by_hash(&self, hash: &B256) -> Option<&Arc<Block>> {
        self.by_number(*self.by_hash.get(hash)?)
    }

    /// The block of a tag. What is pending is not made into a block before its time: the tag means the newest one.
    pub(crate) fn by_tag(&self, tag: BlockNumberOrTag) -> Option<&Arc<Block>> {
        let head = self.head().header.number;
        self.by_number(match tag {
            BlockNumberOrTag::Number(number) => number,
            BlockNumberOrTag::Earliest => 0,
            BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => head,
            BlockNumberOrTag::Safe => head.saturating_sub(SAFE),
            BlockNumberOrTag::Finalized => head.saturating_sub(FINALIZED),
        })
    }

    pub(crate) fn by_id(&self, id: BlockId) -> Option<&Arc<Block>> {
        match id {
            BlockId::Hash(hash) => self.by_hash(&hash.block_hash),
            BlockId::Number(tag) => self.by_tag(tag),
        }
    }

    /// A block and its state.
    pub(crate) fn state(&self, id: BlockId) -> Result<(Arc<Block>, Arc<Past>), NoState> {
        let block = self.by_id(id).ok_or(NoState::NoBlock)?;
        let past = block.past.as_ref().ok_or(NoState::Pruned(block.header.state_root))?;
        Ok((Arc::clone(block), Arc::clone(past)))
    }

    /// The block of a transaction, and its place there.
    pub(crate) fn transaction(&self, hash: &B256) -> Option<(&Arc<Block>, usize)> {
        let (number, at) = self.transactions.get(hash)?;
        Some((self.by_number(*number)?, *at))
    }

    /// The newest block as the parent of the next, or any other one as the one that calls are made on.
    pub(crate) fn parent(&self, block: &Block, state: State) -> Parent {
        let end = usize::try_from(block.header.number).unwrap_or(usize::MAX).saturating_add(1);
        let ancestors = self.blocks.get(end.saturating_sub(ANCESTORS)..end).unwrap_or_default();
        Parent {
            header: block.header.clone(),
            state,
            ancestors: ancestors.iter().map(|block| block.header.clone()).collect(),
        }
    }

    pub(crate) fn head_parent(&self) -> Parent {
        self.parent(self.head(), self.head_state())
    }

    pub(crate) fn head_state(&self) -> State {
        // The newest state is never pruned.
        self.head().past.as_ref().map(|past| past.state.clone()).unwrap_or_default()
    }

    /// The sender's next nonce by the newest block.
    pub(crate) fn nonces(&self) -> impl Fn(Address) -> u64 + use<> {
        let state = self.head_state();
        move |address| state.account(address).map_or(0, |account| account.nonce)
    }

    /// The header that the next block would have, made now.
    pub(crate) fn next_header(&self) -> Header {
        self.head_parent().next(&self.rules, self.next_time())
    }

    /// When the next block is, if it is made now: blocks of one second would have one time, which no two may have.
    pub(crate) fn next_time(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        now.max(self.head().header.timestamp.saturating_add(1))
    }

    pub(crate) fn counts(&self) -> Counts {
        self.pool.counts(self.nonces())
    }

    /// Whether the next block would have a transaction, or it takes empty ones until the base fee has fallen to what is
    /// offered.
    pub(crate) fn has_work(&self) -> bool {
        !self.pool.best(self.nonces(), LEAST_BASE_FEE, 1).is_empty()
    }

    /// What the next block should have, in order.
    pub(crate) fn candidates(&self) -> Vec<Arc<Pooled>> {
        let next = self.next_header();
        let blobs = self.rules.blobs_at(next.timestamp);
        let blob_fee =
            blobs.map_or(0, |params| params.calc_blob_fee(next.excess_blob_gas.unwrap_or_default()));
        self.pool.best(self.nonces(), next.base_fee_per_gas.unwrap_or_default(), blob_fee)
    }

    /// Takes a transaction into the pool.
    pub(crate) fn send(&mut self, transaction: TxEnvelope) -> Result<B256, Refusal> {
        let hash = *transaction.tx_hash();
        if self.pool.get(&hash).is_some() {
            return Err(Refusal::Known);
        }
        let checked = admit::check(&self.rules, &self.next_header(), transaction)?;
        let state = self.head_state();
        let account = state.account(checked.body.signer()).cloned().unwrap_or_default();
        admit::check_sender(&checked, &account.info(), account.code.is_eip7702())?;
        self.pool.add(checked, account.nonce)?;
        Ok(hash)
    }

    pub(crate) fn push(&mut self, block: Block) {
        let number = self.blocks.len() as u64;
        self.by_hash.insert(block.header.hash(), number);
        for (at, transaction) in block.transactions.iter().enumerate() {
            self.transactions.insert(transaction.hash, (number, at));
            self.pool.remove(&transaction.hash);
        }
        self.weight += block.past.as_ref().map_or(0, |past| past.weight);
        self.history += history(&block);
        self.blocks.push(Arc::new(block));
        let nonces = self.nonces();
        self.pool.forget_passed(nonces);
        while number - self.oldest >= STATES || (self.weight > MOST_WEIGHT && self.oldest < number) {
            if let Some(old) = usize::try_from(self.oldest).ok().and_then(|at| self.blocks.get_mut(at)) {
                let past = Arc::make_mut(old).past.take();
                self.weight -= past.map_or(0, |past| past.weight);
            }
            self.oldest += 1;
        }
        while self.history > self.most_history && self.oldest_body < self.oldest {
            self.expire(self.oldest_body);
            self.oldest_body += 1;
        }
    }

    /// Gives up the transactions and receipts of a block.
    fn expire(&mut self, number: u64) {
        let Some(block) = usize::try_from(number).ok().and_then(|at| self.blocks.get_mut(at)) else { return };
        self.history -= history(block);
        let block = Arc::make_mut(block);
        for transaction in block.transactions.drain(..) {
            self.transactions.remove(&transaction.hash);
        }
        block.receipts = Vec::new();
        block.expired = true;
    }

    /// The oldest block whose transactions are kept.
    pub(crate) const fn oldest_body(&self) -> u64 {
        self.oldest_body
    }

    /// Takes the blocks above a number away, and all that waits: what was to follow on them cannot any more.
    pub(crate) fn set_head(&mut self, number: u64) -> Result<(), NoState> {
        let block = self.by_number(number).ok_or(NoState::NoBlock)?;
        if block.past.is_none() {
            return Err(NoState::Pruned(block.header.state_root));
        }
        let keep = usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1);
        for gone in self.blocks.drain(keep.min(self.blocks.len())..) {
            self.by_hash.remove(&gone.header.hash());
            for transaction in &gone.transactions {
                self.transactions.remove(&transaction.hash);
            }
            self.weight -= gone.past.as_ref().map_or(0, |past| past.weight);
            self.history -= history(&gone);
        }
        self.pool.clear();
        Ok(())
    }
}

/// About how many bytes a block's transactions and receipts take.
fn history(block: &Block) -> usize {
    if block.expired {
        return 0;
    }
    let logs = block.receipts.iter().flat_map(|receipt| receipt.logs());
    let logs: usize = logs.map(|log| size_of_val(log) + log.data.data.len() + 32 * log.topics().len()).sum();
    block.size + logs + block.transactions.len() * TRANSACTION_WEIGHT
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::seal::seal;
    use proofmill_stateless::Fork;

    #[test]
    fn what_is_old_is_given_up_and_counted_right() {
        let genesis = genesis::genesis(77, Fork::Osaka, 1_000, &[]);
        let rules = ChainSpec::from_genesis(&genesis.config).unwrap();
        let mut chain = Chain::new(rules, genesis, crate::pool::MOST);
        chain.most_history = 20_000;
        let mine = |chain: &mut Chain| {
            let parent = chain.head_parent();
            let sealing = seal(&chain.rules, &parent, parent.header.timestamp + 1, []).unwrap();
            chain.push(sealing.block);
        };
        for _ in 0..STATES + 100 {
            mine(&mut chain);
        }
        let head = chain.head().header.number;
        assert_eq!(chain.oldest, head - STATES + 1);
        // No block gives up its transactions before its state.
        assert_eq!(chain.oldest_body(), chain.oldest);
        let gone = chain.by_number(50).unwrap();
        assert!(gone.expired && gone.past.is_none());
        assert!(!chain.by_number(head - 10).unwrap().expired);
        let weigh = |chain: &Chain| {
            let blocks = chain.blocks.iter();
            let pasts = blocks.clone().filter_map(|block| block.past.as_ref());
            (pasts.map(|past| past.weight).sum::<usize>(), blocks.map(|block| history(block)).sum::<usize>())
        };
        assert_eq!((chain.weight, chain.history), weigh(&chain));
        assert_eq!(chain.set_head(10), Err(NoState::Pruned(chain.by_number(10).unwrap().header.state_root)));
        chain.set_head(head - 100).unwrap();
        assert_eq!((chain.weight, chain.history), weigh(&chain));
        mine(&mut chain);
        assert_eq!(chain.head().header.number, head - 99);
    }
}
