//! Accounts, slots and codes with their proofs, read from the nodes that lead to the state root of the header.
//!
//! What a node claims beside its proof (balance, nonce, hashes, values, keys) is not read: clients differ in it, above
//! all for accounts and slots that are not there.

use crate::{
    BuildError,
    blocks::{StateAt, quantity},
    json::{self, Object, bytes},
    node::Inner,
    rpc::{Fault, Unread, parse},
    trie::Nodes,
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, TrieAccount};
use serde_json::{Value, json, value::RawValue};
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(test)]
pub(crate) mod tests;

/// Slots in one request: nodes limit them (geth to 1,024), and the answer to a hundred is about 300 KB.
pub(crate) const SLOTS_PER_REQUEST: usize = 100;
const METHOD: &str = "eth_getProof";
const CODE: &str = "eth_getCode";

/// An account and some of its slots, with the trie nodes that prove them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proven {
    /// `None` where there is no such account.
    pub(crate) account: Option<TrieAccount>,
    pub(crate) slots: Vec<(U256, U256)>,
    pub(crate) nodes: Vec<Bytes>,
}

/// How a request names a block and slots. The node's proof tells whether it is of the right state, so a number does as
/// well as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    by_hash: bool,
    /// Slots as 32 bytes, or without leading zeros.
    long: bool,
}

/// In the order in which they are tried. The first is what most nodes take.
const FORMS: [Form; 4] = [
    Form { by_hash: true, long: true },
    Form { by_hash: false, long: true },
    Form { by_hash: true, long: false },
    Form { by_hash: false, long: false },
];

impl Form {
    fn state(self, at: StateAt) -> Value {
        if self.by_hash { json!({ "blockHash": at.hash }) } else { json!(quantity(at.block)) }
    }

    fn slots(self, slots: &[U256]) -> Value {
        if self.long {
            slots.iter().map(|slot| json!(B256::from(*slot))).collect()
        } else {
            slots.iter().map(|slot| json!(slot)).collect()
        }
    }
}

/// Which of the forms a node was found to take; from 1 on, 0 for none.
#[derive(Debug, Default)]
pub(crate) struct Forms(AtomicUsize);

impl Forms {
    fn known(&self) -> Option<usize> {
        self.0.load(Ordering::Relaxed).checked_sub(1)
    }

    fn learn(&self, place: usize) {
        self.0.store(place + 1, Ordering::Relaxed);
    }
}

impl Inner {
    /// An account and slots of it (at most [`SLOTS_PER_REQUEST`]) in a state.
    pub(crate) async fn proof(
        &self,
        at: StateAt,
        address: Address,
        slots: &[U256],
    ) -> Result<Proven, BuildError> {
        let keys: Vec<B256> = slots.iter().map(|slot| B256::from(*slot)).collect();
        let request = format!("proof {address} {keys:?}");
        if let Some(text) = self.cache.get(at.hash, &request) {
            match verified(at, address, slots, &text) {
                Ok(proven) => return Ok(proven),
                Err(error) => tracing::warn!(%error, "a cached proof is false and is fetched again"),
            }
        }
        let params = |form: Form| json!([address, form.slots(slots), form.state(at)]);
        let (answer, proven) = self
            .in_some_form(METHOD, at, !slots.is_empty(), params, |text| verified(at, address, slots, text))
            .await?;
        self.cache.put(at.hash, &request, &answer);
        Ok(proven)
    }

    /// The code of an account, which must have this hash.
    pub(crate) async fn code(
        &self,
        at: StateAt,
        account: Address,
        expected: B256,
    ) -> Result<Bytes, BuildError> {
        if let Some(code) =
            self.cache.get(expected, "code").and_then(|text| parse::<Bytes>("cache", &text).ok())
            && keccak256(&code) == expected
        {
            return Ok(code);
        }
        let params = |form: Form| json!([account, form.state(at)]);
        let read = |text: &str| {
            let code: Bytes = parse(CODE, text)?;
            let got = keccak256(&code);
            if got == expected { Ok(code) } else { Err(BuildError::FalseCode { account, expected, got }) }
        };
        let (_, code) = self.in_some_form(CODE, at, false, params, read).await?;
        // A code is found by its hash alone, so it is kept for all blocks.
        self.cache.put(expected, "code", &format!("\"{code}\""));
        Ok(code)
    }

