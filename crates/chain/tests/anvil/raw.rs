//! What the contract refuses, and the client would not even send.

use crate::scene::{AGGREGATION_KEY, PROVER, Scene, refused, send};
use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::{SolCall, SolConstructor};
use proofmill_chain::{ChainError, Refusal, Rollup};
use proofmill_primitives::CheckpointNumber;
use proofmill_program::PublicValues;
use serde_json::{Value, json};

mod bindings {
    #![expect(clippy::too_many_arguments, reason = "an event has as many fields as the ABI says")]

    alloy_sol_types::sol! {
        Rollup,
        "../../contracts/artifacts/Rollup.json"
    }
}
use bindings::Rollup as Contract;

/// Why the contract refuses a call.
async fn call(scene: &Scene, from: Address, to: Option<Address>, data: Vec<u8>) -> Refusal {
    let call = json!({ "from": from, "to": to, "data": Bytes::from(data) });
    let client = proofmill_http::rpc_client(scene.anvil.rpc_url().clone());
    let error = client.request::<_, Value>("eth_call", (call, "latest")).await.unwrap_err();
    Refusal::decode(&error.as_error_resp().unwrap().as_revert_data().unwrap())
}

#[tokio::test]
async fn a_checkpoint_without_blocks_is_refused() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    scene.to_slot(2).await;
    let next = scene.next(1);
    let proposal = Contract::Proposal {
        firstBlock: next.blocks.first(),
        lastBlock: next.blocks.first() - 1,
        parentHash: next.parent_hash,
        lastHash: next.parent_hash,
        stateRoot: next.state_root,
        lastTimestamp: next.last_timestamp,
    };
    let data = Contract::proposeCall { proposal }.abi_encode();
    let refusal = call(&scene, scene.proposer.account(), Some(scene.rollup.address()), data).await;
    assert_eq!(refusal, Refusal::EmptyCheckpoint { first: 14, last: 13 });
}

#[tokio::test]
async fn too_few_and_too_many_proofs_are_refused() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let honest = scene.attested(AGGREGATION_KEY, &scene.epoch(1, 1).to_bytes());
    let proof = Contract::Proof { publicValues: honest.public_values, proof: honest.proof };
    for proofs in [Vec::new(), vec![proof.clone(), proof.clone()]] {
        let got = proofs.len().try_into().unwrap();
        let data =
            Contract::submitEpochProofCall { first: 1, last: 1, prover: PROVER, proofs: proofs.clone() };
        let to = Some(scene.rollup.address());
        let wrong = Refusal::WrongProofCount { expected: 1.try_into().unwrap(), got };
        assert_eq!(call(&scene, PROVER, to, data.abi_encode()).await, wrong);
        let data = Contract::verifyBatchesCall {
            first: 1,
            prover: PROVER,
            batches: vec![Contract::BatchProof { proofs }],
        };
        assert_eq!(call(&scene, PROVER, to, data.abi_encode()).await, wrong);
    }
}

#[tokio::test]
async fn reading_checkpoints_that_are_not_there_is_refused() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    for (first, last) in [(1, 2), (2, 2), (1, 0)] {
        let data = Contract::checkpointsCall { first, last }.abi_encode();
        let refusal = call(&scene, PROVER, Some(scene.rollup.address()), data).await;
        let (first, last) = (CheckpointNumber(first), CheckpointNumber(last));
        assert_eq!(refusal, Refusal::UnknownCheckpoints { first, last, pending: CheckpointNumber(1) });
    }
}

fn creation(scene: &Scene) -> Contract::constructorCall {
    Contract::constructorCall {
        constants_: Contract::Constants {
            chainId: 1,
            genesisTime: 0,
            slotSeconds: 12,
            epochSlots: 4,
            windowEpochs: 2,
            maxLag: 12,
            silence: 0,
            changeDelay: 144,
            maxPause: 0,
            genesisBlock: 0,
            genesisHash: B256::repeat_byte(1),
            genesisStateRoot: B256::repeat_byte(1),
            genesisTimestamp: 0,
        },
        first: Contract::Rules {
            configHash: B256::repeat_byte(1),
            proposer: PROVER,
            proofTypes: vec![Contract::ProofType {
                name: B256::right_padding_from(b"exec"),
                verifier: scene.verifier,
                rangeKey: B256::repeat_byte(1),
                aggregationKey: B256::repeat_byte(1),
            }],
        },
        roles: Contract::Roles { owner: Address::ZERO, guardian: Address::ZERO },
    }
}

