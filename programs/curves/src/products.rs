//! [`Scalars`] of a machine that has the base field of BLS12-381, and not that of the order of its groups.
//!
//! The base field's modulus is above 2³⁸⁰, so what stays below that is a sum or a product of whole numbers, exactly:
//!
//! - an element of a blob (255 bits) by a coefficient (120 bits), for up to 32 blobs;
//! - 96 bits of such a sum by a weight (below 2²⁶⁰), for all elements. What comes of it is reduced by the order once, at the end.
//!
//! Weights come by Montgomery's products, as in `montgomery.rs`: three turns, each of which takes 96 bits off. Where the same
//! factor multiplies many numbers, its multiples by 2⁹⁶ and 2¹⁹² are made once, and one turn is enough.

use crate::{
    Wide,
    kzg::ORDER,
    montgomery::{Words, factor, from_big_endian, from_little_endian, is_less, words},
    scalars::{ELEMENTS, LEVELS, ROOT, SHARE, Scalars, ScaledBlob, reversed},
};
use alloc::vec::Vec;
use core::marker::PhantomData;

/// So many products of an element and a coefficient are below 2³⁸⁰ together.
const GROUP: usize = 32;
/// So many groups are summed up at most: the sums of 96 bits by weights stay below 2³⁸⁰, too.
const GROUPS: usize = 1 << 11;
/// 2⁹⁶, 2¹⁹² and 2²⁸⁸ modulo the order, and 2⁵⁷⁶.
const SHIFTS: [Words; 3] = [
    [0, 0, 0, 1, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 1, 0],
    words("736a6d3bed269aade2c926a640cc3869f6b10cb369a568ef355094eacaaf6b13"),
];
const SQUARE: Words = words("63643e570b4094fb4aa18ade7ed9fe9f3c0538d1df7ed1ca344171c0bba87a71");

/// [`Scalars`] by the products of BLS12-381's base field.
pub struct OnWide<W>(PhantomData<fn() -> W>);

