//! Modular exponentiation (EIP-198) for any modulus, on the products of a field of 48 bytes.
//!
//! The machine has no product of whole numbers wider than a word, but a modular one of 381 bits: numbers are cut into limbs
//! of 128 bits, whose products, and sums of some 2¹⁰⁰ of them, stay below the modulus and so are those of whole numbers. One
//! instruction does the work of sixteen word products and all their carries.

use crate::{
    Wide,
    montgomery::{FREE, Modular},
};
use alloc::{vec, vec::Vec};

/// Words of a limb.
const LIMB: usize = 4;
/// Moduli with more words have products of their own.
const SHORT: usize = 8;
/// Exponents with more bits go by windows of four.
const WINDOWED: usize = 48;

/// `base^exponent mod modulus`, big-endian, as long as the modulus. Zero where the modulus is.
pub fn modexp<W: Wide>(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    W::prepare();
    let number = words(modulus);
    let mut out = vec![0; modulus.len()];
    let Some(twos) = trailing_zeros(&number) else { return out };
    let exponent = &exponent[exponent.iter().take_while(|byte| **byte == 0).count()..];
    let base = words(base);
    let odd = trimmed(&shifted_right(&number, twos));
    // Modulo the odd part, and modulo the power of two.
    let first = match odd.len() {
        1 if odd == [1] => vec![0; LIMB],
        1..=SHORT => short_power::<W>(&odd, &base, exponent),
        _ => Odd::<W>::new(&odd).power(&base, exponent),
    };
    let result = if twos == 0 {
        first
    } else {
        let limbs = twos.div_ceil(32 * LIMB);
        let low = |words: &[u32]| -> Vec<W> { to_limbs(&resized(words, limbs * LIMB)) };
        let second = power(&low(&base), exponent, |a, b| product_low(a, b)).unwrap_or_else(|| low(&[1]));
        // x = first + odd·t, where t = (second − first) / odd modulo the power of two.
        let mut difference = from_limbs(&second);
        subtract(&mut difference, &resized(&first, limbs * LIMB));
        let quotient = product_low(&low(&difference), &inverse::<W>(&low(&odd)));
        let mut t = from_limbs(&quotient);
        keep_bits(&mut t, twos);
        let mut sum = product(&odd, &t);
        let mut carry = 0;
        for (i, word) in sum.iter_mut().enumerate() {
            let total = u64::from(*word) + u64::from(first.get(i).copied().unwrap_or(0)) + carry;
            *word = total as u32;
            carry = total >> 32;
        }
        sum
    };
    for (byte, out) in result.iter().flat_map(|word| word.to_le_bytes()).zip(out.iter_mut().rev()) {
        *out = byte;
    }
    out
}

/// The words of a big-endian number, the least first.
fn words(bytes: &[u8]) -> Vec<u32> {
    let mut out = Vec::with_capacity(bytes.len() / 4 + 1);
    out.extend(bytes.rchunks(4).map(|chunk| chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte))));
    out
}

/// Without zeros at the top, but not without words.
fn trimmed(words: &[u32]) -> Vec<u32> {
    let len = words.iter().rposition(|word| *word != 0).map_or(1, |top| top + 1);
    resized(words, len)
}

/// The lowest words, or with zeros on top.
fn resized(words: &[u32], len: usize) -> Vec<u32> {
    let mut out = words[..words.len().min(len)].to_vec();
    out.resize(len, 0);
    out
}

fn trailing_zeros(words: &[u32]) -> Option<usize> {
    let low = words.iter().position(|word| *word != 0)?;
    Some(low * 32 + words[low].trailing_zeros() as usize)
}

fn shifted_right(words: &[u32], bits: usize) -> Vec<u32> {
    let (skip, bits) = (bits / 32, bits % 32);
    let at = |i: usize| u64::from(words.get(i).copied().unwrap_or(0));
    (skip..words.len()).map(|i| ((at(i) | at(i + 1) << 32) >> bits) as u32).collect()
}

fn keep_bits(words: &mut [u32], bits: usize) {
    for (i, word) in words.iter_mut().enumerate() {
        match bits.saturating_sub(i * 32) {
            0 => *word = 0,
            left @ 1..32 => *word &= (1 << left) - 1,
            _ => {}
        }
    }
}

/// `a − b` modulo a power of two, of equal lengths; whether it went below zero.
fn subtract(a: &mut [u32], b: &[u32]) -> bool {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (difference, first) = a.overflowing_sub(*b);
        let (difference, second) = difference.overflowing_sub(u32::from(borrow));
        *a = difference;
        borrow = first | second;
    }
    borrow
}

fn product(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut out = vec![0u32; a.len() + b.len()];
    for (i, a) in a.iter().enumerate() {
        let mut carry = 0;
        for (out, b) in out[i..].iter_mut().zip(b) {
            let total = u64::from(*a) * u64::from(*b) + u64::from(*out) + carry;
            *out = total as u32;
            carry = total >> 32;
        }
        out[i + b.len()] = carry as u32;
    }
    out
}

