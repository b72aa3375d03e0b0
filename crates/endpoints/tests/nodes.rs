//! Nodes as they are, one report each, on a real anvil behind proxies that answer as the reports say.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use proofmill_endpoints::{
    ConnectError, EndpointState, Failure, FaultKind, Need, NoAnswer, Pool, PoolOptions, ReadError, Start,
};
use proofmill_localnet::{Anvil, AnvilOptions, Mining};
use proofmill_proxy::{Action, Mood, Moody, Proxy};
use proofmill_skipped::skipped;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use url::Url;

/// Longer than anything here takes, also where the machine does much else.
const PATIENCE: Duration = Duration::from_secs(300);
/// For whom nothing hangs: one that is late is no node that is away, and is asked no second time.
const LONG: Duration = Duration::from_secs(100);

async fn anvil() -> Anvil {
    AnvilOptions::new().mining(Mining::OnRequest).spawn().await.unwrap()
}

async fn mine(anvil: &Anvil, blocks: u64) {
    let rpc = proofmill_http::rpc_client(anvil.rpc_url().clone());
    let _: Value = rpc.request("anvil_mine", [format!("{blocks:#x}")]).await.unwrap();
}

fn hasty(url: Url) -> PoolOptions {
    PoolOptions::new(url).attempts(3).backoff(Duration::from_millis(10)).timeout(LONG).patience(LONG)
}

async fn pool(options: PoolOptions) -> Pool {
    Pool::connect("L1", options, None).await.unwrap()
}

async fn height(pool: &Pool) -> u64 {
    pool.head().await.unwrap().number
}

/// Follows the newest of several heads. The others are not waited for with each look, and a busy machine hears them later.
async fn until_height(pool: &Pool, expected: u64) {
    let began = Instant::now();
    loop {
        let seen = height(pool).await;
        if seen == expected {
            return;
        }
        assert!(seen < expected && began.elapsed() < PATIENCE, "{seen}, and not {expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn code(pool: &Pool) -> Result<String, ReadError<String>> {
    pool.get(Need::State(0), "eth_getCode", (format!("0x{:040x}", 1), "latest")).await
}

fn failure<T: std::fmt::Debug, E: std::fmt::Debug>(answer: Result<T, ReadError<E>>) -> Failure {
    match answer {
        Err(ReadError::NoAnswer(NoAnswer(failure))) => *failure,
        other => panic!("{other:?}"),
    }
}

/// What an endpoint says does not hold up a request that another can answer, and is not asked for again at once.
async fn another_answers(said: impl Fn() -> Action + Send + 'static) {
    answered_by_another(|options| options, said).await;
}

/// The same with other options.
async fn answered_by_another(
    with: fn(PoolOptions) -> PoolOptions,
    said: impl Fn() -> Action + Send + 'static,
) {
    let anvil = anvil().await;
    let first = Proxy::new(anvil.rpc_url(), move |request| match request.method {
        "eth_getCode" => said(),
        _ => Action::Forward,
    })
    .await;
    let pool = pool(with(hasty(first.url.clone()).or(anvil.rpc_url().clone()))).await;
    for _ in 0..3 {
        assert_eq!(code(&pool).await.unwrap(), "0x");
    }
}

#[tokio::test]
async fn edr_1721_a_pruned_endpoint_before_an_archive() {
    for (code, said) in [
        (-32_000, "historical state 02203acd is not available"),
        (-32_602, "distance to target block exceeds maximum proof window"),
        (-32_000, "missing trie node 5fd4 (path ) state 0x5fd4 is not available"),
    ] {
        another_answers(move || Action::refuse(code, said)).await;
    }
    // What it lacks is remembered: it is not asked again for the same.
    let anvil = anvil().await;
    let pruned = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_getCode" => Action::refuse(-32_000, "missing trie node"),
        _ => Action::Forward,
    })
    .await;
    let pool = pool(hasty(pruned.url.clone()).or(anvil.rpc_url().clone())).await;
    for _ in 0..5 {
        code(&pool).await.unwrap();
    }
    assert_eq!(pruned.requests_of("eth_getCode"), 1);
    let report = pool.report();
    assert_eq!(report.endpoints[0].lacks, ["state up to block 0"], "{report:?}");
    assert_eq!(report.endpoints[0].state, EndpointState::Serving);
}

