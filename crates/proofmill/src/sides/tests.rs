#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use alloy_primitives::Address;
use proofmill_chain::{
    ChainError, GenesisBlock, L1, Limits, PoolOptions, Proposal, RoleCall, Roles, RollupConfig, Sender,
    deploy_accepts_anything_verifier, deploy_rollup,
};
use proofmill_localnet::{Anvil, AnvilOptions};
use proofmill_primitives::{BlockRange, ProgramVersion, SlotClock};
use serde_json::{Value, json};

const START: u64 = 4_000_000_000;
/// Slots of 100 s, epochs of 2, a window of 2: rules change after ten minutes.
const EPOCH: u64 = 200;

/// A rollup on an L1 whose time goes as the test says, proven by `exec`.
struct Scene {
    l1: Anvil,
    _l2: Anvil,
    chain: L2,
    registry: Registry,
    sender: Sender,
    config: RollupConfig,
    rollup: Rollup,
    folder: tempfile::TempDir,
}

impl Scene {
    /// With chain rules of this hash, or with those of L2.
    async fn new(config_hash: Option<B256>) -> Self {
        let anvil = AnvilOptions::new().spawn().await.unwrap();
        let l1 = AnvilOptions::new().genesis_timestamp(START).spawn().await.unwrap();
        let chain = L2::connect(PoolOptions::new(anvil.rpc_url().clone()), None).await.unwrap();
        let connected = L1::connect(PoolOptions::new(l1.rpc_url().clone()), None).await.unwrap();
        let sender = Sender::new(connected, l1.accounts()[0].private_key.try_into().unwrap());
        let registry = Registry::compiled_in();
        let node = NodeOptions::over(chain.endpoints().clone()).connect().await.unwrap();
        let plan = wiring::proof_types(&registry, &[ProverType::Exec]).await.unwrap()[0];
        let verifier = deploy_accepts_anything_verifier(&sender, B256::ZERO).await.unwrap().address;
        let number = |number: u64| number.try_into().unwrap();
        let clock = SlotClock {
            genesis: START,
            slot_seconds: number(100),
            epoch_slots: number(2),
            window_epochs: number(2),
        };
        let config = RollupConfig {
            chain_id: chain.chain_id(),
            clock,
            limits: Limits::of(&clock),
            genesis: GenesisBlock {
                number: 0,
                hash: B256::repeat_byte(1),
                state_root: B256::repeat_byte(2),
                timestamp: START,
            },
            config_hash: config_hash.unwrap_or_else(|| node.chain().hash()),
            proposer: sender.account(),
            proof_types: vec![ProofTypeConfig {
                prover: ProverType::Exec,
                verifier,
                range_key: plan.range_key,
                aggregation_key: plan.aggregation_key,
            }],
        };
        let roles = Roles { owner: Some(sender.account()), guardian: None };
        let (rollup, _) = deploy_rollup(&sender, &config, roles, B256::ZERO).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { l1, _l2: anvil, chain, registry, sender, config, rollup, folder }
    }

    async fn at(&self, time: u64) {
        let client = proofmill_http::rpc_client(self.l1.rpc_url().clone());
        client.request::<_, Value>("evm_setNextBlockTimestamp", json!([time])).await.unwrap();
        client.request::<_, Value>("evm_mine", json!([])).await.unwrap();
    }

    /// Proposes the next block.
    async fn propose(&self, block: u64) {
        let now = self.rollup.l1().head().await.unwrap().timestamp;
        let hash = |block: u64| B256::repeat_byte(1 + 2 * block as u8);
        let proposal = Proposal {
            blocks: BlockRange::new(block, block).unwrap(),
            parent_hash: hash(block - 1),
            last_hash: hash(block),
            state_root: B256::repeat_byte(2),
            last_timestamp: now,
        };
        self.rollup.propose(&self.sender, proposal).await.unwrap();
    }

    async fn schedule(&self, rules: Rules) {
        self.rollup.act(&self.sender, &RoleCall::ScheduleRules { rules, from: None }).await.unwrap();
    }

    /// A checkpoint under the first rules, and a change before it is proven.
    async fn over_a_change(&self, next: Rules) {
        self.schedule(next).await;
        self.at(START + 2 * EPOCH).await;
        self.propose(1).await;
        self.at(START + 4 * EPOCH).await;
        self.propose(2).await;
        assert_eq!(self.rollup.current_rules().await.unwrap().index, 1);
        assert_eq!(self.rollup.tips().await.unwrap().pending.0, 2, "the first one can still be proven");
    }

