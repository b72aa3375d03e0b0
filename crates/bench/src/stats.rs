//! Figures over figures.

use serde::{Deserialize, Serialize};

/// What some figures are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// The arithmetic mean.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// The middle one, or the mean of both.
    pub median: f64,
    /// Nineteen of twenty are at most this (nearest rank).
    pub p95: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of no figures, all are zero.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else { return Self::default() };
        let count = sorted.len();
        let rank = (count * 95).div_ceil(100).max(1);
        Self {
            count,
            mean: sorted.iter().sum::<f64>() / count as f64,
            min: *min,
            median: median(&sorted),
            p95: sorted[rank - 1],
            max: *max,
        }
    }
}

/// Of sorted figures, of which there is at least one.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 }
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same draws each time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// How many samples are drawn.
const SAMPLES: usize = 4_000;

/// The ratio of the medians of `b` and `a`, and an interval that has it in 19 of 20 cases: the bootstrap's, by percentiles (Efron
/// 1979). Nothing where either has no figures, or the first one that is not above zero.
pub(crate) fn ratio(a: &[f64], b: &[f64]) -> Option<(f64, [f64; 2])> {
    let medians = |figures: &[f64], draws: &mut Draws| {
        let mut drawn: Vec<f64> = (0..figures.len()).map(|_| figures[draws.below(figures.len())]).collect();
        drawn.sort_by(f64::total_cmp);
        median(&drawn)
    };
    let sorted = |figures: &[f64]| {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    if a.is_empty() || b.is_empty() || a.iter().any(|figure| *figure <= 0.0) {
        return None;
    }
    let ratio = median(&sorted(b)) / median(&sorted(a));
    let mut draws = Draws(1);
    let mut ratios: Vec<f64> =
        (0..SAMPLES).map(|_| medians(b, &mut draws) / medians(a, &mut draws)).collect();
    ratios.sort_by(f64::total_cmp);
    Some((ratio, [ratios[SAMPLES / 40], ratios[SAMPLES - 1 - SAMPLES / 40]]))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.count, spread.mean, spread.min, spread.median), (4, 2.5, 1.0, 2.5));
        assert_eq!((spread.p95, spread.max), (4.0, 4.0));
        assert_eq!(Spread::of((1..=100).map(f64::from)).p95, 95.0);
        assert_eq!(Spread::of([]), Spread::default());
        let one = Spread::of([3.0]);
        assert_eq!(
            (one.count, one.mean, one.min, one.median, one.p95, one.max),
            (1, 3.0, 3.0, 3.0, 3.0, 3.0)
        );
        let two = Spread::of([5.0, 3.0]);
        assert_eq!((two.mean, two.min, two.median, two.p95, two.max), (4.0, 3.0, 4.0, 5.0, 5.0));
        // The nineteenth of twenty, and of twenty-one the twentieth.
        assert_eq!(Spread::of((1..=20).map(f64::from)).p95, 19.0);
        assert_eq!(Spread::of((1..=21).map(f64::from)).p95, 20.0);
    }

    #[test]
    fn an_interval_has_the_ratio_and_narrows() {
        let noisy = |from: f64| (0..30).map(|i| from + f64::from(i * 7 % 13)).collect::<Vec<_>>();
        let (ratio, [low, high]) = super::ratio(&noisy(100.0), &noisy(200.0)).unwrap();
        assert!(low <= ratio && ratio <= high && low > 1.5 && high < 2.2, "{low} {ratio} {high}");
        let (_, [low, high]) = super::ratio(&noisy(100.0), &noisy(100.0)).unwrap();
        assert!(low < 1.0 && high > 1.0 || low == 1.0 || high == 1.0, "{low} {high}");
        let none: [(&[f64], &[f64]); 4] = [(&[], &[1.0]), (&[1.0], &[]), (&[], &[]), (&[0.0, 1.0], &[1.0])];
        for (a, b) in none {
            assert_eq!(super::ratio(a, b), None);
        }
        assert_eq!(super::ratio(&[2.0], &[3.0]), Some((1.5, [1.5, 1.5])));
        let (ratio, [low, high]) = super::ratio(&[1.0, 3.0], &[2.0, 6.0]).unwrap();
        assert_eq!((ratio, low, high), (2.0, 2.0 / 3.0, 6.0));
    }
}