#[tokio::test]
async fn hyperlane_2570_the_first_endpoint_stands_still() {
    let anvil = anvil().await;
    let first = Moody::new(anvil.rpc_url()).await;
    let pool = pool(hasty(first.url()).or(anvil.rpc_url().clone())).await;
    assert_eq!(height(&pool).await, 0);
    first.be(Mood::Stands);
    for block in 1..4 {
        mine(&anvil, 1).await;
        until_height(&pool, block).await;
    }
    let report = pool.report();
    assert!(report.endpoints[1].followed && !report.endpoints[0].followed);
    assert_eq!((report.endpoints[0].lag, report.endpoints[1].lag), (3, 0));
    // A block that only one of them has is asked of that one.
    let block: Option<Value> =
        pool.get(Need::Block(3), "eth_getBlockByNumber", ("0x3", false)).await.unwrap();
    assert!(block.is_some());
    // One that nobody has is no error.
    let block: Option<Value> =
        pool.get(Need::Block(9), "eth_getBlockByNumber", ("0x9", false)).await.unwrap();
    assert_eq!(block, None);
    // It recovers.
    first.be(Mood::Well);
    mine(&anvil, 1).await;
    until_height(&pool, 4).await;
    let began = Instant::now();
    while pool.report().endpoints[0].lag != 0 {
        assert!(began.elapsed() < PATIENCE, "{:?}", pool.report());
        assert_eq!(height(&pool).await, 4);
    }
}

async fn by_hash(pool: &Pool, need: Need, hash: &Value) -> Option<Value> {
    pool.get(need, "eth_getBlockByHash", (hash, false)).await.unwrap()
}

/// A provider may have several nodes behind one address, of which one does not know a block that the others have.
#[tokio::test]
async fn one_that_does_not_know_a_hash_speaks_for_no_other() {
    let anvil = anvil().await;
    mine(&anvil, 2).await;
    let well = pool(hasty(anvil.rpc_url().clone())).await;
    let block: Value = well.get(Need::Block(1), "eth_getBlockByNumber", ("0x1", false)).await.unwrap();
    let hash = &block["hash"];
    let forgetful = |times: usize| {
        Proxy::new(anvil.rpc_url(), move |request| match request.method {
            "eth_getBlockByHash" if request.before < times => Action::Answer(Value::Null),
            _ => Action::Forward,
        })
    };
    let first = forgetful(usize::MAX).await;
    let both = pool(hasty(first.url.clone()).or(anvil.rpc_url().clone())).await;
    for need in [Need::Hash, Need::Seen] {
        assert_eq!(by_hash(&both, need, hash).await.unwrap()["number"], "0x1");
    }
    assert!(first.requests_of("eth_getBlockByHash") > 0);
    // Alone, it is asked again for what was there before, and for that only.
    let alone = forgetful(2).await;
    let pool = pool(hasty(alone.url.clone())).await;
    assert_eq!(by_hash(&pool, Need::Hash, hash).await, None);
    assert_eq!(by_hash(&pool, Need::Seen, hash).await.unwrap()["number"], "0x1");
    assert_eq!(alone.requests_of("eth_getBlockByHash"), 3);
    // What no chain has is no error, and does not take for ever.
    assert_eq!(by_hash(&pool, Need::Seen, &json!(format!("0x{:064x}", 7))).await, None);
    assert_eq!(alone.requests_of("eth_getBlockByHash"), 6);
}

