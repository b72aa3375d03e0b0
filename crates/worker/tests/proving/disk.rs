//! A disk that is full for a while.

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

/// A real store that has no space while it is told so.
#[derive(Debug)]
struct Disk {
    store: Arc<FsArtifacts>,
    full: AtomicBool,
    refused: AtomicUsize,
}

impl ArtifactStore for Disk {
    fn put<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, bytes: Bytes) -> Reply<'a, ()> {
        if !self.full.load(Ordering::SeqCst) {
            return self.store.put(id, kind, bytes);
        }
        self.refused.fetch_add(1, Ordering::SeqCst);
        let needed = bytes.len() as u64;
        let error = ArtifactError::NoSpace { id: id.clone(), place: "/full".into(), needed, available: 0 };
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
    let site = Site::new(Slow::new(300)).await;
    let disk = Arc::new(Disk {
        store: site.artifacts.clone(),
        full: AtomicBool::new(false),
        refused: AtomicUsize::new(0),
    });
    let _worker = site.worker_on(disk.clone(), "w", WorkerKind::All, 3);
    site.request("p", 4, 2).await;
    site.until("it is at its segments", || site.backend.begun() > 0).await;
    disk.full.store(true, Ordering::SeqCst);
    // More often than a task is tried.
    site.until("results wait for space", || disk.refused.load(Ordering::SeqCst) > 8).await;
    disk.full.store(false, Ordering::SeqCst);
    site.proof("p", 4).await;
    assert_eq!(site.backend.proven(), Slow::once(4));
}
