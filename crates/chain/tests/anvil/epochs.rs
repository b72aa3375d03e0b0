//! What `submitEpochProof` accepts and refuses, besides what a proof says.

use crate::scene::{AGGREGATION_KEY, CONFIG_HASH, GENESIS_TIME, PROVER, Scene, clock, options, refused};
use alloy_primitives::{Address, Bytes, U256};
use proofmill_chain::{ChainError, EpochSubmission, Refusal};
use proofmill_primitives::{CheckpointNumber, Epoch, ProverType};
use proofmill_program::PublicValues;

#[tokio::test]
async fn an_epoch_settles() {
    let mut scene = Scene::new().await;
    assert_eq!(scene.rollup.config().config_hash, CONFIG_HASH);
    assert_eq!(*scene.rollup.clock(), clock());
    for slot in [1, 2, 3, 4, 6] {
        scene.propose_in(slot).await;
    }
    let included = scene.submit(scene.submission(1, 3)).await.unwrap();
    assert!(included.gas_used > 21_000 && included.gas_price > 0);
    assert_eq!(scene.proven().await, 3);
    assert_eq!(scene.longest(0, PROVER).await, Some(3));
    assert_eq!(scene.longest(1, PROVER).await, None);
    scene.submit(scene.submission(4, 5)).await.unwrap();
    assert_eq!(scene.proven().await, 5);
}

#[tokio::test]
async fn an_epoch_is_proven_in_parts_and_by_several_provers() {
    let mut scene = Scene::new().await;
    for slot in [4, 5, 6] {
        scene.propose_in(slot).await;
    }
    scene.submit(scene.submission(1, 1)).await.unwrap();
    assert_eq!(scene.proven().await, 1);
    scene.submit(scene.submission(1, 3)).await.unwrap();
    assert_eq!(scene.proven().await, 3);

    // Another prover's proof counts for that prover, and moves nothing.
    let other = Address::repeat_byte(0x88);
    let mut values = scene.epoch(1, 2);
    values.prover = other;
    let proofs = scene.proofs(AGGREGATION_KEY, &values.to_bytes());
    scene.submit(EpochSubmission { prover: other, ..scene.submission_of(1, 2, proofs) }).await.unwrap();
    assert_eq!(scene.proven().await, 3);
    assert_eq!(scene.longest(1, other).await, Some(2));
    assert_eq!(scene.longest(1, PROVER).await, Some(3));
}

#[tokio::test]
async fn a_replayed_submission_is_refused() {
    let mut scene = Scene::new().await;
    for slot in [1, 2] {
        scene.propose_in(slot).await;
    }
    scene.submit(scene.submission(1, 2)).await.unwrap();
    let refusal = Refusal::AlreadySubmitted { epoch: Epoch(0), prover: PROVER, last: CheckpointNumber(2) };
    assert_eq!(refused(scene.submit(scene.submission(1, 2)).await), refusal);
    assert_eq!(refused(scene.submit(scene.submission(1, 1)).await), refusal, "nor a shorter one");
}

#[tokio::test]
async fn a_proof_that_begins_within_its_epoch_is_refused() {
    let mut scene = Scene::new().await;
    for slot in [1, 2] {
        scene.propose_in(slot).await;
    }
    scene.submit(scene.submission(1, 1)).await.unwrap();
    let result = scene.submit(scene.submission(2, 2)).await;
    assert_eq!(refused(result), Refusal::NotAnEpochStart { checkpoint: CheckpointNumber(2) });
}

#[tokio::test]
async fn a_proof_over_two_epochs_is_refused() {
    let mut scene = Scene::new().await;
    for slot in [3, 4] {
        scene.propose_in(slot).await;
    }
    let result = scene.submit(scene.submission(1, 2)).await;
    assert_eq!(refused(result), Refusal::NotOneEpoch { first: Epoch(0), last: Epoch(1) });
}

#[tokio::test]
async fn an_epoch_before_which_something_is_unproven_is_refused() {
    let mut scene = Scene::new().await;
    for slot in [1, 2, 4] {
        scene.propose_in(slot).await;
    }
    scene.submit(scene.submission(1, 1)).await.unwrap();
    let result = scene.submit(scene.submission(3, 3)).await;
    let (expected, got) = (CheckpointNumber(2), CheckpointNumber(3));
    assert_eq!(refused(result), Refusal::UnprovenBefore { expected, got });
}

#[tokio::test]
async fn checkpoints_that_are_not_there_are_refused() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    for (first, last) in [(0, 1), (1, 2), (2, 2), (1, 0)] {
        let submission = EpochSubmission {
            first: CheckpointNumber(first),
            last: CheckpointNumber(last),
            ..scene.submission(1, 1)
        };
        assert_eq!(
            refused(scene.submit(submission).await),
            Refusal::UnknownCheckpoints {
                first: CheckpointNumber(first),
                last: CheckpointNumber(last),
                pending: CheckpointNumber(1)
            }
        );
    }
}

#[tokio::test]
async fn a_proof_out_of_its_window_is_refused() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let deadline = clock().deadline(Epoch(0));
    assert_eq!(deadline, GENESIS_TIME + 12 * 4 * 3);
    scene.to_time(deadline).await;
    let (deadline, timestamp) = (U256::from(deadline), U256::from(deadline));
    match refused(scene.submit(scene.submission(1, 1)).await) {
        Refusal::WindowClosed { deadline: closed, timestamp: at } => {
            assert_eq!(closed, deadline);
            assert!(at >= timestamp);
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_proof_in_the_last_second_of_its_window_is_accepted() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    // The submission is in the block after this one, a second later.
    scene.to_time(clock().deadline(Epoch(0)) - 2).await;
    scene.submit(scene.submission(1, 1)).await.unwrap();
    assert_eq!(scene.proven().await, 1);
}

#[tokio::test]
async fn every_proof_type_must_prove() {
    let anvil = options().spawn().await.unwrap();
    let mut scene = Scene::on(anvil, &[ProverType::Exec, ProverType::OpenVm]).await;
    scene.propose_in(1).await;
    let mut proofs = scene.submission(1, 1).proofs;
    proofs.get_mut(&ProverType::OpenVm).unwrap().proof = Bytes::new();
    let result = scene.submit(scene.submission_of(1, 1, proofs.clone())).await;
    assert!(matches!(
        refused(result),
        Refusal::ProofRejected { proof_type, .. } if proof_type == "openvm"
    ));
    proofs.remove(&ProverType::OpenVm);
    let result = scene.submit(scene.submission_of(1, 1, proofs)).await;
    assert!(matches!(result, Err(ChainError::MissingProof { prover: ProverType::OpenVm })));

    let mut proofs = scene.submission(1, 1).proofs;
    proofs.get_mut(&ProverType::Exec).unwrap().proof = Bytes::new();
    scene.submit(scene.submission_of(1, 1, proofs)).await.unwrap();
}

#[tokio::test]
async fn what_exec_says_is_checked_although_it_proves_nothing() {
    let anvil = options().spawn().await.unwrap();
    let mut scene = Scene::on(anvil, &[ProverType::Exec]).await;
    scene.propose_in(1).await;
    let mut values = scene.epoch(1, 1);
    values.postStateRoot.0[0] ^= 1;
    let proofs = scene.proofs(AGGREGATION_KEY, &values.to_bytes());
    assert_eq!(
        refused(scene.submit(scene.submission_of(1, 1, proofs)).await),
        Refusal::StatementMismatch {
            proof_type: "exec".to_owned(),
            checkpoint: CheckpointNumber(1),
            field: "postStateRoot".to_owned()
        }
    );
}
