//! Numbers modulo the order of BLS12-381's groups, on the precompile for 256-bit modular products. They are least always.

use crate::numbers::{ONE, difference, inverse, less, product, sum, words};
use proofmill_curves::Field;
use proofmill_secp256k1::{Uint, from_be_bytes, to_be_bytes};

const ORDER: Uint =
    words([0x73ed_a753_299d_7d48, 0x3339_d808_09a1_d805, 0x53bd_a402_fffe_5bfe, 0xffff_ffff_0000_0001]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scalar(Uint);

impl Field for Scalar {
    fn zero() -> Self {
        Self([0; 4])
    }

    fn one() -> Self {
        Self(ONE)
    }

    #[inline(always)]
    fn add(&self, other: &Self) -> Self {
        // The order is below 2²⁵⁵.
        let sum = sum(&self.0, &other.0);
        Self(if less(&sum, &ORDER) { sum } else { difference(&sum, &ORDER).0 })
    }

    #[inline(always)]
    fn sub(&self, other: &Self) -> Self {
        Self(match difference(&self.0, &other.0) {
            (difference, false) => difference,
            (wrapped, true) => sum(&wrapped, &ORDER),
        })
    }

    #[inline(always)]
    fn mul(&self, other: &Self) -> Self {
        Self(product(&self.0, &other.0, &ORDER))
    }

    fn div(&self, other: &Self) -> Self {
        self.mul(&Self(inverse(&other.0, &ORDER)))
    }

    #[inline(always)]
    fn equals(&self, other: &Self) -> bool {
        self == other
    }
}

impl proofmill_curves::Scalar for Scalar {
    #[inline(always)]
    fn decode(bytes: &[u8; 32]) -> Option<Self> {
        let number = from_be_bytes(bytes);
        less(&number, &ORDER).then_some(Self(number))
    }

    fn encode(&self) -> [u8; 32] {
        to_be_bytes(&self.0)
    }
}
