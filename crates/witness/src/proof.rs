//! Accounts, slots and codes with their proofs, checked against the state root that the header commits to.

use crate::{BuildError, blocks::StateAt, node::Inner, rpc::parse};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rpc_types_eth::EIP1186AccountProofResponse;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount, proof::verify_proof};
use serde_json::json;

/// Slots in one request: nodes limit them (geth to 1,024), and the answer to a hundred is about 300 KB.
pub(crate) const SLOTS_PER_REQUEST: usize = 100;
const METHOD: &str = "eth_getProof";

/// An account and some of its slots, with the trie nodes that prove them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proven {
    /// `None` where there is no such account.
    pub(crate) account: Option<TrieAccount>,
    pub(crate) slots: Vec<(U256, U256)>,
    pub(crate) nodes: Vec<Bytes>,
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
        let params = json!([address, keys, { "blockHash": at.hash }]);
        let about = at.about();
        self.rpc
            .read(about.state(), METHOD, params, Some(about), |answer| {
                let proven = verified(at, address, slots, answer)?;
                self.cache.put(at.hash, &request, answer);
                Ok(proven)
            })
            .await
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
        let params = json!([account, { "blockHash": at.hash }]);
        let about = at.about();
        let code = self
            .rpc
            .read(about.state(), "eth_getCode", params, Some(about), |answer| {
                let code: Bytes = parse("eth_getCode", answer)?;
                match keccak256(&code) {
                    got if got == expected => Ok(code),
                    got => Err(BuildError::FalseCode { account, expected, got }),
                }
            })
            .await?;
        // A code is found by its hash alone, so it is kept for all blocks.
        self.cache.put(expected, "code", &format!("\"{code}\""));
        Ok(code)
    }
}

fn verified(at: StateAt, address: Address, slots: &[U256], text: &str) -> Result<Proven, BuildError> {
    let answer: EIP1186AccountProofResponse = parse(METHOD, text)?;
    let false_proof =
        |reason: String| BuildError::FalseProof { account: address, block: at.block, root: at.root, reason };
    if answer.address != address {
        return Err(false_proof(format!("it is of {}", answer.address)));
    }
    let claimed = TrieAccount {
        nonce: answer.nonce,
        balance: answer.balance,
        storage_root: answer.storage_hash,
        code_hash: answer.code_hash,
    };
    // Nodes differ in the hashes that they give to an account that is not there.
    let may_be_absent = claimed.nonce == 0
        && claimed.balance.is_zero()
        && [B256::ZERO, KECCAK256_EMPTY].contains(&claimed.code_hash)
        && [B256::ZERO, EMPTY_ROOT_HASH].contains(&claimed.storage_root);
    let key = Nibbles::unpack(keccak256(address));
    let account = if may_be_absent && verify(at.root, key, None, &answer.account_proof).is_ok() {
        None
    } else {
        verify(at.root, key, Some(alloy_rlp::encode(claimed)), &answer.account_proof).map_err(false_proof)?;
        Some(claimed)
    };
    if answer.storage_proof.len() != slots.len() {
        return Err(false_proof(format!(
            "{} slots were asked for, {} came",
            slots.len(),
            answer.storage_proof.len()
        )));
    }
    let storage_root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
    let mut proven = Proven { account, slots: Vec::with_capacity(slots.len()), nodes: answer.account_proof };
    for (slot, proof) in slots.iter().zip(answer.storage_proof) {
        if U256::from_be_bytes(proof.key.as_b256().0) != *slot {
            return Err(false_proof(format!("slot {slot} was asked for, {:?} came", proof.key)));
        }
        let expected = (!proof.value.is_zero()).then(|| alloy_rlp::encode(proof.value));
        // Without an account or storage there is nothing to prove, and nodes differ in what they send.
        if storage_root != EMPTY_ROOT_HASH || expected.is_some() {
            let key = Nibbles::unpack(keccak256(B256::from(*slot)));
            if let Err(error) = verify(storage_root, key, expected, &proof.proof) {
                let zero = Some(vec![alloy_rlp::EMPTY_STRING_CODE]);
                if proof.value.is_zero() && verify(storage_root, key, zero, &proof.proof).is_ok() {
                    return Err(BuildError::ZeroLeaf { account: address, slot: *slot, block: at.block });
                }
                return Err(false_proof(format!("slot {slot}: {error}")));
            }
            proven.nodes.extend(proof.proof);
        }
        proven.slots.push((*slot, proof.value));
    }
    Ok(proven)
}

/// Verifies a proof of a node. `alloy-trie` asserts that paths are no longer than a key, and a node may send any.
fn verify(root: B256, key: Nibbles, value: Option<Vec<u8>>, proof: &[Bytes]) -> Result<(), String> {
    std::panic::catch_unwind(|| verify_proof(root, key, value, proof))
        .map_err(|_| "its path is longer than a key".to_owned())?
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_longer_than_a_key_proves_nothing() {
        let key = keccak256("an account");
        let node = |path: Vec<u8>, value: Vec<u8>| {
            Bytes::from(alloy_rlp::encode(vec![Bytes::from(path), Bytes::from(value)]))
        };
        // All of the key in an extension, and one nibble more in the leaf below it.
        let leaf = node(vec![0x3a], vec![7; 40]);
        let extension = node([&[0], key.as_slice()].concat(), keccak256(&leaf).to_vec());
        let proof = [extension.clone(), leaf];
        let outcome = verify(keccak256(&extension), Nibbles::unpack(key), None, &proof);
        assert_eq!(outcome, Err("its path is longer than a key".to_owned()));
    }
}
