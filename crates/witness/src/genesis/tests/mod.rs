//! Genesis files as clients write them.
#![allow(clippy::unwrap_used, clippy::panic)]

pub(crate) mod chainspec;

use super::{GenesisError, GenesisFile, read};
use alloy_genesis::Genesis;
use alloy_primitives::{B256, b256};
use proofmill_stateless::{ChainSpec, ChainSpecError, Fork};
use serde_json::{Value, json};

/// A file of geth's.
pub(crate) fn geth() -> Value {
    json!({
        "config": {
            "chainId": 4242, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
            "londonBlock": 0, "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0,
            "terminalTotalDifficultyPassed": true, "shanghaiTime": 0, "cancunTime": 1000, "pragueTime": 2000,
            "osakaTime": 3000, "bpo1Time": 4000,
            "blobSchedule": {
                "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3338477 },
                "prague": { "target": 6, "max": 9, "baseFeeUpdateFraction": 5007716 },
                "osaka": { "target": 6, "max": 9, "baseFeeUpdateFraction": 5007716 },
                "bpo1": { "target": 10, "max": 15, "baseFeeUpdateFraction": 8346193 },
            },
            "depositContractAddress": "0x4242424242424242424242424242424242424242",
        },
        "nonce": "0x0", "timestamp": "0x10", "extraData": "0x", "gasLimit": "0x1c9c380", "difficulty": "0x0",
        "mixHash": B256::ZERO, "coinbase": "0x0000000000000000000000000000000000000000",
        "alloc": { "0x00000000000000000000000000000000000000aa": { "balance": "0x1" } },
    })
}

fn parse(file: &Value) -> Result<GenesisFile, GenesisError> {
    read(file.to_string().as_bytes())
}

/// A file of geth's with other members in its `config`.
fn with(members: Value) -> Result<GenesisFile, GenesisError> {
    let mut file = geth();
    for (name, value) in members.as_object().unwrap() {
        file["config"][name] = value.clone();
    }
    parse(&file)
}

fn rules(members: Value) -> ChainSpec {
    with(members.clone()).unwrap_or_else(|error| panic!("{members}: {error}")).chain
}

/// What was deployed with a file is still what the file says: its hash is on L1.
#[test]
fn hashes_of_rules_stay_what_they_were() {
    let minimal = json!({
        "config": { "chainId": 901, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "londonBlock": 0,
            "proofmill": { "requestContracts": "optional", "maxGasLimit": 60_000_000 } },
        "alloc": {}, "difficulty": "0x0", "gasLimit": "0x1c9c380", "extraData": "0x", "nonce": "0x0", "timestamp": "0x0",
    });
    let shanghai = json!({ "config": { "chainId": 5, "shanghaiTime": 7 }, "alloc": {} });
    for file in [geth(), minimal, shanghai] {
        let before: Genesis = serde_json::from_value(file.clone()).unwrap();
        let before = ChainSpec::from_genesis(&before.config).unwrap();
        assert_eq!(parse(&file).unwrap().chain, before);
    }
    assert_eq!(
        parse(&geth()).unwrap().chain.hash(),
        b256!("2528cfd7cbfe5432c2859c0f797d1fc9ebef80c335578171ce7d3238ae8b61a1")
    );
}

#[test]
fn the_same_rules_in_other_forms_are_the_same() {
    let plain = rules(json!({}));
    for members in [
        json!({ "chainId": "4242" }),
        json!({ "chainId": "0x1092" }),
        json!({ "chainId": null, "chainID": 4242 }),
        json!({ "cancunTime": "0x3e8", "pragueTime": "2000" }),
        json!({ "cancunTime": null, "canceltime": null, "CANCUNTIME": 1000 }),
        json!({ "depositContractAddress": "4242424242424242424242424242424242424242" }),
        json!({ "terminalTotalDifficulty": "58750000000000000000000" }),
        json!({ "terminalTotalDifficulty": "0xc70d808a128d7380000" }),
        json!({ "terminalTotalDifficulty": 5.875e22 }),
        json!({ "terminalTotalDifficulty": null, "terminalTotalDifficultyPassed": null }),
        json!({ "ethash": {}, "eip150Hash": B256::ZERO, "daoForkSupport": true, "daoForkBlock": null }),
        json!({ "discovery": { "bootnodes": [] }, "checkpoint": { "number": 5 }, "somethingNew": [1, { "a": 2 }] }),
        json!({ "amsterdamTime": null, "verkleTime": u64::MAX, "bogotaTime": "0xffffffffffffffff" }),
        json!({ "clique": { "period": 0, "epoch": 30000 } }),
        json!({ "optimism": null, "isQuorum": false, "zeroBaseFee": false, "contractSizeLimit": 24576, "evmStackSize": 1024 }),
        json!({ "ecCurve": "secp256k1", "transitions": { "qbft": [] } }),
        json!({ "blobSchedule": {
            "cancun": { "target": "0x3", "max": "0x6", "baseFeeUpdateFraction": "0x32f0ed" },
            "Prague": { "target": 6, "max": 9, "baseFeeUpdateFraction": "5007716" },
            "osaka": { "targetBlobCount": 6, "maxBlobCount": 9, "updateFraction": 5007716 },
            "bpo1": { "target": 10, "max": 15, "baseFeeUpdateFraction": 8346193 }, "amsterdam": null,
        } }),
        json!({ "bpo1Time": null, "blobSchedule": [
            { "name": "cancun", "timestamp": "0x3e8", "target": 3, "max": 6, "baseFeeUpdateFraction": "0x32f0ed" },
            { "timestamp": 2000, "target": 6, "max": 9, "baseFeeUpdateFraction": 5007716 },
            { "timestamp": 4000, "target": 10, "max": 15, "baseFeeUpdateFraction": 8346193 },
        ] }),
    ] {
        assert_eq!(rules(members.clone()), plain, "{members}");
    }
}

