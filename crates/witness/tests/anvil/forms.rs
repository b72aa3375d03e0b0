//! Nodes that answer in forms of their own: each is read, and what is wrong in it is still found.

use crate::{
    execution_witness::answers,
    scene::{CHAIN_ID, Scene, range},
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, U64, U256, keccak256};
use proofmill_endpoints::PoolOptions;
use proofmill_loadgen::mixed::Scope;
use proofmill_localnet::Hardfork;
use proofmill_proxy::{Action, Proxy, Request};
use proofmill_witness::{BuildError, NodeOptions, WitnessSource, Witnessed};
use serde_json::{Value, json};
use std::time::Duration;

pub fn method_missing() -> Action {
    Action::refuse(-32601, "Method not found")
}

/// What becomes of an answer, and its name.
type Change = (&'static str, fn(&mut Value));

pub fn options(proxy: &Proxy) -> NodeOptions {
    let endpoint = PoolOptions::new(proxy.url.clone())
        .attempts(2)
        .backoff(Duration::from_millis(5))
        .timeout(Duration::from_secs(5));
    NodeOptions::at(endpoint).chain_id(CHAIN_ID)
}

pub async fn scene() -> Scene {
    let mut scene = Scene::new(Hardfork::Prague, 31).await;
    scene.mix(6).await;
    scene
}

/// Blocks 3 to 6 over a node whose answers are changed this way.
async fn built(
    scene: &Scene,
    rule: impl FnMut(Request<'_>) -> Action + Send + 'static,
) -> Result<Witnessed, BuildError> {
    let proxy = Proxy::new(scene.url(), rule).await;
    options(&proxy).connect().await?.witness(range(3, 6), &|_| {}).await
}

/// Makes the same of a node's answers as of plain ones.
async fn is_read(scene: &Scene, what: &str, rule: impl FnMut(Request<'_>) -> Action + Send + 'static) {
    let plain = scene.node().await.witness(range(3, 6), &|_| {}).await.unwrap();
    match built(scene, rule).await {
        Ok(witnessed) => assert_eq!(witnessed.input, plain.input, "{what}"),
        Err(error) => panic!("{what}: {error}"),
    }
}

/// Headers of geth's and Erigon's witnesses are JSON objects, and `keys` is null; there is no `eth_getProof` to go on with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn execution_apis_845_execution_witnesses_are_read_in_every_published_shape() {
    let mut scene = Scene::new(Hardfork::Prague, 32).await;
    scene.mix(8).await;
    let plain = answers(&scene.node().await).await;
    let shapes: [Change; 7] = [
        ("geth", |answer| {
            let headers: Vec<Value> = answer["headers"].as_array().unwrap().iter().map(as_object).collect();
            answer["headers"] = headers.into();
            answer["keys"] = Value::Null;
        }),
        ("the specification", |answer| drop(answer.as_object_mut().unwrap().remove("keys"))),
        ("new members", |answer| answer["something"] = json!({ "new": [1] })),
        ("twice", |answer| {
            for member in ["state", "codes", "headers"] {
                let items = answer[member].as_array_mut().unwrap();
                items.extend(items.clone());
                items.reverse();
            }
        }),
        ("by hash", |answer| {
            for member in ["state", "codes"] {
                let items: Vec<Bytes> = serde_json::from_value(answer[member].take()).unwrap();
                answer[member] = items
                    .iter()
                    .map(|item| (keccak256(item).to_string(), json!(item)))
                    .collect::<serde_json::Map<_, _>>()
                    .into();
            }
        }),
        ("without headers", |answer| drop(answer.as_object_mut().unwrap().remove("headers"))),
        ("null for none", |answer| {
            answer["keys"] = Value::Null;
            answer["headers"] = Value::Null;
        }),
    ];
    for (name, shape) in shapes {
        let mut answers = plain.clone();
        answers.values_mut().for_each(shape);
        let witnessed = built(&scene, move |request| match request.method {
            "debug_executionWitness" => Action::Answer(answers[&number(&request.params[0])].clone()),
            "eth_getProof" => method_missing(),
            _ => Action::Forward,
        })
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(witnessed.source, WitnessSource::ExecutionWitness, "{name}");
    }
}

fn number(value: &Value) -> u64 {
    serde_json::from_value::<U64>(value.clone()).unwrap().to()
}

/// A header of a witness, as geth shows it.
fn as_object(rlp: &Value) -> Value {
    let rlp: Bytes = serde_json::from_value(rlp.clone()).unwrap();
    let header: Header = alloy_rlp::decode_exact(&rlp).unwrap();
    let mut shown = serde_json::to_value(&header).unwrap();
    shown["hash"] = json!(header.hash_slow());
    shown["slotNumber"] = Value::Null;
    shown["balHash"] = Value::Null;
    shown
}

/// A witness without headers, of blocks that ask for the hashes of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ancestors_that_a_witness_lacks_are_asked_for() {
    let mut scene = Scene::with_scope(Hardfork::Prague, 34, Scope::AnvilRoots).await;
    scene.mix(8).await;
    let plain = NodeOptions::new(scene.anvil.rpc_url().clone()).chain_id(CHAIN_ID).connect().await.unwrap();
    let mut lacking = answers(&plain).await;
    let mut ancestors = 0;
    for answer in lacking.values_mut() {
        ancestors += answer["headers"].take().as_array().unwrap().len() - 1;
    }
    assert!(ancestors > 0);
    let proxy = Proxy::new(scene.anvil.rpc_url(), move |request| match request.method {
        "debug_executionWitness" => Action::Answer(lacking[&number(&request.params[0])].clone()),
        "eth_getProof" => method_missing(),
        _ => Action::Forward,
    })
    .await;
    let witnessed = options(&proxy).connect().await.unwrap().witness(range(3, 10), &|_| {}).await.unwrap();
    assert_eq!(witnessed.source, WitnessSource::ExecutionWitness);
    assert_eq!(witnessed.input, plain.witness(range(3, 10), &|_| {}).await.unwrap().input);
}

/// Nodes that take the block's hash only, or have a method of their own for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn execution_witnesses_are_asked_for_by_hash_where_that_is_what_a_node_takes() {
    let mut scene = Scene::new(Hardfork::Prague, 32).await;
    scene.mix(8).await;
    let mut by_hash = serde_json::Map::new();
    for (number, answer) in answers(&scene.node().await).await {
        let block = scene.block(number).await;
        by_hash.insert(block["hash"].as_str().unwrap().to_owned(), answer);
    }
    for method in
        ["debug_executionWitness", "debug_executionWitnessByBlockHash", "debug_executionWitnessByHash"]
    {
        let by_hash = by_hash.clone();
        let proxy = Proxy::new(scene.url(), move |request| match request.method {
            asked if asked == method => match request.params[0].as_str().and_then(|hash| by_hash.get(hash)) {
                Some(answer) => Action::Answer(answer.clone()),
                None => Action::refuse(-32602, "invalid argument 0: hex string has length 2, want 64"),
            },
            "debug_executionWitness" | "eth_getProof" => method_missing(),
            _ => Action::Forward,
        })
        .await;
        let node = options(&proxy).connect().await.unwrap();
        for _ in 0..2 {
            let witnessed = node.witness(range(3, 6), &|_| {}).await.unwrap();
            assert_eq!(witnessed.source, WitnessSource::ExecutionWitness, "{method}");
        }
        // It is found out once.
        assert!(proxy.requests_of(method) <= 8 + 1, "{method}: {}", proxy.requests_of(method));
    }
}

