//! Sending transactions.

use crate::{
    CallName, ChainError, FeeLimits, L1, Refusal, Signer, SigningKey,
    fees::{self, Fees},
    rpc::Rpc,
    verdict::Verdict,
};
use alloy_consensus::TxEip1559;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, TxHash, TxKind, U64, U256};
use alloy_rpc_types_eth::TransactionReceipt;
use proofmill_endpoints::{Need, Pool};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{self, Instant},
};

/// The method that sends a transaction.
const SEND: &str = "eth_sendRawTransaction";
/// The method that runs a transaction without sending it.
const ESTIMATE: &str = "eth_estimateGas";
/// Who has so much gas can say of eight SNARKs whether they hold, which is the most that one verifier asks for.
const ENOUGH: u64 = 4_000_000;
/// Creation code that returns the gas that is left: GAS, PUSH1 0, MSTORE, PUSH1 32, PUSH1 0, RETURN.
const GAS_LEFT: [u8; 9] = [0x5a, 0x60, 0x00, 0x52, 0x60, 0x20, 0x60, 0x00, 0xf3];
/// How often a transaction that waits at the same nonce is outbid before the node's refusal is believed.
const BIDS: u32 = 12;
/// How long is waited before the node is asked for the receipt again: this at first,
const POLL: Duration = Duration::from_millis(250);
/// and then longer and longer, up to this.
const LONGEST_POLL: Duration = Duration::from_secs(2);
/// How often it is asked whether it still has the transaction.
const STILL_THERE: Duration = Duration::from_secs(8);
/// How often a node that misses an earlier transaction of the account is given time to get it.
const GAPS: u32 = 5;
/// How long a used nonce without a receipt is looked at, before the transaction counts as replaced: behind one address
/// may be nodes that are not equally far.
const TAKEN: Duration = Duration::from_secs(5);

/// What a transaction would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Gas on L1.
    pub gas: u64,
    /// What would be offered for it at present, in wei: it costs no more.
    pub fee: u128,
}

/// A transaction that was included and did what it was meant to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// Its hash.
    pub transaction: TxHash,
    /// Number of its L1 block.
    pub block: u64,
    /// The gas that it used.
    pub gas_used: u64,
    /// What was paid for each unit of gas, in wei.
    pub gas_price: u128,
}

impl Included {
    /// What it cost, in wei.
    pub fn fee(&self) -> u128 {
        self.gas_price.saturating_mul(self.gas_used.into())
    }
}

/// Sends the transactions of one account, one at a time. A clone shares the turn.
///
/// The account should send nothing elsewhere: a transaction is sent at the first nonce that is not used on the chain, and
/// outbids one that waits there, for example from before a restart.
#[derive(Clone, Debug)]
pub struct Sender {
    l1: L1,
    /// Where transactions are sent, in place of L1's endpoints.
    relays: Option<Arc<Rpc>>,
    signer: Signer,
    limits: FeeLimits,
    include_within: Duration,
    /// What was offered last, and for which nonce.
    turn: Arc<Mutex<Option<(u64, Fees)>>>,
}

/// How far an account's money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runway {
    /// What it has, in wei.
    pub balance: U256,
    /// How many such transactions that pays for, at the fees of now.
    pub transactions: u64,
}

/// A transaction, as nodes take it.
struct Signed {
    hash: TxHash,
    nonce: u64,
    bytes: Bytes,
}

impl Sender {
    /// Sends for the account of `key`. A transaction must be included within two minutes; see
    /// [`include_within`](Self::include_within).
    pub fn new(l1: L1, key: SigningKey) -> Self {
        Self::signed_by(l1, key.into())
    }

    /// Sends for an account, whoever signs for it.
    pub fn signed_by(l1: L1, signer: Signer) -> Self {
        Self {
            l1,
            relays: None,
            signer,
            limits: FeeLimits::default(),
            include_within: Duration::from_secs(120),
            turn: Default::default(),
        }
    }

    /// Sends to these endpoints, and to no others: relays that do not show a transaction before it is included, for example.
    /// Everything else is read from L1's.
    #[must_use]
    pub fn through(mut self, relays: Pool) -> Self {
        self.relays = Some(Arc::new(Rpc::over(relays)));
        self
    }

