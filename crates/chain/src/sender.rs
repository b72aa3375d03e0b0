//! Sending transactions.

use crate::{BlockAt, ChainError, L1, SigningKey, node, rpc::SEND};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, TxHash, TxKind, U64, U256};
use alloy_rpc_types_eth::TransactionReceipt;
use serde_json::json;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{self, Instant},
};

/// What includers are offered on top of the base fee where the node has no opinion, in wei.
const DEFAULT_TIP: u128 = 1_000_000_000;
/// How often a transaction that waits at the same nonce is outbid before the node's refusal is believed.
const BIDS: u32 = 12;
/// How often the node is asked for the receipt.
const POLL: Duration = Duration::from_millis(250);
/// How long a used nonce without a receipt is looked at, before the transaction counts as replaced: behind one address
/// may be nodes that are not equally far.
const TAKEN: Duration = Duration::from_secs(5);

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallName {
    /// Commits to a checkpoint.
    Propose,
    /// Proves an epoch.
    SubmitEpochProof,
    /// Proves checkpoints one by one.
    VerifyBatches,
    /// Gives up what was not proven in time.
    Prune,
    /// Schedules rules.
    ScheduleRules,
    /// Takes back what is scheduled.
    CancelScheduledRules,
    /// Names another guardian.
    SetGuardian,
    /// Becomes the owner.
    AcceptOwnership,
    /// Stops everything.
    Pause,
    /// Ends a pause.
    Resume,
    /// Deploys the contract with this name.
    Deploy(&'static str),
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Propose => f.write_str("propose"),
            Self::SubmitEpochProof => f.write_str("submitEpochProof"),
            Self::VerifyBatches => f.write_str("verifyBatches"),
            Self::Prune => f.write_str("prune"),
            Self::ScheduleRules => f.write_str("scheduleRules"),
            Self::CancelScheduledRules => f.write_str("cancelScheduledRules"),
            Self::SetGuardian => f.write_str("setGuardian"),
            Self::AcceptOwnership => f.write_str("acceptOwnership"),
            Self::Pause => f.write_str("pause"),
            Self::Resume => f.write_str("resume"),
            Self::Deploy(contract) => write!(f, "deploying {contract}"),
        }
    }
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

/// Sends the transactions of one account, one at a time. A clone shares the turn.
///
/// The account should send nothing elsewhere: a transaction is sent at the first nonce that is not used on the chain, and
/// outbids one that waits there, for example from before a restart.
#[derive(Clone, Debug)]
pub struct Sender {
    l1: L1,
    key: SigningKey,
    include_within: Duration,
    turn: Arc<Mutex<()>>,
}

#[derive(Clone, Copy)]
struct Fees {
    max: u128,
    tip: u128,
}

impl Sender {
    /// Sends for the account of `key`. A transaction must be included within two minutes; see
    /// [`include_within`](Self::include_within).
    pub fn new(l1: L1, key: SigningKey) -> Self {
        Self { l1, key, include_within: Duration::from_secs(120), turn: Default::default() }
    }

    /// How long a transaction is waited for.
    #[must_use]
    pub const fn include_within(mut self, timeout: Duration) -> Self {
        self.include_within = timeout;
        self
    }

    /// The account that pays.
    pub const fn account(&self) -> Address {
        self.key.address()
    }

    /// The chain that it sends to.
    pub const fn l1(&self) -> &L1 {
        &self.l1
    }

    /// Runs a transaction without sending it, and returns its gas.
    pub(crate) async fn estimate(&self, to: Option<Address>, input: &Bytes) -> Result<u64, ChainError> {
        match self.estimate_at("latest", to, input).await {
            // Nodes run it at the time of their newest block, but it will be in the next one. Not always in the pending block:
            // a transaction of ours that waits is in there already.
            Err(ChainError::Reverted(refusal)) if refusal.passes_with_time() => {
                self.estimate_at("pending", to, input).await
            }
            estimate => estimate,
        }
    }

    async fn estimate_at(&self, at: &str, to: Option<Address>, input: &Bytes) -> Result<u64, ChainError> {
        let call = json!({ "from": self.account(), "to": to, "data": input });
        let gas: U64 = self.l1.rpc.ask("eth_estimateGas", (call, at)).await?;
        Ok(gas.to())
    }

