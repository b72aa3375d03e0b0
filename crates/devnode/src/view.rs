//! A state as the EVM reads and changes it.

use crate::state::{Account, Change, State};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, map::AddressMap};
use revm::{
    Database, DatabaseCommit,
    bytecode::Bytecode,
    state::{Account as Changed, AccountInfo},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

/// A state with the changes of the block that is being executed on it. Notes what is read.
#[derive(Debug)]
pub(crate) struct View {
    state: State,
    /// The hashes of the blocks that BLOCKHASH may ask for.
    hashes: BTreeMap<u64, B256>,
    changes: BTreeMap<Address, Change>,
    read: BTreeMap<Address, BTreeSet<U256>>,
    codes: BTreeMap<B256, Bytes>,
    oldest: Option<u64>,
}

/// What the execution of a block left.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The state after it.
    pub(crate) state: State,
    /// The nodes of the state before it that it takes to follow the block, and some of the state after it.
    pub(crate) nodes: BTreeSet<Bytes>,
    /// The codes that were read.
    pub(crate) codes: Vec<Bytes>,
    /// The accounts that were read, and the slots of each.
    pub(crate) read: BTreeMap<Address, BTreeSet<U256>>,
    /// The oldest block whose hash was asked for.
    pub(crate) oldest: Option<u64>,
    /// How many accounts and slots changed.
    pub(crate) changes: usize,
}

impl View {
    pub(crate) const fn new(state: State, hashes: BTreeMap<u64, B256>) -> Self {
        Self {
            state,
            hashes,
            changes: BTreeMap::new(),
            read: BTreeMap::new(),
            codes: BTreeMap::new(),
            oldest: None,
        }
    }

    /// The account as it stands, without a note.
    pub(crate) fn info(&self, address: Address) -> Option<AccountInfo> {
        match self.changes.get(&address) {
            Some(change) => change.now.clone(),
            None => self.state.account(address).map(Account::info),
        }
    }

    /// Other block hashes for BLOCKHASH.
    pub(crate) fn set_hashes(&mut self, hashes: BTreeMap<u64, B256>) {
        self.hashes.extend(hashes);
    }

    /// Puts the changes into the state.
    pub(crate) fn finish(self) -> Outcome {
        let (state, siblings) = self.state.apply(&self.changes);
        let mut nodes: BTreeSet<Bytes> = siblings.into_iter().collect();
        for (address, slots) in &self.read {
            nodes.extend(self.state.account_proof(*address));
            if let Some(account) = self.state.account(*address) {
                nodes.extend(slots.iter().flat_map(|slot| account.slot_proof(*slot)));
            }
        }
        let changes = self.changes.values().map(|change| 1 + change.slots.len()).sum();
        let codes = self.codes.into_values().collect();
        Outcome { state, nodes, codes, read: self.read, oldest: self.oldest, changes }
    }

    fn before(&self, address: Address, slot: U256) -> U256 {
        self.state.account(address).map_or(U256::ZERO, |account| account.slot(slot))
    }

    fn change(&mut self, address: Address) -> &mut Change {
        let state = &self.state;
        self.changes
            .entry(address)
            .or_insert_with(|| Change { now: state.account(address).map(Account::info), ..Change::default() })
    }
}

impl Database for View {
    type Error = Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        self.read.entry(address).or_default();
        // Without its code, so that `code_by_hash` tells whether it was needed.
        Ok(self.info(address).map(|info| AccountInfo { code: None, ..info }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Infallible> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        // A code is asked for after its account.
        let changed = self.changes.values().filter_map(|change| change.now.as_ref());
        let fresh = changed.filter(|now| now.code_hash == hash).find_map(|now| now.code.clone());
        let read = || {
            let accounts = self.read.keys().filter_map(|address| self.state.account(*address));
            accounts.filter(|account| account.code_hash == hash).map(|account| account.code.clone()).next()
        };
        let code = fresh.or_else(read).unwrap_or_default();
        self.codes.entry(hash).or_insert_with(|| code.original_bytes());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Infallible> {
        self.read.entry(address).or_default().insert(slot);
        Ok(match self.changes.get(&address) {
            Some(change) => match change.slots.get(&slot) {
                Some(value) => *value,
                None if change.cleared => U256::ZERO,
                None => self.before(address, slot),
            },
            None => self.before(address, slot),
        })
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Infallible> {
        self.oldest = Some(self.oldest.map_or(number, |oldest| oldest.min(number)));
        Ok(self.hashes.get(&number).copied().unwrap_or_default())
    }
}

impl DatabaseCommit for View {
    fn commit(&mut self, changes: AddressMap<Changed>) {
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            self.read.entry(address).or_default();
            let gone = account.is_selfdestructed();
            let created = account.is_created();
            // EIP-161: what was touched and is empty goes.
            let empty = !created && account.is_empty();
            if gone || empty {
                let there = self.info(address).is_some() || self.changes.contains_key(&address);
                if there {
                    *self.change(address) = Change { now: None, cleared: true, slots: BTreeMap::new() };
                }
                continue;
            }
            let written: Vec<_> =
                account.changed_storage_slots().map(|(s, v)| (*s, v.present_value)).collect();
            if created {
                let change = self.change(address);
                change.cleared = true;
                change.slots.clear();
            }
            let mut now = account.info;
            // What was not read comes back without its code.
            if now.code.is_none() {
                let before = self.info(address).filter(|before| before.code_hash == now.code_hash);
                now.code = before.and_then(|before| before.code);
            }
            let cleared = self.change(address).cleared;
            for (slot, value) in written {
                self.read.entry(address).or_default().insert(slot);
                let before = if cleared { U256::ZERO } else { self.before(address, slot) };
                let change = self.change(address);
                // What is as it was before the block is no change.
                if value == before {
                    change.slots.remove(&slot);
                } else {
                    change.slots.insert(slot, value);
                }
            }
            self.change(address).now = Some(now);
        }
    }
}
