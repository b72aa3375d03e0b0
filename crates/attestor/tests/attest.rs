//! What attestors refuse, over the wire, for a rollup on a real L1. That they sign what holds is shown with real proofs by
//! the demo.
#![expect(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::{Address, B256};
use proofmill_attestor::{AttestError, Attestor, Quorum, serve};
use proofmill_backends::{Backend, ExecBackend, Proof, Registry};
use proofmill_chain::{AttestorSet, Endpoints, L1, Rollup};
use proofmill_client::{CheckpointProof, programs};
use proofmill_devnet::{DevKeys, Devnet, DevnetOptions, ProofTypePlan};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use proofmill_program::{PublicValues, RangePublicValues};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

async fn devnet(prover: ProverType) -> (Devnet, Rollup) {
    let key = |byte| ProgramVersion(B256::repeat_byte(byte));
    let plan = ProofTypePlan { prover, range_key: key(1), aggregation_key: key(2) };
    let devnet = DevnetOptions::new(vec![plan]).start().await.unwrap();
    let l1 = L1::connect(Endpoints::new(devnet.description().l1_rpc.clone()), None).await.unwrap();
    let rollup = Rollup::connect(l1, devnet.description().rollup).await.unwrap();
    (devnet, rollup)
}

fn attestor(rollup: &Rollup) -> Attestor {
    let key = DevKeys::well_known(1).unwrap().attestors.remove(0);
    Attestor::new(Registry::compiled_in(), key, rollup)
}

fn proof(prover: ProverType, rollup: Address) -> CheckpointProof {
    let statement = RangePublicValues { chainId: 900_901, rollup, ..Default::default() };
    let program = ExecBackend::default().program_version(programs::range(ProverType::Exec)).unwrap();
    let public_values = statement.to_abi();
    let body = vec![1; 100];
    CheckpointProof {
        statement,
        proof: Proof { prover, mode: ProofMode::Compressed, program, public_values, body },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_nothing_is_not_attested() {
    let (_devnet, rollup) = devnet(ProverType::OpenVm).await;
    let attestor = attestor(&rollup);
    let exec = proof(ProverType::Exec, rollup.address()).encode();
    assert!(matches!(attestor.attest(&exec), Err(AttestError::ProvesNothing { .. })));
    let unasked = proof(ProverType::Sp1, rollup.address()).encode();
    assert!(matches!(attestor.attest(&unasked), Err(AttestError::NotAsked { prover: ProverType::Sp1 })));
    for bytes in [&b""[..], b"PMCHKPT1", b"PMEPOCH1\xff\xff\xff\xff", &exec[..exec.len() - 1]] {
        assert!(matches!(attestor.attest(bytes), Err(AttestError::NotAProof(_))), "{bytes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_signatures_say_what_each_attestor_said() {
    let (_devnet, rollup) = devnet(ProverType::OpenVm).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(attestor(&rollup), listener, stop.clone()));
    let verifier = rollup.config().proof_type(ProverType::OpenVm).unwrap().verifier;
    let counted = AttestorSet::read(rollup.l1(), verifier).await.unwrap();
    assert_eq!((counted.members.len(), counted.threshold), (3, 2));

    let away = "http://127.0.0.1:1".to_owned();
    let quorum = Quorum::new(&[there.clone(), away], rollup.l1().chain_id(), counted.clone()).unwrap();
    let error = quorum.attest(&proof(ProverType::Exec, rollup.address())).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("0 of 2 attestors signed") && said.contains("proves nothing"), "{said}");
    assert!(said.contains("http://127.0.0.1:1"), "{said}");

    let error = Quorum::new(&[there], rollup.l1().chain_id(), counted.clone()).unwrap_err();
    assert!(matches!(error, AttestError::TooFewNamed { threshold: 2, named: 1 }), "{error}");
    let error = Quorum::new(&["nonsense".into(), String::new()], 1, counted).unwrap_err();
    assert!(matches!(error, AttestError::NotAnAddress { .. }), "{error}");
    stop.cancel();
    server.await.unwrap().unwrap();
}
