//! One JSON-RPC request over HTTP: what came back is an answer, or a [`Fault`].
//!
//! The body is read up to a limit, because a node may send any number of bytes; the HTTP status and
//! `Retry-After` count beside the body, because gateways answer in the node's place.

use crate::{Fault, FaultKind, RpcError, fault_of, words};
use proofmill_http::{BodyError, NodeUrl};
use reqwest::{Client, Response, header};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// How much of an answer with an error status is read.
const ERROR_BODY: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Transport {
    url: NodeUrl,
    client: Client,
    largest_answer: usize,
    next_id: AtomicU64,
}

#[derive(Serialize)]
struct Call<'a> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    params: &'a Value,
}

impl Transport {
    pub(crate) fn new(url: NodeUrl, largest_answer: usize) -> Self {
        let client = proofmill_http::client_for(url.secret());
        Self { url, client, largest_answer, next_id: AtomicU64::new(1) }
    }

    pub(crate) const fn url(&self) -> &NodeUrl {
        &self.url
    }

    /// The result as the endpoint wrote it; `null` is one.
    pub(crate) async fn call(&self, method: &str, params: &Value) -> Result<Box<RawValue>, Fault> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let call = Call { jsonrpc: "2.0", id, method, params };
        let body = serde_json::to_vec(&call).map_err(|error| {
            Fault::new(FaultKind::Refused, format!("the request cannot be written: {error}"))
        })?;
        let sent = self
            .client
            .post(self.url.secret().clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(body);
        let response = sent.send().await.map_err(away)?;
        let status = response.status().as_u16();
        if response.status().is_success() {
            let body = read(response, self.largest_answer).await?;
            return result(&body);
        }
        if response.status().is_redirection() {
            return Err(redirected(&response));
        }
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(words::retry_after);
        let body = read(response, ERROR_BODY).await.unwrap_or_default();
        Err(of_status(status, &body).after(retry_after))
    }
}

fn away(error: reqwest::Error) -> Fault {
    Fault::new(FaultKind::Away, proofmill_http::in_one_line(&error))
}

async fn read(response: Response, limit: usize) -> Result<Vec<u8>, Fault> {
    proofmill_http::body(response, limit).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => Fault::new(FaultKind::TooLarge, error.to_string()),
        BodyError::BrokeOff(error) => away(error),
    })
}

fn redirected(response: &Response) -> Fault {
    let to = response
        .headers()
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|location| response.url().join(location).ok())
        .map_or_else(|| "another address".to_owned(), |url| NodeUrl::from(url).to_string());
    let status = response.status().as_u16();
    Fault::new(
        FaultKind::Denied,
        format!("it redirects to {to} (HTTP status {status}): give the address that it redirects to"),
    )
}

/// What an error status means, with a body that may have a JSON-RPC error.
fn of_status(status: u16, body: &[u8]) -> Fault {
    let error = error_in(body);
    let said = match &error {
        Some(error) => {
            format!("HTTP status {status}: {} (code {})", words::shortened(&error.message), error.code)
        }
        None => format!("HTTP status {status}"),
    };
    let by_body = error.as_ref().map(fault_of);
    let kind = match (status, &by_body) {
        (429, _) => FaultKind::Limited,
        // Some nodes and gateways send every error with a status of their own choice.
        (400 | 404 | 405 | 422 | 500, Some(fault)) => {
            return Fault { said, ..fault.clone() };
        }
        (_, Some(fault)) if fault.kind == FaultKind::Limited => FaultKind::Limited,
        (401 | 402 | 403 | 404 | 405 | 407 | 410 | 451, _) => FaultKind::Denied,
        (413, _) => FaultKind::TooLarge,
        (400 | 422, None) => FaultKind::Refused,
        (408 | 425, _) | (500.., _) => FaultKind::Away,
        _ => FaultKind::Unreadable,
    };
    let retry_after = by_body.and_then(|fault| fault.retry_after);
    Fault::new(kind, said).after(retry_after)
}

/// The result of an answer; or the fault that it tells, or is.
fn result(body: &[u8]) -> Result<Box<RawValue>, Fault> {
    let unreadable = |reason: String| {
        let begin = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let begin = words::shortened(&begin);
        Fault::new(
            FaultKind::Unreadable,
            format!("not a JSON-RPC answer ({reason}); it begins with `{begin}`"),
        )
    };
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::new(FaultKind::Unreadable, "an empty answer"));
    }
    let fields = fields(body).map_err(|error| unreadable(error.to_string()))?;
    match fields.get("error").map(|error| error.get()).filter(|error| *error != "null") {
        Some(error) => Err(fault_of(&error_from(error))),
        None => match fields.get("result") {
            Some(result) => Ok((*result).to_owned()),
            None => Err(unreadable("it has neither result nor error".to_owned())),
        },
    }
}

