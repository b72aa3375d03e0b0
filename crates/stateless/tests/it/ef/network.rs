//! The rules of the networks that tests name.

use alloy_primitives::U64;
use proofmill_stateless::{
    BlobActivation, BlobParams, ChainSpec, Consensus, Fork, ForkActivation, RequestContracts,
};
use serde::Deserialize;
use std::collections::BTreeMap;

/// In the names of networks that change their rules: when they do, in seconds since 1970.
const CHANGE: (&str, u64) = ("AtTime15k", 15_000);

/// What some tests say of their network beside its name.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    #[serde(rename = "chainid")]
    chain_id: Option<U64>,
    #[serde(default)]
    blob_schedule: BTreeMap<String, Blobs>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blobs {
    target: U64,
    max: U64,
    base_fee_update_fraction: U64,
}

/// `Osaka`, `PragueToOsakaAtTime15k`, `BPO1ToBPO2AtTime15k` and the like.
pub(crate) fn rules(network: &str, config: &Config) -> Result<ChainSpec, String> {
    let (first, second) = match network.strip_suffix(CHANGE.0) {
        None => (network, None),
        Some(names) => {
            let (first, second) = names.split_once("To").ok_or_else(|| unknown(network))?;
            (first, Some(second))
        }
    };
    let mut chain = ChainSpec::for_fork(config.chain_id.map_or(1, |id| id.to()), Fork::Shanghai);
    chain.consensus = Consensus::Ethereum;
    chain.request_contracts = RequestContracts::Required;
    chain.forks.clear();
    for (name, timestamp) in [(Some(first), 0), (second, CHANGE.1)] {
        let Some(name) = name else { continue };
        let fork = fork(name).ok_or_else(|| unknown(network))?;
        let known = chain.forks.last().map(|entry| entry.fork);
        chain.forks.extend(
            Fork::ALL
                .into_iter()
                .filter(|new| *new <= fork && Some(*new) > known)
                .map(|fork| ForkActivation { fork, timestamp }),
        );
        if let Some(params) = blobs(name, fork, config) {
            chain.blobs.push(BlobActivation { timestamp, params });
        }
    }
    chain.check().map_err(|error| error.to_string())?;
    Ok(chain)
}

fn unknown(network: &str) -> String {
    format!("the network {network} is not known")
}

fn fork(name: &str) -> Option<Fork> {
    Some(match name {
        "Shanghai" => Fork::Shanghai,
        "Cancun" => Fork::Cancun,
        "Prague" => Fork::Prague,
        "Osaka" | "BPO1" | "BPO2" | "BPO3" | "BPO4" => Fork::Osaka,
        _ => return None,
    })
}

fn blobs(name: &str, fork: Fork, config: &Config) -> Option<BlobParams> {
    let mut params = match name {
        "BPO1" => BlobParams::bpo1(),
        "BPO2" => BlobParams::bpo2(),
        _ => fork.default_blobs()?,
    };
    if let Some(blobs) = config.blob_schedule.get(name) {
        params.target_blob_count = blobs.target.to();
        params.max_blob_count = blobs.max.to();
        params.update_fraction = blobs.base_fee_update_fraction.to();
    }
    Some(params)
}
