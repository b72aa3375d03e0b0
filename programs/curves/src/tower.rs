use crate::{Field, fp2::Fp2, pairing::Curve};

/// `c₀ + c₁·v + c₂·v²`, where `v³ = ξ`.
pub(crate) struct Fp6<C: Curve>([Fp2<C::Base>; 3]);

impl<C: Curve> Clone for Fp6<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<C: Curve> Fp6<C> {
    fn zero() -> Self {
        Self([Fp2::zero(), Fp2::zero(), Fp2::zero()])
    }

    #[inline(never)]
    fn add(&self, other: &Self) -> Self {
        let ([a, b, c], [d, e, f]) = (&self.0, &other.0);
        Self([a.add(d), b.add(e), c.add(f)])
    }

    #[inline(never)]
    fn sub(&self, other: &Self) -> Self {
        let ([a, b, c], [d, e, f]) = (&self.0, &other.0);
        Self([a.sub(d), b.sub(e), c.sub(f)])
    }

    #[inline(never)]
    fn mul(&self, other: &Self) -> Self {
        let ([a, b, c], [d, e, f]) = (&self.0, &other.0);
        Self([
            a.mul(d).add(&C::times_xi(&b.mul(f).add(&c.mul(e)))),
            a.mul(e).add(&b.mul(d)).add(&C::times_xi(&c.mul(f))),
            a.mul(f).add(&b.mul(e)).add(&c.mul(d)),
        ])
    }

    /// `self · (first + second·v)`.
    #[inline(never)]
    fn mul_sparse(&self, first: &Fp2<C::Base>, second: &Fp2<C::Base>) -> Self {
        let [a, b, c] = &self.0;
        Self([
            a.mul(first).add(&C::times_xi(&c.mul(second))),
            a.mul(second).add(&b.mul(first)),
            b.mul(second).add(&c.mul(first)),
        ])
    }

    /// `self · v`.
    fn times_v(&self) -> Self {
        let [a, b, c] = &self.0;
        Self([C::times_xi(c), a.clone(), b.clone()])
    }

    fn invert(&self) -> Self {
        let [a, b, c] = &self.0;
        let d = a.square().sub(&C::times_xi(&b.mul(c)));
        let e = C::times_xi(&c.square()).sub(&a.mul(b));
        let f = b.square().sub(&a.mul(c));
        let norm = a.mul(&d).add(&C::times_xi(&c.mul(&e).add(&b.mul(&f))));
        let inverse = Fp2::one().div(&norm);
        Self([d.mul(&inverse), e.mul(&inverse), f.mul(&inverse)])
    }

    fn equals(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a.equals(b))
    }
}

/// `c₀ + c₁·w`, where `w² = v`.
pub(crate) struct Fp12<C: Curve>(Fp6<C>, Fp6<C>);

impl<C: Curve> Clone for Fp12<C> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), self.1.clone())
    }
}

impl<C: Curve> Fp12<C> {
    pub fn one() -> Self {
        Self(Fp6([Fp2::one(), Fp2::zero(), Fp2::zero()]), Fp6::zero())
    }

    pub fn is_one(&self) -> bool {
        let one = Self::one();
        self.0.equals(&one.0) && self.1.equals(&one.1)
    }

    pub fn mul(&self, other: &Self) -> Self {
        let (low, high) = (self.0.mul(&other.0), self.1.mul(&other.1));
        let cross = self.0.add(&self.1).mul(&other.0.add(&other.1));
        Self(low.add(&high.times_v()), cross.sub(&low).sub(&high))
    }

    pub fn square(&self) -> Self {
        // (a + b·w)² = (a + b)(a + v·b) − (1 + v)·ab + 2ab·w
        let product = self.0.mul(&self.1);
        let sum = self.0.add(&self.1).mul(&self.0.add(&self.1.times_v()));
        Self(sum.sub(&product).sub(&product.times_v()), product.add(&product))
    }

    /// `self · (1 + a·w + b·w³)`.
    pub fn mul_line_d(&self, a: &Fp2<C::Base>, b: &Fp2<C::Base>) -> Self {
        let low = self.1.mul_sparse(a, b).times_v().add(&self.0);
        let high = self.0.mul_sparse(a, b).add(&self.1);
        Self(low, high)
    }

    /// `self · (b + a·w² + w³)`.
    pub fn mul_line_m(&self, a: &Fp2<C::Base>, b: &Fp2<C::Base>) -> Self {
        let low = self.0.mul_sparse(b, a).add(&self.1.times_v().times_v());
        let high = self.1.mul_sparse(b, a).add(&self.0.times_v());
        Self(low, high)
    }

    /// The power `p⁶`, and the inverse after the first part of the final exponentiation.
    pub fn conjugate(&self) -> Self {
        Self(self.0.clone(), Fp6::zero().sub(&self.1))
    }

    pub fn invert(&self) -> Self {
        let norm = self.0.mul(&self.0).sub(&self.1.mul(&self.1).times_v());
        let inverse = norm.invert();
        Self(self.0.mul(&inverse), Fp6::zero().sub(&self.1).mul(&inverse))
    }

    /// The power `p`.
    pub fn frobenius(&self) -> Self {
        // The coefficients of wⁱ become their conjugates times γⁱ.
        let gamma = C::gamma();
        let (Fp6([a, b, c]), Fp6([d, e, f])) = (self.clone().0, self.clone().1);
        let mut power = Fp2::one();
        let [a, d, b, e, c, f] = [a, d, b, e, c, f].map(|coefficient| {
            let out = coefficient.conjugate().mul(&power);
            power = power.mul(&gamma);
            out
        });
        Self(Fp6([a, b, c]), Fp6([d, e, f]))
    }

    /// `self²`, where `self` is what the first part of the final exponentiation leaves (Granger and Scott).
    #[inline(never)]
    pub fn square_unit(&self) -> Self {
        // Over Fp⁴ = Fp²[w³] the element is A + B·w² + C·w⁴ and its square 3A² − 2Ā, and so on, since its norm is 1.
        let (Fp6([a, b, c]), Fp6([d, e, f])) = (&self.0, &self.1);
        let (a2, e2) = Self::square_fp4(a, e);
        let (d2, c2) = Self::square_fp4(d, c);
        let (b2, f2) = Self::square_fp4(b, f);
        let less = |square: &Fp2<C::Base>, value: &Fp2<C::Base>| square.sub(value).double().add(square);
        let more = |square: &Fp2<C::Base>, value: &Fp2<C::Base>| square.add(value).double().add(square);
        Self(
            Fp6([less(&a2, a), less(&d2, b), less(&b2, c)]),
            Fp6([more(&C::times_xi(&f2), d), more(&e2, e), more(&c2, f)]),
        )
    }

    /// `(a + b·s)²`, where `s² = ξ`.
    #[inline(always)]
    fn square_fp4(a: &Fp2<C::Base>, b: &Fp2<C::Base>) -> (Fp2<C::Base>, Fp2<C::Base>) {
        (a.square().add(&C::times_xi(&b.square())), a.mul(b).double())
    }

    /// `self` to the power of a constant with few signed digits, for what [`square_unit`](Self::square_unit) takes.
    pub fn power_unit(&self, exponent: u128) -> Self {
        let inverse = self.conjugate();
        let mut out = self.clone();
        for digit in crate::bytes::signed_digits(exponent) {
            out = out.square_unit();
            match digit {
                1 => out = out.mul(self),
                -1 => out = out.mul(&inverse),
                _ => {}
            }
        }
        out
    }
}
