//! A store that is far away.

use crate::{backend::Slow, harness::Site};
use proofmill_artifacts::{ArtifactKind, ArtifactStore, FsArtifacts, Reply, forwarded};
use proofmill_primitives::{ArtifactId, WorkerKind};
use std::{
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
    fn exists<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, bool> {
        Box::pin(async move {
            let looks = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(looks, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.looks.fetch_sub(1, Ordering::SeqCst);
            self.store.exists(id, kind).await
        })
    }

    forwarded!(put, get, delete, upkeep);
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
