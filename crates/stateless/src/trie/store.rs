//! Where the nodes of all tries of a state live.

use super::branch::Branch;
use super::node::{Child, Key, Node, Reference, TrieFault, parse, path};
use super::source::Source;
use crate::error::WitnessError;
use alloc::vec::Vec;
use alloy_primitives::B256;
use alloy_rlp::EMPTY_STRING_CODE;

/// The decoded nodes, and those of a witness that are still to be.
#[derive(Debug)]
pub(crate) struct Nodes<'a> {
    source: Source<'a>,
    nodes: Vec<Node<'a>>,
    references: Vec<Reference<'a>>,
    /// Reused for encoding nodes.
    pub(super) scratch: Vec<u8>,
}

impl<'a> Nodes<'a> {
    /// Nodes that come from `source` as paths reach them. `capacity` is how many are expected.
    pub(crate) fn new(source: Source<'a>, capacity: usize) -> Self {
        Self {
            source,
            nodes: Vec::with_capacity(capacity),
            references: Vec::with_capacity(capacity),
            scratch: Vec::with_capacity(1024),
        }
    }

    /// Errors with a node that nothing walked through.
    pub(crate) fn check_all_used(&self) -> Result<(), WitnessError> {
        self.source.unused().map_or(Ok(()), |hash| Err(WitnessError::UnusedNode { hash }))
    }

    /// The nodes that paths walked through, in the order in which they did.
    #[cfg(feature = "std")]
    pub(crate) fn used(&self) -> &[&'a [u8]] {
        self.source.taken()
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
            Child::Node(id) => match self.node(id) {
                Node::Unread(child) => self.enter(*child, key, depth),
                _ => Ok(Some(id)),
            },
            Child::Inline(rlp) => self.decode(rlp, key, depth, Reference::inline(rlp)).map(Some),
            Child::Hash(hash) => match self.source.take(hash) {
                Some(rlp) => self.decode(rlp, key, depth, Reference::Witness(hash)).map(Some),
                None => Err(TrieFault::Missing { hash: B256::from(*hash), path: path(key, depth) }),
            },
        }
    }

    /// As [`enter`](Self::enter), for the child of an extension, which can only be a branch.
    pub(super) fn enter_extended(
        &mut self,
        child: Child<'a>,
        key: &Key,
        depth: usize,
    ) -> Result<Option<u32>, TrieFault> {
        let below = self.enter(child, key, depth)?;
        match below.map(|id| self.node(id)) {
            Some(Node::Branch(_)) => Ok(below),
            _ => Err(TrieFault::Malformed {
                path: path(key, depth),
                reason: "an extension leads to no branch",
            }),
        }
    }

    fn decode(
        &mut self,
        rlp: &'a [u8],
        key: &Key,
        depth: usize,
        by: Reference<'a>,
    ) -> Result<u32, TrieFault> {
        match parse(rlp, key, depth) {
            Ok(node) => Ok(self.push_as(node, by)),
            Err(reason) => Err(TrieFault::Malformed { path: path(key, depth), reason }),
        }
    }

    /// The number of a child that moves to another parent, which need not be decoded for that.
    pub(super) fn number(&mut self, child: Child<'a>) -> u32 {
        match child {
            Child::Node(id) => id,
            Child::Hash(hash) => self.push_as(Node::Unread(child), Reference::Witness(hash)),
            Child::Inline(rlp) => self.push_as(Node::Unread(child), Reference::inline(rlp)),
            // Only children of extensions move, and those are never empty.
            Child::Empty => self.push_as(Node::Unread(child), Reference::inline(&[EMPTY_STRING_CODE])),
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

    fn push_as(&mut self, node: Node<'a>, by: Reference<'a>) -> u32 {
        self.nodes.push(node);
        self.references.push(by);
        self.nodes.len() as u32 - 1
    }

    /// Says that a node, or something below it, changes.
    pub(super) fn touch(&mut self, id: u32) {
        self.references[id as usize] = Reference::Stale;
    }

    pub(super) fn reference(&self, id: u32) -> &Reference<'a> {
        &self.references[id as usize]
    }

    pub(super) fn set_reference(&mut self, id: u32, by: Reference<'a>) {
        self.references[id as usize] = by;
    }

    pub(super) fn set_extension_child(&mut self, id: u32, below: Child<'a>) {
        if let Node::Extension { child, .. } = self.node_mut(id) {
            *child = below;
        }
    }

    pub(super) fn branch_mut(&mut self, id: u32) -> Option<&mut Branch<'a>> {
        match self.node_mut(id) {
            Node::Branch(branch) => Some(branch),
            _ => None,
        }
    }
}
