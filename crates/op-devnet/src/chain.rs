//! The blocks of L2, and what waits for the next one.

use crate::{
    config::{Config, MAX_DRIFT},
    error::SealError,
    l1::L1Chain,
    pool::{Admission, Pool, Pooled, Refusal},
    seal::{Place, Sealing, next_header, seal, users},
    state::State,
};
use alloy_consensus::{Header, Sealed};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U256};
use op_alloy_consensus::OpReceiptEnvelope;
use proofmill_stateless::Witness;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Of how many blocks the states are kept.
pub(crate) const STATES: u64 = 4_096;
/// How many blocks BLOCKHASH reaches back.
const ANCESTORS: usize = 256;

/// The L1 block that a block follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) timestamp: u64,
}

/// A block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) header: Sealed<Header>,
    pub(crate) transactions: Vec<Arc<Pooled>>,
    pub(crate) receipts: Vec<OpReceiptEnvelope>,
    pub(crate) origin: Origin,
    /// How many blocks of the same L1 block were before.
    pub(crate) sequence: u64,
}

/// What a block left.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// The state after it.
    pub(crate) state: State,
    /// What its execution takes.
    pub(crate) witness: Witness,
    /// The accounts and slots that it read.
    pub(crate) read: BTreeMap<Address, BTreeSet<U256>>,
}

/// The chain.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) config: Arc<Config>,
    pub(crate) pool: Pool,
    /// The newest block whose batch is on L1.
    pub(crate) safe: u64,
    /// The newest whose batch is final there.
    pub(crate) finalized: u64,
    /// By number; never empty.
    blocks: Vec<Arc<Block>>,
    pasts: BTreeMap<u64, Arc<Past>>,
    by_hash: HashMap<B256, u64>,
    transactions: HashMap<B256, (u64, usize)>,
}

/// What the next block is made of, taken from the chain at one moment.
pub(crate) struct Next {
    parent: Arc<Block>,
    past: Arc<Past>,
    ancestors: Vec<Arc<Block>>,
    l1: Arc<crate::l1::L1Block>,
    sequence: u64,
    candidates: Vec<Arc<Pooled>>,
}

impl Next {
    fn place(&self) -> Place<'_> {
        Place {
            parent: &self.parent,
            state: &self.past.state,
            ancestors: self.ancestors.clone(),
            l1: &self.l1,
            sequence: self.sequence,
        }
    }

    pub(crate) fn seal(&self, config: &Config) -> Result<Sealing, SealError> {
        seal(config, &self.place(), &self.candidates)
    }

    pub(crate) fn header(&self, config: &Config) -> Result<Header, SealError> {
        next_header(config, &self.place())
    }
}

impl Chain {
    pub(crate) fn new(config: Arc<Config>, genesis: State, origin: Origin) -> Self {
        let header = config.genesis.clone();
        let by_hash = HashMap::from([(header.hash(), 0)]);
        let (transactions, receipts) = (Vec::new(), Vec::new());
        let block = Block { header, transactions, receipts, origin, sequence: 0 };
        let past = Past { state: genesis, ..Past::default() };
        Self {
            config,
            pool: Pool::default(),
            safe: 0,
            finalized: 0,
            blocks: vec![Arc::new(block)],
            pasts: BTreeMap::from([(0, Arc::new(past))]),
            by_hash,
            transactions: HashMap::new(),
        }
    }

    pub(crate) fn head(&self) -> &Arc<Block> {
        // There is the genesis block at least.
        &self.blocks[self.blocks.len() - 1]
    }

    pub(crate) fn by_number(&self, number: u64) -> Option<&Arc<Block>> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    pub(crate) fn by_id(&self, id: BlockId) -> Option<&Arc<Block>> {
        let tag = match id {
            BlockId::Hash(hash) => return self.by_number(*self.by_hash.get(&hash.block_hash)?),
            BlockId::Number(tag) => tag,
        };
        self.by_number(match tag {
            BlockNumberOrTag::Number(number) => number,
            BlockNumberOrTag::Earliest => 0,
            // What is pending is not made into a block before its time.
            BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => self.head().header.number,
            BlockNumberOrTag::Safe => self.safe,
            BlockNumberOrTag::Finalized => self.finalized,
        })
    }

    /// What a block left, as long as that is kept.
    pub(crate) fn past(&self, number: u64) -> Option<&Arc<Past>> {
        self.pasts.get(&number)
    }

    /// The block of a transaction, and its place there.
    pub(crate) fn transaction(&self, hash: &B256) -> Option<(&Arc<Block>, usize)> {
        let (number, at) = self.transactions.get(hash)?;
        Some((self.by_number(*number)?, *at))
    }

