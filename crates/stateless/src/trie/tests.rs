//! The sparse trie against alloy's hash builder, over keys that share long prefixes.

#![allow(clippy::unwrap_used)]

use super::{Child, Nodes, Source, TrieFault, node::Key};
use alloy_primitives::{B256, Bytes};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Content = BTreeMap<Key, Vec<u8>>;

/// Keys that differ in few nibbles: deep branches, extensions, and leaves short enough to stand inline.
fn key() -> impl Strategy<Value = Key> {
    (0_usize..5, 0_usize..4, any::<u8>()).prop_map(|(shape, at, byte)| {
        let mut key = [0x11; 32];
        key[[0, 1, 15, 30, 31][shape]] = byte & 0x33;
        key[[0, 7, 29, 31][at]] ^= byte >> 6;
        key
    })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(vec![1]), prop::collection::vec(1_u8.., 2..4), prop::collection::vec(1_u8.., 33..70)]
}

fn content() -> impl Strategy<Value = Content> {
    prop::collection::btree_map(key(), value(), 0..24)
}

fn reference_root(content: &Content) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in content {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

/// The root and the nodes of a trie made by insertion.
fn build(content: &Content) -> (B256, Vec<Bytes>) {
    let mut nodes = Nodes::new(Source::in_order(&[]), 0);
    let mut root = Child::Empty;
    for (key, value) in content {
        nodes.insert(&mut root, key, value.clone()).unwrap();
    }
    let hash = nodes.root(root);
    let mut encoded = Vec::new();
    nodes.collect(root, &mut encoded);
    (hash, encoded)
}

fn open(hash: &B256) -> Child<'_> {
    if *hash == EMPTY_ROOT_HASH { Child::Empty } else { Child::Hash(&hash.0) }
}

type Change = (Key, Option<Vec<u8>>);

/// Reads some keys, then makes changes in rounds, and compares every root. Gives the nodes that were looked up by hash.
fn change<'a>(
    mut nodes: Nodes<'a>,
    mut root: Child<'a>,
    before: &Content,
    read: &[Key],
    rounds: &[&[Change]],
    look: bool,
) -> Result<Vec<Bytes>, TestCaseError> {
    for key in read {
        let got = nodes.get(&mut root, key).unwrap();
        prop_assert_eq!(got.as_ref().map(|got| got.as_slice()), before.get(key).map(Vec::as_slice));
    }
    let mut now = before.clone();
    for round in rounds {
        for (key, value) in *round {
            match value {
                Some(value) => {
                    nodes.insert(&mut root, key, value.clone()).unwrap();
                    now.insert(*key, value.clone());
                }
                None => {
                    nodes.remove(&mut root, key).unwrap();
                    now.remove(key);
                }
            }
            if look {
                let got = nodes.get(&mut root, key).unwrap();
                prop_assert_eq!(got.as_ref().map(|got| got.as_slice()), value.as_deref());
            }
        }
        prop_assert_eq!(nodes.root(root), reference_root(&now));
    }
    prop_assert_eq!(nodes.check_all_used(), Ok(()));
    Ok(nodes.used().iter().map(|node| Bytes::copy_from_slice(node)).collect())
}

