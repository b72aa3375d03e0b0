//! Division of whole numbers, the lowest word first: Knuth's algorithm D, with each digit of a quotient from the reciprocal of
//! the divisor's two highest words (Möller and Granlund, "Improved division by invariant integers").

use super::{Double, Word};
use alloy_primitives::U256;

const BITS: u32 = Word::BITS;
/// Words of a number of 256 bits.
const WORDS: usize = 256 / BITS as usize;

type Number = [Word; WORDS];

/// The quotient, rounded down. The divisor is not zero.
#[inline(never)]
pub(crate) fn quotient(dividend: &U256, divisor: &U256) -> U256 {
    let mut number = [0; WORDS + 1];
    number[..WORDS].copy_from_slice(&words(dividend));
    let len = divide(&mut number, &mut words(divisor));
    whole(&number[len..])
}

/// The remainder. The divisor is not zero.
#[inline(never)]
pub(crate) fn remainder(dividend: &U256, divisor: &U256) -> U256 {
    let mut number = [0; WORDS + 1];
    number[..WORDS].copy_from_slice(&words(dividend));
    rest(&mut number, divisor)
}

/// The remainder of a sum. The divisor is not zero.
#[inline(never)]
pub(crate) fn remainder_of_sum(a: &U256, b: &U256, divisor: &U256) -> U256 {
    let (sum, carry) = a.overflowing_add(*b);
    let mut number = [0; WORDS + 2];
    number[..WORDS].copy_from_slice(&words(&sum));
    number[WORDS] = Word::from(carry);
    rest(&mut number, divisor)
}

/// The remainder of a product. The divisor is not zero.
#[inline(never)]
pub(crate) fn remainder_of_product(a: &U256, b: &U256, divisor: &U256) -> U256 {
    let (a, b) = (words(a), words(b));
    let (a, b) = (&a[..significant(&a)], &b[..significant(&b)]);
    let mut product = [0; 2 * WORDS + 1];
    for (i, a) in a.iter().enumerate() {
        let mut carry = 0;
        for (sum, b) in product[i..].iter_mut().zip(b) {
            (*sum, carry) = a.carrying_mul_add(*b, *sum, carry);
        }
        product[i + b.len()] = carry;
    }
    if *divisor == U256::MAX {
        // What contracts ask for to get a product's upper half: 2²⁵⁶ is 1 modulo it, so the halves add up.
        let (sum, carry) = whole(&product[..WORDS]).overflowing_add(whole(&product[WORDS..]));
        let sum = sum.wrapping_add(U256::from(carry));
        return if sum == U256::MAX { U256::ZERO } else { sum };
    }
    rest(&mut product, divisor)
}

fn rest(number: &mut [Word], divisor: &U256) -> U256 {
    let len = divide(number, &mut words(divisor));
    whole(&number[..len])
}

fn words(number: &U256) -> Number {
    const IN_LIMB: usize = 64 / BITS as usize;
    let limbs = number.as_limbs();
    core::array::from_fn(|i| (limbs[i / IN_LIMB] >> (i % IN_LIMB * BITS as usize)) as Word)
}

/// Of at most 256 bits, or with zeros above them.
fn whole(words: &[Word]) -> U256 {
    const IN_LIMB: usize = 64 / BITS as usize;
    let mut number: Number = [0; WORDS];
    for (to, from) in number.iter_mut().zip(words) {
        *to = *from;
    }
    U256::from_limbs(core::array::from_fn(|i| {
        let words = number[i * IN_LIMB..(i + 1) * IN_LIMB].iter().enumerate();
        words.fold(0, |limb, (i, word)| limb | u64::from(*word) << (i * BITS as usize))
    }))
}

fn significant(number: &[Word]) -> usize {
    number.iter().rposition(|word| *word != 0).map_or(0, |top| top + 1)
}

/// Divides, in place: the lowest words become the remainder, as many as the divisor has (this is what is returned), and those
/// above them the quotient. The number's highest word is zero, the divisor is not.
fn divide(number: &mut [Word], divisor: &mut Number) -> usize {
    let len = significant(divisor);
    let above = significant(number);
    if above < len {
        return len;
    }
    // One word more for what is shifted out.
    let (number, divisor) = (&mut number[..=above], &mut divisor[..len]);
    let shift = divisor[len - 1].leading_zeros();
    if shift != 0 {
        shift_left(divisor, shift);
        shift_left(number, shift);
    }
    match *divisor {
        [only] => divide_by_one(number, only),
        [.., second, first] => divide_by_many(number, divisor, join(first, second)),
        [] => {}
    }
    if shift != 0 {
        shift_right(&mut number[..len], shift);
    }
    len
}

/// By a word whose highest bit is set.
fn divide_by_one(number: &mut [Word], divisor: Word) {
    let inverse = reciprocal(divisor);
    let mut rest = number[number.len() - 1];
    for at in (1..number.len()).rev() {
        (number[at], rest) = two_by_one(join(rest, number[at - 1]), divisor, inverse);
    }
    number[0] = rest;
}