    pub(crate) fn head_state(&self) -> State {
        // The newest state is never pruned.
        self.past(self.head().header.number).map(|past| past.state.clone()).unwrap_or_default()
    }

    /// A block and those before it that BLOCKHASH reaches, newest first.
    pub(crate) fn ancestors(&self, number: u64) -> Vec<Arc<Block>> {
        let end = usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1);
        let known = self.blocks.get(end.saturating_sub(ANCESTORS)..end).unwrap_or_default();
        known.iter().rev().cloned().collect()
    }

    fn nonces(&self) -> impl Fn(Address) -> u64 + use<> {
        let state = self.head_state();
        move |address| state.account(address).map_or(0, |account| account.nonce)
    }

    /// What the next block is made of. Its L1 block is the parent's, or the next one where that is there and not younger than
    /// the block (`protocol/derivation.md`, "Sequencer"): a block has no L1 block of its future, and none is left out. None where
    /// the parent's is gone.
    pub(crate) fn next(&self, l1: &L1Chain) -> Option<Next> {
        let parent = Arc::clone(self.head());
        let timestamp = parent.header.timestamp + self.config.rules.block_time;
        let same = l1.by_number(parent.origin.number).filter(|block| block.hash == parent.origin.hash)?;
        let next = l1.by_number(parent.origin.number + 1).filter(|block| block.timestamp <= timestamp);
        let (l1, sequence) = match next {
            Some(next) => (next, 0),
            None => (same, parent.sequence + 1),
        };
        let past = Arc::clone(self.past(parent.header.number)?);
        let number = parent.header.number;
        let mut made = Next {
            parent,
            past,
            ancestors: self.ancestors(number),
            l1: Arc::clone(l1),
            sequence,
            candidates: Vec::new(),
        };
        // Where L1 stands still, blocks go on without users.
        if timestamp <= l1.timestamp + MAX_DRIFT
            && let Ok(header) = made.header(&self.config)
        {
            made.candidates = self.pool.best(self.nonces(), header.base_fee_per_gas.unwrap_or_default());
        }
        Some(made)
    }

    pub(crate) fn push(&mut self, sealing: Sealing) {
        let Sealing { block, past, refused } = sealing;
        for (hash, reason) in refused {
            tracing::warn!(transaction = %hash, reason, "a transaction can be in no block, and is dropped");
            self.pool.remove(&hash);
        }
        let number = block.header.number;
        self.by_hash.insert(block.header.hash(), number);
        for (at, transaction) in block.transactions.iter().enumerate() {
            self.transactions.insert(transaction.hash, (number, at));
            self.pool.remove(&transaction.hash);
        }
        self.blocks.push(Arc::new(block));
        self.pasts.insert(number, Arc::new(past));
        if let Some(old) = number.checked_sub(STATES) {
            self.pasts.remove(&old);
        }
        let nonces = self.nonces();
        self.pool.forget_passed(nonces);
    }

    /// Goes back to the last block whose L1 block is still there. The transactions of the blocks after it wait again. The number of
    /// that block, if any went.
    pub(crate) fn reset(&mut self, l1: &L1Chain) -> Option<u64> {
        let is_there = |block: &Arc<Block>| {
            l1.by_number(block.origin.number).is_some_and(|known| known.hash == block.origin.hash)
        };
        let last = self.blocks.iter().rposition(is_there).unwrap_or(0);
        if last + 1 == self.blocks.len() {
            return None;
        }
        let gone = self.blocks.split_off(last + 1);
        for block in &gone {
            self.by_hash.remove(&block.header.hash());
            self.pasts.remove(&block.header.number);
            for one in &block.transactions {
                self.transactions.remove(&one.hash);
            }
        }
        for transaction in gone.iter().flat_map(|block| users(block)) {
            // What cannot wait any more is lost with its block.
            let _ = self.pool.add(Arc::clone(transaction));
        }
        let last = last as u64;
        (self.safe, self.finalized) = (self.safe.min(last), self.finalized.min(last));
        Some(last)
    }

    /// Takes a transaction for the pool.
    pub(crate) fn send(&mut self, raw: Bytes) -> Result<B256, Refusal> {
        let pooled = Pooled::read(raw)?;
        let account = self.head_state().account(pooled.sender).cloned().unwrap_or_default();
        pooled.check(&Admission {
            chain_id: self.config.rules.chain_id,
            gas_limit: self.head().header.gas_limit,
            nonce: account.nonce,
            balance: account.balance,
        })?;
        let hash = pooled.hash;
        self.pool.add(Arc::new(pooled))?;
        Ok(hash)
    }
}
