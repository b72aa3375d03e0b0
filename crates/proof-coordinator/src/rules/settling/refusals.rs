//! How often the proofs of batches were refused, and when the next ones are made. It is known over restarts: each change is a note
//! for the next process.

use super::{Discard, after, until};
use alloy_primitives::B256;
use proofmill_fault::{Jitter, Patience};
use proofmill_ledger::Timestamp;
use proofmill_primitives::{CheckpointNumber, ProverType};
use std::{collections::BTreeMap, time::Duration};

/// The pauses before a proof is made anew that was made anew before.
const ANEW: Patience = Patience::pauses(Duration::from_secs(60), Duration::from_secs(1_800));
/// The longest, with what spreads it.
const LONGEST: Duration = Duration::from_secs(2_250);
/// The most characters of a cause that are kept.
const CAUSE: usize = 500;

/// A batch, for proofs of a type. Another batch may come with the same number: `content` says which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProofOf {
    /// Its number.
    pub number: CheckpointNumber,
    /// Which one.
    pub content: B256,
    /// The prover type.
    pub prover: ProverType,
}

/// What is known of the refused proofs of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How many they were.
    pub times: u32,
    /// Why the last one was.
    pub cause: String,
    /// The next one is made from then on.
    pub again_at: Timestamp,
    /// A hash of the last one, until its evidence is kept and it is deleted.
    pub remains: Option<B256>,
}

/// What the next process is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalNote {
    /// Another one was refused.
    Refused(ProofOf, Refused),
    /// It is of no interest any more.
    Forgotten(ProofOf),
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals {
    known: BTreeMap<ProofOf, Refused>,
    notes: Vec<RefusalNote>,
}

impl Refusals {
    /// What an earlier process knew.
    pub(super) fn restore(&mut self, before: impl IntoIterator<Item = (ProofOf, Refused)>) {
        self.known.extend(before);
    }

    /// Another one is refused.
    pub(super) fn refuse(&mut self, now: Timestamp, of: ProofOf, cause: String, jitter: Jitter) -> Discard {
        let times = self.known.get(&of).map_or(1, |before| before.times.saturating_add(1));
        // One may have been damaged, or made by a prover that was broken.
        let wait = if times == 1 { Duration::ZERO } else { ANEW.wait(times - 1, jitter) };
        let kept = cause.chars().take(CAUSE).collect();
        let refused = Refused { times, cause: kept, again_at: after(now, wait), remains: None };
        self.notes.push(RefusalNote::Refused(of, refused.clone()));
        self.known.insert(of, refused);
        Discard { number: of.number, prover: of.prover, cause, times, after: wait }
    }

    /// The last one has this hash, and is still there; or it is not any more.
    pub(super) fn set_remains(&mut self, of: &ProofOf, remains: Option<B256>) {
        if let Some(refused) = self.known.get_mut(of).filter(|refused| refused.remains != remains) {
            refused.remains = remains;
            self.notes.push(RefusalNote::Refused(*of, refused.clone()));
        }
    }

    /// What was decided of a proof with this hash, if it is the last one that was refused and is still there.
    pub(super) fn remaining(&self, now: Timestamp, of: &ProofOf, proof: B256) -> Option<Discard> {
        let Refused { times, cause, .. } =
            self.known.get(of).filter(|refused| refused.remains == Some(proof))?;
        let (cause, after) = (cause.clone(), self.pause(now, of));
        Some(Discard { number: of.number, prover: of.prover, cause, times: *times, after })
    }

    /// Batches are settled, or gone.
    pub(super) fn forget(&mut self, is_gone: impl Fn(&ProofOf) -> bool) {
        for (of, _) in self.known.extract_if(.., |of, _| is_gone(of)) {
            self.notes.push(RefusalNote::Forgotten(of));
        }
    }

    /// How long it is yet until the next one is made.
    pub(super) fn pause(&self, now: Timestamp, of: &ProofOf) -> Duration {
        let left = self.known.get(of).and_then(|refused| until(now, refused.again_at));
        // More is left only where the clock went back.
        left.map_or(Duration::ZERO, |left| left.min(LONGEST))
    }

    /// Those that were made anew, and refused again.
    pub(super) fn failing(&self) -> impl Iterator<Item = (&ProofOf, &Refused)> {
        self.known.iter().filter(|(_, refused)| refused.times > 1)
    }

    pub(super) fn take_notes(&mut self) -> Vec<RefusalNote> {
        std::mem::take(&mut self.notes)
    }
}
