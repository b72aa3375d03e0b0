//! Reads values from the trie nodes of a proof.
//!
//! Nodes are found by their hashes, so it does not matter in which order they come, under which key, how often, or with
//! which others. Every value that comes out follows from the root alone.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::TrieNode};
use std::collections::HashMap;

/// More nodes than a path can have: each has a nibble at least, but for the last.
const DEEPEST: usize = 66;

/// The nodes of an answer.
#[derive(Debug, Default)]
pub(crate) struct Nodes(HashMap<B256, Bytes>);

impl Nodes {
    pub(crate) fn new(nodes: impl IntoIterator<Item = Bytes>) -> Self {
        Self(nodes.into_iter().map(|node| (keccak256(&node), node)).collect())
    }

    /// What the trie with this root holds for a key; nothing where the nodes show that it is not there. The nodes on the
    /// way are added to `walked`.
    ///
    /// Errors when a node is missing or malformed.
    pub(crate) fn value(
        &self,
        root: B256,
        key: B256,
        walked: &mut Vec<Bytes>,
    ) -> Result<Option<Vec<u8>>, String> {
        if root == EMPTY_ROOT_HASH {
            return Ok(None);
        }
        let key = Nibbles::unpack(key);
        let mut at = 0;
        let mut node = self.decoded(root, walked)?;
        for _ in 0..DEEPEST {
            let child = match node {
                TrieNode::EmptyRoot => return Ok(None),
                TrieNode::Leaf(leaf) => {
                    return Ok((key.slice(at..) == leaf.key).then_some(leaf.value));
                }
                TrieNode::Extension(extension) => {
                    if !key.slice(at..).starts_with(&extension.key) {
                        return Ok(None);
                    }
                    at += extension.key.len();
                    extension.child
                }
                TrieNode::Branch(branch) => {
                    let Some(nibble) = key.get(at) else {
                        return Err("its path is longer than a key".to_owned());
                    };
                    if !branch.state_mask.is_bit_set(nibble) {
                        return Ok(None);
                    }
                    let before = branch.state_mask.get() & ((1u16 << nibble) - 1);
                    at += 1;
                    let place = before.count_ones() as usize;
                    branch.stack.into_iter().nth(place).ok_or("a branch is malformed")?
                }
            };
            node = match child.as_hash() {
                Some(hash) => self.decoded(hash, walked)?,
                // Of less than 32 bytes: it stands in the node above.
                None => decode(&child)?,
            };
        }
        Err("its path is longer than a key".to_owned())
    }

    fn decoded(&self, hash: B256, walked: &mut Vec<Bytes>) -> Result<TrieNode, String> {
        let node = self.0.get(&hash).ok_or_else(|| format!("the node {hash} is missing"))?;
        walked.push(node.clone());
        decode(node)
    }
}

