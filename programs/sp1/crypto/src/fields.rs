//! The coordinate fields of BN254 and BLS12-381 on the precompiles for sums, differences and products.
//!
//! The precompiles check that what they write is below the modulus, so elements are least always, and compared as
//! words. Inverses and roots are asked of the host and checked.

use crate::hints::{inverse, root};
use proofmill_curves::{Field, Prime, constant};
use sp1_lib::{
    syscall_bls12381_add, syscall_bls12381_double, syscall_bls12381_fp_addmod, syscall_bls12381_fp_mulmod,
    syscall_bls12381_fp_submod, syscall_bls12381_fp2_mulmod, syscall_bn254_add, syscall_bn254_double,
    syscall_bn254_fp_addmod, syscall_bn254_fp_mulmod, syscall_bn254_fp_submod, syscall_bn254_fp2_mulmod,
};

/// What a precompile of two operands is: it puts the result where the first is.
type Binary = unsafe extern "C" fn(*mut u64, *const u64);

macro_rules! field {
    ($name:ident, $words:literal, $modulus:literal, $exponent:literal,
     $add:ident, $sub:ident, $mul:ident, $complex:ident, $add_points:ident, $double_point:ident) => {
        /// The words, the least first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(C)]
        pub(crate) struct $name([u64; $words]);

        impl $name {
            const MODULUS: [u64; $words] = words(&constant::<{ $words * 8 }>($modulus));
            /// `−1`, which is not a square.
            const MINUS_ONE: [u64; $words] = {
                let mut words = Self::MODULUS;
                words[0] -= 1;
                words
            };

            #[inline(always)]
            fn operate(precompile: Binary, a: &Self, b: &Self) -> Self {
                let mut out = *a;
                // SAFETY: both are elements.
                unsafe { precompile(out.0.as_mut_ptr(), b.0.as_ptr()) }
                out
            }
        }

        impl Field for $name {
            fn zero() -> Self {
                Self([0; $words])
            }

            fn one() -> Self {
                let mut words = [0; $words];
                words[0] = 1;
                Self(words)
            }

            #[inline(always)]
            fn add(&self, other: &Self) -> Self {
                Self::operate($add, self, other)
            }

            #[inline(always)]
            fn add_assign(&mut self, other: &Self) {
                // SAFETY: both are elements.
                unsafe { $add(self.0.as_mut_ptr(), other.0.as_ptr()) }
            }

            #[inline(always)]
            fn sub(&self, other: &Self) -> Self {
                Self::operate($sub, self, other)
            }

            #[inline(always)]
            fn mul(&self, other: &Self) -> Self {
                Self::operate($mul, self, other)
            }

            #[inline]
            fn div(&self, other: &Self) -> Self {
                let inverse = Self(inverse(&other.0, &Self::MODULUS));
                if other.mul(&inverse) != Self::one() {
                    sp1_lib::invalid_hint!("not the inverse");
                }
                self.mul(&inverse)
            }

            #[inline(always)]
            fn equals(&self, other: &Self) -> bool {
                self == other
            }

            #[inline(always)]
            fn is_zero(&self) -> bool {
                self.0 == [0; $words]
            }

            #[inline(always)]
            fn add_points([x, y]: [&Self; 2], [u, v]: [&Self; 2]) -> [Self; 2] {
                let mut sum = [*x, *y];
                let other = [*u, *v];
                // SAFETY: points of so many words, whose x coordinates differ.
                unsafe { $add_points(sum.as_mut_ptr().cast(), other.as_ptr().cast()) }
                sum
            }

            #[inline(always)]
            fn double_point([x, y]: [&Self; 2]) -> [Self; 2] {
                let mut sum = [*x, *y];
                // SAFETY: a point of so many words, whose y coordinate is not zero.
                unsafe { $double_point(sum.as_mut_ptr().cast()) }
                sum
            }
        }

        impl Prime for $name {
            const BYTES: usize = $words * 8;
            const ROOT_EXPONENT: &'static [u8] = {
                const EXPONENT: [u8; $words * 8] = {
                    let mut bytes: [u8; $words * 8] = constant($exponent);
                    bytes.reverse();
                    bytes
                };
                &EXPONENT
            };

            fn constant(bytes: &[u8]) -> Self {
                let (words, _) = bytes.as_chunks::<8>();
                Self(core::array::from_fn(|i| u64::from_le_bytes(words[i])))
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                let (words, rest) = bytes.as_chunks::<8>();
                if words.len() != $words || !rest.is_empty() {
                    return None;
                }
                let value = core::array::from_fn(|i| u64::from_be_bytes(words[$words - 1 - i]));
                less(&value, &Self::MODULUS).then_some(Self(value))
            }

            fn encode(&self, out: &mut [u8]) {
                for (out, word) in out.rchunks_exact_mut(8).zip(&self.0) {
                    out.copy_from_slice(&word.to_be_bytes());
                }
            }

            #[inline(always)]
            fn complex_product([a, b]: [&Self; 2], [c, d]: [&Self; 2]) -> [Self; 2] {
                let mut out = [*a, *b];
                let factor = [*c, *d];
                // SAFETY: elements of the complex field, the real part first.
                unsafe { $complex(out.as_mut_ptr().cast(), factor.as_ptr().cast()) }
                out
            }

            #[inline(always)]
            fn complex_square(parts: [&Self; 2]) -> [Self; 2] {
                Self::complex_product(parts, parts)
            }

            fn root(&self) -> Option<Self> {
                let root = Self(root(&self.0, &Self::MODULUS, &Self::MINUS_ONE));
                let square = root.square();
                if square == *self {
                    return Some(root);
                }
                // Exactly one of t and −t is a square: a root of −t proves that t has none.
                if square != self.neg() {
                    sp1_lib::invalid_hint!("not a square root");
                }
                None
            }
        }
    };
}

field!(
    Bn254Coord, 4,
    "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47",
    "c19139cb84c680a6e14116da060561765e05aa45a1c72a34f082305b61f3f52",
    syscall_bn254_fp_addmod, syscall_bn254_fp_submod, syscall_bn254_fp_mulmod, syscall_bn254_fp2_mulmod,
    syscall_bn254_add, syscall_bn254_double
);
field!(
    Bls12Coord, 6,
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    "680447a8e5ff9a692c6e9ed90d2eb35d91dd2e13ce144afd9cc34a83dac3d8907aaffffac54ffffee7fbfffffffeaab",
    syscall_bls12381_fp_addmod, syscall_bls12381_fp_submod, syscall_bls12381_fp_mulmod,
    syscall_bls12381_fp2_mulmod, syscall_bls12381_add, syscall_bls12381_double
);

/// The words of little-endian bytes.
const fn words<const BYTES: usize, const WORDS: usize>(bytes: &[u8; BYTES]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    let mut i = 0;
    while i < BYTES {
        words[i / 8] |= (bytes[i] as u64) << (i % 8 * 8);
        i += 1;
    }
    words
}

fn less<const WORDS: usize>(a: &[u64; WORDS], b: &[u64; WORDS]) -> bool {
    a.iter().rev().cmp(b.iter().rev()).is_lt()
}
