//! A store that is far away.

use crate::{backend::Slow, harness::Site};
use bytes::Bytes;
use proofmill_artifacts::{ArtifactKind, ArtifactStore, FsArtifacts, Removed, Reply};
use proofmill_primitives::{ArtifactId, WorkerKind};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A real store that takes its time to say whether something is there.
#[derive(Debug)]
struct Far {
    store: Arc<FsArtifacts>,
    /// Looks under way, and the most of them at a time.
    looks: AtomicUsize,
    most: AtomicUsize,
}

impl ArtifactStore for Far {
    fn put<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, bytes: Bytes) -> Reply<'a, ()> {
        self.store.put(id, kind, bytes)
    }

    fn get<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
        self.store.get(id, kind)
    }

    fn exists<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, bool> {
        Box::pin(async move {
            let looks = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(looks, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.looks.fetch_sub(1, Ordering::SeqCst);
            self.store.exists(id, kind).await
        })
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

/// A controller does not look for one part after the other, and does not look for all of a large proof together.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_looks_for_many_parts_together() {
    let site = Site::new(Slow::new(1)).await;
    let (looks, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let far = Arc::new(Far { store: site.artifacts.clone(), looks, most });
    let _controls = site.worker_on(far.clone(), "controls", WorkerKind::Cpu, 1);
    let _proves = site.worker("proves", WorkerKind::Gpu, 8);
    site.request("p", 100, 1).await;
    site.proof("p", 100).await;
    let most = far.most.load(Ordering::SeqCst);
    assert!((50..=64).contains(&most), "{most} at a time");
    assert_eq!(site.backend.proven(), Slow::once(100));
}
