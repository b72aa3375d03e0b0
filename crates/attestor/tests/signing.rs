//! What attestors sign counts where L1 counts it: over the wire, with the contracts on a real L1. That a proof holds is not
//! the question here.
#![expect(clippy::unwrap_used, reason = "tests")]

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use proofmill_attestor::{Attestor, Quorum, serve};
use proofmill_backends::{
    Backend, BackendError, ExecBackend, Execution, Job, Node, Plan, Proof, Registry, Segment, SegmentBudget,
};
use proofmill_chain::{L1, PoolOptions, Rollup, VerifierKind};
use proofmill_client::{CheckpointProof, programs};
use proofmill_devnet::{DevKeys, Devnet, DevnetOptions, L1Verifier, ProofTypePlan};
use proofmill_primitives::{CheckpointNumber, ProgramVersion, ProofMode, ProverType, TaskKind, Weight};
use proofmill_program::{PublicValues, RangePublicValues};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

alloy_sol_types::sol! {
    function verifyProof(bytes32 programVKey, bytes publicValues, bytes proofBytes) external view;
}

/// `exec` under the name of OpenVM. A proof of the right program holds.
struct StandIn(ExecBackend);

impl Backend for StandIn {
    fn prover_type(&self) -> ProverType {
        ProverType::OpenVm
    }
    fn weight(&self, kind: TaskKind, budget: SegmentBudget) -> Weight {
        self.0.weight(kind, budget)
    }
    fn budget_for(&self, memory: Weight) -> SegmentBudget {
        self.0.budget_for(memory)
    }
    fn program_version(&self, program: &[u8]) -> Result<ProgramVersion, BackendError> {
        self.0.program_version(program)
    }
    fn encode_input(&self, frames: &[&[u8]], proofs: &[Proof]) -> Result<Vec<u8>, BackendError> {
        self.0.encode_input(frames, proofs)
    }
    fn execute(&self, job: &Job<'_>) -> Result<Execution, BackendError> {
        self.0.execute(job)
    }
    fn plan(&self, job: &Job<'_>, budget: SegmentBudget) -> Result<Plan, BackendError> {
        self.0.plan(job, budget)
    }
    fn prove_segment(&self, job: &Job<'_>, plan: &Plan, index: u32) -> Result<Vec<u8>, BackendError> {
        self.0.prove_segment(job, plan, index)
    }
    fn tree(
        &self,
        segments: &[Segment],
        mode: ProofMode,
        budget: SegmentBudget,
    ) -> Result<Vec<Node>, BackendError> {
        self.0.tree(segments, mode, budget)
    }
    fn node_weight(&self, node: &Node) -> Weight {
        self.0.node_weight(node)
    }
    fn reduce(&self, program: &[u8], node: &Node, children: &[Vec<u8>]) -> Result<Vec<u8>, BackendError> {
        self.0.reduce(program, node, children)
    }
    fn finish(
        &self,
        job: &Job<'_>,
        plan: &Plan,
        mode: ProofMode,
        parts: &[Vec<u8>],
    ) -> Result<Proof, BackendError> {
        self.0.finish(job, plan, mode, parts)
    }
    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        if proof.program == expected {
            return Ok(());
        }
        Err(BackendError::WrongProgram { expected, found: proof.program })
    }
}

fn registry() -> Registry {
    Registry::default().with(Arc::new(StandIn(ExecBackend::default())))
}

/// Has attestors answer; gives where.
async fn start(attestors: impl IntoIterator<Item = Attestor>) -> Vec<String> {
    let mut addresses = Vec::new();
    for attestor in attestors {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(format!("http://{}", listener.local_addr().unwrap()));
        tokio::spawn(serve(attestor, listener, CancellationToken::new()));
    }
    addresses
}

/// A proof of a program, as its file has it.
fn proof(program: ProgramVersion, statement: &impl PublicValues) -> Proof {
    let public_values = statement.commitment().to_vec();
    Proof {
        prover: ProverType::OpenVm,
        mode: ProofMode::Compressed,
        program,
        public_values,
        body: vec![1; 100],
    }
}

/// Whether a verifier on L1 takes this for a proof.
async fn takes(
    devnet: &Devnet,
    verifier: Address,
    program: ProgramVersion,
    values: &[u8],
    proof: &Bytes,
) -> bool {
    let (public_values, proof) = (Bytes::copy_from_slice(values), proof.clone());
    let call = verifyProofCall { programVKey: program.0, publicValues: public_values, proofBytes: proof };
    let asked = json!([{ "to": verifier, "data": Bytes::from(call.abi_encode()) }, "latest"]);
    let l1 = proofmill_http::rpc_client(devnet.description().l1_rpc.clone());
    l1.request::<_, String>("eth_call", asked).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_count_where_l1_wants_a_snark_besides() {
    let [range_key, aggregation_key] = programs::published(ProverType::OpenVm).unwrap();
    let plan = ProofTypePlan { prover: ProverType::OpenVm, range_key, aggregation_key };
    let options = DevnetOptions::new(vec![plan]).slot(Duration::from_secs(2)).verifier(L1Verifier::Both);
    let devnet = options.start().await.unwrap();
    let l1 = L1::connect(PoolOptions::new(devnet.description().l1_rpc.clone()), None).await.unwrap();
    let rollup = Rollup::connect(l1.clone(), devnet.description().rollup).await.unwrap();
    let l2 = proofmill_http::rpc_client(devnet.description().l2_rpc.clone());
    let checkpoint = loop {
        let _: Value = l2.request_noparams("evm_mine").await.unwrap();
        if let Some(checkpoint) = rollup.checkpoint(CheckpointNumber(1)).await.unwrap() {
            break checkpoint;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let config = rollup.config();
    let statement = RangePublicValues {
        chainId: config.chain_id,
        configHash: config.config_hash,
        rollup: rollup.address(),
        prover: Address::ZERO,
        firstBlock: checkpoint.blocks.first(),
        lastBlock: checkpoint.blocks.last(),
        parentHash: config.genesis.hash,
        lastHash: checkpoint.last_hash,
        preStateRoot: config.genesis.state_root,
        postStateRoot: checkpoint.state_root,
        lastTimestamp: checkpoint.last_timestamp,
    };
    let proof = CheckpointProof { proof: proof(range_key, &statement), statement };

    // Signatures are for the contract that counts them, which is not the one that the rollup names.
    let named = config.proof_type(ProverType::OpenVm).unwrap().verifier;
    let kind = VerifierKind::find(&l1, named).await.unwrap();
    assert!(kind.wants_snark());
    let counted = kind.single().find_map(|single| match single {
        VerifierKind::Attestors(counted) => Some(counted.clone()),
        _ => None,
    });
    let counted = counted.unwrap();
    assert_ne!(counted.verifier, named);

    let keys = DevKeys::well_known(2).unwrap().attestors;
    let attestors = keys.into_iter().map(|key| Attestor::new(registry(), key, rollup.clone()));
    let addresses = start(attestors).await;
    let verifier = counted.verifier;
    let quorum = Quorum::new(&addresses, l1.chain_id(), counted).unwrap();
    let signatures = quorum.attest(&proof).await.unwrap();
    let values = proof.statement.to_bytes();
    assert!(takes(&devnet, verifier, range_key, &values, &signatures).await);
    assert!(!takes(&devnet, verifier, aggregation_key, &values, &signatures).await);
}