    /// Sends a transaction to a contract (or creates one) and waits until it is included. What the contract would refuse
    /// is not sent.
    pub(crate) async fn send(
        &self,
        name: CallName,
        to: Option<Address>,
        input: Bytes,
    ) -> Result<Included, ChainError> {
        let _turn = self.turn.lock().await;
        // What the call reads may change until it is included, and with it its gas.
        let gas_limit = self.estimate(to, &input).await?.saturating_mul(6) / 5;
        let fees = self.fees().await?;
        let needs = U256::from(gas_limit) * U256::from(fees.max);
        let has = self.l1.balance(self.account()).await?;
        if has < needs {
            return Err(ChainError::InsufficientFunds { call: name, account: self.account(), has, needs });
        }
        let nonce: U64 = self.l1.rpc.ask("eth_getTransactionCount", (self.account(), "latest")).await?;
        let mut transaction = TxEip1559 {
            chain_id: self.l1.chain_id(),
            nonce: nonce.to(),
            gas_limit,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
            to: to.map_or(TxKind::Create, TxKind::Call),
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        };
        let hash = self.hand_over(&mut transaction).await?;
        tracing::debug!(%name, %hash, gas_limit, nonce = transaction.nonce, "sent");
        let receipt = self.receipt(name, hash, transaction.nonce).await?;
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
        let refusal = match self.estimate(to, &transaction.input).await {
            Err(ChainError::Reverted(refusal)) => Some(refusal),
            _ => None,
        };
        Err(ChainError::FailedOnChain { call: name, transaction: hash, block: included.block, refusal })
    }

    /// Signs the transaction and gives it to a node, with higher fees as long as another waits at its nonce.
    async fn hand_over(&self, transaction: &mut TxEip1559) -> Result<TxHash, ChainError> {
        let mut bid = 1;
        loop {
            let signature = self.key.sign(&transaction.signature_hash())?;
            let signed = TxEnvelope::from(transaction.clone().into_signed(signature));
            let hash = *signed.tx_hash();
            match self.l1.rpc.ask::<TxHash>(SEND, [Bytes::from(signed.encoded_2718())]).await {
                Ok(_) => return Ok(hash),
                // A try that failed on its way back may have arrived, and even be included.
                Err(ChainError::Refused { reason, .. }) if is_known(&reason) => return Ok(hash),
                Err(ChainError::Refused { reason, .. }) if bid < BIDS && is_outbid(&reason) => {
                    tracing::debug!(bid, reason, "outbidding a transaction that waits at the same nonce");
                    // Nodes want 10 % more at least.
                    transaction.max_fee_per_gas = transaction.max_fee_per_gas * 5 / 4 + 1;
                    transaction.max_priority_fee_per_gas = transaction.max_priority_fee_per_gas * 5 / 4 + 1;
                    bid += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The base fee may double until the transaction is included.
    async fn fees(&self) -> Result<Fees, ChainError> {
        let header = node::header(&self.l1.rpc, BlockAt::Latest).await?;
        let base = header.and_then(|header| header.base_fee_per_gas).ok_or(ChainError::NoBaseFee)?;
        let tip = match self.l1.rpc.ask::<U256>("eth_maxPriorityFeePerGas", [(); 0]).await {
            Ok(tip) => tip.saturating_to(),
            Err(ChainError::Refused { .. }) => DEFAULT_TIP,
            Err(error) => return Err(error),
        };
        Ok(Fees { max: u128::from(base) * 2 + tip, tip })
    }

    async fn receipt(
        &self,
        call: CallName,
        hash: TxHash,
        nonce: u64,
    ) -> Result<TransactionReceipt, ChainError> {
        let wait = async {
            let mut taken_since = None;
            loop {
                match self.l1.rpc.ask::<Option<TransactionReceipt>>("eth_getTransactionReceipt", [hash]).await
                {
                    Ok(Some(receipt)) if receipt.block_number.is_some() => return Ok(receipt),
                    // It was sent: that the nodes are away for a while changes nothing.
                    Ok(_) | Err(ChainError::Unreachable { .. } | ChainError::Refused { .. }) => {}
                    Err(error) => return Err(error),
                }
                // Another transaction, for example one from before a restart, may be included at its nonce.
                let used =
                    self.l1.rpc.ask::<U64>("eth_getTransactionCount", (self.account(), "latest")).await;
                match used {
                    Ok(used) if used.to::<u64>() > nonce => {
                        let since = *taken_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= TAKEN {
                            return Err(ChainError::NonceTaken { call, transaction: hash, nonce });
                        }
                    }
                    Ok(_) => taken_since = None,
                    Err(_) => {}
                }
                time::sleep(POLL).await;
            }
        };
        time::timeout(self.include_within, wait).await.unwrap_or(Err(ChainError::NotIncluded {
            call,
            transaction: hash,
            after: self.include_within,
        }))
    }
}

fn is_known(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    ["already known", "already imported", "already in mempool", "nonce too low"]
        .iter()
        .any(|known| reason.contains(known))
}

fn is_outbid(reason: &str) -> bool {
    reason.to_lowercase().contains("underpriced")
}
