use crate::{Field, bytes::signed_digits};

/// A point other than infinity of a curve `y² = x³ + b`.
#[derive(Clone, Debug)]
pub(crate) struct Affine<K> {
    pub x: K,
    pub y: K,
}

/// A point; `None` is infinity.
pub(crate) type Point<K> = Option<Affine<K>>;

impl<K: Field> Affine<K> {
    pub fn is_on_curve(&self, b: &K) -> bool {
        self.y.square().equals(&self.x.square().mul(&self.x).add(b))
    }

    pub fn negate(&self) -> Self {
        Self { x: self.x.clone(), y: self.y.neg() }
    }

    pub fn equals(&self, other: &Self) -> bool {
        self.x.equals(&other.x) && self.y.equals(&other.y)
    }

    /// The coordinates.
    #[inline(always)]
    pub fn parts(&self) -> [&K; 2] {
        [&self.x, &self.y]
    }
}

impl<K> From<[K; 2]> for Affine<K> {
    #[inline(always)]
    fn from([x, y]: [K; 2]) -> Self {
        Self { x, y }
    }
}

/// The third point on the line of this slope through a point and one with the x coordinate `other`, negated; and `slope · x − y`,
/// where the line meets the y axis, negated.
#[inline(always)]
pub(crate) fn follow<K: Field>([x, y]: [&K; 2], slope: &K, other: &K) -> ([K; 2], K) {
    let axis = slope.mul(x).sub(y);
    let third = slope.square().sub(x).sub(other);
    let y = axis.sub(&slope.mul(&third));
    ([third, y], axis)
}

/// The slope of the tangent. y is not zero.
#[inline(always)]
pub(crate) fn tangent<K: Field>([x, y]: [&K; 2]) -> K {
    let square = x.square();
    square.double().add(&square).div(&y.double())
}

/// The slope of the line through two points with different x coordinates.
#[inline(always)]
pub(crate) fn chord<K: Field>([x, y]: [&K; 2], [u, v]: [&K; 2]) -> K {
    v.sub(y).div(&u.sub(x))
}

#[inline(never)]
pub(crate) fn double<K: Field>(point: &Point<K>) -> Point<K> {
    let point = point.as_ref()?;
    if point.y.is_zero() {
        return None;
    }
    Some(K::double_point(point.parts()).into())
}

#[inline(never)]
pub(crate) fn add<K: Field>(a: &Point<K>, b: &Point<K>) -> Point<K> {
    let (Some(p), Some(q)) = (a, b) else {
        return a.clone().or_else(|| b.clone());
    };
    if p.x.equals(&q.x) {
        return if p.y.equals(&q.y) { double(a) } else { None };
    }
    Some(K::add_points(p.parts(), q.parts()).into())
}

pub(crate) fn negate<K: Field>(point: &Point<K>) -> Point<K> {
    point.as_ref().map(Affine::negate)
}

pub(crate) fn same<K: Field>(a: &Point<K>, b: &Point<K>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.equals(b),
        _ => false,
    }
}

/// `scalar · point`, of a big-endian number that may be above the order, in windows of four bits.
pub(crate) fn multiply<K: Field>(point: &Point<K>, scalar: &[u8]) -> Point<K> {
    let mut nibbles = scalar.iter().flat_map(|byte| [byte >> 4, byte & 15]).skip_while(|nibble| *nibble == 0);
    let Some(first) = nibbles.next() else { return None };
    let mut multiples: [Point<K>; 16] = [const { None }; 16];
    multiples[1] = point.clone();
    for i in 2..16 {
        multiples[i] = if i % 2 == 0 { double(&multiples[i / 2]) } else { add(&multiples[i - 1], point) };
    }
    let mut sum = multiples[usize::from(first)].clone();
    for nibble in nibbles {
        for _ in 0..4 {
            sum = double(&sum);
        }
        if nibble != 0 {
            sum = add(&sum, &multiples[usize::from(nibble)]);
        }
    }
    sum
}

/// `scalar · point`, of a constant with few digits that are not zero.
pub(crate) fn multiply_sparse<K: Field>(point: &Point<K>, scalar: u128) -> Point<K> {
    let negated = negate(point);
    let mut sum = point.clone();
    for digit in signed_digits(scalar) {
        sum = double(&sum);
        match digit {
            1 => sum = add(&sum, point),
            -1 => sum = add(&sum, &negated),
            _ => {}
        }
    }
    sum
}
