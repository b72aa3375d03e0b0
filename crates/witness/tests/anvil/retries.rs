//! Nodes that fail now and then, or for good.

use crate::{
    proxy::{Action, Proxy, Request},
    scene::{CHAIN_ID, Scene, range},
};
use proofmill_localnet::Hardfork;
use proofmill_witness::{BuildError, NodeOptions, Phase};
use std::{
    collections::BTreeSet,
    sync::Mutex,
    time::{Duration, Instant},
};

async fn scene() -> Scene {
    let mut scene = Scene::new(Hardfork::Prague, 8).await;
    scene.mix(4).await;
    scene
}

fn options(proxy: &Proxy) -> NodeOptions {
    NodeOptions::new(proxy.url.clone())
        .chain_id(CHAIN_ID)
        .attempts(4)
        .backoff(Duration::from_millis(5))
        .timeout(Duration::from_millis(1000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passing_failures_are_tried_again() {
    let scene = scene().await;
    let failing = |request: Request<'_>| {
        // The first, and later every seventh request of a method.
        if !request.before.is_multiple_of(7) {
            return Action::Forward;
        }
        match request.before % 3 {
            0 => Action::Status(500),
            1 => Action::Status(429),
            _ => Action::Refuse(-32005, "rate limit exceeded"),
        }
    };
    let proxy = Proxy::new(scene.url(), failing).await;
    let node = options(&proxy).concurrency(1).connect().await.unwrap();
    let phases = Mutex::new(BTreeSet::new());
    let witnessed = node
        .witness(range(3, 6), &|progress| {
            assert!(progress.done <= progress.total, "{progress}");
            phases.lock().unwrap().insert(format!("{:?}", progress.phase));
        })
        .await
        .unwrap();
    for phase in [Phase::Blocks, Phase::Executing, Phase::Proofs, Phase::Checking] {
        assert!(phases.lock().unwrap().contains(&format!("{phase:?}")), "{phase}");
    }
    let direct = scene.node().await.witness(range(3, 6), &|_| {}).await.unwrap();
    assert_eq!(witnessed, direct);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_hangs_is_given_up_and_tried_again() {
    let scene = scene().await;
    let proxy = Proxy::new(scene.url(), |request| {
        if request.method == "eth_getProof" && request.before == 3 { Action::Hang } else { Action::Forward }
    })
    .await;
    let node = options(&proxy).connect().await.unwrap();
    node.witness(range(3, 6), &|_| {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lasting_failures_end_with_their_cause() {
    let scene = scene().await;
    for (status, said) in [(500, "500"), (503, "503"), (429, "429")] {
        let proxy = Proxy::new(scene.url(), move |request| {
            if request.method == "eth_getProof" { Action::Status(status) } else { Action::Forward }
        })
        .await;
        let node = options(&proxy).concurrency(1).connect().await.unwrap();
        let error = node.witness(range(3, 6), &|_| {}).await.unwrap_err();
        assert!(matches!(error, BuildError::Unreachable { attempts: 4, .. }), "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(proxy.requests_of("eth_getProof"), 4);
    }
    // A refusal that does not pass is not tried again.
    let proxy = Proxy::new(scene.url(), |request| {
        if request.method == "eth_getProof" { Action::Status(401) } else { Action::Forward }
    })
    .await;
    let error = options(&proxy)
        .concurrency(1)
        .connect()
        .await
        .unwrap()
        .witness(range(3, 6), &|_| {})
        .await
        .unwrap_err();
    assert!(matches!(error, BuildError::Refused { .. }), "{error}");
    assert_eq!(proxy.requests_of("eth_getProof"), 1);

    let proxy = Proxy::new(scene.url(), |_| Action::Hang).await;
    let begun = Instant::now();
    let error = options(&proxy).attempts(2).timeout(Duration::from_millis(100)).connect().await.unwrap_err();
    assert!(matches!(error, BuildError::Unreachable { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));

    // The paths of endpoints often are access keys.
    let error = NodeOptions::new("http://127.0.0.1:9/v3/secret-key".parse().unwrap())
        .attempts(2)
        .backoff(Duration::from_millis(5))
        .connect()
        .await
        .unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(said.contains("refused") && !said.contains("secret"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_endpoint_takes_over() {
    let scene = scene().await;
    let proxy = Proxy::new(scene.url(), |request| {
        if request.method == "eth_getProof" { Action::Status(503) } else { Action::Forward }
    })
    .await;
    let node = options(&proxy).fallback(scene.url().clone()).connect().await.unwrap();
    node.witness(range(3, 6), &|_| {}).await.unwrap();
    assert!(proxy.requests_of("eth_getProof") <= 16, "it went on asking the failing endpoint");
}
