//! Witnesses of real blocks of the OP Stack, from a node that serves them.

#![allow(clippy::unwrap_used)]

use proofmill_op_fixtures::{BLOCKS, CHAIN_ID, Fixture, serve};
use proofmill_optimism::known_rules;
use proofmill_primitives::BlockRange;
use proofmill_proxy::{Action, Proxy, Request};
use proofmill_stateless::ChainSpec;
use proofmill_witness::{BuildError, ChainSource, ExecutionError, NodeOptions, WitnessSource};
use serde_json::{Value, json};

fn fixtures(numbers: &[u64]) -> Option<Vec<Fixture>> {
    numbers.iter().map(|number| Fixture::read(*number)).collect()
}

fn range(first: u64, last: u64) -> BlockRange {
    BlockRange::new(first, last).unwrap()
}

fn options(node: &Proxy) -> NodeOptions {
    NodeOptions::new(node.url.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_blocks_execute_from_what_their_node_shows() {
    let Some(fixtures) = fixtures(&BLOCKS) else { return };
    let node = serve(&fixtures, |_| None).await;
    // The chain is well known: nothing has to be given.
    let known = options(&node).connect().await.unwrap();
    assert_eq!(*known.chain(), ChainSpec::optimism(known_rules(CHAIN_ID).unwrap().1));
    let four = known.witness(range(BLOCKS[0], BLOCKS[3]), &|_| {}).await.unwrap();
    assert_eq!(four.outcome.last_hash, fixtures[3].expected_block_hash);
    assert_eq!(four.output_roots, None, "they are of Holocene");
    let alone = known.witness(range(BLOCKS[4], BLOCKS[4]), &|_| {}).await.unwrap();
    assert_eq!(alone.outcome.last_hash, fixtures[4].expected_block_hash);
    assert!(alone.outcome.gas_used > 0 && alone.outcome.transactions > 1);

    // By the file of its nodes, as of when it was written.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rollup.json");
    std::fs::write(&file, fixtures[0].rollup_config()).unwrap();
    let by_file = options(&node).chain(ChainSource::Genesis(file)).connect().await.unwrap();
    assert_eq!(*by_file.chain(), ChainSpec::optimism(fixtures[0].rules()));
    let same = by_file.witness(range(BLOCKS[0], BLOCKS[3]), &|_| {}).await.unwrap();
    assert_eq!(same.outcome.last_hash, four.outcome.last_hash);
}

/// Answers of another chain, whose rules nobody knows.
fn unknown_chain(config: Option<Value>) -> impl FnMut(&Request<'_>) -> Option<Action> + Send + 'static {
    move |request| match request.method {
        "eth_chainId" => Some(Action::Answer(json!("0x385"))),
        "optimism_rollupConfig" => config.clone().map(Action::Answer),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_of_an_unknown_chain_are_those_that_its_node_says() {
    let Some(fixtures) = fixtures(&BLOCKS[..1]) else { return };
    let mut config: Value = serde_json::from_str(&fixtures[0].rollup_config()).unwrap();
    config["l2_chain_id"] = json!(901);
    let node = serve(&fixtures, unknown_chain(Some(config.clone()))).await;
    let connected = options(&node).connect().await.unwrap();
    assert_eq!(connected.chain().chain_id, 901);
    assert!(matches!(connected.chain().rules, proofmill_stateless::Rules::Optimism(_)));

    for (key, value, says) in [
        ("interop_time", json!(99), "interop_time"),
        ("tropo_time", json!(0), "tropo_time"),
        ("canyon_time", Value::Null, "Canyon"),
        ("l2_chain_id", json!(902), "902"),
    ] {
        let mut config = config.clone();
        config[key] = value;
        let node = serve(&fixtures, unknown_chain(Some(config))).await;
        let error = options(&node).connect().await.unwrap_err();
        assert!(matches!(error, BuildError::OpRules { .. } | BuildError::ChainId { .. }), "{key}: {error}");
        assert!(error.to_string().contains(says), "{key}: {error}");
    }
    let silent = serve(&fixtures, unknown_chain(None)).await;
    let error = options(&silent).connect().await.unwrap_err();
    assert!(matches!(error, BuildError::UnknownChain { chain_id: 901 }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lies_about_a_deposit_is_found_out() {
    let Some(fixtures) = fixtures(&BLOCKS[..1]) else { return };
    for (member, value) in [
        ("mint", json!("0xde0b6b3a7640000")),
        ("from", json!(format!("0x{:040x}", 5))),
        ("sourceHash", json!(format!("0x{:064x}", 5))),
        ("isSystemTx", json!(true)),
    ] {
        let (honest, fixtures) = (serve(&fixtures, |_| None).await, fixtures.clone());
        let node = Proxy::new(&honest.url.clone(), move |request| {
            if request.method != "eth_getBlockByNumber" || request.params[1] == json!(false) {
                return Action::Forward;
            }
            let value = value.clone();
            Action::change(move |mut block| {
                if let Some(deposit) = block["transactions"].get_mut(0) {
                    deposit[member] = value;
                }
                block
            })
        })
        .await;
        let node = options(&node).connect().await.unwrap();
        let error = node.witness(range(BLOCKS[0], BLOCKS[0]), &|_| {}).await.unwrap_err();
        assert!(matches!(error, BuildError::FalseBody { what: "transactions", .. }), "{member}: {error}");
        drop(fixtures);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anvil_in_its_mode_for_the_op_stack_is_refused_by_name() {
    let Some(fixtures) = fixtures(&BLOCKS[..1]) else { return };
    let node = serve(&fixtures, |request| match request.method {
        "eth_chainId" => Some(Action::Answer(json!("0x7a69"))),
        "anvil_nodeInfo" => Some(Action::Answer(json!({ "hardFork": "Jovian" }))),
        _ => None,
    })
    .await;
    let error = options(&node).connect().await.unwrap_err();
    assert!(error.to_string().contains("anvil's own rules for the OP Stack"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_are_not_the_chains_refute_its_blocks() {
    let Some(fixtures) = fixtures(&BLOCKS[..1]) else { return };
    let node = serve(&fixtures, |_| None).await;
    let mut config: Value = serde_json::from_str(&fixtures[0].rollup_config()).unwrap();
    for fork in ["holocene", "isthmus", "jovian", "karst"] {
        config[format!("{fork}_time")] = Value::Null;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rollup.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let options = options(&node).source(WitnessSource::ExecutionWitness);
    let node = options.chain(ChainSource::Genesis(file)).connect().await.unwrap();
    let error = node.witness(range(BLOCKS[0], BLOCKS[0]), &|_| {}).await.unwrap_err();
    let refuted = matches!(error, BuildError::Execution(ExecutionError::Optimism(_)));
    assert!(refuted && error.to_string().contains("extra data"), "{error}");
}
