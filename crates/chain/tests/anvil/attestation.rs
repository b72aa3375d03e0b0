//! What the attested verifier refuses.

use crate::scene::{AGGREGATION_KEY, RANGE_KEY, Scene, encode, key, options, refused};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolValue;
use proofmill_chain::{
    Attestation, AttestorSet, ChainError, EpochSubmission, L1, PoolOptions, ProofSet, Refusal,
    SubmittedProof, VerifierKind,
};
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProverType};
use proofmill_program::PublicValues;
use proofmill_proxy::{Action, Proxy};
use serde_json::json;

async fn scene() -> (Scene, Attestation) {
    let mut scene = Scene::new().await;
    scene.propose_in(1).await;
    let attestation = scene.attestation(AGGREGATION_KEY, &scene.epoch(1, 1).to_bytes());
    (scene, attestation)
}

fn set(scene: &Scene, proof: Bytes) -> ProofSet {
    let public_values = scene.epoch(1, 1).to_bytes().into();
    [(ProverType::OpenVm, SubmittedProof { public_values, proof })].into()
}

/// Why the verifier rejects an honest epoch's public values with this proof.
async fn rejects(scene: &Scene, proof: Bytes) -> Refusal {
    let refusal = refused(scene.submit(scene.submission_of(1, 1, set(scene, proof))).await);
    assert!(refusal.is_invalid_proof());
    assert_eq!(scene.proven().await, 0);
    match refusal {
        Refusal::ProofRejected { proof_type, checkpoint, reason } => {
            assert_eq!((proof_type.as_str(), checkpoint), ("openvm", CheckpointNumber(1)));
            *reason
        }
        other => panic!("{other}"),
    }
}

fn too_few(given: u64) -> Refusal {
    Refusal::TooFewSignatures { required: U256::from(2), given: U256::from(given) }
}

#[tokio::test]
async fn a_missing_attestor_signature_is_refused() {
    let (scene, attestation) = scene().await;
    let all = scene.signatures(&attestation);
    assert_eq!(rejects(&scene, attestation.proof_bytes(&all[..1])).await, too_few(1));
    assert_eq!(rejects(&scene, attestation.proof_bytes(&[])).await, too_few(0));
    let proofs = set(&scene, attestation.proof_bytes(&all));
    scene.submit(scene.submission_of(1, 1, proofs)).await.unwrap();
}

#[tokio::test]
async fn a_verifier_is_known_by_whether_it_counts_attestors() {
    let scene = Scene::on(options().spawn().await.unwrap(), &[ProverType::OpenVm, ProverType::Exec]).await;
    let counted = AttestorSet::find(&scene.l1, scene.verifier).await.unwrap().unwrap();
    assert_eq!((counted.members.len(), counted.threshold), (3, 2));
    let anything = scene.rollup.config().proof_type(ProverType::Exec).unwrap().verifier;
    assert_eq!(AttestorSet::find(&scene.l1, anything).await.unwrap(), None);
    // One that answers to everything, with nothing.
    let silent = Address::repeat_byte(0x51);
    scene.rpc("anvil_setCode", json!([silent, "0x00"])).await;
    assert_eq!(AttestorSet::find(&scene.l1, silent).await.unwrap(), None);
    let nobody = AttestorSet::find(&scene.l1, Address::repeat_byte(0x52)).await;
    assert!(matches!(nobody, Err(ChainError::NoContract { .. })), "{nobody:?}");
}

/// To one of another kind, a proof would go as it is, and be refused for that.
#[tokio::test]
async fn a_node_that_answers_nonsense_says_nothing_of_a_verifier() {
    let scene = Scene::on(options().spawn().await.unwrap(), &[ProverType::OpenVm]).await;
    let node = Proxy::new(scene.anvil.rpc_url(), |request| match request.method {
        "eth_call" => Action::Answer(json!(null)),
        _ => Action::Forward,
    })
    .await;
    let l1 = L1::connect(PoolOptions::new(node.url.clone()), None).await.unwrap();
    let found = VerifierKind::find(&l1, scene.verifier).await;
    assert!(matches!(found, Err(ChainError::Malformed { method: "eth_call", .. })), "{found:?}");
    let found = AttestorSet::find(&l1, scene.verifier).await;
    assert!(matches!(found, Err(ChainError::Malformed { method: "eth_call", .. })), "{found:?}");
    let found = VerifierKind::find(&scene.l1, scene.verifier).await;
    assert!(matches!(found, Ok(VerifierKind::Attestors(_))), "{found:?}");
}

