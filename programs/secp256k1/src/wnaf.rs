//! Signed windows: `value = Σ digit[i]·2^i`, where every digit is zero or odd, and non-zero digits lie apart.

use crate::{Uint, WORD_BITS, split::PART_BITS};

/// How many positions a scalar of [`PART_BITS`] can need: a carry may go one past its last bit.
pub(crate) const POSITIONS: usize = PART_BITS + 1;

/// One digit of each of the four scalars at every bit position.
pub(crate) type Digits = [[i8; 4]; POSITIONS];

/// Writes the digits of `value` (below 2^[`PART_BITS`]) into column `column`; `window` bits give digits of magnitude
/// below `2^(window − 1)`. Returns one past the last position written.
pub(crate) fn write_digits(digits: &mut Digits, column: usize, value: &Uint, window: usize, negative: bool) -> usize {
    let mut bit = 0;
    let mut carry = 0;
    let mut end = 0;
    while bit < POSITIONS {
        let word = bit / WORD_BITS;
        let shift = bit % WORD_BITS;
        let mut ahead = value[word] >> shift;
        if shift + window > WORD_BITS && word + 1 < value.len() {
            ahead |= value[word + 1] << (WORD_BITS - shift);
        }
        if ahead & 1 == carry {
            bit += 1;
            continue;
        }
        let digit = (ahead & ((1 << window) - 1)) + carry;
        carry = digit >> (window - 1);
        let signed = digit as isize - ((carry << window) as isize);
        digits[bit][column] = if negative { -signed } else { signed } as i8;
        end = bit + 1;
        bit += window;
    }
    end
}
