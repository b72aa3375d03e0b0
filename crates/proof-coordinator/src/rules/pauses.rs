//! Whose word counts for nothing for a while.
//!
//! A prover whose proof was refused, or that failed, is given nothing and heard about nothing until a pause is over, which
//! grows from 1 s to a minute while that goes on. So a broken one leaves its batch to others, and one that hands in garbage
//! for hours costs the check of one proof a minute. A proof that holds ends it.

use super::batch::ProverName;
use proofmill_fault::{Jitter, Patience};
use proofmill_ledger::Timestamp;
use std::{collections::BTreeMap, time::Duration};

/// How long the pauses are.
const PAUSES: Patience = Patience::pauses(Duration::from_secs(1), Duration::from_secs(60));
/// The longest, with what spreads it.
const LONGEST: Duration = Duration::from_secs(75);
/// Of how many provers it is remembered. Who invents names has no more of it than that.
const REMEMBERED: usize = 1_024;

/// The pauses of provers.
#[derive(Clone, Debug, Default)]
pub struct Pauses(BTreeMap<ProverName, Pause>);

#[derive(Clone, Copy, Debug)]
struct Pause {
    faults: u32,
    until: Timestamp,
}

impl Pauses {
    /// Another fault in a row: how long the prover has to wait now.
    pub fn fault(&mut self, now: Timestamp, by: &ProverName) -> Duration {
        let faults = self.0.get(by).map_or(1, |pause| pause.faults.saturating_add(1));
        let seed = by
            .as_str()
            .bytes()
            .fold(u64::from(faults), |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let wait = PAUSES.wait(faults, Jitter::of(seed));
        if !self.0.contains_key(by) && self.0.len() >= REMEMBERED {
            let first = self.0.iter().min_by_key(|(_, pause)| pause.until).map(|(name, _)| name.clone());
            first.map(|name| self.0.remove(&name));
        }
        let until = Timestamp::from_millis(now.as_millis().saturating_add(millis(wait)));
        self.0.insert(by.clone(), Pause { faults, until });
        wait
    }

    /// How long the prover has to wait yet, if at all.
    pub fn remaining(&self, now: Timestamp, by: &ProverName) -> Option<Duration> {
        let until = self.0.get(by)?.until.as_millis();
        let left = Duration::from_millis(until.checked_sub(now.as_millis()).filter(|left| *left > 0)?);
        // More is left only where the clock went back.
        Some(left.min(LONGEST))
    }

    /// It did well.
    pub fn end(&mut self, by: &ProverName) {
        self.0.remove(by);
    }

    /// The clock went back: nobody waits longer for that.
    pub fn clock_went_back(&mut self, now: Timestamp) {
        let latest = now.as_millis().saturating_add(millis(LONGEST));
        for pause in self.0.values_mut() {
            pause.until = pause.until.min(Timestamp::from_millis(latest));
        }
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let (mut pauses, by) = (Pauses::default(), ProverName::new("a").unwrap());
        let now = Timestamp::from_secs(1_000);
        let first = pauses.fault(now, &by);
        assert!((750..=1_250).contains(&first.as_millis()), "{first:?}");
        assert_eq!(pauses.remaining(now, &by), Some(Duration::from_millis(millis(first))));
        assert_eq!(pauses.remaining(Timestamp::from_secs(1_002), &by), None);
        for _ in 0..20 {
            pauses.fault(now, &by);
        }
        let long = pauses.remaining(now, &by).unwrap();
        assert!((45..=75).contains(&long.as_secs()), "{long:?}");
        pauses.clock_went_back(Timestamp::from_secs(10));
        assert!(pauses.remaining(Timestamp::from_secs(86), &by).is_none(), "the clock went back");
        pauses.end(&by);
        assert!(pauses.fault(now, &by) < Duration::from_secs(2));
    }

    #[test]
    fn invented_names_take_a_bounded_place() {
        let mut pauses = Pauses::default();
        for number in 0..5_000 {
            pauses.fault(Timestamp::from_millis(number), &ProverName::new(format!("p{number}")).unwrap());
        }
        assert_eq!(pauses.0.len(), REMEMBERED);
        assert!(pauses.0.contains_key(&ProverName::new("p4999").unwrap()));
    }
}
