//! Asking endpoints for their heads, and following the one that the rules choose.

use crate::{Fault, FaultKind, Header, Need, NoAnswer, pool::Inner, rules::Choice};
use alloy_primitives::{B256, U64};
use futures::{StreamExt, stream::FuturesUnordered};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{self, Instant},
};

const BLOCK: &str = "eth_getBlockByNumber";
/// How long the others are waited for, once one endpoint has told its head.
const GRACE: Duration = Duration::from_millis(250);
/// How long an endpoint may take to tell its head.
pub(crate) const HEAD_WITHIN: Duration = Duration::from_secs(10);

impl Inner {
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
            let wait = if all_limited {
                self.until_awake(Need::Head, BLOCK, patient_until)
            } else {
                delays.next().filter(|_| failure.verdict().is_none())
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
        self.heads_are_asked(now);
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
        if answer.get() == "null" {
            let said = "it shows no newest block: it has none yet, or is not ready";
            let fault = Fault::new(FaultKind::Stumbled, said);
            self.unusable(at, Need::Nothing, BLOCK, &fault);
            return Err(fault);
        }
        match serde_json::from_str::<Header>(answer.get()) {
            Ok(header) => {
                self.rules().saw(at, header, Instant::now());
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
                    return self.rules().endpoints[at].seen.map(|seen| seen.head);
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

/// Takes back that an endpoint is being asked for its head, however that ends.
struct Asking<'a>(&'a watch::Sender<bool>);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}
