//! The clients of L1 and L2.

use crate::{ChainError, rpc::Rpc};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_sol_types::SolCall;
use proofmill_endpoints::{Header, Need, Pool, PoolOptions};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// First bytes of the code of an account that delegates (EIP-7702). No contract's code begins so.
pub const DELEGATES: [u8; 3] = [0xef, 0x01, 0x00];

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
    /// The newest that only a fault of many validators takes back.
    Safe,
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
    pub(crate) rpc: Arc<Rpc>,
}

impl L1 {
    /// Connects to the nodes of L1, and makes sure that they are of one chain, that with the id `chain_id` if it is given.
    ///
    /// One endpoint must answer; others that are away join later.
    pub async fn connect(endpoints: PoolOptions, chain_id: Option<u64>) -> Result<Self, ChainError> {
        Ok(Self { rpc: Arc::new(Rpc::connect("L1", endpoints, chain_id).await?) })
    }

    /// Over endpoints that others use, too.
    pub fn over(pool: Pool) -> Self {
        Self { rpc: Arc::new(Rpc::over(pool)) }
    }

    /// Its endpoints.
    pub fn endpoints(&self) -> &Pool {
        self.rpc.pool()
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

    /// The number of the block with a hash; none where the chain does not have it, or not any more.
    pub async fn number_of(&self, hash: B256) -> Result<Option<u64>, ChainError> {
        let header: Option<Header> =
            self.rpc.ask_with(Need::Seen, "eth_getBlockByHash", (hash, false)).await?;
        let Some(Header { number, .. }) = header else { return Ok(None) };
        // Clients keep blocks of branches that are gone, and show them by their hashes (go-ethereum).
        let there = self.block(BlockAt::Number(number)).await?;
        Ok(there.filter(|block| block.hash == hash).map(|block| block.number))
    }

    /// What an account has, in wei.
    pub async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        self.rpc.ask("eth_getBalance", (account, "latest")).await
    }

    /// Whether there is code at an address: a contract, or an account that delegates.
    pub async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        Ok(!self.code(address).await?.is_empty())
    }

    /// Whether there is a contract at an address. An account that delegates is none: whoever has its key can put anything in its place.
    pub async fn is_contract(&self, address: Address) -> Result<bool, ChainError> {
        let code = self.code(address).await?;
        Ok(!code.is_empty() && !code.starts_with(&DELEGATES))
    }

    /// The code of the contract at an address, in the newest block; empty where there is none.
    pub async fn code(&self, address: Address) -> Result<Bytes, ChainError> {
        self.rpc.ask("eth_getCode", (address, "latest")).await
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
        // What an address without a contract answers. It may have had one: this L1 may not be the one that it was.
        if answer.is_empty() && !self.has_code(contract).await? {
            return Err(self.no_contract(contract).await);
        }
        C::abi_decode_returns_validate(&answer).map_err(|error| ChainError::OtherAnswer {
            address: contract,
            function: C::SIGNATURE,
            reason: if answer.is_empty() { "it answers nothing".to_owned() } else { error.to_string() },
        })
    }

    /// That there is no contract at an address, with the block that shows it: a node that has not come to the deployment shows none either.
    pub(crate) async fn no_contract(&self, address: Address) -> ChainError {
        match self.head().await {
            Ok(BlockHead { number, timestamp, .. }) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let age = now.as_secs().saturating_sub(timestamp);
                ChainError::NoContract { address, chain: self.chain_id(), block: number, age }
            }
            Err(error) => error,
        }
    }
}

impl L2 {
    /// Connects to the nodes of L2, and makes sure that they are of the chain with this id.
    ///
    /// One endpoint must answer; others that are away join later.
    pub async fn connect(endpoints: PoolOptions, chain_id: Option<u64>) -> Result<Self, ChainError> {
        Ok(Self { rpc: Arc::new(Rpc::connect("L2", endpoints, chain_id).await?) })
    }

    /// Over endpoints that others use, too.
    pub fn over(pool: Pool) -> Self {
        Self { rpc: Arc::new(Rpc::over(pool)) }
    }

    /// Its endpoints.
    pub fn endpoints(&self) -> &Pool {
        self.rpc.pool()
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

    /// How full a block is; none if the chain has not come that far.
    pub async fn fill(&self, number: u64) -> Result<Option<BlockFill>, ChainError> {
        self.rpc.ask_with(Need::Block(number), METHOD, (U64::from(number), false)).await
    }
}

/// How full a block is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockFill {
    /// Its hash.
    pub hash: B256,
    gas_used: U64,
    transactions: Vec<B256>,
}

impl BlockFill {
    /// Gas that its transactions used.
    pub fn gas_used(&self) -> u64 {
        self.gas_used.to()
    }

    /// How many transactions it has.
    pub fn transactions(&self) -> u64 {
        self.transactions.len() as u64
    }
}

/// A block without its transactions has all fields of a header, and their hashes.
const METHOD: &str = "eth_getBlockByNumber";

async fn block(rpc: &Rpc, at: BlockAt) -> Result<Option<BlockHead>, ChainError> {
    let header: Option<Header> = match at {
        BlockAt::Latest => return Ok(Some(head(rpc).await?)),
        BlockAt::Finalized => rpc.ask(METHOD, ("finalized", false)).await?,
        BlockAt::Safe => rpc.ask(METHOD, ("safe", false)).await?,
        BlockAt::Number(number) => {
            rpc.ask_with(Need::Block(number), METHOD, (U64::from(number), false)).await?
        }
    };
    Ok(header.map(BlockHead::from))
}

async fn head(rpc: &Rpc) -> Result<BlockHead, ChainError> {
    Ok(rpc.head().await?.into())
}

impl From<Header> for BlockHead {
    fn from(header: Header) -> Self {
        Self {
            number: header.number,
            hash: header.hash,
            parent_hash: header.parent_hash,
            state_root: header.state_root,
            timestamp: header.timestamp,
        }
    }
}
