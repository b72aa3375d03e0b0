//! A server between the witness builder and anvil, that does what a test tells it.

use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use url::Url;

/// What becomes of a request.
pub enum Action {
    Forward,
    /// The node's result, changed.
    Change(Box<dyn FnOnce(Value) -> Value + Send>),
    /// This result.
    Answer(Value),
    /// An error of this code and message.
    Refuse(i64, &'static str),
    /// An HTTP status.
    Status(u16),
    /// No answer.
    Hang,
}

impl Action {
    pub fn change(change: impl FnOnce(Value) -> Value + Send + 'static) -> Self {
        Self::Change(Box::new(change))
    }
}

pub struct Request<'a> {
    pub method: &'a str,
    pub params: &'a Value,
    /// How many requests of this method came before.
    pub before: usize,
}

type Rule = Box<dyn FnMut(Request<'_>) -> Action + Send>;

pub struct Proxy {
    pub url: Url,
    counts: Arc<Mutex<HashMap<String, usize>>>,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
    node: Url,
    client: reqwest::Client,
    rule: Mutex<Rule>,
    counts: Arc<Mutex<HashMap<String, usize>>>,
}

impl Proxy {
    pub async fn new(node: &Url, rule: impl FnMut(Request<'_>) -> Action + Send + 'static) -> Self {
        let counts = Arc::new(Mutex::new(HashMap::new()));
        let shared = Arc::new(Shared {
            node: node.clone(),
            client: proofmill_http::client(),
            rule: Mutex::new(Box::new(rule)),
            counts: Arc::clone(&counts),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().route("/", post(answer)).with_state(shared);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, counts, server }
    }

    /// How many requests came, of all methods.
    pub fn requests(&self) -> usize {
        self.counts.lock().unwrap().values().sum()
    }

    pub fn requests_of(&self, method: &str) -> usize {
        self.counts.lock().unwrap().get(method).copied().unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> axum::response::Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    let method = request["method"].as_str().unwrap();
    let before = {
        let mut counts = shared.counts.lock().unwrap();
        let count = counts.entry(method.to_owned()).or_default();
        *count += 1;
        *count - 1
    };
    let action = (shared.rule.lock().unwrap())(Request { method, params: &request["params"], before });
    let forward = async || {
        let sent = shared
            .client
            .post(shared.node.clone())
            .header("content-type", "application/json")
            .body(body.clone());
        let answer = sent.send().await.unwrap().bytes().await.unwrap();
        serde_json::from_slice::<Value>(&answer).unwrap()
    };
    let id = &request["id"];
    let answer = match action {
        Action::Forward => forward().await,
        Action::Change(change) => {
            let mut answer = forward().await;
            let result = answer["result"].take();
            answer["result"] = change(result);
            answer
        }
        Action::Answer(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Action::Refuse(code, message) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
        Action::Status(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        Action::Hang => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            return StatusCode::REQUEST_TIMEOUT.into_response();
        }
    };
    ([("content-type", "application/json")], answer.to_string()).into_response()
}