    /// Asks in the form that the node was found to take. Where none is known yet, or the node says that it cannot read the
    /// request, also in the others: a node may take an object that it does not know for the newest block.
    async fn in_some_form<T>(
        &self,
        method: &'static str,
        at: StateAt,
        has_slots: bool,
        params: impl Fn(Form) -> Value,
        read: impl Fn(&str) -> Result<T, BuildError>,
    ) -> Result<(String, T), BuildError> {
        let known = self.forms.known();
        let usual = known.unwrap_or(0);
        let others = (0..FORMS.len())
            .filter(|place| *place != usual && (has_slots || FORMS[*place].long == FORMS[usual].long));
        let (mut refused, mut wrong) = (None, None);
        let about = at.about();
        for place in std::iter::once(usual).chain(others) {
            let form = FORMS[place];
            let read = |text: &str| Ok((text.to_owned(), read(text)?));
            match self.rpc.tried(about.state(), method, params(form), read).await {
                Ok(answer) => {
                    if known != Some(place) {
                        tracing::debug!(method, ?form, "the node takes requests in this form");
                        self.forms.learn(place);
                    }
                    return Ok(answer);
                }
                Err(Unread::Rejected(
                    error @ (BuildError::FalseProof { .. } | BuildError::FalseCode { .. }),
                )) if known.is_none() => {
                    wrong.get_or_insert(error);
                }
                Err(Unread::Rejected(error)) => return Err(wrong.unwrap_or(error)),
                Err(Unread::Fault(fault)) if is_about_form(&fault) => {
                    refused.get_or_insert(fault);
                }
                Err(Unread::Fault(fault)) => return Err(wrong.unwrap_or(fault.error(method, Some(about)))),
            }
        }
        let refusal = refused.unwrap_or(Fault::MethodMissing);
        Err(wrong.unwrap_or_else(|| refusal.error(method, Some(about))))
    }
}

/// Whether a node refuses a request because it cannot read it.
pub(crate) fn is_about_form(fault: &Fault) -> bool {
    let Fault::Refused(reason) = fault else { return false };
    let reason = reason.to_lowercase();
    [
        "code -32602",
        "code -32600",
        "code -32700",
        "http status 400",
        "http status 422",
        "invalid argument",
        "invalid param",
        "invalid type",
        "invalid block",
        "invalid length",
        "invalid value",
        "hex string",
        "unmarshal",
        "deseriali",
        "cannot convert",
        "[object object]",
        "unable to decode",
        "unable to parse",
        "failed to parse",
        "storage key",
        "eip-1898",
    ]
    .iter()
    .any(|words| reason.contains(words))
}

/// Reads an answer, whatever form it has. Pure, so that every answer can be tried.
pub(crate) fn verified(
    at: StateAt,
    address: Address,
    slots: &[U256],
    text: &str,
) -> Result<Proven, BuildError> {
    let nodes = nodes(text, at.root).map_err(|reason| BuildError::Malformed { method: METHOD, reason })?;
    let false_proof =
        |reason: String| BuildError::FalseProof { account: address, block: at.block, root: at.root, reason };
    let mut proven = Proven::default();
    let account = nodes.value(at.root, keccak256(address), &mut proven.nodes).map_err(false_proof)?;
    proven.account = account
        .map(alloy_rlp::decode_exact::<TrieAccount>)
        .transpose()
        .map_err(|error| false_proof(format!("its leaf holds no account: {error}")))?;
    let storage_root = proven.account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
    for slot in slots {
        let leaf = nodes
            .value(storage_root, keccak256(B256::from(*slot)), &mut proven.nodes)
            .map_err(|error| false_proof(format!("slot {slot}: {error}")))?;
        let value = leaf
            .map(alloy_rlp::decode_exact::<U256>)
            .transpose()
            .map_err(|error| false_proof(format!("the leaf of slot {slot} holds no number: {error}")))?;
        if value.is_some_and(|value| value.is_zero()) {
            return Err(BuildError::ZeroLeaf { account: address, slot: *slot, block: at.block });
        }
        proven.slots.push((*slot, value.unwrap_or_default()));
    }
    Ok(proven)
}

/// All trie nodes of an answer, those of the account and of its slots.
fn nodes(text: &str, root: B256) -> Result<Nodes, String> {
    if text.trim() == "null" {
        return Err("it holds no proof; use a node that proves absent accounts too".to_owned());
    }
    let answer = Object::read(text)?;
    if root != EMPTY_ROOT_HASH && answer.any(&["accountproof", "proof"]).is_none() {
        return Err("it holds no `accountProof`".to_owned());
    }
    let read = |list: &RawValue| -> Result<Vec<Bytes>, String> {
        json::list(list)?.into_iter().filter(|node| node.get() != "null").map(bytes).collect()
    };
    let mut all = answer.optional(&["accountproof", "proof"], read)?.unwrap_or_default();
    for slot in answer.optional(&["storageproof", "storageproofs"], json::list)?.unwrap_or_default() {
        if slot.get() != "null" {
            let slot = Object::read(slot.get()).map_err(|error| format!("`storageproof`: {error}"))?;
            all.extend(slot.optional(&["proof", "storageproof"], read)?.unwrap_or_default());
        }
    }
    Ok(Nodes::new(all))
}
