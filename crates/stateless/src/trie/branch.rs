//! Branches: the encoding that the witness has, and what became of each child since.
//!
//! Most children of a branch are never walked through, and most of its encoding never changes. So a branch is not taken
//! apart: a child is looked up in the encoding when a path comes by, and the branch is encoded anew by writing over a copy
//! what changed.

use super::node::Child;

/// The length of a branch with sixteen hashes: no branch is longer.
const FULL: usize = 3 + 16 * 33 + 1;

/// What a child became since the witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Now(u32);

impl Now {
    /// What the encoding says.
    pub(super) const AS_ENCODED: Self = Self(0);
    const EMPTY: Self = Self(1);

    const fn to(node: u32) -> Self {
        Self(node + 2)
    }

    /// The decoded node that it is, if it is one.
    pub(super) const fn node(self) -> Option<u32> {
        self.0.checked_sub(2)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Branch<'a> {
    /// As the witness has it; empty for a branch that a block made.
    rlp: &'a [u8],
    now: [Now; 16],
}

impl<'a> Branch<'a> {
    /// A branch over two nodes.
    pub(super) fn over(below: [(usize, u32); 2]) -> Self {
        let mut now = [Now::AS_ENCODED; 16];
        for (slot, node) in below {
            now[slot] = Now::to(node);
        }
        Self { rlp: &[], now }
    }

    /// Takes the RLP of a branch, whose items begin at `first`.
    pub(super) fn read(rlp: &'a [u8], first: usize) -> Result<Self, &'static str> {
        let mut at = first;
        let mut used = 0;
        for _ in 0..16 {
            let kind = *rlp.get(at).ok_or("it has neither 2 nor 17 items")?;
            match kind {
                0x80 => {}
                // A hash, or a node of less than 32 bytes in all.
                0xa0 | 0xc0..=0xde => used += 1,
                _ => return Err("a child is neither a hash nor a node of less than 32 bytes"),
            }
            at += item_len(kind);
        }
        match rlp.get(at) {
            Some(0x80) if at + 1 == rlp.len() => {}
            Some(0x80) => return Err("it has more than 17 items"),
            Some(_) => return Err("a branch holds a value"),
            None if at > rlp.len() => return Err("an item is cut off"),
            None => return Err("it has neither 2 nor 17 items"),
        }
        if used < 2 {
            return Err("a branch has less than two children");
        }
        Ok(Self { rlp, now: [Now::AS_ENCODED; 16] })
    }

    pub(super) const fn rlp(&self) -> &'a [u8] {
        self.rlp
    }

    /// Where the first child stands in the encoding.
    pub(super) const fn first(&self) -> usize {
        match self.rlp.first() {
            Some(0xf9) => 3,
            Some(0xf8) => 2,
            _ => 1,
        }
    }

    /// How long a child that stands at `at` in the encoding is there; 0 for a branch without one.
    pub(super) fn encoded_len(&self, at: usize) -> usize {
        self.rlp.get(at).map_or(0, |kind| item_len(*kind))
    }

    pub(super) const fn now(&self, slot: usize) -> Now {
        self.now[slot]
    }

    pub(super) fn child(&self, slot: usize) -> Child<'a> {
        match self.now[slot] {
            Now::AS_ENCODED if self.rlp.len() == FULL => self.encoded(3 + 33 * slot),
            Now::AS_ENCODED => self.encoded((0..slot).fold(self.first(), |at, _| at + self.encoded_len(at))),
            now => now.node().map_or(Child::Empty, Child::Node),
        }
    }

    /// The child that stands at `at`. [`read`](Self::read) made sure that one does.
    fn encoded(&self, at: usize) -> Child<'a> {
        match self.rlp.get(at) {
            None | Some(0x80) => Child::Empty,
            Some(0xa0) => self.rlp[at + 1..].first_chunk().map_or(Child::Empty, Child::Hash),
            Some(kind) => Child::Inline(&self.rlp[at..at + item_len(*kind)]),
        }
    }

    pub(super) fn set(&mut self, slot: usize, node: u32) {
        self.now[slot] = Now::to(node);
    }

    pub(super) fn clear(&mut self, slot: usize) {
        self.now[slot] = Now::EMPTY;
    }

    /// The only child that is left, unless there are several.
    pub(super) fn only_child(&self) -> Option<(usize, Child<'a>)> {
        let mut left =
            (0..16).map(|slot| (slot, self.child(slot))).filter(|(_, child)| !matches!(child, Child::Empty));
        let only = left.next()?;
        left.next().is_none().then_some(only)
    }
}

/// The length of a child's item, given its first byte: nothing, a hash, or a short list.
const fn item_len(kind: u8) -> usize {
    match kind {
        0xa0 => 33,
        0xc0.. => 1 + (kind - 0xc0) as usize,
        _ => 1,
    }
}
