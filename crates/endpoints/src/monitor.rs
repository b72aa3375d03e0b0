//! What is wrong with a chain's endpoints: in a report when somebody asks, and in the log when it begins and ends.

use crate::{
    EndpointReport, EndpointState, FaultKind, PoolReport, Trouble,
    health::{Chain, RECENT},
    pool::Inner,
    rules::Rules,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::{self, Instant};

/// How often troubles are looked for.
const EVERY: Duration = Duration::from_secs(2);
/// What passes sooner is no trouble.
const PASSING: Duration = Duration::from_secs(5);
/// A request that takes longer is told, although it may still be answered.
const SLOW: Duration = Duration::from_secs(8);
/// An endpoint that is behind for longer lags: blocks take a moment to reach every node.
const LAG: Duration = Duration::from_secs(10);
/// Where nobody asks for the head, it is asked for so often, so that the endpoints' heights are known.
const IDLE: Duration = Duration::from_secs(12);
/// An endpoint that fails more often is told.
const HIGH_ERROR_RATE: f64 = 0.5;

/// Looks after the pool as long as it lives.
pub(crate) fn start(inner: &Arc<Inner>) {
    let inner = Arc::downgrade(inner);
    tokio::spawn(async move {
        let mut told = BTreeMap::new();
        let mut beat = time::interval(EVERY);
        beat.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let Some(inner) = Weak::upgrade(&inner) else { return };
            if !inner.options.is_of_relays() && inner.heads_asked() >= IDLE {
                // What goes wrong is in the report.
                drop(time::timeout(IDLE, inner.head()).await);
            }
            tell(&inner, &mut told);
        }
    });
}

/// Logs the troubles that began and that ended.
fn tell(inner: &Inner, told: &mut BTreeMap<String, Trouble>) {
    let now: BTreeMap<String, Trouble> =
        report(inner).troubles.into_iter().map(|trouble| (trouble.subject.clone(), trouble)).collect();
    for (subject, trouble) in &now {
        let is_new = told.get(subject).is_none_or(|before| before.holds_up != trouble.holds_up);
        if is_new && trouble.holds_up {
            tracing::error!(
                chain = inner.name,
                subject,
                cause = trouble.said,
                "an endpoint problem holds settlement up"
            );
        } else if is_new {
            tracing::warn!(chain = inner.name, subject, cause = trouble.said, "an endpoint has a problem");
        }
    }
    for subject in told.keys().filter(|subject| !now.contains_key(*subject)) {
        tracing::info!(chain = inner.name, subject, "an endpoint problem is over");
    }
    *told = now;
}

pub(crate) fn report(inner: &Inner) -> PoolReport {
    let now = Instant::now();
    let rules = inner.rules();
    let endpoints: Vec<EndpointReport> = inner
        .endpoints
        .iter()
        .enumerate()
        .map(|(at, endpoint)| {
            let health = &rules.endpoints[at];
            let mut lacks: Vec<String> = health
                .no_methods
                .iter()
                .filter(|(_, until)| **until > now)
                .map(|(method, _)| (*method).to_owned())
                .collect();
            for (what, lack) in [("state", health.no_state), ("blocks", health.no_history)] {
                if let Some((block, _)) = lack.filter(|(_, until)| *until > now) {
                    lacks.push(format!("{what} up to block {block}"));
                }
            }
            EndpointReport {
                url: endpoint.name(),
                state: state(&rules, at, now),
                followed: rules.followed == Some(at),
                head: health.seen.map(|seen| seen.head.number),
                lag: rules.lag(at).map_or(0, |(blocks, _)| blocks),
                error_rate: health.error_rate(now),
                requests: health.requests,
                concurrency: endpoint.gate.width(),
                lacks,
            }
        })
        .collect();
    let mut troubles = troubles(inner.name, &rules, &endpoints, now);
    let head = rules.head();
    if let (Some((number, since)), Some(stall), true) =
        (head, inner.options.stall, troubles.iter().all(|t| !t.holds_up))
    {
        let for_ = now.duration_since(since);
        if for_ >= stall {
            let said = format!(
                "no block came after {number}: the chain has stopped, or all nodes have lost their peers; \
                 see the nodes' logs, or name another endpoint"
            );
            troubles.insert(0, Trouble { subject: inner.name.to_owned(), holds_up: true, for_, said });
        }
    }
    PoolReport {
        chain: inner.name.to_owned(),
        chain_id: inner.chain_id(),
        head: head.map(|(number, _)| number),
        head_age: head.map(|(_, since)| now.duration_since(since)),
        endpoints,
        troubles,
    }
}

