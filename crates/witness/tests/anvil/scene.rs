//! An anvil with blocks of random mixed transactions, and the same blocks with Ethereum's roots.

use crate::sound::SoundChain;
use proofmill_proxy::Proxy;

use alloy_eips::eip1559::BaseFeeParams;
use alloy_primitives::{B256, U64, U128};
use alloy_rpc_client::RpcClient;
use proofmill_loadgen::mixed::{Fees, Mixed, Scope};
use proofmill_localnet::{Anvil, AnvilOptions, Hardfork, Mining};
use proofmill_primitives::BlockRange;
use proofmill_witness::{Node, NodeOptions};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use url::Url;

pub const CHAIN_ID: u64 = 901;

pub struct Scene {
    pub anvil: Anvil,
    pub rpc: RpcClient,
    pub mixed: Mixed,
    pub seed: u64,
    pub sent: usize,
    chain: Arc<Mutex<SoundChain>>,
    served: Proxy,
}

fn rules(hardfork: Hardfork) -> alloy_hardforks::EthereumHardfork {
    use alloy_hardforks::EthereumHardfork as Rules;
    match hardfork {
        Hardfork::Shanghai => Rules::Shanghai,
        Hardfork::Cancun => Rules::Cancun,
        Hardfork::Prague => Rules::Prague,
        Hardfork::Osaka => Rules::Osaka,
    }
}

impl Scene {
    /// Blocks 1 (empty) and 2 (deployment) of a fresh chain.
    pub async fn new(hardfork: Hardfork, seed: u64) -> Self {
        Self::with_scope(hardfork, seed, Scope::WithoutBlockHashes).await
    }

    pub async fn with_scope(hardfork: Hardfork, seed: u64, scope: Scope) -> Self {
        let anvil = AnvilOptions::new()
            .chain_id(CHAIN_ID)
            .hardfork(hardfork)
            .mining(Mining::OnRequest)
            .accounts(8)
            .slots_in_an_epoch(1)
            .spawn()
            .await
            .unwrap();
        let keys: Vec<B256> = anvil.accounts().iter().map(|account| account.private_key).collect();
        let mixed = Mixed::new(seed, rules(hardfork), CHAIN_ID, &keys).unwrap().scope(scope);
        let rpc = proofmill_http::rpc_client(anvil.rpc_url().clone());
        let chain = Arc::<Mutex<SoundChain>>::default();
        let answering = Arc::clone(&chain);
        let served =
            Proxy::new(anvil.rpc_url(), move |request| answering.lock().unwrap().answer(&request)).await;
        let mut scene = Self { anvil, rpc, mixed, seed, sent: 0, chain, served };
        scene.seal().await;
        scene.mine().await;
        let fees = scene.fees().await;
        for transaction in scene.mixed.deployment(fees).unwrap() {
            scene.send(&transaction.raw, &transaction.label).await;
        }
        scene.mine().await;
        scene
    }

    pub async fn call(&self, method: &'static str, params: Value) -> Value {
        self.rpc
            .request::<_, Value>(method, params)
            .await
            .unwrap_or_else(|error| panic!("seed {}: {method}: {error}", self.seed))
    }

    async fn send(&mut self, raw: &[u8], label: &str) {
        let sent = self
            .rpc
            .request::<_, B256>(
                "eth_sendRawTransaction",
                json!([alloy_primitives::hex::encode_prefixed(raw)]),
            )
            .await;
        if let Err(error) = sent {
            panic!("seed {}: {label}: {error}", self.seed);
        }
        self.sent += 1;
    }

    pub async fn mine(&self) {
        self.call("evm_mine", json!([])).await;
        self.seal().await;
    }

    async fn seal(&self) {
        let block = self.call("eth_getBlockByNumber", json!(["latest", true])).await;
        let dump = self.call("anvil_dumpState", json!([])).await;
        self.chain.lock().unwrap().push(block, &dump);
    }

    /// Replaces the last `depth` blocks by empty ones. Callable while the chain is asked, from any thread.
    pub fn reorg(&self, depth: usize) -> impl FnOnce() + Send + 'static {
        let (chain, url) = (Arc::clone(&self.chain), self.anvil.rpc_url().clone());
        move || {
            let reorg = async {
                let rpc = proofmill_http::rpc_client(url);
                let call = async |method: &'static str, params: Value| {
                    rpc.request::<_, Value>(method, params).await.unwrap()
                };
                call("anvil_rollback", json!([depth])).await;
                let left = chain.lock().unwrap().len() - depth;
                chain.lock().unwrap().truncate(left);
                call("anvil_dropAllTransactions", json!([])).await;
                // anvil goes on from the base fee of the block that is gone.
                let head = call("eth_getBlockByNumber", json!(["latest", false])).await;
                let head: alloy_rpc_types_eth::Header = serde_json::from_value(head).unwrap();
                let fee = head.inner.next_block_base_fee(BaseFeeParams::ethereum()).unwrap();
                call("anvil_setNextBlockBaseFeePerGas", json!([format!("{fee:#x}")])).await;
                call("evm_increaseTime", json!([1000])).await;
                for _ in 0..depth {
                    call("evm_mine", json!([])).await;
                    let block = call("eth_getBlockByNumber", json!(["latest", true])).await;
                    let dump = call("anvil_dumpState", json!([])).await;
                    chain.lock().unwrap().push(block, &dump);
                }
            };
            // On a thread and a runtime of its own: what waits for this may occupy all threads of the test's.
            let run = || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(reorg);
            };
            std::thread::scope(|scope| scope.spawn(run).join().unwrap());
        }
    }

    /// Where the chain with Ethereum's roots is served.
    pub fn url(&self) -> &Url {
        &self.served.url
    }

    pub async fn head(&self) -> u64 {
        serde_json::from_value::<U64>(self.call("eth_blockNumber", json!([])).await).unwrap().to()
    }

    async fn fees(&self) -> Fees {
        let block = self.call("eth_getBlockByNumber", json!(["latest", false])).await;
        let base_fee: U128 = serde_json::from_value(block["baseFeePerGas"].clone()).unwrap();
        let blob_base_fee =
            self.rpc.request::<_, U128>("eth_blobBaseFee", json!([])).await.unwrap_or(U128::from(1));
        Fees { base_fee: base_fee.to(), blob_base_fee: blob_base_fee.to() }
    }

    /// Mines `blocks` blocks of up to nine transactions each.
    pub async fn mix(&mut self, blocks: usize) {
        for number in 0..blocks {
            let fees = self.fees().await;
            for transaction in self.mixed.batch((number * 7 + 3) % 10, fees).unwrap() {
                self.send(&transaction.raw, &transaction.label).await;
            }
            self.mine().await;
        }
    }

    pub fn options(&self) -> NodeOptions {
        NodeOptions::new(self.url().clone()).chain_id(CHAIN_ID)
    }

    pub async fn node(&self) -> Node {
        self.options().connect().await.unwrap()
    }
}

pub fn range(first: u64, last: u64) -> BlockRange {
    BlockRange::new(first, last).unwrap()
}
