//! 256-bit integers in machine words, least word first.

/// Bits of a machine word.
pub const WORD_BITS: usize = usize::BITS as usize;
/// Words of a 256-bit integer.
pub const WORDS: usize = 256 / WORD_BITS;
/// A 256-bit integer, least word first.
pub type Uint = [usize; WORDS];

const BYTES: usize = WORD_BITS / 8;

#[cfg(target_pointer_width = "32")]
type Double = u64;
#[cfg(target_pointer_width = "64")]
type Double = u128;

/// Reads 32 big-endian bytes.
#[inline]
pub fn from_be_bytes(bytes: &[u8; 32]) -> Uint {
    let mut out = [0; WORDS];
    for (word, chunk) in out.iter_mut().zip(bytes.as_rchunks::<BYTES>().1.iter().rev()) {
        *word = usize::from_be_bytes(*chunk);
    }
    out
}

/// Reads 32 little-endian bytes.
#[inline]
pub fn from_le_bytes(bytes: &[u8; 32]) -> Uint {
    let mut out = [0; WORDS];
    for (word, chunk) in out.iter_mut().zip(bytes.as_chunks::<BYTES>().0) {
        *word = usize::from_le_bytes(*chunk);
    }
    out
}

/// Writes 32 big-endian bytes.
#[inline]
pub fn to_be_bytes(value: &Uint) -> [u8; 32] {
    let mut out = [0; 32];
    for (word, chunk) in value.iter().zip(out.as_rchunks_mut::<BYTES>().1.iter_mut().rev()) {
        *chunk = word.to_be_bytes();
    }
    out
}

/// Writes 32 little-endian bytes.
#[inline]
pub fn to_le_bytes(value: &Uint) -> [u8; 32] {
    let mut out = [0; 32];
    for (word, chunk) in value.iter().zip(out.as_chunks_mut::<BYTES>().0) {
        *chunk = word.to_le_bytes();
    }
    out
}

/// A constant from 32-bit words, most significant first, as they are printed.
pub(crate) const fn constant(be: [u32; 8]) -> Uint {
    let mut out = [0; WORDS];
    let mut i = 0;
    while i < 8 {
        let bit = (7 - i) * 32;
        out[bit / WORD_BITS] |= (be[i] as usize) << (bit % WORD_BITS);
        i += 1;
    }
    out
}

pub(crate) fn less(a: &Uint, b: &Uint) -> bool {
    for i in (0..WORDS).rev() {
        if a[i] != b[i] {
            return a[i] < b[i];
        }
    }
    false
}

pub(crate) fn is_zero(a: &Uint) -> bool {
    a.iter().all(|w| *w == 0)
}

/// `a + b`, or `None` past 2²⁵⁶.
pub(crate) fn checked_add(a: &Uint, b: &Uint) -> Option<Uint> {
    let mut out = [0; WORDS];
    let mut carry = false;
    for i in 0..WORDS {
        let (sum, first) = a[i].overflowing_add(b[i]);
        let (sum, second) = sum.overflowing_add(carry as usize);
        out[i] = sum;
        carry = first | second;
    }
    if carry { None } else { Some(out) }
}

/// `a − b`, wrapping.
pub(crate) fn wrapping_sub(a: &Uint, b: &Uint) -> Uint {
    let mut out = [0; WORDS];
    let mut borrow = false;
    for i in 0..WORDS {
        let (diff, first) = a[i].overflowing_sub(b[i]);
        let (diff, second) = diff.overflowing_sub(borrow as usize);
        out[i] = diff;
        borrow = first | second;
    }
    out
}

/// The upper half of the product of the upper halves: `((a >> 128) · (b >> 128)) >> 128`.
pub(crate) fn mul_top(a: &Uint, b: &Uint) -> Uint {
    const HALF: usize = WORDS / 2;
    let mut product = [0usize; WORDS];
    for i in 0..HALF {
        let mut carry: Double = 0;
        for j in 0..HALF {
            let sum = (a[HALF + i] as Double) * (b[HALF + j] as Double) + product[i + j] as Double + carry;
            product[i + j] = sum as usize;
            carry = sum >> WORD_BITS;
        }
        product[i + HALF] = carry as usize;
    }
    let mut out = [0; WORDS];
    out[..HALF].copy_from_slice(&product[HALF..]);
    out
}
