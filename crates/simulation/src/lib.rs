//! What the simulations of rules share. A run follows from its seed alone: [`Rng`] throws the dice, and the [`story!`] tells what
//! happened, so that two runs can be compared and many added up.
//!
//! ```
//! proofmill_simulation::story! { rolls, sixes }
//!
//! fn run(seed: u64) -> Story {
//!     let (mut rng, mut story) = (proofmill_simulation::Rng::new(seed), Story::default());
//!     for _ in 0..100 {
//!         story.rolls += 1;
//!         story.sixes += u64::from(rng.between(1, 6) == 6);
//!     }
//!     story
//! }
//! assert_eq!(run(7), run(7));
//! let mut total = run(1);
//! total.add(&run(2));
//! assert_eq!(total.counts()[0], ("rolls", 200));
//! ```

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The numbers that follow from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`; 0 where that is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        let bound = if bound == 0 { 1 } else { bound };
        self.next() % bound
    }

    /// From `low` to `high`, both included.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True in so many of a hundred cases.
    pub const fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of these; nothing where there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len() as u64) as usize)
    }
}

/// Makes a `Story`: how often things happened in a run.
#[macro_export]
macro_rules! story {
    ($($field:ident),* $(,)?) => {
        /// What happened, to compare two runs and to see that the runs are not trivial.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Story {
            /// A hash of all that was done.
            pub(crate) digest: u64,
            $(pub(crate) $field: u64,)*
        }

        impl Story {
            /// Adds what happened in another run.
            pub(crate) fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// How often each thing happened.
            pub(crate) fn counts(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field),)*]
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference implementation from seed 0.
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut rng = Rng::new(0);
        let first = [(); 3].map(|()| rng.next());
        assert_eq!(first, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn what_is_drawn_stays_in_its_bounds() {
        let mut rng = Rng::new(1);
        let mut seen = [0; 4];
        for _ in 0..1_000 {
            seen[rng.below(4) as usize] += 1;
            assert!((3..=5).contains(&rng.between(3, 5)) && rng.below(0) == 0);
            assert!(!rng.percent(0) && rng.percent(100));
            assert_eq!(rng.pick::<u8>(&[]), None);
            assert_eq!(rng.pick(&[7]), Some(&7));
        }
        assert!(seen.iter().all(|times| *times > 150), "{seen:?}");
    }
}