/// The remainder of a division in the schoolbook's way (Knuth's algorithm D). The divisor has no zero on top.
fn remainder(dividend: &[u32], divisor: &[u32]) -> Vec<u32> {
    let n = divisor.len();
    if n == 1 {
        let rest = dividend.iter().rev().fold(0, |rest, word| (rest << 32 | u64::from(*word)) % u64::from(divisor[0]));
        return vec![rest as u32];
    }
    let shift = divisor[n - 1].leading_zeros();
    let up = |words: &[u32], len: usize| -> Vec<u32> {
        let at = |i: usize| u64::from(words.get(i).copied().unwrap_or(0));
        (0..len).map(|i| if i == 0 { at(0) << shift } else { (at(i) << 32 | at(i - 1)) << shift >> 32 } as u32).collect()
    };
    let divisor = up(divisor, n);
    let mut rest = up(dividend, dividend.len().max(n) + 1);
    let (top, second) = (u64::from(divisor[n - 1]), u64::from(divisor[n - 2]));
    for at in (0..rest.len() - n).rev() {
        let part = &mut rest[at..=at + n];
        let head = u64::from(part[n]) << 32 | u64::from(part[n - 1]);
        let mut digit = if u64::from(part[n]) >= top { u64::from(u32::MAX) } else { head / top };
        let mut over = head - digit * top;
        while over >> 32 == 0 && digit * second > over << 32 | u64::from(part[n - 2]) {
            digit -= 1;
            over += top;
        }
        let (mut carry, mut borrow) = (0, false);
        for (part, divisor) in part.iter_mut().zip(&divisor) {
            carry += digit * u64::from(*divisor);
            let (difference, first) = part.overflowing_sub(carry as u32);
            let (difference, second) = difference.overflowing_sub(u32::from(borrow));
            *part = difference;
            borrow = first | second;
            carry >>= 32;
        }
        let (difference, first) = part[n].overflowing_sub(carry as u32);
        let (difference, second) = difference.overflowing_sub(u32::from(borrow));
        part[n] = difference;
        if first | second {
            let mut carry = 0;
            for (part, divisor) in part.iter_mut().zip(&divisor) {
                let total = u64::from(*part) + u64::from(*divisor) + carry;
                *part = total as u32;
                carry = total >> 32;
            }
            part[n] = part[n].wrapping_add(carry as u32);
        }
    }
    rest.truncate(n);
    shifted_right(&rest, shift as usize)
}

/// Limbs of a number whose words are a multiple of a limb's.
fn to_limbs<W: Wide>(words: &[u32]) -> Vec<W> {
    words.as_chunks::<LIMB>().0.iter().map(|limb| W::from_limb(*limb)).collect()
}

fn from_limbs<W: Wide>(limbs: &[W]) -> Vec<u32> {
    let mut out = Vec::with_capacity(limbs.len() * LIMB);
    for limb in limbs {
        out.extend_from_slice(&limb.limb());
    }
    out
}

/// Adds `Σ aᵢ·bⱼ`, where the last of `b` goes with the first of `a`. What was in `term` is lost.
#[inline(always)]
fn add_products<W: Wide>(sum: &mut W, term: &mut W, a: &[W], b: &[W]) {
    for (a, b) in a.iter().zip(b.iter().rev()) {
        term.set_product(a, b);
        sum.add_assign(term);
    }
}

/// The lowest limbs of a product, as many as `a` and `b` have.
fn product_low<W: Wide>(a: &[W], b: &[W]) -> Vec<W> {
    let mut out = Vec::with_capacity(a.len());
    let (mut sum, mut term) = (W::zero(), W::zero());
    for k in 0..a.len() {
        add_products(&mut sum, &mut term, &a[..=k], &b[..=k]);
        out.push(W::from_limb(sum.take_limb()));
    }
    out
}

/// The inverse modulo 2¹²⁸ of an odd number.
fn inverse_of_limb(number: u128) -> u128 {
    // Right in three bits, then in twice as many each time.
    let mut inverse = number;
    for _ in 0..6 {
        inverse = inverse.wrapping_mul(2u128.wrapping_sub(number.wrapping_mul(inverse)));
    }
    inverse
}

fn as_limb(number: u128) -> [u32; LIMB] {
    core::array::from_fn(|i| (number >> (32 * i)) as u32)
}

fn lowest(words: &[u32]) -> u128 {
    words.iter().take(LIMB).enumerate().fold(0, |number, (i, word)| number | u128::from(*word) << (32 * i))
}

/// The inverse of an odd number modulo the power of two that its limbs hold.
fn inverse<W: Wide>(number: &[W]) -> Vec<W> {
    let words = resized(&as_limb(inverse_of_limb(lowest(&number[0].limb()))), number.len() * LIMB);
    let mut inverse = to_limbs::<W>(&words);
    let mut right = 1;
    while right < number.len() {
        let mut two = vec![0; number.len() * LIMB];
        two[0] = 2;
        subtract(&mut two, &from_limbs(&product_low(number, &inverse)));
        inverse = product_low(&inverse, &to_limbs(&two));
        right *= 2;
    }
    inverse
}

