//! Montgomery's products modulo any odd number of up to 256 bits, on the products of a field of 48 bytes.
//!
//! The field's modulus is above 2³⁸⁰: a product of 96 bits and of a number with some bits more than 256 is that of whole numbers,
//! and so are sums of a few. Where the lowest 96 bits are zero, a product with `2⁻⁹⁶` takes them away: the quotient is whole, so it is
//! the field's. Three turns of that, one for each 96 bits of a factor, make Montgomery's product with `R = 2²⁸⁸`.
//!
//! Results need not be least. A product of factors whose own product is below `2²⁸⁸·modulus` is below twice the modulus,
//! and factors may be sums and differences of products in between.

use crate::{Wide, constant};

/// Scratch: 96 bits of a number, the rest zero.
const LIMB: usize = 0;
/// Scratch: a summand.
const TERM: usize = 1;
/// Scratch: what has been summed up.
const SUM: usize = 2;
const MODULUS: usize = 3;
/// `2⁻⁹⁶` in the field.
const SHRINK: usize = 4;
/// `−1 / modulus` modulo `2⁹⁶`.
const FACTOR: usize = 5;
/// The first register that is the user's.
pub(crate) const FREE: usize = 6;

/// A number of 256 bits, the lowest word first.
pub(crate) type Words = [u32; 8];

/// The words of a number in 64 hexadecimal digits or less, for constants.
pub(crate) const fn words(hex: &str) -> Words {
    from_little_endian(&constant(hex))
}

/// The words of a little-endian number.
pub(crate) const fn from_little_endian(bytes: &[u8; 32]) -> Words {
    let mut out = [0; 8];
    let mut i = 0;
    while i < 32 {
        out[i / 4] |= (bytes[i] as u32) << (i % 4 * 8);
        i += 1;
    }
    out
}

/// The words of a big-endian number.
pub(crate) fn from_big_endian(bytes: &[u8; 32]) -> Words {
    core::array::from_fn(|i| {
        let at = 28 - 4 * i;
        u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    })
}

pub(crate) fn is_less(a: &Words, b: &Words) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// `a + b`, where it is below 2²⁵⁶.
pub(crate) fn sum(a: &Words, b: &Words) -> Option<Words> {
    let mut carry = 0;
    let out = core::array::from_fn(|i| {
        let total = u64::from(a[i]) + u64::from(b[i]) + carry;
        carry = total >> 32;
        total as u32
    });
    (carry == 0).then_some(out)
}

/// `−1 / modulus` modulo `2⁹⁶`, of an odd modulus.
pub(crate) fn factor(modulus: &Words) -> [u32; 3] {
    // Right in three bits, then in twice as many each time.
    let modulus = u128::from(modulus[2]) << 64 | u128::from(modulus[1]) << 32 | u128::from(modulus[0]);
    let mut inverse = modulus;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2u128.wrapping_sub(modulus.wrapping_mul(inverse)));
    }
    let factor = inverse.wrapping_neg();
    [factor as u32, (factor >> 32) as u32, (factor >> 64) as u32]
}

/// Registers, and the modulus that products of them are taken by. `FACTORLESS`: the modulus is −1 modulo 2⁹⁶, so that its
/// [`FACTOR`] is 1.
pub(crate) struct Modular<W, const FACTORLESS: bool, const N: usize> {
    registers: [W; N],
    modulus: Words,
}

impl<W: Wide, const FACTORLESS: bool, const N: usize> Modular<W, FACTORLESS, N> {
    /// Of an odd modulus.
    pub fn new(modulus: &Words) -> Self {
        let mut registers: [W; N] = core::array::from_fn(|_| W::zero());
        registers[MODULUS] = W::from_words(modulus);
        registers[SHRINK] = W::one().div(&W::from_words(&[0, 0, 0, 1, 0, 0, 0, 0]));
        if !FACTORLESS {
            registers[FACTOR].set_low(factor(modulus));
        }
        Self { registers, modulus: *modulus }
    }