fn state(rules: &Rules, at: usize, now: Instant) -> EndpointState {
    let health = &rules.endpoints[at];
    let said = || health.last_fault.as_ref().map_or_else(String::new, |(_, fault)| fault.said.clone());
    if let Chain::Other(got) = health.chain {
        return EndpointState::OtherChain { got };
    }
    let kind = health.last_fault.as_ref().map(|(_, fault)| fault.kind);
    if let Some(since) = health.failing_since {
        let for_ = now.duration_since(since);
        return match kind {
            Some(FaultKind::Denied) => EndpointState::Denied { said: said() },
            _ => EndpointState::Away { for_, said: said() },
        };
    }
    if let Some(rest) = health.rests(now).filter(|rest| rest.kind == FaultKind::Limited) {
        return EndpointState::Limited { again_in: rest.until.duration_since(now), said: said() };
    }
    // A long request beside others that are answered is only a long request.
    let oldest = health.under_way.values().next();
    let oldest = oldest.filter(|began| health.answered_at.is_none_or(|answered| answered < **began));
    let waits = oldest.map(|began| now.duration_since(*began));
    if let Some(for_) = waits.filter(|waits| *waits >= SLOW) {
        return EndpointState::Away { for_, said: "a request is not answered yet".to_owned() };
    }
    if let Some(since) = health.astray.filter(|_| health.is_astray(now)) {
        return EndpointState::OtherBranch { for_: now.duration_since(since) };
    }
    if let Some((_, since)) = rules.lag(at)
        && now.duration_since(since) >= LAG
    {
        return EndpointState::Lagging { for_: now.duration_since(since) };
    }
    match health.requests {
        0 => EndpointState::Unknown,
        _ => EndpointState::Serving,
    }
}

/// What is wrong, the worst first: what holds settlement up, then what is wrong with single endpoints.
fn troubles(chain: &str, rules: &Rules, endpoints: &[EndpointReport], now: Instant) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let serves = |endpoint: &&EndpointReport| {
        matches!(
            endpoint.state,
            EndpointState::Serving | EndpointState::Unknown | EndpointState::Lagging { .. }
        )
    };
    let asked = endpoints.iter().any(|endpoint| endpoint.requests > 0);
    if asked && !endpoints.iter().any(|endpoint| serves(&endpoint)) {
        let each: Vec<String> =
            endpoints.iter().map(|endpoint| format!("{} {}", endpoint.url, endpoint.state)).collect();
        let since = rules.endpoints.iter().filter_map(|health| {
            let waits = health.under_way.values().next().copied();
            [health.failing_since, health.limited_since, waits].into_iter().flatten().min()
        });
        let for_ = since.max().map_or(Duration::ZERO, |since| now.duration_since(since));
        let lasts = endpoints.iter().all(|endpoint| {
            matches!(endpoint.state, EndpointState::Denied { .. } | EndpointState::OtherChain { .. })
        });
        if for_ >= PASSING || lasts {
            let said = format!(
                "no endpoint serves ({}): check that the nodes run and can be reached, or name another",
                each.join("; ")
            );
            troubles.push(Trouble { subject: chain.to_owned(), holds_up: true, for_, said });
        }
    }
    for (at, endpoint) in endpoints.iter().enumerate() {
        let health = &rules.endpoints[at];
        let subject = endpoint.url.clone();
        let mut tell = |for_: Duration, said: String| {
            troubles.push(Trouble { subject: subject.clone(), holds_up: false, for_, said });
        };
        match &endpoint.state {
            EndpointState::Away { for_, said } if *for_ >= PASSING => {
                tell(*for_, format!("it does not answer ({said}): {}", FaultKind::Away.advice()));
            }
            EndpointState::Denied { said } => {
                tell(Duration::ZERO, format!("it denies access ({said}): {}", FaultKind::Denied.advice()));
            }
            EndpointState::OtherChain { got } => {
                tell(Duration::ZERO, format!("it is on chain {got} and not used: check the address"));
            }
            EndpointState::OtherBranch { for_ } => tell(
                *for_,
                "it has other blocks than the endpoint that is followed and is not used: let it sync again"
                    .to_owned(),
            ),
            EndpointState::Lagging { for_ } => tell(
                *for_,
                format!("it is {} blocks behind: see that it is in sync and has peers", endpoint.lag),
            ),
            EndpointState::Limited { said, again_in } => {
                let said = format!(
                    "it limits requests ({said}), and is asked again in {} s: {}",
                    again_in.as_secs(),
                    FaultKind::Limited.advice()
                );
                tell(Duration::ZERO, said);
            }
            _ if endpoint.error_rate >= HIGH_ERROR_RATE && health.requests >= 10 => {
                let cause = health.last_fault.as_ref().map_or("", |(_, fault)| fault.said.as_str());
                let percent = (endpoint.error_rate * 100.0).round();
                tell(RECENT, format!("{percent} % of its requests got no answer, the last one: {cause}"));
            }
            _ => {}
        }
    }
    troubles
}
