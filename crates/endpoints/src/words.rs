//! What clients' and providers' words mean: one table.
//!
//! JSON-RPC leaves error codes and messages to each client. The table has what go-ethereum, reth, Nethermind, Besu, Erigon,
//! op-geth, anvil and hosted providers say, in the order in which it is read: the first row that fits counts. Its tests have
//! each client's words.

use crate::{Fault, FaultKind};
use alloy_primitives::Bytes;
use serde_json::Value;
use std::time::Duration;

/// The longest wait that an endpoint's word is taken for, as that of alloy.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How much of a message is kept.
const LONGEST_MESSAGE: usize = 300;

/// The error of a JSON-RPC answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpcError {
    /// Its code; 0 where it has none.
    pub code: i64,
    /// Its message.
    pub message: String,
    /// What else it has.
    pub data: Value,
}

/// A row of the table: what the code, or one word of the message in lower case, says.
struct Row {
    kind: FaultKind,
    codes: &'static [i64],
    words: &'static [&'static str],
    /// With one of these beside it, the row does not count.
    unless: &'static [&'static str],
}

const TABLE: &[Row] = &[
    // Chains without final blocks: no block is missing that may still come.
    Row {
        kind: FaultKind::Refused,
        codes: &[],
        words: &["finalized block not found", "safe block not found", "finalized block is not"],
        unless: &[],
    },
    // Limits, before everything else: providers give them any code.
    Row {
        kind: FaultKind::Limited,
        // 429: Alchemy. -32005: EIP-1474, Infura. -32007, -32012: QuickNode. -32029: TheRPC, Zan. -32055: Cloudflare. 1008:
        // Cloudflare, too many at once. -32097, -32098: Nodies, BlockPi.
        codes: &[429, -32005, -32007, -32012, -32029, -32055, -32097, -32098, 1008],
        words: &[
            "rate limit",
            "rate-limit",
            "ratelimit",
            "rate exceeded",
            "too many requests",
            "too many connections",
            "request limit",
            "requests limit",
            "limit exceeded",
            "limit reached",
            "quota",
            "credits limited",
            "compute units",
            "capacity exceeded",
            "exceeded its throughput",
            "concurrent requests",
            "throttle",
            "try again in",
            "daily request count exceeded",
            "backoff",
        ],
        unless: &[
            "block range",
            "query returned",
            "response size",
            "result size",
            "gas limit",
            "size limit",
            "batch",
            "txpool",
            "tx pool",
            "not authorized",
        ],
    },
    Row {
        kind: FaultKind::TooLarge,
        codes: &[413],
        words: &[
            "batch size",
            "batch limit",
            "batch too large",
            "batch is too large",
            "too many calls",
            "response size",
            "response too large",
            "response is too big",
            "result size",
            "request entity too large",
            "oversized request",
            "request too large",
            "body too large",
            "content length",
            "too many storage keys",
            "too many keys",
            "too many slots",
            "max slots",
            "block range",
            "query returned more",
        ],
        unless: &["revert", "transaction", "insufficient funds"],
    },
    Row {
        kind: FaultKind::Reverted,
        codes: &[3],
        words: &["execution reverted", "vm execution error", "reverted"],
        unless: &[],
    },
    // Expired history (EIP-4444), before states and blocks: its words have some of both.
    Row {
        kind: FaultKind::NoHistory,
        codes: &[4444],
        words: &[
            "pruned history",
            "history expired",
            "historical data is not available",
            "historical block data",
            "block data is not available",
            "block has been pruned",
            "body has been pruned",
            "receipts have been pruned",
            "ancient block",
            "pre-merge",
            "premerge",
            "history unavailable",
        ],
        unless: &["state"],
    },
    Row {
        kind: FaultKind::NoState,
        codes: &[-38001],
        words: &[
            "missing trie node",
            "historical state",
            "historical proof",
            "state not available",
            "state is not available",
            "state not found",
            "state unavailable",
            "state histories",
            "state at block",
            "state has been pruned",
            "no state available",
            "no state found",
            "world state",
            "worldstate",
            "state root not found",
            "missing state",
            "state recreation",
            "required historical state unavailable",
            "exceeds maximum proof window",
            "maximum proof window",
            "old data not available",
            "data not available due to pruning",
            "requested block is too old",
            "block is too old",
            "block must be within",
            "older than the proof",
            "layer stale",
            "pruned",
            "archive",
            "root hash mismatch",
            "failed to get historical",
            "no historical",
            "distance to target block",
        ],
        unless: &[],
    },
    Row {
        kind: FaultKind::UnknownBlock,
        // -39001: execution-apis. -32001: EIP-1474, "resource not found".
        codes: &[-39001, -32001],
        words: &[
            "header not found",
            "block not found",
            "unknown block",
            "not found for hash",
            "header for hash not found",
            "block header not found",
            "could not find block",
            "cannot find block",
            "no block with",
            "no header found",
            "block does not exist",
            "block is not available",
            "block not available",
            "not currently canonical",
            "hash is not canonical",
            "nonexistent block",
            "block number out of range",
            "blockoutofrange",
            "block out of range",
            "after last accepted block",
            "upstream does not have the requested block",
            "block requested not found",
            "blocknotfound",
            "unknown header",
        ],
        // Besu numbers a low nonce as EIP-1474 numbers what is missing.
        unless: &["nonce", "funds", "fee", "underpriced"],
    },
    Row {
        kind: FaultKind::Denied,
        codes: &[401, 403],
        words: &[
            "unauthorized",
            "unauthorised",
            "invalid api key",
            "invalid project id",
            "api key",
            "access denied",
            "forbidden",
            "must be authenticated",
            "authentication",
            "app is inactive",
            "project id does not have access",
            "plan does not",
            "upgrade your plan",
            "not available on the free",
            "requires a paid",
            "payment required",
        ],
        unless: &["method"],
    },
    Row {
        kind: FaultKind::NoMethod,
        // -32601: JSON-RPC. -32004: EIP-1474, "method not supported".
        codes: &[-32601, -32004],
        words: &[
            "method not found",
            "method not supported",
            "method not allowed",
            "method is not allowed",
            "method not available",
            "method is not available",
            "method is not supported",
            "method is disabled",
            "method not enabled",
            "methodnotfound",
            "unsupported method",
            "unknown method",
            "unrecognized method",
            "is not whitelisted",
            "does not exist/is not available",
            "rpc method",
            "not whitelisted",
            "namespace",
            "not available on this",
            "not implemented",
        ],
        // Besu's -32004: the account cannot pay.
        unless: &["cost", "balance", "funds"],
    },
    // A node's own trouble: -32603 is anything that a server did not foresee, and -32002 a resource that is not there now.
    Row {
        kind: FaultKind::Stumbled,
        codes: &[-32603, -32002, 500, 502, 503, 504],
        words: &[
            "internal error",
            "internal server error",
            "server error",
            "timeout",
            "timed out",
            "request timed out",
            "context deadline exceeded",
            "context canceled",
            "temporarily",
            "try again",
            "service unavailable",
            "bad gateway",
            "no available upstream",
            "no backend",
            "backend is offline",
            "no healthy",
            "upstream",
            "syncing",
            "not ready",
            "starting up",
            "overloaded",
            "busy",
            "resource unavailable",
            "resource not available",
            "shutting down",
            "connection refused",
            "unexpected eof",
            "broken pipe",
            "database is locked",
            "unfinalized data",
        ],
        unless: &[
            "nonce",
            "underpriced",
            "funds",
            "already",
            "replacement",
            "too low",
            "existing tx",
            "fee cap",
        ],
    },
];

