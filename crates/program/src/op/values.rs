//! The public values.

use crate::error::ProgramError;
use crate::public_values::PublicValues;
use alloc::vec::Vec;
use alloy_primitives::B256;
use alloy_sol_types::{SolValue, sol};

sol! {
    /// What a range proof says: by the rules of the chain with hash `rollupConfigHash`, and from what L1 has up to `l1Head`,
    /// the output root `l2PostRoot` of block `l2BlockNumber` follows from `l2PreRoot`.
    #[derive(Debug, Default, PartialEq, Eq, Hash)]
    struct OpRangePublicValues {
        /// Hash of the last L1 block from which the range was derived.
        bytes32 l1Head;
        /// Output root of the block before the first.
        bytes32 l2PreRoot;
        /// Output root of the last block.
        bytes32 l2PostRoot;
        /// Number of the last block.
        uint64 l2BlockNumber;
        /// Hash of the rollup's configuration: the rules of execution and of derivation.
        bytes32 rollupConfigHash;
    }

    /// What an aggregation proof says: `AggregationOutputs` of OP Succinct's contracts.
    #[derive(Debug, Default, PartialEq, Eq, Hash)]
    struct OpAggregationPublicValues {
        /// Hash of an L1 block: the last blocks from which the ranges were derived are it or before it.
        bytes32 l1Head;
        /// Output root of the block before the first.
        bytes32 l2PreRoot;
        /// Output root of the last block.
        bytes32 claimRoot;
        /// Number of the last block. The contracts have a `uint256`; its word is the same.
        uint64 claimBlockNum;
        /// Hash of the rollup's configuration.
        bytes32 rollupConfigHash;
        /// The key of the range program whose proofs were verified.
        bytes32 rangeVkeyCommitment;
        /// Who may show the proof, and is paid for it.
        address proverAddress;
    }
}

impl OpRangePublicValues {
    /// Bytes of [`PublicValues::to_bytes`]: four hashes, each after its length in 8 bytes, and a number of 8 bytes.
    pub const LEN: usize = 4 * (8 + 32) + 8;
}

/// The encoding is that in which SP1's guests commit to a struct: bincode 1 with integers of fixed width, little-endian. A hash
/// is a byte string to it, so its length is before it.
impl PublicValues for OpRangePublicValues {
    const NAME: &'static str = "OpRangePublicValues";

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        let hash = |bytes: &mut Vec<u8>, hash: &B256| {
            bytes.extend(32_u64.to_le_bytes());
            bytes.extend(hash.as_slice());
        };
        hash(&mut bytes, &self.l1Head);
        hash(&mut bytes, &self.l2PreRoot);
        hash(&mut bytes, &self.l2PostRoot);
        bytes.extend(self.l2BlockNumber.to_le_bytes());
        hash(&mut bytes, &self.rollupConfigHash);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramError> {
        let wrong = || ProgramError::PublicValues { what: Self::NAME, len: bytes.len() };
        fn hash(bytes: &[u8]) -> Option<(B256, &[u8])> {
            let (len, rest) = bytes.split_first_chunk::<8>()?;
            let (hash, rest) = rest.split_first_chunk::<32>()?;
            (u64::from_le_bytes(*len) == 32).then_some((hash.into(), rest))
        }
        let (l1_head, rest) = hash(bytes).ok_or_else(wrong)?;
        let (l2_pre_root, rest) = hash(rest).ok_or_else(wrong)?;
        let (l2_post_root, rest) = hash(rest).ok_or_else(wrong)?;
        let (number, rest) = rest.split_first_chunk::<8>().ok_or_else(wrong)?;
        let (rollup_config_hash, rest) = hash(rest).ok_or_else(wrong)?;
        if !rest.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            l1Head: l1_head,
            l2PreRoot: l2_pre_root,
            l2PostRoot: l2_post_root,
            l2BlockNumber: u64::from_le_bytes(*number),
            rollupConfigHash: rollup_config_hash,
        })
    }
}

impl PublicValues for OpAggregationPublicValues {
    const NAME: &'static str = "OpAggregationPublicValues";

    fn to_bytes(&self) -> Vec<u8> {
        self.abi_encode()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramError> {
        let wrong = || ProgramError::PublicValues { what: Self::NAME, len: bytes.len() };
        let values = Self::abi_decode_validate(bytes).map_err(|_| wrong())?;
        if values.to_bytes() == bytes { Ok(values) } else { Err(wrong()) }
    }
}
