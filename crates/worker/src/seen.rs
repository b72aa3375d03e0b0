//! What a controller counts on, and no task of its proof names yet: results of another proof that it has found. They are let go with
//! that proof, and may be folded days later.

use proofmill_artifacts::{ArtifactKind, ArtifactStore, ContentKey};
use proofmill_primitives::ArtifactId;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::MissedTickBehavior;

/// Whoever lets go of a result leaves it an eighth of its lifetime: within that it is renewed several times.
const RENEWED: u32 = 32;

/// How often it is used where it does not expire, but is removed when nobody has used it for a day.
const USED: Duration = Duration::from_secs(3600);

/// It is not renewed more often.
const SOONEST: Duration = Duration::from_millis(100);

/// The results that a task has seen in its store, or put there.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<BTreeSet<ArtifactId>>);

impl Seen {
    /// Notes whether there is such a blob. What clients named the coordinator renews.
    pub(crate) fn note(&self, id: &ArtifactId, kind: ArtifactKind, is_there: bool) {
        let is_result = matches!(kind, ArtifactKind::Intermediate | ArtifactKind::Exchanged);
        if !is_result || !ContentKey::names(id.as_str()) {
            return;
        }
        if is_there {
            self.lock().insert(id.clone());
        } else {
            self.lock().remove(id);
        }
    }

    /// Keeps them from expiring, until it is dropped.
    pub(crate) async fn keep(self: Arc<Self>, store: Arc<dyn ArtifactStore>) {
        let every = store.lifetime().map_or(USED, |lifetime| lifetime / RENEWED);
        let mut due = tokio::time::interval(every.max(SOONEST));
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let seen = Arc::new(self.lock().clone());
            // What is lost all the same is made again.
            if !seen.is_empty()
                && let Err(error) = store.keep_alive(Arc::clone(&seen)).await
            {
                tracing::warn!(%error, artifacts = seen.len(), "cannot keep results that a proof counts on from expiring");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<ArtifactId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::patient::{Patient, Waits};
    use proofmill_artifacts::{FsArtifacts, Removed, Reply, forwarded};
    use tokio_util::sync::CancellationToken;

    const LIFETIME: Duration = Duration::from_secs(6 * 3600);

    /// A real store that says that its blobs expire, and notes which of them are renewed.
    #[derive(Debug)]
    struct Expiring {
        store: FsArtifacts,
        renewed: Mutex<Vec<Arc<BTreeSet<ArtifactId>>>>,
    }

    impl ArtifactStore for Expiring {
        fn lifetime(&self) -> Option<Duration> {
            Some(LIFETIME)
        }

        fn keep_alive<'a>(&'a self, ids: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, ()> {
            self.renewed.lock().unwrap().push(ids);
            Box::pin(async { Ok(()) })
        }

        fn remove_unused<'a>(
            &'a self,
            unused_for: Duration,
            in_use: Arc<BTreeSet<ArtifactId>>,
        ) -> Reply<'a, Removed> {
            self.store.remove_unused(unused_for, in_use)
        }

        forwarded!(put, get, exists, delete);
    }

    /// The proof that had made it ends: within an eighth of its lifetime it must be renewed.
    #[tokio::test(start_paused = true)]
    async fn what_a_task_has_found_is_renewed_as_long_as_it_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = FsArtifacts::open(folder.path()).unwrap();
        let store = Arc::new(Expiring { store, renewed: Mutex::default() });
        let kind = ArtifactKind::Intermediate;
        for id in ["key-found", "key-read", "key-bad", "artifact_01stock"] {
            store.put(&id.into(), kind, "bytes".into()).await.unwrap();
        }
        store.put(&"key-of-a-client".into(), ArtifactKind::Stdin, "bytes".into()).await.unwrap();
        let seen = Arc::new(Seen::default());
        let (waits, withdrawn) = (Waits::default(), CancellationToken::new());
        let patient: Arc<dyn ArtifactStore> =
            Arc::new(Patient { store: store.clone(), waits, withdrawn, seen: seen.clone() });
        for id in ["key-found", "key-nowhere", "artifact_01stock"] {
            patient.exists(&id.into(), kind).await.unwrap();
        }
        for id in ["key-read", "key-bad"] {
            patient.get(&id.into(), kind).await.unwrap();
        }
        patient.get(&"key-of-a-client".into(), ArtifactKind::Stdin).await.unwrap();
        patient.put(&"key-made".into(), kind, "bytes".into()).await.unwrap();
        patient.delete(&"key-bad".into(), kind).await.unwrap();
        tokio::time::timeout(LIFETIME / 8, seen.keep(patient)).await.unwrap_err();
        let renewed = store.renewed.lock().unwrap();
        let expected: BTreeSet<_> = ["key-found", "key-made", "key-read"].map(ArtifactId::from).into();
        assert!(renewed.len() > 2, "{} times", renewed.len());
        assert!(renewed.iter().all(|ids| **ids == expected), "{renewed:?}");
    }
}
