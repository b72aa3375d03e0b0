//! What a genesis file says of rules that are not Ethereum's.

use super::{GenesisError, fork::activation};
use crate::json::{Object, text, whole};
use alloy_primitives::U256;
use serde_json::value::RawValue;

/// Sections that a chain has only where other rules hold.
const SECTIONS: &[(&str, &str)] = &[
    ("optimism", "the rules of the OP Stack (deposit transactions, fees for L1 data)"),
    ("arbitrum", "the rules of Arbitrum (ArbOS)"),
    ("bor", "the rules of Polygon's Bor"),
    ("parlia", "the rules of BNB Smart Chain's Parlia"),
    ("congress", "the rules of Heco's Congress"),
    ("consortium", "the rules of Ronin's Consortium"),
    ("satoshi", "the rules of Core's Satoshi"),
    ("posa", "blocks made by staked authority"),
    ("dpos", "blocks made by delegated stake"),
    ("xdpos", "the rules of XDC"),
    ("ibft", "blocks sealed by IBFT"),
    ("ibft2", "blocks sealed by IBFT 2.0"),
    ("qbft", "blocks sealed by QBFT"),
    ("istanbul", "blocks sealed by Istanbul BFT"),
    ("aura", "blocks sealed by AuRa"),
    ("authorityround", "blocks sealed by AuRa"),
    ("hbft", "blocks sealed by HoneyBadger BFT"),
    ("taiko", "the rules of Taiko"),
    ("scroll", "the rules of Scroll"),
    ("morph", "the rules of Morph"),
    ("zksync", "the rules of ZKsync"),
    ("linea", "the rules of Linea"),
    ("celo", "the rules of Celo"),
    ("mantle", "the rules of Mantle"),
    ("base", "the rules of Base"),
    ("berachain", "the rules of Berachain"),
    ("gnosis", "the rules of Gnosis"),
    ("feecollector", "a base fee that is collected instead of burnt"),
    ("transactionpermissioncontract", "a contract that permits transactions"),
    ("customprecompiles", "precompiled contracts of its own"),
    ("enableverkleatgenesis", "a state in Verkle trees"),
    ("enableubtatgenesis", "a state in a binary tree"),
    ("isquorum", "the rules of Quorum"),
    ("zerobasefee", "a base fee of zero"),
    ("fixedbasefee", "a base fee that does not move"),
    ("isgoquorum", "the rules of Quorum"),
    ("privacyenhancements", "the rules of Quorum"),
];

/// Parts of names that are those of such sections, in whatever version.
const PARTS: &[(&str, &str)] = &[
    ("precompile", "precompiled contracts of its own"),
    ("allowlist", "lists of who may send or deploy"),
    ("feeconfig", "fees of its own"),
    ("feemanager", "fees of its own"),
    ("feerecipient", "fees of its own"),
    ("feecollector", "a base fee that is collected instead of burnt"),
    ("minbasefee", "a base fee with a lower limit"),
    ("basefeeminvalue", "a base fee with a lower limit"),
    ("nativeminter", "a contract that mints"),
    ("rewardmanager", "fees of its own"),
    ("warpconfig", "the rules of Avalanche's subnets"),
];

/// Numbers that must be Ethereum's where they are said. Zero is taken as not said.
const NUMBERS: &[(&str, u64, &str)] = &[
    ("contractsizelimit", 24_576, "a limit of its own to the size of contracts"),
    ("maxcodesize", 24_576, "a limit of its own to the size of contracts"),
    ("maxinitcodesize", 49_152, "a limit of its own to the size of init code"),
    ("evmstacksize", 1024, "a stack of another depth"),
    ("elasticitymultiplier", 2, "a base fee that moves in another way"),
    ("eip1559elasticity", 2, "a base fee that moves in another way"),
    ("eip1559elasticitymultiplier", 2, "a base fee that moves in another way"),
    ("basefeechangedenominator", 8, "a base fee that moves in another way"),
    ("basefeemaxchangedenominator", 8, "a base fee that moves in another way"),
    ("eip1559denominator", 8, "a base fee that moves in another way"),
    ("eip1559basefeemaxchangedenominator", 8, "a base fee that moves in another way"),
    ("gaslimitbounddivisor", 1024, "a gas limit that moves in another way"),
    ("mingaslimit", 5000, "a gas limit that moves in another way"),
    ("maximumextradatasize", 32, "another limit to the extra data"),
    ("eip7934maxrlpblocksize", 8_388_608, "another limit to the size of blocks"),
    ("eip4844minblobgasprice", 1, "another least price of blobs"),
];

