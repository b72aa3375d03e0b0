//! The range program: re-executes a checkpoint's blocks.

use crate::error::ProgramError;
use crate::public_values::RangePublicValues;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};
use proofmill_stateless::{RangeOutcome, StatelessInput, StatelessInputRef};

/// For whom a range is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProvenFor {
    /// The rollup's contract on L1.
    pub rollup: Address,
    /// Who proves, and may claim the reward.
    pub prover: Address,
}

/// Bytes of an address; two are a multiple of 4, so that what follows stays aligned.
const ADDRESS: usize = 20;

/// The range program's input: the addresses of the rollup and of the prover, then the encoded stateless input.
pub fn encode_input(of: ProvenFor, input: &StatelessInput) -> Vec<u8> {
    let mut bytes = [of.rollup.as_slice(), of.prover.as_slice()].concat();
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
    let short = || ProgramError::NoAddresses { len: input.len() };
    let (rollup, rest) = input.split_first_chunk::<ADDRESS>().ok_or_else(short)?;
    let (prover, encoded) = rest.split_first_chunk::<ADDRESS>().ok_or_else(short)?;
    let decoded = StatelessInputRef::decode(encoded)?;
    seed(decoded.blocks.last().map_or(B256::ZERO, |block| block.header.hash()));
    let of = ProvenFor { rollup: rollup.into(), prover: prover.into() };
    Ok(public_values(of, &execute(&decoded)?))
}

/// Executes the blocks of an input by the rules of its chain. Those of the OP Stack are there with the feature `optimism`.
fn execute(input: &StatelessInputRef<'_>) -> Result<RangeOutcome, ProgramError> {
    #[cfg(feature = "optimism")]
    if let proofmill_stateless::Rules::Optimism(_) = input.chain.rules {
        return Ok(proofmill_optimism::execute(input)?.range);
    }
    Ok(proofmill_stateless::execute(input)?)
}

/// What the range program says of an outcome.
pub fn public_values(of: ProvenFor, outcome: &RangeOutcome) -> RangePublicValues {
    RangePublicValues {
        chainId: outcome.chain_id,
        configHash: outcome.config_hash,
        rollup: of.rollup,
        prover: of.prover,
        firstBlock: outcome.first,
        lastBlock: outcome.last,
        parentHash: outcome.parent_hash,
        lastHash: outcome.last_hash,
        preStateRoot: outcome.pre_state_root,
        postStateRoot: outcome.post_state_root,
        lastTimestamp: outcome.last_timestamp,
    }
}
