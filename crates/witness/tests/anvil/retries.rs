//! Nodes that fail now and then, or for good.

use crate::scene::{CHAIN_ID, Scene, range};
use proofmill_endpoints::PoolOptions;
use proofmill_localnet::Hardfork;
use proofmill_proxy::{Action, Proxy, Request};
use proofmill_witness::{BuildError, NodeOptions, Phase};
use serde_json::json;
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

async fn scene() -> Scene {
    let mut scene = Scene::new(Hardfork::Prague, 8).await;
    scene.mix(4).await;
    scene
}

fn endpoint(proxy: &Proxy) -> PoolOptions {
    PoolOptions::new(proxy.url.clone())
        .attempts(4)
        .backoff(Duration::from_millis(5))
        .timeout(Duration::from_secs(10))
}

fn options(endpoints: PoolOptions) -> NodeOptions {
    NodeOptions::at(endpoints).chain_id(CHAIN_ID)
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
            _ => Action::refuse(-32005, "rate limit exceeded"),
        }
    };
    let proxy = Proxy::new(scene.url(), failing).await;
    let node = options(endpoint(&proxy)).concurrency(1).connect().await.unwrap();
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
    let hasty = endpoint(&proxy).timeout(Duration::from_secs(5));
    let node = options(hasty).connect().await.unwrap();
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
        let hasty = options(endpoint(&proxy).patience(Duration::from_millis(200))).concurrency(1);
        let error = hasty.connect().await.unwrap().witness(range(3, 6), &|_| {}).await.unwrap_err();
        // One that is asked too much is asked no more often for being asked again.
        let times = if status == 429 { 1 } else { 4 };
        assert!(matches!(error, BuildError::Unreachable { attempts, .. } if attempts == times), "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(proxy.requests_of("eth_getProof"), times);
    }
    // A refusal that does not pass is not tried again.
    let proxy = Proxy::new(scene.url(), |request| {
        if request.method == "eth_getProof" { Action::Status(401) } else { Action::Forward }
    })
    .await;
    let error = options(endpoint(&proxy))
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
    let error = options(endpoint(&proxy).attempts(2).timeout(Duration::from_millis(100)))
        .connect()
        .await
        .unwrap_err();
    assert!(matches!(error, BuildError::Unreachable { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(300));

    // The paths of endpoints often are access keys.
    let nowhere = PoolOptions::new("http://127.0.0.1:9/v3/secret-key".parse().unwrap());
    let error =
        NodeOptions::at(nowhere.attempts(2).backoff(Duration::from_millis(5))).connect().await.unwrap_err();
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
    let node = options(endpoint(&proxy).or(scene.url().clone())).connect().await.unwrap();
    node.witness(range(3, 6), &|_| {}).await.unwrap();
    assert!(proxy.requests_of("eth_getProof") <= 16, "it went on asking the failing endpoint");
}

/// Each takes over when the other fails, however often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_take_turns_in_failing() {
    let scene = Scene::new(Hardfork::Prague, 14).await;
    let alive = Arc::new(AtomicUsize::new(0));
    let one_of_two = async |number: usize| {
        let alive = Arc::clone(&alive);
        let answer = move |_: Request<'_>| match alive.load(Ordering::Relaxed) == number {
            true => Action::Forward,
            false => Action::Status(503),
        };
        Proxy::new(scene.url(), answer).await
    };
    let proxies = [one_of_two(0).await, one_of_two(1).await];
    let node = options(endpoint(&proxies[0]).attempts(2).or(proxies[1].url.clone())).connect().await.unwrap();
    for turn in 1..8 {
        alive.store(turn % 2, Ordering::Relaxed);
        // The first of two attempts finds out that the one that answered last is away.
        node.head().await.unwrap_or_else(|error| panic!("turn {turn}: {error}"));
        node.head().await.unwrap();
    }
}

/// Answers as the chain with this id, and not at all where that is 0.
async fn of_chain(scene: &Scene, chain_id: &Arc<AtomicU64>) -> Proxy {
    let chain_id = Arc::clone(chain_id);
    Proxy::new(scene.url(), move |request| match (chain_id.load(Ordering::Relaxed), request.method) {
        (0, _) => Action::Status(503),
        (chain_id, "eth_chainId") => Action::Answer(json!(format!("{chain_id:#x}"))),
        _ => Action::Forward,
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_of_another_chain_is_not_used() {
    let scene = Scene::new(Hardfork::Prague, 15).await;
    let [first, third] = [CHAIN_ID; 2].map(|chain_id| Arc::new(AtomicU64::new(chain_id)));
    let [first_proxy, third_proxy] = [of_chain(&scene, &first).await, of_chain(&scene, &third).await];
    let other = of_chain(&scene, &Arc::new(AtomicU64::new(77))).await;
    let secret = |proxy: &Proxy| proxy.url.join("?key=secret").unwrap();
    let two = endpoint(&first_proxy).attempts(3).or(secret(&other));
    let alone = options(two.clone()).connect().await.unwrap();
    let helped = options(two.or(secret(&third_proxy))).connect().await.unwrap();

    // Nobody is left but the one of another chain; it is named, whichever was asked last.
    first.store(0, Ordering::Relaxed);
    for round in 0..2 {
        let error = alone.head().await.unwrap_err();
        assert!(matches!(error, BuildError::Unreachable { .. }), "{error}");
        let named =
            format!("{} is on chain 77, not on chain {CHAIN_ID}", other.url.origin().ascii_serialization());
        assert!(error.to_string().contains(&named), "{round}: {error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    // It does not stand in the way of the one behind it, which is asked in the same attempt.
    let asked = third_proxy.requests_of("eth_getBlockByNumber");
    helped.head().await.unwrap();
    assert_eq!(third_proxy.requests_of("eth_getBlockByNumber"), asked + 1);

    // The one that was right came back as another.
    third.store(0, Ordering::Relaxed);
    helped.head().await.unwrap_err();
    let asked = third_proxy.requests_of("eth_getBlockByNumber");
    third.store(78, Ordering::Relaxed);
    let error = helped.head().await.unwrap_err();
    assert!(error.to_string().contains("is on chain 78"), "{error}");
    assert_eq!(third_proxy.requests_of("eth_getBlockByNumber"), asked, "asked only for its chain");
    // And came back as itself.
    third.store(CHAIN_ID, Ordering::Relaxed);
    helped.head().await.unwrap();
    assert_eq!(other.requests(), other.requests_of("eth_chainId"));
}
