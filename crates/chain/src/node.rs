//! The clients of L1 and L2.

use crate::{ChainError, Endpoints, rpc::Rpc};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_sol_types::SolCall;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// What is known of a block without its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockHead {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Hash of the block before it.
    pub parent_hash: B256,
    /// State root after it.
    pub state_root: B256,
    /// Its time, in Unix seconds.
    pub timestamp: u64,
}

/// Which block is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockAt {
    /// The newest.
    Latest,
    /// The newest that no reorg takes back.
    Finalized,
    /// The one with this number, on the chain that the node follows.
    Number(u64),
}

/// The chain that the rollup settles on.
#[derive(Clone, Debug)]
pub struct L1 {
    pub(crate) rpc: Arc<Rpc>,
}

/// The rollup's own chain.
#[derive(Clone, Debug)]
pub struct L2 {
    rpc: Arc<Rpc>,
}

impl L1 {
    /// Connects to the nodes of L1, and makes sure that they are of one chain, that with the id `chain_id` if it is given.
    ///
    /// One endpoint must answer; others that are away join later.
    pub async fn connect(endpoints: Endpoints, chain_id: Option<u64>) -> Result<Self, ChainError> {
        Ok(Self { rpc: Arc::new(Rpc::connect(endpoints, chain_id).await?) })
    }

    /// EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.rpc.chain_id()
    }

    /// A block; none if the chain has not come that far.
    pub async fn block(&self, at: BlockAt) -> Result<Option<BlockHead>, ChainError> {
        block(&self.rpc, at).await
    }

    /// The newest block.
    pub async fn head(&self) -> Result<BlockHead, ChainError> {
        head(&self.rpc).await
    }

    /// What an account has, in wei.
    pub async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.rpc.ask("eth_getBalance", (account, "latest")).await
    }

    /// Whether there is a contract at an address.
    pub async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        let code: Bytes = self.rpc.ask("eth_getCode", (address, "latest")).await?;
        Ok(!code.is_empty())
    }

    /// Reads from a contract, at the block with this hash or at the newest.
    pub(crate) async fn read<C: SolCall>(
        &self,
        contract: Address,
        call: &C,
        at: Option<B256>,
    ) -> Result<C::Return, ChainError> {
        let at = at.map_or_else(|| json!("latest"), |hash| json!({ "blockHash": hash }));
        let call = json!({ "to": contract, "data": Bytes::from(call.abi_encode()) });
        let answer: Bytes = self.rpc.ask("eth_call", (call, at)).await?;
        C::abi_decode_returns_validate(&answer)
            .map_err(|error| ChainError::Malformed { method: C::SIGNATURE, reason: error.to_string() })
    }
}

impl L2 {
    /// Connects to the nodes of L2, and makes sure that they are of the chain with this id.
    ///
    /// One endpoint must answer; others that are away join later.
    pub async fn connect(endpoints: Endpoints, chain_id: Option<u64>) -> Result<Self, ChainError> {
        Ok(Self { rpc: Arc::new(Rpc::connect(endpoints, chain_id).await?) })
    }

    /// EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.rpc.chain_id()
    }

    /// A block; none if the chain has not come that far.
    pub async fn block(&self, at: BlockAt) -> Result<Option<BlockHead>, ChainError> {
        block(&self.rpc, at).await
    }

    /// The newest block.
    pub async fn head(&self) -> Result<BlockHead, ChainError> {
        head(&self.rpc).await
    }
}

async fn block(rpc: &Rpc, at: BlockAt) -> Result<Option<BlockHead>, ChainError> {
    Ok(header(rpc, at).await?.map(|header| header.head))
}

async fn head(rpc: &Rpc) -> Result<BlockHead, ChainError> {
    block(rpc, BlockAt::Latest).await?.ok_or_else(|| ChainError::Malformed {
        method: "eth_getBlockByNumber",
        reason: "there is no latest block".to_owned(),
    })
}

/// What is read of a block. Chains and clients differ in the other members.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Shown")]
pub(crate) struct Header {
    pub(crate) head: BlockHead,
    /// In wei.
    pub(crate) base_fee_per_gas: Option<u64>,
}

/// As a node shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    number: U64,
    hash: B256,
    parent_hash: B256,
    state_root: B256,
    timestamp: U64,
    base_fee_per_gas: Option<U64>,
}

impl From<Shown> for Header {
    fn from(shown: Shown) -> Self {
        let head = BlockHead {
            number: shown.number.to(),
            hash: shown.hash,
            parent_hash: shown.parent_hash,
            state_root: shown.state_root,
            timestamp: shown.timestamp.to(),
        };
        Self { head, base_fee_per_gas: shown.base_fee_per_gas.map(|fee| fee.to()) }
    }
}

pub(crate) async fn header(rpc: &Rpc, at: BlockAt) -> Result<Option<Header>, ChainError> {
    let at = match at {
        BlockAt::Latest => json!("latest"),
        BlockAt::Finalized => json!("finalized"),
        BlockAt::Number(number) => json!(U64::from(number)),
    };
    // A block without its transactions has all fields of a header.
    rpc.ask("eth_getBlockByNumber", (at, false)).await
}
