//! A sparse Merkle Patricia trie over the nodes of a witness.
//!
//! Nodes are hashed and decoded when a path first walks through them, and borrow from the input. Nodes carry their whole key, so
//! moving one up or down the trie (a split, or the collapse of a branch) changes no path: what part of the key a node
//! encodes follows from its depth alone. Each node remembers how its parent refers to it until something below changes.

mod branch;
mod encode;
mod node;
mod source;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use node::{Child, TrieFault};
pub(crate) use source::Source;
pub(crate) use store::Nodes;

use alloc::vec::Vec;
use branch::Branch;
use node::{Key, Node, first_difference, nibble, set_nibble};

/// Depth at which keys end: 32 bytes are 64 nibbles.
const KEY_END: usize = 64;

enum Removal<'a> {
    /// The key is not in the trie.
    Absent,
    /// What stands in the place of the node now.
    Now(Child<'a>),
}

impl<'a> Nodes<'a> {
    /// The value at a key, from the trie below `root`.
    ///
    /// Values from the witness borrow from it, and those written since from this store.
    pub(crate) fn get(
        &mut self,
        root: &mut Child<'a>,
        key: &Key,
    ) -> Result<Option<node::Value<'a>>, TrieFault> {
        let Some(mut at) = self.enter(*root, key, 0)? else { return Ok(None) };
        *root = Child::Node(at);
        let mut depth = 0;
        loop {
            let (child, slot) = match self.node(at) {
                Node::Leaf { key: ours, value } => return Ok((ours == key).then(|| value.clone())),
                Node::Extension { key: ours, end, child } => {
                    let end = *end as usize;
                    if first_difference(ours, key, depth, end) < end {
                        return Ok(None);
                    }
                    depth = end;
                    (*child, None)
                }
                Node::Branch(branch) => {
                    let slot = nibble(key, depth);
                    depth += 1;
                    (branch.child(slot), Some(slot))
                }
                // `enter` reads these.
                Node::Unread(_) => return Ok(None),
            };
            let next = match slot {
                Some(_) => self.enter(child, key, depth)?,
                None => self.enter_extended(child, key, depth)?,
            };
            let Some(next) = next else { return Ok(None) };
            if !matches!(child, Child::Node(known) if known == next) {
                match slot {
                    Some(slot) => self.set_branch_child(at, slot, next),
                    None => self.set_extension_child(at, Child::Node(next)),
                }
            }
            at = next;
        }
    }

    /// Sets the value at a key.
    pub(crate) fn insert(
        &mut self,
        root: &mut Child<'a>,
        key: &Key,
        value: Vec<u8>,
    ) -> Result<(), TrieFault> {
        *root = Child::Node(self.insert_below(*root, key, 0, value)?);
        Ok(())
    }

    fn insert_below(
        &mut self,
        at: Child<'a>,
        key: &Key,
        depth: usize,
        value: Vec<u8>,
    ) -> Result<u32, TrieFault> {
        let Some(at) = self.enter(at, key, depth)? else {
            return Ok(self.push(Node::leaf(key, value)));
        };
        self.insert_at(at, key, depth, value)
    }

    fn insert_at(&mut self, at: u32, key: &Key, depth: usize, value: Vec<u8>) -> Result<u32, TrieFault> {
        self.touch(at);
        match self.node_mut(at) {
            Node::Leaf { key: ours, value: old } => {
                let split = first_difference(ours, key, depth, KEY_END);
                if split == KEY_END {
                    *old = node::Value::Written(value);
                    return Ok(at);
                }
                let old_nibble = nibble(ours, split);
                let new = self.push(Node::leaf(key, value));
                Ok(self.fork(key, depth, split, [(old_nibble, at), (nibble(key, split), new)]))
            }
            Node::Extension { key: ours, end, child } => {
                let end = *end as usize;
                let split = first_difference(ours, key, depth, end);
                let child = *child;
                if split == end {
                    if let Some(below) = self.enter_extended(child, key, end)? {
                        let below = self.insert_at(below, key, end, value)?;
                        self.set_extension_child(at, Child::Node(below));
                    }
                    return Ok(at);
                }
                let old_nibble = nibble(ours, split);
                // The rest of the extension stays as it is, lower down, unless the branch takes its last nibble.
                let old = if split + 1 == end { self.number(child) } else { at };
                let new = self.push(Node::leaf(key, value));
                Ok(self.fork(key, depth, split, [(old_nibble, old), (nibble(key, split), new)]))
            }
            Node::Branch(branch) => {
                let slot = nibble(key, depth);
                let child = branch.child(slot);
                let below = self.insert_below(child, key, depth + 1, value)?;
                self.set_branch_child(at, slot, below);
                Ok(at)
            }
            // `enter` reads these.
            Node::Unread(_) => Ok(at),
        }
    }

    fn set_branch_child(&mut self, at: u32, slot: usize, below: u32) {
        if let Some(branch) = self.branch_mut(at) {
            branch.set(slot, below);
        }
    }

    /// A branch at depth `split`, under an extension where there are nibbles between `depth` and it.
    fn fork(&mut self, key: &Key, depth: usize, split: usize, below: [(usize, u32); 2]) -> u32 {
        let branch = self.push(Node::Branch(Branch::over(below)));
        if split == depth {
            return branch;
        }
        self.push(Node::Extension { key: *key, end: split as u8, child: Child::Node(branch) })
    }

    /// Removes a key; nothing happens when it is absent.
    ///
    /// Where a branch is left with one child, that child is decoded, because leaves and extensions merge with what is
    /// above them. The witness must hold it. Doing all insertions of a block before its removals keeps what is needed
    /// that way to a minimum, and independent of the order.
    pub(crate) fn remove(&mut self, root: &mut Child<'a>, key: &Key) -> Result<(), TrieFault> {
        let Some(at) = self.enter(*root, key, 0)? else { return Ok(()) };
        *root = Child::Node(at);
        if let Removal::Now(child) = self.remove_at(at, key, 0)? {
            *root = child;
        }
        Ok(())
    }

    fn remove_at(&mut self, at: u32, key: &Key, depth: usize) -> Result<Removal<'a>, TrieFault> {
        match self.node(at) {
            Node::Leaf { key: ours, .. } if ours == key => Ok(Removal::Now(Child::Empty)),
            // `enter` reads what is unread.
            Node::Leaf { .. } | Node::Unread(_) => Ok(Removal::Absent),
            Node::Extension { key: ours, end, child } => {
                let end = *end as usize;
                if first_difference(ours, key, depth, end) < end {
                    return Ok(Removal::Absent);
                }
                let child = *child;
                let Some(below) = self.enter_extended(child, key, end)? else { return Ok(Removal::Absent) };
                self.set_extension_child(at, Child::Node(below));
                let Removal::Now(below) = self.remove_at(below, key, end)? else {
                    return Ok(Removal::Absent);
                };
                Ok(Removal::Now(self.extend_to(at, below)))
            }
            Node::Branch(branch) => {
                let slot = nibble(key, depth);
                let child = branch.child(slot);
                let Some(below) = self.enter(child, key, depth + 1)? else { return Ok(Removal::Absent) };
                self.set_branch_child(at, slot, below);
                let Removal::Now(below) = self.remove_at(below, key, depth + 1)? else {
                    return Ok(Removal::Absent);
                };
                self.touch(at);
                if let Child::Node(below) = below {
                    self.set_branch_child(at, slot, below);
                    return Ok(Removal::Now(Child::Node(at)));
                }
                if let Some(branch) = self.branch_mut(at) {
                    branch.clear(slot);
                }
                Ok(Removal::Now(self.collapse(at, key, depth)?))
            }
        }
    }

    /// The extension `at` over what came out of a removal below it: kept over a branch, dissolved over the others.
    fn extend_to(&mut self, at: u32, below: Child<'a>) -> Child<'a> {
        match below {
            Child::Node(id) if matches!(self.node(id), Node::Branch(_)) => {
                self.touch(at);
                self.set_extension_child(at, below);
                Child::Node(at)
            }
            other => other,
        }
    }

    /// What a branch becomes after one of its children went: itself, or its only child merged with the nibble to it.
    fn collapse(&mut self, at: u32, key: &Key, depth: usize) -> Result<Child<'a>, TrieFault> {
        let Node::Branch(branch) = self.node(at) else { return Ok(Child::Node(at)) };
        let Some((slot, child)) = branch.only_child() else { return Ok(Child::Node(at)) };
        let mut key = *key;
        set_nibble(&mut key, depth, slot);
        let Some(id) = self.enter(child, &key, depth + 1)? else { return Ok(Child::Empty) };
        if matches!(self.node(id), Node::Branch(_)) {
            let end = depth as u8 + 1;
            return Ok(Child::Node(self.push(Node::Extension { key, end, child: Child::Node(id) })));
        }
        // A leaf or an extension that now begins higher up: the same node, encoded anew.
        self.touch(id);
        Ok(Child::Node(id))
    }
}
