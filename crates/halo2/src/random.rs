//! Scalars that nobody can foresee: rows and polynomials that keep a proof from telling its witness.

use halo2_base::halo2_proofs::{
    arithmetic::parallelize,
    halo2curves::{bn256::Fr, ff::FromUniformBytes},
};

/// Bytes of which a scalar is made: so many that none is likelier than another.
const WIDE: usize = 64;

/// BLAKE3's output for a seed of the system's.
pub(crate) struct Random(blake3::OutputReader);

impl Random {
    pub(crate) fn new() -> Self {
        Self(blake3::Hasher::new_keyed(&rand::random()).finalize_xof())
    }

    pub(crate) fn scalar(&mut self) -> Fr {
        let mut bytes = [0; WIDE];
        self.0.fill(&mut bytes);
        Fr::from_uniform_bytes(&bytes)
    }

    pub(crate) fn fill(&mut self, values: &mut [Fr]) {
        let begin = self.0.position();
        let reader = &self.0;
        parallelize(values, |values, start| {
            let mut own = Self(reader.clone());
            own.0.set_position(begin + (start * WIDE) as u64);
            values.fill_with(|| own.scalar());
        });
        self.0.set_position(begin + (values.len() * WIDE) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_scalar_comes_twice() {
        let mut random = Random::new();
        let mut scalars = vec![random.scalar()];
        for len in [0, 1, 7, 100] {
            let mut values = vec![Fr::zero(); len];
            random.fill(&mut values);
            scalars.append(&mut values);
            scalars.push(random.scalar());
        }
        assert_eq!(scalars.iter().collect::<BTreeSet<_>>().len(), scalars.len());
        // Another one has others.
        assert!(!scalars.contains(&Random::new().scalar()));
    }

    #[test]
    fn many_are_the_same_as_one_after_the_other() {
        let mut random = Random::new();
        let (mut single, mut many) = (Random(random.0.clone()), vec![Fr::zero(); 50]);
        random.fill(&mut many);
        assert!(many.iter().all(|value| *value == single.scalar()));
        assert_eq!(random.scalar(), single.scalar());
    }
}
