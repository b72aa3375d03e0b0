//! Each client's own words.

use super::*;
use serde_json::json;

fn kind(code: i64, message: &str) -> FaultKind {
    fault_of(&RpcError { code, message: message.to_owned(), data: Value::Null }).kind
}

fn all_are(kind_wanted: FaultKind, said: &[(&str, i64, &str)]) {
    for (client, code, message) in said {
        assert_eq!(kind(*code, message), kind_wanted, "{client}: {code} {message}");
    }
}

#[test]
fn limits() {
    all_are(
        FaultKind::Limited,
        &[
            ("Infura", -32005, "exceeded project rate limit"),
            ("Infura", -32005, "daily request count exceeded, request rate limited"),
            (
                "Alchemy",
                429,
                "Your app has exceeded its compute units per second capacity. If you have retries enabled, you can safely ignore \
                 this message.",
            ),
            ("Alchemy", -32016, "rate limit exceeded"),
            (
                "QuickNode",
                -32007,
                "50/second request limit reached - reduce calls per second or upgrade your account",
            ),
            ("QuickNode", -32012, "credits limited to 6000/sec"),
            ("Cloudflare", -32055, "Rate limit exceeded"),
            ("Cloudflare", 1008, "too many concurrent requests"),
            ("Ankr", -32029, "Too many requests, reason: call rate limit exhausted, retry in 10s"),
            ("dRPC", 35, "Too many requests on the free tier"),
            ("any", -32000, "Too Many Requests"),
            ("any", -32603, "request rate exceeded"),
            ("op proxyd", -32016, "over rate limit"),
            ("Infura", -32005, "rate limit exceeded for debug_executionWitness"),
        ],
    );
}

#[test]
fn sizes() {
    all_are(
        FaultKind::TooLarge,
        &[
            ("geth", -32003, "response too large"),
            ("geth", -32600, "batch too large"),
            ("reth", -32600, "Response is too big: exceeded max limit of 167772160 bytes"),
            ("Nethermind", -32005, "Batch size limit exceeded"),
            ("Besu", -32600, "Number of requests in batch exceeds: batch size 1024"),
            (
                "Alchemy",
                -32602,
                "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range",
            ),
            ("geth", -32602, "too many slots (max 1024)"),
        ],
    );
}

#[test]
fn states_and_blocks_and_history() {
    all_are(
        FaultKind::NoState,
        &[
            ("geth", -32000, "missing trie node 5fd4 (path ) state 0x5fd4 is not available"),
            ("geth", -32000, "historical state 02203acd is not available"),
            ("geth", -32000, "required historical state unavailable (reexec=128)"),
            ("geth", -32000, "layer stale"),
            ("reth", -32602, "distance to target block exceeds maximum proof window"),
            ("reth", -32000, "no state found for block number 12"),
            ("reth", 4444, "state at block #12 is pruned"),
            ("Nethermind", -32002, "No state available for block 0x12"),
            ("Nethermind", -32000, "missing trie node: state of old blocks is pruned"),
            ("Besu", -32000, "World state unavailable"),
            (
                "Erigon",
                -32000,
                "requested block is too old, block must be within 1000 blocks of the head block number",
            ),
            ("Erigon", -32000, "old data not available due to pruning"),
            ("Erigon", -32000, "root hash mismatch witnessTrieRootHash(ba81)!=expectedRootHash(60f8)"),
            ("Infura", -32002, "project ID does not have access to archive state"),
            ("op-geth", -32000, "missing trie node"),
        ],
    );
    all_are(
        FaultKind::UnknownBlock,
        &[
            ("geth", -32000, "header not found"),
            ("geth", -32000, "header for hash not found"),
            ("geth", -32000, "hash is not currently canonical"),
            ("geth", -39001, "Unknown block"),
            ("reth", -32001, "block not found: hash 0x12"),
            ("Nethermind", -32001, "Cannot find block 0x12"),
            ("Besu", -32000, "Block not found"),
            ("Erigon", -32000, "block not found: 12"),
            ("anvil", -32602, "BlockOutOfRangeError: block height is 5 but requested was 9"),
            ("execution-apis", -32001, "resource not found"),
            ("Alchemy", -32000, "Unknown block number"),
        ],
    );
    all_are(
        FaultKind::NoHistory,
        &[
            ("geth", 4444, "pruned history unavailable"),
            ("reth", 4444, "Pruned history unavailable"),
            ("Nethermind", 4444, "Pruned history unavailable"),
            ("Besu", 4444, "History expired"),
            ("Erigon", 4444, "block data is not available, history has been pruned"),
        ],
    );
}

