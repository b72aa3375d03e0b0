//! What a chain of the OP Stack is derived by.

use eyre::{Result, WrapErr, bail};
use proofmill_derivation::{RollupConfig, config_from_rollup_json};
use proofmill_stateless::ChainSpec;
use proofmill_witness::RollupNode;
use serde_json::Value;
use std::{fs, path::Path};
use url::Url;

/// By the file that was given, or as the rollup's node says it: that is asked where there is no file, or an execution client's
/// `genesis.json`, which says nothing of L1.
pub(crate) async fn rollup_config(
    genesis: Option<&Path>,
    node: Option<&Url>,
    l1: &ChainSpec,
) -> Result<RollupConfig> {
    let read =
        |file: &Path| fs::read_to_string(file).wrap_err_with(|| format!("cannot read {}", file.display()));
    let file = genesis.map(read).transpose()?.filter(|text| !is_genesis(text));
    let text = match (file, node) {
        (Some(text), _) => text,
        (None, Some(url)) => RollupNode::new(url.clone()).rollup_config().await?,
        (None, None) => bail!(
            "what the chain is derived by is in its rollup configuration: name its node with --l2-node-rpc (L2_NODE_RPC), or its \
             rollup.json with --genesis"
        ),
    };
    let said: Value = serde_json::from_str(&text).wrap_err("the rollup configuration")?;
    match said["l1_chain_id"].as_u64() {
        Some(chain) if chain != l1.chain_id => {
            bail!("the nodes of --l1-rpc are of chain {}, and the rollup's L1 is chain {chain}", l1.chain_id)
        }
        _ => Ok(config_from_rollup_json(&text, l1.blobs.clone())?),
    }
}

/// Whether a file is an execution client's `genesis.json`. What is neither is refused by what reads it.
fn is_genesis(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|said| said["config"].is_object())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proofmill_proxy::{Action, Proxy};
    use proofmill_stateless::Fork;
    use serde_json::json;

    #[tokio::test]
    async fn a_node_is_asked_where_the_file_says_nothing_of_l1() {
        let nowhere = "http://127.0.0.1:9".parse().unwrap();
        let node = Proxy::new(&nowhere, |_| Action::Answer(json!({ "l1_chain_id": 5 }))).await;
        let l1 = ChainSpec::for_fork(1, Fork::Prague);
        let folder = tempfile::tempdir().unwrap();
        let [genesis, rollup] = ["genesis.json", "rollup.json"].map(|name| folder.path().join(name));
        fs::write(&genesis, r#"{"config":{"chainId":901,"optimism":{}},"alloc":{}}"#).unwrap();
        fs::write(&rollup, r#"{"l1_chain_id":7,"l2_chain_id":901}"#).unwrap();
        for (file, node, wanted) in [
            (None, Some(&node.url), "chain 5"),
            (Some(&genesis), Some(&node.url), "chain 5"),
            (Some(&rollup), Some(&node.url), "chain 7"),
            (Some(&rollup), None, "chain 7"),
            (Some(&genesis), None, "its rollup.json with --genesis"),
            (None, None, "--l2-node-rpc"),
        ] {
            let said = rollup_config(file.map(|file| file.as_path()), node, &l1).await.unwrap_err();
            assert!(said.to_string().contains(wanted), "{file:?}: {said}");
        }
    }
}
