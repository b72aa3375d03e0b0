//! The node of a rollup of the OP Stack (op-node, kona-node): what it says of its chain's configuration and of L1.

use crate::BuildError;
use alloy_primitives::{B256, U64};
use proofmill_http::{NodeUrl, in_one_line};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{json, value::RawValue};
use std::time::Duration;
use url::Url;

/// How long an answer may take. A node that accepts connections and answers nothing would hold up whoever asks.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// The pause before the second try; before the third it is twice as long.
const PAUSE: Duration = Duration::from_secs(1);
/// Tries of a request.
const TRIES: u32 = 3;
/// JSON-RPC's code for a method that is not there.
const METHOD_NOT_FOUND: i64 = -32601;

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
    node: NodeUrl,
    client: alloy_rpc_client::RpcClient,
    answer_within: Duration,
    pause: Duration,
}

impl RollupNode {
    /// The node at this address. It is connected to when it is first asked.
    pub fn new(url: Url) -> Self {
        let node = NodeUrl::from(url);
        Self { client: node.client(), node, answer_within: ANSWER_WITHIN, pause: PAUSE }
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
        let (mut reason, mut pause) = (String::new(), self.pause);
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            let asked = self.client.request::<_, T>(method, params.clone());
            match tokio::time::timeout(self.answer_within, asked).await {
                Ok(Ok(answer)) => return Ok(answer),
                // An answer, and one that would be the same again.
                Ok(Err(error)) if !error.is_transport_error() => {
                    let mut reason = in_one_line(&error);
                    // Another node, or a page of a proxy in place of one.
                    let is_foreign = error.as_error_resp().is_none_or(|said| said.code == METHOD_NOT_FOUND);
                    if is_foreign {
                        reason.push_str(
                            "; this is not how a rollup node answers (op-node, kona-node): name one by --l2-node-rpc (L2_NODE_RPC)",
                        );
                    } else if method == "optimism_safeHeadAtL1Block" {
                        reason.push_str("; op-node keeps this record with --safedb.path");
                    }
                    return Err(BuildError::Refused { method, reason, passes: false });
                }
                Ok(Err(error)) => reason = in_one_line(&error),
                Err(_) => reason = format!("no answer within {} s", self.answer_within.as_secs()),
            }
        }
        Err(BuildError::Unreachable {
            method,
            endpoints: self.node.to_string(),
            attempts: TRIES as usize,
            reason,
            remedy: "check the rollup node's address (--l2-node-rpc, L2_NODE_RPC), and restart the node if it hangs",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proofmill_proxy::{Action, Proxy};
    use tokio::net::TcpListener;

    fn hasty(url: Url) -> RollupNode {
        let pause = Duration::from_millis(1);
        RollupNode { answer_within: Duration::from_millis(50), pause, ..RollupNode::new(url) }
    }

    #[tokio::test]
    async fn a_node_that_hangs_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap());
        // It accepts connections, and says nothing.
        let hangs = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                kept.push(connection);
            }
        });
        let node = hasty(format!("{place}/secret").parse().unwrap());
        let error = node.safe_head(7).await.unwrap_err();
        assert!(matches!(error, BuildError::Unreachable { attempts: 3, .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains(&place) && said.contains("optimism_safeHeadAtL1Block"), "{said}");
        assert!(said.contains("no answer within") && !said.contains("secret"), "{said}");
        hangs.abort();
    }

    #[tokio::test]
    async fn a_node_that_is_away_is_asked_again() {
        // A port that was free a moment ago may be another test's by now.
        let nowhere = "http://127.0.0.1:9".parse().unwrap();
        let error = hasty(nowhere).output(7).await.unwrap_err();
        assert!(matches!(error, BuildError::Unreachable { attempts: 3, .. }), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_rollup_node_is_said_to_be_none() {
        let nowhere = "http://127.0.0.1:9".parse().unwrap();
        let missing = Proxy::new(&nowhere, |_| Action::refuse(-32601, "the method does not exist")).await;
        let page = Proxy::new(&nowhere, |_| {
            let html = vec![("content-type", "text/html".to_owned())];
            Action::Http(200, html, b"<html>Welcome</html>".to_vec())
        })
        .await;
        for node in [missing, page] {
            let said = RollupNode::new(node.url.clone()).output(7).await.unwrap_err().to_string();
            assert!(said.contains("optimism_outputAtBlock") && said.contains("L2_NODE_RPC"), "{said}");
        }
        let without = Proxy::new(&nowhere, |_| Action::refuse(-32000, "not found")).await;
        let said = RollupNode::new(without.url.clone()).safe_head(7).await.unwrap_err().to_string();
        assert!(said.contains("--safedb.path") && !said.contains("L2_NODE_RPC"), "{said}");
    }
}
