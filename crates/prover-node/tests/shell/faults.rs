//! What goes wrong, and what people see of it.

use crate::{
    scene::{Scene, problems, until},
    service::Mishap,
};
use alloy_primitives::B256;
use proofmill_primitives::{Epoch, ProofMode, ProverType};
use proofmill_prover_node::{
    parts::{FailureId, Subject},
    rules::{CheckpointState, JobError, PublishOutcome, SessionState},
};
use std::{fs, path::Path, time::Duration};
use tokio::time::sleep;

fn cause() -> String {
    "bad luck".into()
}

#[tokio::test(start_paused = true)]
async fn a_prover_that_panics_fails_returns_another_rollups_proof_or_is_away_does_not_stop_the_epoch() {
    let scene = Scene::new();
    scene.service().log().mishaps = [
        Mishap::Panic,
        Mishap::Error(JobError::Failed { cause: cause() }),
        Mishap::Error(JobError::Unavailable { cause: cause() }),
        Mishap::Foreign,
        Mishap::Error(JobError::Cancelled),
    ]
    .into();
    let node = scene.start();
    scene.fill_epoch(0).await;
    scene.chains.until_proven(4).await;
    assert!(scene.service().log().mishaps.is_empty());
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_lies_about_its_state_never_settles_and_is_recorded_once() {
    let scene = Scene::new();
    scene.chains.propose_in(0, 3).await;
    scene.chains.state().checkpoints[0].state_root = B256::repeat_byte(66);
    let node = scene.start();
    let failed = |snapshot: &proofmill_prover_node::rules::Snapshot| {
        snapshot.checkpoints.iter().any(|status| matches!(status.state, CheckpointState::Failed { .. }))
    };
    let snapshot = until(&node, "it failed", failed).await;
    let said = problems(&snapshot);
    assert!(said.contains("claims") && said.contains(&B256::repeat_byte(66).to_string()), "{said}");
    scene.chains.slot(6).await;
    assert_eq!((scene.chains.proven(), scene.service().made().len()), (0, 0));
    let records = scene.failures().list().await.unwrap();
    assert_eq!(records.len(), 1);
    let record = scene.failures().record(&records[0]).await.unwrap();
    assert_eq!(FailureId::of(&record.subject), records[0]);
    // A rerun of its epoch makes what L1 wants.
    let modes: Vec<_> = record.epoch_modes.values().copied().collect();
    assert_eq!(modes, [ProofMode::Plonk]);
    let input = record.files.iter().find(|file| file.name == "1-3.input").unwrap();
    let input = scene.failures().file(&records[0], input).await.unwrap();
    assert!(input.starts_with(b"input"));
    let Subject::Failure(failure) = record.subject else { panic!("{:?}", record.subject) };
    assert_eq!(failure.epoch, Epoch(0));
    // Trying again does not help, and does not fill the disk.
    node.handle().retry(Epoch(0)).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    until(&node, "it failed again", failed).await;
    assert_eq!(scene.failures().list().await.unwrap(), records);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_range_that_fails_twice_is_proven_in_halves() {
    let scene = Scene::new();
    let failed = || Mishap::Error(JobError::Failed { cause: cause() });
    scene.service().log().mishaps = [failed(), failed()].into();
    let node = scene.start();
    scene.chains.propose_in(0, 5).await;
    scene.chains.until_proven(1).await;
    assert_eq!(scene.service().made(), ["1-2", "3-5"]);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_is_away_for_minutes_is_seen_and_waited_for() {
    let scene = Scene::new();
    scene.chains.state().away = Some("connection refused".into());
    let node = scene.start();
    let snapshot = until(&node, "it is said", |snapshot| !snapshot.problems.is_empty()).await;
    assert!(problems(&snapshot).contains("connection refused"));
    sleep(Duration::from_secs(8)).await;
    scene.chains.state().away = None;
    scene.chains.propose_in(1, 3).await;
    until(&node, "it has begun", |snapshot| snapshot.checkpoints.len() == 1).await;
    // Again, when the epoch is to be published.
    scene.chains.slot(3).await;
    scene.chains.state().away = Some("connection refused".into());
    scene.chains.slot(9).await;
    assert_eq!(scene.chains.proven(), 0);
    scene.chains.state().away = None;
    scene.chains.until_proven(1).await;
    until(&node, "all is well", |snapshot| snapshot.problems.is_empty()).await;
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_l2_that_is_away_is_seen_and_waited_for() {
    let scene = Scene::new();
    let node = scene.start();
    scene.chains.propose_in(0, 3).await;
    scene.chains.state().l2_away = Some("L2: connection refused".into());
    let snapshot = until(&node, "it is said", |snapshot| problems(snapshot).contains("L2: connection")).await;
    assert_eq!(snapshot.checkpoints, []);
    scene.chains.slot(3).await;
    scene.chains.state().l2_away = None;
    scene.chains.until_proven(1).await;
    until(&node, "all is well", |snapshot| snapshot.problems.is_empty()).await;
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_signer_without_funds_is_told_and_tried_again() {
    let scene = Scene::new();
    let poor = || PublishOutcome::Unavailable { cause: "0xabc has no funds: send it some".into() };
    scene.chains.state().mishaps = (0..10).map(|_| poor()).collect();
    let node = scene.start();
    scene.fill_epoch(0).await;
    let snapshot = until(&node, "it is said", |snapshot| problems(snapshot).contains("no funds")).await;
    assert_eq!(snapshot.candidates[0].epoch, Epoch(0));
    scene.chains.until_proven(4).await;
    until(&node, "all is well", |snapshot| snapshot.problems.is_empty()).await;
    assert_eq!(scene.service().log().roots.len(), 1);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_that_l1_refuses_comes_back_by_itself_with_the_same_proof() {
    let scene = Scene::new();
    let refused = || PublishOutcome::Refused { cause: "an old program's proof".into() };
    scene.chains.state().mishaps = [refused(), refused()].into();
    let node = scene.start();
    scene.chains.propose_in(0, 3).await;
    let snapshot = until(&node, "it stopped", |snapshot| {
        snapshot.sessions.iter().any(|session| matches!(session.state, SessionState::Stopped { .. }))
    })
    .await;
    assert!(problems(&snapshot).contains("an old program's proof"));
    assert_eq!(scene.failures().list().await.unwrap(), [], "no verdict");
    scene.chains.until_proven(1).await;
    assert_eq!(scene.service().log().roots.len(), 1, "the proof is the same");
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stored_proof_that_is_damaged_is_made_again() {
    let scene = Scene::new();
    let node = scene.start();
    scene.chains.propose_in(0, 3).await;
    scene.chains.propose_in(1, 3).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(scene.service().made(), ["1-3", "4-6"]);
    let mut damaged = 0;
    damage(&scene.proofs(), &mut damaged);
    assert_eq!(damaged, 2);
    scene.chains.until_proven(2).await;
    assert_eq!(scene.service().made().len(), 4);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stored_proofs_that_another_version_made_are_made_again_and_not_for_ever() {
    let scene = Scene::new();
    let late = || PublishOutcome::Unavailable { cause: "the attestors are away".into() };
    scene.chains.state().mishaps = (0..1_000).map(|_| late()).collect();
    let node = scene.start();
    scene.chains.propose_in(0, 3).await;
    until(&node, "its proof waits", |snapshot| problems(snapshot).contains("attestors")).await;
    assert_eq!((scene.service().made().len(), scene.service().log().roots.len()), (1, 1));
    // Of a process, the version does not change.
    node.stop().await.unwrap();
    scene.service().log().version += 1;
    let node = scene.start();
    sleep(Duration::from_secs(30)).await;
    assert_eq!((scene.service().made().len(), scene.service().log().roots.len()), (2, 2));
    node.stop().await.unwrap();
    scene.service().log().version += 1;
    scene.chains.state().mishaps.clear();
    let node = scene.start();
    scene.chains.until_proven(1).await;
    assert_eq!((scene.service().made().len(), scene.service().log().roots.len()), (3, 3));
    assert_eq!(scene.service().log().refused, [], "nothing was wrong with them");
    node.stop().await.unwrap();
}

/// What one of two systems proves is worth nothing without the other.
#[tokio::test(start_paused = true)]
async fn a_missing_types_proof_holds_settlement_up_with_a_cause() {
    let scene = Scene::of(&[ProverType::Exec, ProverType::OpenVm]);
    let missing = || JobError::Unavailable { cause: "no worker runs openvm".into() };
    scene.services[&ProverType::OpenVm].log().mishaps =
        (0..1_000).map(|_| Mishap::Error(missing())).collect();
    let node = scene.start();
    scene.fill_epoch(0).await;
    scene.chains.slot(8).await;
    let snapshot = node.handle().snapshots().borrow().clone();
    let said = problems(&snapshot);
    assert!(said.contains("wait for their openvm proof") && said.contains("no worker runs openvm"), "{said}");
    assert_eq!(scene.services[&ProverType::Exec].log().roots.len(), 1, "the other has proven the epoch");
    assert_eq!((scene.chains.proven(), scene.chains.state().submissions.len()), (0, 0));
    scene.services[&ProverType::OpenVm].log().mishaps.clear();
    scene.chains.until_proven(4).await;
    node.stop().await.unwrap();
}

/// Turns the last bit of every file.
fn damage(folder: &Path, count: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path, count);
        } else {
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&path, bytes).unwrap();
            *count += 1;
        }
    }
}
