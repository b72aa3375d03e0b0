//! What is read of a block.

use alloy_primitives::{B256, U64};
use serde::Deserialize;

/// What is read of a block's header. Chains and clients differ in the other members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Shown")]
pub struct Header {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before it.
    pub parent_hash: B256,
    /// The state root after it.
    pub state_root: B256,
    /// Its time, in Unix seconds.
    pub timestamp: u64,
    /// What a unit of gas cost, in wei; none before the London fork.
    pub base_fee_per_gas: Option<u64>,
}

/// As a node shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    number: U64,
    hash: B256,
    parent_hash: B256,
    state_root: B256,
    timestamp: U64,
    base_fee_per_gas: Option<U64>,
}

impl From<Shown> for Header {
    fn from(shown: Shown) -> Self {
        Self {
            number: shown.number.to(),
            hash: shown.hash,
            parent_hash: shown.parent_hash,
            state_root: shown.state_root,
            timestamp: shown.timestamp.to(),
            base_fee_per_gas: shown.base_fee_per_gas.map(|fee| fee.to()),
        }
    }
}
