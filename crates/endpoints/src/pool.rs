//! Sending requests as the rules say.

use crate::{
    ConnectError, Failure, Fault, FaultKind, Head, Header, Need, NoAnswer, PoolOptions, PoolReport,
    ReadError, Start,
    gate::Gate,
    monitor,
    rules::{Choice, Rules},
    transport::Transport,
};
use alloy_primitives::{B256, U64};
use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{StreamExt, stream::FuturesUnordered};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{self, Instant},
};

const CHAIN_ID: &str = "eth_chainId";
const BLOCK: &str = "eth_getBlockByNumber";
/// How long the others are waited for, once one endpoint has told its head.
const GRACE: Duration = Duration::from_millis(250);
/// How long an endpoint may take to tell its head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How often a block that nobody knows is asked for: it may be on its way.
const UNKNOWN_BLOCK_TRIES: usize = 3;
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// The endpoints of one chain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// What the chain is called.
    pub(crate) name: &'static str,
    pub(crate) options: PoolOptions,
    pub(crate) endpoints: Vec<Endpoint>,
    rules: Mutex<Rules>,
    chain_id: OnceLock<u64>,
    next_request: AtomicU64,
    heads_asked: Mutex<Instant>,
}

#[derive(Debug)]
pub(crate) struct Endpoint {
    transport: Transport,
    pub(crate) gate: Gate,
    /// Its newest header.
    header: Mutex<Option<Header>>,
    /// Whether its head is being asked for; changes when that ends.
    asking: watch::Sender<bool>,
}

impl Endpoint {
    /// Scheme, host and port.
    pub(crate) fn name(&self) -> String {
        self.transport.url().to_string()
    }

    fn header(&self) -> MutexGuard<'_, Option<Header>> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Finds out which chain the endpoints are of. At least one must answer; the others join when they do.
    ///
    /// `name` is what the chain is called in logs and status: `L1`, `L2`.
    ///
    /// # Errors
    /// No endpoint answers (with [`Start::Fail`]), or those that answer are of another chain than `expected`; without
    /// `expected`, any that is of another chain than the first.
    pub async fn connect(
        name: &'static str,
        options: PoolOptions,
        expected: Option<u64>,
    ) -> Result<Self, ConnectError> {
        let pool = Self::new(name, options);
        pool.join(expected).await?;
        Ok(pool)
    }

    /// The endpoints of a chain, of which nothing is known yet: for [`join`](Self::join), before which nothing can be asked.
    pub fn new(name: &'static str, options: PoolOptions) -> Self {
        let endpoints: Vec<Endpoint> = options
            .urls
            .iter()
            .map(|url| Endpoint {
                transport: Transport::new(url.clone(), options.largest_answer),
                gate: Gate::new(options.concurrency),
                header: Mutex::default(),
                asking: watch::Sender::new(false),
            })
            .collect();
        let inner = Arc::new(Inner {
            name,
            rules: Mutex::new(Rules::new(endpoints.len())),
            endpoints,
            options,
            chain_id: OnceLock::new(),
            next_request: AtomicU64::new(0),
            heads_asked: Mutex::new(Instant::now()),
        });
        Self { inner }
    }

    /// Finds out which chain the endpoints are of, as [`connect`](Self::connect) does.
    ///
    /// # Errors
    /// As there.
    pub async fn join(&self, expected: Option<u64>) -> Result<(), ConnectError> {
        if self.inner.options.start == Start::Wait {
            monitor::start(&self.inner);
        }
        self.inner.find_chain(expected).await
    }

    /// EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.inner.chain_id()
    }

    /// What the chain is called.
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    /// How many requests were sent, tries included.
    pub fn requests(&self) -> u64 {
        self.inner.rules().endpoints.iter().map(|health| health.requests).sum()
    }

    /// How the endpoints are.
    pub fn report(&self) -> PoolReport {
        monitor::report(&self.inner)
    }

    /// The newest header among the endpoints, as far as they are on the branch that is followed.
    ///
    /// # Errors
    /// No endpoint tells one.
    pub async fn head(&self) -> Result<Header, NoAnswer> {
        self.inner.head().await
    }

    /// The answer to a request, from whichever endpoint gives one.
    ///
    /// # Errors
    /// No endpoint has an answer; or none that can be read.
    pub async fn get<T: DeserializeOwned>(
        &self,
        need: Need,
        method: &'static str,
        params: impl Serialize,
    ) -> Result<T, ReadError<String>> {
        self.read(need, method, params, |answer| {
            serde_json::from_str(answer.get()).map_err(|error| error.to_string())
        })
        .await
    }

    /// What `read` makes of the answer to a request. An answer that it rejects counts as none: the other endpoints are
    /// asked, and its error is returned when no answer of theirs holds either.
    ///
    /// # Errors
    /// No endpoint has an answer; or `read` rejects every one.
    pub async fn read<T, E>(
        &self,
        need: Need,
        method: &'static str,
        params: impl Serialize,
        mut read: impl FnMut(&RawValue) -> Result<T, E>,
    ) -> Result<T, ReadError<E>>
    where
        E: std::fmt::Display,
    {
        let params = match serde_json::to_value(params) {
            Ok(params) => params,
            Err(error) => {
                let fault = Fault::new(FaultKind::Refused, format!("the request cannot be written: {error}"));
                return Err(NoAnswer(Box::new(self.inner.failure(method, vec![(0, fault)], 1))).into());
            }
        };
        self.inner.read(need, method, &params, &mut read).await
    }
}

