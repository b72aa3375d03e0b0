//! anvil's chain with Ethereum's roots.
//!
//! anvil (1.7.1) keeps cleared slots and empty accounts in its tries, and hashes blob sidecars into its transactions root,
//! so the headers of most mixed blocks are not Ethereum's. What it executes is right, though. Here each block is sealed
//! anew: the state root is that of the full state which anvil dumps after the block (without the zeros), the transactions
//! root that of the block's body, the parent hash that of the block sealed before. Everything else in the header is
//! anvil's: gas used, receipts root, logs bloom, blob gas. Re-execution has to reach all of it.

use alloy_consensus::{EthereumTxEnvelope, Signed, TxEip4844, TxEnvelope};
use alloy_eips::{Encodable2718, eip2935::HISTORY_STORAGE_ADDRESS};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rpc_types_eth::{Block as RpcBlock, Transaction};
use alloy_trie::{
    EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount, proof::ProofRetainer, root::ordered_trie_root_encoded,
};
use proofmill_proxy::{Action, Request};
use proofmill_stateless::{PreState, PreStateAccount};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// The blocks as they are served, from the genesis block on.
#[derive(Default)]
pub struct SoundChain {
    blocks: Vec<SoundBlock>,
    /// From anvil's hashes to ours.
    hashes: HashMap<B256, B256>,
}

struct SoundBlock {
    hash: B256,
    json: Value,
    state: PreState,
}

impl SoundChain {
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    pub fn truncate(&mut self, len: usize) {
        self.blocks.truncate(len);
    }

    /// Seals anvil's block anew. `dump` is what `anvil_dumpState` says after it.
    pub fn push(&mut self, json: Value, dump: &Value) {
        self.push_with(json, state(dump));
    }

    /// Seals anvil's block anew, with this state after it.
    pub fn push_with(&mut self, mut json: Value, mut state: PreState) {
        let block: RpcBlock<Transaction> = serde_json::from_value(json.clone()).unwrap();
        // The history of block hashes (EIP-2935) holds anvil's hashes: ours belong there.
        if let Some(history) = state.get_mut(&HISTORY_STORAGE_ADDRESS) {
            for value in history.storage.values_mut() {
                *value = U256::from_be_bytes(self.hashes[&B256::from(*value)].0);
            }
        }
        let transactions: Vec<_> =
            block.transactions.as_transactions().unwrap().iter().map(|tx| body(tx.inner.inner())).collect();
        let mut header = block.header.inner;
        if let Some(parent) = self.blocks.last() {
            header.parent_hash = parent.hash;
        }
        header.state_root = PreStateAccount::state_root(&state);
        header.transactions_root = ordered_trie_root_encoded(&transactions);
        let hash = header.hash_slow();
        self.hashes.insert(block.header.hash, hash);
        json["hash"] = json!(hash);
        json["parentHash"] = json!(header.parent_hash);
        json["stateRoot"] = json!(header.state_root);
        json["transactionsRoot"] = json!(header.transactions_root);
        self.blocks.push(SoundBlock { hash, json, state });
    }

    /// What the chain answers; anvil answers what is not about the chain's content.
    pub fn answer(&self, request: &Request<'_>) -> Action {
        let params = request.params;
        match request.method {
            "eth_blockNumber" => Action::Answer(json!(format!("{:#x}", self.blocks.len() - 1))),
            "eth_getBlockByNumber" => {
                let number = match params[0].as_str().unwrap() {
                    "latest" => self.blocks.len() - 1,
                    // As with one slot in an epoch.
                    "finalized" => (self.blocks.len() - 1).saturating_sub(2),
                    number => usize::from_str_radix(number.trim_start_matches("0x"), 16).unwrap(),
                };
                let Some(block) = self.blocks.get(number) else { return Action::Answer(Value::Null) };
                let mut json = block.json.clone();
                if params[1] == json!(false) {
                    json["transactions"] = json!([]);
                }
                Action::Answer(json)
            }
            "eth_getProof" => match self.at(&params[2]) {
                Some(block) => {
                    let slots: Vec<B256> = serde_json::from_value(params[1].clone()).unwrap();
                    let address: Address = serde_json::from_value(params[0].clone()).unwrap();
                    Action::Answer(proof(&block.state, address, &slots))
                }
                None => Action::refuse(-32000, "header not found"),
            },
            "eth_getCode" => match self.at(&params[1]) {
                Some(block) => {
                    let address: Address = serde_json::from_value(params[0].clone()).unwrap();
                    Action::Answer(json!(
                        block.state.get(&address).map_or(Bytes::new(), |account| account.code.clone())
                    ))
                }
                None => Action::refuse(-32000, "header not found"),
            },
            _ => Action::Forward,
        }
    }

