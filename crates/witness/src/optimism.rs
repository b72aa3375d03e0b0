//! The rules of a chain of the OP Stack: from its files, or from its nodes.

use crate::{BuildError, json::Object, rpc::Rpc};
use proofmill_endpoints::Need;
use proofmill_optimism::{known_rules, rules_from_genesis, rules_from_rollup_config};
use proofmill_stateless::{ChainSpec, OpFork, OpRulesError};
use serde_json::{json, value::RawValue};

/// How op-node tells its configuration. Some endpoints pass it on.
const ROLLUP_CONFIG: &str = "optimism_rollupConfig";

/// A file of a chain of the OP Stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpFile {
    /// op-node's `rollup.json`.
    Rollup,
    /// The execution client's `genesis.json`, which does not say how long a block takes.
    Genesis,
}

impl OpFile {
    /// Which of them a text is, if it is one.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let object = Object::read(text).ok()?;
        if object.get("l2_chain_id").is_some() {
            return Some(Self::Rollup);
        }
        let config = Object::read(object.get("config")?.get()).ok()?;
        config.get("optimism").map(|_| Self::Genesis)
    }

    /// The rules in it. `block_time` is in seconds.
    pub(crate) fn rules(self, text: &str, block_time: u64) -> Result<ChainSpec, OpRulesError> {
        let rules = match self {
            Self::Rollup => rules_from_rollup_config(text)?,
            Self::Genesis => rules_from_genesis(text, block_time)?,
        };
        Ok(ChainSpec::optimism(rules))
    }
}

/// The chains that follow the OP Stack's own forks and are well known.
pub(crate) fn known(chain_id: u64) -> Option<ChainSpec> {
    known_rules(chain_id).map(|(_, rules)| ChainSpec::optimism(rules))
}

/// What the node says of its rules, where it is one of the OP Stack. `config` is what it starts with, and the method by which it
/// said so.
pub(crate) async fn said_by(
    rpc: &Rpc,
    chain_id: u64,
    config: Option<(&'static str, &str)>,
) -> Result<Option<ChainSpec>, BuildError> {
    let wrong = |method, reason| BuildError::OpRules { chain_id, method, reason };
    match rpc.ask::<Box<RawValue>>(Need::Nothing, ROLLUP_CONFIG, json!([])).await {
        Ok(said) if OpFile::of(said.get()) == Some(OpFile::Rollup) => {
            let spec = OpFile::Rollup.rules(said.get(), 0);
            return spec.map(Some).map_err(|reason| wrong(ROLLUP_CONFIG, reason));
        }
        Err(error @ BuildError::Unreachable { .. }) => return Err(error),
        _ => {}
    }
    let Some((method, config)) = config else { return Ok(None) };
    let text = format!("{{\"config\":{config}}}");
    if OpFile::of(&text) != Some(OpFile::Genesis) {
        return Ok(None);
    }
    let spec = OpFile::Genesis.rules(&text, block_time(rpc).await?);
    spec.map(Some).map_err(|reason| wrong(method, reason))
}

/// How long the node's blocks take, in seconds: as long as the newest took. Where that is not the rule of the chain, its blocks do
/// not execute.
pub(crate) async fn block_time(rpc: &Rpc) -> Result<u64, BuildError> {
    #[derive(serde::Deserialize)]
    struct Head {
        number: alloy_primitives::U64,
        timestamp: alloy_primitives::U64,
    }
    let block = async |at: String| {
        rpc.ask::<Option<Head>>(Need::Head, "eth_getBlockByNumber", json!([at, false])).await
    };
    let none = || BuildError::NoBlockTime;
    let newest = block("latest".to_owned()).await?.ok_or_else(none)?;
    let before = newest.number.to::<u64>().checked_sub(1).ok_or_else(none)?;
    let before = block(format!("{before:#x}")).await?.ok_or_else(none)?;
    newest.timestamp.to::<u64>().checked_sub(before.timestamp.to()).filter(|took| *took > 0).ok_or_else(none)
}

/// Whether anvil's name of its hardfork is one of the OP Stack's.
pub(crate) fn is_fork_of_anvil(name: &str) -> bool {
    ["bedrock", "regolith", "interop"].contains(&name) || OpFork::ALL.iter().any(|fork| fork.name() == name)
}
