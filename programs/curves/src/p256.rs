//! Signatures of NIST P-256 (EIP-7951), on the products of a field of 48 bytes.
//!
//! The modulus is −1 modulo 2⁹⁶, which makes Montgomery's products cheap. Points are Jacobian: `(x/z², y/z³)`.

use crate::{
    Wide,
    montgomery::{FREE, Modular, Words, from_big_endian, is_less, sum, words},
};

const MODULUS: Words = words("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
const ORDER: Words = words("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
/// `order − 2`.
const INVERTING: [u8; 32] = {
    let words = words("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254f");
    let mut out = [0; 32];
    let mut i = 0;
    while i < 32 {
        out[31 - i] = (words[i / 4] >> (i % 4 * 8)) as u8;
        i += 1;
    }
    out
};
/// `R²` modulo the modulus and the order, which bring numbers into Montgomery's form.
const SQUARE_OF_R: Words = words("fffffffcfffffffcfffffffbfffffff9fffffffe000000030000000500000002");
const SQUARE_OF_R_SCALARS: Words = words("1c1f0858d0b168a4619076ab51d16bdbdf119f1b30a9cdc75706acb03af42abb");
/// 1, 3 and the curve's `b` in Montgomery's form.
const ONE: Words = words("fffffffeffffffffffffffffffffffff00000000000000000000000100000000");
const THREE: Words = words("fffffffefffffffdfffffffffffffffcfffffffe000000000000000300000002");
const B: Words = words("e0b74e5109721a8ef7212ed6acf005cc9c542a73d89cdf6229c4bddfdc30061d");

/// Bits of a digit of the generator's scalar.
const FIXED_WINDOW: u32 = 8;
/// `1·G, 3·G, 5·G, …`: x then y, 32 little-endian bytes each, in Montgomery's form.
static MULTIPLES: &[u8; 64 << (FIXED_WINDOW - 2)] = include_bytes!("p256.bin");
/// Bits of a digit of the key's scalar.
const WINDOW: u32 = 5;

// The sum so far. x and y are at most 2⁸ times the modulus, z is below 4 times.
const X: usize = FREE;
const Y: usize = FREE + 1;
const Z: usize = FREE + 2;
// Scratch.
const ZZ: usize = FREE + 3;
const A: usize = FREE + 4;
const C: usize = FREE + 5;
const D: usize = FREE + 6;
const E: usize = FREE + 7;
const H: usize = FREE + 8;
const S: usize = FREE + 9;
const U: usize = FREE + 10;
/// 2⁶ times the modulus: above products and a few of them.
const ABOVE: usize = FREE + 11;
/// 2⁸ times the modulus: above coordinates.
const FAR_ABOVE: usize = FREE + 12;
/// What is added: x, y, z, z², z³. The last three are not read of a point of the constant table, whose z is 1.
const FIXED: usize = FREE + 13;
const NEGATED: usize = FREE + 15;
/// Twice the key, and then its odd multiples.
const TWICE: usize = FREE + 16;
const KEYS: usize = TWICE + 5;
const REGISTERS: usize = KEYS + (5 << (WINDOW - 2));

/// Whether a signature (r then s) of a digest verifies under a key (x then y). All are big-endian.
pub fn verify<W: Wide>(digest: &[u8; 32], signature: &[u8; 64], key: &[u8; 64]) -> bool {
    W::prepare();
    let half = |bytes: &[u8; 64], at: usize| -> Words {
        from_big_endian(&core::array::from_fn(|i| bytes[at + i]))
    };
    let (r, s) = (half(signature, 0), half(signature, 32));
    let in_range = |number: &Words| *number != [0; 8] && is_less(number, &ORDER);
    if !in_range(&r) || !in_range(&s) {
        return false;
    }
    let (x, y) = (half(key, 0), half(key, 32));
    if !is_less(&x, &MODULUS) || !is_less(&y, &MODULUS) {
        return false;
    }
    let [u, v] = scalars::<W>(&from_big_endian(digest), &r, &s);
    let mut sum = Sum::<W>::new();
    sum.load_key(&x, &y) && sum.add_up(&digits(&u, FIXED_WINDOW), &digits(&v, WINDOW)) && sum.has_x(&r)
}

/// `digest / s` and `r / s` modulo the order.
fn scalars<W: Wide>(digest: &Words, r: &Words, s: &Words) -> [Words; 2] {
    const INVERSE: usize = FREE;
    const NUMBER: usize = FREE + 1;
    const TABLE: usize = FREE + 2;
    let mut order = Modular::<W, false, { TABLE + 16 }>::new(&ORDER);
    order.set(NUMBER, s);
    order.set(INVERSE, &SQUARE_OF_R_SCALARS);
    order.multiply(TABLE + 1, NUMBER, INVERSE);
    order.power(INVERSE, TABLE, &INVERTING);
    [digest, r].map(|number| {
        order.set(NUMBER, number);
        order.multiply(NUMBER, NUMBER, INVERSE);
        order.least(NUMBER)
    })
}

/// Digits of a number for each bit from the lowest on: zero or odd, of less than half of the window, with zeros between them.
fn digits(number: &Words, window: u32) -> [i8; 257] {
    let mut out = [0; 257];
    let (mut at, mut carry) = (0, 0);
    while at < 257 {
        let (word, shift) = (at / 32, at as u32 % 32);
        let low = number.get(word).copied().unwrap_or(0) >> shift;
        if low & 1 == carry {
            at += 1;
            continue;
        }
        let high = if shift == 0 { 0 } else { number.get(word + 1).copied().unwrap_or(0) << (32 - shift) };
        let digit = ((low | high) & ((1 << window) - 1)) + carry;
        carry = digit >> (window - 1);
        out[at] = (digit as i32 - ((carry << window) as i32)) as i8;
        at += window as usize;
    }
    out
}

struct Sum<W> {
    field: Modular<W, true, REGISTERS>,
    is_infinity: bool,
}

impl<W: Wide> Sum<W> {
    fn new() -> Self {
        let mut field = Modular::new(&MODULUS);
        field.set(ABOVE, &MODULUS);
        for _ in 0..6 {
            field.add(ABOVE, ABOVE, ABOVE);
        }
        field.add(FAR_ABOVE, ABOVE, ABOVE);
        field.add(FAR_ABOVE, FAR_ABOVE, FAR_ABOVE);
        Self { field, is_infinity: true }
    }

    /// Makes the multiples of the key, unless it is not on the curve.
    fn load_key(&mut self, x: &Words, y: &Words) -> bool {
        let field = &mut self.field;
        field.set(A, &SQUARE_OF_R);
        for (to, number) in [(X, x), (Y, y)] {
            field.set(to, number);
            field.multiply(to, to, A);
        }
        field.set(Z, &ONE);
        // y² = (x² − 3)·x + b
        field.multiply(A, X, X);
        field.set(C, &THREE);
        field.subtract(A, A, C, ABOVE);
        field.multiply(A, A, X);
        field.set(C, &B);
        field.add(A, A, C);
        field.multiply(C, Y, Y);
        field.subtract(A, A, C, ABOVE);
        field.multiply(A, A, Z);
        if !field.is_zero(A) {
            return false;
        }
        self.is_infinity = false;
        self.store(KEYS);
        self.double();
        self.store(TWICE);
        for (to, from) in [(X, KEYS), (Y, KEYS + 1), (Z, KEYS + 2)] {
            self.field.copy(to, from);
        }
        for key in (KEYS + 5..REGISTERS).step_by(5) {
            // Never equal or opposite: the order is a prime above all of these multiples.
            self.add(TWICE, false, TWICE + 1);
            self.store(key);
        }
        self.is_infinity = true;
        true
    }

    /// The sum of both products, whose digits are given; whether it is not infinity.
    fn add_up(&mut self, fixed: &[i8; 257], key: &[i8; 257]) -> bool {
        for (fixed, key) in fixed.iter().zip(key).rev() {
            if !self.is_infinity {
                self.double();
            }
            if *fixed != 0 {
                let at = 64 * (usize::from(fixed.unsigned_abs()) / 2);
                let number = |at: usize| -> Words {
                    core::array::from_fn(|i| {
                        let at = at + 4 * i;
                        u32::from_le_bytes([MULTIPLES[at], MULTIPLES[at + 1], MULTIPLES[at + 2], MULTIPLES[at + 3]])
                    })
                };
                self.field.set(FIXED, &number(at));
                self.field.set(FIXED + 1, &number(at + 32));
                self.add_signed(FIXED, true, *fixed < 0);
            }
            if *key != 0 {
                self.add_signed(KEYS + 5 * (usize::from(key.unsigned_abs()) / 2), false, *key < 0);
            }
        }
        !self.is_infinity
    }

    /// Whether the affine x coordinate is `r` modulo the order.
    fn has_x(&mut self, r: &Words) -> bool {
        let field = &mut self.field;
        field.multiply(ZZ, Z, Z);
        // The coordinate is below the modulus, so at most one multiple of the order more than r.
        let above = sum(r, &ORDER).filter(|above| is_less(above, &MODULUS));
        [Some(*r), above].into_iter().flatten().any(|x| {
            field.set(A, &x);
            field.set(C, &SQUARE_OF_R);
            field.multiply(A, A, C);
            field.multiply(A, A, ZZ);
            field.subtract(A, A, X, FAR_ABOVE);
            field.multiply(A, A, ZZ);
            field.is_zero(A)
        })
    }

    /// Keeps the sum, with the powers of z.
    fn store(&mut self, to: usize) {
        let field = &mut self.field;
        field.copy(to, X);
        field.copy(to + 1, Y);
        field.copy(to + 2, Z);
        field.multiply(to + 3, Z, Z);
        field.multiply(to + 4, to + 3, Z);
    }

    /// Doubles the sum, which is not infinity. There is no point of order two.
    fn double(&mut self) {
        let field = &mut self.field;
        field.multiply(ZZ, Z, Z);
        field.multiply(C, Y, Y);
        field.multiply(D, X, C);
        // A = 3·(x − z²)·(x + z²)
        field.subtract(A, X, ZZ, ABOVE);
        field.add(E, X, ZZ);
        field.multiply(E, A, E);
        field.add(A, E, E);
        field.add(A, A, E);
        field.multiply(Z, Y, Z);
        field.add(Z, Z, Z);
        // D = 4·x·y², x = A² − 2·D
        field.add(D, D, D);
        field.add(D, D, D);
        field.multiply(X, A, A);
        field.add(E, D, D);
        field.subtract(X, X, E, ABOVE);
        // y = A·(D − x) − 8·y⁴
        field.subtract(D, D, X, FAR_ABOVE);
        field.multiply(Y, A, D);
        field.multiply(C, C, C);
        for _ in 0..3 {
            field.add(C, C, C);
        }
        field.subtract(Y, Y, C, ABOVE);
    }

    /// Adds a point, or its negative.
    fn add_signed(&mut self, point: usize, is_affine: bool, is_negative: bool) {
        let mut y = point + 1;
        if is_negative {
            self.field.negate(NEGATED, y, FAR_ABOVE);
            y = NEGATED;
        }
        if self.is_infinity {
            self.is_infinity = false;
            self.field.copy(X, point);
            self.field.copy(Y, y);
            if is_affine {
                self.field.set(Z, &ONE);
            } else {
                self.field.copy(Z, point + 2);
            }
            return;
        }
        self.add(point, is_affine, y);
    }

    /// Adds a point, whose y is in a register of its own.
    #[inline(never)]
    fn add(&mut self, point: usize, is_affine: bool, y: usize) {
        let field = &mut self.field;
        field.multiply(ZZ, Z, Z);
        field.multiply(A, ZZ, Z);
        field.multiply(H, point, ZZ);
        field.multiply(S, y, A);
        // x and y of the sum, where both points have the same z.
        let (mut u, mut v) = (X, Y);
        if !is_affine {
            field.multiply(U, X, point + 3);
            field.multiply(E, Y, point + 4);
            (u, v) = (U, E);
        }
        field.subtract(H, H, u, FAR_ABOVE);
        field.subtract(S, S, v, FAR_ABOVE);
        field.multiply(D, Z, H);
        if field.is_zero(D) {
            // The same x.
            field.multiply(D, Z, S);
            if field.is_zero(D) {
                self.double();
            } else {
                self.is_infinity = true;
            }
            return;
        }
        if is_affine {
            field.copy(Z, D);
        } else {
            field.multiply(Z, D, point + 2);
        }
        // A = h², C = h³, D = x·h²
        field.multiply(A, H, H);
        field.multiply(C, H, A);
        field.multiply(D, u, A);
        // x = s² − h³ − 2·x·h²
        field.multiply(X, S, S);
        field.add(A, D, D);
        field.add(A, A, C);
        field.subtract(X, X, A, ABOVE);
        // y = s·(x·h² − x) − y·h³
        field.multiply(C, v, C);
        field.subtract(D, D, X, FAR_ABOVE);
        field.multiply(Y, S, D);
        field.subtract(Y, Y, C, ABOVE);
    }
}
