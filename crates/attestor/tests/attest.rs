//! What attestors refuse, over the wire, for a rollup on a real L1. That they sign what holds is shown with real proofs by
//! the demo.
#![expect(clippy::unwrap_used, reason = "tests")]

mod first;

use alloy_primitives::{Address, B256};
use proofmill_attestor::{AttestError, Attestor, Quorum, serve};
use proofmill_backends::{Backend, ExecBackend, Proof, Registry};
use proofmill_chain::{Attestation, AttestorSet, L1, PoolOptions, Rollup, SigningKey};
use proofmill_client::{CheckpointProof, programs};
use proofmill_devnet::{DevKeys, Devnet, DevnetOptions, ProofTypePlan};
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use proofmill_program::{PublicValues, RangePublicValues};
use proofmill_wire::attestor::{
    AttestRequest, AttestResponse, DescribeResponse,
    attestor_service_server::{AttestorService, AttestorServiceServer},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

async fn devnet(prover: ProverType) -> (Devnet, Rollup) {
    let key = |byte| ProgramVersion(B256::repeat_byte(byte));
    let plan = ProofTypePlan { prover, range_key: key(1), aggregation_key: key(2) };
    let devnet = DevnetOptions::new(vec![plan]).slot(Duration::from_secs(2)).start().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(devnet.description().l1_rpc.clone()), None).await.unwrap();
    let rollup = Rollup::connect(l1, devnet.description().rollup).await.unwrap();
    (devnet, rollup)
}

fn attestor(rollup: &Rollup) -> Attestor {
    let key = DevKeys::well_known(1).unwrap().attestors.remove(0);
    Attestor::new(Registry::compiled_in(), key, rollup.clone())
}

fn proof(prover: ProverType, rollup: Address) -> CheckpointProof {
    let statement = RangePublicValues { chainId: 900_901, rollup, ..Default::default() };
    let program = ExecBackend::default().program_version(programs::range(ProverType::Exec)).unwrap();
    let public_values = statement.to_bytes();
    let body = vec![1; 100];
    CheckpointProof {
        statement,
        proof: Proof { prover, mode: ProofMode::Compressed, program, public_values, body },
    }
}

/// An attestor that signs whatever it is shown, and counts.
#[derive(Clone)]
struct Credulous {
    key: SigningKey,
    verifier: Address,
    asked: Arc<AtomicUsize>,
}

impl Credulous {
    fn new(byte: u8, verifier: Address) -> Self {
        let key = B256::repeat_byte(byte).try_into().unwrap();
        Self { key, verifier, asked: Arc::default() }
    }