/// Code that answers every call with the same list of addresses.
fn answers(addresses: Vec<Address>) -> Bytes {
    let list = addresses.abi_encode();
    let [high, low] = u16::try_from(list.len()).unwrap().to_be_bytes();
    // PUSH2 length, PUSH1 12, PUSH0, CODECOPY, PUSH2 length, PUSH0, RETURN; the list.
    let code = [0x61, high, low, 0x60, 12, 0x5f, 0x39, 0x61, high, low, 0x5f, 0xf3];
    [&code[..], &list].concat().into()
}

#[tokio::test]
async fn a_contract_that_asks_nobody_or_more_than_ours_does_is_not_known() {
    let scene = Scene::new().await;
    let verifier = Address::repeat_byte(0x53);
    // None of them is there.
    let asks = |count: u8| (1..=count).map(Address::repeat_byte).collect::<Vec<_>>();
    for count in [0, 1, 9, 200] {
        scene.rpc("anvil_setCode", json!([verifier, answers(asks(count))])).await;
        let kind = VerifierKind::find(&scene.l1, verifier).await.unwrap();
        assert_eq!(kind, VerifierKind::Other { verifier }, "{count}");
    }
    for count in [2, 8] {
        scene.rpc("anvil_setCode", json!([verifier, answers(asks(count))])).await;
        let found = VerifierKind::find(&scene.l1, verifier).await;
        assert!(matches!(found, Err(ChainError::NoContract { .. })), "{count}: {found:?}");
    }
}

#[tokio::test]
async fn a_duplicate_signer_is_refused() {
    let (scene, attestation) = scene().await;
    let all = scene.signatures(&attestation);
    let signer = attestation.signer(&all[0]).unwrap();
    let twice = encode(&[all[0].to_bytes().into(), all[0].to_bytes().into()]);
    let refusal = Refusal::NotAscending { previous: signer, next: signer };
    assert_eq!(rejects(&scene, twice).await, refusal);
    // The client does not even send such a proof.
    assert_eq!(rejects(&scene, attestation.proof_bytes(&[all[0], all[0]])).await, too_few(1));
}

#[tokio::test]
async fn signers_in_another_order_are_refused() {
    let (scene, attestation) = scene().await;
    let all = scene.signatures(&attestation);
    let (first, second) = (attestation.signer(&all[0]).unwrap(), attestation.signer(&all[1]).unwrap());
    let reversed = encode(&[all[1].to_bytes().into(), all[0].to_bytes().into()]);
    assert_eq!(rejects(&scene, reversed).await, Refusal::NotAscending { previous: second, next: first });
}

#[tokio::test]
async fn a_stranger_s_signature_is_refused() {
    let (scene, attestation) = scene().await;
    let stranger = key(9);
    let signatures = [attestation.sign(&stranger).unwrap(), attestation.sign(&key(1)).unwrap()];
    let refusal = rejects(&scene, attestation.proof_bytes(&signatures)).await;
    assert_eq!(refusal, Refusal::NotAnAttestor { signer: stranger.address() });
}

#[tokio::test]
async fn signatures_of_something_else_are_refused() {
    let (scene, attestation) = scene().await;
    let others = [
        // An old program's proof.
        Attestation { program: ProgramVersion(B256::repeat_byte(0xee)), ..attestation },
        // The range program's.
        Attestation { program: ProgramVersion(RANGE_KEY), ..attestation },
        // Other public values.
        Attestation { public_values_hash: B256::ZERO, ..attestation },
        // Another verifier, another L1.
        Attestation { verifier: Address::ZERO, ..attestation },
        Attestation { l1_chain_id: 1, ..attestation },
    ];
    for other in others {
        let refusal = rejects(&scene, other.proof_bytes(&scene.signatures(&other)[..2])).await;
        assert!(matches!(refusal, Refusal::NotAnAttestor { .. }), "{other:?}: {refusal}");
    }
}

