//! What a proof says, in the form that a contract decodes.

use crate::boundary::Boundary;
use crate::error::ProgramError;
use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256};
use alloy_sol_types::{SolValue, sol};

sol! {
    /// What a range proof says: executing blocks `firstBlock` to `lastBlock` under the rules with hash `configHash` leads
    /// from the parent to the last block, and every field of every header is right. docs/statement.md has who checks what.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct RangePublicValues {
        /// EIP-155 chain id of the rollup.
        uint64 chainId;
        /// keccak256 of the encoded chain specification: forks, blob schedule, consensus and header rules.
        bytes32 configHash;
        /// The rollup's contract on L1, so that a proof cannot be shown to another rollup.
        address rollup;
        /// Who proved it, and may claim the reward: nobody can aggregate a range proof for somebody else.
        address prover;
        /// Number of the first block.
        uint64 firstBlock;
        /// Number of the last block.
        uint64 lastBlock;
        /// Hash of the block before the first.
        bytes32 parentHash;
        /// Hash of the last block.
        bytes32 lastHash;
        /// State root before the first block.
        bytes32 preStateRoot;
        /// State root after the last block.
        bytes32 postStateRoot;
        /// Time of the last block, in Unix seconds.
        uint64 lastTimestamp;
    }

    /// What an epoch proof says: the same of all blocks of an epoch's checkpoints, by range proofs of one program, and where
    /// each checkpoint ends.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct AggregationPublicValues {
        /// EIP-155 chain id of the rollup.
        uint64 chainId;
        /// keccak256 of the encoded chain specification.
        bytes32 configHash;
        /// The rollup's contract on L1.
        address rollup;
        /// Who proved all of it, and may claim the reward.
        address prover;
        /// Number of the first block.
        uint64 firstBlock;
        /// Number of the last block.
        uint64 lastBlock;
        /// Hash of the block before the first.
        bytes32 parentHash;
        /// Hash of the last block.
        bytes32 lastHash;
        /// State root before the first block.
        bytes32 preStateRoot;
        /// State root after the last block.
        bytes32 postStateRoot;
        /// Time of the last block, in Unix seconds.
        uint64 lastTimestamp;
        /// The key of the range program whose proofs were verified.
        bytes32 rangeKey;
        /// Commitment to the rollup's checkpoints before the first of the epoch.
        bytes32 fromCommitment;
        /// Commitment to the rollup's checkpoints up to the last one proven: every boundary between is in it.
        bytes32 toCommitment;
    }
}

/// The two forms in which public values leave a zkVM.
pub trait PublicValues: Sized {
    /// What the values are called in messages.
    const NAME: &'static str;

    /// The bytes that a program commits to: Solidity's `abi.encode` of the struct, 32 bytes a field, unless the type says
    /// otherwise.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, and nothing else: no padding, no dirty bits, no bytes behind.
    fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramError>;

    /// keccak256 of [`to_bytes`](Self::to_bytes), for zkVMs that reveal 32 bytes.
    fn commitment(&self) -> B256 {
        keccak256(self.to_bytes())
    }
}

macro_rules! public_values {
    ($($name:ident),*) => {$(
        impl PublicValues for $name {
            const NAME: &'static str = stringify!($name);

            fn to_bytes(&self) -> Vec<u8> {
                self.abi_encode()
            }

            fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramError> {
                let wrong = || ProgramError::PublicValues { what: Self::NAME, len: bytes.len() };
                let values = Self::abi_decode_validate(bytes).map_err(|_| wrong())?;
                if values.to_bytes() == bytes { Ok(values) } else { Err(wrong()) }
            }
        }
    )*};
}

public_values!(RangePublicValues, AggregationPublicValues);

impl RangePublicValues {
    /// Bytes of [`PublicValues::to_bytes`]: 11 fields.
    pub const ABI_LEN: usize = 11 * 32;

    /// Where the range ends.
    pub const fn boundary(&self) -> Boundary {
        Boundary {
            last_block: self.lastBlock,
            last_hash: self.lastHash,
            state_root: self.postStateRoot,
            last_timestamp: self.lastTimestamp,
        }
    }
}