    fn start(&self, listener: TcpListener) {
        let server = Server::builder().add_service(AttestorServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[tonic::async_trait]
impl AttestorService for Credulous {
    async fn describe(&self, _: Request<()>) -> Result<Response<DescribeResponse>, Status> {
        Err(Status::unimplemented("it is not asked"))
    }

    async fn attest(&self, request: Request<AttestRequest>) -> Result<Response<AttestResponse>, Status> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let proof = CheckpointProof::decode(&request.into_inner().proof).unwrap();
        let values = proof.statement.to_bytes();
        let signed = Attestation::new(1, self.verifier, proof.proof.program, &values).sign(&self.key);
        Ok(Response::new(AttestResponse { signature: signed.unwrap().to_bytes().to_vec() }))
    }
}

#[tokio::test]
async fn who_has_signed_is_not_asked_again() {
    let verifier = Address::repeat_byte(9);
    let [there, late] = [1, 2].map(|byte| Credulous::new(byte, verifier));
    let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Nobody listens there yet, and nobody else is given it.
    let kept = TcpSocket::new_v4().unwrap();
    kept.set_reuseaddr(true).unwrap();
    kept.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let away = kept.local_addr().unwrap();
    let addresses = [here.local_addr().unwrap(), away].map(|one| format!("http://{one}"));
    there.start(here);
    let mut members: Vec<_> = [&there, &late].map(|one| one.key.address()).into();
    members.sort_unstable();
    let counted = AttestorSet { verifier, members, threshold: 2 };
    let twice = [addresses[0].clone(), addresses[0].clone()];
    let error = Quorum::new(&twice, 1, counted.clone()).unwrap_err();
    assert!(matches!(error, AttestError::TooFewNamed { threshold: 2, named: 1 }), "{error}");

    // One is away at first.
    let quorum = Quorum::new(&addresses, 1, counted).unwrap();
    let (one, other) = (proof(ProverType::Exec, verifier), proof(ProverType::Exec, Address::ZERO));
    for _ in 0..3 {
        let error = quorum.attest(&one).await.unwrap_err();
        assert!(matches!(error, AttestError::TooFew { got: 1, .. }) && error.is_transient(), "{error}");
    }
    assert_eq!(there.asked(), 1);
    late.start(TcpListener::bind(away).await.unwrap());
    let bytes = quorum.attest(&one).await.unwrap();
    assert_eq!((there.asked(), late.asked()), (1, 1));
    // L1 was away: it is published again. A clone shares what was collected.
    assert_eq!(quorum.clone().attest(&one).await.unwrap(), bytes);
    assert_eq!((there.asked(), late.asked()), (1, 1));
    assert_ne!(quorum.attest(&other).await.unwrap(), bytes);
    assert_eq!((there.asked(), late.asked()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_nothing_is_not_attested() {
    let (_devnet, rollup) = devnet(ProverType::OpenVm).await;
    let attestor = attestor(&rollup);
    let exec = proof(ProverType::Exec, rollup.address()).encode();
    assert!(matches!(attestor.attest(&exec).await, Err(AttestError::ProvesNothing { .. })));
    let mut core = proof(ProverType::OpenVm, rollup.address());
    core.proof.mode = ProofMode::Core;
    let refused = attestor.attest(&core.encode()).await;
    assert!(matches!(refused, Err(AttestError::OtherMode { mode: ProofMode::Core })), "{refused:?}");
    // A SNARK is looked at like a compressed proof, and refused for what it says.
    core.proof.mode = ProofMode::Plonk;
    let refused = attestor.attest(&core.encode()).await;
    assert!(!matches!(refused, Ok(_) | Err(AttestError::OtherMode { .. })), "{refused:?}");
    for bytes in [&b""[..], b"PMCHKPT2", b"PMEPOCH2\xff\xff\xff\xff", &exec[..exec.len() - 1]] {
        assert!(matches!(attestor.attest(bytes).await, Err(AttestError::NotAProof(_))), "{bytes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_of_the_checkpoints_on_l1_is_not_attested() {
    let (devnet, rollup) = devnet(ProverType::OpenVm).await;
    let attestor = attestor(&rollup);
    let honest = first::statement(&devnet, &rollup).await;
    let attest = async |prover, statement: RangePublicValues| {
        let public_values = statement.commitment().to_vec();
        let proof = proof(prover, rollup.address()).proof;
        let proof = CheckpointProof { statement, proof: Proof { public_values, ..proof } };
        attestor.attest(&proof.encode()).await.unwrap_err()
    };
    // It would be verified now: this build has no prover for that.
    let error = attest(ProverType::OpenVm, honest.clone()).await;
    assert!(matches!(error, AttestError::Backend(_)), "{error}");
    let error = attest(ProverType::Sp1, honest.clone()).await;
    assert!(matches!(error, AttestError::NotAsked { prover: ProverType::Sp1 }), "{error}");
    let lie = RangePublicValues { postStateRoot: B256::repeat_byte(0xf0), ..honest.clone() };
    let error = attest(ProverType::OpenVm, lie).await;
    assert!(matches!(error, AttestError::NotAsOnL1 { field: "postStateRoot", .. }), "{error}");
    let elsewhere = RangePublicValues { rollup: Address::ZERO, ..honest.clone() };
    let error = attest(ProverType::OpenVm, elsewhere).await;
    assert!(matches!(error, AttestError::OtherRollup { .. }), "{error}");
    for (first, last, missing) in [(0, 2, 0), (1, 1_000_000, 1_000_000)] {
        let error = attest(
            ProverType::OpenVm,
            RangePublicValues { firstBlock: first, lastBlock: last, ..honest.clone() },
        )
        .await;
        assert!(matches!(error, AttestError::NotOnL1 { block } if block == missing), "{error}");
    }
    // After the proposer's silence nobody need have proposed what follows on the proven tip.
    let ahead =
        RangePublicValues { lastBlock: 1_000_000, lastHash: B256::repeat_byte(0xaa), ..honest.clone() };
    let other = RangePublicValues { parentHash: B256::repeat_byte(0xbb), ..ahead.clone() };
    let silence = rollup.config().limits.silence.unwrap().get();
    let l1 = proofmill_http::rpc_client(devnet.description().l1_rpc.clone());
    let begun = Instant::now();
    loop {
        let _: serde_json::Value = l1.request("evm_increaseTime", [silence + 60]).await.unwrap();
        let _: serde_json::Value = l1.request_noparams("evm_mine").await.unwrap();
        let error = attest(ProverType::OpenVm, ahead.clone()).await;
        if matches!(error, AttestError::Backend(_)) {
            break;
        }
        // The devnet's proposer proposes anew what makes way: it may be faster than a machine that is busy.
        let ended = matches!(error, AttestError::NotOnL1 { block: 1_000_000 });
        assert!(ended && begun.elapsed() < Duration::from_secs(300), "{error}");
    }
    let error = attest(ProverType::OpenVm, other).await;
    assert!(matches!(error, AttestError::NotOnL1 { block: 1_000_000 }), "{error}");
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
    assert!(said.contains("0 of 2 attestors signed") && said.contains("not of exec"), "{said}");
    assert!(said.contains("http://127.0.0.1:1"), "{said}");

    let error = Quorum::new(&[there], rollup.l1().chain_id(), counted.clone()).unwrap_err();
    assert!(matches!(error, AttestError::TooFewNamed { threshold: 2, named: 1 }), "{error}");
    let error = Quorum::new(&["nonsense".into(), String::new()], 1, counted).unwrap_err();
    assert!(matches!(error, AttestError::BadAddress(_)), "{error}");
    stop.cancel();
    server.await.unwrap().unwrap();
}

/// An attestor that signs nothing, and says why with this code.
#[derive(Clone)]
struct Sceptical {
    code: Code,
    /// The types that it says it attests.
    provers: Vec<String>,
    asked: Arc<AtomicUsize>,
}

impl Sceptical {
    /// Starts it; its address.
    async fn start(code: Code, provers: &[ProverType]) -> (Self, String) {
        let provers = provers.iter().map(|prover| prover.name().to_owned()).collect();
        let one = Self { code, provers, asked: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(AttestorServiceServer::new(one.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (one, address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[tonic::async_trait]
impl AttestorService for Sceptical {
    async fn describe(&self, _: Request<()>) -> Result<Response<DescribeResponse>, Status> {
        let provers = self.provers.clone();
        Ok(Response::new(DescribeResponse { provers, ..DescribeResponse::default() }))
    }

    async fn attest(&self, _: Request<AttestRequest>) -> Result<Response<AttestResponse>, Status> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Err(Status::new(self.code, "an opening does not verify"))
    }
}

/// Two attestors with one key are one for the contract: that is said, also when nobody is asked any more.
#[tokio::test]
async fn two_attestors_with_one_key_are_named() {
    let verifier = Address::repeat_byte(9);
    let one = Credulous::new(1, verifier);
    let mut addresses = Vec::new();
    for _ in 0..2 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(format!("http://{}", listener.local_addr().unwrap()));
        one.start(listener);
    }
    let proof = proof(ProverType::Exec, Address::ZERO);
    let quorum = three(&addresses);
    for _ in 0..3 {
        let error = quorum.attest(&proof).await.unwrap_err();
        assert!(matches!(error, AttestError::TooFew { got: 1, attestors: 2, .. }), "{error}");
        let said = error.to_string();
        let named = said.contains(&one.key.address().to_string()) && said.contains("a key of its own");
        assert!(named && addresses.iter().any(|address| said.contains(address.as_str())), "{said}");
    }
    assert_eq!(one.asked(), 2);
    // The third finds the proof at fault: those two can be no second signature.
    let (_, third) = Sceptical::start(Code::InvalidArgument, &[ProverType::Exec]).await;
    let error = three(&[addresses, vec![third]].concat()).attest(&proof).await.unwrap_err();
    assert!(matches!(error, AttestError::Refused { refused: 1, attestors: 3, .. }), "{error}");
}

/// Three attestors count, and two must sign.
fn three(addresses: &[String]) -> Quorum {
    let verifier = Address::repeat_byte(9);
    let members = [1, 2, 3].map(|byte| Credulous::new(byte, verifier).key.address()).into();
    Quorum::new(addresses, 1, AttestorSet { verifier, members, threshold: 2 }).unwrap()
}

#[tokio::test]
async fn a_proof_that_so_many_find_at_fault_that_the_others_are_not_enough_is_refused() {
    let away = "http://127.0.0.1:1".to_owned();
    let (one, other) =
        (proof(ProverType::Exec, Address::ZERO), proof(ProverType::Exec, Address::repeat_byte(1)));
    let start = || Sceptical::start(Code::InvalidArgument, &[ProverType::Exec]);
    let ((first, a), (second, b)) = (start().await, start().await);
    let quorum = three(&[a.clone(), b, away.clone()]);
    for _ in 0..3 {
        let error = quorum.attest(&one).await.unwrap_err();
        assert!(matches!(error, AttestError::Refused { refused: 2, .. }), "{error}");
        assert!(error.is_of_the_proof() && !error.is_transient(), "{error}");
        assert!(error.to_string().contains("an opening does not verify"), "{error}");
    }
    assert_eq!((first.asked(), second.asked()), (1, 1), "asked again and again");
    quorum.attest(&other).await.unwrap_err();
    assert_eq!((first.asked(), second.asked()), (2, 2));
    // One alone may be wrong: the two that are away may sign.
    let error = three(&[a, away, "http://127.0.0.1:2".into()]).attest(&one).await.unwrap_err();
    assert!(matches!(error, AttestError::TooFew { .. }) && error.is_transient(), "{error}");
    // Nor is a proof at fault that another release refuses, or one that cannot read L1 now.
    for code in [Code::FailedPrecondition, Code::Unavailable, Code::Internal] {
        let ((_, a), (_, b)) = (
            Sceptical::start(code, &[ProverType::Exec]).await,
            Sceptical::start(code, &[ProverType::Exec]).await,
        );
        let error = three(&[a, b]).attest(&one).await.unwrap_err();
        assert!(matches!(error, AttestError::TooFew { .. }), "{code:?}: {error}");
    }
}

/// One refuses, the other is away for as long as it likes: the first does not verify the proof with each try.
#[tokio::test]
async fn a24_who_refuses_is_not_asked_with_each_try() {
    let one = proof(ProverType::Exec, Address::ZERO);
    let (refuses, a) = Sceptical::start(Code::InvalidArgument, &[ProverType::Exec]).await;
    let quorum = three(&[a.clone(), "http://127.0.0.1:1".into(), "http://127.0.0.1:2".into()]);
    for _ in 0..20 {
        let error = quorum.attest(&one).await.unwrap_err();
        assert!(matches!(error, AttestError::TooFew { got: 0, .. }) && error.is_transient(), "{error}");
        assert!(error.to_string().contains(&format!("{a}: an opening does not verify")), "{error}");
    }
    assert_eq!(refuses.asked(), 1);
    // Those who use another proof, or another quorum, ask for themselves.
    quorum.attest(&proof(ProverType::Exec, Address::repeat_byte(1))).await.unwrap_err();
    assert_eq!(refuses.asked(), 2);
}

#[tokio::test]
async fn each_prover_type_is_asked_of_those_who_attest_it() {
    let (sp1, a) = Sceptical::start(Code::InvalidArgument, &[ProverType::Sp1]).await;
    let (exec, b) = Sceptical::start(Code::InvalidArgument, &[ProverType::Exec, ProverType::OpenVm]).await;
    let error =
        three(&[a.clone(), b.clone()]).attest(&proof(ProverType::Exec, Address::ZERO)).await.unwrap_err();
    assert_eq!((sp1.asked(), exec.asked()), (0, 1));
    // The only one that attests it refuses it, and two must sign.
    assert!(matches!(error, AttestError::Refused { refused: 1, .. }), "{error}");
    assert!(error.to_string().contains(&format!("{a}: it attests proofs of sp1, not of exec")), "{error}");
    let (none, c) = Sceptical::start(Code::InvalidArgument, &[]).await;
    let error = three(&[a, c]).attest(&proof(ProverType::Exec, Address::ZERO)).await.unwrap_err();
    assert!(matches!(error, AttestError::TooFew { .. }) && error.is_transient(), "{error}");
    assert_eq!((sp1.asked(), none.asked()), (0, 0));
}