/// Forks before Shanghai, by the names that clients have for them: they have long begun where blocks can be proven.
pub(super) const EARLIER: &[&str] = &[
    "homesteadblock",
    "daoforkblock",
    "eip150block",
    "tangerinewhistleblock",
    "eip155block",
    "eip158block",
    "spuriousdragonblock",
    "byzantiumblock",
    "constantinopleblock",
    "constantinoplefixblock",
    "petersburgblock",
    "istanbulblock",
    "muirglacierblock",
    "berlinblock",
    "londonblock",
    "arrowglacierblock",
    "grayglacierblock",
    "mergenetsplitblock",
    "mergeforkblock",
    "premergeforkblock",
];

/// Names that end as those of forks do, but are none.
const NO_FORKS: &[&str] = &[
    "terminalblock",
    "genesisblock",
    "yolov1block",
    "yolov2block",
    "yolov3block",
    "ewasmblock",
    "catalystblock",
    "parisblock",
    "blocktime",
    "genesistime",
];

/// Checks the section of a genesis file that says what the chain's rules are for such that are not followed.
pub(super) fn check(config: &Object<'_>, section: &str) -> Result<(), GenesisError> {
    // Clique made blocks before the merge only, where there is one.
    let merged = config.get("terminaltotaldifficulty").is_some()
        || config.get("terminaltotaldifficultypassed").is_some_and(|passed| passed.get() == "true");
    let refused = |key: &str, rules: &str| {
        Err(GenesisError::Rules {
            key: format!("{section}.{}", config.spelled(key)),
            rules: rules.to_owned(),
        })
    };
    for (key, value) in config.members() {
        if !is_set(value) {
            continue;
        }
        let known = SECTIONS.iter().find(|(name, _)| *name == key);
        if let Some((_, rules)) = known.or_else(|| PARTS.iter().find(|(part, _)| key.contains(part))) {
            return refused(key, rules);
        }
        if key == "clique" && !merged {
            return refused(key, "blocks sealed by Clique");
        }
        if let Some((_, ethereums, rules)) = NUMBERS.iter().find(|(name, ..)| *name == key) {
            let said = whole(value).map_err(GenesisError::value(format!("{section}.{key}")))?;
            if !said.is_zero() && said != U256::from(*ethereums) {
                return refused(key, rules);
            }
        }
        if key == "eccurve" && text(value).is_ok_and(|curve| !curve.eq_ignore_ascii_case("secp256k1")) {
            return refused(key, "signatures on another curve");
        }
        if key == "transitions" && value.get().bytes().any(|byte| byte.is_ascii_digit()) {
            return refused(key, "rules of consensus that change at given blocks");
        }
    }
    Ok(())
}

/// Errors for a fork that nobody here knows. `known` are the members that were read.
pub(super) fn check_forks(config: &Object<'_>, known: &[&str]) -> Result<(), GenesisError> {
    for (key, value) in config.members() {
        let ends = key.ends_with("time") || key.ends_with("block");
        if !ends || known.contains(&key) || EARLIER.contains(&key) || NO_FORKS.contains(&key) {
            continue;
        }
        match activation(value) {
            Ok(Some(at)) => {
                return Err(GenesisError::UnknownFork { key: format!("config.{}", config.spelled(key)), at });
            }
            Ok(None) => {}
            Err(reason) => {
                tracing::warn!(
                    key,
                    reason,
                    "a member of the genesis file's config is not known and is ignored"
                );
            }
        }
    }
    Ok(())
}

fn is_set(value: &RawValue) -> bool {
    value.get() != "false"
}