#[tokio::test]
async fn viem_5083_a_limit_told_with_status_200() {
    for (code, said) in [
        (-32_007, "50/second request limit reached - reduce calls per second"),
        (-32_005, "exceeded project rate limit"),
        (429, "Your app has exceeded its compute units per second capacity"),
        (-32_012, "credits limited to 6000/sec"),
    ] {
        another_answers(move || Action::refuse(code, said)).await;
        // Alone, it is asked again a moment later.
        let anvil = anvil().await;
        let limited = Proxy::new(anvil.rpc_url(), move |request| match (request.method, request.before) {
            ("eth_getCode", 0 | 1) => Action::refuse(code, said),
            _ => Action::Forward,
        })
        .await;
        let pool = pool(hasty(limited.url.clone())).await;
        assert_eq!(self::code(&pool).await.unwrap(), "0x");
        assert_eq!(limited.requests_of("eth_getCode"), 3);
        assert!(pool.report().endpoints[0].concurrency < 16);
    }
}

#[tokio::test]
async fn alloy_4006_an_error_status_with_a_json_body() {
    for (status, code) in [(429, -32_603), (503, -32_000), (502, -32_000), (500, -32_603), (400, -32_603)] {
        another_answers(move || Action::refuse_with(status, code, "internal error")).await;
    }
}

#[tokio::test]
async fn aztec_packages_19710_errors_that_pass() {
    for (code, said) in [
        (-32_603, "internal error"),
        (-32_002, "request timed out"),
        (-32_000, "header not found"),
        (-32_011, "no backends available for method"),
    ] {
        another_answers(move || Action::refuse(code, said)).await;
        let anvil = anvil().await;
        let stumbling = Proxy::new(anvil.rpc_url(), move |request| match (request.method, request.before) {
            ("eth_getCode", 0) => Action::refuse(code, said),
            _ => Action::Forward,
        })
        .await;
        let pool = pool(hasty(stumbling.url.clone())).await;
        assert_eq!(self::code(&pool).await.unwrap(), "0x", "{said}");
    }
}

#[tokio::test]
async fn op_succinct_608_retry_after_is_obeyed() {
    let anvil = anvil().await;
    let limited = Proxy::new(anvil.rpc_url(), |request| match (request.method, request.before) {
        ("eth_getCode", 0) => Action::Http(429, vec![("retry-after", "2".into())], Vec::new()),
        _ => Action::Forward,
    })
    .await;
    let alone = pool(hasty(limited.url.clone()).attempts(1)).await;
    let began = Instant::now();
    assert_eq!(code(&alone).await.unwrap(), "0x");
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(limited.requests_of("eth_getCode"), 2, "it was left alone meanwhile");
    // One that wants more time than there is ends at once, with what it said.
    let closed = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_getCode" => Action::Http(429, vec![("retry-after", "240".into())], Vec::new()),
        _ => Action::Forward,
    })
    .await;
    let pool = pool(hasty(closed.url.clone())).await;
    let failure = failure(code(&pool).await);
    assert_eq!(failure.faults[0].1.kind, FaultKind::Limited);
    assert!(failure.to_string().contains("429"), "{failure}");
    assert!(matches!(pool.report().endpoints[0].state, EndpointState::Limited { .. }));
}

#[tokio::test]
async fn rundler_1328_the_first_endpoint_lacks_a_method() {
    another_answers(|| Action::refuse(-32_601, "the method eth_getCode does not exist/is not available"))
        .await;
    let anvil = anvil().await;
    let lacking = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_getCode" => Action::refuse(-32_601, "Method not found"),
        _ => Action::Forward,
    })
    .await;
    let pool = pool(hasty(lacking.url.clone())).await;
    let failure = failure(code(&pool).await);
    assert_eq!(failure.verdict().map(|fault| fault.kind), Some(FaultKind::NoMethod));
    assert_eq!(failure.attempts, 1, "asking again would not help");
    assert_eq!(pool.report().endpoints[0].lacks, ["eth_getCode"]);
}

