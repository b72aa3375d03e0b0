//! The coordinate fields of BN254 and BLS12-381 on the modular instructions.
//!
//! An instruction may leave any number that is congruent to its result. There is none that compares: see
//! [`element`](crate::element).

use crate::element::element;
use alloc::{alloc::alloc_zeroed, vec::Vec};
use core::alloc::Layout;
use openvm_algebra_guest::ModArithBaseFunct7 as Kind;
use proofmill_curves::{constant, Field, Prime, Wide};

element!(Bn254Coord, 32, 32, 2, "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47");
element!(
    Bls12Coord,
    48,
    16,
    3,
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"
);

macro_rules! field {
    ($name:ident, $bytes:literal, $exponent:literal) => {
        impl Field for $name {
            fn zero() -> Self {
                Self::ZERO
            }

            fn one() -> Self {
                Self::ONE
            }

            #[inline(always)]
            fn add(&self, other: &Self) -> Self {
                Self::operate::<{ Kind::AddMod as usize }>(self, other)
            }

            #[inline(always)]
            fn add_assign(&mut self, other: &Self) {
                let this = core::ptr::from_mut(self);
                // SAFETY: both are elements. The instruction reads them before it writes.
                unsafe { Self::operate_at::<{ Kind::AddMod as usize }>(this, this, other) }
            }

            #[inline(always)]
            fn set_product(&mut self, a: &Self, b: &Self) {
                // SAFETY: all are elements.
                unsafe { Self::operate_at::<{ Kind::MulMod as usize }>(self, a, b) }
            }

            #[inline(always)]
            fn sub(&self, other: &Self) -> Self {
                Self::operate::<{ Kind::SubMod as usize }>(self, other)
            }

            #[inline(always)]
            fn mul(&self, other: &Self) -> Self {
                Self::operate::<{ Kind::MulMod as usize }>(self, other)
            }

            #[inline(always)]
            fn div(&self, other: &Self) -> Self {
                Self::operate::<{ Kind::DivMod as usize }>(self, other)
            }

            #[inline(always)]
            fn equals(&self, other: &Self) -> bool {
                self.sub(other).proven_zero()
            }

            #[inline(always)]
            fn neg(&self) -> Self {
                static ZERO: $name = $name::ZERO;
                ZERO.sub(self)
            }

            #[inline(always)]
            fn is_zero(&self) -> bool {
                self.proven_zero()
            }
        }

        impl Prime for $name {
            const BYTES: usize = $bytes;
            const ROOT_EXPONENT: &'static [u8] = {
                const EXPONENT: [u8; $bytes] = {
                    let mut bytes: [u8; $bytes] = constant($exponent);
                    bytes.reverse();
                    bytes
                };
                &EXPONENT
            };

            fn prepare() {
                Self::set_up();
            }

            fn constant(bytes: &[u8]) -> Self {
                let (words, _) = bytes.as_chunks::<4>();
                Self::from_words(core::array::from_fn(|i| u32::from_le_bytes(words[i])))
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                let bytes: &[u8; $bytes] = bytes.try_into().ok()?;
                let (words, _) = bytes.as_chunks::<4>();
                let value = Self::from_words(core::array::from_fn(|i| u32::from_be_bytes(words[$bytes / 4 - 1 - i])));
                value.is_least().then_some(value)
            }

            fn encode(&self, out: &mut [u8]) {
                assert!(self.is_least(), "not the least representative");
                for (out, word) in out.rchunks_exact_mut(4).zip(&self.0) {
                    out.copy_from_slice(&word.to_be_bytes());
                }
            }

            #[inline(always)]
            fn times_nine(&self) -> Self {
                static NINE: $name = $name::from_little_endian(&constant("9"));
                self.mul(&NINE)
            }
        }
    };
}

field!(Bn254Coord, 32, "c19139cb84c680a6e14116da060561765e05aa45a1c72a34f082305b61f3f52");
field!(Bls12Coord, 48, "680447a8e5ff9a692c6e9ed90d2eb35d91dd2e13ce144afd9cc34a83dac3d8907aaffffac54ffffee7fbfffffffeaab");

