//! Makes L2 blocks while there are transactions: an idle rollup has nothing to prove.

use alloy_primitives::U64;
use alloy_rpc_client::RpcClient;
use alloy_transport::TransportError;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use url::Url;

#[derive(Debug, Deserialize)]
struct Pool {
    pending: U64,
}

/// Runs until told to stop. A node that does not answer is asked again.
pub(crate) async fn run(l2: Url, block_time: Duration, stop: CancellationToken) {
    let client = proofmill_http::rpc_client(l2);
    let mut beat = time::interval(block_time);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = make_block(&client).await {
            tracing::warn!(%error, "the L2 node makes no block; trying again");
        }
    }
}

async fn make_block(client: &RpcClient) -> Result<(), TransportError> {
    let pool: Pool = client.request_noparams("txpool_status").await?;
    if !pool.pending.is_zero() {
        let _: serde_json::Value = client.request_noparams("evm_mine").await?;
    }
    Ok(())
}
