//! The rules of a chain from the files that its nodes start with.

use proofmill_stateless::{OpActivation, OpFork, OpRules, OpRulesError};
use serde_json::{Map, Value};

/// Times in `rollup.json` that change nothing in execution from Canyon on.
const OTHER_TIMES: [&str; 4] = ["regolith_time", "delta_time", "pectra_blob_schedule_time", "block_time"];
/// The other keys of `rollup.json`, as op-node and kona write it. What they say is read here or by the derivation, or is of no account
/// there: limits of before Granite, contracts that it does not read, and interop's window, which takes interop's time.
const OTHER_KEYS: [&str; 24] = [
    "alt_da",
    "base_fee_params",
    "batch_inbox_address",
    "blobs_data",
    "blobs_enabled_l1_timestamp",
    "canyon_base_fee_params",
    "chain_op_config",
    "channel_timeout",
    "da_challenge_address",
    "da_challenge_contract_address",
    "da_challenge_window",
    "da_resolve_window",
    "deposit_contract_address",
    "genesis",
    "granite_channel_timeout",
    "interop_message_expiry_window",
    "l1_chain_id",
    "l1_system_config_address",
    "l2_chain_id",
    "max_sequencer_drift",
    "plasma_config",
    "protocol_versions_address",
    "seq_window_size",
    "superchain_config_address",
];
/// Of a chain whose data are elsewhere, and `false` of all others.
const USE_PLASMA: &str = "use_plasma";
/// The same in `genesis.json`.
const OTHER_TIMES_OF_GENESIS: [&str; 3] = ["regolithTime", "deltaTime", "pectraBlobScheduleTime"];
/// Forks of Ethereum in `genesis.json`, and the forks of the OP Stack that they come with.
const ETHEREUM: [(&str, OpFork); 4] = [
    ("shanghaiTime", OpFork::Canyon),
    ("cancunTime", OpFork::Ecotone),
    ("pragueTime", OpFork::Isthmus),
    ("osakaTime", OpFork::Karst),
];

/// Takes the rules of a `rollup.json`, or of a node's answer to `optimism_rollupConfig`.
///
/// Errors with a fork or another key that is not known here, with forks out of order, and with what is missing. A key that is `null`
/// says nothing.
pub fn rules_from_rollup_config(json: &str) -> Result<OpRules, OpRulesError> {
    let file = File { name: "rollup configuration", object: object(json, "rollup configuration")? };
    let forks = file.forks(
        |fork| format!("{}_time", fork.name()),
        |key| key.ends_with("_time") && !OTHER_TIMES.contains(&key),
    )?;
    let is_known = |key: &str| key.ends_with("_time") || key == USE_PLASMA || OTHER_KEYS.contains(&key);
    if let Some((key, _)) = file.object.iter().find(|(key, value)| !value.is_null() && !is_known(key)) {
        return Err(OpRulesError::UnknownKey { key: key.clone() });
    }
    let (max_change_denominator, elasticity) = file.base_fee("chain_op_config")?;
    let rules = OpRules {
        chain_id: file.number("l2_chain_id")?,
        block_time: file.number("block_time")?,
        forks,
        max_change_denominator,
        elasticity,
    };
    rules.check()?;
    Ok(rules)
}

/// Takes the rules of a `genesis.json`, which does not say how long a block takes: `block_time` is in seconds.
///
/// Errors as [`rules_from_rollup_config`] does, and where a fork of Ethereum has another
/// time than the OP Stack's fork that brings it.
pub fn rules_from_genesis(json: &str, block_time: u64) -> Result<OpRules, OpRulesError> {
    let name = "genesis file";
    let mut genesis = object(json, name)?;
    let Some(Value::Object(config)) = genesis.remove("config") else {
        return Err(OpRulesError::Value { file: name, key: "config".into(), kind: "object" });
    };
    let file = File { name, object: config };
    let forks = file.forks(
        |fork| format!("{}Time", fork.name()),
        |key| {
            key.ends_with("Time")
                && !OTHER_TIMES_OF_GENESIS.contains(&key)
                && !ETHEREUM.iter().any(|(known, _)| *known == key)
        },
    )?;
    for (key, fork) in ETHEREUM {
        let with = format!("{}Time", fork.name());
        let said = |key: &str| file.object.get(key).unwrap_or(&Value::Null);
        if said(key) != said(&with) {
            let (got, expected) = (said(key).to_string(), said(&with).to_string());
            return Err(OpRulesError::ForkOfEthereum { key, got, with, expected });
        }
    }
    let (max_change_denominator, elasticity) = file.base_fee("optimism")?;
    let rules =
        OpRules { chain_id: file.number("chainId")?, block_time, forks, max_change_denominator, elasticity };
    rules.check()?;
    Ok(rules)
}

