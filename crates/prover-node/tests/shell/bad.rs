//! Proofs that are there and do not hold, and such as L1 refuses: removed, made anew once, kept as evidence.

use crate::{
    chain::statement,
    scene::{Scene, problems, until},
};
use proofmill_primitives::{Checkpoint, Epoch, ProgramVersion, ProverType};
use proofmill_prover_node::{
    ProverNode,
    parts::{EpochKey, FsProofs, ProofStore, RangeKey, StoredRange},
    rules::{
        Change, CheckpointState, JobError, ProofLevel, PublishOutcome, RangeSpec, SessionState, Snapshot,
    },
};
use std::time::Duration;
use tokio::time::sleep;

use crate::service::Mishap;

const EXEC: ProverType = ProverType::Exec;

fn program(byte: u8) -> ProgramVersion {
    ProgramVersion([byte; 32].into())
}

fn range_key(checkpoint: &Checkpoint) -> RangeKey {
    let range = RangeSpec::of(checkpoint);
    RangeKey {
        prover: EXEC,
        program: program(1),
        rollup: statement().rollup,
        prover_id: statement().prover,
        range,
    }
}

/// Puts a proof in the place of a checkpoint's that reads as one and does not hold; its bytes.
async fn spoil_range(scene: &Scene, checkpoint: &Checkpoint) -> Vec<u8> {
    let (store, key) = (FsProofs::open(&scene.proofs()).unwrap(), range_key(checkpoint));
    let Some(StoredRange::Proof(mut proof)) = store.range(&key).await.unwrap() else { panic!("not there") };
    let bad = [&proof.proof[..], b", spoiled"].concat();
    proof.proof = bad.clone().into();
    store.put_range(&key, &StoredRange::Proof(proof)).await.unwrap();
    bad
}

/// The epoch proof of the last session.
fn epoch_key(snapshot: &Snapshot) -> EpochKey {
    EpochKey {
        prover: EXEC,
        program: program(2),
        range_program: program(1),
        rollup: statement().rollup,
        prover_id: statement().prover,
        span: snapshot.sessions.last().unwrap().span.spec,
    }
}

/// Spoils it, as a range proof is.
async fn spoil_epoch(scene: &Scene, snapshot: &Snapshot) {
    let (store, key) = (FsProofs::open(&scene.proofs()).unwrap(), epoch_key(snapshot));
    let mut proof = store.epoch(&key).await.unwrap().unwrap();
    proof.proof = [&proof.proof[..], b", spoiled"].concat().into();
    store.put_epoch(&key, &proof).await.unwrap();
}

/// The evidence that was kept: what its names begin with.
async fn evidence(scene: &Scene, of: &str) -> Vec<Vec<u8>> {
    let mut proofs = Vec::new();
    for id in scene.failures().list().await.unwrap() {
        if id.as_str().starts_with(of) {
            let record = scene.failures().record(&id).await.unwrap();
            let bad = record.files.iter().find(|file| file.name == "bad.proof").unwrap();
            proofs.push(scene.failures().file(&id, bad).await.unwrap().to_vec());
        }
    }
    proofs
}

fn discarded(snapshot: &Snapshot) -> Vec<(ProofLevel, String)> {
    let of = |change: &Change| match change {
        Change::ProofDiscarded { level, cause, .. } => (*level, cause.clone()),
        other => panic!("{other:?}"),
    };
    snapshot.discarded.iter().map(|entry| of(&entry.change)).collect()
}

