//! Nodes as they are: one that is in this mood or that, by order or at random.

use crate::{Action, Proxy, Request};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use url::Url;

/// How a node is for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It serves.
    Well,
    /// Its head stands where it was when the mood began, and it knows no newer block.
    Stands,
    /// It answers with 503, and a JSON-RPC body.
    Fails,
    /// It answers 429 with `Retry-After: 1`.
    Limits,
    /// It says that it is limited with status 200, as QuickNode does.
    LimitsPolitely,
    /// It has an internal error for each second request.
    Stumbles,
    /// It answers late.
    Slow,
    /// It cuts connections.
    Cuts,
    /// It has no old state, and no `debug_` methods.
    Pruned,
    /// It takes no transactions.
    ReadOnly,
}

const ALL: [Mood; 10] = [
    Mood::Well,
    Mood::Stands,
    Mood::Fails,
    Mood::Limits,
    Mood::LimitsPolitely,
    Mood::Stumbles,
    Mood::Slow,
    Mood::Cuts,
    Mood::Pruned,
    Mood::ReadOnly,
];

#[derive(Debug)]
struct State {
    mood: Mood,
    /// The node's newest block, as it was seen last.
    newest: Option<Value>,
    asked: usize,
    /// Where moods come by chance: the state of the generator, and when the next one comes.
    chance: Option<(u64, Instant, Duration)>,
}

/// A node behind a [`Proxy`] whose mood can be set.
#[derive(Debug)]
pub struct Moody {
    /// The server.
    pub proxy: Proxy,
    state: Arc<Mutex<State>>,
}

impl Moody {
    /// A node that serves until told otherwise.
    pub async fn new(node: &Url) -> Self {
        Self::with(node, None).await
    }

    /// A node whose mood changes by chance, each lasting up to `longest`; every second one is [`Mood::Well`].
    pub async fn by_chance(node: &Url, seed: u64, longest: Duration) -> Self {
        Self::with(node, Some((seed, Instant::now() + longest, longest))).await
    }

    async fn with(node: &Url, chance: Option<(u64, Instant, Duration)>) -> Self {
        let state = Arc::new(Mutex::new(State { mood: Mood::Well, newest: None, asked: 0, chance }));
        let ruling = Arc::clone(&state);
        let proxy = Proxy::new(node, move |request| decide(&ruling, request)).await;
        Self { proxy, state }
    }

    /// Where it is.
    pub fn url(&self) -> Url {
        self.proxy.url.clone()
    }

    /// Sets its mood, for good.
    pub fn be(&self, mood: Mood) {
        let mut state = self.state.lock().unwrap();
        (state.mood, state.chance) = (mood, None);
    }
}

/// The next number of a sequence (SplitMix64).
pub(crate) const fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn decide(shared: &Arc<Mutex<State>>, request: Request<'_>) -> Action {
    let mut state = shared.lock().unwrap();
    state.asked += 1;
    if let Some((seed, until, longest)) = &mut state.chance
        && Instant::now() >= *until
    {
        let (pick, share) = (next(seed), next(seed));
        *until = Instant::now() + longest.mul_f64((share % 1000) as f64 / 1000.0);
        state.mood = if state.mood == Mood::Well { ALL[pick as usize % ALL.len()] } else { Mood::Well };
    }
    let is_latest = request.method == "eth_getBlockByNumber" && request.params[0] == "latest";
    match state.mood {
        Mood::Stands => stands(&state, request, is_latest),
        Mood::Fails => Action::refuse_with(503, -32_000, "service unavailable"),
        Mood::Limits => Action::Http(
            429,
            vec![("retry-after", "1".into()), ("content-type", "application/json".into())],
            br#"{"jsonrpc":"2.0","error":{"code":-32005,"message":"exceeded project rate limit"}}"#.to_vec(),
        ),
        Mood::LimitsPolitely => Action::refuse(-32_007, "50/second request limit reached"),
        Mood::Stumbles if state.asked.is_multiple_of(2) => Action::refuse(-32_603, "internal error"),
        Mood::Slow => Action::Late(Duration::from_millis(400)),
        Mood::Cuts => Action::Cut,
        Mood::Pruned if request.method.starts_with("debug_") => Action::refuse(-32_601, "Method not found"),
        Mood::Pruned if matches!(request.method, "eth_getProof" | "eth_getCode") => {
            Action::refuse(-32_000, "missing trie node: historical state is not available")
        }
        Mood::ReadOnly if request.method == "eth_sendRawTransaction" => {
            Action::refuse(-32_601, "the method eth_sendRawTransaction does not exist/is not available")
        }
        _ if is_latest => {
            let seen = Arc::clone(shared);
            Action::change(move |block| {
                seen.lock().unwrap().newest = Some(block.clone());
                block
            })
        }
        _ => Action::Forward,
    }
}

fn stands(state: &State, request: Request<'_>, is_latest: bool) -> Action {
    let Some(newest) = &state.newest else { return Action::Forward };
    let number = |value: &Value| {
        let digits = value.as_str()?.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16).ok()
    };
    let own = number(&newest["number"]).unwrap_or_default();
    let asked = match request.method {
        "eth_getBlockByNumber" => number(&request.params[0]),
        _ => None,
    };
    if is_latest {
        Action::Answer(newest.clone())
    } else if asked.is_some_and(|asked| asked > own) || request.method == "eth_getTransactionReceipt" {
        Action::Answer(Value::Null)
    } else if request.method == "eth_blockNumber" {
        Action::Answer(newest["number"].clone())
    } else {
        Action::Forward
    }
}
