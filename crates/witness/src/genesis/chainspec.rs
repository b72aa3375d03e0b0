//! Nethermind's chain specifications: a time for each EIP instead of for each fork.

use super::{
    GenesisError, GenesisFile,
    fork::{BLOB_FORKS, activation},
    geth::{self, blob_params, blob_times},
    rules,
};
use crate::json::{Object, fixed, list, number, text, whole};
use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
};
use alloy_genesis::ChainConfig;
use alloy_primitives::Address;
use proofmill_stateless::BlobParams;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Blob gas of one blob.
const BLOB_GAS: u64 = 131_072;

/// The forks, and the EIPs that begin with each.
const FORKS: [(&str, &str, &[u32]); 4] = [
    ("Shanghai", "shanghai", &[3651, 3855, 3860, 4895]),
    ("Cancun", "cancun", &[1153, 4788, 4844, 5656, 6780]),
    ("Prague", "prague", &[2537, 2935, 6110, 7002, 7251, 7623, 7702]),
    ("Osaka", "osaka", &[7594, 7823, 7825, 7883, 7918, 7934, 7939, 7951]),
];

/// EIPs of these forks that some files name too: they say nothing of execution by themselves.
const BESIDE: [u32; 4] = [7685, 7642, 7691, 7910];

/// EIPs that begin with blocks, all before Shanghai. (2315 was never part of a fork, and says nothing in today's nodes.)
const EARLIER: &[&str] = &[
    "7",
    "140",
    "145",
    "150",
    "152",
    "155",
    "158",
    "160",
    "161abc",
    "161d",
    "211",
    "214",
    "658",
    "1014",
    "1052",
    "1108",
    "1283",
    "1283disable",
    "1283reenable",
    "1344",
    "1559",
    "1706",
    "1884",
    "2028",
    "2200",
    "2315",
    "2565",
    "2718",
    "2929",
    "2930",
    "3198",
    "3238",
    "3529",
    "3541",
    "3607",
];

/// Ways to make blocks that leave Ethereum's rules of execution as they are.
const ENGINES: &[&str] = &["ethash", "nethdev", "null", "instantseal"];

const CONTRACTS: [(&str, Address); 4] = [
    ("eip4788contractaddress", BEACON_ROOTS_ADDRESS),
    ("eip2935contractaddress", HISTORY_STORAGE_ADDRESS),
    ("eip7002contractaddress", WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS),
    ("eip7251contractaddress", CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS),
];

/// Reads a file with `params`.
pub(super) fn read(file: &Object<'_>) -> Result<GenesisFile, GenesisError> {
    let params =
        file.required(&["params"], |raw| Object::read(raw.get())).map_err(GenesisError::value("params"))?;
    check_engine(file, &params)?;
    rules::check(&params, "params")?;
    check_contracts(&params)?;
    let mut config = ChainConfig {
        chain_id: params
            .required(&["chainid", "networkid"], number)
            .map_err(GenesisError::value("params.chainID"))?,
        deposit_contract_address: params
            .optional(&["depositcontractaddress"], fixed::<20>)
            .map_err(GenesisError::value("params.depositContractAddress"))?
            .map(Address),
        ..Default::default()
    };
    let mut known = BTreeSet::new();
    let mut times = [None; 4];
    for ((name, label, eips), time) in FORKS.into_iter().zip(&mut times) {
        *time = fork(&params, name, label, eips)?;
        known.extend(eips.iter().copied());
    }
    [config.shanghai_time, config.cancun_time, config.prague_time, config.osaka_time] = times;
    known.extend(BESIDE);
    check_transitions(&params, &known, config.prague_time)?;
    match params.get("blobschedule") {
        Some(raw) => timed_schedule("params.blobSchedule", raw, &mut config)?,
        None => {
            if let Some(cancun) = cancun_blobs(&params).map_err(GenesisError::value("params"))? {
                config.blob_schedule.insert("cancun".to_owned(), cancun);
            }
        }
    }
    let genesis = file
        .optional(&["genesis"], |raw| Object::read(raw.get()))
        .map_err(GenesisError::value("genesis"))?
        .unwrap_or_default();
    let timestamp = genesis
        .optional(&["timestamp"], number)
        .map_err(GenesisError::value("genesis.timestamp"))?
        .unwrap_or_default();
    let mut accounts = BTreeMap::new();
    if let Some(raw) = file.get("accounts") {
        check_builtins(raw)?;
        accounts = geth::accounts("accounts", raw)?;
    }
    geth::checked(config, timestamp, accounts, None)
}

