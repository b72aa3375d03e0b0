//! The nodes beside deleted ones.
//!
//! When a deletion leaves a branch with one child, that child merges with what is above it, so its content is needed,
//! but no proof of the deleted key shows it. Two sources are tried:
//!
//! - The proof of the deleted key *after* the block ends in the merged node, if that is a leaf or an extension. What it
//!   was before is the same node with a shorter path: [`shortened`] gives all of those.
//! - Any key that leads to the node has it in its proof *before* the range. [`key_below`] searches one.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::{Decodable, Encodable};
use alloy_trie::{
    Nibbles,
    nodes::{ExtensionNode, LeafNode, TrieNode},
};

/// The deepest node that a key is searched for: `16^7` hashes take a minute or two.
pub(crate) const DEEPEST_SEARCH: usize = 7;

/// What a leaf or extension could have been before it merged with the nodes above it.
pub(crate) fn shortened(node: &[u8]) -> Vec<Bytes> {
    let encoded = |node: &dyn Encodable| {
        let mut out = Vec::new();
        node.encode(&mut out);
        Bytes::from(out)
    };
    match TrieNode::decode(&mut &node[..]) {
        Ok(TrieNode::Leaf(leaf)) => (1..=leaf.key.len())
            .map(|from| encoded(&LeafNode { key: leaf.key.slice(from..), value: leaf.value.clone() }))
            .collect(),
        Ok(TrieNode::Extension(extension)) => (1..extension.key.len())
            .map(|from| {
                encoded(&ExtensionNode { key: extension.key.slice(from..), child: extension.child.clone() })
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// An address whose hash begins with these nibbles. Takes `16^length` hashes on average.
pub(crate) fn address_below(path: &Nibbles) -> Option<Address> {
    key_below(path, |n| {
        let mut address = Address::ZERO;
        address[12..].copy_from_slice(&n.to_be_bytes());
        (address, keccak256(address))
    })
}

/// A slot whose hash begins with these nibbles. Takes `16^length` hashes on average.
pub(crate) fn slot_below(path: &Nibbles) -> Option<U256> {
    key_below(path, |n| {
        let slot = U256::from(n);
        (slot, keccak256(B256::from(slot)))
    })
}

fn key_below<T>(path: &Nibbles, candidate: impl Fn(u64) -> (T, B256)) -> Option<T> {
    if path.len() > DEEPEST_SEARCH {
        return None;
    }
    let wanted = path.to_vec();
    // Forty times the average: the chance to miss a key is e^-40.
    (0..40u64 << (4 * wanted.len())).map(candidate).find_map(|(key, hash)| {
        let begins = wanted
            .iter()
            .enumerate()
            .all(|(at, nibble)| (hash[at / 2] >> (4 * (1 - at % 2))) & 0xf == *nibble);
        begins.then_some(key)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn found_keys_lead_below_the_path() {
        let path = Nibbles::from_nibbles([3, 0xa, 0xf, 1]);
        assert!(Nibbles::unpack(keccak256(address_below(&path).unwrap())).starts_with(&path));
        assert!(Nibbles::unpack(keccak256(B256::from(slot_below(&path).unwrap()))).starts_with(&path));
        assert_eq!(slot_below(&Nibbles::from_nibbles([1; 8])), None);
    }

    #[test]
    fn a_merged_leaf_gives_back_the_one_before() {
        let before = LeafNode { key: Nibbles::from_nibbles([5, 6, 7]), value: vec![9; 40] };
        let after = LeafNode { key: Nibbles::from_nibbles([1, 2, 5, 6, 7]), value: vec![9; 40] };
        let encoded = |leaf: &LeafNode| {
            let mut out = Vec::new();
            leaf.encode(&mut out);
            Bytes::from(out)
        };
        assert!(shortened(&encoded(&after)).contains(&encoded(&before)));
    }
}
