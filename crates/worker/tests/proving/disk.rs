//! A disk that is full for a while, or away.

use crate::{backend::Slow, harness::Site};
use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, FsArtifacts, Reply, forwarded};
use proofmill_primitives::{ArtifactId, WorkerKind};
use proofmill_wire::operator::ProofPhase;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// A real store that takes nothing while it is told so.
#[derive(Debug)]
pub(crate) struct Disk {
    store: Arc<FsArtifacts>,
    refusal: Refusal,
    pub(crate) refuses: AtomicBool,
    /// How often it has refused.
    pub(crate) refused: AtomicUsize,
}

impl Disk {
    /// One that does not refuse yet.
    pub(crate) fn new(site: &Site, refusal: Refusal) -> Arc<Self> {
        let (refuses, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
        Arc::new(Self { store: site.artifacts.clone(), refusal, refuses, refused })
    }
}

/// Why it takes nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
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

    forwarded!(get, exists, delete, upkeep);
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

/// Nobody waits for a result any more: neither does its worker, which is free for others.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_space_is_let_go_with_its_proof() {
    let site = Site::new(Slow::new(20)).await;
    let disk = Disk::new(&site, Refusal::Full);
    disk.refuses.store(true, Ordering::SeqCst);
    let _worker = site.worker_on(disk, "w", WorkerKind::Cpu, 1);
    site.request("p", 4, 2).await;
    site.until_diagnosis("p", |told| told.contains("a result waits for space")).await;
    site.cancel("p").await;
    // An execution stores nothing, and needs all the room that there is.
    site.request("q", 4, 0).await;
    assert_eq!(site.ended("q").await.phase(), ProofPhase::Completed);
}

/// Results are offered so often and more until they are taken.
async fn is_kept(refusal: Refusal, often: usize) {
    // None of them is done before the disk is full.
    let site = Site::new(Slow::new(20).holding(0..4)).await;
    let disk = Disk::new(&site, refusal);
    let _worker = site.worker_on(disk.clone(), "w", WorkerKind::All, 3);
    site.request("p", 4, 2).await;
    site.until("it is at its segments", || site.backend.begun() > 0).await;
    disk.refuses.store(true, Ordering::SeqCst);
    site.backend.let_go();
    site.until("results wait", || disk.refused.load(Ordering::SeqCst) > often).await;
    // That is known to whoever looks at the proof, for as long as it is so.
    site.until_diagnosis("p", |told| told.contains(" on w: a result waits for") && told.contains("/disk"))
        .await;
    disk.refuses.store(false, Ordering::SeqCst);
    site.until_diagnosis("p", str::is_empty).await;
    site.proof("p", 4).await;
    assert_eq!(site.backend.proven(), Slow::once(4));
}
