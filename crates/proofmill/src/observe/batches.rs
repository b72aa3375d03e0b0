//! How full the rollup's newest batches are.

use proofmill_chain::{BatchFill, BatchFills, L2, Rollup};
use proofmill_primitives::CheckpointNumber;
use std::{collections::BTreeMap, num::NonZeroU64, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{self, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

/// So many batches are told of: each is three series to Prometheus.
const MOST: NonZeroU64 = NonZeroU64::MIN.saturating_add(255);
/// How often it is looked for new ones.
const EVERY: Duration = Duration::from_secs(1);

/// By number.
pub(super) type Fills = Arc<BTreeMap<CheckpointNumber, BatchFill>>;

/// Looks after the newest batches until told to stop.
pub(crate) fn watch(rollup: Rollup, l2: L2, stop: CancellationToken) -> watch::Receiver<Fills> {
    let (seen, watched) = watch::channel(Fills::default());
    tokio::spawn(async move {
        let mut fills = BatchFills::new(rollup, l2, MOST);
        let mut beat = time::interval(EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = stop.cancelled() => return,
            }
            // The endpoints' own troubles are told elsewhere.
            if let Err(error) = fills.look().await {
                tracing::debug!(%error, "the batches cannot be read now");
            }
            seen.send_if_modified(|known| {
                let is_new = **known != *fills.known();
                if is_new {
                    *known = Arc::new(fills.known().clone());
                }
                is_new
            });
        }
    });
    watched
}
