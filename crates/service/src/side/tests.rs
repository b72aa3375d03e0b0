#![expect(clippy::unwrap_used, reason = "tests")]

use super::{check::check_rules, *};
use crate::{Away, EpochProof, ProofService, RangeProof, RangeSpec, Statement as Rollup, maker::Maker};
use alloy_primitives::{Address, B256, Bytes as RpcBytes};
use futures::future::BoxFuture;
use proofmill_backends::Proof;
use proofmill_chain::{
    GenesisBlock, L1, Limits, PoolOptions, Proposal, Roles, RollupConfig, Rules, Sender,
    deploy_accepts_anything_verifier, deploy_rollup,
};
use proofmill_localnet::{Anvil, AnvilOptions, Hardfork};
use proofmill_primitives::{
    BlockRange, Checkpoint, CheckpointNumber, ProgramVersion, ProofMode, ProverType, Slot, SlotClock,
};
use proofmill_program::{Aggregation, ProgramError, RangePublicValues};
use proofmill_witness::{BuildError, ChainSource, NodeOptions, Witnessed};
use serde_json::json;
use std::collections::BTreeMap;

/// Hashes of blocks; where there are none, L2 is away.
#[derive(Clone, Debug)]
struct Hashes(Option<BTreeMap<u64, B256>>);

impl BlockHashes for Hashes {
    fn hash(&self, number: u64) -> BoxFuture<'_, Result<Option<B256>, Away>> {
        let hashes = self.0.as_ref().ok_or_else(|| Away::because("L2 is away"));
        Box::pin(async move { Ok(hashes?.get(&number).copied()) })
    }
}

