//! The state after a block: accounts in a trie, and the storage of each in one of its own.

use crate::trie::{Trie, Value};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::TrieAccount;
use revm::{bytecode::Bytecode, state::AccountInfo};
use std::collections::BTreeMap;

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
    pub(crate) code: Bytecode,
    storage: Trie<U256>,
}

impl Default for Account {
    fn default() -> Self {
        let (nonce, balance, code) = (0, U256::ZERO, Bytecode::default());
        Self { nonce, balance, code_hash: KECCAK256_EMPTY, code, storage: Trie::default() }
    }
}

/// What a block makes of an account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// `None` where it goes.
    pub(crate) now: Option<AccountInfo>,
    /// Its storage was emptied before the slots were written.
    pub(crate) cleared: bool,
    pub(crate) slots: BTreeMap<U256, U256>,
}

impl Value for U256 {
    fn rlp(&self) -> Vec<u8> {
        alloy_rlp::encode(self)
    }
}

impl Value for Account {
    fn rlp(&self) -> Vec<u8> {
        alloy_rlp::encode(self.leaf())
    }
}

impl Account {
    /// What the trie's leaf says of it.
    pub(crate) fn leaf(&self) -> TrieAccount {
        TrieAccount {
            nonce: self.nonce,
            balance: self.balance,
            storage_root: self.storage.root(),
            code_hash: self.code_hash,
        }
    }

    pub(crate) fn info(&self) -> AccountInfo {
        AccountInfo {
            balance: self.balance,
            nonce: self.nonce,
            code_hash: self.code_hash,
            account_id: None,
            code: Some(self.code.clone()),
        }
    }

    pub(crate) fn slot(&self, slot: U256) -> U256 {
        self.storage.get(&keccak256(B256::from(slot))).copied().unwrap_or_default()
    }

    /// The nodes on the way to a slot.
    pub(crate) fn slot_proof(&self, slot: U256) -> Vec<Bytes> {
        self.storage.proof(&keccak256(B256::from(slot)))
    }
}

impl State {
    pub(crate) fn root(&self) -> B256 {
        self.accounts.root()
    }

    pub(crate) fn account(&self, address: Address) -> Option<&Account> {
        self.accounts.get(&keccak256(address))
    }

    /// The nodes on the way to an account.
    pub(crate) fn account_proof(&self, address: Address) -> Vec<Bytes> {
        self.accounts.proof(&keccak256(address))
    }

    /// The state after these changes, and the nodes beside the changed ones that removals needed.
    ///
    /// In each trie all writes come before all removals: who computes the root from a witness does the same, so that both
    /// need the same nodes.
    pub(crate) fn apply(&self, changes: &BTreeMap<Address, Change>) -> (Self, Vec<Bytes>) {
        let (mut accounts, mut siblings) = (self.accounts.clone(), Vec::new());
        for (address, change) in changes {
            let Some(now) = &change.now else { continue };
            let key = keccak256(address);
            let before = accounts.get(&key);
            let mut storage = match before {
                Some(before) if !change.cleared => before.storage.clone(),
                _ => Trie::default(),
            };
            for (slot, value) in change.slots.iter().filter(|(_, value)| !value.is_zero()) {
                storage.insert(&keccak256(B256::from(*slot)), *value);
            }
            for (slot, _) in change.slots.iter().filter(|(_, value)| value.is_zero()) {
                storage.remove(&keccak256(B256::from(*slot)), &mut siblings);
            }
            let code = match (&now.code, before) {
                (Some(code), _) => code.clone(),
                (None, Some(before)) if before.code_hash == now.code_hash => before.code.clone(),
                (None, _) => Bytecode::default(),
            };
            let account =
                Account { nonce: now.nonce, balance: now.balance, code_hash: now.code_hash, code, storage };
            accounts.insert(&key, account);
        }
        for (address, _) in changes.iter().filter(|(_, change)| change.now.is_none()) {
            accounts.remove(&keccak256(address), &mut siblings);
        }
        (Self { accounts }, siblings)
    }
}
