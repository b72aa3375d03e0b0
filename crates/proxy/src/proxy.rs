//! A server that does what a test tells it.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::any,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fmt, io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::oneshot;
use url::Url;

/// What becomes of a request.
pub enum Action {
    /// The node answers.
    Forward,
    /// The node's result, changed.
    Change(Box<dyn FnOnce(Value) -> Value + Send>),
    /// The node's answer as text, changed.
    Rewrite(Box<dyn FnOnce(String) -> Vec<u8> + Send>),
    /// This result.
    Answer(Value),
    /// An error of this code and message.
    Refuse(i64, String),
    /// This HTTP status, without a body.
    Status(u16),
    /// This HTTP status, with these headers and this body.
    Http(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The node's answer, so much later.
    Late(Duration),
    /// No answer.
    Hang,
    /// The connection is cut in the middle of the answer.
    Cut,
    /// So many bytes of an answer that does not end before.
    Endless(u64),
}

impl Action {
    /// The node's result, changed.
    pub fn change(change: impl FnOnce(Value) -> Value + Send + 'static) -> Self {
        Self::Change(Box::new(change))
    }

    /// The node's answer as text, changed.
    pub fn rewrite(rewrite: impl FnOnce(String) -> Vec<u8> + Send + 'static) -> Self {
        Self::Rewrite(Box::new(rewrite))
    }

    /// An error of this code and message.
    pub fn refuse(code: i64, message: impl Into<String>) -> Self {
        Self::Refuse(code, message.into())
    }

    /// An error of this code and message, with an HTTP status beside it.
    pub fn refuse_with(status: u16, code: i64, message: &str) -> Self {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": code, "message": message } });
        Self::Http(status, vec![("content-type", "application/json".into())], body.to_string().into_bytes())
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Action")
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// Its parameters.
    pub params: &'a Value,
    /// How many requests of this method came before.
    pub before: usize,
}

type Rule = Box<dyn FnMut(Request<'_>) -> Action + Send>;

/// The server. Ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Where it is.
    pub url: Url,
    counts: Arc<Mutex<HashMap<String, usize>>>,
    // Dropped with the proxy, which closes its connections.
    _stop: oneshot::Sender<()>,
}

struct Shared {
    node: Url,
    client: reqwest::Client,
    rule: Mutex<Rule>,
    counts: Arc<Mutex<HashMap<String, usize>>>,
}

impl Proxy {
    /// A server before `node`, on a free port.
    pub async fn new(node: &Url, rule: impl FnMut(Request<'_>) -> Action + Send + 'static) -> Self {
        let counts = Arc::new(Mutex::new(HashMap::new()));
        let shared = Arc::new(Shared {
            node: node.clone(),
            client: proofmill_http::client_for(node),
            rule: Mutex::new(Box::new(rule)),
            counts: Arc::clone(&counts),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let router = Router::new().fallback(any(answer)).with_state(shared);
        let (stop, stopped) = oneshot::channel();
        let served = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        tokio::spawn(async move { served.await.unwrap() });
        Self { url, counts, _stop: stop }
    }

    /// How many requests came, of all methods.
    pub fn requests(&self) -> usize {
        self.counts.lock().unwrap().values().sum()
    }

    /// How many requests of one method came.
    pub fn requests_of(&self, method: &str) -> usize {
        self.counts.lock().unwrap().get(method).copied().unwrap_or_default()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let forward = async || -> Result<String, Response> {
        let sent = shared
            .client
            .post(shared.node.clone())
            .header("content-type", "application/json")
            .body(body.clone());
        // The node may have ended before its proxy.
        let gone = |_| StatusCode::BAD_GATEWAY.into_response();
        sent.send().await.map_err(gone)?.text().await.map_err(gone)
    };
    let json = |text: String| ([("content-type", "application/json")], text).into_response();
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    // A batch is let through.
    let Some(method) = request["method"].as_str() else {
        return forward().await.map_or_else(|gone| gone, json);
    };
    let before = {
        let mut counts = shared.counts.lock().unwrap();
        let count = counts.entry(method.to_owned()).or_default();
        *count += 1;
        *count - 1
    };
    let action = (shared.rule.lock().unwrap())(Request { method, params: &request["params"], before });
    let id = &request["id"];
    match action {
        Action::Forward => forward().await.map_or_else(|gone| gone, json),
        Action::Late(by) => {
            tokio::time::sleep(by).await;
            forward().await.map_or_else(|gone| gone, json)
        }
        Action::Change(change) => match forward().await {
            Ok(text) => {
                let mut answer: Value = serde_json::from_str(&text).unwrap();
                let result = answer["result"].take();
                answer["result"] = change(result);
                json(answer.to_string())
            }
            Err(gone) => gone,
        },
        Action::Rewrite(rewrite) => match forward().await {
            Ok(text) => ([("content-type", "application/json")], rewrite(text)).into_response(),
            Err(gone) => gone,
        },
        Action::Answer(result) => json(json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()),
        Action::Refuse(code, message) => json(
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }).to_string(),
        ),
        Action::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Action::Http(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body)).unwrap()
        }
        Action::Hang => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            StatusCode::REQUEST_TIMEOUT.into_response()
        }
        Action::Cut => {
            let begin = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"result":"0x"#);
            let cut = stream::iter([Ok(begin), Err(io::Error::other("cut"))]);
            Body::from_stream(cut).into_response()
        }
        Action::Endless(bytes) => {
            const PART: usize = 1 << 16;
            let begin = stream::iter([Ok::<_, io::Error>(Bytes::from_static(br#"{"result":""#))]);
            let parts = stream::repeat(Bytes::from(vec![b'f'; PART])).map(Ok);
            Body::from_stream(begin.chain(parts.take((bytes / PART as u64) as usize))).into_response()
        }
    }
}
