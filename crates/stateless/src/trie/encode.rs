//! Hashing a trie: only what changed since the last time is encoded again.

use super::branch::{Branch, Now};
use super::node::{Child, Key, Node, Reference, nibble};
use super::{KEY_END, Nodes};
use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256};
use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Encodable, Header};
use alloy_trie::EMPTY_ROOT_HASH;

impl Reference<'_> {
    pub(super) fn inline(encoded: &[u8]) -> Self {
        let mut rlp = [0; 31];
        rlp[..encoded.len()].copy_from_slice(encoded);
        Self::Inline { len: encoded.len() as u8, rlp }
    }

    /// The reference by which a parent knows a node of this encoding.
    fn to(encoded: &[u8]) -> Self {
        if encoded.len() < 32 { Self::inline(encoded) } else { Self::Hash(keccak256(encoded)) }
    }

    const fn length(&self) -> usize {
        match self {
            Self::Stale => 0,
            Self::Witness(_) | Self::Hash(_) => 33,
            Self::Inline { len, .. } => *len as usize,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Stale => {}
            Self::Witness(hash) => write_hash(*hash, out),
            Self::Hash(hash) => write_hash(hash.as_slice(), out),
            Self::Inline { len, rlp } => out.put_slice(&rlp[..*len as usize]),
        }
    }

    /// Writes the reference over the one of the same length that stands there. One that is still the witness's stands
    /// there already.
    fn write_over(&self, there: &mut [u8]) {
        match self {
            Self::Stale => {}
            Self::Witness(hash) => debug_assert_eq!(&there[1..], *hash),
            Self::Hash(hash) => {
                there[0] = EMPTY_STRING_CODE + 32;
                there[1..].copy_from_slice(hash.as_slice());
            }
            Self::Inline { len, rlp } => there.copy_from_slice(&rlp[..*len as usize]),
        }
    }
}

fn write_hash(hash: &[u8], out: &mut Vec<u8>) {
    out.put_u8(EMPTY_STRING_CODE + 32);
    out.put_slice(hash);
}

impl<'a> Nodes<'a> {
    /// The root hash of the trie below `root`.
    pub(crate) fn root(&mut self, root: Child<'a>) -> B256 {
        match root {
            Child::Empty => EMPTY_ROOT_HASH,
            Child::Hash(hash) => B256::from(*hash),
            Child::Inline(rlp) => keccak256(rlp),
            Child::Node(id) => {
                self.refer(id, 0);
                match self.reference(id) {
                    Reference::Witness(hash) => B256::from(*hash),
                    Reference::Hash(hash) => *hash,
                    // A root is hashed however short it is.
                    Reference::Inline { len, rlp } => keccak256(&rlp[..*len as usize]),
                    Reference::Stale => B256::ZERO,
                }
            }
        }
    }

    /// Appends the encodings of all decoded nodes of a trie that are referred to by hash, its root first. For a trie whose
    /// root was just computed.
    #[cfg(feature = "std")]
    pub(crate) fn collect(&self, root: Child<'a>, out: &mut Vec<alloy_primitives::Bytes>) {
        if let Child::Node(id) = root {
            self.collect_below(id, 0, out);
        }
    }

    #[cfg(feature = "std")]
    fn collect_below(&self, id: u32, depth: usize, out: &mut Vec<alloy_primitives::Bytes>) {
        if depth == 0 || matches!(self.reference(id), Reference::Hash(_) | Reference::Witness(_)) {
            let mut rlp = Vec::new();
            self.encode(id, depth, &mut rlp);
            out.push(rlp.into());
        }
        match self.node(id) {
            Node::Extension { end, child: Child::Node(below), .. } => {
                self.collect_below(*below, *end as usize, out)
            }
            Node::Branch(branch) => {
                for below in (0..16).filter_map(|slot| branch.now(slot).node()) {
                    self.collect_below(below, depth + 1, out);
                }
            }
            Node::Leaf { .. } | Node::Extension { .. } | Node::Unread(_) => {}
        }
    }

