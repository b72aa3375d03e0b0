//! Times of forks.

use super::GenesisError;
use crate::json::{Object, whole};
use alloy_primitives::U256;
use serde_json::value::RawValue;

/// The forks of blob parameters only (EIP-7892) that genesis files can name.
pub(super) const BLOB_FORKS: [&str; 5] = ["bpo1", "bpo2", "bpo3", "bpo4", "bpo5"];

/// A block number or a time; none for never, which clients write as 2^64-1 or more.
pub(super) fn activation(raw: &RawValue) -> Result<Option<u64>, String> {
    let at = whole(raw)?;
    Ok((at < U256::from(u64::MAX)).then(|| at.saturating_to()))
}

/// When a member says that something begins; none where it is absent or never.
pub(super) fn begins(object: &Object<'_>, prefix: &str, key: &str) -> Result<Option<u64>, GenesisError> {
    match object.get(&key.to_ascii_lowercase()) {
        Some(raw) => activation(raw).map_err(GenesisError::value(format!("{prefix}{key}"))),
        None => Ok(None),
    }
}
