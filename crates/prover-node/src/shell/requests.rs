//! What operators asked for, kept in the order in which it changes.

use crate::{NodeError, parts::RequestStore, rules::SessionSpec};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// The wait before what could not be kept is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Has the newest of what it is given kept, for as long as it takes.
#[derive(Debug)]
pub(super) struct Requests {
    /// Counted, so that it is known what is kept.
    newest: watch::Sender<(u64, Vec<SessionSpec>)>,
    kept: watch::Receiver<Kept>,
}

/// How far it is known what is kept.
#[derive(Debug, Default)]
struct Kept {
    /// Up to these all are.
    through: u64,
    /// Those that were tried last, and why they are not.
    failed: Option<(u64, String)>,
}

impl Requests {
    /// Keeps them in this store. Must be called inside a tokio runtime.
    pub(super) fn kept_in(store: Arc<dyn RequestStore>) -> Self {
        let (newest, mut changes) = watch::channel((0, Vec::new()));
        let (done, kept) = watch::channel(Kept::default());
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                loop {
                    let (count, wanted) = changes.borrow_and_update().clone();
                    let Err(error) = store.keep(wanted).await else {
                        done.send_replace(Kept { through: count, failed: None });
                        break;
                    };
                    tracing::error!(%error, "requests of operators not kept");
                    done.send_modify(|kept| kept.failed = Some((count, error.to_string())));
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

    /// Waits until everything is kept that was given so far, or it is known why it is not.
    pub(super) fn all_kept(&self) -> impl Future<Output = Result<(), NodeError>> + use<> {
        let (given, mut kept) = (self.newest.borrow().0, self.kept.clone());
        async move {
            let cause = |kept: &Kept| {
                let failed = kept.failed.as_ref().filter(|(tried, _)| *tried >= given);
                failed.map(|(_, cause)| cause.clone())
            };
            let known = kept.wait_for(|kept| kept.through >= given || cause(kept).is_some()).await;
            let known = known.map_err(|_| NodeError::Stopped)?;
            if known.through >= given {
                return Ok(());
            }
            Err(NodeError::NotKept { cause: cause(&known).unwrap_or_default() })
        }
    }
}
