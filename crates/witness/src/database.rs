//! A database that reads one block's parent state over RPC, for learning what the block touches.

use crate::{
    BuildError,
    blocks::StateAt,
    node::Inner,
    proof::{Proven, SLOTS_PER_REQUEST},
};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256, map::HashMap};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use futures::{StreamExt, TryStreamExt, stream};
use proofmill_stateless::StateDatabase;
use revm::{Database, bytecode::Bytecode, state::AccountInfo};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::runtime::Handle;

/// What is known of one state.
#[derive(Debug)]
pub(crate) struct View {
    node: Arc<Inner>,
    pub(crate) at: StateAt,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) accounts: BTreeMap<Address, Option<TrieAccount>>,
    pub(crate) slots: BTreeMap<(Address, U256), U256>,
    /// By their hash.
    pub(crate) codes: HashMap<B256, Bytes>,
    /// Trie nodes, by their hash.
    pub(crate) nodes: HashMap<B256, Bytes>,
}

impl Known {
    fn learn(&mut self, address: Address, proven: Proven) {
        self.accounts.insert(address, proven.account);
        self.slots.extend(proven.slots.into_iter().map(|(slot, value)| ((address, slot), value)));
        self.nodes.extend(proven.nodes.into_iter().map(|node| (keccak256(&node), node)));
    }
}

impl View {
    pub(crate) fn new(node: Arc<Inner>, at: StateAt) -> Self {
        Self { node, at, known: Mutex::default() }
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches all of these that are not known yet, several at once. `step` is called after each request with how many
    /// are done, and how many there are.
    pub(crate) async fn fetch(
        &self,
        wanted: &BTreeMap<Address, BTreeSet<U256>>,
        step: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<(), BuildError> {
        let mut requests = Vec::new();
        {
            let known = self.known();
            for (address, slots) in wanted {
                let missing: Vec<U256> = slots
                    .iter()
                    .filter(|slot| !known.slots.contains_key(&(*address, **slot)))
                    .copied()
                    .collect();
                if missing.is_empty() && !known.accounts.contains_key(address) {
                    requests.push((*address, Vec::new()));
                }
                requests.extend(missing.chunks(SLOTS_PER_REQUEST).map(|chunk| (*address, chunk.to_vec())));
            }
        }
        let total = requests.len() as u64;
        let mut answers = stream::iter(requests)
            .map(async |(address, slots)| {
                Ok::<_, BuildError>((address, self.node.proof(self.at, address, &slots).await?))
            })
            .buffer_unordered(self.node.concurrency);
        let mut done = 0;
        while let Some((address, proven)) = answers.try_next().await? {
            self.known().learn(address, proven);
            done += 1;
            step(done, total);
        }
        Ok(())
    }

    async fn account(&self, address: Address) -> Result<Option<TrieAccount>, BuildError> {
        if let Some(account) = self.known().accounts.get(&address) {
            return Ok(*account);
        }
        let proven = self.node.proof(self.at, address, &[]).await?;
        let account = proven.account;
        self.known().learn(address, proven);
        Ok(account)
    }

    async fn slot(&self, address: Address, slot: U256) -> Result<U256, BuildError> {
        if let Some(value) = self.known().slots.get(&(address, slot)) {
            return Ok(*value);
        }
        let proven = self.node.proof(self.at, address, &[slot]).await?;
        let value = proven.slots.first().map_or(U256::ZERO, |(_, value)| *value);
        self.known().learn(address, proven);
        Ok(value)
    }

    /// A code of one of the accounts that were read.
    pub(crate) async fn code(&self, hash: B256) -> Result<Bytes, BuildError> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        let owner = {
            let known = self.known();
            if let Some(code) = known.codes.get(&hash) {
                return Ok(code.clone());
            }
            known
                .accounts
                .iter()
                .find(|(_, account)| account.is_some_and(|account| account.code_hash == hash))
                .map(|(address, _)| *address)
        };
        let Some(owner) = owner else {
            return Err(BuildError::Stopped(format!("the code {hash} was asked for before its account")));
        };
        let code = self.node.code(self.at, owner, hash).await?;
        self.known().codes.insert(hash, code.clone());
        Ok(code)
    }
}

/// A [`View`] for the EVM, which is not async: to be used on a thread where blocking is allowed.
#[derive(Debug)]
pub(crate) struct BlockingView {
    pub(crate) view: Arc<View>,
    pub(crate) runtime: Handle,
    /// The hashes of the blocks before, as far as they are known; asked for otherwise.
    pub(crate) hashes: BTreeMap<u64, B256>,
}

impl Database for BlockingView {
    type Error = BuildError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, BuildError> {
        let account = self.runtime.block_on(self.view.account(address))?;
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: None,
            code: None,
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, BuildError> {
        let code = self.runtime.block_on(self.view.code(hash))?;
        Ok(Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code)))
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, BuildError> {
        self.runtime.block_on(self.view.slot(address, slot))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, BuildError> {
        if let Some(hash) = self.hashes.get(&number) {
            return Ok(*hash);
        }
        // Checked later: the witness links the ancestors by their hashes.
        let hash = self.runtime.block_on(self.view.node.header(number))?.hash();
        self.hashes.insert(number, hash);
        Ok(hash)
    }
}

impl StateDatabase for BlockingView {
    fn has_storage(&mut self, address: Address) -> Result<bool, BuildError> {
        let account = self.runtime.block_on(self.view.account(address))?;
        Ok(account.is_some_and(|account| account.storage_root != EMPTY_ROOT_HASH))
    }
}
