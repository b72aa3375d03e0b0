//! What a chain of the OP Stack is derived by.

use eyre::{Result, WrapErr, bail};
use proofmill_derivation::{RollupConfig, config_from_rollup_json};
use proofmill_stateless::ChainSpec;
use proofmill_witness::RollupNode;
use std::{fs, path::Path};
use url::Url;

/// By the file that was given, or as the rollup's node says it.
pub(crate) async fn rollup_config(
    genesis: Option<&Path>,
    node: Option<&Url>,
    l1: &ChainSpec,
) -> Result<RollupConfig> {
    let text = match (genesis, node) {
        (Some(file), _) => {
            fs::read_to_string(file).wrap_err_with(|| format!("cannot read {}", file.display()))?
        }
        (None, Some(url)) => RollupNode::new(url.clone()).rollup_config().await?,
        (None, None) => bail!(
            "what the chain is derived by is in its rollup configuration: name its node with --l2-node-rpc (L2_NODE_RPC), or its \
             rollup.json with --genesis"
        ),
    };
    let said: serde_json::Value = serde_json::from_str(&text).wrap_err("the rollup configuration")?;
    match said["l1_chain_id"].as_u64() {
        Some(chain) if chain != l1.chain_id => {
            bail!("the nodes of --l1-rpc are of chain {}, and the rollup's L1 is chain {chain}", l1.chain_id)
        }
        _ => Ok(config_from_rollup_json(&text, l1.blobs.clone())?),
    }
}
