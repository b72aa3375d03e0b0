//! Blocks before the range's parent. A span batch may begin with them, and then says from which block on it is valid.

use crate::attributes::of_block;
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
    /// Its transactions in their EIP-2718 encoding. They are looked at where a span follows on the block, and may be left out of the
    /// others.
    pub transactions: Vec<Bytes>,
}

/// Ancestors whose headers are on the way to the range's parent, the newest first.
pub(crate) struct Ancestors<'a>(Vec<(Header, B256, &'a [Bytes])>);

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
            known.push((header, hash, &ancestor.transactions[..]));
        }
        Ok(Self(known))
    }

    /// The hash of the ancestor that is `back` blocks before the range's parent, and the number of its L1 block; none where it is
    /// not known.
    pub(crate) fn get(&self, back: usize) -> Result<Option<(B256, u64)>, DerivationError> {
        let at = back - 1;
        let Some((header, hash, transactions)) = self.0.get(at) else { return Ok(None) };
        let Some(first) = transactions.first() else { return Ok(None) };
        if ordered_trie_root_encoded(transactions) != header.transactions_root {
            return Err(DerivationError::Ancestor { at, reason: "has other transactions than are given" });
        }
        Ok(Some((*hash, of_block(header, first)?.number)))
    }
}
