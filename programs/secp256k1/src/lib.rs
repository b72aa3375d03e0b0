//! Recovers the public key of a secp256k1 ECDSA signature with as few curve operations as it can, on a [`Machine`]
//! that does the field and curve arithmetic: a zkVM's instructions inside a guest, plain code in the tests.
//!
//! A zkVM proves one curve addition for about the price of ten ordinary instructions, and one doubling for the same,
//! so [`recover`] counts both. It computes `u1·G + u2·R` as four scalars of half the length: `u1` is cut at bit 128
//! (multiples of `G` and `2¹²⁸·G` are a constant table), and `u2` is split along the curve's endomorphism. The four
//! run through one chain of about 130 doublings, in signed windows: some 210 operations instead of 500.
//!
//! ```
//! use proofmill_secp256k1::{TABLE_WINDOW, fixed_multiples};
//!
//! // The odd multiples 1·G, 3·G, … and 1·2¹²⁸·G, 3·2¹²⁸·G, … as little-endian coordinates.
//! assert_eq!(fixed_multiples().len(), 2 << (TABLE_WINDOW - 2));
//! ```
#![no_std]

mod machine;
mod msm;
mod recover;
mod split;
mod table;
mod uint;
mod wnaf;

pub use machine::Machine;
pub use recover::recover;
pub use table::{TABLE_WINDOW, TablePoint, fixed_multiples};
pub use uint::{Uint, WORD_BITS, WORDS, from_be_bytes, from_le_bytes, to_be_bytes, to_le_bytes};

#[cfg(test)]
extern crate std;
#[cfg(test)]
mod tests;
