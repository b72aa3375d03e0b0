//! What a chain is derived by, as op-node's `rollup.json` says it.

use crate::{OpFork, system::SystemConfig};
use alloy_consensus::{Header, Sealed};
use alloy_primitives::{Address, B64, B256, U256};
use proofmill_stateless::OpRules;
use serde_json::{Value, json};

/// How long a batch of a block may take to L1 (`protocol/derivation.md`), in L1 blocks.
pub(crate) const SEQUENCING_WINDOW: u64 = 3_600;
/// How far a block may be ahead of its L1 block and have users' transactions, in seconds (`protocol/fjord/derivation.md`).
pub(crate) const MAX_DRIFT: u64 = 1_800;
/// From Granite on, in L1 blocks (`protocol/granite/derivation.md`).
const CHANNEL_TIMEOUT: u64 = 50;

/// What a chain is derived by.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) rules: OpRules,
    pub(crate) fork: OpFork,
    pub(crate) l1_chain_id: u64,
    /// Number and hash of the L1 block with which the chain begins.
    pub(crate) l1_genesis: (u64, B256),
    /// With its hash.
    pub(crate) genesis: Sealed<Header>,
    /// As of the beginning.
    pub(crate) system: SystemConfig,
    pub(crate) inbox: Address,
    pub(crate) portal: Address,
    pub(crate) system_config: Address,
}

/// Where batches go: a place without code, named by the chain's id as is usual.
pub(crate) fn inbox(chain_id: u64) -> Address {
    let mut inbox = [0; 20];
    inbox[0] = 0xff;
    // The digits of the id, as they are read.
    let mut rest = chain_id;
    for byte in inbox.iter_mut().skip(1).rev() {
        *byte = (((rest / 10 % 10) << 4) | (rest % 10)) as u8;
        rest /= 100;
    }
    inbox.into()
}

impl Config {
    /// op-node's `rollup.json`.
    pub(crate) fn rollup_json(&self) -> Value {
        let system = &self.system;
        let scalar = U256::from(1) << 248
            | U256::from(system.blob_base_fee_scalar) << 32
            | U256::from(system.base_fee_scalar);
        let params =
            B64::from((u64::from(system.denominator) << 32 | u64::from(system.elasticity)).to_be_bytes());
        let operator =
            U256::from(system.operator_fee_scalar) << 64 | U256::from(system.operator_fee_constant);
        let mut config = json!({
            "genesis": {
                "l1": { "hash": self.l1_genesis.1, "number": self.l1_genesis.0 },
                "l2": { "hash": self.genesis.hash(), "number": 0 },
                "l2_time": self.genesis.timestamp,
                "system_config": {
                    "batcherAddr": system.batcher,
                    "overhead": B256::ZERO,
                    "scalar": B256::from(scalar),
                    "gasLimit": system.gas_limit,
                    "eip1559Params": params,
                    "operatorFeeParams": B256::from(operator),
                    "minBaseFee": system.min_base_fee,
                    "daFootprintGasScalar": system.da_footprint_gas_scalar,
                },
            },
            "block_time": self.rules.block_time,
            "max_sequencer_drift": MAX_DRIFT,
            "seq_window_size": SEQUENCING_WINDOW,
            "channel_timeout": CHANNEL_TIMEOUT,
            "l1_chain_id": self.l1_chain_id,
            "l2_chain_id": self.rules.chain_id,
            "regolith_time": 0,
            "delta_time": 0,
            "batch_inbox_address": self.inbox,
            "deposit_contract_address": self.portal,
            "l1_system_config_address": self.system_config,
            "protocol_versions_address": Address::ZERO,
            "chain_op_config": {
                "eip1559Elasticity": self.rules.elasticity,
                "eip1559Denominator": self.rules.max_change_denominator,
                "eip1559DenominatorCanyon": self.rules.max_change_denominator,
            },
        });
        for activation in &self.rules.forks {
            config[format!("{}_time", activation.fork.name())] = json!(activation.timestamp);
        }
        config
    }

    /// What the execution node is started with.
    pub(crate) fn chain_json(&self) -> Value {
        let mut config = json!({
            "chainId": self.rules.chain_id,
            "terminalTotalDifficulty": 0,
            "terminalTotalDifficultyPassed": true,
            "bedrockBlock": 0,
            "regolithTime": 0,
            "shanghaiTime": 0,
            "cancunTime": 0,
            "pragueTime": 0,
            "optimism": {
                "eip1559Elasticity": self.rules.elasticity,
                "eip1559Denominator": self.rules.max_change_denominator,
                "eip1559DenominatorCanyon": self.rules.max_change_denominator,
            },
        });
        for block in [
            "homestead",
            "eip150",
            "eip155",
            "eip158",
            "byzantium",
            "constantinople",
            "petersburg",
            "istanbul",
            "muirGlacier",
            "berlin",
            "london",
            "arrowGlacier",
            "grayGlacier",
            "mergeNetsplit",
        ] {
            config[format!("{block}Block")] = json!(0);
        }
        for activation in &self.rules.forks {
            config[format!("{}Time", activation.fork.name())] = json!(activation.timestamp);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;

    #[test]
    fn the_inbox_shows_the_chains_id() {
        assert_eq!(inbox(901), address!("0xff00000000000000000000000000000000000901"));
        assert_eq!(inbox(11_155_420), address!("0xff00000000000000000000000000000011155420"));
    }
}
