//! The way over `debug_executionWitness`, which anvil does not have: the proxy serves it from witnesses that were built
//! from proofs, in the format of the nodes that do.

use crate::scene::{CHAIN_ID, Scene, range};
use alloy_primitives::{Bytes, U64};
use alloy_rlp::Encodable;
use proofmill_endpoints::PoolOptions;
use proofmill_localnet::Hardfork;
use proofmill_proxy::{Action, Proxy};
use proofmill_witness::{BuildError, Node, NodeOptions, WitnessSource};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const FIRST: u64 = 3;
const LAST: u64 = 10;

/// For each block what a node would answer: its nodes, codes and headers from the parent down, and more than is needed.
pub async fn answers(node: &Node) -> HashMap<u64, Value> {
    let mut answers = HashMap::new();
    for number in FIRST..=LAST {
        let input = node.witness(range(number, number), &|_| {}).await.unwrap().input;
        let headers = std::iter::once(&input.parent).chain(&input.witness.headers).map(|header| {
            let mut rlp = Vec::new();
            header.encode(&mut rlp);
            Bytes::from(rlp)
        });
        let answer = json!({
            "state": input.witness.state.iter().chain([&Bytes::from_static(&[0xc2, 0x20, 0x01])]).collect::<Vec<_>>(),
            "codes": input.witness.codes.iter().chain([&Bytes::from_static(&[0x60])]).collect::<Vec<_>>(),
            "keys": [],
            "headers": headers.collect::<Vec<_>>(),
        });
        answers.insert(number, answer);
    }
    answers
}

async fn serving(scene: &Scene, answers: HashMap<u64, Value>) -> Proxy {
    Proxy::new(scene.url(), move |request| match request.method {
        "debug_executionWitness" => {
            let number: U64 = serde_json::from_value(request.params[0].clone()).unwrap();
            Action::Answer(answers[&number.to()].clone())
        }
        _ => Action::Forward,
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nodes_own_witness_is_used() {
    let mut scene = Scene::new(Hardfork::Prague, 12).await;
    scene.mix(10).await;
    let answers = answers(&scene.node().await).await;
    let proxy = serving(&scene, answers.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let options = NodeOptions::new(proxy.url.clone()).chain_id(CHAIN_ID).cache(folder.path());
    let node = options.clone().connect().await.unwrap();
    // One block, several, and overlapping ranges: the merged witness is that of the range's first state.
    for (first, last) in [(3, 3), (3, 7), (5, 10), (3, 10)] {
        let taken = node.witness(range(first, last), &|_| {}).await.unwrap();
        assert_eq!(taken.source, WitnessSource::ExecutionWitness);
        let proven = scene.node().await.witness(range(first, last), &|_| {}).await.unwrap();
        let nodes = |input: &proofmill_stateless::StatelessInput| input.witness.state.clone();
        assert_eq!(nodes(&taken.input), nodes(&proven.input));
        assert_eq!(taken.outcome, proven.outcome);
    }
    assert_eq!(proxy.requests_of("eth_getProof"), 0);
    // Each block's answer was asked for once, and kept.
    assert_eq!(proxy.requests_of("debug_executionWitness"), (LAST - FIRST + 1) as usize);

    // Answers that are false or lack something are not used where there is another way.
    let mut lacking = answers.clone();
    let nodes = lacking.get_mut(&5).unwrap()["state"].as_array_mut().unwrap();
    nodes.drain(..nodes.len() / 2);
    let proxy = serving(&scene, lacking).await;
    let options = NodeOptions::new(proxy.url.clone()).chain_id(CHAIN_ID);
    let node = options.clone().connect().await.unwrap();
    let taken = node.witness(range(3, 7), &|_| {}).await.unwrap();
    assert_eq!(taken.source, WitnessSource::Proofs);
    let node = options.source(WitnessSource::ExecutionWitness).connect().await.unwrap();
    let error = node.witness(range(3, 7), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BuildError::Execution(_)), "{error}");
    assert!(error.to_string().contains("lacks the node"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demanding_it_of_a_node_without_it_is_an_error() {
    let mut scene = Scene::new(Hardfork::Prague, 13).await;
    scene.mix(1).await;
    let node = scene.options().source(WitnessSource::ExecutionWitness).connect().await.unwrap();
    let error = node.witness(range(2, 3), &|_| {}).await.unwrap_err();
    assert!(matches!(error, BuildError::MethodMissing { method: "debug_executionWitness" }), "{error}");
}

/// What a node was asked for by number may be of a block that a reorg replaced since: it is kept for the block that it
/// was found to be of, or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_checked_witness_is_kept() {
    let mut scene = Scene::new(Hardfork::Prague, 16).await;
    scene.mix(8).await;
    let right = answers(&scene.node().await).await;
    let confused = Arc::new(AtomicBool::new(true));
    let proxy = {
        let confused = Arc::clone(&confused);
        Proxy::new(scene.url(), move |request| match request.method {
            "debug_executionWitness" => {
                let number: U64 = serde_json::from_value(request.params[0].clone()).unwrap();
                let other = u64::from(confused.load(Ordering::Relaxed));
                Action::Answer(right[&(number.to::<u64>() + other)].clone())
            }
            _ => Action::Forward,
        })
        .await
    };
    let folder = tempfile::tempdir().unwrap();
    let options = NodeOptions::new(proxy.url.clone()).chain_id(CHAIN_ID).cache(folder.path());
    let node = options.clone().connect().await.unwrap();
    assert_eq!(node.witness(range(4, 6), &|_| {}).await.unwrap().source, WitnessSource::Proofs);
    confused.store(false, Ordering::Relaxed);
    let witnessed = node.witness(range(4, 6), &|_| {}).await.unwrap();
    assert_eq!(witnessed.source, WitnessSource::ExecutionWitness);
    // That one is kept: another process does not ask again.
    let asked = proxy.requests_of("debug_executionWitness");
    confused.store(true, Ordering::Relaxed);
    let again = options.connect().await.unwrap().witness(range(4, 6), &|_| {}).await.unwrap();
    assert_eq!(again, witnessed);
    assert_eq!(proxy.requests_of("debug_executionWitness"), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer_there_is_still_another_way() {
    let mut scene = Scene::new(Hardfork::Prague, 17).await;
    scene.mix(2).await;
    for answer in [|| Action::Status(504), || Action::Hang] {
        let proxy = Proxy::new(scene.url(), move |request| match request.method {
            "debug_executionWitness" => answer(),
            _ => Action::Forward,
        })
        .await;
        let endpoint = PoolOptions::new(proxy.url.clone())
            .attempts(2)
            .backoff(Duration::from_millis(5))
            .timeout(Duration::from_secs(2));
        let options = NodeOptions::at(endpoint).chain_id(CHAIN_ID);
        let witnessed = options.clone().connect().await.unwrap().witness(range(3, 4), &|_| {}).await.unwrap();
        assert_eq!(witnessed.source, WitnessSource::Proofs);
        assert_eq!(proxy.requests_of("debug_executionWitness"), 2);
        // Who wants no other way is told why there is none.
        let node = options.source(WitnessSource::ExecutionWitness).connect().await.unwrap();
        let error = node.witness(range(3, 4), &|_| {}).await.unwrap_err();
        let wanted = matches!(error, BuildError::Unreachable { method: "debug_executionWitness", .. });
        assert!(wanted, "{error}");
    }
}
