//! What provers said of a batch that they could not prove.
//!
//! One policy decides (`proofmill-fault`), with one thing added: a prover's word is only a word. That a batch can never be
//! proven counts when two provers say so, or one says so again and again.

use super::batch::ProverName;
use proofmill_fault::{Code, Decision, Event, Fault, History, Jitter, Patience};
use proofmill_ledger::Timestamp;
use std::collections::BTreeSet;

/// So many final words count, whoever says them.
const WORDS: u32 = 4;

#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    history: History,
    /// Who says that it can never be proven.
    never: BTreeSet<ProverName>,
    words: u32,
}

impl Failures {
    /// A prover failed; whether the batch is given up.
    pub(super) fn add(&mut self, now: Timestamp, by: &ProverName, fault: &Fault) -> bool {
        // A verdict without a reason is no more than a word either.
        if fault.code.is_final() || fault.code == Code::Dismissed {
            self.words = self.words.saturating_add(1);
            // A few are enough to count to two.
            if self.never.len() < 2 {
                self.never.insert(by.clone());
            }
            return self.never.len() >= 2 || self.words >= WORDS;
        }
        let event = Event {
            fault,
            worker: Some(by.as_str()),
            now_ms: now.as_millis(),
            others: false,
            jitter: Jitter::NONE,
        };
        Patience::default().decide(&mut self.history, event) == Decision::GiveUp
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_liar_gives_up_nothing_at_once() {
        let name = |name: &str| ProverName::new(name).unwrap();
        let now = Timestamp::from_secs(7);
        let limit = Fault::new(Code::CycleLimit, "it ran past its limit");
        let mut failures = Failures::default();
        for _ in 1..WORDS {
            assert!(!failures.add(now, &name("liar"), &limit));
        }
        assert!(failures.add(now, &name("liar"), &limit), "nobody else takes it");
        let mut failures = Failures::default();
        assert!(!failures.add(now, &name("liar"), &limit));
        assert!(failures.add(now, &name("honest"), &limit));
        let dismissed = Fault::new(Code::Dismissed, "no");
        assert!(!Failures::default().add(now, &name("liar"), &dismissed));
        // What is nobody's fault counts for nothing, however often.
        let mut failures = Failures::default();
        let away = Fault::new(Code::StoreAway, "its disk is full");
        assert!((0..50).all(|_| !failures.add(now, &name("a"), &away)));
        let failed = Fault::new(Code::ProverFailed, "it panicked");
        assert_eq!((0..4).filter(|_| failures.add(now, &name("a"), &failed)).count(), 1);
    }
}
