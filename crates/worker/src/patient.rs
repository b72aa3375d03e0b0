//! The artifact store as one task has it: what is made is not thrown away because the store does not take it for a while.

use crate::{
    client::{FIRST_WAIT, LAST_WAIT},
    seen::Seen,
};
use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, Reply, forwarded};
use proofmill_primitives::ArtifactId;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// For how long a result is offered to a store that is away.
const OFFERED_FOR: Duration = Duration::from_secs(120);

/// What a task waits for, as its heartbeats say it. It may be several things; the first one speaks for all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits(Arc<Mutex<Vec<Arc<str>>>>);

impl Waits {
    /// It waits for this until what comes back is dropped.
    pub(crate) fn begin(&self, text: String) -> Waiting {
        let text: Arc<str> = text.into();
        self.lock().push(text.clone());
        Waiting { waits: self.clone(), text }
    }

    /// What it waits for, where it waits.
    pub(crate) fn text(&self) -> Option<String> {
        self.lock().first().map(ToString::to_string)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait that goes on.
#[derive(Debug)]
pub(crate) struct Waiting {
    waits: Waits,
    text: Arc<str>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waits.lock().retain(|text| !Arc::ptr_eq(text, &self.text));
    }
}

/// The store that a task puts its results into. One is not thrown away because the disk is full: that is waited for, as long as the work
/// is wanted. Nor because the store is away or refuses for a moment (a share that is mounted anew, a server that fails over, keys that are
/// renewed); one that stays so may be so for this worker only.
#[derive(Debug)]
pub(crate) struct Patient {
    pub(crate) store: Arc<dyn ArtifactStore>,
    pub(crate) waits: Waits,
    /// The work is not wanted any more.
    pub(crate) withdrawn: CancellationToken,
    /// What it has found or put there.
    pub(crate) seen: Arc<Seen>,
}

impl ArtifactStore for Patient {
    fn put<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, bytes: Bytes) -> Reply<'a, ()> {
        Box::pin(async move {
            let mut away_since = Instant::now();
            let mut wait = FIRST_WAIT;
            let mut told: Option<(bool, Waiting)> = None;
            loop {
                let Err(error) = self.store.put(id, kind, bytes.clone()).await else {
                    self.seen.note(id, kind, true);
                    return Ok(());
                };
                let is_full = matches!(error, ArtifactError::NoSpace { .. });
                if is_full {
                    // However long that lasted, it may be away for a moment afterwards.
                    away_since = Instant::now();
                }
                if !(is_full || error.is_of_store() && away_since.elapsed() < OFFERED_FOR) {
                    return Err(error);
                }
                if told.as_ref().is_none_or(|(was_full, _)| *was_full != is_full) {
                    let text = if is_full {
                        tracing::error!(%error, "a result waits for space");
                        format!("a result waits for space: {error}")
                    } else {
                        tracing::warn!(%error, "a result waits for its store");
                        format!("a result waits for its store: {error}")
                    };
                    told = Some((is_full, self.waits.begin(text)));
                }
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.withdrawn.cancelled() => return Err(error),
                }
                wait = (wait * 2).min(LAST_WAIT);
            }
        })
    }

    fn get<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
        Box::pin(async move {
            let got = self.store.get(id, kind).await;
            match &got {
                Ok(_) => self.seen.note(id, kind, true),
                Err(ArtifactError::Missing { .. } | ArtifactError::Damaged { .. }) => {
                    self.seen.note(id, kind, false);
                }
                // It may be there.
                Err(_) => {}
            }
            got
        })
    }

    fn exists<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, bool> {
        Box::pin(async move {
            let is_there = self.store.exists(id, kind).await?;
            self.seen.note(id, kind, is_there);
            Ok(is_there)
        })
    }

    fn delete<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, ()> {
        self.seen.note(id, kind, false);
        self.store.delete(id, kind)
    }

    forwarded!(remove_ref, upkeep);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_artifacts::FsArtifacts;

    /// A store that is full for a while, then away for a while.
    #[derive(Debug)]
    struct Moody {
        store: FsArtifacts,
        begun: Instant,
        full_for: Duration,
        away_for: Duration,
    }

    impl ArtifactStore for Moody {
        fn put<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, bytes: Bytes) -> Reply<'a, ()> {
            let (passed, place) = (self.begun.elapsed(), "/disk".to_owned());
            let error = if passed < self.full_for {
                ArtifactError::NoSpace { id: id.clone(), place, needed: 1, available: 0 }
            } else if passed < self.full_for + self.away_for {
                ArtifactError::Away { doing: "store", place, cause: "it restarts".to_owned() }
            } else {
                return self.store.put(id, kind, bytes);
            };
            Box::pin(async { Err(error) })
        }

        forwarded!(get, exists, delete, upkeep);
    }

    async fn is_kept(full_for: u64, away_for: u64) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let (full_for, away_for) = (Duration::from_secs(full_for), Duration::from_secs(away_for));
        let store = FsArtifacts::open(folder.path()).unwrap();
        let store = Arc::new(Moody { store, begun: Instant::now(), full_for, away_for });
        let (waits, withdrawn) = (Waits::default(), CancellationToken::new());
        let (id, patient) =
            (ArtifactId::new("17"), Patient { store, waits, withdrawn, seen: Arc::default() });
        let kept = patient.put(&id, ArtifactKind::Intermediate, Bytes::from_static(b"a result")).await;
        assert_eq!(patient.waits.text(), None);
        kept.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_waits_for_space_without_end_and_for_a_store_that_is_away_for_a_while() {
        assert!(is_kept(0, 100).await && !is_kept(0, 600).await);
        assert!(is_kept(6_000, 0).await && is_kept(600, 100).await);
        assert!(!is_kept(600, 600).await);
    }

    #[test]
    fn what_is_waited_for_is_said_as_long_as_it_is() {
        let waits = Waits::default();
        assert_eq!(waits.text(), None);
        let (space, store) = (waits.begin("space".into()), waits.clone().begin("the store".into()));
        // Two that say the same are two.
        let again = waits.begin("space".into());
        assert_eq!(waits.text().as_deref(), Some("space"));
        drop(space);
        assert_eq!(waits.text().as_deref(), Some("the store"));
        drop(store);
        assert_eq!(waits.text().as_deref(), Some("space"));
        drop(again);
        assert_eq!(waits.text(), None);
    }
}