#[test]
fn methods_and_doors() {
    all_are(
        FaultKind::NoMethod,
        &[
            ("geth", -32601, "the method debug_executionWitness does not exist/is not available"),
            ("geth", -32601, "the method eth_getBlockReceipts does not exist/is not available"),
            ("reth", -32601, "Method not found"),
            ("Nethermind", -32601, "Method debug_executionWitness is not supported"),
            (
                "Nethermind",
                -32600,
                "The method 'debug_executionWitness' is found but the namespace 'Debug' is disabled for http://0.0.0.0:8545",
            ),
            ("Besu", -32604, "Method not enabled"),
            ("Erigon", -32601, "the method eth_getProof is not implemented"),
            ("anvil", -32601, "Method not found"),
            ("op proxyd", -32001, "rpc method is not whitelisted"),
            ("Alchemy", -32600, "Unsupported method: debug_executionWitness"),
            ("QuickNode", -32601, "method is not available on this plan"),
            ("EIP-1474", -32004, "method not supported"),
            ("Ankr", -32601, "eth_sendRawTransaction: no such thing"),
            ("any", -32000, "the method eth_getProof does not exist/is not available"),
        ],
    );
    all_are(
        FaultKind::Denied,
        &[
            ("Infura", -32600, "invalid project id"),
            ("Alchemy", -32600, "Must be authenticated!"),
            ("Alchemy", -32600, "App is inactive"),
            ("any", 401, "no"),
            ("any", -32000, "Unauthorized"),
        ],
    );
}

#[test]
fn what_passes() {
    all_are(
        FaultKind::Stumbled,
        &[
            ("geth", -32603, "internal error"),
            ("geth", -32002, "request timed out"),
            ("reth", -32603, "database is locked"),
            ("proxyd", -32011, "no backends available for method"),
            ("proxyd", -32011, "backend is offline"),
            ("Alchemy", -32000, "Service temporarily unavailable"),
            ("any", -32603, "Unexpected trouble"),
            ("any", -32000, "eth_estimateGas timed out"),
            ("any", -32000, "upstream timeout: eth_getTransactionReceipt"),
            ("EIP-1474", -32002, "resource unavailable"),
        ],
    );
}

/// What nodes say of a transaction is about the transaction, whatever code they give it.
#[test]
fn refusals_are_of_the_request() {
    all_are(
        FaultKind::Refused,
        &[
            ("geth", -39001, "finalized block not found"),
            ("geth", -32000, "nonce too low: next nonce 5, tx nonce 4"),
            ("geth", -32000, "already known"),
            ("geth", -32000, "replacement transaction underpriced"),
            ("geth", -32000, "insufficient funds for gas * price + value: balance 0, tx cost 5"),
            ("geth", -32000, "intrinsic gas too low: gas 1, minimum needed 21000"),
            ("geth", -32000, "exceeds block gas limit"),
            ("geth", -32602, "invalid argument 0: hex string without 0x prefix"),
            ("reth", -32003, "transaction underpriced"),
            ("Nethermind", -32010, "ReplacementNotAllowed"),
            ("Nethermind", -32010, "FeeTooLowToCompete"),
            ("Nethermind", -32010, "AlreadyKnown"),
            ("Nethermind", -32010, "GasLimitExceeded"),
            ("Besu", -32004, "Upfront cost exceeds account balance"),
            ("Besu", -32007, "Sender account not authorized to send transactions"),
            ("Besu", -32001, "Nonce too low"),
            ("Hardhat", -32603, "nonce too low"),
            ("Erigon", -32603, "INTERNAL_ERROR: existing tx with same hash"),
            ("anvil", -32003, "Insufficient funds for gas * price + value"),
        ],
    );
}

