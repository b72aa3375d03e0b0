//! What a node says of its rules by `eth_config` (EIP-7910), compared with a genesis file.

use crate::{
    BuildError,
    genesis::GenesisFile,
    header,
    json::{Entries, Object, bytes, fixed, number},
};
use alloy_eips::eip2124::ForkHash;
use alloy_primitives::{Address, B256, Bytes, hex};
use proofmill_stateless::{BlobParams, ChainSpec, Fork};
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// The precompiled contracts of a fork: 0x01 up to this, and from Osaka on 0x0100.
const LAST_PRECOMPILES: [(Fork, u64); 3] =
    [(Fork::Prague, 0x11), (Fork::Cancun, 0x0a), (Fork::Shanghai, 0x09)];
const P256: u64 = 0x100;

/// An answer.
#[derive(Debug)]
pub(crate) struct EthConfig {
    current: ForkConfig,
    next: Option<ForkConfig>,
    last: Option<ForkConfig>,
}

/// The rules from one time on.
#[derive(Debug)]
struct ForkConfig {
    from: u64,
    chain_id: Option<u64>,
    blobs: Option<Blobs>,
    fork_id: Option<Bytes>,
    precompiles: Option<BTreeSet<Address>>,
    deposit_contract: Option<Address>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Blobs {
    target: u64,
    max: u64,
    fraction: u128,
}

impl From<BlobParams> for Blobs {
    fn from(params: BlobParams) -> Self {
        Self {
            target: params.target_blob_count,
            max: params.max_blob_count,
            fraction: params.update_fraction,
        }
    }
}

impl EthConfig {
    /// Reads an answer.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let said = Object::read(text)?;
        Ok(Self {
            current: said.required(&["current"], ForkConfig::read)?,
            next: said.optional(&["next"], ForkConfig::read)?,
            last: said.optional(&["last"], ForkConfig::read)?,
        })
    }

    /// Whether it says by which hash its peers know its forks.
    pub(crate) fn has_fork_id(&self) -> bool {
        self.current.fork_id.is_some()
    }

    /// Errors with what the file and the node do not agree on. `genesis` is the hash of the node's block 0.
    pub(crate) fn compare(&self, file: &GenesisFile, genesis: Option<B256>) -> Result<(), BuildError> {
        let chain = &file.chain;
        let present = file.since(self.current.from);
        let times = file.times();
        // Before Shanghai there is nothing to compare.
        let first = times.first().copied().unwrap_or(u64::MAX);
        if present >= first && !times.contains(&present) {
            return disagree("when the present rules began", list(&times), present.to_string());
        }
        let next = times.iter().copied().find(|time| *time > present);
        let nodes = self.next.as_ref().map(|next| file.since(next.from));
        if next != nodes {
            let named =
                |time: Option<u64>| time.map_or_else(|| "never".to_owned(), |time| format!("at {time}"));
            return disagree("when the next rules begin", named(next), named(nodes));
        }
        self.current.compare(chain, file, genesis)?;
        for said in [&self.next, &self.last].into_iter().flatten() {
            said.compare(chain, file, genesis)?;
        }
        Ok(())
    }
}

impl ForkConfig {
    fn read(raw: &RawValue) -> Result<Self, String> {
        let said = Object::read(raw.get())?;
        let blobs = |raw: &RawValue| {
            let said = Object::read(raw.get())?;
            Ok(Blobs {
                target: said.required(&["target"], number)?,
                max: said.required(&["max"], number)?,
                fraction: said.required(&["basefeeupdatefraction"], number)?,
            })
        };
        let contracts =
            said.optional(&["systemcontracts"], |raw| Object::read(raw.get()))?.unwrap_or_default();
        Ok(Self {
            from: said.required(&["activationtime", "activation"], number)?,
            chain_id: said.optional(&["chainid"], number)?,
            blobs: said.optional(&["blobschedule", "blobsschedule"], blobs)?,
            // Some say zero for none.
            fork_id: said.optional(&["forkid"], bytes)?.filter(|id| id.iter().any(|byte| *byte != 0)),
            precompiles: said.optional(&["precompiles"], precompiles)?,
            deposit_contract: contracts.optional(&["deposit_contract_address"], fixed::<20>)?.map(Address),
        })
    }