async fn proven(node: &ProverNode, count: usize) {
    until(node, "they are proven", |snapshot| {
        let proven = |state: &CheckpointState| matches!(state, CheckpointState::Proven { .. });
        snapshot.checkpoints.iter().filter(|status| proven(&status.state)).count() == count
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_stored_proof_of_a_range_is_removed_and_made_anew() {
    let scene = Scene::new();
    let node = scene.start();
    scene.chains.slot(0).await;
    let checkpoint = scene.chains.propose(3);
    proven(&node, 1).await;
    node.stop().await.unwrap();
    let bad = spoil_range(&scene, &checkpoint).await;
    let node = scene.start();
    let snapshot = until(&node, "it is seen", |snapshot| !snapshot.discarded.is_empty()).await;
    let said = discarded(&snapshot);
    assert!(
        matches!(&said[..], [(ProofLevel::Range, cause)] if cause.contains("does not verify")),
        "{said:?}"
    );
    scene.chains.until_proven(1).await;
    assert_eq!(scene.service().made(), ["1-3", "1-3"]);
    assert_eq!(evidence(&scene, "bad-range-exec-1-3").await, std::slice::from_ref(&bad));
    assert_eq!(scene.service().log().refused[0].0, bad, "its service does not hand it out again");
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_bad_range_proof_under_a_good_looking_epoch_request_is_found_and_made_anew() {
    let scene = Scene::new();
    let node = scene.start();
    scene.fill_epoch(0).await;
    proven(&node, 4).await;
    let checkpoint = scene.chains.state().checkpoints[2];
    let bad = spoil_range(&scene, &checkpoint).await;
    scene.chains.until_proven(4).await;
    assert_eq!(scene.service().made(), ["1-3", "10-12", "4-6", "7-9", "7-9"]);
    assert_eq!(scene.service().log().roots.len(), 1, "nothing was aggregated over it");
    assert_eq!(evidence(&scene, "bad-range-exec-7-9").await, [bad]);
    let snapshot = node.handle().snapshots().borrow().clone();
    assert!(matches!(discarded(&snapshot)[..], [(ProofLevel::Range, _)]));
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_bad_stored_proof_of_an_epoch_is_made_anew_before_it_is_published() {
    let scene = Scene::new();
    let away = || PublishOutcome::Unavailable { cause: "the attestors are away".into() };
    scene.chains.state().mishaps = [away(), away(), away(), away(), away()].into();
    let node = scene.start();
    scene.fill_epoch(0).await;
    let waits = |snapshot: &Snapshot| problems(snapshot).contains("the attestors are away");
    let snapshot = until(&node, "it waits", waits).await;
    let checks = scene.service().log().checks;
    spoil_epoch(&scene, &snapshot).await;
    scene.chains.until_proven(4).await;
    assert_eq!(scene.service().log().roots.len(), 2);
    assert_eq!(evidence(&scene, "bad-epoch-exec-1-12").await.len(), 1);
    assert_eq!(scene.service().log().checks, checks + 1, "what is known to hold is not verified at each try");
    node.stop().await.unwrap();
}

fn refused() -> PublishOutcome {
    PublishOutcome::BadProof { prover: EXEC, cause: "the exec proof is not valid: an opening".into() }
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_l1_rejects_is_made_anew_once_and_settles() {
    let scene = Scene::new();
    scene.chains.state().mishaps = [refused()].into();
    let node = scene.start();
    scene.fill_epoch(0).await;
    scene.chains.until_proven(4).await;
    assert_eq!((scene.service().made().len(), scene.service().log().roots.len()), (4, 2));
    assert_eq!(evidence(&scene, "bad-epoch-exec-1-12").await.len(), 1);
    let log = scene.service().log().refused.clone();
    assert!(matches!(&log[..], [(_, cause)] if cause.contains("an opening")), "{log:?}");
    let snapshot = until(&node, "it is completed", |snapshot| {
        matches!(snapshot.sessions[0].state, SessionState::Completed { .. })
    })
    .await;
    assert!(matches!(discarded(&snapshot)[..], [(ProofLevel::Epoch, _)]));
    node.stop().await.unwrap();
}

/// Otherwise the next one would be the same, refused again, and the epoch's last.
#[tokio::test(start_paused = true)]
async fn a_proof_that_l1_rejects_is_made_anew_once_its_service_can_be_told() {
    let scene = Scene::new();
    scene.chains.state().mishaps = [refused()].into();
    scene.service().log().deaf = 3;
    let node = scene.start();
    scene.fill_epoch(0).await;
    let waits = |snapshot: &Snapshot| problems(snapshot).contains("its service cannot be told yet");
    until(&node, "it says so", waits).await;
    assert_eq!(evidence(&scene, "bad-").await.len(), 0);
    scene.chains.until_proven(4).await;
    {
        let log = scene.service().log();
        assert_eq!((log.deaf, log.refused.len(), log.roots.len()), (0, 1, 2));
    }
    assert_eq!(evidence(&scene, "bad-epoch-exec-1-12").await.len(), 1);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_l1_rejects_again_fails_with_its_evidence_and_is_tried_when_asked() {
    let scene = Scene::new();
    scene.chains.state().mishaps = [refused(), refused()].into();
    let node = scene.start();
    scene.fill_epoch(0).await;
    let failed = |snapshot: &Snapshot| {
        snapshot.sessions.iter().any(|session| matches!(session.state, SessionState::Stopped { .. }))
    };
    let snapshot = until(&node, "it fails", failed).await;
    let said = problems(&snapshot);
    assert!(said.contains("refused again") && said.contains("an opening"), "{said}");
    assert_eq!((scene.chains.proven(), scene.service().log().roots.len()), (0, 2));
    // Both proofs have the same bytes here.
    assert_eq!(evidence(&scene, "bad-epoch-exec-1-12").await.len(), 1);
    assert_eq!(evidence(&scene, "bad-").await.len(), 1);
    node.handle().retry(Epoch(0)).await.unwrap();
    scene.chains.until_proven(4).await;
    assert_eq!(scene.service().log().roots.len(), 3);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn evidence_waits_for_its_store_longer_than_settlement_does() {
    let scene = Scene::new();
    scene.chains.state().mishaps = [refused()].into();
    // A file is in the way of the folder.
    let place = scene.folder.path().join("failures");
    std::fs::write(&place, "").unwrap();
    let node = scene.start();
    scene.fill_epoch(0).await;
    scene.chains.until_proven(4).await;
    std::fs::remove_file(&place).unwrap();
    let mut waited = 0;
    while evidence(&scene, "bad-epoch-exec-1-12").await.is_empty() {
        waited += 1;
        assert!(waited < 600, "the evidence was given up");
        sleep(Duration::from_secs(1)).await;
    }
    node.stop().await.unwrap();
}

/// A node is killed while the evidence of a refused proof is being written, which takes long.
#[tokio::test(start_paused = true)]
async fn a_proof_that_l1_rejected_is_not_published_again_after_a_kill() {
    let scene = Scene::new();
    let away = || PublishOutcome::Unavailable { cause: "the attestors are away".into() };
    scene.chains.state().mishaps = [away(), refused()].into();
    let place = scene.folder.path().join("failures");
    std::fs::write(&place, "").unwrap();
    let node = scene.start();
    scene.fill_epoch(0).await;
    let waits = |snapshot: &Snapshot| problems(snapshot).contains("the attestors are away");
    let snapshot = until(&node, "it waits", waits).await;
    let (store, key) = (FsProofs::open(&scene.proofs()).unwrap(), epoch_key(&snapshot));
    let proof = store.epoch(&key).await.unwrap().unwrap().proof;
    let block = key.span.range.blocks.last();
    let mut waited = 0;
    while store.refused(block, &proof).await.unwrap().is_none() {
        waited += 1;
        assert!(waited < 6_000, "nothing says that it is refused while its evidence is not kept");
        sleep(Duration::from_millis(100)).await;
    }
    scene.chains.until_proven(4).await;
    assert_eq!(store.refused(block, &proof).await.unwrap(), None, "the same bytes may come again");
    node.stop().await.unwrap();

    // What a killed one leaves behind.
    let scene = Scene::new();
    scene.chains.state().mishaps = [away(), away(), away()].into();
    let node = scene.start();
    scene.fill_epoch(0).await;
    let snapshot = until(&node, "it waits", waits).await;
    node.stop().await.unwrap();
    let (store, key) = (FsProofs::open(&scene.proofs()).unwrap(), epoch_key(&snapshot));
    let proof = store.epoch(&key).await.unwrap().unwrap().proof;
    store.mark_refused(key.span.range.blocks.last(), &proof, "an opening").await.unwrap();
    scene.chains.state().mishaps.clear();
    let node = scene.start();
    scene.chains.until_proven(4).await;
    assert_eq!(scene.service().log().roots.len(), 2, "the refused one is published");
    let log = scene.service().log().refused.clone();
    assert!(matches!(&log[..], [(_, cause)] if cause == "an opening"), "{log:?}");
    assert_eq!(evidence(&scene, "bad-epoch-exec-1-12").await, [proof.to_vec()]);
    node.stop().await.unwrap();
}

/// What a node leaves behind that is killed when a refused range proof is removed, and before its note is.
#[tokio::test(start_paused = true)]
async fn a_range_proof_that_was_removed_before_a_kill_is_made_anew_once() {
    let scene = Scene::new();
    let node = scene.start();
    scene.chains.slot(0).await;
    let checkpoint = scene.chains.propose(3);
    proven(&node, 1).await;
    node.stop().await.unwrap();
    let (store, key) = (FsProofs::open(&scene.proofs()).unwrap(), range_key(&checkpoint));
    let Some(StoredRange::Proof(proof)) = store.range(&key).await.unwrap() else { panic!("not there") };
    let block = key.range.blocks.last();
    store.mark_refused(block, &proof.proof, "an opening").await.unwrap();
    store.remove_range(&key).await.unwrap();
    let node = scene.start();
    scene.chains.until_proven(1).await;
    // It has the same bytes, and nobody has refused it.
    assert_eq!(scene.service().made(), ["1-3", "1-3"]);
    assert!(scene.service().log().refused.is_empty());
    assert_eq!(evidence(&scene, "bad-").await.len(), 0);
    assert_eq!(store.refused(block, &proof.proof).await.unwrap(), None);
    node.stop().await.unwrap();
}

/// The same of an epoch proof.
#[tokio::test(start_paused = true)]
async fn an_epoch_proof_that_was_removed_before_a_kill_is_made_anew_once() {
    let scene = Scene::new();
    let away = || PublishOutcome::Unavailable { cause: "the attestors are away".into() };
    scene.chains.state().mishaps = [away(), away(), away()].into();
    let node = scene.start();
    scene.fill_epoch(0).await;
    let waits = |snapshot: &Snapshot| problems(snapshot).contains("the attestors are away");
    let snapshot = until(&node, "it waits", waits).await;
    node.stop().await.unwrap();
    let (store, key) = (FsProofs::open(&scene.proofs()).unwrap(), epoch_key(&snapshot));
    let proof = store.epoch(&key).await.unwrap().unwrap().proof;
    let block = key.span.range.blocks.last();
    store.mark_refused(block, &proof, "an opening").await.unwrap();
    store.remove_epoch(&key).await.unwrap();
    scene.chains.state().mishaps.clear();
    let node = scene.start();
    scene.chains.until_proven(4).await;
    assert_eq!(scene.service().log().roots.len(), 2);
    assert!(scene.service().log().refused.is_empty());
    assert_eq!(evidence(&scene, "bad-").await.len(), 0);
    assert_eq!(store.refused(block, &proof).await.unwrap(), None);
    node.stop().await.unwrap();
}

/// A disk that is full takes no note of it, and lets go of what it has.
#[tokio::test(start_paused = true)]
async fn a_proof_that_l1_rejected_is_not_published_again_where_its_store_takes_no_note() {
    let scene = Scene::new();
    let away = || PublishOutcome::Unavailable { cause: "the attestors are away".into() };
    scene.chains.state().mishaps = [away(), refused()].into();
    let node = scene.start();
    scene.fill_epoch(0).await;
    let waits = |snapshot: &Snapshot| problems(snapshot).contains("the attestors are away");
    until(&node, "it waits", waits).await;
    // What is written goes through this folder.
    let place = scene.proofs().join("tmp");
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "").unwrap();
    let mut waited = 0;
    while scene.service().log().roots.len() < 2 {
        waited += 1;
        assert!(waited < 6_000, "it is not made anew");
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(scene.chains.proven(), 0, "the refused one is published");
    assert_eq!(evidence(&scene, "bad-epoch-exec-1-12").await.len(), 1);
    // The one that was made anew waits for space.
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    scene.chains.until_proven(4).await;
    assert_eq!(scene.service().log().roots.len(), 2);
    node.stop().await.unwrap();
}

/// The service has made it anew already: neither another try nor halves would help.
#[tokio::test(start_paused = true)]
async fn a_service_that_makes_bad_proofs_fails_the_checkpoint_and_splits_nothing() {
    let scene = Scene::new();
    let bad = JobError::BadProof { cause: "the proof p-1 does not hold here".into() };
    scene.service().log().mishaps = [Mishap::Error(bad)].into();
    let node = scene.start();
    scene.chains.propose_in(0, 6).await;
    let failed = |snapshot: &Snapshot| {
        snapshot.checkpoints.iter().any(|status| matches!(status.state, CheckpointState::Stopped { .. }))
    };
    let snapshot = until(&node, "it fails", failed).await;
    assert!(problems(&snapshot).contains("p-1 does not hold here"), "{}", problems(&snapshot));
    assert_eq!(snapshot.checkpoints[0].tracks[&EXEC].pieces.len(), 1);
    node.handle().retry(Epoch(0)).await.unwrap();
    scene.chains.until_proven(1).await;
    assert_eq!(scene.service().made(), ["1-6"]);
    node.stop().await.unwrap();
}
