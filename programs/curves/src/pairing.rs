use crate::{
    Field, Prime,
    bytes::signed_digits,
    fp2::Fp2,
    point::{Affine, Point, chord, follow, multiply_sparse, same, tangent},
    tower::Fp12,
};
use alloc::vec::Vec;

/// On which side of the sextic twist a curve has its second group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    /// `y² = x³ + b/ξ`.
    D,
    /// `y² = x³ + b·ξ`.
    M,
}

/// A curve with a pairing.
pub(crate) trait Curve: 'static {
    /// The field of the first group's coordinates.
    type Base: Prime;
    const TWIST: Twist;
    /// The absolute value of the Miller loop's length.
    const LOOP: u128;

    /// `ξ · value`.
    fn times_xi(value: &Fp2<Self::Base>) -> Fp2<Self::Base>;
    /// `γ = ξ` to the power `(p − 1) / 6`.
    fn gamma() -> Fp2<Self::Base>;
    /// The lines that come after the loop. `point` is the second group's point, `sum` its multiple by the loop's length.
    fn last_lines(point: &Affine<Fp2<Self::Base>>, sum: &mut Affine<Fp2<Self::Base>>, line: &mut dyn FnMut(Line<Self::Base>));
    /// To a power that is a multiple of `(p⁴ − p² + 1) / r`, and of it times `r` only where it is 1 itself.
    fn last_power(unit: &Fp12<Self>) -> Fp12<Self>
    where
        Self: Sized;
}

/// A line through points of the second group: its slope, and where it meets the y axis, negated.
pub(crate) struct Line<F> {
    slope: Fp2<F>,
    axis: Fp2<F>,
}

/// A point of the second group to the power `p`, in the twist's coordinates.
pub(crate) fn frobenius<C: Curve>(point: &Affine<Fp2<C::Base>>) -> Affine<Fp2<C::Base>> {
    let gamma = C::gamma();
    let square = gamma.square();
    let cube = square.mul(&gamma);
    let (x, y) = (point.x.conjugate(), point.y.conjugate());
    match C::TWIST {
        Twist::D => Affine { x: x.mul(&square), y: y.mul(&cube) },
        Twist::M => Affine { x: x.div(&square), y: y.div(&cube) },
    }
}

/// Adds, and gives the line. The points have different x coordinates.
pub(crate) fn add_with_line<F: Prime>(sum: &mut Affine<Fp2<F>>, point: &Affine<Fp2<F>>) -> Line<F> {
    let slope = chord(sum.parts(), point.parts());
    let (next, axis) = follow(sum.parts(), &slope, &point.x);
    *sum = next.into();
    Line { slope, axis }
}

fn double_with_line<F: Prime>(sum: &mut Affine<Fp2<F>>) -> Line<F> {
    let slope = tangent(sum.parts());
    let (next, axis) = follow(sum.parts(), &slope, &sum.x);
    *sum = next.into();
    Line { slope, axis }
}

/// A pair in the loop.
struct Running<C: Curve> {
    /// `−x/y` and `1/y` of the first group's point: a line's value is divided by y, which the final exponentiation takes
    /// away, as it does every factor of a smaller field.
    x: C::Base,
    y: C::Base,
    point: Affine<Fp2<C::Base>>,
    negated: Affine<Fp2<C::Base>>,
    sum: Affine<Fp2<C::Base>>,
}

impl<C: Curve> Running<C> {
    fn take(&self, value: &mut Fp12<C>, line: &Line<C::Base>) {
        let (a, b) = (line.slope.scale(&self.x), line.axis.scale(&self.y));
        *value = match C::TWIST {
            Twist::D => value.mul_line_d(&a, &b),
            Twist::M => value.mul_line_m(&a, &b),
        };
    }
}

/// Whether the product of the pairings is 1. All points are in their subgroups.
///
/// No step of the loop meets a point that it cannot add: multiples of a point of a large prime order, by less than it,
/// are neither equal nor opposite, and no y is zero.
pub(crate) fn is_one<C: Curve>(pairs: &[(Point<C::Base>, Point<Fp2<C::Base>>)]) -> bool {
    let mut running: Vec<Running<C>> = Vec::with_capacity(pairs.len());
    for (first, second) in pairs {
        let (Some(first), Some(second)) = (first, second) else { continue };
        let y = C::Base::one().div(&first.y);
        running.push(Running {
            x: first.x.mul(&y).neg(),
            y,
            point: second.clone(),
            negated: second.negate(),
            sum: second.clone(),
        });
    }
    if running.is_empty() {
        return true;
    }
    let mut value = Fp12::one();
    for digit in signed_digits(C::LOOP) {
        value = value.square();
        for pair in &mut running {
            let line = double_with_line(&mut pair.sum);
            pair.take(&mut value, &line);
            if digit != 0 {
                let line = add_with_line(&mut pair.sum, if digit > 0 { &pair.point } else { &pair.negated });
                pair.take(&mut value, &line);
            }
        }
    }
    for pair in &mut running {
        let mut sum = pair.sum.clone();
        C::last_lines(&pair.point, &mut sum, &mut |line| pair.take(&mut value, &line));
    }
    final_power(&value).is_one()
}

/// To the power `(p¹² − 1) / r`, or one that gives 1 for the same values.
fn final_power<C: Curve>(value: &Fp12<C>) -> Fp12<C> {
    let value = value.conjugate().mul(&value.invert());
    let unit = value.frobenius().frobenius().mul(&value);
    C::last_power(&unit)
}

/// Whether the endomorphism of the second group multiplies by `factor`, or by its negative.
pub(crate) fn frobenius_multiplies<C: Curve>(point: &Affine<Fp2<C::Base>>, factor: &[u128], negative: bool) -> bool {
    let mut multiple = Some(point.clone());
    for factor in factor {
        multiple = multiply_sparse(&multiple, *factor);
    }
    let image = frobenius::<C>(point);
    same(&multiple, &Some(if negative { image.negate() } else { image }))
}
