//! The range program for chains of the OP Stack: executes the blocks, and derives them from L1.

use super::{OpRangeError, OpRangePublicValues};
use crate::public_values::{PublicValues, RangePublicValues};
use crate::range::{self as executed, ProvenFor};
use alloc::vec::Vec;
use alloy_primitives::B256;
use proofmill_derivation::{Arkworks, DerivationInput, Kzg};
use proofmill_stateless::{StatelessInput, StatelessInputRef};

/// What the program says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpStatement {
    /// Blocks follow on each other; not that L1 orders them.
    Executed(RangePublicValues),
    /// An output root follows from another one and from what L1 has.
    Derived(OpRangePublicValues),
}

impl OpStatement {
    /// The bytes that the program commits to.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Executed(says) => says.to_bytes(),
            Self::Derived(says) => says.to_bytes(),
        }
    }

    /// Their keccak256, for zkVMs that reveal 32 bytes. The two are of different lengths, so neither passes for the other.
    pub fn commitment(&self) -> B256 {
        match self {
            Self::Executed(says) => says.commitment(),
            Self::Derived(says) => says.commitment(),
        }
    }
}

/// The first word of an input: what is to be said.
const EXECUTED: u32 = 0;
const DERIVED: u32 = 1;

/// The input for blocks that are only executed: a word of 0, then the input of [`crate::range::encode_input`].
pub fn encode_executed(of: ProvenFor, input: &StatelessInput) -> Vec<u8> {
    let mut bytes = EXECUTED.to_le_bytes().to_vec();
    bytes.extend(executed::encode_input(of, input));
    bytes
}

/// The input for blocks that are derived: a word of 1, the length of the derivation's input (4 bytes, little-endian), that input with
/// zeros behind it up to a multiple of four, then the encoded stateless input.
pub fn encode_derived(derivation: &DerivationInput, input: &StatelessInput) -> Vec<u8> {
    let derivation = derivation.encode();
    let mut bytes = DERIVED.to_le_bytes().to_vec();
    bytes.extend((derivation.len() as u32).to_le_bytes());
    bytes.extend(derivation);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(input.encode());
    bytes
}

/// The program: decodes the input, executes the blocks, derives them, and returns what a proof of it says.
///
/// # Errors
/// With what is wrong with the input, the witness, the blocks or L1's data.
pub fn run(input: &[u8]) -> Result<OpStatement, OpRangeError> {
    run_seeded::<Arkworks>(input, |_| ())
}

/// As [`run`], with blobs checked by `K`, and calls `seed` as [`crate::range::run_seeded`] does.
///
/// # Errors
/// As [`run`].
pub fn run_seeded<K: Kzg>(input: &[u8], seed: impl FnOnce(B256)) -> Result<OpStatement, OpRangeError> {
    let short = || OpRangeError::Encoding { len: input.len() };
    let (kind, rest) = input.split_first_chunk::<4>().ok_or_else(short)?;
    match u32::from_le_bytes(*kind) {
        EXECUTED => return Ok(OpStatement::Executed(executed::run_seeded(rest, seed)?)),
        DERIVED => {}
        _ => return Err(short()),
    }
    let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let len = u32::from_le_bytes(*len) as usize;
    let padded = len.checked_next_multiple_of(4).ok_or_else(short)?;
    let (derivation, encoded) = rest.split_at_checked(padded).ok_or_else(short)?;
    let (derivation, padding) = derivation.split_at_checked(len).ok_or_else(short)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(short());
    }
    let range = StatelessInputRef::decode(encoded)?;
    seed(range.blocks.last().map_or(B256::ZERO, |block| block.header.hash()));
    let derivation = DerivationInput::decode(derivation)?;
    let outcome = proofmill_optimism::execute(&range)?;
    let roots = outcome.output_roots.ok_or(OpRangeError::NoOutputRoot)?;
    let l1_head = proofmill_derivation::check::<K>(&derivation, &range)?;
    Ok(OpStatement::Derived(OpRangePublicValues {
        l1Head: l1_head,
        l2PreRoot: roots.before,
        l2PostRoot: roots.after,
        l2BlockNumber: outcome.range.last,
        rollupConfigHash: derivation.config.hash(),
    }))
}
