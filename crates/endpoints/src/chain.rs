//! Which chain the endpoints are of: found out at the start, and again of each that was away.

use crate::{ConnectError, Fault, FaultKind, Need, Start, heads::HEAD_WITHIN, health::Chain, pool::Inner};
use alloy_primitives::U64;
use futures::{StreamExt, stream::FuturesUnordered};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::{self, Instant};

const CHAIN_ID: &str = "eth_chainId";

impl Inner {
    pub(crate) async fn find_chain(self: &Arc<Self>, expected: Option<u64>) -> Result<(), ConnectError> {
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
            // Whoever waits for a command should not wonder what it does.
            if said.is_none_or(|said| said.elapsed() >= Duration::from_secs(15)) {
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
        let within = HEAD_WITHIN.min(self.options.timeout);
        let answer = match self.send_now(at, Need::Nothing, CHAIN_ID, &json!([]), within).await {
            // Some relays take transactions and answer nothing else.
            Err(fault) if fault.kind == FaultKind::NoMethod => return self.options.relay_of.ok_or(fault),
            answer => answer?,
        };
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
    pub(crate) async fn check_chain(&self, at: usize) -> Result<(), Fault> {
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
}
