//! L1: its node, and its blocks as far as the chain needs them.

use crate::{
    OpDevnetError, contracts::OpDevPortal, contracts::OpDevSystemConfig, deposits::deposit,
    system::SystemConfig,
};
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, B256, U64, U128, U256};
use alloy_rpc_client::RpcClient;
use alloy_rpc_types_eth::Log;
use alloy_sol_types::SolEvent;
use op_alloy_consensus::TxDeposit;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time;
use url::Url;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// So many blocks are read at once.
const MOST_AT_ONCE: u64 = 256;

/// L1's node.
#[derive(Clone, Debug)]
pub(crate) struct L1Client {
    rpc: RpcClient,
}

/// A block of L1, with what it does to L2.
#[derive(Clone, Debug)]
pub(crate) struct L1Block {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) parent_hash: B256,
    pub(crate) timestamp: u64,
    pub(crate) base_fee: u64,
    pub(crate) blob_base_fee: u128,
    pub(crate) mix_hash: B256,
    pub(crate) beacon_root: B256,
    /// Their hashes.
    pub(crate) transactions: Vec<B256>,
    pub(crate) deposits: Vec<TxDeposit>,
    /// As of this block.
    pub(crate) system: SystemConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    number: U64,
    hash: B256,
    parent_hash: B256,
    timestamp: U64,
    #[serde(default)]
    base_fee_per_gas: U128,
    #[serde(default)]
    excess_blob_gas: U64,
    #[serde(default)]
    mix_hash: B256,
    #[serde(default)]
    parent_beacon_block_root: B256,
    transactions: Vec<B256>,
}

impl L1Client {
    pub(crate) fn new(url: Url) -> Self {
        Self { rpc: proofmill_http::rpc_client(url) }
    }

    pub(crate) async fn ask<T: DeserializeOwned + std::fmt::Debug + Send + Sync + Unpin + 'static>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, OpDevnetError> {
        let failed = |reason: String| OpDevnetError::L1 { method, reason };
        let answer = time::timeout(ANSWER_WITHIN, self.rpc.request::<_, T>(method, params)).await;
        let answer = answer.map_err(|_| failed(format!("no answer within {} s", ANSWER_WITHIN.as_secs())))?;
        answer.map_err(|error| failed(proofmill_http::in_one_line(&error)))
    }

    /// A block without its logs.
    async fn block(&self, at: Value) -> Result<Option<L1Block>, OpDevnetError> {
        let method = "eth_getBlockByNumber";
        let shown: Value = self.ask(method, json!([at, false])).await?;
        if shown.is_null() {
            return Ok(None);
        }
        let shown = Shown::deserialize(&shown)
            .map_err(|error| OpDevnetError::L1 { method, reason: error.to_string() })?;
        Ok(Some(L1Block {
            number: shown.number.to(),
            hash: shown.hash,
            parent_hash: shown.parent_hash,
            timestamp: shown.timestamp.to(),
            base_fee: shown.base_fee_per_gas.saturating_to(),
            // L1 is at Prague from its first block on.
            blob_base_fee: BlobParams::prague().calc_blob_fee(shown.excess_blob_gas.to()),
            mix_hash: shown.mix_hash,
            beacon_root: shown.parent_beacon_block_root,
            transactions: shown.transactions,
            deposits: Vec::new(),
            system: SystemConfig::default(),
        }))
    }

    async fn number(&self, number: u64) -> Result<Option<L1Block>, OpDevnetError> {
        self.block(json!(U64::from(number))).await
    }

    pub(crate) async fn latest(&self) -> Result<L1Block, OpDevnetError> {
        let method = "eth_getBlockByNumber";
        let none = || OpDevnetError::L1 { method, reason: "it has no newest block".into() };
        self.block(json!("latest")).await?.ok_or_else(none)
    }

    pub(crate) async fn nonce(&self, account: Address, tag: &str) -> Result<u64, OpDevnetError> {
        Ok(self.ask::<U64>("eth_getTransactionCount", json!([account, tag])).await?.to())
    }

    /// Whether a transaction succeeded; none where it is in no block yet.
    pub(crate) async fn status(&self, hash: B256) -> Result<Option<bool>, OpDevnetError> {
        let receipt: Value = self.ask("eth_getTransactionReceipt", json!([hash])).await?;
        Ok(receipt.get("status").map(|status| *status == json!("0x1")))
    }

    pub(crate) async fn is_known(&self, hash: B256) -> Result<bool, OpDevnetError> {
        let shown: Value = self.ask("eth_getTransactionByHash", json!([hash])).await?;
        Ok(!shown.is_null())
    }

    async fn logs(&self, block: B256, contracts: [Address; 2]) -> Result<Vec<Log>, OpDevnetError> {
        self.ask("eth_getLogs", json!([{ "blockHash": block, "address": contracts }])).await
    }
}

