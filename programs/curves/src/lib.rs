//! The pairing curves of the EVM's precompiles on a machine that does the field arithmetic: a zkVM's instructions inside
//! a guest, plain code in the tests.
//!
//! A zkVM proves a modular product for about the price of ten ordinary instructions, and a quotient for the same, so
//! points are affine everywhere, and extension fields multiply in the schoolbook's way: fewer products would cost more
//! sums. A machine implements [`Prime`] for each base field; everything else is generic.
//!
//! What is checked is what EIP-196, EIP-197, EIP-2537 and EIP-4844 demand: coordinates are below the modulus, points are
//! on their curve, and those of a multi-scalar product, a pairing or a KZG proof are in the subgroup.
#![no_std]

extern crate alloc;

mod blobs;
pub mod bls12_381;
pub mod bn254;
mod bytes;
mod field;
mod fp2;
mod kzg;
mod map;
mod modexp;
mod montgomery;
pub mod p256;
mod pairing;
mod point;
mod products;
mod scalars;
mod tower;

pub use blobs::verify_blobs;
pub use bytes::constant;
pub use field::{Field, Prime, Wide};
pub use kzg::verify_kzg_proof;
pub use modexp::modexp;
pub use products::OnWide;
pub use scalars::{BLOB, OnScalar, Scalar, Scalars, ScaledBlob};

/// Why an input is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// A coordinate is not below the modulus, or an encoding is not that of a point.
    Encoding,
    /// A point is not on its curve.
    NotOnCurve,
    /// A point is not in the subgroup of prime order.
    NotInSubgroup,
}

#[cfg(test)]
extern crate std;
#[cfg(test)]
mod tests;