/// The fields of an answer. Some gateways put a single answer into a list.
fn fields(body: &[u8]) -> serde_json::Result<HashMap<String, &RawValue>> {
    match serde_json::from_slice::<HashMap<String, &RawValue>>(body) {
        Ok(fields) => Ok(fields),
        Err(error) => match serde_json::from_slice::<[HashMap<String, &RawValue>; 1]>(body) {
            Ok([fields]) => Ok(fields),
            Err(_) => Err(error),
        },
    }
}

fn error_in(body: &[u8]) -> Option<RpcError> {
    let fields = fields(body).ok()?;
    if let Some(error) = fields.get("error").filter(|error| error.get() != "null") {
        return Some(error_from(error.get()));
    }
    // Gateways: `{"code": …, "message": …}`, `{"message": …}`.
    fields.get("message")?;
    let object: HashMap<&str, &RawValue> =
        fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    Some(error_of(&object))
}

fn error_from(text: &str) -> RpcError {
    match serde_json::from_str::<HashMap<String, &RawValue>>(text) {
        Ok(fields) => error_of(&fields.iter().map(|(name, value)| (name.as_str(), *value)).collect()),
        // A text in place of the object.
        Err(_) => RpcError {
            message: serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()),
            ..RpcError::default()
        },
    }
}

fn error_of(fields: &HashMap<&str, &RawValue>) -> RpcError {
    let value = |name: &str| -> Value {
        fields.get(name).and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
    };
    let code = match value("code") {
        Value::Number(code) => code.as_i64().unwrap_or_default(),
        Value::String(code) => code.parse().unwrap_or_default(),
        _ => 0,
    };
    let message = match value("message") {
        Value::String(message) => message,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    RpcError { code, message, data: value("data") }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn answers_in_every_published_shape_are_read() {
        for (body, wanted) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#, r#""0x1""#),
            (r#"{"result":null,"error":null,"id":"1"}"#, "null"),
            (r#"[{"jsonrpc":"2.0","id":1,"result":[1, 2]}]"#, "[1, 2]"),
        ] {
            assert_eq!(result(body.as_bytes()).unwrap().get(), wanted, "{body}");
        }
        for (body, kind) in [
            (r#"{"error":{"code":-32601,"message":"Method not found"}}"#, FaultKind::NoMethod),
            (r#"{"error":{"code":"-32005","message":null}}"#, FaultKind::Limited),
            (r#"{"error":"header not found"}"#, FaultKind::UnknownBlock),
            (r#"{"error":{"message":{"text":"too many requests"}}}"#, FaultKind::Limited),
            (r#"[{"error":{"code":-32012,"message":"credits limited to 6000/sec"}}]"#, FaultKind::Limited),
            (r#"{"jsonrpc":"2.0","id":1}"#, FaultKind::Unreadable),
            ("<html>502 Bad Gateway</html>", FaultKind::Unreadable),
            ("", FaultKind::Unreadable),
            ("  \n", FaultKind::Unreadable),
            (r#"{"result":"0x1"#, FaultKind::Unreadable),
            ("[]", FaultKind::Unreadable),
            ("null", FaultKind::Unreadable),
        ] {
            assert_eq!(result(body.as_bytes()).unwrap_err().kind, kind, "{body}");
        }
        // Nesting costs nothing until somebody reads it, who then has a limit.
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let read = result(format!("{{\"result\":{deep}}}").as_bytes()).unwrap();
        assert!(serde_json::from_str::<Value>(read.get()).is_err());
        let error = format!("{{\"error\":{{\"code\":-32005,\"data\":{deep}}}}}");
        assert_eq!(result(error.as_bytes()).unwrap_err().kind, FaultKind::Limited);
    }

    #[test]
    fn a_status_counts_beside_its_body() {
        let json = |code: i64, message: &str| {
            format!(r#"{{"jsonrpc":"2.0","error":{{"code":{code},"message":"{message}"}}}}"#)
        };
        for (status, body, kind) in [
            (429, json(-32_603, "internal error"), FaultKind::Limited),
            (429, String::new(), FaultKind::Limited),
            (503, json(-32_000, "no"), FaultKind::Away),
            (503, json(-32_005, "rate limit"), FaultKind::Limited),
            (500, json(-32_601, "Method not found"), FaultKind::NoMethod),
            (500, String::new(), FaultKind::Away),
            (502, "<html>".to_owned(), FaultKind::Away),
            (400, json(-32_000, "header not found"), FaultKind::UnknownBlock),
            (400, r#"{"message":"no such key"}"#.to_owned(), FaultKind::Refused),
            (401, String::new(), FaultKind::Denied),
            (403, json(0, "Forbidden"), FaultKind::Denied),
            (404, "not found".to_owned(), FaultKind::Denied),
            (413, String::new(), FaultKind::TooLarge),
            (418, String::new(), FaultKind::Unreadable),
        ] {
            let fault = of_status(status, body.as_bytes());
            assert_eq!(fault.kind, kind, "{status} {body}");
            assert!(fault.said.contains(&status.to_string()), "{}", fault.said);
        }
    }
}