impl Inner {
    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn chain_id(&self) -> u64 {
        self.chain_id.get().copied().unwrap_or_default()
    }

    /// How long ago heads were asked for.
    pub(crate) fn heads_asked(&self) -> Duration {
        self.heads_asked.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    fn failure(&self, method: &'static str, faults: Vec<(usize, Fault)>, attempts: usize) -> Failure {
        let faults = faults.into_iter().map(|(at, fault)| (self.endpoints[at].name(), fault)).collect();
        Failure { method, faults, attempts }
    }

    /// How long to wait after each round over the endpoints.
    fn delays(&self, rounds: Option<usize>) -> impl Iterator<Item = Duration> + Send + use<> {
        let builder = ExponentialBuilder::default()
            .with_min_delay(self.options.backoff)
            .with_max_delay(LONGEST_BACKOFF)
            .with_jitter();
        match rounds {
            Some(rounds) => builder.with_max_times(rounds.saturating_sub(1)).build(),
            None => builder.without_max_times().build(),
        }
    }

    async fn find_chain(self: &Arc<Self>, expected: Option<u64>) -> Result<(), ConnectError> {
        let waits = self.options.start == Start::Wait;
        let mut delays = self.delays((!waits).then_some(self.options.attempts));
        let (mut attempts, mut said) = (0, None::<Instant>);
        loop {
            attempts += 1;
            let mut known = expected;
            let mut other = None;
            let mut faults = Vec::new();
            let asked = (0..self.endpoints.len()).map(|at| async move { (at, self.ask_chain(at).await) });
            let mut answers: Vec<_> = asked.collect::<FuturesUnordered<_>>().collect().await;
            answers.sort_by_key(|(at, _)| *at);
            let mut right = Vec::new();
            for (at, answer) in answers {
                match answer {
                    Ok(got) if known.is_none_or(|known| known == got) => {
                        known = Some(got);
                        right.push(at);
                    }
                    Ok(got) => {
                        other.get_or_insert((at, got));
                        faults.push((at, Fault::new(FaultKind::OtherChain, format!("it is on chain {got}"))));
                        if let Some(known) = known {
                            self.rules().is_of_chain(at, known, got);
                        }
                    }
                    Err(fault) => faults.push((at, fault)),
                }
            }
            if let Some((at, got)) = other {
                let expected_id = known.unwrap_or_default();
                let endpoint = self.endpoints[at].name();
                let others_may = faults.iter().any(|(_, fault)| fault.kind.may_serve_later());
                if expected.is_none() || (right.is_empty() && !(waits && others_may)) {
                    return Err(ConnectError::WrongChain { endpoint, expected: expected_id, got });
                }
                tracing::warn!(chain = self.name, %endpoint, got, expected = expected_id, "the endpoint is of another chain and not used");
            }
            if let (Some(known), false) = (known, right.is_empty()) {
                for at in right {
                    self.rules().is_of_chain(at, known, known);
                }
                let _ = self.chain_id.set(known);
                if said.is_some() {
                    tracing::info!(chain = self.name, "the chain's endpoints answer");
                }
                return Ok(());
            }
            let failure = Box::new(self.failure(CHAIN_ID, faults, attempts));
            let is_final = failure.verdict().is_some();
            let Some(wait) = delays.next().filter(|_| waits || !is_final) else {
                return Err(ConnectError::Unreachable(failure));
            };
            if waits && said.is_none_or(|said| said.elapsed() >= Duration::from_secs(15)) {
                said = Some(Instant::now());
                tracing::warn!(
                    chain = self.name,
                    endpoints = failure.endpoints(),
                    cause = failure.reason(),
                    remedy = failure.advice(),
                    "waiting for the chain's endpoints"
                );
            }
            time::sleep(wait).await;
        }
    }

    async fn ask_chain(&self, at: usize) -> Result<u64, Fault> {
        let answer = self
            .send_now(at, Need::Nothing, CHAIN_ID, &json!([]), HEAD_WITHIN.min(self.options.timeout))
            .await?;
        match serde_json::from_str::<U64>(answer.get()) {
            Ok(id) => Ok(id.to()),
            Err(error) => {
                let fault = Fault::new(FaultKind::Unreadable, format!("it does not tell its chain: {error}"));
                self.unusable(at, Need::Nothing, CHAIN_ID, &fault);
                Err(fault)
            }
        }
    }

    /// Makes sure that an endpoint is of the chain.
    async fn check_chain(&self, at: usize) -> Result<(), Fault> {
        use crate::rules::Chain;
        let Some(expected) = self.chain_id.get().copied() else { return Ok(()) };
        if self.rules().endpoints[at].chain == Chain::Right {
            return Ok(());
        }
        let got = self.ask_chain(at).await?;
        let before = self.rules().endpoints[at].chain;
        self.rules().is_of_chain(at, expected, got);
        if got == expected {
            return Ok(());
        }
        let endpoint = self.endpoints[at].name();
        if before != Chain::Other(got) {
            tracing::warn!(chain = self.name, %endpoint, got, expected, "the endpoint is of another chain and not used");
        }
        let fault = Fault::new(
            FaultKind::OtherChain,
            format!("{endpoint} is on chain {got}, not on chain {expected}"),
        );
        self.unusable(at, Need::Nothing, CHAIN_ID, &fault);
        Err(fault)
    }

    /// An answer of an endpoint is none that can be used.
    fn unusable(&self, at: usize, need: Need, method: &'static str, fault: &Fault) {
        let now = Instant::now();
        self.rules().failed(at, need, method, fault, now, now);
    }

    /// One request to one endpoint, when it is its turn.
    async fn send(
        &self,
        at: usize,
        need: Need,
        method: &'static str,
        params: &Value,
        within: Duration,
    ) -> Result<Box<RawValue>, Fault> {
        let _turn = self.endpoints[at].gate.enter().await;
        // It may have asked to be left alone meanwhile.
        if let Some(fault) = self.rules().asks_for_rest(at, Instant::now()) {
            return Err(fault);
        }
        self.send_now(at, need, method, params, within).await
    }

    /// One request to one endpoint. Of its head and its chain it is asked past the queue: they say how it is.
    async fn send_now(
        &self,
        at: usize,
        need: Need,
        method: &'static str,
        params: &Value,
        within: Duration,
    ) -> Result<Box<RawValue>, Fault> {
        let (endpoint, began) = (&self.endpoints[at], Instant::now());
        let under_way = UnderWay::begin(self, at);
        let answer = match time::timeout(within, endpoint.transport.call(method, params)).await {
            Ok(answer) => answer,
            Err(_) => {
                Err(Fault::new(FaultKind::Away, format!("no answer within {} s", within.as_secs_f32())))
            }
        };
        drop(under_way);
        let now = Instant::now();
        match &answer {
            Ok(_) => {
                endpoint.gate.widen();
                self.rules().answered(at, method, now);
            }
            Err(fault) => {
                if fault.kind == FaultKind::Limited {
                    endpoint.gate.narrow();
                }
                tracing::debug!(chain = self.name, endpoint = endpoint.name(), method, %fault, kind = ?fault.kind, "no answer");
                self.rules().failed(at, need, method, fault, began, now);
            }
        }
        answer
    }

    async fn read<T, E: std::fmt::Display>(
        &self,
        need: Need,
        method: &'static str,
        params: &Value,
        read: &mut impl FnMut(&RawValue) -> Result<T, E>,
    ) -> Result<T, ReadError<E>> {
        let mut delays = self.delays(Some(self.options.attempts));
        let patient_until = Instant::now() + self.options.patience;
        let mut attempts = 0;
        loop {
            let order = {
                let (mut rules, now) = (self.rules(), Instant::now());
                let order = rules.order(need, method, now);
                if let Some(first) = order.ask.first() {
                    rules.tries(*first, method, now);
                }
                order
            };
            let mut faults = order.left_out;
            let (mut rejected, mut missing) = (None, None);
            for at in order.ask {
                let answer = match self.check_chain(at).await {
                    Ok(()) => self.send(at, need, method, params, self.options.timeout).await,
                    Err(fault) => Err(fault),
                };
                match answer {
                    Ok(answer) if matches!(need, Need::Block(_)) && answer.get() == "null" => {
                        missing = Some(answer);
                    }
                    Ok(answer) => match read(&answer) {
                        Ok(read) => return Ok(read),
                        Err(error) => {
                            let fault = Fault::new(FaultKind::Unreadable, error.to_string());
                            self.unusable(at, need, method, &fault);
                            rejected = Some(error);
                            faults.push((at, fault));
                        }
                    },
                    Err(fault) => faults.push((at, fault)),
                }
            }
            // What the others lack, or what holds of none of them, is the answer.
            if let Some(missing) = missing {
                return read(&missing).map_err(ReadError::Rejected);
            }
            attempts += 1;
            // What is said of the request itself holds, once the others have had another chance.
            let said = faults.iter().any(|(_, fault)| fault.kind.is_of_request());
            let passes = |kind: FaultKind| match kind {
                FaultKind::UnknownBlock => attempts < UNKNOWN_BLOCK_TRIES,
                FaultKind::OtherChain => faults.len() == 1,
                // A rejected answer is one: the endpoint will not give another.
                FaultKind::Unreadable => rejected.is_none(),
                kind => kind.may_pass(),
            };
            let passing: Vec<FaultKind> =
                faults.iter().map(|(_, fault)| fault.kind).filter(|kind| passes(*kind)).collect();
            let wakes = || {
                // Waiting because an endpoint asks for it is no try.
                let wakes = self.rules().order(need, method, Instant::now()).wakes;
                let wakes = wakes.unwrap_or_else(Instant::now) + jitter();
                (wakes <= patient_until).then(|| wakes.saturating_duration_since(Instant::now()))
            };
            let wait = if passing.is_empty() || (said && attempts >= 2) {
                None
            } else if passing.iter().all(|kind| *kind == FaultKind::Limited) {
                wakes().filter(|_| !said)
            } else {
                delays.next()
            };
            match (wait, rejected) {
                (Some(wait), _) => time::sleep(wait).await,
                (None, Some(error)) => return Err(ReadError::Rejected(error)),
                (None, None) => {
                    faults.sort_by_key(|(at, _)| *at);
                    return Err(NoAnswer(Box::new(self.failure(method, faults, attempts))).into());
                }
            }
        }
    }

    /// Asks all endpoints for their heads, and follows the newest.
    pub(crate) async fn head(self: &Arc<Self>) -> Result<Header, NoAnswer> {
        let mut delays = self.delays(Some(self.options.attempts));
        let patient_until = Instant::now() + self.options.patience;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let faults = self.ask_heads().await;
            if let Some(header) = self.choose().await {
                return Ok(header);
            }
            let failure = self.failure(BLOCK, faults, attempts);
            let all_limited = failure.faults.iter().all(|(_, fault)| fault.kind == FaultKind::Limited);
            let wakes = self.rules().order(Need::Head, BLOCK, Instant::now()).wakes;
            let wait = match wakes.filter(|_| all_limited) {
                Some(wakes) if wakes <= patient_until => {
                    Some(wakes.saturating_duration_since(Instant::now()) + jitter())
                }
                Some(_) => None,
                None => delays.next().filter(|_| failure.verdict().is_none()),
            };
            match wait {
                Some(wait) => time::sleep(wait).await,
                None => return Err(NoAnswer(Box::new(failure))),
            }
        }
    }