    fn at(&self, block: &Value) -> Option<&SoundBlock> {
        let hash: B256 = serde_json::from_value(block["blockHash"].clone()).unwrap();
        self.blocks.iter().find(|block| block.hash == hash)
    }
}

fn body(transaction: &TxEnvelope) -> Vec<u8> {
    match transaction {
        TxEnvelope::Eip4844(signed) => {
            let body = Signed::new_unchecked(signed.tx().tx().clone(), *signed.signature(), *signed.hash());
            EthereumTxEnvelope::<TxEip4844>::Eip4844(body).encoded_2718()
        }
        transaction => transaction.encoded_2718(),
    }
}

/// The accounts of a dump that are there by EIP-161, with the slots that are not zero.
fn state(dump: &Value) -> PreState {
    let packed: Bytes = serde_json::from_value(dump.clone()).unwrap();
    // A gzip header without options has ten bytes.
    let text = miniz_oxide::inflate::decompress_to_vec(&packed[10..packed.len() - 8]).unwrap();
    let dump: Value = serde_json::from_slice(&text).unwrap();
    let mut state = PreState::new();
    for (address, account) in dump["accounts"].as_object().unwrap() {
        let storage: BTreeMap<U256, U256> = serde_json::from_value(account["storage"].clone()).unwrap();
        let account = PreStateAccount {
            nonce: account["nonce"].as_u64().unwrap(),
            balance: serde_json::from_value(account["balance"].clone()).unwrap(),
            code: serde_json::from_value(account["code"].clone()).unwrap(),
            storage: storage.into_iter().filter(|(_, value)| !value.is_zero()).collect(),
        };
        if account.nonce > 0 || !account.balance.is_zero() || !account.code.is_empty() {
            state.insert(address.parse().unwrap(), account);
        }
    }
    state
}

/// The root of a trie, and the nodes that lead to some keys.
fn nodes(leaves: BTreeMap<B256, Vec<u8>>, keys: &[B256]) -> (B256, Vec<Vec<Bytes>>) {
    let keys: Vec<Nibbles> = keys.iter().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(keys.clone()));
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), &value);
    }
    let root = builder.root();
    let proof = builder.take_proof_nodes();
    let of = |key| proof.matching_nodes_sorted(key).into_iter().map(|(_, node)| node).collect();
    (root, keys.iter().map(of).collect())
}

fn storage(account: &PreStateAccount, slots: &[B256]) -> (B256, Vec<Vec<Bytes>>) {
    let leaves =
        account.storage.iter().map(|(slot, value)| (keccak256(B256::from(*slot)), alloy_rlp::encode(value)));
    nodes(leaves.collect(), &slots.iter().map(keccak256).collect::<Vec<_>>())
}

fn proof(state: &PreState, address: Address, slots: &[B256]) -> Value {
    let trie_account = |account: &PreStateAccount| TrieAccount {
        nonce: account.nonce,
        balance: account.balance,
        storage_root: storage(account, &[]).0,
        code_hash: if account.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&account.code) },
    };
    let leaves =
        state.iter().map(|(address, account)| (keccak256(address), alloy_rlp::encode(trie_account(account))));
    let (_, account_proof) = nodes(leaves.collect(), &[keccak256(address)]);
    let account = state.get(&address).cloned().unwrap_or_default();
    let (storage_hash, storage_proofs) = storage(&account, slots);
    let shown = trie_account(&account);
    json!({
        "address": address,
        "balance": shown.balance,
        "nonce": format!("{:#x}", shown.nonce),
        "codeHash": shown.code_hash,
        "storageHash": if account.storage.is_empty() { EMPTY_ROOT_HASH } else { storage_hash },
        "accountProof": account_proof[0],
        "storageProof": slots.iter().zip(storage_proofs).map(|(slot, proof)| json!({
            "key": slot,
            "value": account.storage.get(&U256::from_be_bytes(slot.0)).copied().unwrap_or_default(),
            "proof": proof,
        })).collect::<Vec<_>>(),
    })
}
