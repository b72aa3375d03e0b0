use crate::{
    bytes::bits,
    point::{chord, follow, tangent},
};
use alloc::{vec, vec::Vec};

/// A field. Values may be held as anything that a machine can tell to be equal.
pub trait Field: Clone + 'static {
    /// 0.
    fn zero() -> Self;
    /// 1.
    fn one() -> Self;
    /// `self + other`.
    fn add(&self, other: &Self) -> Self;
    /// `self − other`.
    fn sub(&self, other: &Self) -> Self;
    /// `self · other`.
    fn mul(&self, other: &Self) -> Self;
    /// `self / other`, where `other` is not zero.
    fn div(&self, other: &Self) -> Self;
    /// Whether both are the same element.
    fn equals(&self, other: &Self) -> bool;

    /// `self = self + other`.
    #[inline(always)]
    fn add_assign(&mut self, other: &Self) {
        *self = self.add(other);
    }

    /// `self = a · b`, without a copy where the machine writes it to its place.
    #[inline(always)]
    fn set_product(&mut self, a: &Self, b: &Self) {
        *self = a.mul(b);
    }

    /// `self²`.
    #[inline(always)]
    fn square(&self) -> Self {
        self.mul(self)
    }

    /// `2·self`.
    #[inline(always)]
    fn double(&self) -> Self {
        self.add(self)
    }

    /// `−self`.
    #[inline(always)]
    fn neg(&self) -> Self {
        Self::zero().sub(self)
    }

    /// Whether this is 0.
    #[inline(always)]
    fn is_zero(&self) -> bool {
        self.equals(&Self::zero())
    }

    /// The sum of two points with different x coordinates of a curve `y² = x³ + b`, x then y.
    #[inline(always)]
    fn add_points(p: [&Self; 2], q: [&Self; 2]) -> [Self; 2] {
        follow(p, &chord(p, q), q[0]).0
    }

    /// Twice a point of such a curve, whose y is not zero.
    #[inline(always)]
    fn double_point(p: [&Self; 2]) -> [Self; 2] {
        follow(p, &tangent(p), p[0]).0
    }

    /// `self` to a power, in big-endian bytes.
    fn power(&self, exponent: &[u8]) -> Self {
        let mut out: Option<Self> = None;
        for bit in bits(exponent) {
            out = out.map(|value| value.square());
            if bit {
                out = Some(out.map_or_else(|| self.clone(), |value| value.mul(self)));
            }
        }
        out.unwrap_or_else(Self::one)
    }
}

/// A field of prime order, as a machine has it. The order is 3 modulo 4.
pub trait Prime: Field {
    /// The bytes of an encoded element.
    const BYTES: usize;
    /// `(p + 1) / 4`, big-endian.
    const ROOT_EXPONENT: &'static [u8];

    /// Makes the machine ready for this field. Called before anything is computed in it, however often.
    fn prepare() {}
    /// An element from its least representative, little-endian, [`BYTES`](Self::BYTES) of it.
    fn constant(bytes: &[u8]) -> Self;
    /// An element from big-endian bytes; `None` when the number is not below the modulus.
    fn decode(bytes: &[u8]) -> Option<Self>;
    /// The least representative, big-endian. Its last bit is the parity.
    fn encode(&self, out: &mut [u8]);

    /// `a·c − b·d` and `a·d + b·c`: the product of `a + b·i` and `c + d·i`.
    #[inline(always)]
    fn complex_product([a, b]: [&Self; 2], [c, d]: [&Self; 2]) -> [Self; 2] {
        [a.mul(c).sub(&b.mul(d)), a.mul(d).add(&b.mul(c))]
    }

    /// The square of `a + b·i`.
    #[inline(always)]
    fn complex_square([a, b]: [&Self; 2]) -> [Self; 2] {
        [a.add(b).mul(&a.sub(b)), a.mul(b).double()]
    }

    /// `9·self`.
    #[inline(always)]
    fn times_nine(&self) -> Self {
        self.double().double().double().add(self)
    }

    /// A small number.
    fn small(number: u8) -> Self {
        let mut out = Self::zero();
        for bit in bits(&[number]) {
            out = out.double();
            if bit {
                out = out.add(&Self::one());
            }
        }
        out
    }

    /// A square root, if there is one. Which of the two is not said.
    fn root(&self) -> Option<Self> {
        // A square to the power (p + 1) / 4 is a root of it, and nothing else has one.
        let root = self.power(Self::ROOT_EXPONENT);
        root.square().equals(self).then_some(root)
    }
}

/// A prime field of 48 bytes whose elements are used as whole numbers.
///
/// The modulus is above 2³⁸⁰, so an element that is below that as the machine holds it is the least representative. Whatever
/// reads an element checks it, or the guest stops.
pub trait Wide: Prime {
    /// The number of these words, the least first.
    fn from_words(words: &[u32; 8]) -> Self;
    /// The number of these words, the least first.
    fn from_limb(words: [u32; 4]) -> Self;
    /// The lowest words of a number below 2³⁵².
    fn limb(&self) -> [u32; 4];
    /// The lowest words of a number below 2³⁵², which is then divided by 2¹²⁸.
    fn take_limb(&mut self) -> [u32; 4];
    /// The lowest words of a number below 2³⁵².
    fn whole(&self) -> [u32; 9];
    /// The lowest words of a number below 2³⁸⁰.
    fn low(&self) -> [u32; 3];
    /// The 96 lowest bits of a number below 2³⁸⁰, the 96 next ones, and so on.
    fn limbs(&self) -> [[u32; 3]; 4];
    /// Replaces the lowest words of a number that was zero before anything was put there.
    fn set_low(&mut self, words: [u32; 3]);

    /// So many zeros.
    fn zeros(count: usize) -> Vec<Self> {
        vec![Self::zero(); count]
    }

    /// Replaces a number below 2²⁵⁶ by another one.
    #[inline(always)]
    fn set_words(&mut self, words: &[u32; 8]) {
        *self = Self::from_words(words);
    }

    /// `self = a − b`, without a copy where the machine writes it to its place.
    #[inline(always)]
    fn set_difference(&mut self, a: &Self, b: &Self) {
        *self = a.sub(b);
    }

    /// `registers[to] = registers[a] + registers[b]`, and the like for the others: in place on a machine that can.
    #[inline(always)]
    fn add_in(registers: &mut [Self], to: usize, a: usize, b: usize) {
        registers[to] = registers[a].add(&registers[b]);
    }

    /// See [`add_in`](Self::add_in).
    #[inline(always)]
    fn subtract_in(registers: &mut [Self], to: usize, a: usize, b: usize) {
        registers[to] = registers[a].sub(&registers[b]);
    }

    /// See [`add_in`](Self::add_in).
    #[inline(always)]
    fn multiply_in(registers: &mut [Self], to: usize, a: usize, b: usize) {
        registers[to] = registers[a].mul(&registers[b]);
    }
}
