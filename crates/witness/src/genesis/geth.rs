//! Genesis files of geth's form (EIP-7949), as reth, Besu, Erigon, ethrex and others have them too.

use super::{
    GenesisError, GenesisFile, chainspec,
    fork::{BLOB_FORKS, activation, begins},
    rules::{self, EARLIER},
};
use crate::json::{Entries, Object, bytes, fixed, number, padded, text, whole};
use alloy_genesis::{ChainConfig, Genesis, GenesisAccount};
use alloy_primitives::{Address, B256};
use proofmill_stateless::{BlobParams, ChainSpec};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

const SECTION: &str = "proofmill";

/// Reads a file with a `config`.
pub(super) fn read(file: &Object<'_>) -> Result<GenesisFile, GenesisError> {
    let config =
        file.required(&["config"], |raw| Object::read(raw.get())).map_err(GenesisError::value("config"))?;
    let timestamp =
        file.optional(&["timestamp"], number).map_err(GenesisError::value("timestamp"))?.unwrap_or_default();
    let alloc = match file.get("alloc") {
        Some(raw) => accounts("alloc", raw)?,
        None => BTreeMap::new(),
    };
    finish(&config, timestamp, alloc)
}

/// Reads the `config` alone.
pub(super) fn read_config(config: &Object<'_>) -> Result<GenesisFile, GenesisError> {
    finish(config, 0, BTreeMap::new())
}

fn finish(
    config: &Object<'_>,
    timestamp: u64,
    alloc: BTreeMap<Address, GenesisAccount>,
) -> Result<GenesisFile, GenesisError> {
    rules::check(config, "config")?;
    let chain = chain_config(config)?;
    let mut fork_blocks = Vec::new();
    for key in EARLIER {
        fork_blocks.extend(begins(config, "config.", key)?);
    }
    checked(chain, timestamp, alloc, Some(fork_blocks))
}

/// The rules of a configuration, and whether the accounts suit them.
pub(super) fn checked(
    mut config: ChainConfig,
    timestamp: u64,
    alloc: BTreeMap<Address, GenesisAccount>,
    fork_blocks: Option<Vec<u64>>,
) -> Result<GenesisFile, GenesisError> {
    let chain = ChainSpec::from_genesis(&config)?;
    let forks = [config.shanghai_time, config.cancun_time, config.prague_time, config.osaka_time];
    let times = forks.into_iter().chain(blob_times(&mut config).map(|time| *time)).flatten().collect();
    chain.check_genesis(&Genesis { config, timestamp, alloc, ..Default::default() })?;
    Ok(GenesisFile { chain, timestamp, times, fork_blocks })
}

fn chain_config(config: &Object<'_>) -> Result<ChainConfig, GenesisError> {
    let at = |key: &str| begins(config, "config.", key);
    let mut read = ChainConfig {
        chain_id: config
            .required(&["chainid", "networkid"], number)
            .map_err(GenesisError::value("config.chainId"))?,
        shanghai_time: at("shanghaiTime")?,
        cancun_time: at("cancunTime")?,
        prague_time: at("pragueTime")?,
        osaka_time: at("osakaTime")?,
        amsterdam_time: at("amsterdamTime")?,
        bogota_time: at("bogotaTime")?,
        bpo1_time: at("bpo1Time")?,
        bpo2_time: at("bpo2Time")?,
        bpo3_time: at("bpo3Time")?,
        bpo4_time: at("bpo4Time")?,
        bpo5_time: at("bpo5Time")?,
        deposit_contract_address: config
            .optional(&["depositcontractaddress"], fixed::<20>)
            .map_err(GenesisError::value("config.depositContractAddress"))?
            .map(Address),
        ..Default::default()
    };
    // Besu's files may leave out what a later fork implies.
    let forks = [&mut read.osaka_time, &mut read.prague_time, &mut read.cancun_time, &mut read.shanghai_time];
    let mut later = None;
    for time in forks {
        later = time.or(later);
        *time = later;
    }
    rules::check_forks(
        config,
        &[
            "shanghaitime",
            "cancuntime",
            "praguetime",
            "osakatime",
            "amsterdamtime",
            "bogotatime",
            "bpo1time",
            "bpo2time",
            "bpo3time",
            "bpo4time",
            "bpo5time",
        ],
    )?;
    if let Some(raw) = config.get("blobschedule") {
        if raw.get().starts_with('[') {
            chainspec::timed_schedule("config.blobSchedule", raw, &mut read)?;
        } else {
            schedule(raw, &mut read)?;
        }
    }
    let times = blob_times(&mut read).map(|time| time.is_some());
    for (fork, _) in BLOB_FORKS.into_iter().zip(times).filter(|(_, is_set)| *is_set) {
        if !read.blob_schedule.contains_key(fork) {
            return Err(GenesisError::BlobScheduleMissing { fork: fork.to_owned() });
        }
    }
    if let Some(raw) = config.get(SECTION) {
        let section = serde_json::from_str(raw.get()).map_err(|error| GenesisError::Value {
            key: format!("config.{SECTION}"),
            reason: error.to_string(),
        })?;
        read.extra_fields.insert(SECTION.to_owned(), section);
    }
    Ok(read)
}

