//! Showing the state to those who watch, without being kept busy by it: a snapshot is a copy of everything.

use super::{held_up::Said, metrics};
use crate::rules::{NodeState, Snapshot};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// After a snapshot, none is made for so many times as long as it took,
const REST: u32 = 4;
/// up to this.
const LONGEST_REST: Duration = Duration::from_secs(1);

pub(super) struct Shown {
    snapshots: watch::Sender<Arc<Snapshot>>,
    rests_until: Instant,
    /// Whether the state is newer than the snapshot.
    behind: bool,
    said: Said,
}

impl Shown {
    pub(super) fn new(snapshots: watch::Sender<Arc<Snapshot>>) -> Self {
        Self { snapshots, rests_until: Instant::now(), behind: false, said: Said::default() }
    }

    /// The state has changed: shown at once, or when it is [`due`](Self::due).
    pub(super) fn changed(&mut self, state: &NodeState) {
        self.behind = true;
        if Instant::now() >= self.rests_until {
            self.show(state);
        }
    }

    /// Shows the state.
    pub(super) fn show(&mut self, state: &NodeState) {
        let began = Instant::now();
        let snapshot = state.snapshot();
        metrics::standing(&snapshot);
        for problem in self.said.due(snapshot.at, &snapshot.problems) {
            tracing::warn!(event = "held_up", cause = %problem, "the prover node is held up");
        }
        self.snapshots.send_replace(Arc::new(snapshot));
        let ended = Instant::now();
        self.rests_until = ended + ((ended - began) * REST).min(LONGEST_REST);
        self.behind = false;
    }

    /// Waits until what has changed is to be shown; for ever where nothing has.
    pub(super) fn due(&self) -> impl Future<Output = ()> + use<> {
        let due = self.behind.then(|| sleep_until(self.rests_until));
        async move {
            match due {
                Some(due) => due.await,
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Config, Event, Time};
    use futures::FutureExt;
    use proofmill_primitives::{ProverType, SlotClock};
    use std::num::NonZeroU64;

    fn state() -> NodeState {
        let one = NonZeroU64::MIN;
        let clock = SlotClock { genesis: 0, slot_seconds: one, epoch_slots: one, window_epochs: one };
        NodeState::new(Config::new(clock, [ProverType::Exec]))
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_during_a_rest_is_shown_after_it() {
        let mut state = state();
        let (sender, snapshots) = watch::channel(Arc::new(state.snapshot()));
        let mut shown = Shown::new(sender);
        let mut at = |shown: &mut Shown, millis| {
            let now = Time::from_millis(millis);
            drop(state.handle(now, Event::Tick));
            shown.changed(&state);
            snapshots.borrow().at.as_millis()
        };
        assert_eq!(at(&mut shown, 1), 1);
        assert!(shown.due().now_or_never().is_none(), "nothing has changed since");
        shown.rests_until = Instant::now() + LONGEST_REST;
        assert_eq!(at(&mut shown, 2), 1);
        assert_eq!(at(&mut shown, 3), 1);
        shown.due().await;
        assert!(Instant::now() >= shown.rests_until);
        assert_eq!(at(&mut shown, 4), 4);
    }
}
