//! Blocks before the range's parent. A span batch may begin with them, and says of each what it has; and they say who the batcher was.

use crate::attributes::{Attributes, of_block};
use crate::error::DerivationError;
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::root::ordered_trie_root_encoded;

/// A block before the range's parent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ancestor {
    /// RLP of its header.
    pub header: Bytes,
    /// Its transactions in their EIP-2718 encoding. They are looked at where a span follows on the block or has it, and where a batcher
    /// is looked for; of other blocks they may be left out.
    pub transactions: Vec<Bytes>,
}

/// A block of L2 of which all is known.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) hash: B256,
    pub(crate) attributes: Attributes,
    pub(crate) transactions: &'a [Bytes],
}

/// Ancestors whose headers are on the way to the range's parent, the newest first; none where the transactions are left out.
pub(crate) struct Ancestors<'a>(Vec<Option<Known<'a>>>);

impl<'a> Ancestors<'a> {
    /// `parent_hash` is that of the range's parent's parent.
    pub(crate) fn open(ancestors: &'a [Ancestor], parent_hash: B256) -> Result<Self, DerivationError> {
        let mut next = parent_hash;
        let mut known = Vec::with_capacity(ancestors.len());
        for (at, ancestor) in ancestors.iter().enumerate() {
            let wrong = |reason| DerivationError::Ancestor { at, reason };
            if keccak256(&ancestor.header) != next {
                return Err(wrong("is not the parent of the block after it"));
            }
            let header = Header::decode(&mut ancestor.header.as_ref()).map_err(|_| wrong("is no header"))?;
            let hash = core::mem::replace(&mut next, header.parent_hash);
            let transactions = &ancestor.transactions[..];
            known.push(match transactions.first() {
                None => None,
                Some(_) if ordered_trie_root_encoded(transactions) != header.transactions_root => {
                    return Err(wrong("has other transactions than are given"));
                }
                Some(first) => Some(Known { hash, attributes: of_block(&header, first)?, transactions }),
            });
        }
        Ok(Self(known))
    }

    /// The ancestor that is `back` blocks before the range's parent, where it is known.
    pub(crate) fn get(&self, back: usize) -> Option<Known<'a>> {
        self.0.get(back - 1).copied().flatten()
    }

    /// What the newest known one says of L1 that follows an L1 block before this one.
    pub(crate) fn before(&self, l1_block: u64) -> Option<Attributes> {
        self.0.iter().flatten().map(|one| one.attributes).find(|one| one.number < l1_block)
    }
}