/// L1 from the chain's beginning on.
#[derive(Clone, Debug)]
pub(crate) struct L1Chain {
    contracts: [Address; 2],
    blocks: Vec<Arc<L1Block>>,
    /// In which block a transaction is.
    included: HashMap<B256, u64>,
}

impl L1Chain {
    /// Begins with a block, of which nothing but the place counts. `contracts` are the portal and the system configuration.
    pub(crate) fn new(first: L1Block, contracts: [Address; 2]) -> Self {
        Self { contracts, blocks: vec![Arc::new(first)], included: HashMap::new() }
    }

    pub(crate) fn first(&self) -> &Arc<L1Block> {
        &self.blocks[0]
    }

    pub(crate) fn tip(&self) -> &Arc<L1Block> {
        // The first block is never taken away.
        &self.blocks[self.blocks.len() - 1]
    }

    pub(crate) fn by_number(&self, number: u64) -> Option<&Arc<L1Block>> {
        self.blocks.get(usize::try_from(number.checked_sub(self.first().number)?).ok()?)
    }

    /// The block at a time.
    pub(crate) fn at_time(&self, timestamp: u64) -> Option<&Arc<L1Block>> {
        let at = self.blocks.binary_search_by_key(&timestamp, |block| block.timestamp).ok()?;
        self.blocks.get(at)
    }

    /// The number of the block that has a transaction.
    pub(crate) fn inclusion(&self, transaction: &B256) -> Option<u64> {
        self.included.get(transaction).copied()
    }

    fn push(&mut self, mut block: L1Block, logs: &[Log]) {
        block.system = self.tip().system;
        let [portal, system] = self.contracts;
        for log in logs {
            let topic = log.topics().first();
            if log.address() == portal && topic == Some(&OpDevPortal::TransactionDeposited::SIGNATURE_HASH) {
                let index = log.log_index.unwrap_or_default();
                block.deposits.extend(deposit(block.hash, index, &log.inner));
            } else if log.address() == system
                && topic == Some(&OpDevSystemConfig::ConfigUpdate::SIGNATURE_HASH)
            {
                block.system.apply(&log.inner);
            }
        }
        self.included.extend(block.transactions.iter().map(|hash| (*hash, block.number)));
        self.blocks.push(Arc::new(block));
    }

    /// Follows the node. The result is what L1 is now, where it changed, and whether blocks were replaced.
    pub(crate) async fn follow(&self, client: &L1Client) -> Result<Option<(Self, bool)>, OpDevnetError> {
        let head = client.latest().await?;
        if head.hash == self.tip().hash {
            return Ok(None);
        }
        let mut now = self.clone();
        let mut common = head.number.min(self.tip().number);
        while common > self.first().number {
            let there = client.number(common).await?;
            if there.map(|block| block.hash) == self.by_number(common).map(|block| block.hash) {
                break;
            }
            common -= 1;
        }
        // The chain's first block counts as there: without it there would be no chain.
        let kept = (common - self.first().number) as usize + 1;
        let replaced = kept < now.blocks.len();
        for gone in now.blocks.split_off(kept) {
            for hash in &gone.transactions {
                now.included.remove(hash);
            }
        }
        let last = head.number.min(common + MOST_AT_ONCE);
        for number in common + 1..=last {
            let Some(block) = client.number(number).await? else { break };
            // It changes while it is read: the rest comes next time.
            if block.parent_hash != now.tip().hash {
                break;
            }
            let logs = client.logs(block.hash, self.contracts).await?;
            now.push(block, &logs);
        }
        let changed = replaced || now.blocks.len() != self.blocks.len();
        Ok(changed.then_some((now, replaced)))
    }
}

/// What L1's newest block asks of a transaction, with room: base fee and blob base fee, in wei.
pub(crate) fn fees(tip: &L1Block) -> (u128, u128) {
    (u128::from(tip.base_fee) * 2 + 1_000_000_000, U256::from(tip.blob_base_fee * 2 + 1).saturating_to())
}
