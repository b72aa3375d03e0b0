//! JSON-RPC over HTTP: single requests and batches.

mod answer;
mod blocks;
mod call;
mod fees;
mod own;
mod params;
mod pool;
mod state;

use crate::node::Shared;
use answer::Id;
use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore, time};
use tokio_util::sync::CancellationToken;

/// How long a request may be, in bytes: a blob transaction with nine blobs has 2.4 million.
const MOST_REQUEST: usize = 10 << 20;
/// How long an answer may be, all of a batch together, in bytes.
const MOST_ANSWER: usize = 25 << 20;
/// How many requests a batch may have.
const MOST_BATCH: usize = 1_000;
/// How many requests are worked on at once.
const MOST_AT_ONCE: usize = 16;
/// How long what was asked before the end may take to answer.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

pub use answer::Failure;
pub use params::Params;
pub use state::execution_witness;

/// What answers a method with its arguments. It may block.
pub type Methods = dyn Fn(&str, &Params) -> Result<Value, Failure> + Send + Sync;

#[derive(Clone)]
struct Service {
    methods: Arc<Methods>,
    permits: Arc<Semaphore>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("permits", &self.permits).finish_non_exhaustive()
    }
}

/// The methods of the node.
pub(crate) fn methods(shared: Arc<Shared>) -> Arc<Methods> {
    Arc::new(move |method, params| dispatch(&shared, method, params))
}

/// Answers requests over HTTP, alone or in batches, by `methods`, until told to stop. A method may block.
pub async fn serve(listener: TcpListener, methods: Arc<Methods>, stop: CancellationToken) {
    let service = Service { methods, permits: Arc::new(Semaphore::new(MOST_AT_ONCE)) };
    let routes = Router::new().fallback(handle).with_state(service);
    // Connections that clients keep open would be answered on for as long as they live, were they not closed.
    let served = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
    let late = async {
        stop.cancelled().await;
        time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        done = served => {
            if let Err(error) = done {
                tracing::error!(%error, "the node listens no more");
            }
        }
        () = late => tracing::debug!("the node ends before what it was asked is answered"),
    }
}

async fn handle(State(service): State<Service>, request: Request) -> Response {
    let mut response = match *request.method() {
        Method::POST => match to_bytes(request.into_body(), MOST_REQUEST).await {
            Ok(body) => answer(service, body).await,
            Err(_) => (StatusCode::PAYLOAD_TOO_LARGE, "the request is too long").into_response(),
        },
        // What browsers ask before a wallet's first request.
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "JSON-RPC requests are sent with POST").into_response(),
    };
    let headers = response.headers_mut();
    let any = HeaderValue::from_static("*");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, any);
    response
}

async fn answer(service: Service, body: Bytes) -> Response {
    // The semaphore is never closed.
    let Ok(permit) = service.permits.acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let methods = service.methods;
    let worked = tokio::task::spawn_blocking(move || {
        let answer = answer_text(&*methods, &body);
        drop(permit);
        answer
    });
    match worked.await {
        Ok(Some(text)) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        // Only notifications.
        Ok(None) => StatusCode::OK.into_response(),
        Err(error) => {
            tracing::error!(%error, "a request could not be answered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What is sent back for a body; nothing for notifications.
fn answer_text(methods: &Methods, body: &[u8]) -> Option<String> {
    let requests = match serde_json::from_slice(body) {
        Ok(Value::Array(requests)) => requests,
        Ok(request) => return one(methods, request),
        Err(error) => return Some(Id::default().failed(&Failure::parse(&error))),
    };
    if requests.is_empty() || requests.len() > MOST_BATCH {
        let reason = if requests.is_empty() { "empty batch" } else { "batch too large" };
        return Some(Id::default().failed(&Failure::invalid_request(reason)));
    }
    let (mut answers, mut length) = (Vec::new(), 0);
    for request in requests {
        let id = Id::of(&request);
        let answer = if length > MOST_ANSWER {
            id.map(|id| id.failed(&Failure::too_large()))
        } else {
            one(methods, request)
        };
        if let Some(answer) = answer {
            length += answer.len();
            answers.push(answer);
        }
    }
    (!answers.is_empty()).then(|| format!("[{}]", answers.join(",")))
}

fn one(methods: &Methods, mut request: Value) -> Option<String> {
    let id = Id::of(&request);
    let Some(method) = request.get("method").and_then(Value::as_str).map(str::to_owned) else {
        return Some(id.unwrap_or_default().failed(&Failure::invalid_request("the method is missing")));
    };
    let params = request.get_mut("params").map(Value::take).unwrap_or_default();
    let result = Params::new(params).and_then(|params| methods(&method, &params));
    let id = id?;
    Some(match result {
        Ok(result) => {
            let answer = id.succeeded(&result);
            if answer.len() > MOST_ANSWER { id.failed(&Failure::too_large()) } else { answer }
        }
        Err(failure) => id.failed(&failure),
    })
}

fn dispatch(shared: &Shared, method: &str, params: &Params) -> Result<Value, Failure> {
    for methods in [blocks::call, state::call, call::call, pool::call, fees::call, own::call] {
        if let Some(result) = methods(shared, method, params) {
            return result;
        }
    }
    Err(Failure::no_method(method))
}
