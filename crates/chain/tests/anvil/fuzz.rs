//! Mutated proofs and public values are never accepted, and honest ones always.

use crate::scene::{AGGREGATION_KEY, PROVER, RANGE_KEY, Scene, encode, refused};
use alloy_primitives::Bytes;
use proofmill_chain::{ProofSet, SubmittedProof};
use proofmill_primitives::ProverType;
use proofmill_program::PublicValues;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::Runtime;

#[derive(Clone, Debug)]
enum Mutation {
    FlipValues { bit: usize },
    FlipProof { bit: usize },
    Splice { values: bool, at: usize, bytes: Vec<u8> },
    Truncate { values: bool, to: usize },
    Proof(Vec<u8>),
    Signatures(Vec<Vec<u8>>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        6 => any::<usize>().prop_map(|bit| Mutation::FlipValues { bit }),
        6 => any::<usize>().prop_map(|bit| Mutation::FlipProof { bit }),
        2 => (any::<bool>(), any::<usize>(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(values, at, bytes)| Mutation::Splice { values, at, bytes }),
        1 => (any::<bool>(), any::<usize>()).prop_map(|(values, to)| Mutation::Truncate { values, to }),
        1 => prop::collection::vec(any::<u8>(), 0..400).prop_map(Mutation::Proof),
        2 => prop::collection::vec(prop::collection::vec(any::<u8>(), 64..67), 0..4)
            .prop_map(Mutation::Signatures),
    ]
}

fn mutate(honest: &SubmittedProof, mutation: Mutation) -> SubmittedProof {
    let (mut values, mut proof) = (honest.public_values.to_vec(), honest.proof.to_vec());
    let flip = |bytes: &mut Vec<u8>, bit: usize| {
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    };
    match mutation {
        Mutation::FlipValues { bit } => flip(&mut values, bit),
        Mutation::FlipProof { bit } => flip(&mut proof, bit),
        Mutation::Splice { values: true, at, bytes } => splice(&mut values, at, bytes),
        Mutation::Splice { values: false, at, bytes } => splice(&mut proof, at, bytes),
        Mutation::Truncate { values: true, to } => values.truncate(to % values.len()),
        Mutation::Truncate { values: false, to } => proof.truncate(to % proof.len()),
        Mutation::Proof(bytes) => proof = bytes,
        Mutation::Signatures(signatures) => proof = encode(&signatures).into(),
    }
    SubmittedProof { public_values: values.into(), proof: Bytes::from(proof) }
}

fn splice(into: &mut Vec<u8>, at: usize, bytes: Vec<u8>) {
    let at = at % (into.len() + 1);
    into.splice(at..at, bytes);
}

fn set(proof: SubmittedProof) -> ProofSet {
    [(ProverType::OpenVm, proof)].into()
}

/// Mutates `honest` in many ways, and has `send` show each to the contract.
fn never_accepted(
    runtime: &Runtime,
    honest: &SubmittedProof,
    send: impl AsyncFn(ProofSet) -> Result<proofmill_chain::Included, proofmill_chain::ChainError>,
) {
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    runner
        .run(&mutation(), |mutation| {
            let mutant = mutate(honest, mutation);
            prop_assume!(mutant != *honest);
            refused(runtime.block_on(send(set(mutant))));
            Ok(())
        })
        .unwrap();
}

#[test]
fn mutated_epoch_proofs_are_never_accepted() {
    let runtime = Runtime::new().unwrap();
    let mut scene = runtime.block_on(Scene::new());
    runtime.block_on(async {
        for slot in [1, 2, 3] {
            scene.propose_in(slot).await;
        }
    });
    let honest = scene.attested(AGGREGATION_KEY, &scene.epoch(1, 3).to_bytes());
    never_accepted(&runtime, &honest, async |proofs| scene.submit(scene.submission_of(1, 3, proofs)).await);
    runtime.block_on(async {
        assert_eq!(scene.proven().await, 0);
        assert_eq!(scene.longest(0, PROVER).await, None);
        scene.submit(scene.submission_of(1, 3, set(honest))).await.unwrap();
        assert_eq!(scene.proven().await, 3);
    });
}

#[test]
fn mutated_batches_are_never_accepted() {
    let runtime = Runtime::new().unwrap();
    let mut scene = runtime.block_on(Scene::new());
    runtime.block_on(async {
        for slot in [1, 2] {
            scene.propose_in(slot).await;
        }
    });
    let honest = scene.attested(RANGE_KEY, &scene.range(2).to_bytes());
    let first = scene.batch(1);
    never_accepted(&runtime, &honest, async |proofs| scene.verify(1, vec![first.clone(), proofs]).await);
    runtime.block_on(async {
        assert_eq!(scene.proven().await, 0);
        scene.verify(1, vec![first, set(honest)]).await.unwrap();
        assert_eq!(scene.proven().await, 2);
    });
}

#[test]
fn any_numbers_of_checkpoints_are_accepted_only_if_they_are_an_epoch() {
    let runtime = Runtime::new().unwrap();
    let mut scene = runtime.block_on(Scene::new());
    runtime.block_on(async {
        for slot in [1, 2, 4, 5, 8] {
            scene.propose_in(slot).await;
        }
    });
    // Honest proofs of every range: only those of the first epoch, from its start, may settle now.
    let numbers = (prop_oneof![0_u64..8, any::<u64>()], prop_oneof![0_u64..8, any::<u64>()]);
    let mut runner = TestRunner::new(Config { cases: 120, failure_persistence: None, ..Config::default() });
    runner
        .run(&numbers, |(first, last)| {
            let exist = 1 <= first && first <= last && last <= 5;
            prop_assume!(!(first == 1 && last <= 2 && exist));
            let proofs =
                if exist { scene.submission(first, last).proofs } else { scene.submission(1, 1).proofs };
            refused(runtime.block_on(scene.submit(scene.submission_of(first, last, proofs))));
            Ok(())
        })
        .unwrap();
    assert_eq!(runtime.block_on(scene.proven()), 0);
}
