//! Faults that are not the work's own: it waits, and is done.

use crate::{
    backend::Slow,
    harness::{PATIENCE, Site},
};
use proofmill_artifacts::FsArtifacts;
use proofmill_primitives::WorkerKind;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

/// A share that can be mounted and lost.
struct Share {
    folder: tempfile::TempDir,
    real: PathBuf,
}

impl Share {
    /// Not mounted: there is an empty folder.
    fn new(site: &Site) -> (Self, Arc<FsArtifacts>) {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = Arc::new(FsArtifacts::open(&folder.path().join("share")).unwrap());
        let share = Self { folder, real: site.artifacts_folder() };
        fs::rename(share.at("share"), share.at("empty")).unwrap();
        share.lose();
        (share, artifacts)
    }

    fn mount(&self) {
        self.be(&self.real);
    }

    fn lose(&self) {
        self.be(&self.at("empty"));
    }

    /// In one step: a worker that writes in between makes no folder in its place.
    fn be(&self, folder: &Path) {
        symlink(folder, self.at("next")).unwrap();
        fs::rename(self.at("next"), self.at("share")).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A worker whose share is not mounted sees an empty folder. When the share is there, the proof is made.
#[tokio::test(flavor = "multi_thread")]
async fn e7_a_share_that_is_not_mounted_fails_no_proof() {
    let site = Site::new(Slow::new(20)).await;
    let (share, artifacts) = Share::new(&site);
    let _worker = site.worker_on(artifacts, "w", WorkerKind::All, 3);
    site.request("p", 4, 2).await;
    // Long enough for four tries by far.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let status = site.status().await;
    assert_eq!((status.proofs[0].ended_at_ms, status.proofs[0].cause.as_str()), (0, ""));
    assert_eq!(site.backend.proven(), Slow::once(0));
    share.mount();
    site.proof("p", 4).await;
    assert_eq!(site.backend.proven(), Slow::once(4));
}

/// The same in the middle of a proof: the rest of it waits.
#[tokio::test(flavor = "multi_thread")]
async fn e9_a_share_that_is_lost_in_the_middle_fails_no_proof() {
    // One segment is not done before the share is lost. Whenever it is given out, the others have a place beside it.
    let site = Site::new(Slow::new(400).holding([5])).await;
    let (share, artifacts) = Share::new(&site);
    share.mount();
    let _worker = site.worker_on(artifacts, "w", WorkerKind::All, 3);
    site.request("p", 6, 2).await;
    site.until("some are finished", || site.backend.proven().len() >= 2).await;
    share.lose();
    site.backend.let_go();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(site.status().await.proofs[0].ended_at_ms, 0);
    share.mount();
    site.proof("p", 6).await;
}

/// Something on the way (a proxy, a coordinator that has not registered its service yet) answers what no coordinator would.
#[tokio::test(flavor = "multi_thread")]
async fn a9_an_answer_that_is_no_coordinators_is_waited_for() {
    let mut site = Site::new(Slow::new(20)).await;
    site.stop_cluster().await;
    let listener = TcpListener::bind(site.address).await.unwrap();
    let stop = CancellationToken::new();
    let server = Server::builder()
        .add_routes(Routes::default())
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop.clone().cancelled_owned());
    let proxy = tokio::spawn(server);
    let worker = site.worker("w", WorkerKind::All, 3);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!worker.running.is_finished(), "it left for good");
    stop.cancel();
    tokio::time::timeout(PATIENCE, proxy).await.unwrap().unwrap().unwrap();
    site.start_cluster().await;
    site.request("p", 4, 2).await;
    site.proof("p", 4).await;
}
