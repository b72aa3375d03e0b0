//! A Merkle Patricia trie that is never changed: each change gives a new trie, which shares with the old one all that is
//! the same. So the states of many blocks are kept at the cost of what the blocks changed.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Encodable, Header};
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode},
};
use std::sync::{Arc, OnceLock};

/// What stands in a leaf.
pub trait Value: Clone {
    /// Its RLP.
    fn rlp(&self) -> Vec<u8>;
}

/// A trie with keys of 32 bytes, which are hashes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Trie<V> {
    root: Link<V>,
}

type Link<V> = Option<Arc<Node<V>>>;

#[derive(Debug)]
struct Node<V> {
    kind: Kind<V>,
    /// How the parent refers to it: its hash, or itself where it is shorter.
    reference: OnceLock<RlpNode>,
}

#[derive(Debug)]
enum Kind<V> {
    Leaf { path: Nibbles, value: V },
    Extension { path: Nibbles, child: Arc<Node<V>> },
    Branch([Link<V>; 16]),
}

enum Removal<V> {
    /// The key is not there.
    Absent,
    /// What stands in the place of the node now.
    Now(Link<V>),
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { root: None }
    }
}

impl<V: Value> Trie<V> {
    /// Its hash.
    pub fn root(&self) -> B256 {
        self.root.as_ref().map_or(EMPTY_ROOT_HASH, |root| keccak256(root.encoded()))
    }

    /// What a key has.
    pub fn get(&self, key: &B256) -> Option<&V> {
        let mut rest = Nibbles::unpack(key);
        let mut at = self.root.as_deref()?;
        loop {
            match &at.kind {
                Kind::Leaf { path, value } => return (*path == rest).then_some(value),
                Kind::Extension { path, child } => {
                    if !rest.starts_with(path) {
                        return None;
                    }
                    rest = rest.slice(path.len()..);
                    at = child;
                }
                Kind::Branch(children) => {
                    at = children[usize::from(rest.first()?)].as_deref()?;
                    rest = rest.slice(1..);
                }
            }
        }
    }

    /// Gives a key a value.
    pub fn insert(&mut self, key: &B256, value: V) {
        self.root = Some(insert(self.root.as_ref(), Nibbles::unpack(key), value));
    }

    /// Removes a key, and adds to `siblings` the nodes that had to be looked at although no key leads to them: those that a
    /// branch with one child left merges with.
    pub fn remove(&mut self, key: &B256, siblings: &mut Vec<Bytes>) {
        if let Some(root) = &self.root
            && let Removal::Now(now) = remove(root, Nibbles::unpack(key), siblings)
        {
            self.root = now;
        }
    }

    /// The nodes on the way to a key, the root first: they show what the key has, or that it has nothing. A node that
    /// stands inside its parent is not named again.
    pub fn proof(&self, key: &B256) -> Vec<Bytes> {
        let mut proof = Vec::new();
        let mut rest = Nibbles::unpack(key);
        let mut at = self.root.as_deref();
        while let Some(node) = at {
            let encoded = node.encoded();
            if proof.is_empty() || encoded.len() >= 32 {
                proof.push(encoded.into());
            }
            at = match &node.kind {
                Kind::Leaf { .. } => None,
                Kind::Extension { path, child } if rest.starts_with(path) => {
                    rest = rest.slice(path.len()..);
                    Some(child)
                }
                Kind::Extension { .. } => None,
                Kind::Branch(children) => {
                    let Some(nibble) = rest.first() else { break };
                    rest = rest.slice(1..);
                    children[usize::from(nibble)].as_deref()
                }
            };
        }
        proof
    }
}

impl<V: Value> Node<V> {
    const fn new(kind: Kind<V>) -> Self {
        Self { kind, reference: OnceLock::new() }
    }

    fn reference(&self) -> &RlpNode {
        self.reference.get_or_init(|| RlpNode::from_rlp(&self.encoded()))
    }

    fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.kind {
            Kind::Leaf { path, value } => {
                let value = value.rlp();
                LeafNodeRef { key: path, value: &value }.encode(&mut out);
            }
            Kind::Extension { path, child } => {
                ExtensionNodeRef { key: path, child: child.reference() }.encode(&mut out);
            }
            Kind::Branch(children) => {
                // The last byte is the branch's own value, which keys of one length never give.
                let length =
                    children.iter().map(|child| child.as_ref().map_or(1, |child| child.reference().len()));
                Header { list: true, payload_length: length.sum::<usize>() + 1 }.encode(&mut out);
                for child in children {
                    match child {
                        Some(child) => out.put_slice(child.reference()),
                        None => out.put_u8(EMPTY_STRING_CODE),
                    }
                }
                out.put_u8(EMPTY_STRING_CODE);
            }
        }
        out
    }
}

fn leaf<V: Value>(path: Nibbles, value: V) -> Arc<Node<V>> {
    Arc::new(Node::new(Kind::Leaf { path, value }))
}

/// The node with an extension before it, where there is a path to it.
fn below<V: Value>(path: Nibbles, child: Arc<Node<V>>) -> Arc<Node<V>> {
    if path.is_empty() { child } else { Arc::new(Node::new(Kind::Extension { path, child })) }
}

