//! What derivation is given.

use crate::ancestors::Ancestor;
use crate::blob::BlobData;
use crate::codec::{Reader, Writer};
use crate::config::RollupConfig;
use crate::error::DerivationError;
use alloc::vec::Vec;
use alloy_primitives::Bytes;

/// A block of L1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct L1Block {
    /// RLP of its header.
    pub header: Bytes,
    /// Its transactions in their EIP-2718 encoding, as its body has them.
    pub transactions: Vec<Bytes>,
    /// Its receipts in their EIP-2718 encoding. They may be left out where the header's bloom says that neither the portal nor the
    /// system configuration wrote a log.
    pub receipts: Option<Vec<Bytes>>,
}

/// All that the derivation of a range takes beside the range itself. None of it is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivationInput {
    /// What the chain is derived by.
    pub config: RollupConfig,
    /// The transactions of the block before the range.
    pub parent_transactions: Vec<Bytes>,
    /// Blocks before that one, the newest first, as far as span batches reach back; mostly none.
    pub ancestors: Vec<Ancestor>,
    /// L1 from where the derivation of the range begins ([`l1_start`](crate::l1_start)) up to the L1 head.
    pub l1: Vec<L1Block>,
    /// The blobs that the batcher's transactions name, in any order.
    pub blobs: Vec<BlobData>,
    /// What shows that all blobs are those of their commitments: the KZG proof of their [`combination`](crate::combination) at its
    /// point, 48 bytes. Where there are no blobs it is not looked at.
    pub blobs_proof: Bytes,
}

/// Counts the versions of the encoding.
const MAGIC: &[u8; 8] = b"PMDERIV3";

impl DerivationInput {
    /// The binary form: little-endian numbers, lengths before byte strings.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(MAGIC);
        self.config.encode(&mut out);
        out.list(&self.parent_transactions);
        out.u32(self.ancestors.len() as u32);
        for Ancestor { header, transactions } in &self.ancestors {
            out.bytes(header);
            out.list(transactions);
        }
        out.u32(self.l1.len() as u32);
        for block in &self.l1 {
            out.bytes(&block.header);
            out.list(&block.transactions);
            match &block.receipts {
                Some(receipts) => {
                    out.u32(1);
                    out.list(receipts);
                }
                None => out.u32(0),
            }
        }
        out.u32(self.blobs.len() as u32);
        for BlobData { blob, commitment } in &self.blobs {
            [blob, commitment].into_iter().for_each(|bytes| out.bytes(bytes));
        }
        out.bytes(&self.blobs_proof);
        out.finish()
    }

    /// Reads what [`encode`](Self::encode) wrote, and nothing else.
    ///
    /// # Errors
    /// [`DerivationError::Encoding`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DerivationError> {
        let mut input = Reader(bytes);
        if input.fixed::<8>()? != *MAGIC {
            return Err(DerivationError::Encoding {
                what: "a derivation input of version 3, which this build makes",
            });
        }
        let owned = |list: Vec<&[u8]>| list.into_iter().map(Bytes::copy_from_slice).collect();
        let config = RollupConfig::decode(&mut input)?;
        let parent_transactions = owned(input.list()?);
        let mut ancestors = Vec::new();
        for _ in 0..input.count(8)? {
            let header = Bytes::copy_from_slice(input.bytes()?);
            ancestors.push(Ancestor { header, transactions: owned(input.list()?) });
        }
        let mut l1 = Vec::new();
        for _ in 0..input.count(12)? {
            let header = Bytes::copy_from_slice(input.bytes()?);
            let transactions = owned(input.list()?);
            let receipts = match input.u32()? {
                0 => None,
                1 => Some(owned(input.list()?)),
                _ => return Err(DerivationError::Encoding { what: "receipts or none" }),
            };
            l1.push(L1Block { header, transactions, receipts });
        }
        let mut blobs = Vec::new();
        for _ in 0..input.count(8)? {
            let mut bytes = || input.bytes().map(Bytes::copy_from_slice);
            blobs.push(BlobData { blob: bytes()?, commitment: bytes()? });
        }
        let blobs_proof = Bytes::copy_from_slice(input.bytes()?);
        input.end()?;
        Ok(Self { config, parent_transactions, ancestors, l1, blobs, blobs_proof })
    }
}
