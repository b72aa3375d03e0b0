//! The stores in folders.

use crate::chain::{Branch, statement};
use alloy_primitives::{Address, B256};
use proofmill_primitives::{BlockRange, ProgramVersion, ProverType};
use proofmill_program::{Aggregation, aggregation};
use proofmill_prover_node::{
    parts::{EpochKey, EpochProof, FsProofs, ProofStore, RangeKey, RangeProof, Statement, StoredRange},
    rules::{EpochSpec, Executed, ProofCost, RangeSpec, SplitPoint},
};
use std::time::Duration;

fn key(first: u64, last: u64) -> RangeKey {
    let blocks = BlockRange::new(first, last).unwrap();
    let branch = Branch::default();
    let range = RangeSpec { blocks, parent_hash: branch.hash(first - 1), last_hash: branch.hash(last) };
    let program = ProgramVersion(B256::repeat_byte(1));
    let Statement { rollup, prover: prover_id, .. } = statement();
    RangeKey { prover: ProverType::Exec, program, rollup, prover_id, range }
}

fn proof(key: &RangeKey) -> RangeProof {
    let values = Branch::default().values(key.range.blocks);
    let cost = ProofCost { instructions: None, segments: Some(3), took: Duration::from_millis(1_234) };
    let executed = Executed { gas_used: 21_000, transactions: 1 };
    RangeProof { values, proof: vec![7; 1_000].into(), executed, cost }
}

#[tokio::test]
async fn a_proof_comes_back_as_it_was_kept_and_only_under_its_own_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = FsProofs::open(folder.path()).unwrap();
    let key = key(1, 5);
    let kept = StoredRange::Proof(Box::new(proof(&key)));
    assert_eq!(store.range(&key).await.unwrap(), None);
    store.put_range(&key, &kept).await.unwrap();
    // Another process.
    let store = FsProofs::open(folder.path()).unwrap();
    assert_eq!(store.range(&key).await.unwrap(), Some(kept));
    let other = B256::repeat_byte(99);
    let mut others = vec![key; 8];
    others[0].prover = ProverType::OpenVm;
    others[1].program = ProgramVersion(other);
    others[2].rollup = Address::repeat_byte(99);
    others[3].range.parent_hash = other;
    others[4].range.last_hash = other;
    others[5].range.blocks = BlockRange::new(2, 5).unwrap();
    others[6].range.blocks = BlockRange::new(1, 6).unwrap();
    others[7].prover_id = Address::repeat_byte(99);
    for other in others {
        assert_eq!(store.range(&other).await.unwrap(), None, "{other:?}");
    }
}

#[tokio::test]
async fn a_split_and_then_a_proof_may_be_kept_of_a_range() {
    let folder = tempfile::tempdir().unwrap();
    let store = FsProofs::open(folder.path()).unwrap();
    let key = key(1, 5);
    let split = StoredRange::Split(SplitPoint { at: 2, hash: B256::repeat_byte(4) });
    store.put_range(&key, &split).await.unwrap();
    assert_eq!(store.range(&key).await.unwrap(), Some(split));
    let kept = StoredRange::Proof(Box::new(proof(&key)));
    store.put_range(&key, &kept).await.unwrap();
    assert_eq!(store.range(&key).await.unwrap(), Some(kept));
}

#[tokio::test]
async fn what_is_old_is_released_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = FsProofs::open(folder.path()).unwrap();
    let keys = [key(1, 5), key(6, 9), key(10, 10), key(100, 120)];
    for key in &keys {
        store.put_range(key, &StoredRange::Proof(Box::new(proof(key)))).await.unwrap();
    }
    let epoch = |keys: &[RangeKey]| {
        let by = Aggregation {
            range_key: B256::repeat_byte(1),
            from_commitment: B256::ZERO,
            checkpoints: vec![1; keys.len()],
        };
        let values: Vec<_> = keys.iter().map(|key| proof(key).values).collect();
        let range = RangeSpec::spanning(&keys[0].range, &keys[keys.len() - 1].range).unwrap();
        let values = aggregation::fold(&by, &values).unwrap();
        let key = EpochKey {
            prover: ProverType::Exec,
            program: ProgramVersion(B256::repeat_byte(2)),
            range_program: ProgramVersion(by.range_key),
            rollup: statement().rollup,
            prover_id: statement().prover,
            span: EpochSpec {
                range,
                from_commitment: by.from_commitment,
                to_commitment: values.toCommitment,
            },
        };
        let (executed, cost) = (Executed { gas_used: 7, transactions: 3 }, ProofCost::default());
        (key, EpochProof { values, proof: vec![1; 10].into(), executed, cost })
    };
    let (old, old_proof) = epoch(&keys[..2]);
    let (new, new_proof) = epoch(&keys[..3]);
    store.put_epoch(&old, &old_proof).await.unwrap();
    store.put_epoch(&new, &new_proof).await.unwrap();
    assert_eq!(store.epoch(&old).await.unwrap(), Some(old_proof));
    // The same blocks in other checkpoints are another epoch.
    let mut others = [old; 3];
    others[0].span.from_commitment = B256::repeat_byte(99);
    others[1].span.to_commitment = B256::repeat_byte(99);
    others[2].prover_id = Address::repeat_byte(99);
    for other in others {
        assert_eq!(store.epoch(&other).await.unwrap(), None, "{other:?}");
    }
    // So is that one of them is refused.
    let bytes = new_proof.proof.clone();
    for block in [9, 10] {
        store.mark_refused(block, &bytes, "an opening").await.unwrap();
    }
    assert_eq!(store.release(9).await.unwrap(), 4);
    assert_eq!(store.refused(9, &bytes).await.unwrap(), None);
    assert_eq!(store.refused(10, &bytes).await.unwrap().as_deref(), Some("an opening"));
    store.forget_refused(10, &bytes).await.unwrap();
    assert_eq!(store.refused(10, &bytes).await.unwrap(), None);
    assert_eq!(store.epoch(&old).await.unwrap(), None);
    assert_eq!(store.epoch(&new).await.unwrap(), Some(new_proof));
    let mut left = vec![];
    for key in &keys {
        left.push(store.range(key).await.unwrap().is_some());
    }
    assert_eq!(left, [false, false, true, true]);
    assert_eq!(store.release(9).await.unwrap(), 0);
}