    /// Asks every endpoint that does not rest. Returns when one has told its head and the others had a moment for it.
    async fn ask_heads(self: &Arc<Self>) -> Vec<(usize, Fault)> {
        let now = Instant::now();
        *self.heads_asked.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let (mut asked, mut faults) = (Vec::new(), Vec::new());
        {
            let rules = self.rules();
            for (at, health) in rules.endpoints.iter().enumerate() {
                match health.rests(now) {
                    None => asked.push(at),
                    Some(_) => {
                        let fault = health.last_fault.as_ref().map(|(_, fault)| fault.clone());
                        faults.extend(fault.map(|fault| (at, fault)));
                    }
                }
            }
            // With all of them at rest, those that did not ask for it are asked.
            if asked.is_empty() {
                let may = |at: &usize| {
                    rules.endpoints[*at].rests(now).is_some_and(|rest| rest.kind != FaultKind::Limited)
                };
                asked = (0..rules.endpoints.len()).filter(may).collect();
                faults.retain(|(at, _)| !asked.contains(at));
            }
        }
        // Each in a task of its own, so that a slow one is heard, too, when it answers.
        let mut answers: FuturesUnordered<_> = asked
            .into_iter()
            .map(|at| {
                let is_first =
                    self.endpoints[at].asking.send_if_modified(|asking| !std::mem::replace(asking, true));
                if is_first {
                    let inner = Arc::clone(self);
                    tokio::spawn(async move {
                        let asking = Asking(&inner.endpoints[at].asking);
                        // What came of it is known to the rules.
                        drop(inner.ask_head(at).await);
                        drop(asking);
                    });
                }
                let mut asking = self.endpoints[at].asking.subscribe();
                async move {
                    // The sender lives as long as the pool.
                    let _ = asking.wait_for(|asking| !asking).await;
                    (at, self.told(at, now))
                }
            })
            .collect();
        let mut until: Option<Instant> = None;
        loop {
            let next = async {
                match until {
                    Some(until) => time::timeout_at(until, answers.next()).await.ok().flatten(),
                    None => answers.next().await,
                }
            };
            match next.await {
                Some((_, Ok(()))) => {
                    until.get_or_insert_with(|| Instant::now() + GRACE);
                }
                Some((at, Err(fault))) => faults.push((at, fault)),
                None => break,
            }
        }
        faults.sort_by_key(|(at, _)| *at);
        faults
    }

