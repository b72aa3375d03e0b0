//! The state that blocks execute on: the witness's tries below, what blocks read and wrote above.

use crate::ancestors::Ancestors;
use crate::error::{TrieId, WitnessError};
use crate::evm::StateDatabase;
use crate::input::WitnessRef;
use crate::trie::{Child, Nodes, Source, TrieFault};
use alloc::vec::Vec;
use alloy_primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256,
    map::{AddressMap, B256Map, Entry, U256Map},
};
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use revm::{
    Database, DatabaseCommit,
    bytecode::Bytecode,
    state::{Account, AccountInfo},
};

#[derive(Debug)]
enum Code<'a> {
    Witness(&'a [u8]),
    /// Used, but not ready to run.
    Read(&'a [u8]),
    Ready {
        raw: &'a [u8],
        code: Bytecode,
    },
    /// A block created it before any needed it of the witness.
    Created {
        code: Bytecode,
        in_witness: bool,
    },
}

#[derive(Debug)]
struct Slot {
    hashed: B256,
    /// What blocks made of it.
    now: U256,
    /// What the storage trie holds.
    in_trie: U256,
}

#[derive(Debug)]
struct AccountEntry<'a> {
    address: Address,
    hashed: B256,
    /// What blocks made of it; `None` where there is no account.
    now: Option<AccountInfo>,
    /// What the account trie holds.
    in_trie: Option<TrieAccount>,
    storage: Child<'a>,
    slot_index: U256Map<usize>,
    slots: Vec<Slot>,
    /// The slots written since the last root; may name one twice.
    written: Vec<usize>,
    /// The storage trie's content went since the last root.
    cleared: bool,
    /// Listed in [`WitnessState::written`].
    listed: bool,
}

/// A database over a witness that commits in place and computes state roots.
#[derive(Debug)]
pub struct WitnessState<'a> {
    nodes: Nodes<'a>,
    accounts_trie: Child<'a>,
    index: AddressMap<usize>,
    accounts: Vec<AccountEntry<'a>>,
    /// The accounts written since the last root.
    written: Vec<usize>,
    codes: B256Map<Code<'a>>,
    unused_codes: usize,
    /// How many bytes of code are ready to run.
    ready: usize,
    /// BLOCKHASH.
    pub(crate) ancestors: Ancestors,
    /// The first error. The executor turns errors into text; the caller takes the typed one from here.
    pub(crate) fault: Option<WitnessError>,
}

/// How many nodes of a witness room is made for at once: an input of a few bytes for each must not take hundreds.
const MOST_EXPECTED: usize = 1 << 16;

/// How many bytes of code stay ready to run from one transaction to the next. Each takes a byte beside the input's and an
/// eighth, and a block can name more codes than a guest has memory for. In each transaction they are paid for anew.
const MOST_READY: usize = 32 << 20;

/// What a witness holds beyond need, found when it is taken in.
pub(crate) type Surplus = Option<WitnessError>;

impl<'a> WitnessState<'a> {
    /// `nodes` are those of the witness.
    pub(crate) fn new(
        root: &'a B256,
        nodes: Source<'a>,
        witness: &'a WitnessRef<'a>,
        ancestors: Ancestors,
    ) -> (Self, Surplus) {
        let mut surplus = None;
        let mut codes = B256Map::with_capacity_and_hasher(witness.codes.len(), Default::default());
        for code in &witness.codes {
            let hash = keccak256(code);
            if codes.insert(hash, Code::Witness(code)).is_some() {
                surplus = Some(WitnessError::UnusedCode { hash });
            }
        }
        let state = Self {
            // Blocks make fewer nodes than they walk through.
            nodes: Nodes::new(nodes, witness.state.len().min(MOST_EXPECTED) * 2),
            accounts_trie: root_child(root),
            index: AddressMap::default(),
            // An account that is there has a leaf. Memory that is not touched is free in a zkVM, but not without end.
            accounts: Vec::with_capacity(witness.state.len().min(MOST_EXPECTED)),
            written: Vec::new(),
            unused_codes: codes.len(),
            codes,
            ready: 0,
            ancestors,
            fault: None,
        };
        (state, surplus)
    }

    /// Errors with something in the witness that no block used.
    pub(crate) fn check_all_used(&self) -> Result<(), WitnessError> {
        self.nodes.check_all_used()?;
        if self.unused_codes > 0
            && let Some((hash, _)) = self
                .codes
                .iter()
                .find(|(_, code)| matches!(code, Code::Witness(_) | Code::Created { in_witness: true, .. }))
        {
            return Err(WitnessError::UnusedCode { hash: *hash });
        }
        self.ancestors.check_all_used()
    }