fn decode(mut node: &[u8]) -> Result<TrieNode, String> {
    let decoded =
        alloy_rlp::Decodable::decode(&mut node).map_err(|error| format!("a node is malformed: {error}"))?;
    if node.is_empty() { Ok(decoded) } else { Err("bytes follow a node".to_owned()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_trie::{HashBuilder, proof::ProofRetainer};
    use std::collections::BTreeMap;

    /// The root and all nodes of a trie with these leaves, by hashed key.
    fn trie(leaves: &BTreeMap<B256, Vec<u8>>, keys: &[B256]) -> (B256, Vec<Bytes>) {
        let keys = keys.iter().map(Nibbles::unpack).collect();
        let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(keys));
        for (key, value) in leaves {
            builder.add_leaf(Nibbles::unpack(key), value);
        }
        let root = builder.root();
        (root, builder.take_proof_nodes().into_nodes_sorted().into_iter().map(|(_, node)| node).collect())
    }

    #[test]
    fn values_come_from_leaves_in_any_order_of_the_nodes() {
        for size in [1usize, 2, 17, 300] {
            let all: Vec<B256> = (0..size + 50).map(|n| keccak256(n.to_be_bytes())).collect();
            let leaves: BTreeMap<B256, Vec<u8>> =
                all[..size].iter().map(|key| (*key, alloy_rlp::encode(key.as_slice()))).collect();
            let (root, mut nodes) = trie(&leaves, &all);
            nodes.reverse();
            nodes.push(nodes[0].clone());
            nodes.push(Bytes::from_static(b"something else"));
            let nodes = Nodes::new(nodes);
            for key in &all {
                let value = nodes.value(root, *key, &mut Vec::new());
                assert_eq!(value.unwrap().as_ref(), leaves.get(key), "{size} {key}");
            }
        }
    }

    /// Small leaves below one prefix stand in their branch.
    #[test]
    fn embedded_nodes_are_read() {
        let key = |last: u8| {
            let mut key = [7; 32];
            key[31] = last;
            B256::from(key)
        };
        let leaves: BTreeMap<B256, Vec<u8>> = (0..4).map(|n| (key(n), vec![n + 1])).collect();
        let (root, mut nodes) = trie(&leaves, &leaves.keys().copied().collect::<Vec<_>>());
        let all = nodes.len();
        nodes.retain(|node| node.len() >= 32);
        assert!(nodes.len() + leaves.len() <= all, "{} of {all}", nodes.len());
        let nodes = Nodes::new(nodes);
        for (key, value) in &leaves {
            assert_eq!(nodes.value(root, *key, &mut Vec::new()).unwrap().as_ref(), Some(value));
        }
        assert_eq!(nodes.value(root, key(9), &mut Vec::new()), Ok(None));
    }

    #[test]
    fn what_is_missing_or_malformed_proves_nothing() {
        let keys: Vec<B256> = (0..40u8).map(keccak256_of).collect();
        let leaves = keys.iter().map(|key| (*key, vec![1; 40])).collect();
        let (root, nodes) = trie(&leaves, &keys);
        for missing in 0..nodes.len() {
            let mut fewer = nodes.clone();
            fewer.remove(missing);
            let fewer = Nodes::new(fewer);
            let lost = keys.iter().filter(|key| fewer.value(root, **key, &mut Vec::new()).is_err()).count();
            assert!(lost > 0, "{missing}");
        }
        assert_eq!(Nodes::default().value(EMPTY_ROOT_HASH, keys[0], &mut Vec::new()), Ok(None));
        assert!(Nodes::default().value(root, keys[0], &mut Vec::new()).is_err());
    }

    fn keccak256_of(n: u8) -> B256 {
        keccak256([n])
    }

    /// A path of 64 nibbles in an extension, and more below it.
    #[test]
    fn a_path_that_is_longer_than_a_key_proves_nothing() {
        let key = keccak256("an account");
        let node = |path: Vec<u8>, value: Vec<u8>| {
            Bytes::from(alloy_rlp::encode(vec![Bytes::from(path), Bytes::from(value)]))
        };
        let leaf = node(vec![0x3a], vec![7; 40]);
        let extension = node([&[0], key.as_slice()].concat(), keccak256(&leaf).to_vec());
        let root = keccak256(&extension);
        let nodes = Nodes::new([extension, leaf]);
        // The leaf is of another key.
        assert_eq!(nodes.value(root, key, &mut Vec::new()), Ok(None));
        let long = node([&[0], key.as_slice(), &[1]].concat(), vec![7; 32]);
        let root = keccak256(&long);
        assert!(Nodes::new([long]).value(root, key, &mut Vec::new()).unwrap_err().contains("malformed"));
    }

    /// Extensions without a path, each the child of the next, do not hold anybody up.
    #[test]
    fn a_path_that_does_not_move_ends() {
        let key = keccak256("an account");
        let mut child =
            Bytes::from(alloy_rlp::encode(vec![Bytes::from(vec![0x20]), Bytes::from(vec![7; 40])]));
        let mut nodes = vec![child.clone()];
        for _ in 0..100_000 {
            child =
                alloy_rlp::encode(vec![Bytes::from(vec![0]), Bytes::from(keccak256(&child).to_vec())]).into();
            nodes.push(child.clone());
        }
        assert!(Nodes::new(nodes).value(keccak256(&child), key, &mut Vec::new()).is_err());
    }
}