impl Bls12Coord {
    /// The words of a number below 2³⁵².
    #[inline(always)]
    fn whole_words(&mut self) -> &mut [u32; 12] {
        // Another representative would be above the modulus, so above 2³⁵².
        assert!(self.0[11] == 0, "not the least representative");
        &mut self.0
    }
}

impl Wide for Bls12Coord {
    #[inline(always)]
    fn from_words(words: &[u32; 8]) -> Self {
        Self::from_words(core::array::from_fn(|i| if i < 8 { words[i] } else { 0 }))
    }

    #[inline(always)]
    fn whole(&self) -> [u32; 9] {
        assert!(self.0[11] == 0, "not the least representative");
        core::array::from_fn(|i| self.0[i])
    }

    #[inline(always)]
    fn low(&self) -> [u32; 3] {
        // The modulus is above 2³⁸⁰.
        assert!(self.0[11] >> 28 == 0, "not the least representative");
        [self.0[0], self.0[1], self.0[2]]
    }

    #[inline(always)]
    fn limbs(&self) -> [[u32; 3]; 4] {
        assert!(self.0[11] >> 28 == 0, "not the least representative");
        core::array::from_fn(|limb| core::array::from_fn(|i| self.0[3 * limb + i]))
    }

    fn zeros(count: usize) -> Vec<Self> {
        assert!(count > 0, "no numbers");
        let layout = Layout::array::<Self>(count).expect("fewer bytes than there are");
        // At once, as 48 bytes one by one would each be a call of `memset`.
        // SAFETY: so many elements, all zero, of this layout.
        unsafe {
            let start = alloc_zeroed(layout);
            assert!(!start.is_null(), "no memory");
            Vec::from_raw_parts(start.cast(), count, count)
        }
    }

    #[inline(always)]
    fn set_words(&mut self, words: &[u32; 8]) {
        self.0[..8].copy_from_slice(words);
    }

    #[inline(always)]
    fn set_difference(&mut self, a: &Self, b: &Self) {
        // SAFETY: all are elements.
        unsafe { Self::operate_at::<{ Kind::SubMod as usize }>(self, a, b) }
    }

    #[inline(always)]
    fn set_low(&mut self, words: [u32; 3]) {
        self.0[..3].copy_from_slice(&words);
    }

    #[inline(always)]
    fn add_in(registers: &mut [Self], to: usize, a: usize, b: usize) {
        operate_in::<{ Kind::AddMod as usize }>(registers, to, a, b);
    }

    #[inline(always)]
    fn subtract_in(registers: &mut [Self], to: usize, a: usize, b: usize) {
        operate_in::<{ Kind::SubMod as usize }>(registers, to, a, b);
    }

    #[inline(always)]
    fn multiply_in(registers: &mut [Self], to: usize, a: usize, b: usize) {
        operate_in::<{ Kind::MulMod as usize }>(registers, to, a, b);
    }

    #[inline(always)]
    fn from_limb(words: [u32; 4]) -> Self {
        let [a, b, c, d] = words;
        Self::from_words([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    #[inline(always)]
    fn limb(&self) -> [u32; 4] {
        assert!(self.0[11] == 0, "not the least representative");
        [self.0[0], self.0[1], self.0[2], self.0[3]]
    }

    #[inline(always)]
    fn take_limb(&mut self) -> [u32; 4] {
        let words = self.whole_words();
        let low = [words[0], words[1], words[2], words[3]];
        words.copy_within(4..11, 0);
        words[7..11].fill(0);
        low
    }
}

#[inline(always)]
fn operate_in<const KIND: usize>(registers: &mut [Bls12Coord], to: usize, a: usize, b: usize) {
    let length = registers.len();
    assert!(to < length && a < length && b < length, "no such register");
    let base = registers.as_mut_ptr();
    // SAFETY: all are elements of the slice. The instruction reads before it writes.
    unsafe { Bls12Coord::operate_at::<KIND>(base.add(to), base.add(a), base.add(b)) }
}
