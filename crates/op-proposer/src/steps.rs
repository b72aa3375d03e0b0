//! Transactions that are sent one of a kind at a time.

use crate::rules::{Attempt, StepFailed};
use proofmill_fault::{Jitter, Patience};
use std::{collections::BTreeMap, time::Duration};

/// The longest pause between two tries.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The pause before the next try, in ms.
pub(crate) fn pause(failures: u32, seed: u64) -> u64 {
    let pauses = Patience::pauses(Duration::from_secs(2), LONGEST_PAUSE);
    u64::try_from(pauses.wait(failures, Jitter::of(seed)).as_millis()).unwrap_or(u64::MAX)
}

/// Whether a pause is over, where the longest is so long before it is spread. One of which more is left was begun by a clock that has been
/// put back since: it could last for days, and over restarts where it is written down.
pub(crate) fn pause_is_over(until_ms: u64, now_ms: u64, longest: Duration) -> bool {
    let left = until_ms.saturating_sub(now_ms);
    left == 0 || u128::from(left) > (longest * 5 / 4).as_millis()
}

/// What a failed step says.
pub(crate) fn cause_of(failed: StepFailed) -> String {
    match failed {
        StepFailed::Refused { cause } | StepFailed::Stale { cause } | StepFailed::NotNow { cause } => cause,
        StepFailed::RangesLost(lost) => {
            let lost: Vec<_> =
                lost.iter().map(|one| format!("blocks {}: {}", one.blocks, one.cause)).collect();
            lost.join("; ")
        }
    }
}

/// A step, whose variants are its kinds.
pub(crate) trait Step: Copy + Ord {
    /// Whether what is to be done next of its kind is known only when L1 shows what it did.
    fn must_show(&self) -> bool;
}

#[derive(Clone, Debug, Default)]
struct State {
    under_way: Option<Attempt>,
    /// Included in this block of L1, which is still to be seen.
    included: Option<u64>,
    /// Not before this time, in ms since 1970.
    until: u64,
    failures: u32,
    cause: Option<String>,
}

/// The steps that are under way, or wait.
#[derive(Clone, Debug)]
pub(crate) struct Steps<S>(BTreeMap<S, State>);

impl<S: Step> Steps<S> {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// L1 was seen at a block: what was included until then shows there. What is not wanted any more is forgotten.
    pub(crate) fn seen(&mut self, l1_block: u64, wanted: &[S]) {
        self.0.retain(|step, state| {
            state.included.take_if(|included| *included <= l1_block);
            state.under_way.is_some() || state.included.is_some() || wanted.contains(step)
        });
    }

    /// The first of these steps that is due, where none of them, nor another of its kind, is under way.
    pub(crate) fn begin(&mut self, now_ms: u64, attempt: Attempt, wanted: &[S]) -> Option<S> {
        let kind = std::mem::discriminant(wanted.first()?);
        let of_kind = || self.0.iter().filter(|(step, _)| std::mem::discriminant(*step) == kind);
        if of_kind().any(|(_, state)| state.under_way.is_some()) {
            return None;
        }
        if wanted.first().is_some_and(S::must_show) && of_kind().any(|(_, state)| state.included.is_some()) {
            return None;
        }
        let is_due =
            |state: &State| state.included.is_none() && pause_is_over(state.until, now_ms, LONGEST_PAUSE);
        let due = |step: &&S| self.0.get(step).is_none_or(is_due);
        let step = *wanted.iter().find(due)?;
        self.0.entry(step).or_default().under_way = Some(attempt);
        Some(step)
    }

    /// What came of a step: the L1 block that has it. Whether it was one of these.
    pub(crate) fn ended(&mut self, now_ms: u64, attempt: Attempt, came: Result<u64, StepFailed>) {
        let Some(state) = self.0.values_mut().find(|state| state.under_way == Some(attempt)) else { return };
        state.under_way = None;
        match came {
            Ok(block) => *state = State { included: Some(block), ..State::default() },
            Err(failed) => {
                state.until = now_ms.saturating_add(pause(state.failures, now_ms ^ attempt.0));
                state.failures = state.failures.saturating_add(1);
                state.cause = Some(cause_of(failed));
            }
        }
    }

    /// Steps that failed, and why.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (S, &str)> {
        self.0.iter().filter_map(|(step, state)| Some((*step, state.cause.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_is_longer_than_any_is_over() {
        let longest = Duration::from_secs(60);
        for (until_ms, over) in [(0, true), (10_000, true), (10_001, false), (85_000, false), (85_001, true)]
        {
            assert_eq!(pause_is_over(until_ms, 10_000, longest), over, "{until_ms}");
        }
        assert!(
            (0..100).all(|seed| !pause_is_over(pause(1_000, seed), 0, LONGEST_PAUSE)),
            "as long as it is spread"
        );
    }
}