/// What one says of the request itself holds, although the others cannot serve: dead, of another chain, or limited.
#[tokio::test]
async fn a_refusal_holds_beside_endpoints_that_cannot_serve() {
    let anvil = anvil().await;
    let refusing = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_getCode" => Action::refuse(3, "execution reverted"),
        _ => Action::Forward,
    })
    .await;
    let other = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_chainId" => Action::Answer(json!("0x5")),
        _ => Action::Forward,
    })
    .await;
    let limited = Moody::new(anvil.rpc_url()).await;
    let dead: Url = "http://127.0.0.1:9".parse().unwrap();
    for beside in [dead, other.url.clone(), limited.url()] {
        // Which is not waited for.
        let options = hasty(beside.clone()).or(refusing.url.clone()).patience(PATIENCE);
        let pool = Pool::connect("L1", options, Some(31_337)).await.unwrap();
        limited.be(Mood::Limits);
        let began = Instant::now();
        let failure = failure(code(&pool).await);
        limited.be(Mood::Well);
        assert_eq!(failure.verdict().map(|fault| fault.kind), Some(FaultKind::Reverted), "{beside}");
        assert!(began.elapsed() < PATIENCE / 2, "{beside}: {:?}", began.elapsed());
    }
}

/// What is about the request itself is final, once every endpoint has said so.
#[tokio::test]
async fn a_refusal_is_final_when_all_agree() {
    let anvil = anvil().await;
    let refusing = || {
        Proxy::new(anvil.rpc_url(), |request| match request.method {
            "eth_getCode" => Action::refuse(-32_602, "invalid argument 0"),
            _ => Action::Forward,
        })
    };
    let (first, second) = (refusing().await, refusing().await);
    let pool = pool(hasty(first.url.clone()).or(second.url.clone())).await;
    let failure = failure(code(&pool).await);
    assert_eq!(failure.verdict().map(|fault| fault.kind), Some(FaultKind::Refused));
    assert_eq!((first.requests_of("eth_getCode"), second.requests_of("eth_getCode")), (1, 1));
}

#[tokio::test]
async fn answers_that_are_none_are_passed_over() {
    let text = |body: &'static str| move || Action::Http(200, Vec::new(), body.as_bytes().to_vec());
    another_answers(text("<html>welcome</html>")).await;
    another_answers(text("")).await;
    another_answers(text("{\"jsonrpc\":\"2.0\",\"id\":1}")).await;
    another_answers(text("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"no\":\"code\"}}")).await;
    another_answers(|| Action::Cut).await;
    answered_by_another(|options| options.timeout(Duration::from_secs(2)), || Action::Hang).await;
    another_answers(|| Action::rewrite(|text| text.as_bytes()[..text.len() / 2].to_vec())).await;
}

/// An answer of 2 GB is not read to its end.
#[tokio::test]
async fn an_answer_without_end() {
    let anvil = anvil().await;
    let endless = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_getCode" => Action::Endless(2 << 30),
        _ => Action::Forward,
    })
    .await;
    let alone = pool(hasty(endless.url.clone()).largest_answer(4 << 20)).await;
    let failure = failure(code(&alone).await);
    assert_eq!(failure.verdict().map(|fault| fault.kind), Some(FaultKind::TooLarge));
    assert!(failure.to_string().contains("larger than 4 MB"), "{failure}");
    let options = hasty(endless.url.clone()).or(anvil.rpc_url().clone()).largest_answer(4 << 20);
    assert_eq!(code(&pool(options).await).await.unwrap(), "0x");
}

#[tokio::test]
async fn a_redirect_is_told_without_its_secrets() {
    let anvil = anvil().await;
    let moved = Proxy::new(anvil.rpc_url(), |_| {
        Action::Http(308, vec![("location", "https://other.example/v3/secret-key".into())], Vec::new())
    })
    .await;
    let error = Pool::connect("L1", hasty(moved.url.clone()), None).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("redirects to https://other.example") && !said.contains("secret"), "{said}");
    let both = hasty(moved.url.clone()).or(anvil.rpc_url().clone());
    assert_eq!(height(&pool(both).await).await, 0);
}