/// What an error of a JSON-RPC answer means.
pub fn fault_of(error: &RpcError) -> Fault {
    let said = without_methods(&error.message.to_lowercase());
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let revert = revert_data(error);
    let kind = if revert.is_some() {
        FaultKind::Reverted
    } else {
        // Words are more exact than codes, which clients give to many things.
        let by_words = TABLE.iter().find(|row| says(row.words) && !says(row.unless));
        let by_code = || TABLE.iter().find(|row| row.codes.contains(&error.code) && !says(row.unless));
        by_words.or_else(by_code).map_or(FaultKind::Refused, |row| row.kind)
    };
    let retry_after = if kind == FaultKind::Limited { wait_of(error) } else { None };
    Fault { kind, said: format!("{} (code {})", shortened(&error.message), error.code), retry_after, revert }
}

/// A message without the names of methods in it: `debug_executionWitness` says nothing of an execution.
fn without_methods(said: &str) -> String {
    const NAMESPACES: [&str; 8] =
        ["eth_", "debug_", "net_", "web3_", "txpool_", "admin_", "trace_", "engine_"];
    let is_method = |word: &&str| {
        let word = word.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        !NAMESPACES.iter().any(|namespace| word.starts_with(namespace))
    };
    said.split_whitespace().filter(is_method).collect::<Vec<_>>().join(" ")
}

