//! JSON-RPC of L2: the execution node's methods and those of the rollup's node.

mod blocks;
mod call;
mod rollup;
mod shown;
mod state;

use crate::driver::Shared;
use alloy_primitives::U64;
use proofmill_devnode::jsonrpc::{Failure, Methods, Params};
use serde_json::{Value, json};
use std::sync::Arc;

const VERSION: &str = concat!("proofmill-op-devnet/v", env!("CARGO_PKG_VERSION"));

type Answer = Result<Value, Failure>;

/// All methods.
pub(crate) fn methods(shared: Arc<Shared>) -> Arc<Methods> {
    Arc::new(move |method, params| {
        for methods in [own, blocks::call, state::call, call::call, rollup::call] {
            if let Some(answer) = methods(&shared, method, params) {
                return answer;
            }
        }
        Err(Failure::no_method(method))
    })
}

fn own(shared: &Shared, method: &str, params: &Params) -> Option<Answer> {
    Some(match method {
        "eth_chainId" => Ok(json!(U64::from(shared.chain().config.rules.chain_id))),
        "net_version" => Ok(json!(shared.chain().config.rules.chain_id.to_string())),
        "net_listening" => Ok(json!(true)),
        "net_peerCount" => Ok(json!("0x0")),
        "web3_clientVersion" => Ok(json!(VERSION)),
        "eth_syncing" => Ok(json!(false)),
        "eth_accounts" => Ok(json!([])),
        "debug_chainConfig" => Ok(shared.chain().config.chain_json()),
        "eth_sendRawTransaction" => send(shared, params),
        "txpool_status" => {
            Ok(json!({ "pending": U64::from(shared.chain().pool.len()), "queued": U64::ZERO }))
        }
        _ => return None,
    })
}

fn send(shared: &Shared, params: &Params) -> Answer {
    let raw = params.required(0)?;
    let sent = shared.chain_mut().send(raw);
    sent.map(|hash| json!(hash)).map_err(|refusal| Failure::server(refusal.to_string()))
}