#[tokio::test]
async fn an_endpoint_of_another_chain_in_the_list() {
    let anvil = anvil().await;
    let other = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_chainId" => Action::Answer(json!("0x5")),
        _ => Action::Forward,
    })
    .await;
    // Told which chain is wanted, the right one is used.
    let both = || hasty(other.url.clone()).or(anvil.rpc_url().clone());
    let pool = Pool::connect("L1", both(), Some(31_337)).await.unwrap();
    assert_eq!(height(&pool).await, 0);
    assert_eq!(pool.report().endpoints[0].state, EndpointState::OtherChain { got: 5 });
    assert_eq!(other.requests(), other.requests_of("eth_chainId"));
    // Otherwise nobody knows which is meant.
    let error = Pool::connect("L1", both(), None).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongChain { expected: 5, got: 31_337, .. }), "{error}");
    let error = Pool::connect("L1", hasty(other.url.clone()), Some(31_337)).await.unwrap_err();
    assert!(matches!(error, ConnectError::WrongChain { expected: 31_337, got: 5, .. }), "{error}");
}

#[tokio::test]
async fn an_endpoint_on_another_branch() {
    let (one, two) = (anvil().await, anvil().await);
    let rpc = proofmill_http::rpc_client(two.rpc_url().clone());
    // The same genesis, other blocks.
    let _: Value = rpc.request("anvil_setCoinbase", [format!("0x{:040x}", 7)]).await.unwrap();
    mine(&one, 5).await;
    let pool = pool(hasty(one.rpc_url().clone()).or(two.rpc_url().clone())).await;
    until_height(&pool, 5).await;
    mine(&two, 20).await;
    let followed = pool.head().await.unwrap();
    assert_eq!(followed.number, 5, "the other one is ahead, on its own branch");
    mine(&one, 1).await;
    until_height(&pool, 6).await;
}

#[tokio::test]
async fn an_ipv6_address() {
    let anvil = anvil().await;
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
        return skipped("this machine has no IPv6");
    };
    let port = listener.local_addr().unwrap().port();
    let target = format!("127.0.0.1:{}", anvil.rpc_url().port().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut node = tokio::net::TcpStream::connect(&target).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut node).await });
        }
    });
    let pool = pool(hasty(format!("http://[::1]:{port}").parse().unwrap())).await;
    assert_eq!(height(&pool).await, 0);
    assert_eq!(pool.report().endpoints[0].url, format!("http://[::1]:{port}"));
}

