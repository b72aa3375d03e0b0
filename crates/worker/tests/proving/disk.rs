//! A disk that is full for a while, or away.

use crate::{backend::Slow, harness::Site};
use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, FsArtifacts, Removed, Reply};
use proofmill_primitives::{ArtifactId, WorkerKind};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A real store that takes nothing while it is told so.
#[derive(Debug)]
struct Disk {
    store: Arc<FsArtifacts>,
    refusal: Refusal,
    refuses: AtomicBool,
    refused: AtomicUsize,
}

/// Why it takes nothing.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    Full,
    Away,
    /// A share that is mounted anew.
    Io,
    /// Keys that are renewed.
    Denied,
}

impl Refusal {
    fn of(self, id: &ArtifactId, needed: u64) -> ArtifactError {
        let place = "/disk".to_owned();
        match self {
            Self::Full => ArtifactError::NoSpace { id: id.clone(), place, needed, available: 0 },
            Self::Away => ArtifactError::Away { doing: "store", place, cause: "it restarts".to_owned() },
            Self::Io => ArtifactError::Io {
                doing: "write",
                path: place.into(),
                source: std::io::ErrorKind::StaleNetworkFileHandle.into(),
            },
            Self::Denied => {
                let cause = "the token has expired".to_owned();
                ArtifactError::Refused { doing: "store", place, cause, remedy: "renew it".into() }
            }
        }
    }
}

impl ArtifactStore for Disk {
    fn put<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, bytes: Bytes) -> Reply<'a, ()> {
        if !self.refuses.load(Ordering::SeqCst) {
            return self.store.put(id, kind, bytes);
        }
        self.refused.fetch_add(1, Ordering::SeqCst);
        let error = self.refusal.of(id, bytes.len() as u64);
        Box::pin(async { Err(error) })
    }

    fn get<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
        self.store.get(id, kind)
    }

    fn exists<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, bool> {
        self.store.exists(id, kind)
    }

    fn delete<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, ()> {
        self.store.delete(id, kind)
    }

    fn remove_unused<'a>(
        &'a self,
        unused_for: Duration,
        in_use: Arc<BTreeSet<ArtifactId>>,
    ) -> Reply<'a, Removed> {
        self.store.remove_unused(unused_for, in_use)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_while_the_disk_is_full_is_kept_until_it_has_space() {
    // More often than a task is tried.
    is_kept(Refusal::Full, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_while_the_store_is_away_for_a_moment_is_kept() {
    // The three segments that are made at the same time, each more than once.
    is_kept(Refusal::Away, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_while_a_share_is_mounted_anew_is_kept() {
    is_kept(Refusal::Io, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_while_keys_are_renewed_is_kept() {
    is_kept(Refusal::Denied, 6).await;
}

/// Results are offered so often and more until they are taken.
async fn is_kept(refusal: Refusal, often: usize) {
    let site = Site::new(Slow::new(300)).await;
    let disk = Arc::new(Disk {
        store: site.artifacts.clone(),
        refusal,
        refuses: AtomicBool::new(false),
        refused: AtomicUsize::new(0),
    });
    let _worker = site.worker_on(disk.clone(), "w", WorkerKind::All, 3);
    site.request("p", 4, 2).await;
    site.until("it is at its segments", || site.backend.begun() > 0).await;
    disk.refuses.store(true, Ordering::SeqCst);
    site.until("results wait", || disk.refused.load(Ordering::SeqCst) > often).await;
    disk.refuses.store(false, Ordering::SeqCst);
    site.proof("p", 4).await;
    assert_eq!(site.backend.proven(), Slow::once(4));
}