    /// Puts a number into a register.
    pub fn set(&mut self, to: usize, words: &Words) {
        self.registers[to] = W::from_words(words);
    }

    pub fn copy(&mut self, to: usize, from: usize) {
        self.registers[to] = self.registers[from].clone();
    }

    /// The sum of whole numbers.
    #[inline(always)]
    pub fn add(&mut self, to: usize, a: usize, b: usize) {
        W::add_in(&mut self.registers, to, a, b);
    }

    /// `a − b + above`, where `above` is a multiple of the modulus and not below `b`.
    #[inline(always)]
    pub fn subtract(&mut self, to: usize, a: usize, b: usize, above: usize) {
        W::subtract_in(&mut self.registers, to, a, b);
        W::add_in(&mut self.registers, to, to, above);
    }

    /// `above − a`, as in [`subtract`](Self::subtract).
    pub fn negate(&mut self, to: usize, a: usize, above: usize) {
        W::subtract_in(&mut self.registers, to, above, a);
    }

    /// `a·b / 2²⁸⁸` modulo the modulus.
    #[inline(never)]
    pub fn multiply(&mut self, to: usize, a: usize, b: usize) {
        let registers = &mut self.registers;
        let limbs = registers[a].whole();
        for turn in 0..3 {
            registers[LIMB].set_low([limbs[3 * turn], limbs[3 * turn + 1], limbs[3 * turn + 2]]);
            if turn == 0 {
                W::multiply_in(registers, SUM, LIMB, b);
            } else {
                W::multiply_in(registers, TERM, LIMB, b);
                W::add_in(registers, SUM, SUM, TERM);
            }
            // A multiple of the modulus makes the lowest limb zero.
            let mut low = registers[SUM].low();
            if !FACTORLESS {
                registers[LIMB].set_low(low);
                W::multiply_in(registers, TERM, LIMB, FACTOR);
                low = registers[TERM].low();
            }
            registers[LIMB].set_low(low);
            W::multiply_in(registers, TERM, LIMB, MODULUS);
            W::add_in(registers, SUM, SUM, TERM);
            W::multiply_in(registers, if turn == 2 { to } else { SUM }, SUM, SHRINK);
        }
    }

    /// Whether a product, below twice the modulus, is zero.
    #[inline(always)]
    pub fn is_zero(&self, product: usize) -> bool {
        let low = self.registers[product].low();
        (low == [0; 3] || low[..] == self.modulus[..3]) && self.is_zero_whole(product)
    }

    #[inline(never)]
    fn is_zero_whole(&self, product: usize) -> bool {
        let number = self.registers[product].whole();
        number == [0; 9] || (number[..8] == self.modulus && number[8] == 0)
    }

    /// The least representative of a product, below twice the modulus.
    pub fn least(&self, product: usize) -> Words {
        let number = self.registers[product].whole();
        let mut borrow = false;
        let less: [u32; 9] = core::array::from_fn(|i| {
            let (difference, first) = number[i].overflowing_sub(self.modulus.get(i).copied().unwrap_or(0));
            let (difference, second) = difference.overflowing_sub(u32::from(borrow));
            borrow = first | second;
            difference
        });
        let least = if borrow { number } else { less };
        core::array::from_fn(|i| least[i])
    }

    /// `to = base^exponent` in Montgomery's form, of a big-endian exponent that is not zero. The registers from `table` on are
    /// for 16 powers of `base`, which is the second of them.
    pub fn power(&mut self, to: usize, table: usize, exponent: &[u8]) {
        for i in 2..16 {
            self.multiply(table + i, table + i / 2, table + i - i / 2);
        }
        let mut nibbles = exponent.iter().flat_map(|byte| [byte >> 4, byte & 15]).skip_while(|nibble| *nibble == 0);
        self.copy(to, table + usize::from(nibbles.next().unwrap_or(1)));
        for nibble in nibbles {
            for _ in 0..4 {
                self.multiply(to, to, to);
            }
            if nibble != 0 {
                self.multiply(to, to, table + usize::from(nibble));
            }
        }
    }
}
