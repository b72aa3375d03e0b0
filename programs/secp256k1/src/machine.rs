use crate::{TablePoint, Uint};

/// What a machine must be able to do. Points are affine, on the curve, and never the point at infinity.
///
/// A zkVM's field elements may be stored as any integer congruent to them: nothing here assumes the least one, but
/// [`Machine::encode`] and [`Machine::same_x`] must see through it.
pub trait Machine {
    /// A number modulo the group order.
    type Scalar;
    /// A point of the curve.
    type Point: Clone + 'static;

    /// The scalar that is congruent to `value`.
    fn scalar(value: &Uint) -> Self::Scalar;
    /// An integer below 2²⁵⁶ that is congruent to `value`; an honest prover gives the least.
    fn integer(value: &Self::Scalar) -> Uint;
    /// `a · b`.
    fn mul(a: &Self::Scalar, b: &Self::Scalar) -> Self::Scalar;
    /// `a − b`.
    fn sub(a: &Self::Scalar, b: &Self::Scalar) -> Self::Scalar;
    /// `1 / a`, where `a` is not zero.
    fn invert(a: &Self::Scalar) -> Self::Scalar;

    /// The point with this x coordinate and a y of this parity (1 is odd). `None`, and provably so, when `x` is not
    /// below the field's modulus or no point has it.
    fn lift_x(x: &Uint, parity: u8) -> Option<Self::Point>;
    /// A point of the constant table.
    fn fixed(point: &'static TablePoint) -> &'static Self::Point;
    /// `(β·x, y)`, which is `λ` times the point.
    fn endomorphism(point: &Self::Point) -> Self::Point;
    /// `(x, −y)`.
    fn negate(point: &Self::Point) -> Self::Point;
    /// `point = 2·point`.
    fn double(point: &mut Self::Point);
    /// Whether both points have the same x coordinate.
    fn same_x(a: &Self::Point, b: &Self::Point) -> bool;
    /// Whether two points with the same x coordinate are the same point.
    fn same_y(a: &Self::Point, b: &Self::Point) -> bool;
    /// `a = a + b`, where the x coordinates differ.
    fn add_distinct(a: &mut Self::Point, b: &Self::Point);
    /// `a = a − b`, where the x coordinates differ.
    fn sub_distinct(a: &mut Self::Point, b: &Self::Point) {
        Self::add_distinct(a, &Self::negate(b));
    }
    /// The least integers congruent to x and y, big-endian.
    fn encode(point: &Self::Point) -> [u8; 64];
}
