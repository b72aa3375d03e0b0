//! The requests that load needs, with the failures named.

use crate::LoadError;
use alloy_hardforks::EthereumHardfork;
use alloy_network::Ethereum;
use alloy_primitives::{Address, B256, TxHash, U64, U256};
use alloy_provider::{Provider, RootProvider};
use alloy_rpc_types_eth::{BlockNumberOrTag, TransactionReceipt};
use alloy_transport::{RpcError, TransportErrorKind};
use proofmill_http::{NodeUrl, in_one_line};
use serde::Deserialize;
use std::time::Duration;
use url::Url;

const CHAIN_ID: &str = "eth_chainId";
/// How often a request that failed on its way is tried again.
const ATTEMPTS: u32 = 4;
/// The longest that one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that the question for its chain may take, which comes first: it is under no load yet.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);

/// A node that load is sent to.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    url: NodeUrl,
    provider: RootProvider<Ethereum>,
}

type RpcResult<T> = Result<T, RpcError<TransportErrorKind>>;

impl Node {
    pub(crate) fn new(url: &Url) -> Self {
        let url = NodeUrl::from(url.clone());
        Self { provider: RootProvider::new(url.client()), url }
    }

    pub(crate) async fn chain_id(&self) -> Result<u64, LoadError> {
        self.ask(CHAIN_ID, async || self.provider.get_chain_id().await).await
    }

    pub(crate) async fn base_fee(&self) -> Result<u128, LoadError> {
        let block = self
            .ask("eth_getBlockByNumber", async || {
                self.provider.get_block_by_number(BlockNumberOrTag::Latest).await
            })
            .await?;
        block.and_then(|block| block.header.base_fee_per_gas).map(u128::from).ok_or(LoadError::NoBaseFee)
    }

    /// The newest fork that the latest block's header tells of. It does not tell Osaka from Prague, which it follows.
    pub(crate) async fn fork(&self) -> Result<EthereumHardfork, LoadError> {
        let block = self
            .ask("eth_getBlockByNumber", async || {
                self.provider.get_block_by_number(BlockNumberOrTag::Latest).await
            })
            .await?;
        let header = block.map(|block| block.header.inner).unwrap_or_default();
        Ok(if header.requests_hash.is_some() {
            EthereumHardfork::Prague
        } else if header.blob_gas_used.is_some() {
            EthereumHardfork::Cancun
        } else {
            EthereumHardfork::Shanghai
        })
    }

    pub(crate) async fn has_code(&self, address: Address) -> Result<bool, LoadError> {
        let code = self.ask("eth_getCode", async || self.provider.get_code_at(address).await).await?;
        Ok(!code.is_empty())
    }

    pub(crate) async fn balance(&self, address: Address) -> Result<U256, LoadError> {
        self.ask("eth_getBalance", async || self.provider.get_balance(address).await).await
    }

    pub(crate) async fn pending_nonce(&self, address: Address) -> Result<u64, LoadError> {
        self.ask("eth_getTransactionCount", async || {
            self.provider.get_transaction_count(address).pending().await
        })
        .await
    }

    pub(crate) async fn latest_nonce(&self, address: Address) -> Result<u64, LoadError> {
        self.ask("eth_getTransactionCount", async || {
            self.provider.get_transaction_count(address).latest().await
        })
        .await
    }

    pub(crate) async fn receipt(&self, hash: TxHash) -> Result<Option<TransactionReceipt>, LoadError> {
        self.ask("eth_getTransactionReceipt", async || self.provider.get_transaction_receipt(hash).await)
            .await
    }

    /// The hash of block 0: another one is another chain.
    pub(crate) async fn genesis(&self) -> Result<B256, LoadError> {
        let block = self
            .ask("eth_getBlockByNumber", async || {
                self.provider.get_block_by_number(BlockNumberOrTag::Earliest).await
            })
            .await?;
        Ok(block.map(|block| block.header.hash).unwrap_or_default())
    }

    /// How many transactions wait in the mempool, where the node tells.
    pub(crate) async fn waiting(&self) -> Option<u64> {
        #[derive(Debug, Deserialize)]
        struct Counts {
            pending: U64,
            queued: U64,
        }
        let asked = async || self.provider.raw_request::<_, Counts>("txpool_status".into(), ()).await;
        let counts = self.ask("txpool_status", asked).await.ok()?;
        Some((counts.pending + counts.queued).to())
    }

    /// Hands a signed transaction over. One that the node knows already counts as handed over: a try that failed on
    /// its way back may have arrived.
    pub(crate) async fn send(&self, raw: &[u8]) -> Result<(), LoadError> {
        let sent = self
            .ask("eth_sendRawTransaction", async || {
                self.provider.send_raw_transaction(raw).await.map(|pending| *pending.tx_hash())
            })
            .await;
        match sent {
            Err(LoadError::Refused { reason, .. })
                if ["already known", "already imported", "already in mempool"]
                    .iter()
                    .any(|known| reason.contains(known)) =>
            {
                Ok(())
            }
            sent => sent.map(drop),
        }
    }

    async fn ask<T>(
        &self,
        method: &'static str,
        mut request: impl AsyncFnMut() -> RpcResult<T>,
    ) -> Result<T, LoadError> {
        let longest = if method == CHAIN_ID { FIRST_TIMEOUT } else { REQUEST_TIMEOUT };
        let mut attempt = 1;
        loop {
            let reason = match tokio::time::timeout(longest, request()).await {
                Ok(Ok(answer)) => return Ok(answer),
                // Not what came with it: servers repeat the path that they do not know.
                Ok(Err(RpcError::Transport(TransportErrorKind::HttpError(error)))) => {
                    format!("HTTP status {}", error.status)
                }
                Ok(Err(RpcError::Transport(error))) => in_one_line(&error),
                Ok(Err(RpcError::ErrorResp(refusal))) => {
                    return Err(LoadError::Refused { method, reason: refusal.message.into_owned() });
                }
                Ok(Err(RpcError::DeserError { err, .. })) => {
                    let endpoint = self.url.to_string();
                    return Err(LoadError::Unreadable { endpoint, method, reason: err.to_string() });
                }
                Ok(Err(error)) => return Err(LoadError::Refused { method, reason: in_one_line(&error) }),
                Err(_) => {
                    let endpoint = &self.url;
                    tracing::warn!(%endpoint, method, attempt, after_s = longest.as_secs(), "the node does not answer");
                    format!("no answer within {} s", longest.as_secs())
                }
            };
            if attempt == ATTEMPTS {
                let endpoint = self.url.to_string();
                return Err(LoadError::Unreachable { endpoint, reason });
            }
            tracing::debug!(method, attempt, reason, "trying again");
            tokio::time::sleep(Duration::from_millis(200) * 2u32.pow(attempt)).await;
            attempt += 1;
        }
    }
}