    /// Makes sure that the parent of a node can refer to it.
    fn refer(&mut self, id: u32, depth: usize) {
        if !matches!(self.reference(id), Reference::Stale) {
            return;
        }
        match self.node(id) {
            Node::Extension { end, child: Child::Node(below), .. } => {
                let (end, below) = (*end as usize, *below);
                self.refer(below, end);
            }
            Node::Branch(_) => {
                for slot in 0..16 {
                    if let Node::Branch(branch) = self.node(id)
                        && let Some(below) = branch.now(slot).node()
                    {
                        self.refer(below, depth + 1);
                    }
                }
            }
            Node::Leaf { .. } | Node::Extension { .. } | Node::Unread(_) => {}
        }
        let mut out = core::mem::take(&mut self.scratch);
        out.clear();
        self.encode(id, depth, &mut out);
        self.set_reference(id, Reference::to(&out));
        self.scratch = out;
    }

    /// Writes a node whose children all have a reference.
    fn encode(&self, id: u32, depth: usize, out: &mut Vec<u8>) {
        match self.node(id) {
            Node::Leaf { key, value } => {
                let value = value.as_slice();
                let payload = path_length(depth, KEY_END) + value.length();
                Header { list: true, payload_length: payload }.encode(out);
                write_path(key, depth, KEY_END, 0x20, out);
                value.encode(out);
            }
            Node::Extension { key, end, child } => {
                let end = *end as usize;
                let payload = path_length(depth, end) + self.child_length(child);
                Header { list: true, payload_length: payload }.encode(out);
                write_path(key, depth, end, 0, out);
                self.write_child(child, out);
            }
            Node::Branch(branch) => self.encode_branch(branch, out),
            Node::Unread(child) => self.write_child(child, out),
        }
    }

    fn encode_branch(&self, branch: &Branch<'a>, out: &mut Vec<u8>) {
        let mut payload = 1;
        let mut stays = true;
        let mut at = branch.first();
        for slot in 0..16 {
            let before = branch.encoded_len(at);
            let length = match branch.now(slot) {
                Now::AS_ENCODED => before.max(1),
                now => now.node().map_or(1, |id| self.reference(id).length()),
            };
            stays &= length == before;
            payload += length;
            at += before;
        }
        let mut at = branch.first();
        if stays {
            // Nothing moved: what changed is written over what was there.
            out.put_slice(branch.rlp());
            for slot in 0..16 {
                let end = at + branch.encoded_len(at);
                if let Some(id) = branch.now(slot).node() {
                    self.reference(id).write_over(&mut out[at..end]);
                }
                at = end;
            }
            return;
        }
        Header { list: true, payload_length: payload }.encode(out);
        for slot in 0..16 {
            let end = at + branch.encoded_len(at);
            match branch.now(slot) {
                Now::AS_ENCODED if end > at => out.put_slice(&branch.rlp()[at..end]),
                now => match now.node() {
                    Some(id) => self.reference(id).write(out),
                    None => out.put_u8(EMPTY_STRING_CODE),
                },
            }
            at = end;
        }
        out.put_u8(EMPTY_STRING_CODE);
    }

    fn child_length(&self, child: &Child<'a>) -> usize {
        match child {
            Child::Empty => 1,
            Child::Hash(_) => 33,
            Child::Inline(rlp) => rlp.len(),
            Child::Node(id) => self.reference(*id).length(),
        }
    }

    fn write_child(&self, child: &Child<'a>, out: &mut Vec<u8>) {
        match child {
            Child::Empty => out.put_u8(EMPTY_STRING_CODE),
            Child::Hash(hash) => write_hash(*hash, out),
            Child::Inline(rlp) => out.put_slice(rlp),
            Child::Node(id) => self.reference(*id).write(out),
        }
    }
}

/// The length of a path's RLP string.
const fn path_length(from: usize, to: usize) -> usize {
    let compact = (to - from) / 2 + 1;
    // A single byte is its own RLP: the flag is always below 0x80.
    if compact == 1 { 1 } else { compact + 1 }
}

/// Writes the nibbles `from..to` of a key in hex-prefix form.
fn write_path(key: &Key, from: usize, to: usize, flag: u8, out: &mut Vec<u8>) {
    let compact = (to - from) / 2 + 1;
    if compact > 1 {
        out.put_u8(EMPTY_STRING_CODE + compact as u8);
    }
    let mut at = from;
    if (to - from) % 2 == 1 {
        out.put_u8(flag | 0x10 | nibble(key, at) as u8);
        at += 1;
    } else {
        out.put_u8(flag);
    }
    if at.is_multiple_of(2) {
        out.put_slice(&key[at / 2..to / 2]);
        return;
    }
    while at < to {
        out.put_u8((nibble(key, at) << 4 | nibble(key, at + 1)) as u8);
        at += 2;
    }
}
