//! Giving up on L1 what was not proven in time. A proposer does so before it goes on. Where none does, L1 takes no proof of what
//! follows, and this node would wait for ever: so it does so itself, some time later.

use super::{
    Action, Change, L1Time, L1View, Pass, PruneOutcome, Time,
    config::sending_retry,
    publishing::{PublishStep, Publishing},
    turn::Turn,
};

/// What is known of earlier tries.
#[derive(Clone, Debug)]
pub(crate) struct Pruning {
    /// How many in a row.
    tries: u32,
    not_before: Time,
    /// What went wrong last, for people.
    pub(crate) trouble: Option<String>,
}

impl Pruning {
    pub(crate) const fn new() -> Self {
        Self { tries: 0, not_before: Time::from_millis(0), trouble: None }
    }
}

/// When the window closed whose checkpoints nobody has given up for as long as the settings say. Goes by L1's time alone, so that a
/// restart changes nothing.
fn overdue(turn: &Turn<'_>, l1: &L1View) -> Option<L1Time> {
    let (silence, closed) = (turn.desk.config.prune_after?, l1.closes?);
    let due = l1.time.0 >= closed.0.saturating_add(silence.as_secs());
    (due && l1.is_ahead_of(turn.now).is_none()).then_some(closed)
}

impl Publishing {
    /// Begins to prune, where that is overdue and no other transaction is under way.
    pub(crate) fn prune_if_due(&mut self, turn: &mut Turn<'_>, l1: &L1View) {
        let Some(closed) = overdue(turn, l1) else {
            (self.pruning.tries, self.pruning.trouble) = (0, None);
            return;
        };
        if self.step != PublishStep::Idle || turn.now < self.pruning.not_before {
            return;
        }
        if self.pruning.tries == 0 {
            turn.report(Change::Pruning { closed });
        }
        self.pruning.tries = self.pruning.tries.saturating_add(1);
        let pass = self.next_pass();
        self.step = PublishStep::Pruning { pass, since: turn.now };
        turn.actions.push(Action::Prune { pass });
    }

    /// What came of it. Whatever that was, L1 is looked at again before the next try.
    pub(crate) fn prune_ended(&mut self, turn: &mut Turn<'_>, pass: Pass, outcome: PruneOutcome) {
        if !matches!(self.step, PublishStep::Pruning { pass: current, .. } if current == pass) {
            return;
        }
        self.step = PublishStep::Idle;
        let pause = sending_retry(self.pruning.tries, turn.desk.config.window(), pass.0);
        self.pruning.not_before = turn.now.after(pause);
        match outcome {
            PruneOutcome::Pruned(receipt) => {
                self.pruning.trouble = None;
                turn.report(Change::PruneEnded { receipt: Some(receipt) });
            }
            PruneOutcome::NothingDue => {
                self.pruning.trouble = None;
                turn.report(Change::PruneEnded { receipt: None });
            }
            PruneOutcome::Unavailable { cause } => {
                if self.pruning.trouble.as_ref() != Some(&cause) {
                    turn.report(Change::PruneDelayed { cause: cause.clone() });
                    self.pruning.trouble = Some(cause);
                }
            }
        }
    }
}
