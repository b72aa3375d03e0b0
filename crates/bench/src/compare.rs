//! Two runs beside each other: how much they differ, and whether that is more than their noise.

use crate::{Report, stats};
use std::{collections::BTreeSet, fmt};

/// With fewer proofs of one kind than this an interval says nothing.
pub const FEWEST: usize = 5;

/// How two runs compare by one kind of proof.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Which, as [`Row::kind`](crate::Row::kind) names it.
    pub kind: String,
    /// Proofs of the first run, and of the second.
    pub proofs: [usize; 2],
    /// Whether times are by gas: where the gas of every batch is known, so that other loads do not count as other speeds.
    pub by_gas: bool,
    /// The second run's median by the first's, and the interval that has it in 19 of 20 cases; of too few proofs both say nothing.
    pub ratio: Option<(f64, [f64; 2])>,
}

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The interval has 1 in it.
    Noise,
    /// The second run is faster.
    Faster,
    /// The second run is slower.
    Slower,
    /// One of them has fewer than [`FEWEST`] proofs of the kind.
    TooFew,
}

impl Comparison {
    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        match self.ratio {
            Some((_, [_, high])) if self.is_enough() && high < 1.0 => Verdict::Faster,
            Some((_, [low, _])) if self.is_enough() && low > 1.0 => Verdict::Slower,
            Some(_) if self.is_enough() => Verdict::Noise,
            _ => Verdict::TooFew,
        }
    }

    fn is_enough(&self) -> bool {
        self.proofs.iter().all(|proofs| *proofs >= FEWEST)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, proofs: [a, b], by_gas, ratio } = self;
        let unit = if *by_gas { "time by gas" } else { "time" };
        write!(f, "{kind}: {a} and {b} proofs")?;
        if let Some((ratio, [low, high])) = ratio.filter(|_| self.is_enough()) {
            let percent = |ratio: f64| (ratio - 1.0) * 100.0;
            let (least, most) = (percent(low), percent(high));
            write!(
                f,
                ", median {unit} {:+.1} % ({least:+.1} to {most:+.1} % in 19 of 20 cases)",
                percent(ratio)
            )?;
        }
        let verdict = match self.verdict() {
            Verdict::Noise => "noise: no difference is shown",
            Verdict::Faster => "the second is faster",
            Verdict::Slower => "the second is slower",
            Verdict::TooFew => "too few proofs to tell: five of each run are needed",
        };
        write!(f, ": {verdict}")
    }
}

/// Compares two runs by every kind of proof that both have.
pub fn compare(a: &Report, b: &Report) -> Vec<Comparison> {
    let kinds = |report: &Report| report.summaries.keys().cloned().collect::<BTreeSet<_>>();
    let both: Vec<String> = kinds(a).intersection(&kinds(b)).cloned().collect();
    both.into_iter()
        .map(|kind| {
            let by_gas = a.has_gas(&kind) && b.has_gas(&kind);
            let (first, second) = (a.costs(&kind, by_gas), b.costs(&kind, by_gas));
            Comparison {
                proofs: [first.len(), second.len()],
                ratio: stats::ratio(&first, &second),
                by_gas,
                kind,
            }
        })
        .collect()
}
