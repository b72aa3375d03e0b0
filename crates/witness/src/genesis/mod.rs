//! Genesis files in the forms of the clients: geth's, which reth, Besu, Erigon and others have too, and Nethermind's
//! chain specifications.
//!
//! What is written in another way is read. What changes the rules of a chain, and is not followed here, is an error.

mod chainspec;
mod fork;
mod geth;
mod rules;
#[cfg(test)]
pub(crate) mod tests;

use crate::json::{Object, shown};
use proofmill_stateless::{ChainSpec, ChainSpecError, OpRulesError};

/// What a genesis file says.
#[derive(Clone, Debug)]
pub(crate) struct GenesisFile {
    /// The rules.
    pub(crate) chain: ChainSpec,
    /// The time of block 0, in seconds since 1970.
    pub(crate) timestamp: u64,
    /// The times of all forks as the file says them, those of blob parameters too.
    pub(crate) times: Vec<u64>,
    /// The numbers of the blocks at which forks before Shanghai began; none where the file says it in another way.
    pub(crate) fork_blocks: Option<Vec<u64>>,
}

/// Why a genesis file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// It is not JSON, or not of the form of a genesis file.
    #[error(
        "it is not valid: {reason}; give the genesis file that the chain's nodes were started with, as geth, reth, Besu or \
         Nethermind read it"
    )]
    Form {
        /// What is wrong.
        reason: String,
    },
    /// It is of a chain of the OP Stack whose rules cannot be followed.
    #[error(transparent)]
    Optimism(#[from] OpRulesError),
    /// Something in it cannot be read.
    #[error("`{key}` cannot be read: {reason}")]
    Value {
        /// Where it stands.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It says that the chain has rules that are not Ethereum's.
    #[error(
        "`{key}` says that the chain has {rules}: this version checks Ethereum's rules and the OP Stack's, so its blocks \
         cannot be proven. Prove a chain with such rules, or remove `{key}` if no block of the chain was ever made by it"
    )]
    Rules {
        /// Where it stands.
        key: String,
        /// Whose rules they are.
        rules: String,
    },
    /// It schedules a fork that is not known.
    #[error(
        "`{key}` schedules a fork at {at} that this version does not know, so later blocks cannot be proven: use a version \
         that knows it, or remove `{key}` if the fork is not to happen (2^64-1 is taken as never)"
    )]
    UnknownFork {
        /// Where it stands.
        key: String,
        /// The block or the time at which it begins.
        at: u64,
    },
    /// It schedules a fork of blob parameters without saying which.
    #[error(
        "`{fork}Time` schedules other blob parameters, but `blobSchedule` has none for `{fork}`: add its `target`, `max` and \
         `baseFeeUpdateFraction`, or remove `{fork}Time`"
    )]
    BlobScheduleMissing {
        /// The fork's name.
        fork: String,
    },
    /// The EIPs of one fork do not begin together.
    #[error(
        "{fork} is not scheduled in full: {reason}. This version follows whole forks only: give all its EIPs the same time"
    )]
    PartialFork {
        /// The fork's name.
        fork: &'static str,
        /// What is missing or differs.
        reason: String,
    },
    /// Its rules cannot be followed.
    #[error(transparent)]
    Chain(#[from] ChainSpecError),
}

impl GenesisError {
    fn form(reason: impl Into<String>) -> Self {
        Self::Form { reason: reason.into() }
    }

    fn value(key: impl Into<String>) -> impl FnOnce(String) -> Self {
        let key = key.into();
        move |reason| Self::Value { key, reason }
    }
}

/// Reads a genesis file.
pub(crate) fn read(file: &[u8]) -> Result<GenesisFile, GenesisError> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let text =
        std::str::from_utf8(file).map_err(|error| GenesisError::form(format!("it is not UTF-8: {error}")))?;
    let object = Object::read(text).map_err(GenesisError::form)?;
    if object.get("config").is_some() {
        return geth::read(&object);
    }
    if object.get("params").is_some() {
        return chainspec::read(&object);
    }
    // A node's own words (`debug_chainConfig`): the section alone, without accounts.
    if object.get("chainid").is_some() {
        return geth::read_config(&object);
    }
    let names: Vec<&str> = object.members().map(|(name, _)| name).take(8).collect();
    let names = shown(&names.join(", "));
    Err(GenesisError::form(format!("it has neither `config` nor `params`, but: {names}")))
}

/// Whose rules a `config` says that are not followed, if it does.
pub(crate) fn foreign_rules(config: &str) -> Option<String> {
    match rules::check(&Object::read(config).ok()?, "config") {
        Err(GenesisError::Rules { rules, .. }) => Some(rules),
        _ => None,
    }
}