/// Blocks by number and slots without leading zeros, for nodes that take nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofs_are_asked_for_in_the_form_that_a_node_takes() {
    let scene = scene().await;
    let is_object = |request: &Request<'_>| request.params.as_array().unwrap().iter().any(Value::is_object);
    let is_long = |request: &Request<'_>| {
        let slots = request.params[1].as_array();
        slots.is_some_and(|slots| {
            slots
                .iter()
                .any(|slot| slot.as_str().unwrap().len() == 66 && slot.as_str().unwrap().starts_with("0x00"))
        })
    };
    for (by_number, short) in [(true, false), (false, true), (true, true)] {
        let rule = move |request: Request<'_>| {
            let asked = matches!(request.method, "eth_getProof" | "eth_getCode");
            if asked && by_number && is_object(&request) {
                return Action::refuse(
                    -32602,
                    "invalid argument 2: json: cannot unmarshal object into Go value of type string",
                );
            }
            if asked && short && is_long(&request) {
                return Action::refuse(-32602, "invalid value for QUANTITY: leading zeros");
            }
            Action::Forward
        };
        is_read(&scene, &format!("by number: {by_number}, short: {short}"), rule).await;
        let proxy = Proxy::new(scene.url(), rule).await;
        let node = options(&proxy).connect().await.unwrap();
        node.witness(range(3, 6), &|_| {}).await.unwrap();
        let first = proxy.requests();
        node.witness(range(3, 6), &|_| {}).await.unwrap();
        // Found out once: later there are no refusals.
        assert!(proxy.requests() - first < first, "{first}, {}", proxy.requests());
    }
    // What is wrong with the request itself is said after the forms are through.
    let error = built(&scene, |request| match request.method {
        "eth_getProof" => Action::refuse(-32602, "invalid argument 0: no such thing"),
        _ => Action::Forward,
    })
    .await
    .unwrap_err();
    assert!(matches!(error, BuildError::Refused { method: "eth_getProof", .. }), "{error}");
}