struct File {
    name: &'static str,
    object: Map<String, Value>,
}

impl File {
    fn number(&self, key: &str) -> Result<u64, OpRulesError> {
        number(self.name, &self.object, key, key)
    }

    /// The forks that are scheduled. `other` tells the keys of forks that are not known here; one that is `null` is
    /// no fork.
    fn forks(
        &self,
        key_of: impl Fn(OpFork) -> String,
        other: impl Fn(&str) -> bool,
    ) -> Result<Vec<OpActivation>, OpRulesError> {
        let keys = OpFork::ALL.map(|fork| (fork, key_of(fork)));
        for (key, value) in &self.object {
            if other(key) && !value.is_null() && !keys.iter().any(|(_, known)| known == key) {
                return Err(OpRulesError::UnknownFork { key: key.clone() });
            }
        }
        let scheduled =
            keys.into_iter().filter(|(_, key)| self.object.get(key).is_some_and(|value| !value.is_null()));
        scheduled.map(|(fork, key)| Ok(OpActivation { fork, timestamp: self.number(&key)? })).collect()
    }

    /// Canyon's denominator, and the elasticity.
    fn base_fee(&self, section: &str) -> Result<(u32, u32), OpRulesError> {
        let value = |key: &str| {
            let path = format!("{section}.{key}");
            let missing = OpRulesError::Value { file: self.name, key: path.clone(), kind: "32-bit number" };
            let Some(Value::Object(fees)) = self.object.get(section) else { return Err(missing) };
            u32::try_from(number(self.name, fees, key, &path)?).map_err(|_| missing)
        };
        Ok((value("eip1559DenominatorCanyon")?, value("eip1559Elasticity")?))
    }
}

fn number(
    file: &'static str,
    object: &Map<String, Value>,
    key: &str,
    path: &str,
) -> Result<u64, OpRulesError> {
    let wrong = || OpRulesError::Value { file, key: path.into(), kind: "number" };
    object.get(key).and_then(Value::as_u64).ok_or_else(wrong)
}

