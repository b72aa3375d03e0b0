//! What holds the node up without a line of its own in the log: said when it begins, and again from time to time while it lasts.

use crate::rules::{Problem, Time};
use std::{collections::BTreeMap, time::Duration};

/// The same is not said again before.
const AGAIN: Duration = Duration::from_secs(300);

/// When each kind of problem was said last. Those that come and go are said no more often than those that last.
#[derive(Debug, Default)]
pub(super) struct Said(BTreeMap<&'static str, Time>);

impl Said {
    /// Those that are to be said now.
    pub(super) fn due<'p>(&mut self, now: Time, problems: &'p [Problem]) -> Vec<&'p Problem> {
        let mut due = Vec::new();
        for problem in problems {
            let Some(kind) = kind(problem) else { continue };
            if self.0.get(kind).is_none_or(|said| now.since(*said) >= AGAIN) {
                self.0.insert(kind, now);
                due.push(problem);
            }
        }
        due
    }
}

/// What is said once for all of its kind; nothing where the rules report it by themselves.
const fn kind(problem: &Problem) -> Option<&'static str> {
    match problem {
        Problem::L1Lost { .. } => Some("L1 lost"),
        Problem::ChainHeldUp { .. } => Some("chain"),
        Problem::L1Old { .. } => Some("L1 old"),
        Problem::L1Ahead { .. } => Some("L1 ahead"),
        Problem::RangeHeldUp { .. } => Some("range"),
        Problem::RootHeldUp { .. } => Some("root"),
        Problem::CheckpointFailed { .. }
        | Problem::SessionStopped { .. }
        | Problem::PublishHeldUp { .. }
        | Problem::PruneHeldUp { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_now_and_then_and_what_is_reported_is_not() {
        let lost = |cause: &str| Problem::L1Lost { cause: cause.to_owned() };
        let old = Problem::L1Old { behind_seconds: 121 };
        let reported = Problem::PublishHeldUp { cause: "dear gas".to_owned() };
        let mut said = Said::default();
        let mut at = |seconds: u64, problems: &[Problem]| -> Vec<String> {
            let due = said.due(Time::from_millis(seconds * 1_000), problems);
            due.into_iter().map(ToString::to_string).collect()
        };
        assert_eq!(at(1, &[lost("a"), reported.clone()]), [lost("a").to_string()]);
        assert_eq!(at(2, &[lost("b"), old.clone(), reported.clone()]), [old.to_string()]);
        // One that comes and goes.
        assert_eq!(at(3, &[]), [""; 0]);
        assert_eq!(at(300, &[lost("c"), reported]), [""; 0]);
        assert_eq!(at(301, &[lost("d"), old]), [lost("d").to_string()]);
    }
}