/// A node that takes an object for the newest block shows another state, and is asked by number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_know_hashes_is_asked_by_number() {
    let scene = scene().await;
    is_read(&scene, "another state by hash", |request| match request.method {
        "eth_getProof" if request.params[2].is_object() => Action::change(|mut proof| {
            proof["accountProof"].as_array_mut().unwrap().remove(0);
            proof
        }),
        "eth_getCode" if request.params[1].is_object() => Action::Answer(json!("0x6001")),
        _ => Action::Forward,
    })
    .await;
}

/// By number a node may show the state of another block. The header tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_of_another_state_is_found_by_number_too() {
    let scene = scene().await;
    let error = built(&scene, |request| match request.method {
        "eth_getProof" if request.params[2].is_object() => Action::refuse(-32602, "invalid argument"),
        "eth_getProof" => Action::change(|mut proof| {
            proof["accountProof"].as_array_mut().unwrap().remove(0);
            proof
        }),
        _ => Action::Forward,
    })
    .await
    .unwrap_err();
    assert!(matches!(error, BuildError::FalseProof { .. }), "{error}");
}

/// A slot shown as 0 beside a right proof, and what else is claimed beside one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nethermind_9366_values_are_taken_from_the_proven_leaf() {
    let scene = scene().await;
    let changing = |change: fn(&mut Value)| {
        move |request: Request<'_>| match request.method {
            "eth_getProof" => Action::change(move |mut proof| {
                change(&mut proof);
                proof
            }),
            _ => Action::Forward,
        }
    };
    let changes: [Change; 6] = [
        ("slots are shown as zero", |proof| {
            for slot in proof["storageProof"].as_array_mut().unwrap() {
                slot["value"] = json!("0x0");
            }
        }),
        ("what is claimed is null", |proof| {
            for field in ["balance", "nonce", "codeHash", "storageHash", "address"] {
                proof[field] = Value::Null;
            }
        }),
        ("what is claimed is false", |proof| {
            proof["balance"] = json!(U256::MAX);
            proof["nonce"] = json!("0x7");
            proof["codeHash"] = json!(B256::repeat_byte(1));
            proof["storageHash"] = json!(B256::repeat_byte(2));
        }),
        ("another order, other keys", |proof| {
            let slots = proof["storageProof"].as_array_mut().unwrap();
            slots.reverse();
            for slot in slots {
                let key: U256 = serde_json::from_value(slot["key"].take()).unwrap();
                slot["key"] = json!(key);
            }
        }),
        ("more nodes than needed", |proof| {
            let nodes = proof["accountProof"].as_array_mut().unwrap();
            nodes.extend([json!("0x80"), json!("0xc22001")]);
        }),
        ("no storage proofs for who has no storage", |proof| {
            if proof["storageHash"] == json!(alloy_trie::EMPTY_ROOT_HASH) {
                proof.as_object_mut().unwrap().remove("storageProof");
            }
        }),
    ];
    for (what, change) in changes {
        is_read(&scene, what, changing(change)).await;
    }
}

