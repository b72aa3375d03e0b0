//! Witnesses from a state that is held in full, and the reduction of witnesses to what blocks need.

use crate::chain::ChainSpec;
use crate::error::StatelessError;
use crate::execute::{RangeOutcome, Surplus, finish, run};
use crate::input::{Block, StatelessInput, StatelessInputRef, Witness};
use crate::trie::{Child, Nodes, Source};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::TrieAccount;
use std::collections::{BTreeMap, BTreeSet};

/// A state in full: every account with its code and storage.
pub type PreState = BTreeMap<Address, PreStateAccount>;

/// An account of a [`PreState`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreStateAccount {
    /// Number of transactions sent, or of contracts created.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Contract code, empty for others.
    pub code: Bytes,
    /// Storage; zero values are as good as absent.
    pub storage: BTreeMap<U256, U256>,
}

/// Executes an input whose witness may hold more than is needed (as nodes' answers to `debug_executionWitness` do), and
/// returns the outcome and the same input with exactly the nodes, codes and headers that were used: nodes in the order in
/// which they were, codes in that of their hashes. So it is the same input whatever order a node answers in.
///
/// Errors as [`execute`](crate::execute) does; where the witness lacks a node the error names the place in the trie, so
/// that a builder can fetch it and try again.
pub fn minimise(input: &StatelessInput) -> Result<(RangeOutcome, StatelessInput), StatelessError> {
    let bytes = input.encode();
    let decoded = StatelessInputRef::decode(&bytes)?;
    let (outcome, state) = run(&decoded, Surplus::Ignored)?;
    let witness = Witness {
        state: state.used_nodes().iter().map(|node| Bytes::copy_from_slice(node)).collect(),
        codes: state.used_codes(input.witness.codes.iter().map(AsRef::as_ref)),
        headers: input.witness.headers[..state.ancestors.headers_used()].to_vec(),
    };
    let outcome = finish(outcome, state);
    Ok((outcome, StatelessInput { witness, ..input.clone() }))
}

/// Makes the input for a range of blocks from the full state before them, with the smallest witness.
///
/// `ancestors` are the headers before `parent`, newest first, as far as BLOCKHASH may ask; those that are not needed are
/// left out. Errors as [`execute`](crate::execute) does.
pub fn witness_from_state(
    chain: ChainSpec,
    parent: Header,
    ancestors: Vec<Header>,
    blocks: Vec<Block>,
    state: &PreState,
) -> Result<(RangeOutcome, StatelessInput), StatelessError> {
    minimise(&StatelessInput { chain, parent, blocks, witness: full_witness(state, ancestors) })
}

/// Every node and every code of a state, each once.
pub fn full_witness(state: &PreState, ancestors: Vec<Header>) -> Witness {
    let codes: BTreeSet<_> =
        state.values().map(|account| &account.code).filter(|code| !code.is_empty()).collect();
    let nodes: BTreeSet<_> = state_nodes(state).1.into_iter().collect();
    Witness {
        state: nodes.into_iter().collect(),
        codes: codes.into_iter().cloned().collect(),
        headers: ancestors,
    }
}

impl PreStateAccount {
    /// The state root of a state that is held in full.
    pub fn state_root(state: &PreState) -> B256 {
        state_nodes(state).0
    }
}

/// The root of a full state and all nodes of its tries.
fn state_nodes(state: &PreState) -> (B256, Vec<Bytes>) {
    let mut nodes = Nodes::new(Source::in_order(&[]), 0);
    let mut encoded = Vec::new();
    let mut accounts = Child::Empty;
    for (address, account) in state {
        let mut storage = Child::Empty;
        for (slot, value) in account.storage.iter().filter(|(_, value)| !value.is_zero()) {
            let mut leaf = Vec::new();
            value.encode(&mut leaf);
            insert(&mut nodes, &mut storage, &keccak256(slot.to_be_bytes::<32>()), leaf);
        }
        let code_hash = if account.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&account.code) };
        let storage_root = nodes.root(storage);
        nodes.collect(storage, &mut encoded);
        let leaf = TrieAccount { nonce: account.nonce, balance: account.balance, storage_root, code_hash };
        insert(&mut nodes, &mut accounts, &keccak256(address), alloy_rlp::encode(leaf));
    }
    let root = nodes.root(accounts);
    nodes.collect(accounts, &mut encoded);
    (root, encoded)
}

fn insert<'a>(nodes: &mut Nodes<'a>, root: &mut Child<'a>, key: &B256, leaf: Vec<u8>) {
    // Every node of the trie was made here, so none can be missing or malformed.
    let done = nodes.insert(root, &key.0, leaf);
    debug_assert!(done.is_ok());
}
