//! A node of OP Sepolia that has these blocks and no others.

use crate::{CHAIN_ID, Fixture};
use alloy_consensus::Header;
use alloy_eips::Decodable2718;
use alloy_primitives::keccak256;
use op_alloy_consensus::OpTxEnvelope;
use proofmill_proxy::{Action, Proxy, Request};
use proofmill_stateless::Block;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use url::Url;

/// Serves blocks over JSON-RPC, as a node of their chain would: headers, bodies and `debug_executionWitness`. `change` may answer
/// in its place.
pub async fn serve(
    fixtures: &[Fixture],
    mut change: impl FnMut(&Request<'_>) -> Option<Action> + Send + 'static,
) -> Proxy {
    let mut blocks = BTreeMap::new();
    let mut witnesses = BTreeMap::new();
    for fixture in fixtures {
        let parent = &fixture.parent_header;
        blocks.entry(parent.number).or_insert_with(|| shown(parent, Value::Array(Vec::new())));
        let block = fixture.block().unwrap();
        witnesses.insert(block.header.number, witness(fixture));
        blocks.insert(block.header.number, full(&block));
    }
    node(CHAIN_ID, blocks, move |request| {
        change(request).or_else(|| {
            if request.method != "debug_executionWitness" {
                return None;
            }
            let witness = number(request.params.get(0)?).and_then(|at| witnesses.get(&at));
            Some(Action::Answer(witness.cloned().unwrap_or(Value::Null)))
        })
    })
    .await
}

fn number(param: &Value) -> Option<u64> {
    u64::from_str_radix(param.as_str()?.trim_start_matches("0x"), 16).ok()
}

/// A node with these blocks. `answer` comes first.
pub(crate) async fn node(
    chain_id: u64,
    blocks: impl IntoIterator<Item = (u64, Value)>,
    mut answer: impl FnMut(&Request<'_>) -> Option<Action> + Send + 'static,
) -> Proxy {
    let blocks: BTreeMap<u64, Value> = blocks.into_iter().collect();
    let newest = *blocks.keys().last().unwrap();
    // Nothing is forwarded.
    let nowhere: Url = "http://127.0.0.1:1".parse().unwrap();
    Proxy::new(&nowhere, move |request| {
        if let Some(action) = answer(&request) {
            return action;
        }
        match request.method {
            "eth_chainId" => Action::Answer(json!(format!("{chain_id:#x}"))),
            "eth_blockNumber" => Action::Answer(json!(format!("{newest:#x}"))),
            "eth_getBlockByNumber" => {
                let param = request.params.get(0).unwrap_or(&Value::Null);
                let at = match param.as_str() {
                    Some("latest" | "safe" | "finalized") => Some(newest),
                    _ => number(param),
                };
                let block = at.and_then(|at| blocks.get(&at)).cloned();
                Action::Answer(block.map_or(Value::Null, |mut block| {
                    if request.params[1] == json!(false) {
                        let hashes = block["transactions"].as_array().into_iter().flatten();
                        block["transactions"] = hashes.map(|one| one["hash"].clone()).collect();
                    }
                    block
                }))
            }
            "eth_getBlockByHash" => {
                let hash = request.params.get(0).cloned().unwrap_or(Value::Null);
                Action::Answer(
                    blocks.values().find(|block| block["hash"] == hash).cloned().unwrap_or(Value::Null),
                )
            }
            _ => Action::refuse(-32601, "the method does not exist"),
        }
    })
    .await
}

fn shown(header: &Header, transactions: Value) -> Value {
    let mut block = serde_json::to_value(header).unwrap();
    block["hash"] = json!(header.hash_slow());
    block["transactions"] = transactions;
    block["withdrawals"] = json!([]);
    block["uncles"] = json!([]);
    block
}

pub(crate) fn full(block: &Block) -> Value {
    let transactions = block.transactions.iter().map(|raw| {
        let mut shown = serde_json::to_value(OpTxEnvelope::decode_2718_exact(raw).unwrap()).unwrap();
        shown["hash"] = json!(keccak256(raw));
        shown
    });
    shown(&block.header, transactions.collect())
}

fn witness(fixture: &Fixture) -> Value {
    let witness = fixture.witness();
    json!({ "state": witness.state, "codes": witness.codes, "keys": [], "headers": [] })
}
