//! The state after a block, in tries that share what blocks have in common, and the view that a block is executed on.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::TrieAccount;
use proofmill_devnode::trie::{Trie, Value};
use revm_oracle::{
    Database,
    database::CacheState,
    state::{AccountInfo, Bytecode},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

/// A state; cheap to clone, and never changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    accounts: Trie<Account>,
}

/// An account that is there.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) code_hash: B256,
    pub(crate) code: Bytes,
    storage: Trie<U256>,
}

impl Default for Account {
    fn default() -> Self {
        Self::new(0, U256::ZERO, Bytes::new())
    }
}

impl Value for Account {
    fn rlp(&self) -> Vec<u8> {
        alloy_rlp::encode(self.leaf())
    }
}

impl Account {
    pub(crate) fn new(nonce: u64, balance: U256, code: Bytes) -> Self {
        Self { nonce, balance, code_hash: keccak256(&code), code, storage: Trie::default() }
    }

    /// What the trie's leaf says of it.
    pub(crate) fn leaf(&self) -> TrieAccount {
        let (nonce, balance, code_hash) = (self.nonce, self.balance, self.code_hash);
        TrieAccount { nonce, balance, storage_root: self.storage.root(), code_hash }
    }

    pub(crate) fn slot(&self, slot: U256) -> U256 {
        self.storage.get(&keccak256(B256::from(slot))).copied().unwrap_or_default()
    }

    /// The nodes on the way to a slot.
    pub(crate) fn slot_proof(&self, slot: U256) -> Vec<Bytes> {
        self.storage.proof(&keccak256(B256::from(slot)))
    }

    fn info(&self) -> AccountInfo {
        AccountInfo {
            balance: self.balance,
            nonce: self.nonce,
            code_hash: self.code_hash,
            code: Some(Bytecode::new_raw(self.code.clone())),
            ..Default::default()
        }
    }
}

impl State {
    pub(crate) fn root(&self) -> B256 {
        self.accounts.root()
    }

    pub(crate) fn insert(&mut self, address: Address, account: Account) {
        self.accounts.insert(&keccak256(address), account);
    }

    pub(crate) fn account(&self, address: Address) -> Option<&Account> {
        self.accounts.get(&keccak256(address))
    }

    /// The nodes on the way to an account.
    pub(crate) fn account_proof(&self, address: Address) -> Vec<Bytes> {
        self.accounts.proof(&keccak256(address))
    }

    pub(crate) fn storage_root(&self, address: Address) -> B256 {
        self.account(address).cloned().unwrap_or_default().leaf().storage_root
    }

    /// The state after a block, whose execution left this; and the nodes beside the changed ones that removals needed.
    ///
    /// In each trie all writes come before all removals: who computes the root from a witness does the same, so that both
    /// need the same nodes.
    pub(crate) fn after(&self, left: &CacheState) -> (Self, Vec<Bytes>) {
        let (mut state, mut siblings, mut gone) = (self.clone(), Vec::new(), Vec::new());
        let sorted: BTreeMap<_, _> = left.accounts.iter().collect();
        for (address, entry) in sorted {
            let before = self.account(*address);
            let Some(now) = &entry.account else {
                gone.extend(before.map(|_| *address));
                continue;
            };
            let kept = before.filter(|_| !entry.status.was_destroyed());
            let mut account = kept.cloned().unwrap_or_default();
            (account.nonce, account.balance) = (now.info.nonce, now.info.balance);
            if now.info.code_hash != account.code_hash {
                account.code_hash = now.info.code_hash;
                let known = left.contracts.get(&now.info.code_hash);
                let code = now.info.code.as_ref().or(known);
                account.code = code.map_or_else(Bytes::new, Bytecode::original_bytes);
            }
            let slots: BTreeMap<_, _> =
                now.storage.iter().filter(|(slot, value)| account.slot(**slot) != **value).collect();
            for (slot, value) in slots.iter().filter(|(_, value)| !value.is_zero()) {
                account.storage.insert(&keccak256(B256::from(**slot)), **value);
            }
            for (slot, _) in slots.iter().filter(|(_, value)| value.is_zero()) {
                account.storage.remove(&keccak256(B256::from(**slot)), &mut siblings);
            }
            // EIP-161: an account that is not there is not made by being looked at.
            if before.is_none() && now.info.is_empty() {
                continue;
            }
            if before.is_none_or(|before| before.leaf() != account.leaf()) {
                state.insert(*address, account);
            }
        }
        for address in gone {
            state.accounts.remove(&keccak256(address), &mut siblings);
        }
        (state, siblings)
    }
}

/// A state as the EVM reads it. Notes what is read.
#[derive(Debug)]
pub(crate) struct View {
    state: State,
    /// The hashes of the blocks that BLOCKHASH may ask for.
    hashes: BTreeMap<u64, B256>,
    read: BTreeMap<Address, BTreeSet<U256>>,
    oldest: Option<u64>,
}

/// What was read of a state, and of the blocks before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Read {
    pub(crate) slots: BTreeMap<Address, BTreeSet<U256>>,
    /// The oldest block whose hash was asked for.
    pub(crate) oldest: Option<u64>,
}

impl View {
    pub(crate) const fn new(state: State, hashes: BTreeMap<u64, B256>) -> Self {
        Self { state, hashes, read: BTreeMap::new(), oldest: None }
    }

    pub(crate) fn into_read(self) -> Read {
        Read { slots: self.read, oldest: self.oldest }
    }
}

impl Read {
    /// The nodes and codes that show what was read.
    pub(crate) fn proven_by(&self, state: &State) -> (BTreeSet<Bytes>, BTreeSet<Bytes>) {
        let (mut nodes, mut codes) = (BTreeSet::new(), BTreeSet::new());
        for (address, slots) in &self.slots {
            nodes.extend(state.account_proof(*address));
            if let Some(account) = state.account(*address) {
                nodes.extend(slots.iter().flat_map(|slot| account.slot_proof(*slot)));
                if account.code_hash != KECCAK256_EMPTY {
                    codes.insert(account.code.clone());
                }
            }
        }
        (nodes, codes)
    }
}

impl Database for View {
    type Error = Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        self.read.entry(address).or_default();
        Ok(self.state.account(address).map(Account::info))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Infallible> {
        // Codes come with their accounts.
        let accounts = self.read.keys().filter_map(|address| self.state.account(*address));
        let code = accounts.filter(|account| account.code_hash == hash).map(|account| account.code.clone());
        Ok(Bytecode::new_raw(code.into_iter().next().unwrap_or_default()))
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Infallible> {
        self.read.entry(address).or_default().insert(slot);
        Ok(self.state.account(address).map_or(U256::ZERO, |account| account.slot(slot)))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Infallible> {
        self.oldest = Some(self.oldest.map_or(number, |oldest| oldest.min(number)));
        Ok(self.hashes.get(&number).copied().unwrap_or_default())
    }
}
