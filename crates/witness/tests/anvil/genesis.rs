//! Genesis files, and what nodes say of their rules.

use crate::{
    forms::{method_missing, options, scene},
    scene::{CHAIN_ID, Scene, range},
};
use proofmill_proxy::{Action, Proxy};
use proofmill_witness::{BuildError, ChainSource, GenesisError};
use serde_json::{Value, json};

fn genesis() -> Value {
    json!({
        "config": { "chainId": CHAIN_ID, "londonBlock": 0, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0,
            "terminalTotalDifficulty": 0, "proofmill": { "requestContracts": "optional" } },
        "alloc": {}, "difficulty": "0x0", "gasLimit": "0x1c9c380", "extraData": "0x", "nonce": "0x0", "timestamp": "0x0",
    })
}

async fn connected(scene: &Scene, file: &[u8]) -> Result<proofmill_witness::Node, BuildError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("genesis.json");
    std::fs::write(&path, file).unwrap();
    scene.options().chain(ChainSource::Genesis(path)).connect().await
}

/// What other clients read is read: a byte order mark, texts for numbers, large numbers, forks that never come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reth_5359_genesis_files_of_other_clients_are_read() {
    let scene = scene().await;
    let plain = connected(&scene, genesis().to_string().as_bytes()).await.unwrap();
    let text = genesis()
        .to_string()
        .replace("\"chainId\":901", "\"chainId\":\"901\",\"osakaTime\":18446744073709551615")
        .replace("\"terminalTotalDifficulty\":0", "\"terminalTotalDifficulty\":58750000000000000000000");
    let marked = [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
    let node = connected(&scene, &marked).await.unwrap();
    assert_eq!(node.chain(), plain.chain());
    node.witness(range(3, 5), &|_| {}).await.unwrap();
}

/// What cannot be followed is refused at the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alloy_2435_genesis_files_that_cannot_be_followed_are_refused_at_the_start() {
    let scene = scene().await;
    for (name, value) in [("bpo1Time", json!(0)), ("verkleTime", json!(5)), ("qbft", json!({}))] {
        let mut file = genesis();
        file["config"][name] = value;
        let error = connected(&scene, file.to_string().as_bytes()).await.unwrap_err();
        assert!(matches!(error, BuildError::GenesisFormat { .. }), "{name}: {error}");
        assert!(error.to_string().to_lowercase().contains(&name.to_lowercase()), "{error}");
    }
    // Of the OP Stack, but not with its forks.
    let mut file = genesis();
    file["config"]["optimism"] = json!({ "eip1559Elasticity": 6 });
    let error = connected(&scene, file.to_string().as_bytes()).await.unwrap_err();
    assert!(matches!(error, BuildError::GenesisFormat { reason: GenesisError::Optimism(_), .. }), "{error}");
    let rollup = json!({ "l2_chain_id": CHAIN_ID, "block_time": 2, "genesis": {} }).to_string();
    let error = connected(&scene, rollup.as_bytes()).await.unwrap_err();
    assert!(matches!(error, BuildError::GenesisFormat { reason: GenesisError::Optimism(_), .. }), "{error}");
}

/// anvil tells its rules by `eth_config`: a file with others is not that of its chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genesis_file_that_the_node_does_not_follow_is_refused() {
    let scene = scene().await;
    for (name, value, what) in [
        ("pragueTime", Value::Null, "blob parameters"),
        ("osakaTime", json!(0), "precompiled contracts"),
        ("osakaTime", json!(99_999_999_999u64), "next rules"),
        ("depositContractAddress", json!("0x4242424242424242424242424242424242424242"), "deposit contract"),
    ] {
        let mut file = genesis();
        file["config"][name] = value;
        let error = connected(&scene, file.to_string().as_bytes()).await.unwrap_err();
        assert!(matches!(error, BuildError::RulesDisagree { .. }), "{name}: {error}");
        assert!(error.to_string().contains(what), "{name}: {error}");
    }
    // A node that does not tell is taken to follow the file.
    for silent in
        [|| method_missing(), || Action::Answer(json!({ "nonsense": true })), || Action::Answer(Value::Null)]
    {
        let proxy = Proxy::new(scene.url(), move |request| match request.method {
            "eth_config" => silent(),
            _ => Action::Forward,
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("genesis.json");
        std::fs::write(&path, genesis().to_string()).unwrap();
        options(&proxy).chain(ChainSource::Genesis(path)).connect().await.unwrap();
    }
}

/// Without a file it is said what to give, or why no file would help.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_rules_are_explained() {
    let scene = scene().await;
    let optimism = json!({ "chainId": CHAIN_ID, "optimism": { "eip1559Elasticity": 6 } });
    let answers = [
        ("debug_chainConfig", optimism.clone()),
        ("admin_nodeInfo", json!({ "protocols": { "eth": { "config": optimism } } })),
        ("optimism_rollupConfig", json!({ "l2_chain_id": CHAIN_ID, "block_time": 2 })),
    ];
    for (method, answer) in answers {
        let proxy = Proxy::new(scene.url(), move |request| match request.method {
            asked if asked == method => Action::Answer(answer.clone()),
            "anvil_nodeInfo" => method_missing(),
            _ => Action::Forward,
        })
        .await;
        let error = options(&proxy).connect().await.unwrap_err();
        // Of the OP Stack, but without what its rules need.
        assert!(matches!(error, BuildError::OpRules { .. }), "{error}");
        assert!(error.to_string().contains("OP Stack") && error.to_string().contains(method), "{error}");
    }
    let proxy = Proxy::new(scene.url(), |request| match request.method {
        "anvil_nodeInfo" => method_missing(),
        _ => Action::Forward,
    })
    .await;
    let error = options(&proxy).connect().await.unwrap_err();
    assert!(
        error.to_string().contains("--genesis") && error.to_string().contains("debug_chainConfig"),
        "{error}"
    );
}