    /// Whether an endpoint told its head since then.
    fn told(&self, at: usize, since: Instant) -> Result<(), Fault> {
        let rules = self.rules();
        let health = &rules.endpoints[at];
        match (&health.seen, &health.last_fault) {
            (Some(seen), _) if seen.at >= since => Ok(()),
            (_, Some((_, fault))) => Err(fault.clone()),
            _ => Err(Fault::new(FaultKind::Away, "it did not tell its head")),
        }
    }

    async fn ask_head(&self, at: usize) -> Result<(), Fault> {
        self.check_chain(at).await?;
        let within = HEAD_WITHIN.min(self.options.timeout);
        let answer = self.send_now(at, Need::Nothing, BLOCK, &json!(["latest", false]), within).await?;
        match serde_json::from_str::<Header>(answer.get()) {
            Ok(header) => {
                let head = Head { number: header.number, hash: header.hash, parent_hash: header.parent_hash };
                *self.endpoints[at].header() = Some(header);
                self.rules().saw(at, head, Instant::now());
                Ok(())
            }
            Err(error) => {
                let fault =
                    Fault::new(FaultKind::Unreadable, format!("its newest block cannot be read: {error}"));
                self.unusable(at, Need::Nothing, BLOCK, &fault);
                Err(fault)
            }
        }
    }