/// By two words or more, of which `top` are the highest; their highest bit is set.
fn divide_by_many(number: &mut [Word], divisor: &[Word], top: Double) {
    let inverse = reciprocal_of_two(top);
    let len = divisor.len();
    for at in (0..number.len() - len).rev() {
        let part = &mut number[at..=at + len];
        let [low @ .., c, b, a] = part else { return };
        let digit = if join(*a, *b) == top {
            // What is left has no word more than the divisor.
            subtract_product(&mut part[..len], divisor, Word::MAX);
            Word::MAX
        } else {
            let (digit, rest) = three_by_two(*a, *b, *c, top, inverse);
            let below = subtract_product(low, &divisor[..len - 2], digit);
            let (rest, too_large) = rest.overflowing_sub(Double::from(below));
            (*b, *c) = split(rest);
            if too_large {
                add(&mut part[..len], divisor);
            }
            digit - Word::from(too_large)
        };
        part[len] = digit;
    }
}

/// `number -= divisor · digit`, and the word that it lacks then.
fn subtract_product(number: &mut [Word], divisor: &[Word], digit: Word) -> Word {
    let mut carry = 0;
    let mut borrow = false;
    for (number, divisor) in number.iter_mut().zip(divisor) {
        let product;
        (product, carry) = digit.carrying_mul(*divisor, carry);
        (*number, borrow) = number.borrowing_sub(product, borrow);
    }
    // The highest word of a product is below the highest there is.
    carry + Word::from(borrow)
}

/// What is carried out takes back what was borrowed before.
fn add(number: &mut [Word], divisor: &[Word]) {
    let mut carry = false;
    for (number, divisor) in number.iter_mut().zip(divisor) {
        (*number, carry) = number.carrying_add(*divisor, carry);
    }
}

fn shift_left(number: &mut [Word], shift: u32) {
    let mut below = 0;
    for word in number {
        let shifted = *word << shift | below;
        below = *word >> (BITS - shift);
        *word = shifted;
    }
}

fn shift_right(number: &mut [Word], shift: u32) {
    let mut above = 0;
    for word in number.iter_mut().rev() {
        let shifted = *word >> shift | above;
        above = *word << (BITS - shift);
        *word = shifted;
    }
}

fn join(high: Word, low: Word) -> Double {
    Double::from(high) << BITS | Double::from(low)
}

/// The high word and the low one.
fn split(number: Double) -> (Word, Word) {
    ((number >> BITS) as Word, number as Word)
}

/// `⌊(B² − 1) / divisor⌋ − B`, where `B` is one above the highest word; the divisor's highest bit is set.
fn reciprocal(divisor: Word) -> Word {
    // The quotient of `B² − 1 − B·divisor`, in two halves of a word.
    const HALF: u32 = BITS / 2;
    const LOW: Word = Word::MAX >> HALF;
    let half = |high: Word, next: Word| {
        let (mut digit, mut rest) = (high / (divisor >> HALF), high % (divisor >> HALF));
        while digit > LOW || digit * (divisor & LOW) > (rest << HALF | next) {
            digit -= 1;
            rest += divisor >> HALF;
            if rest > LOW {
                break;
            }
        }
        (digit, (high << HALF | next).wrapping_sub(digit.wrapping_mul(divisor)))
    };
    let (first, rest) = half(!divisor, LOW);
    let (second, _) = half(rest, LOW);
    first << HALF | second
}

/// The same of two words: `⌊(B³ − 1) / divisor⌋ − B`.
fn reciprocal_of_two(divisor: Double) -> Word {
    let (first, second) = split(divisor);
    let mut inverse = reciprocal(first);
    let (mut rest, carry) = first.wrapping_mul(inverse).overflowing_add(second);
    if carry {
        inverse -= 1;
        if rest >= first {
            inverse -= 1;
            rest -= first;
        }
        rest = rest.wrapping_sub(first);
    }
    let (high, low) = split(Double::from(inverse) * Double::from(second));
    let (rest, carry) = rest.overflowing_add(high);
    if carry {
        inverse -= 1 + Word::from(join(rest, low) >= divisor);
    }
    inverse
}

/// Quotient and remainder; the number's high word is below the divisor.
fn two_by_one(number: Double, divisor: Word, inverse: Word) -> (Word, Word) {
    let (high, low) = split(number);
    let (digit, fraction) = split((Double::from(inverse) * Double::from(high)).wrapping_add(number));
    let mut digit = digit.wrapping_add(1);
    let mut rest = low.wrapping_sub(digit.wrapping_mul(divisor));
    if rest > fraction {
        digit = digit.wrapping_sub(1);
        rest = rest.wrapping_add(divisor);
    }
    if rest >= divisor {
        digit = digit.wrapping_add(1);
        rest -= divisor;
    }
    (digit, rest)
}

/// Quotient and remainder of three words; `a` and `b` are below the divisor.
fn three_by_two(a: Word, b: Word, c: Word, divisor: Double, inverse: Word) -> (Word, Double) {
    let (first, second) = split(divisor);
    let (digit, fraction) = split((Double::from(inverse) * Double::from(a)).wrapping_add(join(a, b)));
    let high = b.wrapping_sub(digit.wrapping_mul(first));
    let product = Double::from(second) * Double::from(digit);
    let mut rest = join(high, c).wrapping_sub(product).wrapping_sub(divisor);
    let mut digit = digit.wrapping_add(1);
    if split(rest).0 >= fraction {
        digit = digit.wrapping_sub(1);
        rest = rest.wrapping_add(divisor);
    }
    if rest >= divisor {
        digit = digit.wrapping_add(1);
        rest -= divisor;
    }
    (digit, rest)
}
