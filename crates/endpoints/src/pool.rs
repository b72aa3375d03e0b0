//! Sending requests as the rules say.

use crate::{
    ConnectError, Failure, Fault, FaultKind, Header, Need, NoAnswer, PoolOptions, PoolReport, ReadError,
    Start, gate::Gate, monitor, rules::Rules, transport::Transport,
};
use backon::{BackoffBuilder, ExponentialBuilder};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
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
    pub(crate) chain_id: OnceLock<u64>,
    next_request: AtomicU64,
    heads_asked: Mutex<Instant>,
}

#[derive(Debug)]
pub(crate) struct Endpoint {
    transport: Transport,
    pub(crate) gate: Gate,
    /// Whether its head is being asked for; changes when that ends.
    pub(crate) asking: watch::Sender<bool>,
}

impl Endpoint {
    /// Scheme, host and port.
    pub(crate) fn name(&self) -> String {
        self.transport.url().to_string()
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

    pub(crate) fn heads_are_asked(&self, now: Instant) {
        *self.heads_asked.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    pub(crate) fn failure(
        &self,
        method: &'static str,
        faults: Vec<(usize, Fault)>,
        attempts: usize,
    ) -> Failure {
        let faults = faults.into_iter().map(|(at, fault)| (self.endpoints[at].name(), fault)).collect();
        Failure { method, faults, attempts }
    }

    /// How long to wait after each round over the endpoints.
    pub(crate) fn delays(&self, rounds: Option<usize>) -> impl Iterator<Item = Duration> + Send + use<> {
        let builder = ExponentialBuilder::default()
            .with_min_delay(self.options.backoff)
            .with_max_delay(LONGEST_BACKOFF)
            .with_jitter();
        match rounds {
            Some(rounds) => builder.with_max_times(rounds.saturating_sub(1)).build(),
            None => builder.without_max_times().build(),
        }
    }

    /// An answer of an endpoint is none that can be used.
    pub(crate) fn unusable(&self, at: usize, need: Need, method: &'static str, fault: &Fault) {
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
        let queued = Instant::now();
        let _turn = self.endpoints[at].gate.enter().await;
        let skipped = {
            let health = &self.rules().endpoints[at];
            // It may have asked to be left alone meanwhile, or have failed at others who were before this one in the queue.
            let others = self.endpoints.len() > 1;
            health
                .asks_for_rest(Instant::now())
                .or_else(|| health.failed_since(method, queued).filter(|_| others))
        };
        if let Some(fault) = skipped {
            return Err(fault);
        }
        self.send_now(at, need, method, params, within).await
    }

    /// One request to one endpoint. Of its head and its chain it is asked past the queue: they say how it is.
    pub(crate) async fn send_now(
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

    /// How long to wait until the first of the endpoints that are left alone may be asked again; none where that is beyond the
    /// caller's patience. Waiting because an endpoint asks for it is no try.
    pub(crate) fn until_awake(&self, need: Need, method: &str, patient_until: Instant) -> Option<Duration> {
        let now = Instant::now();
        let wakes = self.rules().order(need, method, now).wakes.unwrap_or(now) + jitter();
        (wakes <= patient_until).then(|| wakes.saturating_duration_since(now))
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
                    Ok(answer) if need.may_be_null() && answer.get() == "null" => {
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
            attempts += 1;
            // What the others lack, or what holds of none of them, is the answer.
            if let Some(missing) = missing {
                if need == Need::Seen
                    && attempts < UNKNOWN_BLOCK_TRIES
                    && let Some(wait) = delays.next()
                {
                    time::sleep(wait).await;
                    continue;
                }
                return read(&missing).map_err(ReadError::Rejected);
            }
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
            let wait = if passing.is_empty() || (said && attempts >= 2) {
                None
            } else if passing.iter().all(|kind| *kind == FaultKind::Limited) {
                self.until_awake(need, method, patient_until).filter(|_| !said)
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
}

/// So that those who were told the same moment do not all come at once.
fn jitter() -> Duration {
    // The random state of a hash map is the only randomness that the standard library has.
    use std::hash::{BuildHasher, RandomState};
    Duration::from_millis(RandomState::new().hash_one(0) % 250)
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
