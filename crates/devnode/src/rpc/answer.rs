//! What is sent back.

use crate::{chain::NoState, node::MakeError, refusal::Refusal};
use alloy_primitives::Bytes;
use serde_json::{Value, json};

/// An error of JSON-RPC.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    code: i64,
    message: String,
    data: Option<Value>,
}

/// How the client names its request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Id(Value);

impl Id {
    /// The name in a request; none where it is a notification, which wants no answer. What cannot be a name is told as none.
    pub(crate) fn of(request: &Value) -> Option<Self> {
        let Some(request) = request.as_object() else { return Some(Self::default()) };
        request.get("id").map(|id| match id {
            Value::String(_) | Value::Number(_) => Self(id.clone()),
            _ => Self::default(),
        })
    }

    pub(crate) fn succeeded(&self, result: &Value) -> String {
        json!({ "jsonrpc": "2.0", "id": self.0, "result": result }).to_string()
    }

    pub(crate) fn failed(&self, failure: &Failure) -> String {
        let mut error = json!({ "code": failure.code, "message": failure.message });
        if let Some(data) = &failure.data {
            error["data"] = data.clone();
        }
        json!({ "jsonrpc": "2.0", "id": self.0, "error": error }).to_string()
    }
}

impl Failure {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn parse(error: &serde_json::Error) -> Self {
        Self::new(-32700, format!("parse error: {error}"))
    }

    pub(crate) fn invalid_request(reason: &str) -> Self {
        Self::new(-32600, format!("invalid request: {reason}"))
    }

    /// There is no such method.
    pub fn no_method(method: &str) -> Self {
        let method: String = method.chars().take(100).collect();
        Self::new(-32601, format!("the method {method} does not exist/is not available"))
    }

    /// An argument is missing, or of another kind.
    pub fn params(message: impl Into<String>) -> Self {
        Self::new(-32602, message)
    }

    pub(crate) fn too_large() -> Self {
        Self::new(-32003, "response too large")
    }

    /// Most of what geth refuses.
    pub fn server(message: impl Into<String>) -> Self {
        Self::new(-32000, message)
    }

    /// Blocks that were given up, in the words of EIP-4444's code.
    pub(crate) fn expired() -> Self {
        Self::new(4444, "pruned history unavailable")
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(-32005, message)
    }

    /// A call that reverted, with what it said.
    pub fn reverted(output: &Bytes) -> Self {
        let message = match alloy_sol_types::decode_revert_reason(output) {
            Some(reason) if !output.is_empty() => {
                format!("execution reverted: {}", reason.trim_start_matches("revert: "))
            }
            _ => "execution reverted".to_owned(),
        };
        Self { code: 3, message, data: Some(json!(output)) }
    }
}

impl From<NoState> for Failure {
    fn from(error: NoState) -> Self {
        Self::server(error.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(error: Refusal) -> Self {
        Self::server(error.to_string())
    }
}

impl From<MakeError> for Failure {
    fn from(error: MakeError) -> Self {
        Self::server(error.to_string())
    }
}
