//! The transactions that wait for a block.

use crate::refusal::Refusal;
use alloy_consensus::{EthereumTxEnvelope, Transaction, TxEip4844, transaction::Recovered};
use alloy_primitives::{Address, B256};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    sync::Arc,
};

/// How many transactions may wait, unless the node's options say otherwise.
pub(crate) const MOST: usize = 20_000;
/// How many bytes all that wait may have.
const MOST_BYTES: usize = 64 << 20;
/// How far a nonce may be ahead of the sender's next one.
pub(crate) const MOST_AHEAD: u64 = 4_096;
/// By how much, in percent, one that replaces another must pay more; with blobs, twice as much.
const BUMP: u128 = 10;

/// A transaction as blocks have it: blobs without their sidecar.
pub(crate) type BodyTransaction = EthereumTxEnvelope<TxEip4844>;

/// A transaction that was taken.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) body: Recovered<BodyTransaction>,
    pub(crate) hash: B256,
    /// The length of its encoding, in bytes.
    pub(crate) size: usize,
}

/// How many wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Those that can be in the next block, prices aside.
    pub(crate) pending: usize,
    /// Those whose sender has a nonce to fill before.
    pub(crate) queued: usize,
}

/// The pool.
#[derive(Debug)]
pub(crate) struct Pool {
    /// How many transactions may wait.
    most: usize,
    senders: HashMap<Address, BTreeMap<u64, (u64, Arc<Pooled>)>>,
    by_hash: HashMap<B256, Arc<Pooled>>,
    bytes: usize,
    /// Of the next arrival.
    order: u64,
}

impl Pool {
    /// A pool for so many transactions.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, senders: HashMap::new(), by_hash: HashMap::new(), bytes: 0, order: 0 }
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<&Arc<Pooled>> {
        self.by_hash.get(hash)
    }

    /// Takes a transaction that was checked for itself. `next` is the sender's nonce in the newest block.
    pub(crate) fn add(&mut self, new: Pooled, next: u64) -> Result<(), Refusal> {
        let nonce = new.body.nonce();
        if nonce.saturating_sub(next) > MOST_AHEAD {
            return Err(Refusal::NonceTooHigh { next, got: nonce, most: MOST_AHEAD });
        }
        if self.by_hash.contains_key(&new.hash) {
            return Err(Refusal::Known);
        }
        let sender = new.body.signer();
        let old = self.senders.get(&sender).and_then(|all| all.get(&nonce)).map(|(_, old)| Arc::clone(old));
        if let Some(old) = &old {
            let blobs = old.body.blob_gas_used().or(new.body.blob_gas_used()).is_some();
            let percent = 100 + if blobs { 10 * BUMP } else { BUMP };
            let bumped = |price: u128| price.saturating_mul(percent).div_ceil(100);
            let price = |tx: &Pooled| {
                let fee = tx.body.max_fee_per_gas();
                (fee, tx.body.max_priority_fee_per_gas().unwrap_or(fee), tx.body.max_fee_per_blob_gas())
            };
            let ((fee, tip, blob), (new_fee, new_tip, new_blob)) = (price(old), price(&new));
            let (want, want_tip) = (bumped(fee), bumped(tip));
            let blob_too_low = new_blob.unwrap_or_default() < bumped(blob.unwrap_or_default());
            if new_fee < want || new_tip < want_tip || blob_too_low {
                return Err(Refusal::ReplacementUnderpriced { want, tip: want_tip });
            }
        } else if self.by_hash.len() >= self.most || self.bytes + new.size > MOST_BYTES {
            return Err(Refusal::Full);
        }
        if let Some(old) = old {
            self.remove(&old.hash);
        }
        let new = Arc::new(new);
        self.bytes += new.size;
        self.order += 1;
        self.senders.entry(sender).or_default().insert(nonce, (self.order, Arc::clone(&new)));
        self.by_hash.insert(new.hash, new);
        Ok(())
    }

    pub(crate) fn remove(&mut self, hash: &B256) {
        let Some(gone) = self.by_hash.remove(hash) else { return };
        self.bytes -= gone.size;
        let sender = gone.body.signer();
        if let Some(all) = self.senders.get_mut(&sender) {
            all.remove(&gone.body.nonce());
            if all.is_empty() {
                self.senders.remove(&sender);
            }
        }
    }

    /// Forgets what can never be in a block any more.
    pub(crate) fn forget_passed(&mut self, nonce: impl Fn(Address) -> u64) {
        let mut gone = Vec::new();
        for (sender, all) in &self.senders {
            gone.extend(all.range(..nonce(*sender)).map(|(_, (_, passed))| passed.hash));
        }
        for hash in gone {
            self.remove(&hash);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.most);
    }

    /// The nonce after those of a sender that follow on each other from `next` on.
    pub(crate) fn next_nonce(&self, sender: Address, next: u64) -> u64 {
        let all = self.senders.get(&sender);
        (next..).find(|nonce| all.is_none_or(|all| !all.contains_key(nonce))).unwrap_or(next)
    }

    pub(crate) fn counts(&self, nonce: impl Fn(Address) -> u64) -> Counts {
        let mut counts = Counts::default();
        for (sender, all) in &self.senders {
            let next = nonce(*sender);
            let pending = usize::try_from(self.next_nonce(*sender, next) - next).unwrap_or(usize::MAX);
            counts.pending += pending;
            counts.queued += all.len().saturating_sub(pending);
        }
        counts
    }

    /// Those that can be in a block at these prices, in the order in which they should be: who gives the higher tip first,
    /// each sender's by nonce, and of equals the one that came first.
    pub(crate) fn best(
        &self,
        nonce: impl Fn(Address) -> u64,
        base_fee: u64,
        blob_fee: u128,
    ) -> Vec<Arc<Pooled>> {
        let next = |sender: Address, nonce: u64| {
            let (order, pooled) = self.senders.get(&sender)?.get(&nonce)?;
            let tip = pooled.body.effective_tip_per_gas(base_fee)?;
            let dear = pooled.body.max_fee_per_blob_gas().is_some_and(|most| most < blob_fee);
            (!dear).then_some((tip, Reverse(*order), sender, nonce))
        };
        let mut heads: BinaryHeap<_> =
            self.senders.keys().filter_map(|sender| next(*sender, nonce(*sender))).collect();
        let mut best = Vec::new();
        while let Some((_, _, sender, nonce)) = heads.pop() {
            if let Some((_, pooled)) = self.senders.get(&sender).and_then(|all| all.get(&nonce)) {
                best.push(Arc::clone(pooled));
            }
            heads.extend(next(sender, nonce.saturating_add(1)));
        }
        best
    }
}
