//! The nodes of a trie and their decoding.

use super::branch::Branch;
use alloc::vec::Vec;
use alloy_primitives::B256;
use alloy_rlp::Header;
use alloy_trie::Nibbles;

/// A hashed key: keccak256 of an address or of a slot.
pub(crate) type Key = [u8; 32];

/// Where a node points to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Child<'a> {
    /// To nothing.
    Empty,
    /// To a node that no path has walked through yet, by its hash.
    Hash(&'a [u8; 32]),
    /// To such a node that stands in its parent's encoding, because it is shorter than a hash.
    Inline(&'a [u8]),
    /// To a node of the store.
    Node(u32),
}

/// The value of a leaf.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// As the witness has it.
    Witness(&'a [u8]),
    /// As a block wrote it.
    Written(Vec<u8>),
}

impl<'a> Value<'a> {
    /// The value as the witness has it, unless a block wrote it.
    pub(crate) const fn witness(&self) -> Option<&'a [u8]> {
        match self {
            Self::Witness(bytes) => Some(bytes),
            Self::Written(_) => None,
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Witness(bytes) => bytes,
            Self::Written(bytes) => bytes,
        }
    }
}

/// A decoded node. Keys hold the nibbles from the root on; those before the node's depth are those of the path to it.
#[derive(Clone, Debug)]
pub(crate) enum Node<'a> {
    Leaf {
        key: Key,
        value: Value<'a>,
    },
    /// Leads over the nibbles of `key` up to, not including, `end`.
    Extension {
        key: Key,
        end: u8,
        child: Child<'a>,
    },
    Branch(Branch<'a>),
    /// A node that moved in the trie before any path walked through it.
    Unread(Child<'a>),
}

impl Node<'_> {
    pub(crate) const fn leaf(key: &Key, value: Vec<u8>) -> Self {
        Self::Leaf { key: *key, value: Value::Written(value) }
    }
}

/// How a parent refers to a node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reference<'a> {
    /// Something below changed: to be encoded again.
    Stale,
    /// keccak256 of the node's encoding, as the parent had it in the witness.
    Witness(&'a [u8; 32]),
    /// keccak256 of the node's encoding.
    Hash(B256),
    /// The encoding itself, when it is shorter than a hash.
    Inline { len: u8, rlp: [u8; 31] },
}

/// What went wrong in a trie; the state says in which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrieFault {
    Missing { hash: B256, path: Nibbles },
    Malformed { path: Nibbles, reason: &'static str },
}

pub(crate) const fn nibble(key: &Key, at: usize) -> usize {
    let byte = key[at / 2];
    (if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 }) as usize
}

pub(crate) const fn set_nibble(key: &mut Key, at: usize, nibble: usize) {
    let byte = &mut key[at / 2];
    *byte =
        if at.is_multiple_of(2) { (*byte & 15) | (nibble as u8) << 4 } else { (*byte & 0xf0) | nibble as u8 };
}

/// The first nibble in `from..to` in which two keys differ, or `to`.
pub(crate) fn first_difference(a: &Key, b: &Key, from: usize, to: usize) -> usize {
    let mut byte = from / 2;
    // Nibbles before `from` are equal by construction, so whole bytes can be compared.
    while byte < to.div_ceil(2) {
        let differing = a[byte] ^ b[byte];
        if differing != 0 {
            return (byte * 2 + usize::from(differing < 16)).clamp(from, to);
        }
        byte += 1;
    }
    to
}

/// The nibbles of a key from the root to a depth.
pub(crate) fn path(key: &Key, depth: usize) -> Nibbles {
    Nibbles::unpack(key).slice(..depth.min(64))
}

/// Takes apart the RLP of a node at `depth`, whose key begins as `prefix` does.
pub(crate) fn parse<'a>(rlp: &'a [u8], prefix: &Key, depth: usize) -> Result<Node<'a>, &'static str> {
    let mut rest = rlp;
    let mut payload = Header::decode_bytes(&mut rest, true).map_err(|_| "it is not an RLP list")?;
    if !rest.is_empty() {
        return Err("bytes follow its end");
    }
    let first = rlp.len() - payload.len();
    let compact = item(&mut payload)?;
    let second = item(&mut payload)?;
    if payload.is_empty() {
        return short(compact.1, second, prefix, depth);
    }
    if depth >= 64 {
        return Err("a branch lies below the end of the key");
    }
    Branch::read(rlp, first).map(Node::Branch)
}

/// The next item: with its RLP header, and without.
fn item<'a>(input: &mut &'a [u8]) -> Result<(&'a [u8], &'a [u8]), &'static str> {
    let whole = *input;
    let header = Header::decode(input).map_err(|_| "an item is not RLP")?;
    let payload = input.get(..header.payload_length).ok_or("an item is cut off")?;
    *input = &input[header.payload_length..];
    Ok((&whole[..whole.len() - input.len()], payload))
}

fn child<'a>((whole, payload): (&'a [u8], &'a [u8])) -> Result<Child<'a>, &'static str> {
    match whole[0] {
        0xa0 => payload.try_into().map(Child::Hash).map_err(|_| "a child is not a hash"),
        0xc0.. if whole.len() < 32 => Ok(Child::Inline(whole)),
        _ => Err("an extension leads to neither a hash nor a node of less than 32 bytes"),
    }
}

/// A leaf or an extension: the first item is its part of the key with a flag nibble before (hex-prefix encoding).
fn short<'a>(
    compact: &[u8],
    second: (&'a [u8], &'a [u8]),
    prefix: &Key,
    depth: usize,
) -> Result<Node<'a>, &'static str> {
    let (&flag, tail) = compact.split_first().ok_or("its path is empty")?;
    let odd = flag & 0x10 != 0;
    if flag & 0xc0 != 0 || (!odd && flag & 0x0f != 0) {
        return Err("the flag of its path is invalid");
    }
    let len = tail.len() * 2 + usize::from(odd);
    let end = depth + len;
    if end > 64 {
        return Err("its path is too long");
    }
    let mut key = *prefix;
    let mut at = depth;
    if odd {
        set_nibble(&mut key, at, (flag & 15) as usize);
        at += 1;
    }
    if at.is_multiple_of(2) {
        key[at / 2..at / 2 + tail.len()].copy_from_slice(tail);
    } else {
        for byte in tail {
            set_nibble(&mut key, at, (byte >> 4) as usize);
            set_nibble(&mut key, at + 1, (byte & 15) as usize);
            at += 2;
        }
    }
    if flag & 0x20 != 0 {
        if end != 64 {
            return Err("a leaf ends before the end of the key");
        }
        return Ok(Node::Leaf { key, value: Value::Witness(second.1) });
    }
    if len == 0 || end == 64 {
        return Err("the length of an extension is impossible");
    }
    Ok(Node::Extension { key, end: end as u8, child: child(second)? })
}
