//! What operators asked for, kept in the order in which it changes.

use crate::{parts::RequestStore, rules::SessionSpec};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// The wait before what could not be kept is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Has the newest of what it is given kept, for as long as it takes.
#[derive(Debug)]
pub(super) struct Requests {
    /// Counted, so that it is known what is kept.
    newest: watch::Sender<(u64, Vec<SessionSpec>)>,
    kept: watch::Receiver<u64>,
}

impl Requests {
    /// Keeps them in this store. Must be called inside a tokio runtime.
    pub(super) fn kept_in(store: Arc<dyn RequestStore>) -> Self {
        let (newest, mut changes) = watch::channel((0, Vec::new()));
        let (done, kept) = watch::channel(0);
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                loop {
                    let (count, wanted) = changes.borrow_and_update().clone();
                    let Err(error) = store.keep(wanted).await else {
                        done.send_replace(count);
                        break;
                    };
                    tracing::error!(%error, "requests of operators not kept");
                    tokio::time::sleep(RETRY).await;
                }
            }
        });
        Self { newest, kept }
    }

    /// These are to be kept, and no others.
    pub(super) fn keep(&self, wanted: Vec<SessionSpec>) {
        self.newest.send_modify(|newest| *newest = (newest.0 + 1, wanted));
    }

    /// Waits until everything is kept that was given so far.
    pub(super) fn all_kept(&self) -> impl Future<Output = ()> + use<> {
        let (given, mut kept) = (self.newest.borrow().0, self.kept.clone());
        async move { drop(kept.wait_for(|kept| *kept >= given).await) }
    }
}
