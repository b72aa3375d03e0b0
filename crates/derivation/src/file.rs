//! A chain's configuration from its own file.

use crate::channel::CHANNEL_TIMEOUT;
use crate::config::RollupConfig;
use crate::error::DerivationError;
use alloc::{string::ToString, vec::Vec};
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::Address;
use proofmill_optimism::rules_from_rollup_config;
use proofmill_stateless::BlobActivation;
use serde_json::Value;

/// Keys of chains whose data are not on L1 alone.
const FOREIGN: [&str; 5] =
    ["alt_da", "da_challenge_address", "da_challenge_contract_address", "plasma_config", "use_plasma"];

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
    let timeout = &file["granite_channel_timeout"];
    if !timeout.is_null() && timeout.as_u64() != Some(CHANNEL_TIMEOUT) {
        return Err(wrong("granite_channel_timeout", "is not the 50 L1 blocks of all chains"));
    }
    if let Some(time) = file["pectra_blob_schedule_time"].as_u64() {
        with_cancun_until(time, &mut l1_blobs);
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

/// Until that time blocks had Cancun's price, whatever fork L1 was at (`protocol/pectra-blob-schedule/derivation.md`).
fn with_cancun_until(time: u64, l1_blobs: &mut Vec<BlobActivation>) {
    let Some(start) = l1_blobs.first().map(|first| first.timestamp) else { return };
    let before = l1_blobs.iter().take_while(|entry| entry.timestamp < time);
    // The newest that began before then.
    let Some(held) = before.last().map(|entry| entry.params) else { return };
    if held == BlobParams::cancun() {
        return;
    }
    l1_blobs.retain(|entry| entry.timestamp >= time);
    if l1_blobs.first().is_none_or(|entry| entry.timestamp > time) {
        l1_blobs.insert(0, BlobActivation { timestamp: time, params: held });
    }
    l1_blobs.insert(0, BlobActivation { timestamp: start, params: BlobParams::cancun() });
}

#[cfg(test)]
mod tests {
    use super::with_cancun_until;
    use alloc::{vec, vec::Vec};
    use alloy_eips::eip7840::BlobParams;
    use proofmill_stateless::BlobActivation;

    #[test]
    fn blocks_have_cancuns_price_until_the_time_of_the_schedule() {
        let (cancun, prague, osaka) = (BlobParams::cancun(), BlobParams::prague(), BlobParams::osaka());
        let list = |entries: &[(u64, BlobParams)]| -> Vec<BlobActivation> {
            entries.iter().map(|&(timestamp, params)| BlobActivation { timestamp, params }).collect()
        };
        let cases = [
            // Sepolia's: some time after Prague, or before it.
            (
                30,
                vec![(10, cancun), (20, prague), (40, osaka)],
                vec![(10, cancun), (30, prague), (40, osaka)],
            ),
            (15, vec![(10, cancun), (20, prague)], vec![(10, cancun), (20, prague)]),
            (20, vec![(10, cancun), (20, prague)], vec![(10, cancun), (20, prague)]),
            // L1 began with Prague, or with a later fork, or had more of them meanwhile.
            (30, vec![(0, prague), (40, osaka)], vec![(0, cancun), (30, prague), (40, osaka)]),
            (30, vec![(0, osaka)], vec![(0, cancun), (30, osaka)]),
            (30, vec![(0, prague), (30, osaka)], vec![(0, cancun), (30, osaka)]),
            (30, vec![(0, cancun), (10, prague), (20, osaka)], vec![(0, cancun), (30, osaka)]),
            (0, vec![(0, prague)], vec![(0, prague)]),
            (5, vec![(10, prague)], vec![(10, prague)]),
        ];
        for (time, before, after) in cases {
            let mut blobs = list(&before);
            with_cancun_until(time, &mut blobs);
            assert_eq!(blobs, list(&after), "until {time}");
        }
    }
}
