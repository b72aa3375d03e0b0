//! Proofs that are valid, but of something else.

use crate::scene::{AGGREGATION_KEY, RANGE_KEY, Scene, refused};
use alloy_primitives::{Address, B256, U256};
use proofmill_chain::Refusal;
use proofmill_primitives::CheckpointNumber;
use proofmill_program::{AggregationPublicValues, PublicValues, RangePublicValues};

/// Submits an epoch proof that attestors signed, but that says something else.
async fn says(change: impl FnOnce(&mut AggregationPublicValues)) -> Refusal {
    let mut scene = Scene::new().await;
    for slot in [1, 2] {
        scene.propose_in(slot).await;
    }
    let mut values = scene.epoch(1, 2);
    change(&mut values);
    let proofs = scene.proofs(AGGREGATION_KEY, &values.to_bytes());
    let refusal = refused(scene.submit(scene.submission_of(1, 2, proofs)).await);
    assert_eq!(scene.proven().await, 0);
    assert!(refusal.is_invalid_proof());
    refusal
}

/// The same with the range proof of the second of two batches.
async fn batch_says(change: impl FnOnce(&mut RangePublicValues)) -> Refusal {
    let mut scene = Scene::new().await;
    for slot in [1, 2] {
        scene.propose_in(slot).await;
    }
    let mut values = scene.range(2);
    change(&mut values);
    let wrong = scene.proofs(RANGE_KEY, &values.to_bytes());
    let refusal = refused(scene.verify(1, vec![scene.batch(1), wrong]).await);
    assert_eq!(scene.proven().await, 0);
    refusal
}

fn differs(field: &str) -> Refusal {
    Refusal::StatementMismatch {
        proof_type: "openvm".to_owned(),
        checkpoint: CheckpointNumber(2),
        field: field.to_owned(),
    }
}

#[tokio::test]
async fn a_proof_of_another_state_root_is_refused() {
    let wrong = B256::repeat_byte(0xee);
    assert_eq!(says(|values| values.postStateRoot = wrong).await, differs("postStateRoot"));
    assert_eq!(says(|values| values.preStateRoot = wrong).await, differs("preStateRoot"));
    assert_eq!(batch_says(|values| values.postStateRoot = wrong).await, differs("postStateRoot"));
    assert_eq!(batch_says(|values| values.preStateRoot = wrong).await, differs("preStateRoot"));
}

#[tokio::test]
async fn a_proof_of_other_blocks_is_refused() {
    let wrong = B256::repeat_byte(0xee);
    assert_eq!(says(|values| values.firstBlock += 1).await, differs("firstBlock"));
    assert_eq!(says(|values| values.lastBlock -= 1).await, differs("lastBlock"));
    assert_eq!(says(|values| values.parentHash = wrong).await, differs("parentHash"));
    assert_eq!(says(|values| values.lastHash = wrong).await, differs("lastHash"));
    assert_eq!(batch_says(|values| values.firstBlock -= 1).await, differs("firstBlock"));
    assert_eq!(batch_says(|values| values.lastHash = wrong).await, differs("lastHash"));
}

#[tokio::test]
async fn a_proof_for_another_rollup_is_refused() {
    let other = Address::repeat_byte(0xee);
    assert_eq!(says(|values| values.rollup = other).await, differs("rollup"));
    assert_eq!(batch_says(|values| values.rollup = other).await, differs("rollup"));
}

#[tokio::test]
async fn a_proof_for_another_chain_is_refused() {
    assert_eq!(says(|values| values.chainId += 1).await, differs("chainId"));
    assert_eq!(batch_says(|values| values.chainId += 1).await, differs("chainId"));
}

#[tokio::test]
async fn a_proof_under_other_chain_rules_is_refused() {
    let wrong = B256::repeat_byte(0xee);
    assert_eq!(says(|values| values.configHash = wrong).await, differs("configHash"));
    assert_eq!(batch_says(|values| values.configHash = wrong).await, differs("configHash"));
}

#[tokio::test]
async fn a_proof_of_another_prover_is_refused() {
    let other = Address::repeat_byte(0xee);
    assert_eq!(says(|values| values.prover = other).await, differs("prover"));
    assert_eq!(batch_says(|values| values.prover = other).await, differs("prover"));
}

#[tokio::test]
async fn a_proof_of_another_time_is_refused() {
    assert_eq!(says(|values| values.lastTimestamp += 1).await, differs("lastTimestamp"));
    assert_eq!(batch_says(|values| values.lastTimestamp -= 1).await, differs("lastTimestamp"));
}

#[tokio::test]
async fn a_proof_of_other_checkpoints_is_refused() {
    let wrong = B256::repeat_byte(0xee);
    assert_eq!(says(|values| values.fromCommitment = wrong).await, differs("fromCommitment"));
    assert_eq!(says(|values| values.toCommitment = wrong).await, differs("toCommitment"));
}

#[tokio::test]
async fn a_proof_over_ranges_of_an_old_program_is_refused() {
    let old = B256::repeat_byte(0xee);
    assert_eq!(says(|values| values.rangeKey = old).await, differs("rangeKey"));
}

#[tokio::test]
async fn a_proof_of_the_epoch_without_its_last_checkpoint_does_not_prove_it() {
    let mut scene = Scene::new().await;
    for slot in [1, 2] {
        scene.propose_in(slot).await;
    }
    let shorter = scene.submission(1, 1).proofs;
    let refusal = refused(scene.submit(scene.submission_of(1, 2, shorter)).await);
    assert_eq!(refusal, differs("lastBlock"));
}

#[tokio::test]
async fn public_values_of_another_length_are_refused() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let honest = scene.epoch(1, 1).to_bytes();
    let longer = [&honest[..], &[0; 32]].concat();
    for values in [&longer[..], &honest[..honest.len() - 32], &[]] {
        let proofs = scene.proofs(AGGREGATION_KEY, values);
        assert_eq!(
            refused(scene.submit(scene.submission_of(1, 1, proofs)).await),
            Refusal::WrongPublicValuesLength {
                proof_type: "openvm".to_owned(),
                expected: U256::from(448),
                got: U256::from(values.len())
            }
        );
    }
    // An epoch proof is no range proof, although it says the same first.
    let refusal = refused(scene.verify(1, vec![scene.proofs(RANGE_KEY, &honest)]).await);
    assert!(
        matches!(refusal, Refusal::WrongPublicValuesLength { expected, .. } if expected == U256::from(352))
    );
}

#[tokio::test]
async fn public_values_with_dirty_bits_are_refused() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    // The upper bits of the word that holds the chain id, which must not be cut off.
    let mut values = scene.epoch(1, 1).to_bytes();
    values[0] = 1;
    let proofs = scene.proofs(AGGREGATION_KEY, &values);
    let refusal = refused(scene.submit(scene.submission_of(1, 1, proofs)).await);
    assert!(matches!(refusal, Refusal::StatementMismatch { field, .. } if field == "chainId"));
}