    fn compare(
        &self,
        chain: &ChainSpec,
        file: &GenesisFile,
        genesis: Option<B256>,
    ) -> Result<(), BuildError> {
        if let Some(chain_id) = self.chain_id.filter(|id| *id != chain.chain_id) {
            return disagree("the chain id", chain.chain_id.to_string(), chain_id.to_string());
        }
        let from = file.since(self.from);
        // What is before Shanghai is not in the file's rules.
        let Some(fork) = chain.fork_at(from.max(file.timestamp)) else { return Ok(()) };
        // Of several forks that begin together some tell the first, some the last.
        if from > 0 && file.times.iter().filter(|time| **time == from).count() > 1 {
            return Ok(());
        }
        let ours = chain.blobs_at(from.max(file.timestamp)).map(Blobs::from);
        // A chain without blobs is said by zeros, by nothing, or with those of Cancun.
        let nodes = self.blobs.filter(|blobs| blobs.max > 0 && fork >= Fork::Cancun);
        if let Some(nodes) = nodes
            && ours != Some(nodes)
        {
            let named =
                |blobs: Option<Blobs>| blobs.map_or_else(|| "none".to_owned(), |blobs| format!("{blobs:?}"));
            return disagree("the blob parameters", named(ours), named(Some(nodes)));
        }
        if let Some(nodes) = &self.precompiles {
            let ours = precompiles_of(fork);
            if ours != *nodes {
                let only = |these: &BTreeSet<Address>, those: &BTreeSet<Address>| {
                    let only: Vec<String> = these.difference(those).take(8).map(Address::to_string).collect();
                    if only.is_empty() { "no more".to_owned() } else { format!("also {}", only.join(", ")) }
                };
                return disagree("the precompiled contracts", only(&ours, nodes), only(nodes, &ours));
            }
        }
        // Zero where the node's file says none: then nobody can deposit there.
        if let Some(nodes) = self.deposit_contract.filter(|nodes| fork >= Fork::Prague && !nodes.is_zero())
            && nodes != chain.deposit_contract
        {
            return disagree("the deposit contract", chain.deposit_contract.to_string(), nodes.to_string());
        }
        if let (Some(nodes), Some(genesis), Some(blocks)) = (&self.fork_id, genesis, &file.fork_blocks) {
            let ours = fork_id(genesis, blocks, file, from);
            if ours[..] != nodes[..] {
                return disagree("the forks so far (fork id)", hex::encode_prefixed(ours), nodes.to_string());
            }
        }
        Ok(())
    }
}

