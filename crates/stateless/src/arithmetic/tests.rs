//! Against ruint, with the words of both machines.

use super::opcodes::{power, signed_quotient, signed_remainder};
use alloy_primitives::U256;
use proptest::prelude::*;
use revm::interpreter::instructions::i256::{i256_div, i256_mod};

/// For machines of 32 bits, whichever this is.
#[path = "."]
mod narrow {
    type Word = u32;
    type Double = u64;
    #[path = "division.rs"]
    pub(super) mod division;
}

/// For machines of 64 bits.
#[path = "."]
mod broad {
    type Word = u64;
    type Double = u128;
    #[path = "division.rs"]
    pub(super) mod division;
}

/// Numbers of any length, whose words are often zero, the highest there is, or next to them.
fn number() -> impl Strategy<Value = U256> {
    let word = prop_oneof![
        Just(0u32),
        Just(1),
        Just(u32::MAX),
        Just(u32::MAX - 1),
        Just(1 << 31),
        Just((1 << 31) - 1),
        any::<u32>(),
        any::<u32>(),
    ];
    (prop::collection::vec(word, 0..=8), 0..32usize).prop_map(|(words, shift)| {
        words.iter().rev().fold(U256::ZERO, |number, word| number << 32 | U256::from(*word)) >> shift
    })
}

fn not_zero() -> impl Strategy<Value = U256> {
    prop_oneof![9 => number(), 1 => Just(U256::MAX)].prop_filter("not zero", |number| !number.is_zero())
}

macro_rules! divisions {
    ($module:ident, $a:expr, $b:expr, $divisor:expr) => {
        use $module::division::*;
        let (a, b, n) = ($a, $b, $divisor);
        prop_assert_eq!(quotient(&a, &n), a / n);
        prop_assert_eq!(remainder(&a, &n), a % n);
        prop_assert_eq!(remainder_of_sum(&a, &b, &n), a.add_mod(b, n));
        prop_assert_eq!(remainder_of_product(&a, &b, &n), a.mul_mod(b, n));
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn narrow_divisions(a in number(), b in number(), n in not_zero()) {
        divisions!(narrow, a, b, n);
    }

    #[test]
    fn broad_divisions(a in number(), b in number(), n in not_zero()) {
        divisions!(broad, a, b, n);
    }

    #[test]
    fn signed_divisions(a in number(), n in not_zero(), signs in 0..4u8) {
        let signed = |number: U256, bit: u8| if signs & bit == 0 { number } else { number.wrapping_neg() };
        let (a, n) = (signed(a, 1), signed(n, 2));
        prop_assert_eq!(signed_quotient(&a, &n), i256_div(a, n));
        prop_assert_eq!(signed_remainder(&a, &n), i256_mod(a, n));
    }

    #[test]
    fn powers(base in number(), exponent in number(), short in 0..256usize) {
        let exponent = exponent >> short;
        prop_assert_eq!(power(&base, &exponent), base.wrapping_pow(exponent));
    }

    /// A number that is made of a quotient and a remainder comes apart into them.
    #[test]
    fn what_was_put_together(a in number(), n in not_zero(), r in number()) {
        let r = r % n;
        if let Some(whole) = a.checked_mul(n).and_then(|product| product.checked_add(r)) {
            prop_assert_eq!(narrow::division::quotient(&whole, &n), a);
            prop_assert_eq!(broad::division::quotient(&whole, &n), a);
            prop_assert_eq!(narrow::division::remainder(&whole, &n), r);
            prop_assert_eq!(broad::division::remainder(&whole, &n), r);
        }
    }
}