/// Files of Besu's name the last fork only, and the netsplit in their own way.
#[test]
fn a_fork_implies_those_before_it() {
    let implied =
        with(json!({ "shanghaiTime": null, "cancunTime": null, "preMergeForkBlock": 0 })).unwrap().chain;
    let said = rules(json!({ "shanghaiTime": 2000, "cancunTime": 2000 }));
    assert_eq!(implied, said);
    assert_eq!(rules(json!({ "pragueTime": null })), rules(json!({ "pragueTime": 3000 })));
}

/// Nethermind's newer files are of geth's form, but the times of blob forks are in the schedule.
#[test]
fn times_in_the_blob_schedule_are_read() {
    let entry = |fork: &str, time: Value| {
        let mut schedule = geth()["config"]["blobSchedule"].clone();
        schedule[fork]["timestamp"] = time;
        if schedule[fork].get("max").is_none() {
            schedule[fork] = json!({ "timestamp": schedule[fork]["timestamp"], "target": 14, "max": 21, "baseFeeUpdateFraction": 11684671 });
        }
        schedule
    };
    let plain = rules(json!({}));
    assert_eq!(rules(json!({ "bpo1Time": null, "blobSchedule": entry("bpo1", json!(4000)) })), plain);
    assert_eq!(rules(json!({ "blobSchedule": entry("bpo1", json!("0xfa0")) })), plain);
    assert_eq!(rules(json!({ "blobSchedule": entry("prague", json!(2000)) })), plain);
    assert_eq!(rules(json!({ "blobSchedule": entry("bpo2", json!(u64::MAX)) })), plain);
    let more = rules(json!({ "blobSchedule": entry("bpo2", json!(5000)) }));
    assert_eq!(more.blobs_at(5000).unwrap().max_blob_count, 21);
    for (fork, time) in [("bpo1", 4001), ("prague", 1999)] {
        let error = with(json!({ "blobSchedule": entry(fork, json!(time)) })).unwrap_err();
        assert!(matches!(&error, GenesisError::Value { key, .. } if key.ends_with(fork)), "{error}");
    }
    let error = with(json!({ "blobSchedule": entry("bpo6", json!(9000)) })).unwrap_err();
    assert!(matches!(error, GenesisError::UnknownFork { at: 9000, .. }), "{error}");
}

/// A number above 2^64 without quotes, which is how geth writes mainnet's, and what tools make of it.
#[test]
fn a_terminal_total_difficulty_of_any_size_is_read() {
    let text = geth().to_string();
    let plain = rules(json!({}));
    for number in [
        "58750000000000000000000",
        "115792089237316195423570985008687907853269984665640564039457584007913129638912",
        "5.875e+22",
        "\"1157920892373161954235709850086879078532699846656405640394575840079131296399360000\"",
    ] {
        let file =
            text.replace("\"terminalTotalDifficulty\":0", &format!("\"terminalTotalDifficulty\":{number}"));
        assert_ne!(file, text);
        assert_eq!(read(file.as_bytes()).unwrap().chain, plain, "{number}");
    }
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let file = [b"\xef\xbb\xbf".as_slice(), geth().to_string().as_bytes()].concat();
    assert_eq!(read(&file).unwrap().chain, rules(json!({})));
}

