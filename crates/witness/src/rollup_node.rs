//! The node of a rollup of the OP Stack (op-node, kona-node): what it says of its chain's configuration and of L1.

use crate::BuildError;
use alloy_primitives::{B256, U64};
use proofmill_http::in_one_line;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};
use url::Url;

/// What a chain is known by on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputAt {
    /// The output root.
    pub root: B256,
    /// The block's time, in Unix seconds.
    pub timestamp: u64,
}

/// A rollup node.
#[derive(Clone, Debug)]
pub struct RollupNode {
    client: alloy_rpc_client::RpcClient,
}

impl RollupNode {
    /// The node at this address. It is connected to when it is first asked.
    pub fn new(url: Url) -> Self {
        Self { client: proofmill_http::rpc_client(url) }
    }

    /// Its chain's `rollup.json`.
    ///
    /// # Errors
    /// The node does not say.
    pub async fn rollup_config(&self) -> Result<String, BuildError> {
        let said: Box<RawValue> = self.ask("optimism_rollupConfig", json!([])).await?;
        Ok(said.get().to_owned())
    }

    /// The number of the newest block of L2 that follows from L1 up to its block with this number.
    ///
    /// # Errors
    /// The node does not say: it keeps no such record (op-node: `--safedb.path`), or is behind.
    pub async fn safe_head(&self, l1_block: u64) -> Result<u64, BuildError> {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Said {
            safe_head: Head,
        }
        #[derive(Debug, Deserialize)]
        struct Head {
            number: u64,
        }
        let said: Said = self.ask("optimism_safeHeadAtL1Block", json!([U64::from(l1_block)])).await?;
        Ok(said.safe_head.number)
    }

    /// The output root of a block, as the node says it.
    ///
    /// # Errors
    /// The node does not have the block.
    pub async fn output(&self, block: u64) -> Result<OutputAt, BuildError> {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Said {
            output_root: B256,
            block_ref: Block,
        }
        #[derive(Debug, Deserialize)]
        struct Block {
            timestamp: u64,
        }
        let said: Said = self.ask("optimism_outputAtBlock", json!([U64::from(block)])).await?;
        Ok(OutputAt { root: said.output_root, timestamp: said.block_ref.timestamp })
    }

    async fn ask<T: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static>(
        &self,
        method: &'static str,
        params: serde_json::Value,
    ) -> Result<T, BuildError> {
        self.client.request(method, params).await.map_err(|error| {
            let mut reason = in_one_line(&error);
            if method == "optimism_safeHeadAtL1Block" {
                reason.push_str("; op-node keeps this record with --safedb.path");
            }
            BuildError::Refused { method, reason }
        })
    }
}