/// Five blocks on a node with Prague's rules.
async fn l2() -> (Anvil, Hashes) {
    let anvil = AnvilOptions::new().hardfork(Hardfork::Prague).spawn().await.unwrap();
    let client = proofmill_http::rpc_client(anvil.rpc_url().clone());
    let _: serde_json::Value = client.request("anvil_mine", json!(["0x5"])).await.unwrap();
    let mut hashes = BTreeMap::new();
    for number in 0..=5_u64 {
        let block: serde_json::Value =
            client.request("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await.unwrap();
        hashes.insert(number, block["hash"].as_str().unwrap().parse().unwrap());
    }
    (anvil, Hashes(Some(hashes)))
}

/// Blocks 2 to 4 as a checkpoint.
fn request(hashes: &Hashes, config_hash: B256) -> RangeRequest {
    let hash = |number| hashes.0.as_ref().unwrap()[&number];
    let blocks = BlockRange::new(2, 4).unwrap();
    let (parent_hash, last_hash) = (hash(1), hash(4));
    RangeRequest {
        checkpoint: Checkpoint {
            number: CheckpointNumber(1),
            slot: Slot(0),
            blocks,
            parent_hash,
            last_hash,
            state_root: B256::ZERO,
            last_timestamp: 0,
            parent_commitment: B256::ZERO,
            commitment: B256::ZERO,
        },
        range: RangeSpec { blocks, parent_hash, last_hash },
        cycle_limit: None,
        statement: Rollup { chain_id: 31_337, config_hash, rollup: Address::ZERO, prover: Address::ZERO },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_blocks_that_l1_names_refute_a_checkpoint() {
    let (anvil, hashes) = l2().await;
    // By these rules no block may have what Prague puts into each header.
    let rules = ChainSource::Fork(proofmill_stateless::Fork::Cancun);
    let options = NodeOptions::new(anvil.rpc_url().clone()).chain(rules);
    let node = options.connect().await.unwrap();
    let request = request(&hashes, B256::ZERO);
    let error = witness(&node, &hashes, &request).await.unwrap_err();
    assert!(matches!(error, JobError::Refuted { .. }), "{error}");

    let mut other = hashes.clone();
    other.0.as_mut().unwrap().insert(4, B256::repeat_byte(4));
    let mut shorter = hashes.clone();
    shorter.0.as_mut().unwrap().remove(&4);
    for (hashes, cause) in [(other, "another branch"), (shorter, "no block 4"), (Hashes(None), "L2 is away")]
    {
        let error = witness(&node, &hashes, &request).await.unwrap_err();
        assert!(matches!(&error, JobError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains(cause), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_recorded_with_the_blocks_that_l1_names_or_without_any() {
    let (anvil, hashes) = l2().await;
    let node = NodeOptions::new(anvil.rpc_url().clone()).connect().await.unwrap();
    // Whatever the checkpoint claims of their state.
    let mut request = request(&hashes, node.chain().hash());
    evidence(&node, &request).await.unwrap();
    // L2 may have left the branch since.
    request.range.last_hash = B256::repeat_byte(4);
    let cause = evidence(&node, &request).await.unwrap_err();
    assert!(cause.contains("another branch"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_falls_short_refutes_nothing() {
    let (anvil, hashes) = l2().await;
    let node = NodeOptions::new(anvil.rpc_url().clone()).connect().await.unwrap();
    let mut request = request(&hashes, node.chain().hash());
    // The checkpoint claims no state that there could be.
    let error = witness(&node, &hashes, &request).await.unwrap_err();
    assert!(matches!(error, JobError::Refuted { .. }), "{error}");
    let Witnessed { mut input, outcome, .. } = node.witness(request.range.blocks, &|_| {}).await.unwrap();
    request.checkpoint.state_root = outcome.post_state_root;
    // Nor a time that its last block has not.
    let error = witness(&node, &hashes, &request).await.unwrap_err();
    assert!(matches!(&error, JobError::Refuted { cause } if cause.contains("of time")), "{error}");
    request.checkpoint.last_timestamp = outcome.last_timestamp;
    witness(&node, &hashes, &request).await.unwrap();
    input.witness.state = Vec::<RpcBytes>::new();
    let Err(ProgramError::Blocks(fault)) = range::run(&range::encode_input(ProvenFor::default(), &input))
    else {
        panic!("it executes from nothing")
    };
    let error = JobError::from(BuildError::Execution(fault.into()));
    assert!(matches!(error, JobError::Failed { .. }), "{error}");
    let error = JobError::from(BuildError::ChainId { endpoint: "there".into(), expected: 1, got: 2 });
    assert!(matches!(error, JobError::Unavailable { .. }), "{error}");
}

#[test]
fn a_checkpoint_under_other_rules_waits_for_another_node() {
    let programs = ProofTypeConfig {
        prover: ProverType::OpenVm,
        verifier: Address::ZERO,
        range_key: ProgramVersion(B256::repeat_byte(1)),
        aggregation_key: ProgramVersion(B256::repeat_byte(2)),
    };
    let ours =
        Rules { config_hash: B256::repeat_byte(3), proposer: Address::ZERO, proof_types: vec![programs] };
    let check = |rules: &Rules| check_rules(CheckpointNumber(9), rules, ours.config_hash, &programs);
    assert_eq!(check(&ours), Ok(()));
    // Another verifier or proposer asks for the same proofs.
    let verifier = ProofTypeConfig { verifier: Address::repeat_byte(1), ..programs };
    let proposer = Address::repeat_byte(2);
    assert_eq!(check(&Rules { proposer, proof_types: vec![verifier], ..ours.clone() }), Ok(()));
    let other_key = ProofTypeConfig { range_key: ProgramVersion(B256::ZERO), ..programs };
    for (rules, remedy) in [
        (Rules { config_hash: B256::ZERO, ..ours.clone() }, "--genesis"),
        (Rules { proof_types: vec![other_key], ..ours.clone() }, "the release that has it"),
        (Rules { proof_types: vec![], ..ours.clone() }, "start this node again"),
    ] {
        let Err(JobError::Unavailable { cause }) = check(&rules) else { panic!("{rules:?}") };
        assert!(cause.contains("checkpoint 9") && cause.contains(remedy), "{cause}");
    }
}

/// Proves nothing, and says that it was asked.
#[derive(Debug)]
struct Asked(NodeSide);

fn was_asked() -> JobError {
    JobError::Failed { cause: "it was asked".to_owned() }
}

impl Maker for Asked {
    fn side(&self) -> &NodeSide {
        &self.0
    }

    async fn range(&self, _: &RangeRequest, _: &Work) -> Result<RangeProof, JobError> {
        Err(was_asked())
    }

    async fn epoch(&self, _: &AggregationRequest, _: &Work) -> Result<EpochProof, JobError> {
        Err(was_asked())
    }

    async fn verify<S: Statement>(&self, _: &StatedProof<S>) -> Result<(), VerifyError> {
        Ok(())
    }

    async fn verify_epoch(&self, _: &StatedProof<AggregationPublicValues>) -> Result<(), Flaw> {
        Ok(())
    }

    async fn refused(&self, _: &Proof, _: &str) -> bool {
        true
    }
}

/// The range proofs may be there from before: of checkpoints that were given up, and proposed again under other rules.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_for_the_proof_of_an_epoch_under_other_rules() {
    const START: u64 = 4_000_000_000;
    let (anvil, hashes) = l2().await;
    let l2 = NodeOptions::new(anvil.rpc_url().clone()).connect().await.unwrap();
    let l1 = AnvilOptions::new().genesis_timestamp(START).spawn().await.unwrap();
    let connected = L1::connect(PoolOptions::new(l1.rpc_url().clone()), None).await.unwrap();
    let sender = Sender::new(connected, l1.accounts()[0].private_key.try_into().unwrap());
    let number = |number: u64| number.try_into().unwrap();
    let clock = SlotClock {
        genesis: START,
        slot_seconds: number(100),
        epoch_slots: number(2),
        window_epochs: number(2),
    };
    let programs = ProofTypeConfig {
        prover: ProverType::Exec,
        verifier: deploy_accepts_anything_verifier(&sender, B256::ZERO).await.unwrap().address,
        range_key: ProgramVersion(B256::repeat_byte(1)),
        aggregation_key: ProgramVersion(B256::repeat_byte(2)),
    };
    let (hash, state_root) = (B256::repeat_byte(3), B256::repeat_byte(4));
    let config = RollupConfig {
        chain_id: 31_337,
        clock,
        limits: Limits::of(&clock),
        genesis: GenesisBlock { number: 0, hash, state_root, timestamp: START },
        config_hash: B256::repeat_byte(5),
        proposer: sender.account(),
        proof_types: vec![programs],
    };
    let (rollup, _) = deploy_rollup(&sender, &config, Roles::default(), B256::ZERO).await.unwrap();
    let client = proofmill_http::rpc_client(l1.rpc_url().clone());
    let time = START + 400;
    let _: serde_json::Value = client.request("evm_setNextBlockTimestamp", json!([time])).await.unwrap();
    let _: serde_json::Value = client.request("evm_mine", json!([])).await.unwrap();
    let blocks = BlockRange::new(1, 4).unwrap();
    let (parent_hash, last_hash) = (hash, B256::repeat_byte(6));
    let proposal = Proposal { blocks, parent_hash, last_hash, state_root, last_timestamp: time };
    rollup.propose(&sender, proposal).await.unwrap();

    let range = RangeSpec { blocks, parent_hash, last_hash };
    let (from_commitment, to_commitment) = (B256::ZERO, B256::ZERO);
    let request = AggregationRequest {
        span: EpochSpec { range, from_commitment, to_commitment },
        by: Aggregation { range_key: programs.range_key.0, from_commitment, checkpoints: vec![1] },
        ranges: Vec::new(),
        expected: AggregationPublicValues { configHash: config.config_hash, ..Default::default() },
    };
    let work = Work::new(CancellationToken::new(), |_| {});
    let other = ProofTypeConfig { range_key: ProgramVersion(B256::ZERO), ..programs };
    for (programs, said) in [(programs, "it was asked"), (other, "the release that has it")] {
        let asked = Asked(NodeSide {
            rollup: rollup.clone(),
            programs,
            l2: l2.clone(),
            blocks: Arc::new(hashes.clone()),
            folder: PathBuf::new(),
            is_one_of_several: false,
            gather_within: Duration::from_secs(10),
            ending: CancellationToken::new(),
        });
        let error = asked.aggregate(&request, &work).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

fn proof(prover: ProverType) -> CheckpointProof {
    let statement = RangePublicValues { firstBlock: 3, lastBlock: 5, ..Default::default() };
    let proof = Proof {
        prover,
        mode: ProofMode::Compressed,
        program: ProgramVersion(B256::ZERO),
        public_values: proofmill_program::PublicValues::commitment(&statement).to_vec(),
        body: Vec::new(),
    };
    CheckpointProof { statement, proof }
}

#[tokio::test]
async fn a_copy_takes_no_place_from_another_proof_and_is_found_again_to_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("901/proofs/3-5.bin");
    let names = || {
        let files = std::fs::read_dir(path.parent().unwrap()).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let bytes = |prover| Bytes::from(proof(prover).encode());
    for prover in [ProverType::OpenVm, ProverType::Exec, ProverType::Sp1, ProverType::Sp1] {
        export(&path, &proof(prover), &bytes(prover)).await.unwrap();
    }
    assert_eq!(names(), ["3-5-exec.bin", "3-5-sp1.bin", "3-5.bin"]);
    withdraw(&path, ProverType::Sp1, &bytes(ProverType::Sp1)).await;
    assert_eq!(names(), ["3-5-exec.bin", "3-5.bin"]);
    // Another proof stays.
    withdraw(&path, ProverType::Sp1, &bytes(ProverType::Sp1)).await;
    assert_eq!(names(), ["3-5-exec.bin", "3-5.bin"]);
}

#[test]
fn proofs_of_several_types_have_files_of_their_own() {
    let names = [None, Some(ProverType::OpenVm), Some(ProverType::Sp1)].map(|of| range_file(&3, &5, of));
    assert_eq!(names, ["3-5.bin", "3-5-openvm.bin", "3-5-sp1.bin"]);
    assert_eq!(epoch_file(&3, &5, Some(ProverType::Sp1)), "epoch-3-5-sp1.bin");
    assert_eq!(epoch_file(&3, &5, None), "epoch-3-5.bin");
}