fn code(creation: &Contract::constructorCall) -> Vec<u8> {
    [&Contract::BYTECODE[..], &creation.abi_encode()].concat()
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let scene = Scene::new().await;
    type Change = fn(&mut Contract::constructorCall);
    let wrong: [(&str, Change); 15] = [
        ("slotSeconds", |creation| creation.constants_.slotSeconds = 0),
        ("epochSlots", |creation| creation.constants_.epochSlots = 0),
        ("windowEpochs", |creation| creation.constants_.windowEpochs = 0),
        ("maxLag", |creation| creation.constants_.maxLag = 11),
        ("maxLag", |creation| creation.constants_.maxLag = u64::MAX),
        ("silence", |creation| creation.constants_.silence = u64::MAX),
        // A silence that is over inside the window would open the rollup while the proposer's checkpoints can still be proven.
        ("silence", |creation| creation.constants_.silence = 143),
        // Rules that change inside the window would be proven by nobody who left because of them.
        ("changeDelay", |creation| creation.constants_.changeDelay = 143),
        ("changeDelay", |creation| creation.constants_.changeDelay = u64::MAX),
        ("changeDelay", |creation| creation.constants_.windowEpochs = u64::MAX),
        ("maxPause", |creation| creation.constants_.maxPause = u64::MAX),
        ("maxPause", |creation| creation.roles.guardian = PROVER),
        // Nobody could end it.
        ("maxPause", |creation| {
            creation.roles.guardian = PROVER;
            creation.constants_.maxPause = 145;
        }),
        ("genesisTimestamp", |creation| creation.constants_.genesisTimestamp = u64::MAX),
        ("name", |creation| creation.first.proofTypes[0].name = B256::ZERO),
    ];
    for (field, change) in wrong {
        let mut creation = creation(&scene);
        change(&mut creation);
        let refusal = call(&scene, PROVER, None, code(&creation)).await;
        assert_eq!(refusal, Refusal::InvalidConfig { field: field.to_owned() });
    }
}

#[tokio::test]
async fn a_contract_that_wants_unknown_proofs_is_refused() {
    let scene = Scene::new().await;
    let mut creation = creation(&scene);
    creation.first.proofTypes[0].name = B256::right_padding_from(b"abacus");
    let from = scene.publisher.account();
    let create = json!({ "from": from, "data": Bytes::from(code(&creation)) });
    let receipt = send(&scene.anvil, create).await.unwrap();
    let address = receipt["contractAddress"].as_str().unwrap().parse().unwrap();
    match Rollup::connect(scene.l1.clone(), address).await {
        Err(ChainError::UnknownProofType { name, .. }) => assert_eq!(name, "abacus"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn values_far_out_overflow_nothing() {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let last = u64::MAX;
    for first in [0, 1, u64::MAX] {
        let refusal = refused(
            scene
                .submit(proofmill_chain::EpochSubmission {
                    first: CheckpointNumber(first),
                    last: CheckpointNumber(last),
                    ..scene.submission(1, 1)
                })
                .await,
        );
        assert!(matches!(refusal, Refusal::UnknownCheckpoints { .. }), "{refusal}");
    }
    let data = Contract::deadlineCall { epoch: u64::MAX }.abi_encode();
    let deadline = json!([{ "to": scene.rollup.address(), "data": Bytes::from(data) }, "latest"]);
    let deadline = scene.rpc("eth_call", deadline).await;
    let deadline = deadline.as_str().unwrap();
    assert!(
        deadline.trim_start_matches("0x").trim_start_matches('0').len() > 16,
        "above 64 bits: {deadline}"
    );
}