impl<W: Wide> Scalars for OnWide<W> {
    fn value(z: &[u8; 32], blobs: &[ScaledBlob<'_>]) -> Option<[u8; 32]> {
        W::prepare();
        let z = (*z < ORDER).then(|| from_big_endian(z))?;
        if blobs.len() > GROUP * GROUPS {
            return None;
        }
        let weights = weights::<W>(&z);
        let mut totals: [W; 4] = core::array::from_fn(|_| W::zero());
        for group in blobs.chunks(GROUP) {
            add_weighted(&mut totals, &sums::<W>(group)?, &weights);
        }
        Some(reduced(&totals.map(|total| total.limbs())))
    }
}

/// Element by element the sum of blobs, each times its coefficient: whole numbers.
fn sums<W: Wide>(blobs: &[ScaledBlob<'_>]) -> Option<Vec<W>> {
    let order = from_big_endian(&ORDER);
    let mut sums = W::zeros(ELEMENTS);
    let (mut element, mut product) = (W::zero(), W::zero());
    for (blob, _, coefficient) in blobs {
        if coefficient >> 120 != 0 {
            return None;
        }
        let coefficient = W::from_limb(core::array::from_fn(|i| (coefficient >> (32 * i)) as u32));
        for (sum, bytes) in sums.iter_mut().zip(blob.as_chunks::<32>().0) {
            let number = from_big_endian(bytes);
            if !is_less(&number, &order) {
                return None;
            }
            element.set_words(&number);
            product.set_product(&element, &coefficient);
            sum.add_assign(&product);
        }
    }
    Some(sums)
}

/// Adds the products of sums and their weights, for each 96 bits of the sums.
fn add_weighted<W: Wide>(totals: &mut [W; 4], sums: &[W], weights: &[W]) {
    let (mut limb, mut product) = (W::zero(), W::zero());
    for (at, weight) in weights.iter().enumerate() {
        for (total, bits) in totals.iter_mut().zip(sums[reversed(at)].limbs()) {
            limb.set_low(bits);
            product.set_product(&limb, weight);
            total.add_assign(&product);
        }
    }
}

/// The sum of these numbers, each 2⁹⁶ times as much as the one before, modulo the order: big-endian.
fn reduced(numbers: &[[[u32; 3]; 4]; 4]) -> [u8; 32] {
    let mut sum = [0_u32; 3 * 7];
    let mut carry = 0;
    for (at, word) in sum.iter_mut().enumerate() {
        for (shift, number) in numbers.iter().enumerate() {
            let word = (at / 3).checked_sub(shift).and_then(|limb| number.get(limb)).map_or(0, |limb| limb[at % 3]);
            carry += u64::from(word);
        }
        *word = carry as u32;
        carry >>= 32;
    }
    debug_assert!(carry == 0);
    let order = from_big_endian(&ORDER);
    let mut out: Words = [0; 8];
    for word in sum.iter().rev() {
        for bit in (0..32).rev() {
            // The order is below 2²⁵⁵, so twice a smaller number and a bit have room.
            let mut low = word >> bit & 1;
            for word in &mut out {
                (*word, low) = (*word << 1 | low, *word >> 31);
            }
            if !is_less(&out, &order) {
                let mut borrow = false;
                for (word, order) in out.iter_mut().zip(&order) {
                    let (less, first) = word.overflowing_sub(*order);
                    let (less, second) = less.overflowing_sub(u32::from(borrow));
                    (*word, borrow) = (less, first | second);
                }
            }
        }
    }
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.rchunks_exact_mut(4).zip(out) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// The weights of the roots of unity, in their order, each below 25 times the order, so below 2²⁶⁰: whole numbers.
fn weights<W: Wide>(z: &Words) -> Vec<W> {
    let mut products = Products::<W>::new();
    // In Montgomery's form, to the powers 1, 2, 4 and so on.
    let square = W::from_words(&SQUARE);
    let mut powers: [[W; 2]; LEVELS] = core::array::from_fn(|_| [W::zero(), W::zero()]);
    for level in 0..LEVELS {
        for (nth, first) in [z, &from_little_endian(&ROOT)].into_iter().enumerate() {
            let mut power = W::zero();
            match level.checked_sub(1).map(|before| &powers[before][nth]) {
                None => products.multiply(&mut power, &W::from_words(first), &square),
                Some(root) => products.multiply(&mut power, root, root),
            }
            powers[level][nth] = power;
        }
    }
    // Above any product.
    let order = W::from_words(&from_big_endian(&ORDER));
    let above = order.add(&order);
    let mut weights = W::zeros(ELEMENTS);
    weights[0] = W::from_words(&from_little_endian(&SHARE));
    let mut product = W::zero();
    for (level, [mut power, root]) in powers.into_iter().rev().enumerate() {
        let step = products.multiples(&root);
        let (low, rest) = weights.split_at_mut(1 << level);
        for (low, high) in low.iter_mut().zip(rest) {
            products.multiply(&mut product, low, &power);
            high.set_difference(&above, &product);
            high.add_assign(low);
            low.add_assign(&product);
            products.multiply_by(&mut power, &step);
        }
    }
    weights
}

/// Multiplies modulo the order.
struct Products<W> {
    /// 96 bits of a number, the rest zero.
    limb: W,
    /// A summand.
    term: W,
    /// What has been summed up.
    sum: W,
    order: W,
    /// `−1 / order` modulo 2⁹⁶.
    factor: W,
    /// `2⁻⁹⁶` in the base field.
    shrink: W,
}

/// A number times 2⁹⁶, 2¹⁹² and 2²⁸⁸ modulo the order, each below twice the order.
struct Multiples<W>([W; 3]);

impl<W: Wide> Products<W> {
    fn new() -> Self {
        let order = from_big_endian(&ORDER);
        let mut low = W::zero();
        low.set_low(factor(&order));
        Self {
            limb: W::zero(),
            term: W::zero(),
            sum: W::zero(),
            order: W::from_words(&order),
            factor: low,
            shrink: W::one().div(&W::from_words(&SHIFTS[0])),
        }
    }

    /// Adds a multiple of the order, by less than 2⁹⁶, that makes the lowest 96 bits of the sum zero.
    #[inline(always)]
    fn clear(&mut self) {
        self.limb.set_low(self.sum.low());
        self.term.set_product(&self.limb, &self.factor);
        self.limb.set_low(self.term.low());
        self.term.set_product(&self.limb, &self.order);
        self.sum.add_assign(&self.term);
    }

    /// `to = a·b / 2²⁸⁸`, below twice the order, of factors below 2²⁷⁰.
    #[inline(never)]
    fn multiply(&mut self, to: &mut W, a: &W, b: &W) {
        for (turn, limb) in a.whole().as_chunks::<3>().0.iter().enumerate() {
            if turn > 0 {
                self.term.set_product(&self.sum, &self.shrink);
            }
            self.limb.set_low(*limb);
            self.sum.set_product(&self.limb, b);
            if turn > 0 {
                self.sum.add_assign(&self.term);
            }
            self.clear();
        }
        to.set_product(&self.sum, &self.shrink);
    }

    /// What [`multiply_by`](Self::multiply_by) takes of a factor in Montgomery's form.
    fn multiples(&mut self, factor: &W) -> Multiples<W> {
        Multiples(SHIFTS.each_ref().map(|shift| {
            let mut multiple = W::zero();
            self.multiply(&mut multiple, factor, &W::from_words(shift));
            multiple
        }))
    }

    /// `value = value·factor`, below six times the order, as it was before.
    #[inline(never)]
    fn multiply_by(&mut self, value: &mut W, Multiples(multiples): &Multiples<W>) {
        for (turn, (limb, multiple)) in value.whole().as_chunks::<3>().0.iter().zip(multiples).enumerate() {
            self.limb.set_low(*limb);
            if turn == 0 {
                self.sum.set_product(&self.limb, multiple);
            } else {
                self.term.set_product(&self.limb, multiple);
                self.sum.add_assign(&self.term);
            }
        }
        self.clear();
        value.set_product(&self.sum, &self.shrink);
    }
}