    /// The nodes that blocks used, in the order in which they did, for a state that looks them up by hash.
    #[cfg(feature = "std")]
    pub(crate) fn used_nodes(&self) -> &[&'a [u8]] {
        self.nodes.used()
    }

    /// Those of a witness's codes that blocks needed, each once, in the order of their hashes.
    #[cfg(feature = "std")]
    pub(crate) fn used_codes<'c>(&self, codes: impl Iterator<Item = &'c [u8]>) -> Vec<Bytes> {
        let by_hash: std::collections::BTreeMap<B256, &[u8]> =
            codes.map(|code| (keccak256(code), code)).collect();
        by_hash
            .into_iter()
            .filter(|(hash, _)| matches!(self.codes.get(hash), Some(Code::Read(_) | Code::Ready { .. })))
            .map(|(_, code)| Bytes::copy_from_slice(code))
            .collect()
    }

    /// The place of an account among those known, read from the trie the first time.
    fn load(&mut self, address: Address) -> Result<usize, WitnessError> {
        if let Some(at) = self.index.get(&address) {
            return Ok(*at);
        }
        let hashed = keccak256(address);
        let leaf =
            self.nodes.get(&mut self.accounts_trie, &hashed.0).map_err(|f| fault(f, TrieId::Accounts))?;
        let malformed = || WitnessError::MalformedAccount { address };
        let (in_trie, storage) = match leaf {
            None => (None, Child::Empty),
            Some(leaf) => {
                // An account that a block wrote is in `index`, so the leaf is the witness's.
                let mut rlp = leaf.witness().ok_or_else(malformed)?;
                let storage_root = storage_root_of(rlp).ok_or_else(malformed)?;
                let account = TrieAccount::decode(&mut rlp).map_err(|_| malformed())?;
                if !rlp.is_empty() {
                    return Err(malformed());
                }
                (Some(account), root_child(storage_root))
            }
        };
        let now = in_trie.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: None,
            code: None,
        });
        let at = self.accounts.len();
        self.index.insert(address, at);
        self.accounts.push(AccountEntry {
            address,
            hashed,
            now,
            in_trie,
            storage,
            slot_index: U256Map::default(),
            slots: Vec::new(),
            written: Vec::new(),
            cleared: false,
            listed: false,
        });
        Ok(at)
    }

    /// The place of an account, and that of one of its slots among those known.
    fn load_slot(&mut self, address: Address, slot: U256) -> Result<(usize, usize), WitnessError> {
        let at = self.load(address)?;
        let entry = &mut self.accounts[at];
        if let Some(known) = entry.slot_index.get(&slot) {
            return Ok((at, *known));
        }
        let hashed = keccak256(slot.to_be_bytes::<32>());
        let mut value = U256::ZERO;
        if !entry.cleared
            && let Some(leaf) = self
                .nodes
                .get(&mut entry.storage, &hashed.0)
                .map_err(|f| fault(f, TrieId::Storage(address)))?
        {
            let mut rlp = leaf.as_slice();
            value = U256::decode(&mut rlp).map_err(|_| WitnessError::MalformedSlot { address })?;
            if !rlp.is_empty() || value.is_zero() {
                return Err(WitnessError::MalformedSlot { address });
            }
        }
        entry.slot_index.insert(slot, entry.slots.len());
        entry.slots.push(Slot { hashed, now: value, in_trie: value });
        Ok((at, entry.slots.len() - 1))
    }

    fn load_code(&mut self, hash: B256) -> Result<Bytecode, WitnessError> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytecode::default());
        }
        let known = self.codes.get_mut(&hash).ok_or(WitnessError::MissingCode { hash })?;
        let raw = match known {
            Code::Ready { code, .. } | Code::Created { code, .. } => return Ok(code.clone()),
            Code::Read(raw) => *raw,
            Code::Witness(raw) => {
                self.unused_codes -= 1;
                *raw
            }
        };
        let bytes = Bytes::copy_from_slice(raw);
        // Code that begins like a delegation but is none: deployed before EIP-3541, executes as legacy code.
        let code = Bytecode::new_raw_checked(bytes.clone()).unwrap_or_else(|_| Bytecode::new_legacy(bytes));
        self.ready += raw.len();
        *known = Code::Ready { raw, code: code.clone() };
        Ok(code)
    }

    /// A code's bytes, which need not be ready to run.
    fn code_bytes(&mut self, hash: B256) -> Result<&[u8], WitnessError> {
        if hash == KECCAK256_EMPTY {
            return Ok(&[]);
        }
        let known = self.codes.get_mut(&hash).ok_or(WitnessError::MissingCode { hash })?;
        if let Code::Witness(raw) = *known {
            self.unused_codes -= 1;
            *known = Code::Read(raw);
        }
        match &*known {
            Code::Witness(raw) | Code::Read(raw) | Code::Ready { raw, .. } => Ok(raw),
            Code::Created { code, .. } => Ok(code.original_byte_slice()),
        }
    }

    /// Gives the memory of codes that are ready to run back, where it is much.
    fn give_codes_back(&mut self) {
        if self.ready <= MOST_READY {
            return;
        }
        self.ready = 0;
        for code in self.codes.values_mut() {
            if let Code::Ready { raw, .. } = *code {
                *code = Code::Read(raw);
            }
        }
    }

    fn commit_account(&mut self, address: Address, mut account: Account) -> Result<(), WitnessError> {
        if !account.is_touched() {
            return Ok(());
        }
        let at = self.load(address)?;
        let gone = account.is_selfdestructed();
        // EIP-161: a touched account that is empty goes, with whatever storage it had.
        let empty = !gone && !account.is_created() && account.is_empty();
        if gone || empty {
            let entry = &mut self.accounts[at];
            if entry.now.is_some() || !entry.slots.is_empty() {
                entry.clear_storage();
                entry.now = None;
                self.list(at);
            }
            return Ok(());
        }
        if account.is_created() {
            self.accounts[at].clear_storage();
        }
        // Kept with the codes alone, so that it can be given back.
        if let Some(code) = account.info.code.take()
            && !code.is_empty()
        {
            // What was used is known as such, so what is not was created, and is not needed of the witness any more.
            match self.codes.entry(account.info.code_hash) {
                Entry::Vacant(entry) => {
                    entry.insert(Code::Created { code, in_witness: false });
                }
                Entry::Occupied(mut entry) => {
                    if let Code::Witness(_) = entry.get() {
                        entry.insert(Code::Created { code, in_witness: true });
                    }
                }
            }
        }
        for (slot, value) in &account.storage {
            if !value.is_changed() {
                continue;
            }
            let (_, slot) = self.load_slot(address, *slot)?;
            let entry = &mut self.accounts[at];
            if entry.slots[slot].now != value.present_value {
                entry.slots[slot].now = value.present_value;
                entry.written.push(slot);
            }
        }
        self.accounts[at].now = Some(account.info);
        self.list(at);
        Ok(())
    }

    fn list(&mut self, at: usize) {
        if !core::mem::replace(&mut self.accounts[at].listed, true) {
            self.written.push(at);
        }
    }

    /// Puts what was written since the last time into the tries and returns the state root.
    ///
    /// In each trie all writes come before all removals, so that what a removal needs of its siblings does not depend
    /// on the order (see [`Nodes::remove`]). All are done in the order in which accounts and slots were first read: executed
    /// changes come in that of a hash map, and the nodes of a witness stand in the order of their use.
    pub(crate) fn root(&mut self) -> Result<B256, WitnessError> {
        let mut removed = Vec::new();
        let mut written = core::mem::take(&mut self.written);
        written.sort_unstable();
        for at in written {
            let entry = &mut self.accounts[at];
            entry.listed = false;
            let Some(now) = &entry.now else {
                entry.settle_cleared();
                if entry.in_trie.take().is_some() {
                    removed.push(at);
                }
                continue;
            };
            let (nonce, balance, code_hash) = (now.nonce, now.balance, now.code_hash);
            let storage_root = entry.storage_root(&mut self.nodes)?;
            let account = TrieAccount { nonce, balance, storage_root, code_hash };
            if entry.in_trie == Some(account) {
                continue;
            }
            entry.in_trie = Some(account);
            let mut leaf = Vec::with_capacity(account.length());
            account.encode(&mut leaf);
            self.nodes
                .insert(&mut self.accounts_trie, &entry.hashed.0, leaf)
                .map_err(|f| fault(f, TrieId::Accounts))?;
        }
        for at in removed {
            self.nodes
                .remove(&mut self.accounts_trie, &self.accounts[at].hashed.0)
                .map_err(|f| fault(f, TrieId::Accounts))?;
        }
        Ok(self.nodes.root(self.accounts_trie))
    }

    fn note<T>(&mut self, result: Result<T, WitnessError>) -> Result<T, WitnessError> {
        if let Err(error) = &result {
            self.fault.get_or_insert_with(|| error.clone());
        }
        result
    }
}