/// geth's 2^64-1, also as JavaScript rounds it.
#[test]
fn forks_that_never_come_are_not_scheduled() {
    for never in [
        "18446744073709551615",
        "\"0xffffffffffffffff\"",
        "18446744073709552000",
        "1.8446744073709552e19",
        "null",
    ] {
        let text = geth().to_string().replace("\"osakaTime\":3000", &format!("\"osakaTime\":{never}"));
        let text = text.replace("\"bpo1Time\":4000", &format!("\"bpo1Time\":{never}"));
        let chain = read(text.as_bytes()).unwrap().chain;
        assert_eq!(chain.forks.last().unwrap().fork, Fork::Prague, "{never}");
        assert_eq!(chain.fork_at(u64::MAX - 1), Some(Fork::Prague));
    }
}

#[test]
fn a_blob_fork_without_its_parameters_is_refused() {
    let missing = |fork: &str| GenesisError::BlobScheduleMissing { fork: fork.to_owned() };
    assert_eq!(with(json!({ "bpo2Time": 5000 })).unwrap_err(), missing("bpo2"));
    assert_eq!(with(json!({ "blobSchedule": null })).unwrap_err(), missing("bpo1"));
    assert_eq!(with(json!({ "blobSchedule": { "bpo1": null } })).unwrap_err(), missing("bpo1"));
    let error = with(json!({ "bpo2Time": 5000 })).unwrap_err().to_string();
    assert!(error.contains("baseFeeUpdateFraction") && error.contains("bpo2Time"), "{error}");
    // Parameters without a time are of no block.
    assert_eq!(rules(json!({ "bpo1Time": null })).blobs.len(), 3);
    let partial = with(json!({ "blobSchedule": { "bpo1": { "target": 1, "max": 2 } } })).unwrap_err();
    assert!(
        matches!(&partial, GenesisError::Value { key, .. } if key == "config.blobSchedule.bpo1"),
        "{partial}"
    );
}

#[test]
fn rules_that_are_not_ethereums_are_refused_with_their_name() {
    for (members, key) in [
        (json!({ "arbitrum": { "EnableArbOS": true }, "clique": { "period": 0 } }), "config.arbitrum"),
        (
            json!({ "clique": {}, "terminalTotalDifficulty": null, "terminalTotalDifficultyPassed": null }),
            "config.clique",
        ),
        (json!({ "parlia": { "period": 3 } }), "config.parlia"),
        (json!({ "bor": { "sprint": { "0": 64 } } }), "config.bor"),
        (json!({ "qbft": { "blockperiodseconds": 2 } }), "config.qbft"),
        (json!({ "ibft2": {} }), "config.ibft2"),
        (json!({ "istanbul": { "epoch": 30000 } }), "config.istanbul"),
        (json!({ "taiko": true }), "config.taiko"),
        (json!({ "scroll": { "useZktrie": true } }), "config.scroll"),
        (json!({ "feeConfig": { "minBaseFee": 1 } }), "config.feeConfig"),
        (
            json!({ "contractDeployerAllowListConfig": { "blockTimestamp": 0 } }),
            "config.contractDeployerAllowListConfig",
        ),
        (json!({ "precompileUpgrades": [] }), "config.precompileUpgrades"),
        (json!({ "zeroBaseFee": true }), "config.zeroBaseFee"),
        (json!({ "contractSizeLimit": 2147483647 }), "config.contractSizeLimit"),
        (json!({ "evmStackSize": 2048 }), "config.evmStackSize"),
        (json!({ "ecCurve": "secp256r1" }), "config.ecCurve"),
        (json!({ "transitions": { "qbft": [{ "block": 5 }] } }), "config.transitions"),
        (json!({ "enableVerkleAtGenesis": true }), "config.enableVerkleAtGenesis"),
    ] {
        let error = with(members.clone()).unwrap_err();
        assert!(
            matches!(&error, GenesisError::Rules { key: found, .. } if found == key),
            "{members}: {error}"
        );
        let text = error.to_string();
        assert!(text.contains(key) && text.contains("Prove a chain with such rules"), "{text}");
    }
}

#[test]
fn forks_that_are_not_known_are_refused_whenever_they_begin() {
    for (members, key, at) in [
        (json!({ "futureEipsTime": 5 }), "config.futureEipsTime", 5),
        (json!({ "verkleTime": "0x5" }), "config.verkleTime", 5),
        (json!({ "isthmusTime": 0 }), "config.isthmusTime", 0),
        (json!({ "bpo6Time": 9 }), "config.bpo6Time", 9),
        (json!({ "classicForkBlock": 0 }), "config.classicForkBlock", 0),
        (json!({ "shanghaiBlock": 3 }), "config.shanghaiBlock", 3),
    ] {
        let error = with(members.clone()).unwrap_err();
        assert_eq!(error, GenesisError::UnknownFork { key: key.to_owned(), at }, "{members}");
        assert!(error.to_string().contains("use a version that knows it"));
    }
    for members in [
        json!({ "amsterdamTime": 5000 }),
        json!({ "amsterdamTime": "99999999999" }),
        json!({ "bogotaTime": 5000 }),
    ] {
        let error = with(members.clone()).unwrap_err();
        assert!(
            matches!(error, GenesisError::Chain(ChainSpecError::UnsupportedFork { .. })),
            "{members}: {error}"
        );
    }
}