proptest! {
    #[test]
    fn insertion_gives_the_reference_root(content in content()) {
        prop_assert_eq!(build(&content).0, reference_root(&content));
    }

    #[test]
    fn changes_give_the_reference_root(
        before in content(),
        changes in prop::collection::vec((key(), prop::option::of(value())), 0..24),
        rounds in 1_usize..4,
        indices in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        look in any::<bool>(),
    ) {
        let (hash, encoded) = build(&before);
        let round = changes.len().div_ceil(rounds).max(1);
        // Only some keys are read before the changes: the others are met by them, or moved unread.
        let known: Vec<Key> = before.keys().copied().collect();
        let read: Vec<Key> = indices.iter().filter(|_| !known.is_empty()).map(|index| *index.get(&known)).collect();
        let slices: Vec<&[u8]> = encoded.iter().map(|node| node.as_ref()).collect();
        let rounds: Vec<&[Change]> = changes.chunks(round).collect();
        // What was used by hash, in its order, is all that the same changes need.
        let by_hash = Nodes::new(Source::by_hash(&slices), 0);
        let used = change(by_hash, open(&hash), &before, &read, &rounds, look)?;
        let used: Vec<&[u8]> = used.iter().map(|node| node.as_ref()).collect();
        let in_order = Nodes::new(Source::in_order(&used), 0);
        change(in_order, open(&hash), &before, &read, &rounds, look)?;
    }

    /// Whatever the order of the removals, the nodes that are used are the same, and they suffice.
    #[test]
    fn removals_need_the_same_nodes_in_any_order(
        before in content(),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
    ) {
        prop_assume!(!before.is_empty());
        let (hash, encoded) = build(&before);
        let keys: Vec<Key> = before.keys().copied().collect();
        let removed: Vec<Key> = removed.iter().map(|index| *index.get(&keys)).collect();
        let used = |removed: &mut dyn Iterator<Item = &Key>, witness: &[Bytes]| {
            let slices: Vec<&[u8]> = witness.iter().map(|node| node.as_ref()).collect();
            let mut nodes = Nodes::new(Source::by_hash(&slices), 0);
            let mut root = open(&hash);
            for key in removed {
                nodes.remove(&mut root, key).unwrap();
            }
            let root = nodes.root(root);
            let mut used: Vec<Bytes> = nodes.used().iter().map(|node| Bytes::copy_from_slice(node)).collect();
            used.sort();
            (root, used)
        };
        let forward = used(&mut removed.iter(), &encoded);
        prop_assert_eq!(&used(&mut removed.iter().rev(), &encoded), &forward);
        prop_assert_eq!(&used(&mut removed.iter(), &forward.1), &forward);
        let mut left = before;
        removed.iter().for_each(|key| { left.remove(key); });
        prop_assert_eq!(forward.0, reference_root(&left));
    }

    /// A node of arbitrary bytes is refused or read, but nothing panics, whatever is done with it.
    #[test]
    fn arbitrary_nodes_do_not_panic(
        mut node in prop::collection::vec(any::<u8>(), 0..80),
        as_list in any::<bool>(),
        operations in prop::collection::vec((key(), prop::option::of(value())), 1..6),
    ) {
        if as_list && node.len() < 56 {
            node.insert(0, 0xc0 + node.len() as u8);
        }
        let hash = alloy_primitives::keccak256(&node);
        let witness = [node.as_slice()];
        let mut nodes = Nodes::new(Source::in_order(&witness), 0);
        let mut root = Child::Hash(&hash.0);
        for (key, value) in operations {
            let _ = nodes.get(&mut root, &key);
            let _ = match value {
                Some(value) => nodes.insert(&mut root, &key, value),
                None => nodes.remove(&mut root, &key),
            };
            let _ = nodes.root(root);
        }
    }
}

#[test]
fn a_missing_node_is_named_with_its_path() {
    let mut content = Content::new();
    for first in 0..4_u8 {
        for second in 0..4_u8 {
            let mut key = [7; 32];
            key[0] = first << 4 | second;
            content.insert(key, vec![1; 40]);
        }
    }
    let (hash, encoded) = build(&content);
    let root_only: Vec<&[u8]> = encoded
        .iter()
        .map(|node| node.as_ref())
        .filter(|node| alloy_primitives::keccak256(node) == hash)
        .collect();
    let mut nodes = Nodes::new(Source::in_order(&root_only), 0);
    let mut root = open(&hash);
    let mut key = [7; 32];
    key[0] = 0x21;
    match nodes.get(&mut root, &key) {
        Err(TrieFault::Missing { path, .. }) => assert_eq!(path, Nibbles::from_nibbles([2])),
        other => panic!("the node should be missing: {other:?}"),
    }
}
