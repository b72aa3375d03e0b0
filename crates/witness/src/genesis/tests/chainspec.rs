//! Chain specifications of Nethermind.

use super::{parse, rules};
use crate::genesis::GenesisError;
use alloy_primitives::B256;
use proofmill_stateless::Fork;
use serde_json::{Value, json};

/// A file of Nethermind's with the rules of [`geth`].
pub(crate) fn nethermind() -> Value {
    let mut params = json!({
        "chainID": "0x1092", "networkID": "0x1092", "gasLimitBoundDivisor": "0x400", "minGasLimit": "0x1388",
        "maximumExtraDataSize": "0x20", "maxCodeSize": "0x6000", "maxCodeSizeTransition": "0x0",
        "registrar": "0x0000000000000000000000000000000000000000", "eip150Transition": "0x0", "eip155Transition": "0x0",
        "eip161abcTransition": "0x0", "eip1283DisableTransition": "0x0", "eip1559Transition": "0x0",
        "eip3198Transition": "0x0", "eip3529Transition": "0x0", "eip3541Transition": "0x0",
        "MergeForkIdTransition": "0x0", "terminalTotalDifficulty": "0x0",
        "depositContractAddress": "0x4242424242424242424242424242424242424242",
        "eip4788ContractAddress": "0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02",
        "eip7934MaxRlpBlockSize": "0x800000", "eip7685TransitionTimestamp": "0x7d0",
        "blobSchedule": [
            { "name": "bpo1", "timestamp": "0xfa0", "target": 10, "max": 15, "baseFeeUpdateFraction": "0x7f5a51" },
            { "name": "cancun", "timestamp": "0x3e8", "target": 3, "max": 6, "baseFeeUpdateFraction": "0x32f0ed" },
            { "name": "prague", "timestamp": "0x7d0", "target": "0x6", "max": "0x9", "baseFeeUpdateFraction": "0x4c6964" },
            { "timestamp": "0xbb8", "target": 6, "max": 9, "baseFeeUpdateFraction": "0x4c6964" },
        ],
    });
    for (time, eips) in [
        ("0x0", [3651, 3855, 3860, 4895].as_slice()),
        ("0x3e8", &[1153, 4788, 4844, 5656, 6780]),
        ("0x7d0", &[2537, 2935, 6110, 7002, 7251, 7623, 7702]),
        ("0xbb8", &[7594, 7823, 7825, 7883, 7918, 7934, 7939, 7951]),
    ] {
        for eip in eips {
            params[format!("eip{eip}TransitionTimestamp")] = json!(time);
        }
    }
    json!({
        "version": "1", "name": "a rollup", "dataDir": "rollup",
        "engine": { "Ethash": { "params": { "minimumDifficulty": "0x20000", "blockReward": { "0x0": "0x0" } } } },
        "params": params,
        "genesis": { "seal": { "ethereum": { "nonce": "0x0", "mixHash": B256::ZERO } }, "difficulty": "0x1",
            "timestamp": "0x10", "gasLimit": "0x1c9c380", "baseFeePerGas": "0x3b9aca00" },
        "accounts": {
            "0x0000000000000000000000000000000000000001": { "balance": "0x1", "builtin": { "name": "ecrecover" } },
            "0x00000000000000000000000000000000000000aa": { "balance": "0x1" },
        },
        "nodes": [],
    })
}

