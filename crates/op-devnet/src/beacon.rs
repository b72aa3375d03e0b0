//! The part of a beacon node's API that blobs are found by: one slot is a second, and begins with the chain's first L1 block.
//! The blobs are those that the batcher posted.

use crate::driver::Shared;
use alloy_primitives::Bytes;
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Answers until told to stop.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let routes = Router::new()
        .route("/eth/v1/beacon/genesis", get(genesis))
        .route("/eth/v1/config/spec", get(spec))
        .route("/eth/v1/beacon/blobs/{slot}", get(blobs))
        .route("/eth/v1/beacon/blob_sidecars/{slot}", get(sidecars))
        .with_state(shared);
    let served = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        done = served => {
            if let Err(error) = done {
                tracing::error!(%error, "the beacon API is answered no more");
            }
        }
        // Connections that clients keep open do not hold it up.
        () = stop.cancelled() => {}
    }
}

fn answered(status: StatusCode, answer: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

async fn genesis(State(shared): State<Arc<Shared>>) -> Response {
    let time = shared.l1().first().timestamp.to_string();
    let zero = alloy_primitives::B256::ZERO;
    let data = json!({
        "genesis_time": time, "genesis_validators_root": zero, "genesis_fork_version": "0x00000000"
    });
    answered(StatusCode::OK, &json!({ "data": data }))
}

async fn spec(State(shared): State<Arc<Shared>>) -> Response {
    let chain = shared.chain().config.l1_chain_id.to_string();
    let data = json!({ "SECONDS_PER_SLOT": "1", "SLOTS_PER_EPOCH": "32", "DEPOSIT_CHAIN_ID": chain });
    answered(StatusCode::OK, &json!({ "data": data }))
}

/// The blobs of a slot, in the order of its block; none where it has no block.
fn of_slot(shared: &Shared, slot: &str) -> Option<Vec<Bytes>> {
    let l1 = shared.l1();
    let timestamp = l1.first().timestamp.checked_add(slot.parse().ok()?)?;
    let block = l1.at_time(timestamp)?;
    let inbox = shared.inbox();
    Some(block.transactions.iter().flat_map(|hash| inbox.blobs(hash)).cloned().collect())
}

fn missing() -> Response {
    answered(StatusCode::NOT_FOUND, &json!({ "code": 404, "message": "no block is in this slot" }))
}

async fn blobs(State(shared): State<Arc<Shared>>, Path(slot): Path<String>) -> Response {
    match of_slot(&shared, &slot) {
        Some(blobs) => {
            let answer = json!({ "execution_optimistic": false, "finalized": false, "data": blobs });
            answered(StatusCode::OK, &answer)
        }
        None => missing(),
    }
}

async fn sidecars(State(shared): State<Arc<Shared>>, Path(slot): Path<String>) -> Response {
    let Some(blobs) = of_slot(&shared, &slot) else { return missing() };
    let shown = blobs.iter().enumerate().map(|(at, blob)| json!({ "index": at.to_string(), "blob": blob }));
    answered(StatusCode::OK, &json!({ "data": shown.collect::<Value>() }))
}