/// Blocks without what is not in their hash, and with what other chains have beside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_in_odd_forms_are_read() {
    let scene = scene().await;
    is_read(&scene, "bare blocks", |request| match request.method {
        "eth_getBlockByNumber" => Action::change(|mut block| {
            let Some(members) = block.as_object_mut() else { return block };
            for name in ["size", "totalDifficulty", "uncles", "difficulty", "nonce", "sha3Uncles"] {
                members.remove(name);
            }
            members.insert("l1BlockNumber".to_owned(), json!("0x1"));
            for transaction in members["transactions"].as_array_mut().unwrap() {
                let Some(members) = transaction.as_object_mut() else { continue };
                members.retain(|name, _| {
                    !matches!(
                        name.as_str(),
                        "hash" | "from" | "blockHash" | "blockNumber" | "transactionIndex"
                    )
                });
                if let Some(parity) = members.remove("yParity") {
                    members.insert("v".to_owned(), parity);
                }
                members.insert("mint".to_owned(), Value::Null);
            }
            block
        }),
        _ => Action::Forward,
    })
    .await;
}

/// EIP-4444: the first blocks are gone, in the words of geth, reth, Nethermind, Erigon and those who answer with nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_ethereum_31939_expired_history_is_not_asked_for_and_is_named() {
    let scene = scene().await;
    let gone: [fn() -> Action; 5] = [
        || Action::refuse(4444, "pruned history unavailable"),
        || Action::refuse(4444, "pruned history unavailable: requested 0, earliest available 3"),
        || Action::refuse(-32000, "old data not available due to pruning"),
        || Action::refuse(-32701, "History has been pruned for this block"),
        || Action::Answer(Value::Null),
    ];
    for gone in gone {
        let is_gone = |request: &Request<'_>| {
            request.method == "eth_getBlockByNumber"
                && request.params[0].as_str().is_some_and(|block| block.len() == 3 && block < "0x3")
        };
        let proxy =
            Proxy::new(scene.url(), move |request| if is_gone(&request) { gone() } else { Action::Forward })
                .await;
        let node = options(&proxy).connect().await.unwrap();
        // Nothing that is old is needed for the newest blocks.
        assert_eq!(node.finalized_range(3).await.unwrap().range, range(4, 6));
        node.witness(range(4, 6), &|_| {}).await.unwrap();
        // Here it is.
        assert_eq!(node.finalized_range(100).await.unwrap().range, range(2, 6));
        let error = node.witness(range(3, 6), &|_| {}).await.unwrap_err();
        assert!(matches!(error, BuildError::Expired { block: 2, .. }), "{error}");
        assert!(error.to_string().contains("use a node that keeps it"), "{error}");
    }
    // No block is asked for that does not matter.
    let proxy = Proxy::new(scene.url(), |request| {
        assert_ne!(request.params[0], json!("0x0"));
        Action::Forward
    })
    .await;
    options(&proxy).connect().await.unwrap().finalized_range(3).await.unwrap();
}
