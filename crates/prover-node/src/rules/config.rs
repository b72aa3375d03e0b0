//! What an operator decides.

use super::{CostRules, SettledEpochs};
use proofmill_fault::{Jitter, Patience};
use proofmill_primitives::{ProverType, SlotClock};
use std::{collections::BTreeSet, num::NonZeroUsize, time::Duration};

/// A range is split after so many failed tries; one of a single block stops its checkpoint.
pub(crate) const TRIES_PER_RANGE: u32 = 2;
/// A session stops after so many failed aggregations of one prover type.
pub(crate) const TRIES_PER_ROOT: u32 = 2;
/// A proof that does not hold, or that L1 refuses, is made anew so often; then whatever needs it stops.
pub(crate) const TIMES_MADE_ANEW: u32 = 1;
/// The wait after the proven tip could not be read.
pub(crate) const TIP_RETRY: Duration = Duration::from_secs(1);
/// For a service that cannot be used: 1 s doubled to 30 s. A try that failed is repeated after 30 s.
const SERVICE: Patience = Patience::pauses(Duration::from_secs(1), Duration::from_secs(30));
/// For a transaction that could not be sent: 1 s doubled to a minute. To be asked again costs attestors time.
const SENDING: Patience = Patience::pauses(Duration::from_secs(1), Duration::from_secs(60));
/// For a checkpoint or a session that stopped: a minute, doubled to half an hour. There is no last time: L1's window ends it.
const STOPPED: Patience = Patience::pauses(Duration::from_secs(60), Duration::from_secs(1_800));

/// For a job of a proof service of which so many tries that failed are the last. Pauses after them are short against the window.
pub(crate) fn job_patience(tries: u32, window: Duration) -> Patience {
    Patience { tries, retry_pause: SERVICE.retry_pause.min(window / 16), ..SERVICE }
}

/// The wait after a transaction could not be sent, or came to nothing, so many times in a row. Short against the window.
pub(crate) fn sending_retry(times: u32, window: Duration, seed: u64) -> Duration {
    let longest_pause = SENDING.longest_pause.min(window / 16).max(SENDING.wait_pause);
    Patience { longest_pause, ..SENDING }.wait(times, Jitter::of(seed))
}

/// The wait before what was lost from the proof store for so many times is made again: none the first time. A disk that gives nothing
/// back does not have the same made without end.
pub(crate) fn lost_again(times: u32) -> Duration {
    if times > 1 { SERVICE.wait(times - 1, Jitter::NONE) } else { Duration::ZERO }
}

/// The wait before something that stopped for so many times in a row comes back; often enough within the window.
pub(crate) fn comeback(times: u32, window: Duration, seed: u64) -> Duration {
    let wait_pause = STOPPED.wait_pause.min(window / 8);
    let patience = Patience { wait_pause, longest_pause: STOPPED.longest_pause.min(window / 4), ..STOPPED };
    patience.wait(times, Jitter::of(seed))
}

/// What the rules need to know of their deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Slots and epochs, as the rollup's contract has them.
    pub clock: SlotClock,
    /// A checkpoint needs a range proof of each of these types, and an epoch an epoch proof of each.
    pub provers: BTreeSet<ProverType>,
    /// The most sessions whose proof is not made yet.
    pub max_pending_jobs: NonZeroUsize,
    /// The most range proofs of one prover type that are asked for at the same time; the oldest checkpoints come first.
    pub max_range_jobs: NonZeroUsize,
    /// What a range may cost.
    pub cost: CostRules,
    /// What becomes of an epoch that another prover has settled.
    pub settled: SettledEpochs,
    /// A session opens only so long after its epoch was seen to be complete, so that late events of the chain are dealt with
    /// first; at most a quarter of the window.
    pub proving_delay: Duration,
    /// A published epoch proof that L1 does not show so long after is published again: a reorg of L1 took it away.
    pub unconfirmed_after: Duration,
    /// What was not proven in time is given up on L1 so long after its window closed, where nobody else has done so; never where
    /// nothing is said.
    pub prune_after: Option<Duration>,
    /// How many sessions that have ended are remembered after their epoch has expired.
    pub remembered_sessions: usize,
}

impl Config {
    /// For how long an epoch may be proven after its end.
    pub(crate) fn window(&self) -> Duration {
        let SlotClock { slot_seconds, epoch_slots, window_epochs, .. } = self.clock;
        let slots = epoch_slots.get().saturating_mul(window_epochs.get());
        Duration::from_secs(slot_seconds.get().saturating_mul(slots))
    }

    /// The longest that a complete epoch may wait for its session: what is left of the window is for its proof.
    pub fn longest_delay(&self) -> Duration {
        self.window() / 4
    }

    /// How long a complete epoch waits for its session.
    pub(crate) fn delay(&self) -> Duration {
        self.proving_delay.min(self.longest_delay())
    }

    /// The defaults: 10 pending jobs, 16 range proofs at a time, settled epochs skipped, no delay, a minute until a publish counts as lost,
    /// a slot until a window that closed is pruned.
    pub fn new(clock: SlotClock, provers: impl IntoIterator<Item = ProverType>) -> Self {
        const fn count(number: usize) -> NonZeroUsize {
            match NonZeroUsize::new(number) {
                Some(number) => number,
                None => NonZeroUsize::MIN,
            }
        }
        Self {
            clock,
            provers: provers.into_iter().collect(),
            max_pending_jobs: count(10),
            max_range_jobs: count(16),
            cost: CostRules::default(),
            settled: SettledEpochs::default(),
            proving_delay: Duration::ZERO,
            unconfirmed_after: Duration::from_secs(60),
            prune_after: Some(Duration::from_secs(clock.slot_seconds.get())),
            remembered_sessions: 64,
        }
    }
}