    /// What a node that starts now goes by.
    async fn start(&self) -> Result<Ours> {
        let rollup = Rollup::connect(self.rollup.l1().clone(), self.rollup.address()).await.unwrap();
        let ending = CancellationToken::new();
        ours(Place {
            data_dir: self.folder.path(),
            genesis: None,
            gather_within: Duration::from_secs(10),
            registry: &self.registry,
            rollup: &rollup,
            chain: &self.chain,
            ending: &ending,
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_the_old_rules_starts_again_after_a_change() {
    let scene = Scene::new(None).await;
    scene.over_a_change(Rules { config_hash: B256::repeat_byte(9), ..scene.config.rules() }).await;
    let ours = scene.start().await.unwrap();
    assert_eq!(ours.rollup.config().rules(), scene.config.rules(), "those of the unproven checkpoint");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_the_new_rules_starts_while_old_checkpoints_are_unproven() {
    let scene = Scene::new(Some(B256::repeat_byte(9))).await;
    let node = NodeOptions::over(scene.chain.endpoints().clone()).connect().await.unwrap();
    let next = Rules { config_hash: node.chain().hash(), ..scene.config.rules() };
    scene.over_a_change(next.clone()).await;
    assert_eq!(scene.start().await.unwrap().rollup.config().rules(), next);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_rules_to_come_starts_before_them() {
    let scene = Scene::new(Some(B256::repeat_byte(9))).await;
    let node = NodeOptions::over(scene.chain.endpoints().clone()).connect().await.unwrap();
    let next = Rules { config_hash: node.chain().hash(), ..scene.config.rules() };
    scene.schedule(next.clone()).await;
    assert_eq!(scene.start().await.unwrap().rollup.config().rules(), next);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_while_rules_are_scheduled_that_only_another_release_knows() {
    let scene = Scene::new(None).await;
    let rules = scene.config.rules();
    let mut data = RoleCall::ScheduleRules { rules, from: None }.calldata().to_vec();
    // The same rules, but for a type of proofs that is not known here.
    let name = B256::right_padding_from(b"exec");
    let at = data.windows(32).position(|word| word == name.as_slice()).unwrap();
    data[at..at + 4].copy_from_slice(b"next");
    let client = proofmill_http::rpc_client(scene.l1.rpc_url().clone());
    let data = alloy_primitives::Bytes::from(data);
    let (from, to) = (scene.sender.account(), scene.rollup.address());
    let call = json!({ "from": from, "to": to, "data": data, "gas": "0x100000" });
    client.request::<_, Value>("eth_sendTransaction", json!([call])).await.unwrap();
    scene.at(START + EPOCH).await;
    let unknown = scene.rollup.scheduled().await.unwrap_err();
    assert!(matches!(&unknown, ChainError::UnknownProofType { name, .. } if name == "next"), "{unknown}");

    let ours = scene.start().await.unwrap();
    assert_eq!(ours.rollup.config().rules(), scene.config.rules());
    // Nor does who proposes and proves at once ask for them before their time.
    let tip = scene.rollup.proven_tip().await.unwrap();
    assert_eq!(scene.rollup.rules_of_next(&tip, START + 1).await.unwrap(), scene.config.rules());
    let due = scene.rollup.rules_of_next(&tip, START + 100 * EPOCH).await.unwrap_err();
    assert!(matches!(due, ChainError::UnknownProofType { .. }), "{due}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genesis_that_the_rollup_was_not_deployed_with_is_refused_with_a_remedy() {
    let scene = Scene::new(Some(B256::repeat_byte(9))).await;
    let Err(error) = scene.start().await else { panic!("it starts with other chain rules") };
    let said = error.to_string();
    assert!(said.contains("rules 0, which are in force") && said.contains("--genesis"), "{said}");
    assert!(said.contains(&B256::repeat_byte(9).to_string()), "{said}");
}

#[test]
fn another_release_is_named_by_its_program() {
    let of = |byte: u8| ProofTypeConfig {
        prover: ProverType::Exec,
        verifier: Address::ZERO,
        range_key: ProgramVersion(B256::repeat_byte(byte)),
        aggregation_key: ProgramVersion(B256::repeat_byte(byte)),
    };
    let rules = |byte: u8| Rules {
        config_hash: B256::repeat_byte(1),
        proposer: Address::ZERO,
        proof_types: vec![of(byte)],
    };
    let asked = |bytes: &[u8]| -> Vec<Asked> {
        bytes.iter().map(|byte| Asked { what: format!("those {byte}"), rules: rules(*byte) }).collect()
    };
    let plan = |byte: u8| {
        let ProofTypeConfig { prover, range_key, aggregation_key, .. } = of(byte);
        ProofTypePlan { prover, range_key, aggregation_key }
    };
    let able = |plan| Able {
        config_hash: B256::repeat_byte(1),
        programs: BTreeMap::from([(ProverType::Exec, plan)]),
    };
    // Whichever release is started, on whichever side of the change.
    for (release, expected) in [(4, 4), (5, 5), (6, 6)] {
        let asked = asked(&[4, 5, 5, 6]);
        let chosen = choose(&asked, &able(Ok(plan(release)))).unwrap();
        assert_eq!(*chosen, rules(expected));
    }
    let Err(error) = choose(&asked(&[4, 5]), &able(Ok(plan(7)))) else {
        panic!("a release that fits nothing")
    };
    let said = error.to_string();
    assert!(said.contains("those 4: ") && said.contains("those 5: "), "{said}");
    assert!(said.contains(&B256::repeat_byte(5).to_string()) && said.contains("run the release that has it"));
    let Err(error) = choose(&asked(&[4]), &able(Err("not compiled in".to_owned()))) else {
        panic!("a type that is not there")
    };
    assert!(error.to_string().contains("not compiled in"));
}