#[test]
fn a_chain_specification_of_nethermind_is_read() {
    let file = parse(&nethermind()).unwrap();
    assert_eq!(file.chain, rules(json!({})));
    assert_eq!(file.timestamp, 16);
    // The newer form: one time for a fork.
    let mut labels = nethermind();
    let params = labels["params"].as_object_mut().unwrap();
    params.retain(|name, _| !name.ends_with("TransitionTimestamp"));
    params.insert("Shanghai".to_owned(), json!("0x0"));
    params.insert("Cancun".to_owned(), json!("0x3e8"));
    params.insert("pragueTransitionTimestamp".to_owned(), json!("0x7d0"));
    params.insert("osaka".to_owned(), json!(3000));
    params.insert("amsterdam".to_owned(), json!("0xffffffffffffffff"));
    assert_eq!(parse(&labels).unwrap().chain, file.chain);
    // A chain that begins with Prague, as Nethermind's own one for development.
    let mut new = nethermind();
    let params = new["params"].as_object_mut().unwrap();
    params.retain(|name, _| name != "blobSchedule" && !name.ends_with("TransitionTimestamp"));
    params.insert("prague".to_owned(), json!("0x0"));
    params.insert("cancun".to_owned(), json!("0x0"));
    params.insert("shanghai".to_owned(), json!("0x0"));
    params.insert("eip2315Transition".to_owned(), json!("0x0"));
    params.insert("eip2537Transition".to_owned(), json!("0x0"));
    new["engine"] = json!({ "NethDev": { "params": {} } });
    new["accounts"] = json!({
        "0000000000000000000000000000000000000001": { "balance": "1", "nonce": "0", "builtin": { "name": "ecrecover" } },
        "00000961ef480eb55e80d19ad83579a64c007002": { "balance": "0", "nonce": "1", "code": "0x00" },
        "0000bbddc7ce488642fb579f8b00f3a590007251": { "balance": "0", "nonce": "1", "code": "0x00" },
    });
    assert_eq!(parse(&new).unwrap().chain.fork_at(0), Some(Fork::Prague));
    // The older form of blob parameters.
    let mut older = nethermind();
    let params = older["params"].as_object_mut().unwrap();
    params.remove("blobSchedule");
    params.insert("eip4844MaxBlobGasPerBlock".to_owned(), json!("0x40000"));
    params.insert("eip4844TargetBlobGasPerBlock".to_owned(), json!("0x20000"));
    params.insert("eip4844BlobGasPriceUpdateFraction".to_owned(), json!("0x10fafa"));
    let cancun = parse(&older).unwrap().chain.blobs_at(1000).unwrap();
    assert_eq!((cancun.target_blob_count, cancun.max_blob_count, cancun.update_fraction), (1, 2, 1_112_826));
}

#[test]
fn a_chain_specification_that_cannot_be_followed_is_refused() {
    let changed = |path: [&str; 2], value: Value| {
        let mut file = nethermind();
        file[path[0]][path[1]] = value;
        parse(&file).unwrap_err()
    };
    for (path, value, key) in [
        (["engine", "AuRa"], json!({}), "engine.AuRa"),
        (["engine", "Optimism"], json!({}), "engine.Optimism"),
        (["engine", "Taiko"], json!({}), "engine.Taiko"),
        (
            ["params", "feeCollector"],
            json!("0x00000000000000000000000000000000000000aa"),
            "params.feeCollector",
        ),
        (["params", "eip1559ElasticityMultiplier"], json!("0x6"), "params.eip1559ElasticityMultiplier"),
        (["params", "maxCodeSize"], json!("0xc000"), "params.maxCodeSize"),
        (["params", "eip1559BaseFeeMinValue"], json!("0x1"), "params.eip1559BaseFeeMinValue"),
        (
            ["params", "eip7002ContractAddress"],
            json!("0x00000000000000000000000000000000000000aa"),
            "params.eip7002ContractAddress",
        ),
        (
            ["accounts", "0x0000000000000000000000000000000000000200"],
            json!({ "builtin": { "name": "own" } }),
            "accounts.0x0000000000000000000000000000000000000200",
        ),
    ] {
        let error = changed(path, value);
        assert!(matches!(&error, GenesisError::Rules { key: found, .. } if found == key), "{key}: {error}");
    }
    for (name, at) in [
        ("eip7692TransitionTimestamp", "0x5"),
        ("rip7212TransitionTimestamp", "0x5"),
        ("opGraniteTransitionTimestamp", "0x5"),
        ("Amsterdam", "0x5"),
        ("eip9999Transition", "0x5"),
    ] {
        let error = changed(["params", name], json!(at));
        assert!(matches!(error, GenesisError::UnknownFork { at: 5, .. }), "{name}: {error}");
    }
    let error = changed(["params", "eip7702TransitionTimestamp"], json!("0x1"));
    assert!(matches!(error, GenesisError::PartialFork { fork: "Prague", .. }), "{error}");
    let error = changed(["params", "eip7951TransitionTimestamp"], Value::Null);
    assert!(error.to_string().contains("EIP 7951 never"), "{error}");
}