/// The time at which all EIPs of a fork begin, said of each or of the fork.
fn fork(
    params: &Object<'_>,
    name: &'static str,
    label: &str,
    eips: &[u32],
) -> Result<Option<u64>, GenesisError> {
    let at = |key: &str| match params.get(key) {
        Some(raw) => activation(raw).map_err(GenesisError::value(format!("params.{key}"))),
        None => Ok(None),
    };
    let whole = at(label)?.or(at(&format!("{label}transitiontimestamp"))?);
    let mut times = BTreeMap::<Option<u64>, Vec<String>>::new();
    for eip in eips {
        let time = at(&format!("eip{eip}transitiontimestamp"))?.or(whole);
        times.entry(time).or_default().push(eip.to_string());
    }
    match times.len() {
        1 => Ok(times.into_keys().next().flatten()),
        _ => {
            let said = times.into_iter().map(|(time, eips)| {
                let time = time.map_or_else(|| "never".to_owned(), |time| format!("at {time}"));
                format!("EIP {} {time}", eips.join(", "))
            });
            Err(GenesisError::PartialFork { fork: name, reason: said.collect::<Vec<_>>().join("; ") })
        }
    }
}

/// Errors for the time of an EIP that is in none of the forks.
fn check_transitions(
    params: &Object<'_>,
    known: &BTreeSet<u32>,
    prague: Option<u64>,
) -> Result<(), GenesisError> {
    for (key, value) in params.members() {
        let eip = |key: &'_ str| key.strip_prefix("eip").and_then(|eip| eip.parse::<u32>().ok());
        let is_known = match (key.strip_suffix("transitiontimestamp"), key.strip_suffix("transition")) {
            (Some(which), _) => {
                which == "maxcodesize"
                    || FORKS.iter().any(|(_, label, _)| *label == which)
                    || eip(which).is_some_and(|eip| known.contains(&eip))
            }
            (_, Some(which)) => {
                which.strip_prefix("eip").is_some_and(|eip| EARLIER.contains(&eip))
                    // By block and by time, in files whose chains begin with Prague.
                    || which == "eip2537" && prague == Some(0)
                    || matches!(
                        which,
                        "maxcodesize" | "validatechainid" | "validatereceipts" | "mergeforkid" | "homestead"
                    )
            }
            _ => key != "amsterdam",
        };
        if is_known {
            continue;
        }
        let key = format!("params.{}", params.spelled(key));
        if let Some(at) = activation(value).map_err(GenesisError::value(key.clone()))? {
            return Err(GenesisError::UnknownFork { key, at });
        }
    }
    Ok(())
}

fn check_engine(file: &Object<'_>, params: &Object<'_>) -> Result<(), GenesisError> {
    let engine = file
        .optional(&["engine"], |raw| Object::read(raw.get()))
        .map_err(GenesisError::value("engine"))?
        .unwrap_or_default();
    let merged = params.get("terminaltotaldifficulty").is_some();
    for (name, _) in engine.members() {
        if !ENGINES.contains(&name) && (name != "clique" || !merged) {
            let rules = format!("the rules of the engine {name}");
            return Err(GenesisError::Rules { key: format!("engine.{}", engine.spelled(name)), rules });
        }
    }
    Ok(())
}

/// The contracts that blocks call must be where the EIPs have them.
fn check_contracts(params: &Object<'_>) -> Result<(), GenesisError> {
    for (name, expected) in CONTRACTS {
        let key = format!("params.{}", params.spelled(name));
        let said = params.optional(&[name], fixed::<20>).map_err(GenesisError::value(key.clone()))?;
        if said.is_some_and(|said| Address(said) != expected) {
            let rules = "a contract of the protocol at another address".to_owned();
            return Err(GenesisError::Rules { key, rules });
        }
    }
    Ok(())
}

