//! `u1·G + u2·R` with one chain of doublings.

use crate::{
    Machine, fixed_multiples,
    split::{Part, halves, split},
    table::{MULTIPLES, TABLE_WINDOW},
    wnaf::{Digits, POSITIONS, write_digits},
};

/// The window for the point that changes with every signature, in bits.
const WINDOW: usize = 5;
/// Its odd multiples: 1, 3, … 15.
const ODD: usize = 1 << (WINDOW - 2);

/// `u1·G + u2·point`, or `None` for the point at infinity.
pub(crate) fn double_mul<M: Machine>(u1: &M::Scalar, u2: &M::Scalar, point: M::Point) -> Option<M::Point> {
    let (low, high) = halves(&M::integer(u1));
    let (k1, k2) = split::<M>(u2);

    let mut digits: Digits = [[0; 4]; POSITIONS];
    let Part { magnitude: m1, negative: n1 } = k1;
    let Part { magnitude: m2, negative: n2 } = k2;
    let ends = [
        write_digits(&mut digits, 0, &low, TABLE_WINDOW, false),
        write_digits(&mut digits, 1, &high, TABLE_WINDOW, false),
        write_digits(&mut digits, 2, &m1, WINDOW, n1),
        write_digits(&mut digits, 3, &m2, WINDOW, n2),
    ];
    let end = ends.into_iter().max().unwrap_or(0);

    let multiples = odd_multiples::<M>(point);
    let turned: [M::Point; ODD] = core::array::from_fn(|i| M::endomorphism(&multiples[i]));
    let table = fixed_multiples();

    let mut sum: Option<M::Point> = None;
    for position in digits[..end].iter().rev() {
        if let Some(sum) = &mut sum {
            M::double(sum);
        }
        if u32::from_ne_bytes(position.map(|digit| digit as u8)) == 0 {
            continue;
        }
        for (column, digit) in position.iter().copied().enumerate() {
            if digit == 0 {
                continue;
            }
            let index = digit.unsigned_abs() as usize / 2;
            let term = match column {
                0 => M::fixed(&table[index]),
                1 => M::fixed(&table[MULTIPLES + index]),
                2 => &multiples[index],
                _ => &turned[index],
            };
            if digit < 0 { sub::<M>(&mut sum, term) } else { add::<M>(&mut sum, term) }
        }
    }
    sum
}

/// `1·point, 3·point, …`. The group's order is prime and large, so these additions never meet equal or opposite
/// points.
fn odd_multiples<M: Machine>(point: M::Point) -> [M::Point; ODD] {
    let mut twice = point.clone();
    M::double(&mut twice);
    let mut last = point;
    core::array::from_fn(|i| {
        if i > 0 {
            M::add_distinct(&mut last, &twice);
        }
        last.clone()
    })
}

/// Complete addition: a signer can choose a signature that makes the sum meet any term.
#[inline(always)]
fn add<M: Machine>(sum: &mut Option<M::Point>, term: &M::Point) {
    match sum {
        None => *sum = Some(term.clone()),
        Some(point) if !M::same_x(point, term) => M::add_distinct(point, term),
        Some(point) if M::same_y(point, term) => M::double(point),
        Some(_) => *sum = None,
    }
}

/// Complete subtraction.
#[inline(always)]
fn sub<M: Machine>(sum: &mut Option<M::Point>, term: &M::Point) {
    match sum {
        None => *sum = Some(M::negate(term)),
        Some(point) if !M::same_x(point, term) => M::sub_distinct(point, term),
        Some(point) if !M::same_y(point, term) => M::double(point),
        Some(_) => *sum = None,
    }
}
