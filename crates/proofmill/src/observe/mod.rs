//! What a role tells of its endpoints, its accounts and its work: to `proofmill status`, to Prometheus, and to whoever probes its health.

mod account;
mod batches;
mod metrics;
mod recorder;
mod show;

pub(crate) use account::{watch as watch_account, watch_all as watch_accounts};
pub(crate) use batches::watch as watch_batches;
pub(crate) use show::text;

use crate::cli;
use account::Account;
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use batches::Fills;
use eyre::{Result, WrapErr};
use proofmill_chain::{Pool, PoolReport};
use proofmill_primitives::Epoch;
use proofmill_proof_coordinator::{BatchGas, Coordinator, OpenBatches, Settler, SettlingStatus};
use proofmill_prover_node::rules::Receipt;
use proofmill_wire::{Connection, Connections};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

/// How a role is at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RoleStatus {
    pub(crate) role: String,
    pub(crate) version: String,
    /// The endpoints of its chains.
    pub(crate) chains: Vec<PoolReport>,
    /// The accounts that pay on L1, in the order in which they are used.
    pub(crate) accounts: Vec<Account>,
    /// The batches that wait for proofs, where the role has provers that pull. A role of an earlier release does not tell it.
    #[serde(default)]
    pub(crate) batches: Option<OpenBatches>,
    /// How batches come to be settled, where the role settles some.
    pub(crate) settling: Option<SettlingStatus>,
    /// What keeps its work from going on, besides.
    pub(crate) problems: Vec<String>,
    /// What somebody should know who relies on it. A role of an earlier release does not tell it.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
}

impl RoleStatus {
    /// Whether its work goes on.
    fn is_well(&self) -> bool {
        let held_up = self.chains.iter().flat_map(|chain| &chain.troubles).any(|trouble| trouble.holds_up);
        !held_up
            && self.problems.is_empty()
            && (self.accounts.is_empty() || self.accounts.iter().any(|account| account.transactions > 0))
    }
}

type Problems = Box<dyn Fn() -> Vec<String> + Send + Sync>;
/// The epochs that the role has settled, and what each took on L1.
type Published = Box<dyn Fn() -> Vec<(Epoch, Receipt)> + Send + Sync>;

/// What a role lets be seen of it. It is served from the beginning, while the parts are still being put together. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Observed {
    role: &'static str,
    parts: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    chains: Vec<Pool>,
    accounts: Vec<watch::Receiver<Option<Account>>>,
    batches: Option<watch::Receiver<Fills>>,
    coordinator: Option<Coordinator>,
    settler: Option<Settler>,
    warnings: Vec<String>,
    published: Option<Published>,
    /// None until the role has all that it needs.
    problems: Option<Problems>,
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Observed({})", self.role)
    }
}

impl Observed {
    pub(crate) fn new(role: &'static str) -> Self {
        Self { role, parts: Arc::default() }
    }

    fn parts(&self) -> MutexGuard<'_, Seen> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn chain(&self, chain: Pool) {
        self.parts().chains.push(chain);
    }

    pub(crate) fn account(&self, account: watch::Receiver<Option<Account>>) {
        self.parts().accounts.push(account);
    }

    pub(crate) fn warn(&self, warning: String) {
        self.parts().warnings.push(warning);
    }

    pub(crate) fn coordinator(&self, coordinator: Coordinator) {
        self.parts().coordinator = Some(coordinator);
    }

    pub(crate) fn settler(&self, settler: Settler) {
        self.parts().settler = Some(settler);
    }

    pub(crate) fn published(&self, published: impl Fn() -> Vec<(Epoch, Receipt)> + Send + Sync + 'static) {
        self.parts().published = Some(Box::new(published));
    }

    /// What the verification of the last batches took.
    fn batch_gas(&self) -> Vec<BatchGas> {
        self.parts().settler.as_ref().map(Settler::batch_gas).unwrap_or_default()
    }

    pub(crate) fn batches(&self, batches: watch::Receiver<Fills>) {
        self.parts().batches = Some(batches);
    }

    /// The page for Prometheus, without what the process's recorder has.
    fn page(&self) -> String {
        let fills = self.parts().batches.as_ref().map(|batches| batches.borrow().clone());
        let epochs = self.parts().published.as_ref().map(|published| published()).unwrap_or_default();
        metrics::text(&self.status(), fills.as_deref(), &self.batch_gas(), &epochs)
    }

    /// The role has all that it needs, and tells its problems by itself.
    pub(crate) fn started(&self, problems: impl Fn() -> Vec<String> + Send + Sync + 'static) {
        self.parts().problems = Some(Box::new(problems));
    }

    pub(crate) fn status(&self) -> RoleStatus {
        let parts = self.parts();
        let starting =
            || vec!["it is starting, and waits for its nodes: see the endpoints, and its log".to_owned()];
        RoleStatus {
            role: self.role.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            chains: parts.chains.iter().map(Pool::report).collect(),
            accounts: parts.accounts.iter().filter_map(|account| account.borrow().clone()).collect(),
            batches: parts.coordinator.as_ref().map(Coordinator::open_batches),
            settling: parts.settler.as_ref().map(Settler::status),
            problems: parts.problems.as_ref().map_or_else(starting, |problems| problems()),
            warnings: parts.warnings.clone(),
        }
    }
}

/// Serves `/metrics`, `/healthz` and `/status` where the settings name a place, until told to stop.
pub(crate) async fn serve(args: &cli::Observing, observed: Observed, stop: CancellationToken) -> Result<()> {
    let Some(place) = &args.metrics_listen else { return Ok(()) };
    let listener = TcpListener::bind(place).await.wrap_err_with(|| {
        format!("cannot listen on {place}: stop what listens there, or choose another --metrics-listen")
    })?;
    let recorded = recorder::install()?;
    tracing::info!(listen = %listener.local_addr()?, "metrics, health and status are served over HTTP");
    let router = Router::new()
        .route(
            "/metrics",
            get(async move |State(observed): State<Observed>| observed.page() + &recorded.render()),
        )
        .route("/healthz", get(health))
        .route("/status", get(async |State(observed): State<Observed>| Json(observed.status())))
        .with_state(observed);
    let served = axum::serve(Pages(Connections::to_pages(listener)), router)
        .with_graceful_shutdown(stop.cancelled_owned());
    tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    Ok(())
}

/// The connections of those that look.
struct Pages(Connections);

impl axum::serve::Listener for Pages {
    type Io = Connection;
    /// Nobody asks from where.
    type Addr = ();

    async fn accept(&mut self) -> (Connection, ()) {
        (self.0.accept().await, ())
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn health(State(observed): State<Observed>) -> impl IntoResponse {
    let status = observed.status();
    let (code, word) = if status.is_well() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, text(&status))
    };
    (code, word)
}
