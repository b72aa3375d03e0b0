//! What operators asked for, kept in the order in which it changes.

use crate::{parts::RequestStore, rules::SessionSpec};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// The wait before what could not be kept is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Keeps what it is sent, the newest last, until the sender is gone.
pub(super) fn keep_requests(store: Arc<dyn RequestStore>) -> watch::Sender<Vec<SessionSpec>> {
    let (sender, mut newest) = watch::channel(Vec::new());
    tokio::spawn(async move {
        while newest.changed().await.is_ok() {
            loop {
                let wanted = newest.borrow_and_update().clone();
                let Err(error) = store.keep(wanted).await else { break };
                tracing::error!(%error, "requests of operators not kept");
                tokio::time::sleep(RETRY).await;
            }
        }
    });
    sender
}
