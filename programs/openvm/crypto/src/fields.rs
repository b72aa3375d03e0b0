//! The coordinate fields of BN254 and BLS12-381 on the modular instructions.
//!
//! An instruction may leave any number that is congruent to its result. Comparisons go by the comparison instruction,
//! which refuses numbers that are not least, and a value is forced to be least before its bytes leave.

use core::mem::MaybeUninit;
use openvm_algebra_guest::{IntMod, ModArithBaseFunct7, MODULAR_ARITHMETIC_FUNCT3, OPCODE};
use proofmill_curves::{constant, Field, Prime, Wide};

openvm_algebra_guest::moduli_macros::moduli_declare! {
    Bn254Coord { modulus = "0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47" },
    Bls12Coord { modulus = "0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab" },
}

/// `place` is the modulus's place in `init.rs`.
macro_rules! field {
    ($name:ident, $bytes:literal, $place:literal, $exponent:literal) => {
        impl $name {
            /// Without the check that the field is set up, which [`Prime::prepare`] does once.
            #[inline(always)]
            fn operate<const KIND: usize>(a: &Self, b: &Self) -> Self {
                let mut out = MaybeUninit::<Self>::uninit();
                // SAFETY: the instruction reads two elements, and writes one.
                unsafe {
                    openvm::platform::custom_insn_r!(
                        opcode = OPCODE,
                        funct3 = MODULAR_ARITHMETIC_FUNCT3 as usize,
                        funct7 = KIND + $place * ModArithBaseFunct7::MODULAR_ARITHMETIC_MAX_KINDS as usize,
                        rd = In out.as_mut_ptr(),
                        rs1 = In core::ptr::from_ref(a),
                        rs2 = In core::ptr::from_ref(b)
                    );
                    // Word by word, as a copy of 48 bytes would be a call of `memcpy`, of three times as many instructions;
                    // and what is volatile is not made one again.
                    let words = out.as_ptr().cast::<u32>();
                    let words: [u32; $bytes / 4] = core::array::from_fn(|i| words.add(i).read_volatile());
                    core::mem::transmute(words)
                }
            }
        }

        impl Field for $name {
            fn zero() -> Self {
                <Self as IntMod>::ZERO
            }

            fn one() -> Self {
                <Self as IntMod>::ONE
            }

            #[inline(always)]
            fn add(&self, other: &Self) -> Self {
                Self::operate::<{ ModArithBaseFunct7::AddMod as usize }>(self, other)
            }

            #[inline(always)]
            fn add_assign(&mut self, other: &Self) {
                let this = core::ptr::from_mut(self);
                // The instruction reads both before it writes.
                openvm::platform::custom_insn_r!(
                    opcode = OPCODE,
                    funct3 = MODULAR_ARITHMETIC_FUNCT3 as usize,
                    funct7 = ModArithBaseFunct7::AddMod as usize
                        + $place * ModArithBaseFunct7::MODULAR_ARITHMETIC_MAX_KINDS as usize,
                    rd = In this,
                    rs1 = In this,
                    rs2 = In core::ptr::from_ref(other)
                );
            }

            #[inline(always)]
            fn set_product(&mut self, a: &Self, b: &Self) {
                // The instruction reads both factors before it writes.
                openvm::platform::custom_insn_r!(
                    opcode = OPCODE,
                    funct3 = MODULAR_ARITHMETIC_FUNCT3 as usize,
                    funct7 = ModArithBaseFunct7::MulMod as usize
                        + $place * ModArithBaseFunct7::MODULAR_ARITHMETIC_MAX_KINDS as usize,
                    rd = In core::ptr::from_mut(self),
                    rs1 = In core::ptr::from_ref(a),
                    rs2 = In core::ptr::from_ref(b)
                );
            }

            #[inline(always)]
            fn sub(&self, other: &Self) -> Self {
                Self::operate::<{ ModArithBaseFunct7::SubMod as usize }>(self, other)
            }

            #[inline(always)]
            fn mul(&self, other: &Self) -> Self {
                Self::operate::<{ ModArithBaseFunct7::MulMod as usize }>(self, other)
            }

            #[inline(always)]
            fn div(&self, other: &Self) -> Self {
                Self::operate::<{ ModArithBaseFunct7::DivMod as usize }>(self, other)
            }

            #[inline(always)]
            fn equals(&self, other: &Self) -> bool {
                // SAFETY: the field is set up before anything is computed in it.
                unsafe { self.eq_impl::<false>(other) }
            }

            #[inline(always)]
            fn neg(&self) -> Self {
                static ZERO: $name = <$name as IntMod>::ZERO;
                ZERO.sub(self)
            }

            #[inline(always)]
            fn is_zero(&self) -> bool {
                static ZERO: $name = <$name as IntMod>::ZERO;
                self.equals(&ZERO)
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
                <Self as IntMod>::set_up_once();
            }

            fn constant(bytes: &[u8]) -> Self {
                let mut out = [0; $bytes];
                out.copy_from_slice(bytes);
                Self::from_const_bytes(out)
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                let bytes: &[u8; $bytes] = bytes.try_into().ok()?;
                let value = Self::from_const_bytes(core::array::from_fn(|i| bytes[$bytes - 1 - i]));
                value.is_reduced().then_some(value)
            }

            fn encode(&self, out: &mut [u8]) {
                self.assert_reduced();
                for (out, byte) in out.iter_mut().zip(self.as_le_bytes().iter().rev()) {
                    *out = *byte;
                }
            }

            #[inline(always)]
            fn times_nine(&self) -> Self {
                static NINE: $name = $name::from_const_bytes({
                    let mut bytes = [0; $bytes];
                    bytes[0] = 9;
                    bytes
                });
                self.mul(&NINE)
            }
        }
    };
}

field!(Bn254Coord, 32, 2, "c19139cb84c680a6e14116da060561765e05aa45a1c72a34f082305b61f3f52");
field!(Bls12Coord, 48, 3, "680447a8e5ff9a692c6e9ed90d2eb35d91dd2e13ce144afd9cc34a83dac3d8907aaffffac54ffffee7fbfffffffeaab");

impl Bls12Coord {
    /// The words of a number below 2³⁵².
    #[inline(always)]
    fn words(&mut self) -> &mut [u32; 12] {
        // SAFETY: 48 bytes, aligned to 16, any of which are a number, and this machine's words are little-endian.
        let words: &mut [u32; 12] = unsafe { &mut *core::ptr::from_mut(self).cast() };
        // Another representative would be above the modulus, so above 2³⁵².
        assert!(words[11] == 0, "not the least representative");
        words
    }
}

impl Wide for Bls12Coord {
    #[inline(always)]
    fn from_limb(words: [u32; 4]) -> Self {
        let [a, b, c, d] = words;
        // SAFETY: both are 48 bytes, and any bytes are a number.
        unsafe { core::mem::transmute([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]) }
    }

    #[inline(always)]
    fn limb(&self) -> [u32; 4] {
        // SAFETY: as in `words`.
        let words: &[u32; 12] = unsafe { &*core::ptr::from_ref(self).cast() };
        assert!(words[11] == 0, "not the least representative");
        [words[0], words[1], words[2], words[3]]
    }

    #[inline(always)]
    fn take_limb(&mut self) -> [u32; 4] {
        let words = self.words();
        let low = [words[0], words[1], words[2], words[3]];
        words.copy_within(4..11, 0);
        words[7..11].fill(0);
        low
    }
}