    /// The most that is offered for gas.
    #[must_use]
    pub const fn fee_limits(mut self, limits: FeeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a transaction is waited for.
    #[must_use]
    pub const fn include_within(mut self, timeout: Duration) -> Self {
        self.include_within = timeout;
        self
    }

    /// The account that pays.
    pub const fn account(&self) -> Address {
        self.signer.address()
    }

    /// The chain that it sends to.
    pub const fn l1(&self) -> &L1 {
        &self.l1
    }

    /// Whether a transaction of the account waits to be included, as far as L1's nodes know.
    ///
    /// # Errors
    /// L1 does not answer.
    pub async fn has_waiting(&self) -> Result<bool, ChainError> {
        let all: U64 = self.l1.rpc.ask("eth_getTransactionCount", (self.account(), "pending")).await?;
        Ok(all.to::<u64>() > self.nonce().await?)
    }

    /// How many transactions of this gas the account can pay for.
    ///
    /// # Errors
    /// L1 does not answer, or its base fee is above the limit.
    pub async fn runway(&self, gas: u64) -> Result<Runway, ChainError> {
        let balance = self.l1.balance(self.account()).await?;
        let fees = fees::fees(&self.l1, &self.limits).await?;
        let price = U256::from(fees.max.max(1)) * U256::from(gas.max(1));
        Ok(Runway { balance, transactions: (balance / price).saturating_to() })
    }

    /// What a call would take now. Nothing is sent.
    pub(crate) async fn price(&self, to: Address, input: &Bytes) -> Result<Estimate, ChainError> {
        let gas = self.estimate(Some(to), input, U256::ZERO).await?;
        let fees = fees::fees(&self.l1, &self.limits).await?;
        Ok(Estimate { gas, fee: fees.max.saturating_mul(gas.into()) })
    }

    /// Runs a transaction that brings `value` wei without sending it, and returns its gas.
    pub(crate) async fn estimate(
        &self,
        to: Option<Address>,
        input: &Bytes,
        value: U256,
    ) -> Result<u64, ChainError> {
        match self.estimate_at("latest", to, input, value).await {
            // Nodes run it at the time of their newest block, but it will be in the next one. Not always in the pending block:
            // a transaction of ours that waits is in there already.
            Err(ChainError::Reverted(refusal)) if refusal.passes_with_time() => {
                self.estimate_at("pending", to, input, value).await
            }
            estimate => estimate,
        }
    }

    async fn estimate_at(
        &self,
        at: &str,
        to: Option<Address>,
        input: &Bytes,
        value: U256,
    ) -> Result<u64, ChainError> {
        let mut call = json!({ "from": self.account(), "to": to, "data": input });
        if !value.is_zero() {
            call["value"] = json!(value);
        }
        let estimated: Result<U64, ChainError> = self.l1.rpc.ask(ESTIMATE, (call, at)).await;
        match estimated {
            // A proof that is blamed is made again, which may take hours.
            Err(error @ ChainError::Reverted(_)) if error.refusal().is_some_and(Refusal::may_be_of_gas) => {
                Err(self.too_little_gas().await.unwrap_or(error))
            }
            estimated => Ok(estimated?.to()),
        }
    }

    /// Whether the node gives calls too little gas to verify a proof. Nothing where it does not say how much.
    async fn too_little_gas(&self) -> Option<ChainError> {
        let call = json!({ "from": self.account(), "data": Bytes::from_static(&GAS_LEFT) });
        let left: Bytes = self.l1.rpc.ask("eth_call", (call, "latest")).await.ok()?;
        let left = U256::from_be_bytes(<[u8; 32]>::try_from(&left[..]).ok()?);
        (left < U256::from(ENOUGH)).then(|| ChainError::Refused {
            method: ESTIMATE,
            reason: format!(
                "a call of a contract has {left} gas there, which is too little to verify a proof: have the node give calls \
                 {ENOUGH} at least (geth and reth: --rpc.gascap), or name another one"
            ),
            passes: false,
        })
    }

    /// Sends a transaction to a contract (or creates one) and waits until it is included. What the contract would refuse
    /// is not sent.
    pub(crate) async fn send(
        &self,
        name: CallName,
        to: Option<Address>,
        input: Bytes,
    ) -> Result<Included, ChainError> {
        self.send_with(name, to, input, U256::ZERO).await
    }

    /// The same, with `value` wei for the contract.
    pub(crate) async fn send_with(
        &self,
        name: CallName,
        to: Option<Address>,
        input: Bytes,
        value: U256,
    ) -> Result<Included, ChainError> {
        let mut last_bid = self.turn.lock().await;
        if !value.is_zero() {
            // A node says of a call that the account cannot pay for only that it fails.
            let has = self.l1.balance(self.account()).await?;
            if has <= value {
                return Err(ChainError::InsufficientFunds {
                    call: name,
                    account: self.account(),
                    has,
                    needs: value,
                });
            }
        }
        // What the call reads may change until it is included, and with it its gas.
        let gas_limit = self.estimate(to, &input, value).await?.saturating_mul(6) / 5;
        let mut fees = fees::fees(&self.l1, &self.limits).await?;
        let nonce = self.nonce().await?;
        // What waits at this nonce must be outbid, however much fees have fallen since.
        if let Some((_, before)) = last_bid.filter(|(of, _)| *of == nonce)
            && let Ok(higher) = self.limits.outbid(before)
        {
            fees = Fees { max: fees.max.max(higher.max), tip: fees.tip.max(higher.tip) };
        }
        let needs = (U256::from(gas_limit) * U256::from(fees.max)).saturating_add(value);
        let has = self.l1.balance(self.account()).await?;
        if has < needs {
            return Err(ChainError::InsufficientFunds { call: name, account: self.account(), has, needs });
        }
        let mut transaction = TxEip1559 {
            chain_id: self.l1.chain_id(),
            nonce,
            gas_limit,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
            to: to.map_or(TxKind::Create, TxKind::Call),
            value,
            access_list: Default::default(),
            input,
        };
        let handed_over = self.hand_over(&mut transaction).await;
        let offered = Fees { max: transaction.max_fee_per_gas, tip: transaction.max_priority_fee_per_gas };
        *last_bid = Some((transaction.nonce, offered));
        let signed = handed_over?;
        tracing::debug!(%name, hash = %signed.hash, gas_limit = transaction.gas_limit, nonce = signed.nonce, "sent");
        let receipt = self.receipt(name, &signed).await?;
        let hash = signed.hash;
        let included = Included {
            transaction: hash,
            block: receipt.block_number.unwrap_or_default(),
            gas_used: receipt.gas_used,
            gas_price: receipt.effective_gas_price,
        };
        if receipt.status() {
            return Ok(included);
        }
        // The block's state is not quite that which the transaction met, but mostly tells why.
        let refusal = match self.estimate(to, &transaction.input, value).await {
            Err(ChainError::Reverted(refusal)) => Some(refusal),
            _ => None,
        };
        let Included { block, gas_used, .. } = included;
        Err(ChainError::FailedOnChain {
            call: name,
            transaction: hash,
            block,
            gas_used,
            fee: included.fee(),
            refusal,
        })
    }

    async fn nonce(&self) -> Result<u64, ChainError> {
        let used: U64 = self.l1.rpc.ask("eth_getTransactionCount", (self.account(), "latest")).await?;
        Ok(used.to())
    }

    async fn send_raw(&self, bytes: &Bytes) -> Result<TxHash, ChainError> {
        let to = self.relays.as_deref().unwrap_or(&self.l1.rpc);
        to.ask_with(Need::Nothing, SEND, [bytes]).await
    }

    /// Signs the transaction and gives it to a node, with higher fees as long as another waits at its nonce.
    async fn hand_over(&self, transaction: &mut TxEip1559) -> Result<Signed, ChainError> {
        let (mut bids, mut gaps) = (1, 0);
        loop {
            let envelope = self.signer.sign(transaction).await?;
            let signed = Signed {
                hash: *envelope.tx_hash(),
                nonce: transaction.nonce,
                bytes: envelope.encoded_2718().into(),
            };
            let error = match self.send_raw(&signed.bytes).await {
                Ok(_) => return Ok(signed),
                Err(error) => error,
            };
            let ChainError::Refused { reason, .. } = &error else { return Err(error) };
            match Verdict::of(reason) {
                // A try that failed on its way back may have arrived, and even be included.
                Verdict::Known | Verdict::NonceTooLow => return Ok(signed),
                Verdict::Underpriced if bids < BIDS => {
                    let fees =
                        Fees { max: transaction.max_fee_per_gas, tip: transaction.max_priority_fee_per_gas };
                    let higher = self.limits.outbid(fees)?;
                    tracing::debug!(bids, reason, "outbidding a transaction that waits at the same nonce");
                    transaction.max_fee_per_gas = higher.max;
                    transaction.max_priority_fee_per_gas = higher.tip;
                    bids += 1;
                }
                Verdict::PoolFull if gaps < GAPS => {
                    gaps += 1;
                    tracing::debug!(gaps, reason, "the node's pool is full; waiting for room");
                    time::sleep(POLL * 4 * gaps).await;
                }
                // The node that told the nonce was ahead of the one that takes transactions.
                Verdict::NonceTooHigh if gaps < GAPS => {
                    gaps += 1;
                    tracing::debug!(gaps, reason, "the node misses an earlier transaction; waiting for it");
                    time::sleep(POLL * 2 * gaps).await;
                    transaction.nonce = self.nonce().await?;
                }
                // Its rules are of a fork that the estimate did not know.
                Verdict::IntrinsicGas if gaps < GAPS => {
                    gaps = GAPS;
                    transaction.gas_limit = transaction.gas_limit.saturating_mul(2);
                }
                _ => return Err(error),
            }
        }
    }

    async fn receipt(&self, call: CallName, sent: &Signed) -> Result<TransactionReceipt, ChainError> {
        let wait = async {
            let (mut pause, mut looked) = (POLL, Instant::now());
            let mut taken_since = None;
            loop {
                let receipt: Result<Option<TransactionReceipt>, _> =
                    self.l1.rpc.ask_with(Need::Hash, "eth_getTransactionReceipt", [sent.hash]).await;
                match receipt {
                    Ok(Some(receipt)) if receipt.block_number.is_some() => return Ok(receipt),
                    // It was sent: that the nodes are away for a while changes nothing.
                    Ok(_) | Err(ChainError::Unreachable { .. } | ChainError::Refused { .. }) => {}
                    Err(error) => return Err(error),
                }
                // Another transaction, for example one from before a restart, may be included at its nonce.
                match self.nonce().await {
                    Ok(used) if used > sent.nonce => {
                        let since = *taken_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= TAKEN {
                            let nonce = sent.nonce;
                            return Err(ChainError::NonceTaken { call, transaction: sent.hash, nonce });
                        }
                    }
                    Ok(_) => {
                        taken_since = None;
                        if looked.elapsed() >= STILL_THERE {
                            looked = Instant::now();
                            self.keep_waiting(call, sent).await;
                        }
                    }
                    Err(_) => {}
                }
                time::sleep(pause).await;
                pause = (pause * 5 / 4).min(LONGEST_POLL);
            }
        };
        time::timeout(self.include_within, wait).await.unwrap_or(Err(ChainError::NotIncluded {
            call,
            transaction: sent.hash,
            after: self.include_within,
        }))
    }

    /// Sends a transaction again that the nodes do not know any more: pools drop what waits long, or when they are full.
    async fn keep_waiting(&self, call: CallName, sent: &Signed) {
        // Relays keep a transaction to themselves until it is included; having it again does them no harm.
        if self.relays.is_some() {
            drop(self.send_raw(&sent.bytes).await);
            return;
        }
        let known: Result<Option<Value>, _> =
            self.l1.rpc.ask_with(Need::Hash, "eth_getTransactionByHash", [sent.hash]).await;
        if !matches!(known, Ok(None)) {
            return;
        }
        match self.send_raw(&sent.bytes).await {
            Ok(_) => {
                tracing::warn!(%call, transaction = %sent.hash, "L1's nodes dropped a transaction: it was sent again");
            }
            Err(ChainError::Refused { reason, .. })
                if matches!(Verdict::of(&reason), Verdict::Known | Verdict::NonceTooLow) => {}
            Err(error) => {
                tracing::warn!(%call, transaction = %sent.hash, %error, "L1's nodes dropped a transaction, and do not take it again");
            }
        }
    }
}
