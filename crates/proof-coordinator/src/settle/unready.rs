//! The proofs that cannot be made ready for L1 now, and why: their attestors are away, say, or the rules of their batch ask for others.

use crate::rules::PERSISTENT;
use proofmill_ledger::Timestamp;
use proofmill_primitives::{CheckpointNumber, ProverType};
use std::{collections::BTreeMap, time::Duration};

type Key = (CheckpointNumber, ProverType);

/// Those of a settler.
#[derive(Debug, Default)]
pub(super) struct Unready(BTreeMap<Key, Why>);

#[derive(Debug)]
struct Why {
    since: Timestamp,
    times: u32,
    cause: String,
}

impl Unready {
    /// One could not be made ready again; how often in a row by now, and whether it is the first that settlement waits for.
    pub(super) fn add(&mut self, now: Timestamp, key: Key, cause: String) -> (u32, bool) {
        let why = self.0.entry(key).or_insert(Why { since: now, times: 0, cause: String::new() });
        (why.times, why.cause) = (why.times.saturating_add(1), cause);
        let times = why.times;
        (times, self.0.first_key_value().is_none_or(|(first, _)| *first == key))
    }

    /// It is ready, or nobody tries any more.
    pub(super) fn end(&mut self, key: Key) {
        self.0.remove(&key);
    }

    fn persistent(&self) -> impl Iterator<Item = (&Key, &Why)> {
        self.0.iter().filter(|(_, why)| why.times >= PERSISTENT)
    }

    /// How many there are, and for how long the one that is tried the longest.
    pub(super) fn standing(&self, now: Timestamp) -> (usize, Duration) {
        let longest = self.persistent().map(|(_, why)| now.since(why.since)).max();
        (self.persistent().count(), longest.unwrap_or_default())
    }

    /// The first of them, for an operator.
    pub(super) fn problem(&self, now: Timestamp) -> Option<String> {
        let ((number, prover), why) = self.persistent().next()?;
        let (cause, for_s) = (&why.cause, now.since(why.since).as_secs());
        let more = match self.persistent().count() - 1 {
            0 => String::new(),
            more => format!(" ({more} more proofs wait like it)"),
        };
        Some(format!(
            "batch {number} is not settled, and no batch after it: its {prover} proof is there, and could not be made ready for L1 for \
             {for_s} s: {cause}{more}"
        ))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_fails_again_and_again_is_a_problem_and_told_once_for_all() {
        let (mut unready, at) = (Unready::default(), Timestamp::from_secs);
        let key = |number: u64| (CheckpointNumber(number), ProverType::Exec);
        let away = || "its attestors are away".to_owned();
        assert_eq!(unready.add(at(10), key(5), away()), (1, true));
        assert_eq!(unready.add(at(11), key(4), away()), (1, true));
        assert_eq!(unready.add(at(12), key(5), away()), (2, false));
        assert_eq!((unready.problem(at(12)), unready.standing(at(12))), (None, (0, Duration::ZERO)));
        for key in [key(4), key(4), key(5)] {
            unready.add(at(14), key, away());
        }
        assert_eq!(unready.standing(at(70)), (2, Duration::from_secs(60)));
        let said = unready.problem(at(70)).unwrap();
        assert!(said.starts_with("batch 4 is not settled") && said.contains("for 59 s"), "{said}");
        assert!(said.contains("its attestors are away (1 more proofs wait like it)"), "{said}");
        for number in [4, 5] {
            unready.end(key(number));
        }
        assert_eq!(unready.problem(at(80)), None);
    }
}
