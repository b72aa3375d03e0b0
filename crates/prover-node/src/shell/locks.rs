//! One at a time for each content: a job for what another job is about to finish waits, and finds it in the store.

use proofmill_artifacts::ContentKey;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

#[derive(Debug, Default)]
pub(super) struct ContentLocks {
    locks: Mutex<HashMap<ContentKey, Weak<AsyncMutex<()>>>>,
}

impl ContentLocks {
    /// Waits until nobody else works on it.
    pub(super) async fn lock(&self, content: ContentKey) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            if let Some(lock) = locks.get(&content).and_then(Weak::upgrade) {
                lock
            } else {
                let lock = Arc::default();
                locks.insert(content, Arc::downgrade(&lock));
                lock
            }
        };
        lock.lock_owned().await
    }
}