/// The times of the forks of blob parameters, in the order of [`BLOB_FORKS`].
pub(super) const fn blob_times(config: &mut ChainConfig) -> [&mut Option<u64>; 5] {
    [
        &mut config.bpo1_time,
        &mut config.bpo2_time,
        &mut config.bpo3_time,
        &mut config.bpo4_time,
        &mut config.bpo5_time,
    ]
}

/// Blob parameters by the fork that they begin with. Nethermind's entries say when that is, too.
fn schedule(raw: &RawValue, config: &mut ChainConfig) -> Result<(), GenesisError> {
    let key = "config.blobSchedule";
    for (fork, entry) in Object::read(raw.get()).map_err(GenesisError::value(key))?.members() {
        let key = format!("{key}.{fork}");
        let params = blob_params(entry).map_err(GenesisError::value(key.clone()))?;
        let said = Object::read(entry.get()).map_err(GenesisError::value(key.clone()))?;
        if let Some(raw) = said.any(&["timestamp", "time"]) {
            let at = activation(raw).map_err(GenesisError::value(key.clone()))?;
            let blob_fork = BLOB_FORKS.iter().position(|name| *name == fork);
            let begins = match (fork, blob_fork, at) {
                ("cancun", ..) => config.cancun_time,
                ("prague", ..) => config.prague_time,
                ("osaka", ..) => config.osaka_time,
                (_, Some(place), _) => {
                    let time = &mut *blob_times(config)[place];
                    *time = time.or(at);
                    *time
                }
                (_, None, Some(at)) => return Err(GenesisError::UnknownFork { key, at }),
                (_, None, None) => None,
            };
            if begins != at {
                let reason = format!("its time is not that of `{fork}Time`");
                return Err(GenesisError::Value { key, reason });
            }
        }
        config.blob_schedule.insert(fork.to_owned(), params);
    }
    Ok(())
}

/// The parameters of one entry.
pub(super) fn blob_params(raw: &RawValue) -> Result<BlobParams, String> {
    let params = Object::read(raw.get())?;
    let max = params.required(&["max", "maxblobs", "maxblobcount", "max_blob_count"], number)?;
    Ok(BlobParams {
        target_blob_count: params
            .required(&["target", "targetblobs", "targetblobcount", "target_blob_count"], number)?,
        max_blob_count: max,
        update_fraction: params.required(
            &["basefeeupdatefraction", "base_fee_update_fraction", "updatefraction", "update_fraction"],
            number,
        )?,
        max_blobs_per_tx: max,
        ..BlobParams::cancun()
    })
}

/// What of the accounts matters for the rules: whether they have code, a nonce and storage.
pub(super) fn accounts(key: &str, raw: &RawValue) -> Result<BTreeMap<Address, GenesisAccount>, GenesisError> {
    let mut accounts = BTreeMap::new();
    for (address, account) in Entries::read(raw.get()).map_err(GenesisError::value(key))?.0 {
        let (address, account) =
            one_account(&address, account).map_err(GenesisError::value(format!("{key}.{address}")))?;
        accounts.insert(address, account);
    }
    Ok(accounts)
}

fn one_account(address: &str, raw: &RawValue) -> Result<(Address, GenesisAccount), String> {
    let quoted = |text: &str| serde_json::value::to_raw_value(text).map_err(|error| error.to_string());
    let address = Address(padded::<20>(&quoted(address)?)?);
    let shown = Object::read(raw.get())?;
    let mut account = GenesisAccount {
        nonce: shown.optional(&["nonce"], |raw| if is_nothing(raw) { Ok(0) } else { number(raw) })?,
        code: shown.optional(&["code"], bytes)?,
        ..Default::default()
    };
    if let Some(storage) = shown.get("storage") {
        let mut slots = BTreeMap::new();
        for (slot, value) in Entries::read(storage.get())?.0 {
            let value: B256 = if value.get() == "null" { B256::ZERO } else { word(value)? };
            slots.insert(padded::<32>(&quoted(&slot)?)?, value);
        }
        account.storage = Some(slots);
    }
    Ok((address, account))
}

/// A value of storage: hexadecimal of any length, or a number.
fn word(raw: &RawValue) -> Result<B256, String> {
    padded::<32>(raw).or_else(|error| whole(raw).map(B256::from).map_err(|_| error))
}

fn is_nothing(raw: &RawValue) -> bool {
    text(raw).is_ok_and(|text| text.is_empty())
}