/// A server without TLS behind `https://`: the cause is named, and the other endpoint serves.
#[tokio::test]
async fn a_server_that_speaks_no_tls() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url =
        format!("https://127.0.0.1:{}/secret", listener.local_addr().unwrap().port()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt;
            drop(client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let error = Pool::connect("L1", hasty(url.clone()), None).await.unwrap_err().to_string();
    assert!(error.contains("https://127.0.0.1") && !error.contains("secret"), "{error}");
    let anvil = anvil().await;
    assert_eq!(height(&pool(hasty(url).or(anvil.rpc_url().clone())).await).await, 0);
}

/// A relay that takes transactions and answers nothing else, not even of which chain it is.
#[tokio::test]
async fn a_relay_need_not_tell_its_chain() {
    let anvil = anvil().await;
    let builder = || {
        Proxy::new(anvil.rpc_url(), |request| match request.method {
            "eth_sendRawTransaction" => Action::refuse(-32_000, "nonce too low"),
            _ => Action::refuse(-32_601, "method not found"),
        })
    };
    let relay = builder().await;
    let pool =
        Pool::connect("L1 relay", hasty(relay.url.clone()).relay_of(31_337), Some(31_337)).await.unwrap();
    let sent = pool.get::<String>(Need::Nothing, "eth_sendRawTransaction", ["0x02"]).await;
    assert_eq!(failure(sent).verdict().map(|fault| fault.kind), Some(FaultKind::Refused));
    // A node is no relay: it must tell.
    let error = Pool::connect("L1", hasty(builder().await.url.clone()), Some(31_337)).await.unwrap_err();
    assert!(error.to_string().contains("method not found"), "{error}");
}

#[tokio::test]
async fn a_role_waits_for_its_nodes() {
    let anvil = anvil().await;
    let node = Moody::new(anvil.rpc_url()).await;
    node.be(Mood::Fails);
    let options = hasty(node.url()).start(Start::Wait);
    let waiting = tokio::spawn(async move { Pool::connect("L1", options, Some(31_337)).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!waiting.is_finished());
    node.be(Mood::Well);
    let pool = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(height(&pool).await, 0);
}

/// Within 15 s of its beginning, what holds everything up is told with cause and remedy, and it is told when it is over.
#[tokio::test]
async fn trouble_is_told_in_time() {
    for mood in [Mood::Fails, Mood::Limits, Mood::Cuts] {
        let anvil = anvil().await;
        let node = Moody::new(anvil.rpc_url()).await;
        let pool = pool(hasty(node.url()).attempts(1).patience(Duration::from_millis(100))).await;
        assert_eq!(height(&pool).await, 0);
        assert_eq!(pool.report().troubles, []);
        node.be(mood);
        drop(pool.head().await);
        let began = Instant::now();
        let told = loop {
            let looked = Instant::now();
            drop(pool.head().await);
            let told = pool.report().troubles.into_iter().find(|trouble| trouble.holds_up);
            if let Some(told) = told {
                break told;
            }
            // A machine that does something else meanwhile looks later.
            assert!(looked.duration_since(began) < Duration::from_secs(15), "{mood:?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        };
        assert_eq!(told.subject, "L1");
        assert!(told.said.contains("check that the nodes run"), "{}", told.said);
        node.be(Mood::Well);
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let began = Instant::now();
        while pool.head().await.is_err() {
            assert!(began.elapsed() < PATIENCE, "{mood:?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(pool.report().troubles.iter().all(|trouble| !trouble.holds_up), "{:?}", pool.report());
    }
}

/// A request that is not answered yet is told before it is given up.
#[tokio::test]
async fn a_request_that_hangs_is_told() {
    let anvil = anvil().await;
    let hanging = Proxy::new(anvil.rpc_url(), |request| match request.method {
        "eth_getCode" => Action::Hang,
        _ => Action::Forward,
    })
    .await;
    let pool = pool(hasty(hanging.url.clone()).timeout(PATIENCE)).await;
    let asking = pool.clone();
    let asked = tokio::spawn(async move { code(&asking).await });
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let report = pool.report();
        if matches!(report.endpoints[0].state, EndpointState::Away { .. }) {
            break;
        }
        assert!(!asked.is_finished(), "{report:?}");
    }
    asked.abort();
}

#[tokio::test]
async fn a_chain_that_stands_still_is_told() {
    let anvil = anvil().await;
    let pool = pool(hasty(anvil.rpc_url().clone()).stall(Duration::from_millis(500))).await;
    height(&pool).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    height(&pool).await;
    let troubles = pool.report().troubles;
    assert!(troubles[0].holds_up && troubles[0].said.contains("no block came after"), "{troubles:?}");
    // Half a second may pass after a block before it is looked at.
    let began = Instant::now();
    loop {
        mine(&anvil, 1).await;
        height(&pool).await;
        let troubles = pool.report().troubles;
        if troubles.is_empty() {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{troubles:?}");
    }
}

/// Endpoints in random moods: as long as one of two serves, every request is answered, and rightly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moods_by_chance() {
    let anvil = anvil().await;
    let moody = Moody::by_chance(anvil.rpc_url(), 7, Duration::from_millis(600)).await;
    let pool = pool(hasty(moody.url()).or(anvil.rpc_url().clone()).attempts(6)).await;
    for block in 1..60 {
        mine(&anvil, 1).await;
        until_height(&pool, block).await;
        assert_eq!(code(&pool).await.unwrap(), "0x");
        let wanted: Option<Value> = pool
            .get(Need::Block(block), "eth_getBlockByNumber", (format!("{block:#x}"), false))
            .await
            .unwrap();
        assert_eq!(wanted.unwrap()["number"], json!(format!("{block:#x}")));
    }
    assert!(moody.proxy.requests() > 20, "it was asked, too");
}
