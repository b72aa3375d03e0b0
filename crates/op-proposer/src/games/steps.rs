//! Transactions that are sent one of a kind at a time: creating, resolving, claiming.

use super::seen::GameId;
use crate::rules::{Attempt, StepFailed};
use proofmill_fault::{Jitter, Patience};
use std::{collections::BTreeMap, time::Duration};

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The pause before the next try, in ms.
pub(super) fn pause(failures: u32, seed: u64) -> u64 {
    let pauses = Patience::pauses(Duration::from_secs(2), LONGEST_PAUSE);
    u64::try_from(pauses.wait(failures, Jitter::of(seed)).as_millis()).unwrap_or(u64::MAX)
}

/// What a failed step says.
pub(super) fn cause_of(failed: StepFailed) -> String {
    match failed {
        StepFailed::Refused { cause } | StepFailed::Stale { cause } | StepFailed::NotNow { cause } => cause,
        StepFailed::RangesLost(lost) => {
            let lost: Vec<_> =
                lost.iter().map(|one| format!("blocks {}: {}", one.blocks, one.cause)).collect();
            lost.join("; ")
        }
    }
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Create { block: u64, parent: Option<u32> },
    Resolve(GameId),
    Claim(GameId),
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
#[derive(Clone, Debug, Default)]
pub(super) struct Steps(BTreeMap<Step, State>);

impl Steps {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// L1 was seen at a block: what was included until then shows there. What is not wanted any more is forgotten.
    pub(super) fn seen(&mut self, l1_block: u64, wanted: &[Step]) {
        self.0.retain(|step, state| {
            state.included.take_if(|included| *included <= l1_block);
            state.under_way.is_some() || state.included.is_some() || wanted.contains(step)
        });
    }

    /// The first of these steps that is due, where none of them, nor another of its kind, is under way.
    pub(super) fn begin(&mut self, now_ms: u64, attempt: Attempt, wanted: &[Step]) -> Option<Step> {
        let kind = std::mem::discriminant(wanted.first()?);
        let of_kind = || self.0.iter().filter(|(step, _)| std::mem::discriminant(*step) == kind);
        if of_kind().any(|(_, state)| state.under_way.is_some()) {
            return None;
        }
        // The head is another one once the game that was created last shows.
        let creates = matches!(wanted.first(), Some(Step::Create { .. }));
        if creates && of_kind().any(|(_, state)| state.included.is_some()) {
            return None;
        }
        let due = |step: &&Step| self.0.get(step).is_none_or(|s| s.included.is_none() && s.until <= now_ms);
        let step = *wanted.iter().find(due)?;
        self.0.entry(step).or_default().under_way = Some(attempt);
        Some(step)
    }

    /// What came of a step: the L1 block that has it. Whether it was one of these.
    pub(super) fn ended(&mut self, now_ms: u64, attempt: Attempt, came: Result<u64, StepFailed>) {
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
    pub(super) fn problems(&self) -> impl Iterator<Item = (Step, &str)> {
        self.0.iter().filter_map(|(step, state)| Some((*step, state.cause.as_deref()?)))
    }
}
