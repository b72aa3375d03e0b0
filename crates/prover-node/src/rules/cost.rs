//! What a range costs: how many instructions it may take, and what is worth a word.

use super::{Origin, RangeDone};
use proofmill_primitives::ProverType;
use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

/// A range may take so many times as many instructions as the fastest proof so far would have taken in the time that there
/// is: proofs share a cluster, and short ones say little of long ones.
const SLACK: u64 = 10;
/// Instructions per second, before any proof was made.
const ASSUMED_SPEED: u64 = 1_000_000;
/// No range of fewer instructions is refused: a block of 30 million gas that costs 30 instructions per gas.
const ALWAYS_ALLOWED: u64 = 1_000_000_000;
/// What took less says nothing of how fast proofs are made.
const TELLING: Duration = Duration::from_secs(1);
/// Nor does what has fewer instructions: it is cut into so few segments that most of a fleet has none of them.
const TELLING_INSTRUCTIONS: u64 = 10_000_000;
/// Of fewer proofs even the fastest one may have waited for most of its time, for a worker, a store or keys: they do not lower what is
/// assumed.
const TELLING_PROOFS: u32 = 4;

/// What an operator decides about the cost of ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostRules {
    /// A range of more instructions per gas is warned of.
    pub warn_above: u64,
    /// The most instructions of a range. Without it, the limit follows from the time that there is and the speed of the proofs
    /// so far, where there are enough to tell.
    pub cycle_limit: Option<NonZeroU64>,
    /// How long one proof may take.
    pub time: Duration,
}

impl Default for CostRules {
    /// Warns above 60 instructions per gas: 15 times what transfers cost. A proof may take four hours.
    fn default() -> Self {
        Self { warn_above: 60, cycle_limit: None, time: Duration::from_secs(14_400) }
    }
}

impl CostRules {
    /// The most instructions of a range, given the speed of the fastest proof so far and how long an epoch may be proven.
    pub(crate) fn limit(&self, speed: Option<u64>, window: Duration) -> NonZeroU64 {
        let seconds = self.time.min(window).as_secs();
        let affordable = speed.unwrap_or(ASSUMED_SPEED).saturating_mul(SLACK).saturating_mul(seconds);
        let limit = NonZeroU64::new(affordable.max(ALWAYS_ALLOWED)).unwrap_or(NonZeroU64::MAX);
        self.cycle_limit.unwrap_or(limit)
    }
}

/// The speed of the fastest proof of each type so far, in instructions per second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Speeds(BTreeMap<ProverType, Speed>);

#[derive(Clone, Copy, Debug, Default)]
struct Speed {
    fastest: u64,
    /// How many proofs it is the fastest of.
    of: u32,
}

impl Speeds {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Nothing where too little is known to go by.
    pub(crate) fn get(&self, prover: ProverType) -> Option<u64> {
        let Speed { fastest, of } = *self.0.get(&prover)?;
        (fastest > ASSUMED_SPEED || of >= TELLING_PROOFS).then_some(fastest)
    }

    pub(crate) fn learn(&mut self, prover: ProverType, done: &RangeDone) {
        let Some(instructions) = done.cost.instructions else { return };
        let tells = done.cost.took >= TELLING && instructions.0 >= TELLING_INSTRUCTIONS;
        if done.origin != Origin::Made || !tells {
            return;
        }
        let millis = u64::try_from(done.cost.took.as_millis()).unwrap_or(u64::MAX);
        let speed = instructions.0.saturating_mul(1_000) / millis.max(1);
        let Speed { fastest, of } = self.0.entry(prover).or_default();
        (*fastest, *of) = (speed.max(*fastest), of.saturating_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Executed, ProofCost};
    use proofmill_primitives::Instructions;

    fn done(instructions: u64, millis: u64, origin: Origin) -> RangeDone {
        let took = Duration::from_millis(millis);
        let cost = ProofCost { instructions: Some(Instructions(instructions)), segments: None, took };
        RangeDone { executed: Executed { gas_used: 1_000, transactions: 1 }, proof_bytes: 1, cost, origin }
    }

    #[test]
    fn the_limit_follows_from_the_time_and_the_fastest_proof() {
        let (rules, window) = (CostRules::default(), Duration::from_secs(7_200));
        let mut speeds = Speeds::new();
        let limit = |speeds: &Speeds| rules.limit(speeds.get(ProverType::OpenVm), window).get();
        assert_eq!(limit(&speeds), 1_000_000 * 10 * 7_200);
        for _ in 0..4 {
            speeds.learn(ProverType::OpenVm, &done(30_000_000, 200_000, Origin::Made));
        }
        assert_eq!(limit(&speeds), 150_000 * 10 * 7_200);
        // A slower one, one that was found, one that took no time, and one of another type teach nothing.
        speeds.learn(ProverType::OpenVm, &done(1_000_000, 200_000, Origin::Made));
        speeds.learn(ProverType::OpenVm, &done(90_000_000, 200_000, Origin::Reused));
        speeds.learn(ProverType::OpenVm, &done(90_000_000, 10, Origin::Made));
        speeds.learn(ProverType::Sp1, &done(90_000_000, 200_000, Origin::Made));
        assert_eq!(limit(&speeds), 150_000 * 10 * 7_200);
        // The time for one proof is less than the window.
        let hasty = CostRules { time: Duration::from_secs(1_000), ..rules };
        assert_eq!(hasty.limit(Some(150_000), window).get(), 150_000 * 10 * 1_000);
        // What an operator names counts, and what any prover can do is never refused.
        assert_eq!(CostRules { cycle_limit: NonZeroU64::new(7), ..rules }.limit(None, window).get(), 7);
        assert_eq!(hasty.limit(Some(10), window).get(), ALWAYS_ALLOWED);
        assert_eq!(rules.limit(Some(u64::MAX), window).get(), u64::MAX);
    }

    /// A limit that is too low stops the rollup for a block that could be proven; one that is too high costs a try.
    #[test]
    fn neither_small_proofs_nor_a_few_slow_ones_lower_the_limit() {
        let (rules, window) = (CostRules::default(), Duration::from_secs(7_200));
        let assumed = rules.limit(None, window);
        let mut speeds = Speeds::new();
        let mut learn = |instructions, millis| {
            speeds.learn(ProverType::OpenVm, &done(instructions, millis, Origin::Made));
            rules.limit(speeds.get(ProverType::OpenVm), window)
        };
        // The blocks of a chain on which nothing happens, on a fleet that is idle for most of their time.
        for _ in 0..100 {
            assert_eq!(learn(1_000_000, 60_000), assumed);
        }
        // The first ones waited for keys, for workers, and for a store.
        for _ in 0..3 {
            assert_eq!(learn(30_000_000, 3_600_000), assumed);
        }
        assert_eq!(learn(30_000_000, 60_000).get(), 500_000 * 10 * 7_200);
        // What raises it counts at once.
        let mut fast = Speeds::new();
        fast.learn(ProverType::OpenVm, &done(30_000_000, 10_000, Origin::Made));
        let raised = rules.limit(fast.get(ProverType::OpenVm), window);
        assert_eq!(raised.get(), 3_000_000 * 10 * 7_200);
    }

    #[test]
    fn the_cost_per_gas_is_rounded_up_and_unknown_where_nothing_is_counted() {
        assert_eq!(done(60_001, 1, Origin::Made).per_gas(), Some(61));
        assert_eq!(done(0, 1, Origin::Made).per_gas(), None);
        let mut empty = done(60_001, 1, Origin::Made);
        empty.executed.gas_used = 0;
        assert_eq!(empty.per_gas(), None);
    }
}
