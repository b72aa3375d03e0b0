//! The first checkpoint of a rollup on a real L1.

use alloy_primitives::Address;
use proofmill_chain::Rollup;
use proofmill_devnet::Devnet;
use proofmill_primitives::CheckpointNumber;
use proofmill_program::RangePublicValues;
use serde_json::Value;
use std::time::Duration;

/// What a proof of it must say. L2 makes blocks until it is there.
pub(crate) async fn statement(devnet: &Devnet, rollup: &Rollup) -> RangePublicValues {
    let l2 = proofmill_http::rpc_client(devnet.description().l2_rpc.clone());
    let checkpoint = loop {
        let _: Value = l2.request_noparams("evm_mine").await.unwrap();
        if let Some(checkpoint) = rollup.checkpoint(CheckpointNumber(1)).await.unwrap() {
            break checkpoint;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let config = rollup.config();
    RangePublicValues {
        chainId: config.chain_id,
        configHash: config.config_hash,
        rollup: rollup.address(),
        prover: Address::ZERO,
        firstBlock: checkpoint.blocks.first(),
        lastBlock: checkpoint.blocks.last(),
        parentHash: config.genesis.hash,
        lastHash: checkpoint.last_hash,
        preStateRoot: config.genesis.state_root,
        postStateRoot: checkpoint.state_root,
        lastTimestamp: checkpoint.last_timestamp,
    }
}