impl<'a> AccountEntry<'a> {
    fn clear_storage(&mut self) {
        self.slot_index.clear();
        self.slots.clear();
        self.written.clear();
        self.cleared = true;
    }

    fn settle_cleared(&mut self) {
        if core::mem::take(&mut self.cleared) {
            self.storage = Child::Empty;
        }
    }

    fn storage_root(&mut self, nodes: &mut Nodes<'a>) -> Result<B256, WitnessError> {
        let was_cleared = self.cleared;
        self.settle_cleared();
        if self.written.is_empty() && !was_cleared {
            return Ok(self.in_trie.map_or(EMPTY_ROOT_HASH, |account| account.storage_root));
        }
        let in_storage = |f| fault(f, TrieId::Storage(self.address));
        let mut removed = Vec::new();
        self.written.sort_unstable();
        for at in self.written.drain(..) {
            let slot = &mut self.slots[at];
            if slot.now == slot.in_trie {
                continue;
            }
            slot.in_trie = slot.now;
            if slot.now.is_zero() {
                removed.push(at);
                continue;
            }
            let mut leaf = Vec::with_capacity(33);
            slot.now.encode(&mut leaf);
            nodes.insert(&mut self.storage, &slot.hashed.0, leaf).map_err(in_storage)?;
        }
        for at in removed {
            nodes.remove(&mut self.storage, &self.slots[at].hashed.0).map_err(in_storage)?;
        }
        Ok(nodes.root(self.storage))
    }
}