#[test]
fn what_a_contract_gave_back_is_found_wherever_it_is_put() {
    let data = "0x08c379a0";
    for (client, code, message, at) in [
        ("geth", 3, "execution reverted: no", json!(data)),
        ("Nethermind", -32015, "VM execution error.", json!("Reverted 0x08c379a0")),
        ("Besu", -32000, "Execution reverted", json!(data)),
        ("Hardhat", -32603, "reverted with a custom error", json!({ "message": "no", "data": data })),
        ("gateway", -32000, "execution reverted", json!({ "originalError": { "code": 3, "data": data } })),
    ] {
        let fault = fault_of(&RpcError { code, message: message.to_owned(), data: at });
        assert_eq!(fault.kind, FaultKind::Reverted, "{client}");
        assert_eq!(fault.revert, Some(data.parse().unwrap()), "{client}");
    }
    // Data beside another error is not what a contract said.
    let fault = fault_of(&RpcError { code: -32_000, message: "nonce too low".into(), data: json!(data) });
    assert_eq!((fault.kind, fault.revert), (FaultKind::Refused, None));
}

#[test]
fn waits_are_read_and_bounded() {
    let wait = |message: &str, data: Value| {
        fault_of(&RpcError { code: -32_005, message: message.into(), data }).retry_after
    };
    assert_eq!(wait("limit", json!({ "rate": { "backoff_seconds": 30 } })), Some(Duration::from_secs(30)));
    assert_eq!(wait("limit", json!({ "rate": { "backoff_seconds": 1e300 } })), Some(LONGEST_WAIT));
    assert_eq!(wait("limit", json!({ "rate": { "backoff_seconds": -1 } })), None);
    for (said, millis) in [
        ("try again in 4ms", 4),
        ("Too many, Try again in 2s", 2_000),
        ("retry in 1 min", 60_000),
        ("retry after 10 seconds", 10_000),
        ("try again in 99999999999999999s", 300_000),
    ] {
        assert_eq!(wait(said, Value::Null), Some(Duration::from_millis(millis)), "{said}");
    }
    for nothing in ["try again in", "try again in a while", "try again in 99999999999999999999999999 s", "no"]
    {
        assert_eq!(wait(nothing, Value::Null), None, "{nothing}");
    }
    assert_eq!(retry_after("20"), Some(Duration::from_secs(20)));
    assert_eq!(retry_after(" 0.5 "), Some(Duration::from_millis(500)));
    assert_eq!(retry_after("1e99"), Some(LONGEST_WAIT));
    assert_eq!(retry_after("-1"), None);
    assert_eq!(retry_after("soon"), None);
    assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
    let later = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(100));
    let wait = retry_after(&later).unwrap();
    assert!(wait > Duration::from_secs(95) && wait <= Duration::from_secs(100), "{wait:?}");
}

#[test]
fn messages_are_shown_in_one_line_of_bounded_length() {
    let fault =
        fault_of(&RpcError {
            code: 1, message: format!("a\n\tb {}", "ä".repeat(10_000)), data: Value::Null
        });
    assert!(fault.said.starts_with("a b ä") && fault.said.chars().count() < 350, "{}", fault.said);
}

proptest::proptest! {
    #[test]
    fn any_error_is_classified(code in proptest::prelude::any::<i64>(), message in ".*", data in ".*") {
        let data = serde_json::from_str(&data).unwrap_or(Value::String(data));
        fault_of(&RpcError { code, message, data });
    }
}