/// A message in one line, and not all of it where it is long: some nodes put their stack trace in.
pub(crate) fn shortened(message: &str) -> String {
    proofmill_http::line(message, LONGEST_MESSAGE)
}

/// What a contract gave back: in `data` itself, or in an object below it (Nethermind, Hardhat, hosted gateways).
fn revert_data(error: &RpcError) -> Option<Bytes> {
    let says_so = error.message.to_lowercase().contains("revert") || error.code == 3;
    let mut data = &error.data;
    // No client nests it deeper.
    for _ in 0..4 {
        match data {
            Value::String(text) => {
                // Parity's way: `Reverted 0x…`.
                let text = text.trim_start_matches("Reverted ").trim();
                let is_revert = says_so || data.as_str().is_some_and(|data| data.starts_with("Reverted "));
                return text.parse().ok().filter(|_| is_revert && text.starts_with("0x"));
            }
            Value::Object(fields) => {
                data = ["data", "result", "originalError", "output"]
                    .iter()
                    .find_map(|name| fields.get(*name))?;
            }
            _ => return None,
        }
    }
    None
}

/// How long an endpoint asks to be left alone: Infura's `rate.backoff_seconds`, or "try again in 4 s".
fn wait_of(error: &RpcError) -> Option<Duration> {
    let seconds = &error.data["rate"]["backoff_seconds"];
    if let Some(seconds) = seconds.as_f64().filter(|seconds| seconds.is_finite() && *seconds >= 0.0) {
        return Some(Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64())));
    }
    let said = error.message.to_lowercase();
    let after = ["try again in ", "retry after ", "retry in "]
        .iter()
        .find_map(|word| said.split_once(word).map(|(_, after)| after.trim_start()))?;
    let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = after[..digits].parse().ok()?;
    let unit = after[digits..].trim_start();
    let wait = if unit.starts_with("ms") || unit.starts_with("milli") {
        Duration::from_millis(number)
    } else if unit.starts_with("min") || unit == "m" {
        Duration::from_secs(number.saturating_mul(60))
    } else if unit.starts_with('s') || unit.is_empty() {
        Duration::from_secs(number)
    } else {
        return None;
    };
    Some(wait.min(LONGEST_WAIT))
}

/// `Retry-After`: seconds, or a date (RFC 9110).
pub(crate) fn retry_after(header: &str) -> Option<Duration> {
    let header = header.trim();
    let wait = match header.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds >= 0.0 => {
            Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64()))
        }
        Ok(_) => return None,
        Err(_) => {
            let at = httpdate::parse_http_date(header).ok()?;
            at.duration_since(std::time::SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
#[path = "words_tests.rs"]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