/// Precompiled contracts are listed among the accounts; they must be Ethereum's.
fn check_builtins(raw: &RawValue) -> Result<(), GenesisError> {
    let accounts = Object::read(raw.get()).map_err(GenesisError::value("accounts"))?;
    for (address, account) in accounts.members() {
        let key = format!("accounts.{address}");
        let account = Object::read(account.get()).map_err(GenesisError::value(key.clone()))?;
        let number = address.trim_start_matches("0x").trim_start_matches('0');
        let is_ethereums = number.len() <= 3
            && u32::from_str_radix(number, 16)
                .is_ok_and(|number| (1..=0x11).contains(&number) || number == 0x100);
        if account.get("builtin").is_some() && !is_ethereums {
            let rules = "precompiled contracts of its own".to_owned();
            return Err(GenesisError::Rules { key, rules });
        }
    }
    Ok(())
}

/// Blob parameters as they were said before there was a schedule.
fn cancun_blobs(params: &Object<'_>) -> Result<Option<BlobParams>, String> {
    let blobs = |name: &str| -> Result<Option<u64>, String> {
        Ok(params.optional(&[name], number::<u64>)?.map(|gas| gas / BLOB_GAS))
    };
    let max = blobs("eip4844maxblobgasperblock")?;
    let target = blobs("eip4844targetblobgasperblock")?;
    let fraction = params.optional(&["eip4844blobgaspriceupdatefraction"], number)?;
    if max.is_none() && target.is_none() && fraction.is_none() {
        return Ok(None);
    }
    let usual = BlobParams::cancun();
    Ok(Some(BlobParams {
        target_blob_count: target.unwrap_or(usual.target_blob_count),
        max_blob_count: max.unwrap_or(usual.max_blob_count),
        max_blobs_per_tx: max.unwrap_or(usual.max_blob_count),
        update_fraction: fraction.unwrap_or(usual.update_fraction),
        ..usual
    }))
}

/// A schedule of blob parameters by their times: those at the time of a fork are the fork's, the others forks of blob
/// parameters only.
pub(super) fn timed_schedule(
    key: &str,
    raw: &RawValue,
    config: &mut ChainConfig,
) -> Result<(), GenesisError> {
    let malformed = |reason: String| GenesisError::Value { key: key.to_owned(), reason };
    let mut entries = Vec::new();
    for raw in list(raw).map_err(malformed)? {
        let shown = Object::read(raw.get()).map_err(malformed)?;
        let name = shown.optional(&["name"], text).map_err(malformed)?.map(|name| name.to_ascii_lowercase());
        let time = shown.required(&["timestamp", "time"], whole).map_err(malformed)?;
        entries.push((time, name, blob_params(raw).map_err(malformed)?));
    }
    entries.sort_by_key(|(time, ..)| *time);
    let mut extra = 0;
    for (time, name, params) in entries {
        let Ok(time) = u64::try_from(time) else { continue };
        if time == u64::MAX {
            continue;
        }
        let forks =
            [("cancun", config.cancun_time), ("prague", config.prague_time), ("osaka", config.osaka_time)];
        let named = forks.iter().find(|(fork, _)| name.as_deref() == Some(fork));
        // Where several forks begin together, those of the newest hold.
        let at_time = || forks.iter().rev().find(|(_, begins)| *begins == Some(time));
        if let Some((fork, _)) = named.or_else(at_time) {
            config.blob_schedule.insert((*fork).to_owned(), params);
            continue;
        }
        let Some(fork) = BLOB_FORKS.get(extra) else {
            return Err(malformed(format!("it has more than {} entries beside the forks", BLOB_FORKS.len())));
        };
        config.blob_schedule.insert((*fork).to_owned(), params);
        *blob_times(config)[extra] = Some(time);
        extra += 1;
    }
    Ok(())
}