#[test]
fn values_that_cannot_be_read_are_named() {
    for (members, key) in [
        (json!({ "cancunTime": -1 }), "config.cancunTime"),
        (json!({ "cancunTime": "soon" }), "config.cancunTime"),
        (json!({ "cancunTime": 1.5 }), "config.cancunTime"),
        (json!({ "chainId": "main" }), "config.chainId"),
        (json!({ "chainId": null }), "config.chainId"),
        (json!({ "chainId": "0x10000000000000000" }), "config.chainId"),
        (json!({ "depositContractAddress": "0x42" }), "config.depositContractAddress"),
        (json!({ "blobSchedule": 5 }), "config.blobSchedule"),
        (json!({ "homesteadBlock": "never" }), "config.homesteadblock"),
    ] {
        let error = with(members.clone()).unwrap_err();
        assert!(
            matches!(&error, GenesisError::Value { key: found, .. } if found == key),
            "{members}: {error}"
        );
    }
    let twice = geth().to_string().replace("\"chainId\":4242", "\"chainId\":4242,\"chainid\":4243");
    assert!(read(twice.as_bytes()).unwrap_err().to_string().contains("twice"));
}

#[test]
fn accounts_in_every_form_are_read() {
    let slot = "0x0000000000000000000000000000000000000000000000000000000000000001";
    let check = |address: &str, account: Value| {
        let mut file = geth();
        file["alloc"] = json!({ address: account });
        parse(&file).map(|_| ())
    };
    let address = "00000000000000000000000000000000000000aa";
    let refused =
        Err(GenesisError::Chain(ChainSpecError::StorageWithoutCode { address: address.parse().unwrap() }));
    for address in [
        address,
        "0x00000000000000000000000000000000000000aa",
        "0X00000000000000000000000000000000000000AA",
        "0xaa",
    ] {
        for account in [
            json!({ "balance": 1000000000000000000000u128 as f64, "storage": { slot: slot } }),
            json!({ "balance": "1000000000000000000000000", "storage": { "0x1": "0x1" }, "nonce": "0x0" }),
            json!({ "balance": "0x0", "storage": { "1": "01" }, "code": "0x", "nonce": 0, "comment": "a" }),
            json!({ "storage": { "0x01": 1 }, "code": "", "nonce": "", "privateKey": "8f2a", "secretKey": null }),
        ] {
            assert_eq!(check(address, account.clone()), refused, "{account}");
        }
        for account in [
            json!({ "balance": "0x0", "storage": { slot: slot }, "nonce": "1" }),
            json!({ "balance": "0x0", "storage": { slot: slot }, "nonce": 1 }),
            json!({ "balance": "0x0", "storage": { slot: slot }, "nonce": "0x01" }),
            json!({ "balance": "0x0", "storage": { slot: slot }, "code": "6000" }),
            json!({ "balance": "0x0", "storage": { slot: "0x0", "0x2": null } }),
            json!({ "storage": null, "code": null, "nonce": null, "balance": null }),
            json!({}),
        ] {
            assert_eq!(check(address, account.clone()), Ok(()), "{account}");
        }
    }
    for (address, account) in [
        (address, json!({ "code": "0x1" })),
        ("0xnobody", json!({})),
        (address, json!({ "nonce": "x" })),
        (address, json!(5)),
    ] {
        let error = check(address, account.clone()).unwrap_err();
        assert!(
            matches!(&error, GenesisError::Value { key, .. } if key.contains(address)),
            "{account}: {error}"
        );
    }
}

#[test]
fn what_is_no_genesis_file_is_called_what_it_is() {
    for text in
        ["", "nonsense", "[]", "{}", "5", "null", "{\"alloc\": {}}", "{\"config\": 5}", "\u{feff}\u{feff}{}"]
    {
        assert!(read(text.as_bytes()).is_err(), "{text}");
    }
    assert!(read(&[0xff, 0xfe, b'{', 0]).unwrap_err().to_string().contains("UTF-8"));
    // The answer to debug_chainConfig.
    let section = parse(&geth()["config"]).unwrap();
    assert_eq!(section.chain, rules(json!({})));
}
