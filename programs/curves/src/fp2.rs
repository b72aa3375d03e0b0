use crate::{Field, Prime};

/// `re + im·i`, where `i² = −1`.
#[derive(Clone, Debug)]
pub(crate) struct Fp2<F> {
    pub re: F,
    pub im: F,
}

impl<F: Prime> Field for Fp2<F> {
    fn zero() -> Self {
        Self { re: F::zero(), im: F::zero() }
    }

    fn one() -> Self {
        Self { re: F::one(), im: F::zero() }
    }

    #[inline(always)]
    fn add(&self, other: &Self) -> Self {
        Self { re: self.re.add(&other.re), im: self.im.add(&other.im) }
    }

    #[inline(always)]
    fn sub(&self, other: &Self) -> Self {
        Self { re: self.re.sub(&other.re), im: self.im.sub(&other.im) }
    }

    #[inline(always)]
    fn mul(&self, other: &Self) -> Self {
        let [re, im] = F::complex_product([&self.re, &self.im], [&other.re, &other.im]);
        Self { re, im }
    }

    #[inline(always)]
    fn square(&self) -> Self {
        let [re, im] = F::complex_square([&self.re, &self.im]);
        Self { re, im }
    }

    #[inline(never)]
    fn div(&self, other: &Self) -> Self {
        let norm = other.re.square().add(&other.im.square());
        let product = self.mul(&other.conjugate());
        let inverse = F::one().div(&norm);
        product.scale(&inverse)
    }

    #[inline(always)]
    fn equals(&self, other: &Self) -> bool {
        self.re.equals(&other.re) && self.im.equals(&other.im)
    }
}

impl<F: Prime> Fp2<F> {
    /// From little-endian constants.
    pub fn constant(re: &[u8], im: &[u8]) -> Self {
        Self { re: F::constant(re), im: F::constant(im) }
    }

    #[inline(always)]
    pub fn scale(&self, by: &F) -> Self {
        Self { re: self.re.mul(by), im: self.im.mul(by) }
    }

    /// The other root of the same polynomial, and the power `p`.
    #[inline(always)]
    pub fn conjugate(&self) -> Self {
        Self { re: self.re.clone(), im: self.im.neg() }
    }

    /// A square root, if there is one.
    pub fn root(&self) -> Option<Self> {
        if self.im.is_zero() {
            // Exactly one of a and −a is a square, as −1 is none.
            return Some(match self.re.root() {
                Some(root) => Self { re: root, im: F::zero() },
                None => Self { re: F::zero(), im: self.re.neg().root()? },
            });
        }
        // (x + y·i)² = a + b·i: the norms give x² + y² = √(a² + b²), and x² − y² = a.
        let norm = self.re.square().add(&self.im.square()).root()?;
        let two = F::one().double();
        let half = self.re.add(&norm).div(&two);
        let re = match half.root() {
            Some(root) => root,
            None => self.re.sub(&norm).div(&two).root()?,
        };
        // b is not zero, so neither is x.
        let root = Self { im: self.im.div(&re.double()), re };
        root.square().equals(self).then_some(root)
    }
}
