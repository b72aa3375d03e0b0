//! Where checkpoints end, and the commitment to all of them.

use alloy_primitives::{B256, keccak256};

/// Where a checkpoint ends. Everything else that a checkpoint claims follows from it and from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// Number of its last block.
    pub last_block: u64,
    /// Hash of that block.
    pub last_hash: B256,
    /// State root after that block.
    pub state_root: B256,
    /// Time of that block, in Unix seconds.
    pub last_timestamp: u64,
}

impl Boundary {
    /// The commitment to all checkpoints up to this one, given that to those before it:
    /// `keccak256(abi.encode(before, lastBlock, lastHash, stateRoot, lastTimestamp))`. The genesis is committed to first, with
    /// zero before it.
    ///
    /// `Rollup.sol` keeps the same commitment at each checkpoint, so one comparison stands for all of them.
    pub fn commit(&self, before: B256) -> B256 {
        let mut words = [0_u8; 5 * 32];
        words[..32].copy_from_slice(before.as_slice());
        words[56..64].copy_from_slice(&self.last_block.to_be_bytes());
        words[64..96].copy_from_slice(self.last_hash.as_slice());
        words[96..128].copy_from_slice(self.state_root.as_slice());
        words[152..].copy_from_slice(&self.last_timestamp.to_be_bytes());
        keccak256(words)
    }
}
