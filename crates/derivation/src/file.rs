//! A chain's configuration from its own file.

use crate::config::RollupConfig;
use crate::error::DerivationError;
use alloc::{string::ToString, vec::Vec};
use alloy_primitives::Address;
use proofmill_optimism::rules_from_rollup_config;
use proofmill_stateless::BlobActivation;
use serde_json::Value;

/// Keys of chains whose data are not on L1 alone.
const FOREIGN: [&str; 4] = ["alt_da", "da_challenge_address", "plasma_config", "use_plasma"];

/// Takes op-node's `rollup.json`, or its answer to `optimism_rollupConfig`. `l1_blobs` are L1's blob parameters, in order of time: no
/// file of L2 has them.
///
/// # Errors
/// With what is missing, or not followed.
pub fn config_from_rollup_json(
    json: &str,
    mut l1_blobs: Vec<BlobActivation>,
) -> Result<RollupConfig, DerivationError> {
    let rules = rules_from_rollup_config(json).map_err(DerivationError::Rules)?;
    let wrong =
        |key: &str, reason: &str| DerivationError::ConfigFile { key: key.into(), reason: reason.into() };
    let file: Value = serde_json::from_str(json).map_err(|error| wrong("rollup.json", &error.to_string()))?;
    let zero = Address::ZERO.to_string();
    for key in FOREIGN {
        let said = &file[key];
        if !(said.is_null() || *said == Value::Bool(false) || said.as_str() == Some(&zero)) {
            return Err(wrong(key, "says that data of the chain are not on L1, which is not followed"));
        }
    }
    let number = |key: &str| {
        let said = file.pointer(&format!("/{}", key.replace('.', "/"))).and_then(Value::as_u64);
        said.ok_or_else(|| wrong(key, "is missing or no number"))
    };
    let address = |key: &str| {
        let said = file[key].as_str().and_then(|said| said.parse::<Address>().ok());
        said.ok_or_else(|| wrong(key, "is missing or no address"))
    };
    // Until that time blocks had Cancun's price (`protocol/pectra-blob-schedule/derivation.md`).
    if let Some(time) = file["pectra_blob_schedule_time"].as_u64()
        && let Some(prague) = l1_blobs.get_mut(1)
    {
        prague.timestamp = prague.timestamp.max(time);
    }
    let config = RollupConfig {
        rules,
        l1_chain_id: number("l1_chain_id")?,
        l1_blobs,
        l1_genesis: number("genesis.l1.number")?,
        l2_genesis_time: number("genesis.l2_time")?,
        seq_window_size: number("seq_window_size")?,
        batch_inbox: address("batch_inbox_address")?,
        deposit_contract: address("deposit_contract_address")?,
        system_config: address("l1_system_config_address")?,
    };
    config.check()?;
    Ok(config)
}