/// `base` to a power without leading zero bytes, by any product; `None` to the power 0.
fn power<W: Wide>(base: &[W], exponent: &[u8], product: impl Fn(&[W], &[W]) -> Vec<W>) -> Option<Vec<W>> {
    let mut out: Option<Vec<W>> = None;
    if exponent.len() * 8 <= WINDOWED {
        for bit in crate::bytes::bits(exponent) {
            out = out.map(|value| product(&value, &value));
            if bit {
                out = Some(out.map_or_else(|| base.to_vec(), |value| product(&value, base)));
            }
        }
        return out;
    }
    let mut powers = vec![Vec::new(), base.to_vec()];
    for i in 2..16 {
        let next = product(&powers[i - 1], base);
        powers.push(next);
    }
    for nibble in exponent.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        for _ in 0..4 {
            out = out.map(|value| product(&value, &value));
        }
        if nibble != 0 {
            let factor = &powers[usize::from(nibble)];
            out = Some(out.map_or_else(|| factor.clone(), |value| product(&value, factor)));
        }
    }
    out
}

/// `base^exponent` modulo a short odd number above 1, of an exponent without leading zero bytes.
fn short_power<W: Wide>(modulus: &[u32], base: &[u32], exponent: &[u8]) -> Vec<u32> {
    const RESULT: usize = FREE;
    const TABLE: usize = FREE + 1;
    let words = |number: &[u32]| -> [u32; SHORT] { core::array::from_fn(|i| number.get(i).copied().unwrap_or(0)) };
    let one = words(&[1]);
    if exponent.is_empty() {
        return one.to_vec();
    }
    let mut field = Modular::<W, false, { TABLE + 16 }>::new(&words(modulus));
    // R² brings the base into Montgomery's form.
    let mut square = [0; 19];
    square[18] = 1;
    field.set(TABLE, &words(&remainder(&square, modulus)));
    let base = if base.len() > SHORT { words(&remainder(base, modulus)) } else { words(base) };
    field.set(RESULT, &base);
    field.multiply(TABLE + 1, RESULT, TABLE);
    field.power(RESULT, TABLE, exponent);
    field.set(TABLE, &one);
    field.multiply(RESULT, RESULT, TABLE);
    field.least(RESULT).to_vec()
}

/// An odd modulus above 1, and Montgomery's products modulo it: `a·b / R`, where `R` is one above its limbs.
struct Odd<W> {
    words: Vec<u32>,
    limbs: Vec<W>,
    /// `−1 / modulus` modulo 2¹²⁸.
    inverse: W,
}

impl<W: Wide> Odd<W> {
    /// Of a number without zeros on top.
    fn new(number: &[u32]) -> Self {
        let words = resized(number, number.len().div_ceil(LIMB) * LIMB);
        let inverse = W::from_limb(as_limb(inverse_of_limb(lowest(&words)).wrapping_neg()));
        Self { limbs: to_limbs(&words), words, inverse }
    }

    /// `a·b / R`, below `R` if both are. Not always the least.
    fn product(&self, a: &[W], b: &[W]) -> Vec<W> {
        let n = self.limbs.len();
        let mut factors: Vec<W> = Vec::with_capacity(n);
        let (mut sum, mut term) = (W::zero(), W::zero());
        for k in 0..n {
            add_products(&mut sum, &mut term, &a[..=k], &b[..=k]);
            add_products(&mut sum, &mut term, &factors, &self.limbs[1..=k]);
            // What makes the lowest limb zero.
            term.set_product(&W::from_limb(sum.limb()), &self.inverse);
            let factor = W::from_limb(term.limb());
            term.set_product(&factor, &self.limbs[0]);
            sum.add_assign(&term);
            sum.take_limb();
            factors.push(factor);
        }
        let mut out = Vec::with_capacity(n);
        for k in n..2 * n {
            add_products(&mut sum, &mut term, &a[k - n + 1..], &b[k - n + 1..]);
            add_products(&mut sum, &mut term, &factors[k - n + 1..], &self.limbs[k - n + 1..]);
            out.push(W::from_limb(sum.take_limb()));
        }
        // It is below R + modulus.
        if sum.is_zero() {
            return out;
        }
        let mut words = from_limbs(&out);
        subtract(&mut words, &self.words);
        to_limbs(&words)
    }

    fn power(&self, base: &[u32], exponent: &[u8]) -> Vec<u32> {
        let len = self.words.len();
        let modulus = trimmed(&self.words);
        // base·R
        let mut shifted = vec![0; len];
        shifted.extend_from_slice(base);
        let base = to_limbs::<W>(&resized(&remainder(&shifted, &modulus), len));
        let mut one = vec![0; len];
        one[0] = 1;
        let Some(result) = power(&base, exponent, |a, b| self.product(a, b)) else { return one };
        // Divided by R: at most the modulus.
        let mut words = from_limbs(&self.product(&result, &to_limbs(&one)));
        if words == self.words {
            words.fill(0);
        }
        words
    }
}