fn object(json: &str, file: &'static str) -> Result<Map<String, Value>, OpRulesError> {
    serde_json::from_str(json).map_err(|error| OpRulesError::Json { file, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{rules_from_genesis, rules_from_rollup_config};
    use proofmill_stateless::{OpFork, OpRulesError};
    use serde_json::{Value, json};

    fn rollup() -> Value {
        json!({
            "l2_chain_id": 901, "block_time": 2, "regolith_time": 0, "delta_time": 3, "canyon_time": 0,
            "ecotone_time": 10, "fjord_time": 10, "granite_time": 20, "holocene_time": 30,
            "isthmus_time": null, "interop_time": null,
            "pectra_blob_schedule_time": 7, "genesis": { "l2_time": 5 },
            "chain_op_config": { "eip1559Elasticity": 10, "eip1559Denominator": 50, "eip1559DenominatorCanyon": 400 }
        })
    }

    fn genesis() -> Value {
        json!({ "config": {
            "chainId": 901, "regolithTime": 0, "canyonTime": 0, "shanghaiTime": 0,
            "ecotoneTime": 10, "cancunTime": 10, "fjordTime": 10, "graniteTime": 20, "holoceneTime": 30,
            "optimism": { "eip1559Elasticity": 10, "eip1559Denominator": 50, "eip1559DenominatorCanyon": 400 }
        }, "alloc": {} })
    }

    #[test]
    fn both_files_say_the_same() {
        let rules = rules_from_rollup_config(&rollup().to_string()).unwrap();
        assert_eq!(rules, rules_from_genesis(&genesis().to_string(), 2).unwrap());
        assert_eq!((rules.chain_id, rules.max_change_denominator, rules.elasticity), (901, 400, 10));
        let forks = [(0, OpFork::Canyon), (9, OpFork::Canyon), (10, OpFork::Fjord), (1000, OpFork::Holocene)];
        for (time, fork) in forks {
            assert_eq!(rules.fork_at(time), Some(fork), "at {time}");
        }
    }

    #[test]
    fn what_nodes_write_is_known_and_null_says_nothing() {
        let mut json = rollup();
        for key in
            super::OTHER_KEYS.into_iter().filter(|key| !["chain_op_config", "l2_chain_id"].contains(key))
        {
            json[key] = 5.into();
        }
        (json[super::USE_PLASMA], json["evm_limits"], json["tropo_time"]) =
            (false.into(), Value::Null, Value::Null);
        assert_eq!(
            rules_from_rollup_config(&json.to_string()),
            rules_from_rollup_config(&rollup().to_string())
        );
    }

    #[test]
    fn what_is_not_known_or_missing_is_refused() {
        let rollup = |change: &dyn Fn(&mut Value)| {
            let mut json = rollup();
            change(&mut json);
            rules_from_rollup_config(&json.to_string()).unwrap_err()
        };
        for key in ["lagoon_time", "interop_time", "tropo_time"] {
            let error = rollup(&|json| json[key] = 99.into());
            assert_eq!(error, OpRulesError::UnknownFork { key: key.into() });
        }
        for key in ["evm_limits", "custom_gas_token", "Genesis"] {
            let error = rollup(&|json| json[key] = false.into());
            assert_eq!(error, OpRulesError::UnknownKey { key: key.into() });
            assert!(error.to_string().contains(key));
        }
        assert_eq!(rollup(&|json| json["canyon_time"] = Value::Null), OpRulesError::CanyonMissing);
        let order = |fork| OpRulesError::ForkOrder { fork };
        assert_eq!(rollup(&|json| json["granite_time"] = 5.into()), order(OpFork::Granite));
        assert_eq!(rollup(&|json| json["granite_time"] = Value::Null), order(OpFork::Holocene));
        assert_eq!(rollup(&|json| json["block_time"] = 0.into()), OpRulesError::BlockTime);
        for key in ["l2_chain_id", "block_time", "chain_op_config"] {
            let error = rollup(&|json| json[key] = "2".into());
            assert!(
                matches!(&error, OpRulesError::Value { key: named, .. } if named.starts_with(key)),
                "{error}"
            );
        }
        let error = rollup(&|json| json["chain_op_config"]["eip1559Elasticity"] = 0.into());
        assert_eq!(error, OpRulesError::BaseFeeParams);

        let genesis = |change: &dyn Fn(&mut Value)| {
            let mut json = genesis();
            change(&mut json["config"]);
            rules_from_genesis(&json.to_string(), 2).unwrap_err()
        };
        for key in ["lagoonTime", "interopTime", "amsterdamTime", "verkleTime"] {
            assert_eq!(genesis(&|json| json[key] = 0.into()), OpRulesError::UnknownFork { key: key.into() });
        }
        for (key, value) in
            [("cancunTime", json!(11)), ("pragueTime", json!(40)), ("shanghaiTime", Value::Null)]
        {
            let error = genesis(&|json| json[key] = value.clone());
            assert!(
                matches!(error, OpRulesError::ForkOfEthereum { key: named, .. } if named == key),
                "{error}"
            );
        }
        let error = rules_from_genesis("{", 2).unwrap_err();
        assert!(matches!(error, OpRulesError::Json { file: "genesis file", .. }), "{error}");
    }
}