#[tokio::test]
async fn altered_public_values_are_refused() {
    let (scene, attestation) = scene().await;
    let other = Address::repeat_byte(0x78);
    let mut values = scene.epoch(1, 1);
    // The contract would take them from the other prover: only what was signed binds them.
    values.prover = other;
    let proof = attestation.proof_bytes(&scene.signatures(&attestation)[..2]);
    let public_values = values.to_bytes().into();
    let proofs = [(ProverType::OpenVm, SubmittedProof { public_values, proof })].into();
    let submission = EpochSubmission { prover: other, ..scene.submission_of(1, 1, proofs) };
    match refused(scene.submit(submission).await) {
        Refusal::ProofRejected { reason, .. } => {
            assert!(matches!(*reason, Refusal::NotAnAttestor { .. }));
        }
        refusal => panic!("{refusal}"),
    }
}

#[tokio::test]
async fn the_other_form_of_a_signature_is_refused() {
    let (scene, attestation) = scene().await;
    let all = scene.signatures(&attestation);
    let mut high = all[0].to_bytes();
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let s = U256::from_str_radix(order, 16).unwrap() - U256::from_be_slice(&high[32..64]);
    high[32..64].copy_from_slice(&s.to_be_bytes::<32>());
    high[64] = 27 + 28 - high[64];
    let proof = encode(&[high.into(), all[1].to_bytes().into()]);
    assert_eq!(rejects(&scene, proof).await, Refusal::MalformedSignature { index: U256::ZERO });
}

#[tokio::test]
async fn malformed_signatures_are_refused() {
    let (scene, attestation) = scene().await;
    let all = scene.signatures(&attestation);
    let (first, second) = (all[0].to_bytes().to_vec(), all[1].to_bytes().to_vec());
    let mut bad_v = second.clone();
    bad_v[64] = 29;
    let longer = [&second[..], &[0]].concat();
    for wrong in [second[..64].to_vec(), longer, bad_v, vec![0; 65], Vec::new()] {
        let refusal = rejects(&scene, encode(&[first.clone(), wrong])).await;
        assert_eq!(refusal, Refusal::MalformedSignature { index: U256::from(1) });
    }
}

#[tokio::test]
async fn another_encoding_of_the_same_signatures_is_refused() {
    let (scene, attestation) = scene().await;
    let proof = attestation.proof_bytes(&scene.signatures(&attestation)[..2]);
    let longer = Bytes::from([&proof[..], &[0]].concat());
    assert_eq!(rejects(&scene, longer).await, Refusal::NotCanonical);
    let mut padded = proof.to_vec();
    *padded.last_mut().unwrap() = 1;
    assert_eq!(rejects(&scene, padded.into()).await, Refusal::NotCanonical);
    assert_eq!(rejects(&scene, Bytes::new()).await, Refusal::NotCanonical);
}

#[tokio::test]
async fn a_signature_for_another_l1_is_refused() {
    let anvil = options().chain_id(900).spawn().await.unwrap();
    let mut scene = Scene::on(anvil, &[ProverType::OpenVm]).await;
    scene.propose_in(1).await;
    let here = scene.attestation(AGGREGATION_KEY, &scene.epoch(1, 1).to_bytes());
    assert_eq!(here.l1_chain_id, 900);
    let elsewhere = Attestation { l1_chain_id: 31_337, ..here };
    let refusal = rejects(&scene, elsewhere.proof_bytes(&scene.signatures(&elsewhere)[..2])).await;
    assert!(matches!(refusal, Refusal::NotAnAttestor { .. }));
    let proofs = set(&scene, here.proof_bytes(&scene.signatures(&here)[..2]));
    scene.submit(scene.submission_of(1, 1, proofs)).await.unwrap();
}