    async fn choose(&self) -> Option<Header> {
        let before = self.rules().followed;
        // Each comparison settles one endpoint.
        for _ in 0..=self.endpoints.len() {
            let choice = self.rules().choose(Instant::now());
            match choice {
                Choice::Follow(at) => {
                    if before.is_some_and(|before| before != at) {
                        tracing::info!(
                            chain = self.name,
                            endpoint = self.endpoints[at].name(),
                            "following another endpoint"
                        );
                    }
                    return *self.endpoints[at].header();
                }
                Choice::Compare { endpoint, number } => {
                    #[derive(serde::Deserialize)]
                    struct Hash {
                        hash: B256,
                    }
                    let params = json!([U64::from(number), false]);
                    let answer =
                        self.send_now(endpoint, Need::Block(number), BLOCK, &params, HEAD_WITHIN).await;
                    let hash = answer
                        .ok()
                        .and_then(|answer| serde_json::from_str::<Option<Hash>>(answer.get()).ok());
                    let hash = hash.flatten().map(|block| block.hash);
                    self.rules().compared(endpoint, number, hash, Instant::now());
                }
                Choice::Nobody => return None,
            }
        }
        None
    }
}

/// So that those who were told the same moment do not all come at once.
fn jitter() -> Duration {
    // The random state of a hash map is the only randomness that the standard library has.
    use std::hash::{BuildHasher, RandomState};
    Duration::from_millis(RandomState::new().hash_one(0) % 250)
}

/// Takes back that an endpoint is being asked for its head, however that ends.
struct Asking<'a>(&'a watch::Sender<bool>);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// A request that is under way, however it ends.
struct UnderWay<'a> {
    inner: &'a Inner,
    endpoint: usize,
    request: u64,
}

impl<'a> UnderWay<'a> {
    fn begin(inner: &'a Inner, endpoint: usize) -> Self {
        let request = inner.next_request.fetch_add(1, Ordering::Relaxed);
        inner.rules().asked(endpoint, request, Instant::now());
        Self { inner, endpoint, request }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.inner.rules().ended(self.endpoint, self.request);
    }
}