impl GenesisFile {
    /// The times at which rules change, in order; what holds from block 0 on begins at 0.
    fn times(&self) -> Vec<u64> {
        let forks = self.chain.forks.iter().map(|fork| fork.timestamp);
        let blobs = self.chain.blobs.iter().map(|blobs| blobs.timestamp);
        forks.chain(blobs).map(|time| self.since(time)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A time, or 0 for one that is not after block 0.
    const fn since(&self, time: u64) -> u64 {
        if time <= self.timestamp { 0 } else { time }
    }
}

/// The hash of EIP-6122: of block 0, and of each fork after it up to the one that began at `until`.
fn fork_id(genesis: B256, blocks: &[u64], file: &GenesisFile, until: u64) -> [u8; 4] {
    let blocks: BTreeSet<u64> = blocks.iter().copied().filter(|block| *block > 0).collect();
    let times = file.times().into_iter().filter(|time| *time > 0 && *time <= until);
    blocks.into_iter().chain(times).fold(ForkHash::from(genesis), |hash, fork| hash + fork).0
}

fn precompiles_of(fork: Fork) -> BTreeSet<Address> {
    let last = LAST_PRECOMPILES.iter().find(|(from, _)| *from <= fork).map_or(0, |(_, last)| *last);
    let p256 = (fork >= Fork::Osaka).then_some(P256);
    (1..=last).chain(p256).map(|number| Address::left_padding_from(&number.to_be_bytes())).collect()
}

/// Precompiled contracts by name, or names by contract: both were specified.
fn precompiles(raw: &RawValue) -> Result<BTreeSet<Address>, String> {
    let one = |(name, value): (String, &RawValue)| match fixed::<20>(value) {
        Ok(address) => Ok(Address(address)),
        Err(error) => name.parse().map_err(|_| error),
    };
    Entries::read(raw.get())?.0.into_iter().map(one).collect()
}

/// The hash of a node's block 0, from what it shows of it.
pub(crate) fn genesis_hash(block: &str) -> Option<B256> {
    Object::read(block).ok().and_then(|shown| header::claimed(&shown).ok().flatten())
}

fn list(times: &[u64]) -> String {
    let times: Vec<String> = times.iter().map(|time| format!("at {time}")).collect();
    if times.is_empty() { "never".to_owned() } else { times.join(", ") }
}

fn disagree<T>(what: &'static str, ours: String, nodes: String) -> Result<T, BuildError> {
    Err(BuildError::RulesDisagree { what, ours, nodes })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::genesis;
    use alloy_primitives::{b256, keccak256};
    use serde_json::{Value, json};

    /// Hoodi's forks, whose fork ids are published (EIP-7910, EIP-7607).
    const HOODI: B256 = b256!("bbe312868b376a3001692a646dd2d7d1e4406380dfd86b98aa8a34d1557c971b");

    fn file() -> GenesisFile {
        let file = json!({
            "config": {
                "chainId": 560048, "homesteadBlock": 0, "londonBlock": 0, "shanghaiTime": 0, "cancunTime": 0,
                "pragueTime": 1742999832, "osakaTime": 1761677592, "bpo1Time": 1762365720, "bpo2Time": 1762955544,
                "blobSchedule": {
                    "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3338477 },
                    "prague": { "target": 6, "max": 9, "baseFeeUpdateFraction": 5007716 },
                    "osaka": { "target": 6, "max": 9, "baseFeeUpdateFraction": 5007716 },
                    "bpo1": { "target": 10, "max": 15, "baseFeeUpdateFraction": 8346193 },
                    "bpo2": { "target": 14, "max": 21, "baseFeeUpdateFraction": 11684671 },
                },
            },
            "timestamp": "0x67d80ec0",
        });
        genesis::read(file.to_string().as_bytes()).unwrap()
    }

    fn fork(from: u64, fork_id: &str, blobs: [u64; 3], last: u64) -> Value {
        let precompiles: serde_json::Map<String, Value> = (1..=last)
            .map(|number| (format!("P{number}"), json!(Address::left_padding_from(&number.to_be_bytes()))))
            .collect();
        json!({
            "activationTime": from, "chainId": "0x88bb0", "forkId": fork_id, "precompiles": precompiles,
            "blobSchedule": { "target": blobs[0], "max": blobs[1], "baseFeeUpdateFraction": blobs[2] },
            "systemContracts": {
                "BEACON_ROOTS_ADDRESS": "0x000f3df6d732807ef1319fb7b8bb8522d0beac02",
                "DEPOSIT_CONTRACT_ADDRESS": "0x00000000219ab540356cbb839cbe05303d7705fa",
            },
        })
    }

    /// What a node says before Prague.
    fn said() -> Value {
        json!({
            "current": fork(0, "0xbef71d30", [3, 6, 3_338_477], 10),
            "next": fork(1_742_999_832, "0x0929e24e", [6, 9, 5_007_716], 17),
            "last": null,
        })
    }

    fn compared(said: &Value) -> Result<(), BuildError> {
        EthConfig::read(&said.to_string()).unwrap().compare(&file(), Some(HOODI))
    }

    #[test]
    fn a_node_that_follows_the_file_agrees() {
        compared(&said()).unwrap();
        // The older form: names by contract, and no fork ids.
        let mut older = said();
        for which in ["current", "next"] {
            let swapped: serde_json::Map<String, Value> = older[which]["precompiles"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, address)| (address.as_str().unwrap().to_owned(), json!(name)))
                .collect();
            older[which]["precompiles"] = swapped.into();
            older[which].as_object_mut().unwrap().remove("forkId");
        }
        compared(&older).unwrap();
        // At the head of today's chain.
        let mut today = said();
        today["current"] = fork(1_762_955_544, "0x23aa1351", [14, 21, 11_684_671], 17);
        today["current"]["precompiles"]["P256VERIFY"] = json!("0x0000000000000000000000000000000000000100");
        today["next"] = Value::Null;
        compared(&today).unwrap();
        // Nobody says more than the time.
        compared(&json!({ "current": { "activationTime": 0, "blobSchedule": null }, "next": { "activationTime": "0x67e41118" } }))
            .unwrap();
    }

    #[test]
    fn what_a_node_does_not_agree_on_is_said_with_both_values() {
        let mut cases = Vec::new();
        let mut case =
            |change: &dyn Fn(&mut Value), what: &'static str, ours: &'static str, nodes: &'static str| {
                let mut changed = said();
                change(&mut changed);
                cases.push((changed, what, ours, nodes));
            };
        case(&|said| said["current"]["chainId"] = json!("0x1"), "chain id", "560048", "1");
        case(
            &|said| said["next"]["activationTime"] = json!(1_742_999_833),
            "next rules",
            "1742999832",
            "1742999833",
        );
        case(&|said| said["next"] = Value::Null, "next rules", "at 1742999832", "never");
        case(
            &|said| said["current"]["activationTime"] = json!(1_742_500_000),
            "present rules",
            "at 0",
            "1742500000",
        );
        case(&|said| said["next"]["blobSchedule"]["max"] = json!(12), "blob parameters", "max: 9", "max: 12");
        case(&|said| said["current"]["forkId"] = json!("0x12345678"), "fork id", "0xbef71d30", "0x12345678");
        case(
            &|said| {
                said["current"]["precompiles"]["OWN"] = json!("0x0000000000000000000000000000000000000200")
            },
            "precompiled",
            "no more",
            "0x0000000000000000000000000000000000000200",
        );
        case(
            &|said| {
                said["next"]["systemContracts"]["DEPOSIT_CONTRACT_ADDRESS"] =
                    json!("0x4242424242424242424242424242424242424242")
            },
            "deposit contract",
            "0x00000000219ab540356cBB839Cbe05303d7705Fa",
            "0x4242424242424242424242424242424242424242",
        );
        for (said, what, ours, nodes) in cases {
            let error = compared(&said).unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, BuildError::RulesDisagree { .. }), "{text}");
            assert!(text.contains(what) && text.contains(ours) && text.contains(nodes), "{what}: {text}");
        }
    }

    /// anvil and reth tell Cancun's blobs of Shanghai, geth a deposit contract of zero where its file names none.
    #[test]
    fn what_has_no_meaning_yet_is_not_compared() {
        let mut said = said();
        said["next"]["systemContracts"]["DEPOSIT_CONTRACT_ADDRESS"] = json!(Address::ZERO);
        compared(&said).unwrap();
        let shanghai = json!({ "config": { "chainId": 560048, "shanghaiTime": 0 } });
        let shanghai = genesis::read(shanghai.to_string().as_bytes()).unwrap();
        let said = json!({ "current": fork(0, "0x00000000", [3, 6, 3_338_477], 9), "next": null });
        EthConfig::read(&said.to_string()).unwrap().compare(&shanghai, None).unwrap();
    }

    /// Prague and Osaka together: a node may tell the next rules as those of either.
    #[test]
    fn forks_that_begin_together_are_not_told_apart() {
        let mut said = said();
        said["next"] = fork(2_000_000_000, "0x00000000", [6, 9, 5_007_716], 17);
        let text = json!({
            "config": {
                "chainId": 560048, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 2_000_000_000u64,
                "osakaTime": 2_000_000_000u64,
            },
        });
        let file = genesis::read(text.to_string().as_bytes()).unwrap();
        EthConfig::read(&said.to_string()).unwrap().compare(&file, None).unwrap();
    }

    #[test]
    fn answers_that_cannot_be_read_are_errors() {
        for said in
            ["null", "{}", "{\"current\": 5}", "{\"current\": {}}", "{\"current\": {\"activationTime\": -1}}"]
        {
            assert!(EthConfig::read(said).is_err(), "{said}");
        }
        assert_eq!(genesis_hash("null"), None);
        assert_eq!(genesis_hash(&json!({ "hash": keccak256("a") }).to_string()), Some(keccak256("a")));
    }
}