impl Database for WitnessState<'_> {
    type Error = WitnessError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, WitnessError> {
        let at = self.load(address);
        let at = self.note(at)?;
        Ok(self.accounts[at].now.clone())
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, WitnessError> {
        let code = self.load_code(code_hash);
        self.note(code)
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, WitnessError> {
        let found = self.load_slot(address, index);
        let (account, slot) = self.note(found)?;
        Ok(self.accounts[account].slots[slot].now)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, WitnessError> {
        let hash = self.ancestors.hash(number);
        self.note(hash)
    }
}

impl StateDatabase for WitnessState<'_> {
    fn has_storage(&mut self, address: Address) -> Result<bool, WitnessError> {
        let at = self.load(address);
        let at = self.note(at)?;
        let entry = &self.accounts[at];
        // Within a block only accounts with code or a nonce get storage, and those are not asked about.
        Ok(!entry.cleared && entry.in_trie.is_some_and(|account| account.storage_root != EMPTY_ROOT_HASH))
    }

    fn read_code<T>(&mut self, hash: B256, read: impl FnOnce(&[u8]) -> T) -> Result<T, WitnessError> {
        let done = self.code_bytes(hash).map(read);
        self.note(done)
    }
}

impl DatabaseCommit for WitnessState<'_> {
    fn commit(&mut self, changes: AddressMap<Account>) {
        self.commit_iter(&mut changes.into_iter());
    }

    fn commit_iter(&mut self, changes: &mut dyn Iterator<Item = (Address, Account)>) {
        for (address, account) in changes {
            let done = self.commit_account(address, account);
            // The caller looks at `fault` after the block; there is no way to return it from here.
            let _ = self.note(done);
        }
        self.give_codes_back();
    }
}

fn root_child(root: &B256) -> Child<'_> {
    if *root == EMPTY_ROOT_HASH { Child::Empty } else { Child::Hash(&root.0) }
}

fn fault(fault: TrieFault, trie: TrieId) -> WitnessError {
    match fault {
        TrieFault::Missing { hash, path } => WitnessError::MissingNode { hash, trie, path },
        TrieFault::Malformed { path, reason } => WitnessError::MalformedNode { trie, path, reason },
    }
}

/// The storage root inside the RLP of an account, borrowed: it stands 66 bytes before the end, with the code hash and
/// its own length byte behind it.
fn storage_root_of(rlp: &[u8]) -> Option<&B256> {
    let root = rlp.get(rlp.len().checked_sub(65)?..rlp.len() - 33)?;
    root.try_into().ok()
}

impl WitnessState<'_> {
    /// The root of an account's storage as of the last [`state_root`](Self::state_root); the empty root where there is no
    /// account.
    pub fn storage_root(&mut self, address: Address) -> Result<B256, WitnessError> {
        let at = self.load(address)?;
        Ok(self.accounts[at].in_trie.map_or(EMPTY_ROOT_HASH, |account| account.storage_root))
    }
}
