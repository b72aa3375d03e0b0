//! Where nodes come from that no path has walked through yet.

use alloc::vec::Vec;
#[cfg(feature = "std")]
use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, keccak256};

/// The encoded nodes of a witness. Each is given out as often as the witness has it.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    /// In the order in which paths first walk through them: the next one that is asked for is the next in line, and is
    /// hashed just before it is read. Another order costs more, and gives the same.
    InOrder {
        rest: &'a [&'a [u8]],
        /// Those that came before they were asked for, with their hashes.
        passed: Vec<(B256, &'a [u8])>,
    },
    /// By hash, given out any number of times, noting what was: how the host finds the order.
    #[cfg(feature = "std")]
    ByHash { nodes: B256Map<&'a [u8]>, taken: Vec<&'a [u8]> },
}

impl<'a> Source<'a> {
    pub(crate) const fn in_order(witness: &'a [&'a [u8]]) -> Self {
        Self::InOrder { rest: witness, passed: Vec::new() }
    }

    #[cfg(feature = "std")]
    pub(crate) fn by_hash(witness: &[&'a [u8]]) -> Self {
        Self::ByHash { nodes: witness.iter().map(|rlp| (keccak256(rlp), *rlp)).collect(), taken: Vec::new() }
    }

    /// The node with a hash.
    pub(super) fn take(&mut self, hash: &[u8; 32]) -> Option<&'a [u8]> {
        match self {
            Self::InOrder { rest, passed } => {
                if let Some(at) = passed.iter().position(|(passed, _)| passed == hash) {
                    return Some(passed.swap_remove(at).1);
                }
                while let Some((next, others)) = rest.split_first() {
                    *rest = others;
                    let found = keccak256(next);
                    if found == *hash {
                        return Some(next);
                    }
                    passed.push((found, next));
                }
                None
            }
            #[cfg(feature = "std")]
            Self::ByHash { nodes, taken } => {
                let node = *nodes.get(hash)?;
                taken.push(node);
                Some(node)
            }
        }
    }

    /// The hash of a node that was not taken. Whoever looks nodes up by hash has more than are needed, and may.
    pub(super) fn unused(&self) -> Option<B256> {
        match self {
            Self::InOrder { rest, passed } => {
                passed.first().map(|(hash, _)| *hash).or_else(|| rest.first().map(keccak256))
            }
            #[cfg(feature = "std")]
            Self::ByHash { .. } => None,
        }
    }

    /// What was taken by hash, in that order.
    #[cfg(feature = "std")]
    pub(super) fn taken(&self) -> &[&'a [u8]] {
        match self {
            Self::InOrder { .. } => &[],
            Self::ByHash { taken, .. } => taken,
        }
    }
}
