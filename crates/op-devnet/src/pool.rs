//! Transactions, and those that wait for a block.

use alloy_consensus::{
    Transaction,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    sync::Arc,
};

/// How many transactions may wait.
const MOST: usize = 20_000;
/// The most bytes of one, as geth's pool takes them.
const MOST_BYTES: usize = 128 << 10;
/// How far a nonce may be ahead of the sender's next one.
const MOST_AHEAD: u64 = 4_096;

/// A transaction, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Pooled {
    pub(crate) envelope: OpTxEnvelope,
    pub(crate) raw: Bytes,
    pub(crate) hash: B256,
    pub(crate) sender: Address,
}

/// Why a transaction is not taken, in geth's words where it has some.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("oversized data: transaction size {0}, limit {MOST_BYTES}")]
    Oversized(usize),
    #[error("{0}")]
    Malformed(String),
    #[error("transaction type not supported")]
    TypeNotSupported,
    #[error("invalid sender")]
    Signature,
    #[error("invalid chain id for signer: have {got} want {want}")]
    ChainId { got: u64, want: u64 },
    #[error("exceeds block gas limit")]
    BlockGasLimit,
    #[error("nonce too low: next nonce {next}, tx nonce {got}")]
    NonceTooLow { next: u64, got: u64 },
    #[error("nonce too high: next nonce {next}, tx nonce {got}")]
    NonceTooHigh { next: u64, got: u64 },
    #[error("insufficient funds for gas * price + value: balance {have}, tx cost {want}")]
    Funds { have: U256, want: U256 },
    #[error("already known")]
    Known,
    #[error("replacement transaction underpriced")]
    Underpriced,
    #[error("txpool is full")]
    Full,
}

/// What a transaction is taken against.
pub(crate) struct Admission {
    pub(crate) chain_id: u64,
    pub(crate) gas_limit: u64,
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
}

impl Pooled {
    /// Reads a user's transaction.
    pub(crate) fn read(raw: Bytes) -> Result<Self, Refusal> {
        if raw.len() > MOST_BYTES {
            return Err(Refusal::Oversized(raw.len()));
        }
        // Deposits come from L1 alone; blobs, and Lagoon's type, are not taken.
        if raw.first().is_some_and(|kind| *kind < 0xc0 && ![1, 2, 4].contains(kind)) {
            return Err(Refusal::TypeNotSupported);
        }
        let envelope =
            OpTxEnvelope::decode_2718_exact(&raw).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let sender = envelope.recover_signer().map_err(|_| Refusal::Signature)?;
        Ok(Self { hash: keccak256(&raw), raw, envelope, sender })
    }

    pub(crate) fn deposit(deposit: TxDeposit) -> Self {
        let sender = deposit.from;
        let envelope = OpTxEnvelope::from(deposit);
        let raw: Bytes = envelope.encoded_2718().into();
        Self { hash: keccak256(&raw), raw, envelope, sender }
    }

    pub(crate) fn recovered(&self) -> Recovered<&OpTxEnvelope> {
        Recovered::new_unchecked(&self.envelope, self.sender)
    }

    /// Checks it against its sender in the newest block.
    pub(crate) fn check(&self, against: &Admission) -> Result<(), Refusal> {
        let tx = &self.envelope;
        if let Some(got) = tx.chain_id().filter(|got| *got != against.chain_id) {
            return Err(Refusal::ChainId { got, want: against.chain_id });
        }
        if tx.gas_limit() > against.gas_limit {
            return Err(Refusal::BlockGasLimit);
        }
        let (next, got) = (against.nonce, tx.nonce());
        if got < next {
            return Err(Refusal::NonceTooLow { next, got });
        }
        if got - next > MOST_AHEAD {
            return Err(Refusal::NonceTooHigh { next, got });
        }
        let gas = U256::from(tx.max_fee_per_gas()).saturating_mul(U256::from(tx.gas_limit()));
        let want = tx.value().saturating_add(gas);
        if want > against.balance {
            return Err(Refusal::Funds { have: against.balance, want });
        }
        Ok(())
    }
}

/// The pool.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    senders: HashMap<Address, BTreeMap<u64, (u64, Arc<Pooled>)>>,
    by_hash: HashMap<B256, Arc<Pooled>>,
    /// Of the next arrival.
    order: u64,
}

impl Pool {
    pub(crate) fn get(&self, hash: &B256) -> Option<&Arc<Pooled>> {
        self.by_hash.get(hash)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Takes a transaction that was checked.
    pub(crate) fn add(&mut self, new: Arc<Pooled>) -> Result<(), Refusal> {
        if self.by_hash.contains_key(&new.hash) {
            return Err(Refusal::Known);
        }
        let nonce = new.envelope.nonce();
        let old =
            self.senders.get(&new.sender).and_then(|all| all.get(&nonce)).map(|(_, old)| Arc::clone(old));
        match old {
            Some(old) => {
                // geth's bump.
                let wanted = old.envelope.max_fee_per_gas().saturating_mul(110).div_ceil(100);
                if new.envelope.max_fee_per_gas() < wanted {
                    return Err(Refusal::Underpriced);
                }
                self.remove(&old.hash);
            }
            None if self.by_hash.len() >= MOST => return Err(Refusal::Full),
            None => {}
        }
        self.order += 1;
        self.by_hash.insert(new.hash, Arc::clone(&new));
        self.senders.entry(new.sender).or_default().insert(nonce, (self.order, new));
        Ok(())
    }

    pub(crate) fn remove(&mut self, hash: &B256) {
        let Some(gone) = self.by_hash.remove(hash) else { return };
        if let Some(all) = self.senders.get_mut(&gone.sender) {
            all.remove(&gone.envelope.nonce());
            if all.is_empty() {
                self.senders.remove(&gone.sender);
            }
        }
    }

    /// Forgets what can never be in a block any more.
    pub(crate) fn forget_passed(&mut self, nonce: impl Fn(Address) -> u64) {
        let passed: Vec<B256> = self
            .senders
            .iter()
            .flat_map(|(sender, all)| all.range(..nonce(*sender)).map(|(_, (_, passed))| passed.hash))
            .collect();
        passed.iter().for_each(|hash| self.remove(hash));
    }

    /// The nonce after those of a sender that follow on each other from `next` on.
    pub(crate) fn next_nonce(&self, sender: Address, next: u64) -> u64 {
        let all = self.senders.get(&sender);
        (next..).find(|nonce| all.is_none_or(|all| !all.contains_key(nonce))).unwrap_or(next)
    }

    /// Those that can be in a block at this base fee, in the order in which they should be: who gives the higher tip first, each
    /// sender's by nonce, and of equals the one that came first.
    pub(crate) fn best(&self, nonce: impl Fn(Address) -> u64, base_fee: u64) -> Vec<Arc<Pooled>> {
        let next = |sender: Address, nonce: u64| {
            let (order, pooled) = self.senders.get(&sender)?.get(&nonce)?;
            let tip = pooled.envelope.effective_tip_per_gas(base_fee)?;
            Some((tip, Reverse(*order), sender, nonce))
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
