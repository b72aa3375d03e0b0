//! Sending, and what waits.

use super::{answer::Failure, params::Params};
use crate::{admit, node::Shared};
use alloy_primitives::{Bytes, U64};
use serde_json::{Value, json};

pub(super) fn call(shared: &Shared, method: &str, params: &Params) -> Option<Result<Value, Failure>> {
    Some(match method {
        "eth_sendRawTransaction" => send(shared, params),
        "txpool_status" => {
            let counts = shared.read().counts();
            let (pending, queued) = (U64::from(counts.pending), U64::from(counts.queued));
            Ok(json!({ "pending": pending, "queued": queued }))
        }
        _ => return None,
    })
}

fn send(shared: &Shared, params: &Params) -> Result<Value, Failure> {
    let raw: Bytes = params.required(0)?;
    let transaction = admit::read(&raw)?;
    Ok(json!(shared.write().send(transaction)?))
}
