//! The range program: re-executes a checkpoint's blocks.

use crate::error::ProgramError;
use crate::public_values::{RangePublicValues, hash_of_hashes};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};
use proofmill_stateless::{RangeOutcome, StatelessInput, StatelessInputRef, execute};

/// The rollup address takes 20 bytes, a multiple of 4, so that what follows stays aligned.
const ADDRESS: usize = 20;

/// The range program's input: the rollup's address, then the encoded stateless input.
pub fn encode_input(rollup: Address, input: &StatelessInput) -> Vec<u8> {
    let mut bytes = rollup.to_vec();
    bytes.extend(input.encode());
    bytes
}

/// The range program: decodes the input, executes the blocks and returns what a proof of it says.
///
/// Errors with what is wrong with the input, the witness or the blocks.
pub fn run(input: &[u8]) -> Result<RangePublicValues, ProgramError> {
    run_seeded(input, |_| ())
}

/// As [`run`], and calls `seed` with the hash of the last block's header before any map is made: a guest, which has no
/// randomness, keys its hasher with it, so that nobody who writes a transaction knows the keys.
pub fn run_seeded(input: &[u8], seed: impl FnOnce(B256)) -> Result<RangePublicValues, ProgramError> {
    let (rollup, encoded) =
        input.split_at_checked(ADDRESS).ok_or(ProgramError::NoRollupAddress { len: input.len() })?;
    let decoded = StatelessInputRef::decode(encoded)?;
    seed(decoded.blocks.last().map_or(B256::ZERO, |block| block.header.hash()));
    Ok(public_values(Address::from_slice(rollup), &execute(&decoded)?))
}

/// What the range program says of an outcome.
pub fn public_values(rollup: Address, outcome: &RangeOutcome) -> RangePublicValues {
    RangePublicValues {
        chainId: outcome.chain_id,
        configHash: outcome.config_hash,
        rollup,
        firstBlock: outcome.first,
        lastBlock: outcome.last,
        parentHash: outcome.parent_hash,
        lastHash: outcome.last_hash,
        preStateRoot: outcome.pre_state_root,
        postStateRoot: outcome.post_state_root,
        gasUsed: outcome.gas_used,
        transactions: outcome.transactions,
        blockHashes: hash_of_hashes(outcome.block_hashes.iter()),
    }
}
