//! Where the nodes of all tries of a state live.

use super::node::{Child, Key, Node, Raw, RawChild, Reference, TrieFault, Value, parse, path};
use crate::error::WitnessError;
use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256, map::B256Map};

#[derive(Debug)]
struct Encoded<'a> {
    rlp: &'a [u8],
    used: bool,
}

/// The nodes of a witness by hash, and those of them that have been decoded.
#[derive(Debug)]
pub(crate) struct Nodes<'a> {
    encoded: B256Map<Encoded<'a>>,
    nodes: Vec<Node<'a>>,
    references: Vec<Reference>,
    /// Reused for encoding nodes.
    pub(super) scratch: Vec<u8>,
}

impl<'a> Nodes<'a> {
    /// Hashes each node of a witness, once. The second value is the first node that was there twice.
    pub(crate) fn new(witness: &[&'a [u8]]) -> (Self, Option<B256>) {
        let mut encoded = B256Map::with_capacity_and_hasher(witness.len(), Default::default());
        let mut twice = None;
        for rlp in witness {
            let hash = keccak256(rlp);
            if encoded.insert(hash, Encoded { rlp, used: false }).is_some() {
                twice = twice.or(Some(hash));
            }
        }
        let capacity = witness.len() * 2;
        let store = Self {
            encoded,
            nodes: Vec::with_capacity(capacity),
            references: Vec::with_capacity(capacity),
            scratch: Vec::with_capacity(1024),
        };
        (store, twice)
    }

    /// Errors with a node that nothing walked through.
    pub(crate) fn check_all_used(&self) -> Result<(), WitnessError> {
        let unused = self.encoded.iter().find(|(_, node)| !node.used);
        unused.map_or(Ok(()), |(hash, _)| Err(WitnessError::UnusedNode { hash: *hash }))
    }

    /// The nodes that something walked through, in no particular order.
    #[cfg(feature = "std")]
    pub(crate) fn used(&self) -> impl Iterator<Item = &'a [u8]> {
        self.encoded.values().filter(|node| node.used).map(|node| node.rlp)
    }

    /// The node behind a child at `depth` on the path of `key`, decoded if it was not; `None` where there is none.
    pub(super) fn enter(
        &mut self,
        child: Child<'a>,
        key: &Key,
        depth: usize,
    ) -> Result<Option<u32>, TrieFault> {
        match child {
            Child::Empty => Ok(None),
            Child::Node(id) => Ok(Some(id)),
            Child::Hash(hash) => {
                let hash = B256::from(*hash);
                let Some(node) = self.encoded.get_mut(&hash) else {
                    return Err(TrieFault::Missing { hash, path: path(key, depth) });
                };
                node.used = true;
                let rlp = node.rlp;
                self.decode(rlp, key, depth, Reference::Hash(hash)).map(Some)
            }
        }
    }

    fn decode(&mut self, rlp: &'a [u8], key: &Key, depth: usize, by: Reference) -> Result<u32, TrieFault> {
        let malformed = |reason| TrieFault::Malformed { path: path(key, depth), reason };
        let node = match parse(rlp, key, depth).map_err(malformed)? {
            Raw::Leaf { key, value } => Node::Leaf { key, value: Value::Witness(value) },
            Raw::Extension { key, end, child } => {
                let child = self.decode_child(child, &key, end)?;
                if let Child::Node(id) = child
                    && !matches!(self.node(id), Node::Branch { .. })
                {
                    return Err(malformed("an extension leads to no branch"));
                }
                Node::Extension { key, end: end as u8, child }
            }
            Raw::Branch { children } => {
                let mut decoded = [Child::Empty; 16];
                for (slot, child) in children.into_iter().enumerate() {
                    decoded[slot] = match child {
                        RawChild::Empty => Child::Empty,
                        RawChild::Hash(hash) => Child::Hash(hash),
                        RawChild::Inline(_) => {
                            let mut key = *key;
                            super::set_nibble(&mut key, depth, slot);
                            self.decode_child(child, &key, depth + 1)?
                        }
                    };
                }
                Node::Branch { children: decoded }
            }
        };
        Ok(self.push_as(node, by))
    }

    fn decode_child(&mut self, child: RawChild<'a>, key: &Key, depth: usize) -> Result<Child<'a>, TrieFault> {
        match child {
            RawChild::Empty => Ok(Child::Empty),
            RawChild::Hash(hash) => Ok(Child::Hash(hash)),
            // Shorter than 32 bytes, as the parser made sure; and so is anything nested in it.
            RawChild::Inline(rlp) => self.decode(rlp, key, depth, Reference::inline(rlp)).map(Child::Node),
        }
    }

    pub(super) fn node(&self, id: u32) -> &Node<'a> {
        &self.nodes[id as usize]
    }

    pub(super) fn node_mut(&mut self, id: u32) -> &mut Node<'a> {
        &mut self.nodes[id as usize]
    }

    pub(super) fn push(&mut self, node: Node<'a>) -> u32 {
        self.push_as(node, Reference::Stale)
    }

    fn push_as(&mut self, node: Node<'a>, by: Reference) -> u32 {
        self.nodes.push(node);
        self.references.push(by);
        self.nodes.len() as u32 - 1
    }

    /// Says that a node, or something below it, changes.
    pub(super) fn touch(&mut self, id: u32) {
        self.references[id as usize] = Reference::Stale;
    }

    pub(super) fn reference(&self, id: u32) -> Reference {
        self.references[id as usize]
    }

    pub(super) fn set_reference(&mut self, id: u32, by: Reference) {
        self.references[id as usize] = by;
    }

    pub(super) fn set_extension_child(&mut self, id: u32, below: Child<'a>) {
        if let Node::Extension { child, .. } = self.node_mut(id) {
            *child = below;
        }
    }

    pub(super) fn set_branch_child(&mut self, id: u32, slot: usize, below: Child<'a>) {
        if let Node::Branch { children } = self.node_mut(id) {
            children[slot] = below;
        }
    }
}
