//! Numbers modulo a prime on the modular instructions, without those that compare: their tables cost every proof something (the
//! backend's `machine.rs`).
//!
//! An instruction may leave any number that is congruent to its result, where an honest prover leaves the least. So a
//! number whose words are zero is zero, and of one whose words are not, a quotient by it proves that it is not zero:
//! where it is after all, there is no quotient, and so no proof. Bytes leave only of numbers that are below the modulus.

/// A modulus of so many bytes, in hexadecimal digits. `$place` is its place among the moduli of the machine.
macro_rules! element {
    ($name:ident, $bytes:literal, $align:literal, $place:literal, $modulus:literal) => {
        /// The words, the least first.
        #[derive(Clone, Debug)]
        #[repr(C, align($align))]
        pub(crate) struct $name([u32; $bytes / 4]);

        impl $name {
            const MODULUS: Self = Self::from_little_endian(&proofmill_curves::constant($modulus));
            #[allow(dead_code)]
            pub(crate) const ZERO: Self = Self([0; $bytes / 4]);
            pub(crate) const ONE: Self = {
                let mut words = [0; $bytes / 4];
                words[0] = 1;
                Self(words)
            };

            pub(crate) const fn from_little_endian(bytes: &[u8; $bytes]) -> Self {
                let mut words = [0; $bytes / 4];
                let mut i = 0;
                while i < $bytes {
                    words[i / 4] |= (bytes[i] as u32) << (i % 4 * 8);
                    i += 1;
                }
                Self(words)
            }

            pub(crate) const fn from_words(words: [u32; $bytes / 4]) -> Self {
                Self(words)
            }

            /// The words of whatever number this is.
            #[allow(dead_code)]
            pub(crate) fn words(&self) -> &[u32; $bytes / 4] {
                &self.0
            }

            /// Tells the machine's tables their modulus. Before it nothing can be computed.
            pub(crate) fn set_up() {
                static IS_SET_UP: core::sync::atomic::AtomicBool = core::sync::atomic::AtomicBool::new(false);
                static MODULUS: $name = $name::MODULUS;
                if IS_SET_UP.swap(true, core::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                let mut out = core::mem::MaybeUninit::<Self>::uninit();
                // The third register, and not what is in it, says which table: x0 that of sums, x1 that of products.
                openvm::platform::custom_insn_r!(
                    opcode = openvm_algebra_guest::OPCODE,
                    funct3 = openvm_algebra_guest::MODULAR_ARITHMETIC_FUNCT3,
                    funct7 = openvm_algebra_guest::ModArithBaseFunct7::SetupMod as usize + $place * 8,
                    rd = In out.as_mut_ptr(),
                    rs1 = In &raw const MODULUS,
                    rs2 = Const "x0"
                );
                openvm::platform::custom_insn_r!(
                    opcode = openvm_algebra_guest::OPCODE,
                    funct3 = openvm_algebra_guest::MODULAR_ARITHMETIC_FUNCT3,
                    funct7 = openvm_algebra_guest::ModArithBaseFunct7::SetupMod as usize + $place * 8,
                    rd = In out.as_mut_ptr(),
                    rs1 = In &raw const MODULUS,
                    rs2 = Const "x1"
                );
            }

            /// Sets `to` to a sum, difference, product or quotient. The field is set up.
            ///
            /// # Safety
            /// All must point to elements, `to` to one that may be written. They may be the same.
            #[inline(always)]
            pub(crate) unsafe fn operate_at<const KIND: usize>(to: *mut Self, a: *const Self, b: *const Self) {
                openvm::platform::custom_insn_r!(
                    opcode = openvm_algebra_guest::OPCODE,
                    funct3 = openvm_algebra_guest::MODULAR_ARITHMETIC_FUNCT3 as usize,
                    funct7 = KIND + $place * 8,
                    rd = In to,
                    rs1 = In a,
                    rs2 = In b
                );
            }

            #[inline(always)]
            pub(crate) fn operate<const KIND: usize>(a: &Self, b: &Self) -> Self {
                let mut out = core::mem::MaybeUninit::<Self>::uninit();
                // SAFETY: the instruction reads two elements, and writes one.
                unsafe {
                    Self::operate_at::<KIND>(out.as_mut_ptr(), a, b);
                    // Word by word, as a copy of 48 bytes would be a call of `memcpy`, of three times as many instructions;
                    // and what is volatile is not made one again.
                    let words = out.as_ptr().cast::<u32>();
                    Self(core::array::from_fn(|i| words.add(i).read_volatile()))
                }
            }

            /// Whether this is zero, proven either way.
            #[inline(always)]
            #[allow(dead_code)]
            pub(crate) fn proven_zero(&self) -> bool {
                if self.0 == [0; $bytes / 4] {
                    return true;
                }
                static ONE: $name = $name::ONE;
                let mut quotient = core::mem::MaybeUninit::<Self>::uninit();
                // SAFETY: the instruction reads two elements, and writes one.
                unsafe {
                    Self::operate_at::<{ openvm_algebra_guest::ModArithBaseFunct7::DivMod as usize }>(
                        quotient.as_mut_ptr(),
                        &ONE,
                        self,
                    );
                }
                false
            }

            /// Whether this is the least of its representatives.
            #[inline(always)]
            #[allow(dead_code)]
            pub(crate) fn is_least(&self) -> bool {
                for (word, modulus) in self.0.iter().zip(&Self::MODULUS.0).rev() {
                    if word != modulus {
                        return word < modulus;
                    }
                }
                false
            }
        }
    };
}

pub(crate) use element;
