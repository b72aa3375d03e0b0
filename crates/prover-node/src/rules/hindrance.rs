//! Why a complete epoch has no session: what decides whether one is opened is what an operator is told.

use super::{
    Config, Time,
    horizon::Horizon,
    session::{SessionKind, SessionSpec},
    sessions::SessionManager,
    settled::Made,
};
use proofmill_primitives::{CheckpointNumber, Epoch};
use serde::{Deserialize, Serialize};

/// What keeps the session of an epoch from being opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Hindrance {
    /// Checkpoints that L1 has are not here.
    #[error("not all checkpoints that L1 has are here yet")]
    Incomplete,
    /// L1 takes no proof of it before what was proposed since the expired epoch is given up.
    #[error(
        "{expired:?} expired unproven, and L1 takes no proof of what follows: its checkpoints become void with the next \
         proposal, or when anybody calls `prune`, as this node does where it publishes (--prune-after)"
    )]
    Behind {
        /// The epoch that has expired.
        expired: Epoch,
    },
    /// Another prover has settled it.
    #[error(
        "L1 has its proof by another prover, and the settings leave such epochs alone (--settled-epochs)"
    )]
    Settled,
    /// Late events are waited for.
    #[error("late events are waited for (--proving-delay)")]
    Delayed {
        /// Until then.
        until: Time,
    },
    /// A checkpoint of it could not be proven.
    #[error("checkpoint {checkpoint} could not be proven: {cause}")]
    Checkpoint {
        /// Which.
        checkpoint: CheckpointNumber,
        /// Why.
        cause: String,
    },
    /// The last session stopped, and the next one opens later.
    #[error("its last session stopped, and the next one opens later")]
    Stopped {
        /// When.
        until: Time,
    },
    /// Others have to be proven first.
    #[error("{live} sessions are being proven, the most allowed (--max-pending-jobs)")]
    NoRoom {
        /// How many.
        live: usize,
    },
}

impl SessionManager {
    /// What keeps a session for a spec from being opened now, if something does.
    pub(crate) fn hindrance(
        &self,
        (now, config): (Time, &Config),
        horizon: Horizon<'_>,
        spec: SessionSpec,
    ) -> Option<Hindrance> {
        let store = horizon.store;
        if spec.kind == SessionKind::Full {
            if !horizon.is_complete(&config.clock, spec.epoch) {
                return Some(Hindrance::Incomplete);
            }
            let last = store.of(spec.epoch).next_back()?.checkpoint.number;
            if config.settled.is_superseded((spec.kind, last, Made::NotYet), horizon.proven()) {
                return Some(Hindrance::Settled);
            }
        }
        if let Some(expired) = horizon.expired_unproven() {
            return Some(Hindrance::Behind { expired });
        }
        if let Some(until) = self.complete_from(spec.epoch).map(|since| since.after(config.delay()))
            && spec.kind == SessionKind::Full
            && until > now
        {
            return Some(Hindrance::Delayed { until });
        }
        if let Some(until) = self.stopped_until(spec).filter(|until| *until > now) {
            return Some(Hindrance::Stopped { until });
        }
        let failed = store.within(spec.slots()).find_map(|under| Some((under, under.failure()?)));
        if let Some((under, cause)) = failed {
            let (checkpoint, cause) = (under.checkpoint.number, cause.to_owned());
            return Some(Hindrance::Checkpoint { checkpoint, cause });
        }
        let live = self.pending();
        (live >= config.max_pending_jobs.get()).then_some(Hindrance::NoRoom { live })
    }
}
