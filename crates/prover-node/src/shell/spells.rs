//! How long sessions and checkpoints are in each of their states.

use crate::rules::{Change, SessionId, Time};
use proofmill_primitives::{CheckpointId, CheckpointNumber};
use std::{collections::BTreeMap, time::Duration};

/// So many checkpoints are followed: those that are settled by others before they are proven are not told of.
const MOST: usize = 4_096;
const PROVING: &str = "proving";
const STOPPED: &str = "stopped";

/// A state that was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spell {
    pub(super) of: Of,
    /// Its name.
    pub(super) state: &'static str,
    /// From when it was entered.
    pub(super) lasted: Duration,
}

/// What was in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Session,
    Checkpoint,
}

/// The states that last, and since when.
#[derive(Debug, Default)]
pub(super) struct Spells {
    sessions: BTreeMap<SessionId, (Time, &'static str)>,
    checkpoints: BTreeMap<CheckpointId, (Time, &'static str)>,
}

impl Spells {
    /// Takes a change in; gives the state that it ended, if it ended one.
    pub(super) fn changed(&mut self, now: Time, change: &Change) -> Option<Spell> {
        match change {
            Change::Session { session, state, .. } => {
                let next = state.is_live().then(|| state.name());
                left(&mut self.sessions, *session, now, next).map(|spell| of(Of::Session, spell))
            }
            Change::CheckpointAdded { id, .. } | Change::CheckpointResumed { id, .. } => {
                self.checkpoint(*id, now, Some(PROVING))
            }
            Change::CheckpointStopped { id, .. } => self.checkpoint(*id, now, Some(STOPPED)),
            Change::CheckpointProven { id, .. } | Change::CheckpointFailed { id, .. } => {
                self.checkpoint(*id, now, None)
            }
            Change::Pruned { to, .. } => {
                self.forget_above(*to);
                None
            }
            _ => None,
        }
    }

    fn checkpoint(&mut self, id: CheckpointId, now: Time, next: Option<&'static str>) -> Option<Spell> {
        let ended = left(&mut self.checkpoints, id, now, next).map(|spell| of(Of::Checkpoint, spell));
        while self.checkpoints.len() > MOST {
            self.checkpoints.pop_first();
        }
        ended
    }

    /// What a reorg or a prune takes away has come to no end of its own.
    fn forget_above(&mut self, to: CheckpointNumber) {
        self.checkpoints.retain(|id, _| id.number <= to);
    }
}

/// What was left, and for how long it had lasted; `next` lasts from now on.
fn left<K: Ord>(
    lasting: &mut BTreeMap<K, (Time, &'static str)>,
    key: K,
    now: Time,
    next: Option<&'static str>,
) -> Option<(&'static str, Duration)> {
    let before = match next {
        Some(state) => lasting.insert(key, (now, state)),
        None => lasting.remove(&key),
    };
    before.map(|(since, state)| (state, now.since(since)))
}

const fn of(of: Of, (state, lasted): (&'static str, Duration)) -> Spell {
    Spell { of, state, lasted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{SessionKind, SessionSpec, SessionState};
    use alloy_primitives::B256;
    use proofmill_chain::PruneCause;
    use proofmill_primitives::{Epoch, Slot};

    const EPOCH: Epoch = Epoch(1);

    fn session(state: SessionState) -> Change {
        let spec = SessionSpec { epoch: EPOCH, kind: SessionKind::Full, from: Slot(0), to: Slot(3) };
        Change::Session { session: SessionId(7), spec, state }
    }

    fn id(number: u64) -> CheckpointId {
        let (slot, zero) = (Slot(number), B256::ZERO);
        CheckpointId {
            number: CheckpointNumber(number),
            slot,
            state_root: zero,
            last_hash: zero,
            commitment: zero,
        }
    }

    /// The spells that these changes end, each a second after the one before.
    fn ended(changes: impl IntoIterator<Item = Change>) -> Vec<(Of, &'static str, u64)> {
        let mut spells = Spells::default();
        let times = (0..).map(|second| Time::from_millis(second * 1_000));
        let spells = times.zip(changes).filter_map(|(now, change)| spells.changed(now, &change));
        spells.map(|Spell { of, state, lasted }| (of, state, lasted.as_secs())).collect()
    }

    #[test]
    fn a_session_is_timed_in_each_state_until_it_ends() {
        let states = [
            SessionState::Initialized,
            SessionState::AwaitingCheckpoints,
            SessionState::AwaitingRoot,
            SessionState::Publishing,
            SessionState::Completed { receipt: None },
        ];
        let names = ["initialized", "awaiting checkpoints", "awaiting root", "publishing"];
        assert_eq!(ended(states.map(session)), names.map(|name| (Of::Session, name, 1)));
    }

    #[test]
    fn a_checkpoint_is_timed_also_while_it_is_stopped() {
        let (id, epoch) = (id(3), EPOCH);
        let stopped =
            Change::CheckpointStopped { id, epoch, cause: String::new(), until: Time::from_millis(0) };
        let changes = [
            Change::CheckpointAdded { id, epoch },
            stopped,
            Change::CheckpointResumed { id, epoch },
            Change::CheckpointProven { id, epoch },
        ];
        let expected = ["proving", "stopped", "proving"].map(|state| (Of::Checkpoint, state, 1));
        assert_eq!(ended(changes), expected);
    }

    #[test]
    fn what_is_pruned_is_forgotten() {
        let epoch = EPOCH;
        let cause = PruneCause::L1Reorg;
        let changes = [
            Change::CheckpointAdded { id: id(1), epoch },
            Change::CheckpointAdded { id: id(2), epoch },
            Change::Pruned { to: CheckpointNumber(1), removed: 1, cause },
            Change::CheckpointAdded { id: id(2), epoch },
            Change::CheckpointProven { id: id(2), epoch },
            Change::CheckpointProven { id: id(1), epoch },
        ];
        assert_eq!(ended(changes), [(Of::Checkpoint, "proving", 1), (Of::Checkpoint, "proving", 5)]);
    }
}
