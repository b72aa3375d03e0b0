//! A SNARK that is asked for by name is made by workers that make that one, and by no others.

use crate::{
    backend::{Slow, segment_text},
    harness::{PATIENCE, Site},
};
use proofmill_backends::SnarkVariant;
use proofmill_primitives::{ProofMode, WorkerKind};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

const ONE: SnarkVariant = SnarkVariant::ALL[1];
const OTHER: SnarkVariant = SnarkVariant::ALL[3];

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_another_snark_gives_the_request_back_before_anything_is_proven() {
    let mut site = Site::new(Slow::new(1).making(ONE)).await;
    let _one = site.worker("one", WorkerKind::All, 4);
    site.request_snark("asked", 3, OTHER).await;
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let status = site.status().await;
            let asked = status.proofs.into_iter().find(|proof| proof.proof_id == "asked").unwrap();
            let says = [ONE, OTHER].map(|snark| format!("'{snark}'"));
            if says.iter().all(|name| asked.diagnosis.contains(name)) {
                assert!(asked.diagnosis.contains("--snark"), "{}", asked.diagnosis);
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waited.await.expect("whoever waits is told both names");
    assert_eq!((*site.backend.plans.lock().unwrap(), site.backend.begun()), (0, 0));
    // Who asks for that one, or for any, is served.
    site.request_snark("same", 4, ONE).await;
    assert_eq!(site.proof("same", 4).await.1.mode, ProofMode::Plonk);
    site.request("any", 5, ProofMode::Plonk.wire()).await;
    assert_eq!(site.proof("any", 5).await.1.mode, ProofMode::Plonk);
    // The first is made once there is a worker for it.
    site.backend = Arc::new(Slow::new(1).making(OTHER));
    let _other = site.worker("other", WorkerKind::All, 4);
    let (progress, proof) = site.proof("asked", 3).await;
    assert_eq!((proof.mode, progress.diagnosis.as_str()), (ProofMode::Plonk, ""));
}

/// As where the folder is gone in which the step before was done, and with it what the next one needs of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_is_set_up_for_any_more_is_named_and_made_again_where_it_is_removed() {
    let site = Site::new(Slow::new(1)).await;
    site.backend.lacks.store(true, Ordering::Relaxed);
    let _worker = site.worker("alone", WorkerKind::All, 4);
    site.request("asked", 1, ProofMode::Compressed.wire()).await;
    site.until_diagnosis("asked", |says| says.contains("is not here")).await;
    let stored = site.intermediates().await;
    let (part, _) = stored.iter().find(|(_, bytes)| bytes == segment_text(0).as_bytes()).unwrap();
    site.until_diagnosis("asked", |says| says.contains(&format!("reads the artifact {part}"))).await;
    assert_eq!(site.backend.times_begun(0), 1);
    site.forget(|bytes| bytes == segment_text(0).as_bytes()).await;
    site.until("the part to be made again", || site.backend.times_begun(0) == 2).await;
    site.backend.lacks.store(false, Ordering::Relaxed);
    site.proof("asked", 1).await;
}