fn insert<V: Value>(at: Option<&Arc<Node<V>>>, rest: Nibbles, value: V) -> Arc<Node<V>> {
    let Some(node) = at else { return leaf(rest, value) };
    match &node.kind {
        Kind::Leaf { path, value: old } => {
            let shared = path.common_prefix_length(&rest);
            if shared == rest.len() {
                return leaf(rest, value);
            }
            let old = leaf(path.slice(shared + 1..), old.clone());
            fork(path, old, rest, shared, value)
        }
        Kind::Extension { path, child } => {
            let shared = path.common_prefix_length(&rest);
            if shared == path.len() {
                let child = insert(Some(child), rest.slice(shared..), value);
                return below(*path, child);
            }
            let old = below(path.slice(shared + 1..), Arc::clone(child));
            fork(path, old, rest, shared, value)
        }
        Kind::Branch(children) => {
            let mut children = children.clone();
            if let Some(nibble) = rest.first() {
                let child = &mut children[usize::from(nibble)];
                *child = Some(insert(child.as_ref(), rest.slice(1..), value));
            }
            Arc::new(Node::new(Kind::Branch(children)))
        }
    }
}

/// A branch where the way to an old node and that to a new leaf part, after `shared` nibbles.
fn fork<V: Value>(path: &Nibbles, old: Arc<Node<V>>, rest: Nibbles, shared: usize, value: V) -> Arc<Node<V>> {
    let mut children: [Link<V>; 16] = std::array::from_fn(|_| None);
    for (nibble, child) in
        [(path.get(shared), old), (rest.get(shared), leaf(rest.slice(shared + 1..), value))]
    {
        if let Some(nibble) = nibble {
            children[usize::from(nibble)] = Some(child);
        }
    }
    below(rest.slice(..shared), Arc::new(Node::new(Kind::Branch(children))))
}

fn remove<V: Value>(node: &Arc<Node<V>>, rest: Nibbles, siblings: &mut Vec<Bytes>) -> Removal<V> {
    match &node.kind {
        Kind::Leaf { path, .. } if *path == rest => Removal::Now(None),
        Kind::Leaf { .. } => Removal::Absent,
        Kind::Extension { path, child } => {
            if !rest.starts_with(path) {
                return Removal::Absent;
            }
            match remove(child, rest.slice(path.len()..), siblings) {
                Removal::Now(Some(child)) => Removal::Now(Some(joined(*path, &child))),
                other => other,
            }
        }
        Kind::Branch(children) => {
            let Some(nibble) = rest.first() else { return Removal::Absent };
            let Some(child) = &children[usize::from(nibble)] else { return Removal::Absent };
            let Removal::Now(now) = remove(child, rest.slice(1..), siblings) else {
                return Removal::Absent;
            };
            let mut children = children.clone();
            let gone = now.is_none();
            children[usize::from(nibble)] = now;
            if gone {
                let mut left = (0_u8..).zip(&children).filter_map(|(at, child)| Some((at, child.as_ref()?)));
                if let (Some((at, only)), None) = (left.next(), left.next()) {
                    siblings.push(only.encoded().into());
                    return Removal::Now(Some(joined(Nibbles::from_nibbles([at]), only)));
                }
            }
            Removal::Now(Some(Arc::new(Node::new(Kind::Branch(children)))))
        }
    }
}

/// A path and the node at its end as one node, where they can be.
fn joined<V: Value>(path: Nibbles, node: &Arc<Node<V>>) -> Arc<Node<V>> {
    match &node.kind {
        Kind::Leaf { path: rest, value } => leaf(path.join(rest), value.clone()),
        Kind::Extension { path: rest, child } => below(path.join(rest), Arc::clone(child)),
        Kind::Branch(_) => below(path, Arc::clone(node)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use alloy_trie::{HashBuilder, proof::verify_proof};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug, PartialEq)]
    struct Raw(Vec<u8>);

    impl Value for Raw {
        fn rlp(&self) -> Vec<u8> {
            alloy_rlp::encode(&self.0[..])
        }
    }

    fn root(all: &BTreeMap<B256, Raw>) -> B256 {
        let mut builder = HashBuilder::default();
        for (key, value) in all {
            builder.add_leaf(Nibbles::unpack(key), &value.rlp());
        }
        builder.root()
    }

    proptest! {
        /// Keys with long common beginnings, and values short enough to stand inside their parents.
        #[test]
        fn it_is_the_trie_of_its_leaves(
            changes in prop::collection::vec((0_u8..6, 0_u8..4, any::<bool>(), prop::option::of(1_usize..40)), 1..80)
        ) {
            let (mut trie, mut all) = (Trie::default(), BTreeMap::new());
            let mut old = Vec::new();
            for (first, last, early, value) in changes {
                let mut key = B256::repeat_byte(0x11);
                key[if early { 1 } else { 20 }] = first * 16;
                key[31] = last;
                match value {
                    Some(length) => {
                        trie.insert(&key, Raw(vec![first; length]));
                        all.insert(key, Raw(vec![first; length]));
                    }
                    None => {
                        trie.remove(&key, &mut Vec::new());
                        all.remove(&key);
                    }
                }
                old.push((trie.clone(), trie.root()));
                prop_assert_eq!(trie.root(), root(&all));
                let value = trie.get(&key).map(Value::rlp);
                prop_assert_eq!(&value, &all.get(&key).map(Value::rlp));
                verify_proof(trie.root(), Nibbles::unpack(key), value, &trie.proof(&key)).unwrap();
            }
            for (trie, root) in old {
                prop_assert_eq!(trie.root(), root, "an old trie changed");
            }
        }
    }
}
