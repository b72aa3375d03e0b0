//! Carrying a plan out.

use crate::{
    Funder, LoadError, LoadKind, LoadPlan, LoadReport, Phase, Progress, Rounds,
    accounts::derived,
    contracts::{Contract, fibonacciCall, fillCall, mintCall, transferCall},
    mixed::Mixed,
    node::Node,
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxHash, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolCall;
use futures::{StreamExt, TryStreamExt, stream};
use std::{
    num::NonZeroU64,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Slots that one `io-heavy` transaction fills.
const SLOTS_PER_CALL: u64 = 50;
/// Rounds that one `fibonacci` transaction runs.
const ROUNDS_PER_CALL: u64 = 2_000;
/// Tokens that each account is given: more than it can ever send.
const TOKENS: U256 = U256::from_limbs([u64::MAX, 0, 0, 0]);
/// What includers are offered on top of the base fee, in wei.
const TIP: u128 = 1_000_000_000;
/// The most transactions of a round: all of them are signed before the first is sent, and take a few hundred bytes each.
const MOST: u64 = 10_000_000;
/// How often the nonces are looked at.
const POLL: Duration = Duration::from_millis(200);
/// How often a chain is asked whether it is still the same, while nothing else is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// What an account of the mixed kind may send beside fees, in wei.
const MIXED_VALUE: u64 = 10_000_000_000;
/// Sets the accounts of the mixed kind apart.
const MIXED_SEED: u64 = 0x6d69_7865_6400_0000;
/// How many transactions the mixed kind deploys its contracts with, at most.
const MIXED_DEPLOYMENT: u32 = 3;

/// Sends what the plan says and waits until it is in blocks.
///
/// `progress` is called after each step. An endless plan runs until `stop` is cancelled, which ends it after the
/// round it is in. Fails when the node is away, on another chain, or makes no blocks, and when the funder is poor.
pub async fn run(
    node: &Url,
    funder: &Funder,
    plan: &LoadPlan,
    stop: &CancellationToken,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<LoadReport, LoadError> {
    if (plan.accounts == 0 && plan.keys.is_none()) || plan.transactions_per_account == 0 {
        return Err(LoadError::EmptyPlan);
    }
    let accounts = plan.keys.as_ref().map_or(u64::from(plan.accounts), |keys| keys.len() as u64);
    let round = accounts.saturating_mul(plan.transactions_per_account.into());
    if round > MOST {
        return Err(LoadError::TooMany { round, most: MOST });
    }
    let node = Node::new(node);
    let chain_id = node.chain_id().await?;
    if let Some(expected) = plan.chain_id.filter(|expected| *expected != chain_id) {
        return Err(LoadError::ChainId { expected, got: chain_id });
    }
    let genesis = node.genesis().await?;
    // The mixed kind calls a contract at an address that follows from its first account: others must not use that.
    let seed = if plan.kind == LoadKind::Mixed { plan.seed ^ MIXED_SEED } else { plan.seed };
    let signers = match &plan.keys {
        Some(keys) => keys.0.clone(),
        None => (0..u64::from(plan.accounts)).map(|index| derived(seed, index)).collect(),
    };
    let mut load = Load {
        node,
        chain_id,
        genesis,
        funder,
        plan,
        signers,
        target: None,
        mixed: None,
        progress,
        round: 0,
    };
    match load.rounds(stop).await {
        Ok(report) => Ok(report),
        // Whatever a node refuses of a chain that it no longer has, that is the cause.
        Err(error) => match load.node.genesis().await {
            Ok(got) if got != genesis => Err(LoadError::ChainReplaced { was: genesis, got }),
            _ => Err(error),
        },
    }
}

pub(crate) struct Load<'a> {
    pub(crate) node: Node,
    pub(crate) chain_id: u64,
    /// The hash of block 0 at the start.
    genesis: B256,
    funder: &'a Funder,
    pub(crate) plan: &'a LoadPlan,
    pub(crate) signers: Vec<PrivateKeySigner>,
    /// The contract, once it is deployed.
    target: Option<Address>,
    /// The generator of the mixed kind, once its contracts are there.
    pub(crate) mixed: Option<Mixed>,
    progress: &'a mut (dyn FnMut(Progress) + Send),
    round: u64,
}

/// What a transaction does.
struct Call {
    to: TxKind,
    value: U256,
    input: Bytes,
}

/// What a round sends.
#[derive(Default)]
pub(crate) struct Planned {
    /// Signed transactions; those of one list are sent one after the other.
    pub(crate) batches: Vec<Vec<(TxHash, Vec<u8>)>>,
    /// The nonces that the accounts have when all are in blocks.
    pub(crate) targets: Vec<(Address, u64)>,
}

/// A signed transaction of the preparation, and why it is sent.
struct Preparation {
    what: &'static str,
    hash: TxHash,
    raw: Vec<u8>,
}

impl Load<'_> {
    async fn rounds(&mut self, stop: &CancellationToken) -> Result<LoadReport, LoadError> {
        let mut report = LoadReport::default();
        loop {
            self.round += 1;
            // A chain that is replaced between two rounds refuses nothing.
            self.same_chain().await?;
            self.warn_of_the_mempool().await;
            self.prepare().await?;
            self.round(&mut report).await?;
            if self.plan.rounds == Rounds::Once || stop.is_cancelled() {
                return Ok(report);
            }
        }
    }

    /// Whether the chain is still that of the start.
    async fn same_chain(&self) -> Result<(), LoadError> {
        let (was, got) = (self.genesis, self.node.genesis().await?);
        if got == was { Ok(()) } else { Err(LoadError::ChainReplaced { was, got }) }
    }

    /// Says before a round is sent that the mempool may not take it.
    async fn warn_of_the_mempool(&self) {
        let limit = self.plan.mempool_limit;
        let round = self.signers.len() as u64 * u64::from(self.plan.transactions_per_account);
        let waiting = self.node.waiting().await.unwrap_or_default();
        if is_near(limit, round.saturating_add(waiting)) {
            tracing::warn!(
                round,
                waiting,
                limit = limit.get(),
                "the mempool's limit is near: send fewer transactions at once (--transactions, --accounts), or name the node's own \
                 limit (--mempool-limit)"
            );
        }
    }

    fn report(&mut self, phase: Phase, done: usize, total: usize) {
        (self.progress)(Progress { round: self.round, phase, done: done as u64, total: total as u64 });
    }

    /// The fee is allowed to rise eightfold while the round runs.
    async fn max_fee(&self) -> Result<u128, LoadError> {
        Ok(self.node.base_fee().await? * 8 + TIP)
    }

    const fn deployment(&self) -> u32 {
        if matches!(self.plan.kind, LoadKind::Mixed) { MIXED_DEPLOYMENT } else { 0 }
    }

    fn gas_limit(&self) -> u64 {
        match self.plan.kind {
            LoadKind::EthTransfers => 21_000,
            LoadKind::Erc20 => 80_000,
            // 20,000 for an empty slot plus 2,100 for it being cold, and the loop.
            LoadKind::IoHeavy => 60_000 + SLOTS_PER_CALL * 23_000,
            LoadKind::Fibonacci => 60_000 + ROUNDS_PER_CALL * 100,
            // As much as any of them may use.
            LoadKind::Mixed => 3_000_000,
        }
    }

    fn sign(
        &self,
        signer: &PrivateKeySigner,
        nonce: u64,
        max_fee_per_gas: u128,
        gas_limit: u64,
        call: Call,
    ) -> Result<(TxHash, Vec<u8>), LoadError> {
        let Call { to, value, input } = call;
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas: TIP,
            to,
            value,
            access_list: Default::default(),
            input,
        };
        let signature = signer.sign_hash_sync(&transaction.signature_hash())?;
        let signed = TxEnvelope::from(transaction.into_signed(signature));
        Ok((*signed.tx_hash(), signed.encoded_2718()))
    }

    /// Deploys the contract in the first round, and gives every account what it lacks for this round.
    async fn prepare(&mut self) -> Result<(), LoadError> {
        let funder = &self.funder.0;
        let max_fee = self.max_fee().await?;
        let per_account = U256::from(self.gas_limit())
            * U256::from(max_fee)
            * U256::from(u64::from(self.plan.transactions_per_account) + u64::from(self.deployment()))
            + U256::from(self.plan.transactions_per_account)
            + U256::from(if self.plan.kind == LoadKind::Mixed { MIXED_VALUE } else { 0 });
        let mut nonce = self.node.pending_nonce(funder.address()).await?;
        let mut steps = Vec::new();
        let mut cost = U256::ZERO;
        let mut step = |what, gas: u64, to, value: U256, input| {
            cost += U256::from(gas) * U256::from(max_fee) + value;
            let (hash, raw) = self.sign(funder, nonce, max_fee, gas, Call { to, value, input })?;
            steps.push(Preparation { what, hash, raw });
            nonce += 1;
            Ok::<_, LoadError>(())
        };

        let contract = match self.plan.kind {
            LoadKind::EthTransfers | LoadKind::Mixed => None,
            LoadKind::Erc20 => Some(Contract::Token),
            LoadKind::IoHeavy => Some(Contract::Storage),
            LoadKind::Fibonacci => Some(Contract::Compute),
        };
        let mut deployed = self.target;
        if let (None, Some(contract)) = (self.target, contract) {
            let token = funder.address().create(self.node.pending_nonce(funder.address()).await?);
            step("deploys the contract", 1_500_000, TxKind::Create, U256::ZERO, contract.creation_code())?;
            if contract == Contract::Token {
                for signer in &self.signers {
                    let mint = mintCall { to: signer.address(), value: TOKENS }.abi_encode().into();
                    step("mints tokens", 100_000, TxKind::Call(token), U256::ZERO, mint)?;
                }
            }
            deployed = Some(token);
        }
        let balances: Vec<_> = stream::iter(&self.signers)
            .map(|signer| async {
                Ok::<_, LoadError>((signer.address(), self.node.balance(signer.address()).await?))
            })
            .buffered(self.plan.concurrency)
            .try_collect()
            .await?;
        for (address, balance) in balances {
            if let Some(lacking) = per_account.checked_sub(balance).filter(|lacking| !lacking.is_zero()) {
                // Enough for ten such rounds, so that an endless run seldom stops for this.
                let value = lacking
                    + per_account * U256::from(if self.plan.rounds == Rounds::Endless { 9 } else { 0 });
                step("funds an account", 21_000, TxKind::Call(address), value, Bytes::new())?;
            }
        }

        let has = self.node.balance(funder.address()).await?;
        if cost > has {
            return Err(LoadError::InsufficientFunds { funder: funder.address(), has, needs: cost });
        }
        let (target_nonce, full) = (nonce, AtomicBool::new(false));
        // In the order of their nonces: nodes differ in what they do with gaps.
        for (done, step) in steps.iter().enumerate() {
            self.report(Phase::Preparing, done, steps.len());
            hand_over(&self.node, step.hash, &step.raw, &full, self.plan.stall_timeout).await?;
        }
        if !steps.is_empty() {
            self.wait(Phase::Preparing, &[(self.funder.address(), target_nonce)]).await?;
        }
        for step in &steps {
            if !self.receipt(step.hash).await?.0 {
                return Err(LoadError::PreparationFailed { transaction: step.hash, what: step.what });
            }
        }
        self.target = deployed;
        if self.plan.kind == LoadKind::Mixed {
            self.prepare_mixed().await?;
        }
        Ok(())
    }

    /// The calls of one round: each account's follow on each other.
    async fn plan_calls(&self) -> Result<Planned, LoadError> {
        let max_fee = self.max_fee().await?;
        let mut planned = Planned::default();
        for (index, signer) in self.signers.iter().enumerate() {
            let first = self.node.pending_nonce(signer.address()).await?;
            let neighbour = self.signers[(index + 1) % self.signers.len()].address();
            let last = first + u64::from(self.plan.transactions_per_account);
            let batch = (first..last)
                .map(|nonce| self.sign(signer, nonce, max_fee, self.gas_limit(), self.call(neighbour)));
            planned.batches.push(batch.collect::<Result<_, _>>()?);
            planned.targets.push((signer.address(), last));
        }
        Ok(planned)
    }

    /// Sends one round and adds it to the report.
    async fn round(&mut self, report: &mut LoadReport) -> Result<(), LoadError> {
        let started = Instant::now();
        let Planned { batches, targets } = match self.plan.kind {
            LoadKind::Mixed => self.plan_mixed().await?,
            _ => self.plan_calls().await?,
        };
        let total = batches.iter().map(Vec::len).sum();
        let (node, full) = (self.node.clone(), AtomicBool::new(false));
        let mut sending = stream::iter(&batches)
            .map(|batch| {
                let (node, full, patience) = (&node, &full, self.plan.stall_timeout);
                async move {
                    for (hash, raw) in batch {
                        hand_over(node, *hash, raw, full, patience).await?;
                    }
                    Ok::<_, LoadError>(batch.len())
                }
            })
            .buffer_unordered(self.plan.concurrency);
        let mut sent = 0;
        while let Some(batch) = sending.try_next().await? {
            sent += batch;
            self.report(Phase::Sending, sent, total);
        }
        drop(sending);
        report.sent += sent as u64;

        self.wait(Phase::Including, &targets).await?;
        report.seconds += started.elapsed().as_secs_f64();

        let hashes: Vec<_> = batches.iter().flatten().map(|(hash, _)| *hash).collect();
        for (done, chunk) in hashes.chunks(self.plan.concurrency).enumerate() {
            self.report(Phase::Counting, done * self.plan.concurrency, total);
            let receipts =
                futures::future::try_join_all(chunk.iter().map(|hash| self.receipt(*hash))).await?;
            for (succeeded, block, gas) in receipts {
                if succeeded {
                    report.included += 1;
                } else {
                    report.failed += 1;
                }
                report.gas += gas;
                report.first_block = Some(report.first_block.map_or(block, |first| first.min(block)));
                report.last_block = Some(report.last_block.map_or(block, |last| last.max(block)));
            }
        }
        self.report(Phase::Counting, total, total);
        Ok(())
    }

    fn call(&self, neighbour: Address) -> Call {
        let target = self.target.unwrap_or(neighbour);
        let input = match self.plan.kind {
            LoadKind::EthTransfers => {
                return Call { to: TxKind::Call(neighbour), value: U256::from(1), input: Bytes::new() };
            }
            LoadKind::Erc20 => transferCall { to: neighbour, value: U256::from(1) }.abi_encode(),
            LoadKind::IoHeavy => fillCall { count: U256::from(SLOTS_PER_CALL) }.abi_encode(),
            LoadKind::Fibonacci => fibonacciCall { rounds: U256::from(ROUNDS_PER_CALL) }.abi_encode(),
            // Its transactions are the generator's.
            LoadKind::Mixed => Vec::new(),
        };
        Call { to: TxKind::Call(target), value: U256::ZERO, input: input.into() }
    }

    /// Waits until every account has reached its nonce in the latest block.
    pub(crate) async fn wait(&mut self, phase: Phase, targets: &[(Address, u64)]) -> Result<(), LoadError> {
        let mut missing_before = None;
        let mut moved = Instant::now();
        let mut looked = Instant::now();
        let mut begun_with = 0;
        loop {
            let nonces: Vec<u64> = stream::iter(targets)
                .map(|(address, _)| self.node.latest_nonce(*address))
                .buffered(self.plan.concurrency)
                .try_collect()
                .await?;
            let behind =
                targets.iter().zip(nonces).map(|((address, target), nonce)| (*address, nonce, *target));
            let missing: u64 = behind.clone().map(|(_, nonce, target)| target.saturating_sub(nonce)).sum();
            if missing_before.is_none() {
                begun_with = missing;
            }
            self.report(phase, begun_with.saturating_sub(missing) as usize, begun_with as usize);
            if missing == 0 {
                return Ok(());
            }
            if missing_before != Some(missing) {
                missing_before = Some(missing);
                moved = Instant::now();
            } else if moved.elapsed() > self.plan.stall_timeout
                && let Some((account, nonce, target)) =
                    behind.max_by_key(|(_, nonce, target)| target.saturating_sub(*nonce))
            {
                return Err(LoadError::Stalled {
                    phase,
                    account,
                    nonce,
                    target,
                    idle: self.plan.stall_timeout,
                });
            }
            // What was sent to a chain that was replaced is in no block of the new one, which says nothing of it.
            if looked.elapsed() > LOOK_EVERY {
                self.same_chain().await?;
                looked = Instant::now();
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether an included transaction succeeded, its block and its gas. The receipt may come some moments after the nonce.
    pub(crate) async fn receipt(&self, hash: TxHash) -> Result<(bool, u64, u64), LoadError> {
        for _ in 0..50 {
            if let Some(receipt) = self.node.receipt(hash).await?
                && let Some(block) = receipt.block_number
            {
                return Ok((receipt.status(), block, receipt.gas_used));
            }
            tokio::time::sleep(POLL).await;
        }
        Err(LoadError::Refused {
            method: "eth_getTransactionReceipt",
            reason: format!(
                "it has no receipt of {hash} although the sender's nonce passed it; was there a reorg?"
            ),
        })
    }
}

/// Hands a transaction over, and waits while the node's mempool is full: blocks take some of it. `full` is set when that was
/// said of what is sent together.
pub(crate) async fn hand_over(
    node: &Node,
    hash: TxHash,
    raw: &[u8],
    full: &AtomicBool,
    patience: Duration,
) -> Result<(), LoadError> {
    let began = Instant::now();
    loop {
        let reason = match node.send(raw).await {
            Err(LoadError::Refused { reason, .. }) if is_full(&reason) => reason,
            Err(LoadError::Refused { reason, .. }) if reason.to_lowercase().contains("nonce") => {
                // A try whose answer was lost may be in a block by now.
                let is_there = node.receipt(hash).await?.is_some();
                return if is_there { Ok(()) } else { Err(LoadError::Nonce { reason }) };
            }
            sent => return sent,
        };
        if !full.swap(true, Relaxed) {
            tracing::warn!(
                reason,
                "the node's mempool is full: waiting until blocks have taken some of it; send fewer transactions at once, or raise \
                 the node's limit"
            );
        }
        if began.elapsed() > patience {
            return Err(LoadError::MempoolFull { reason, idle: patience });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Whether these are a node's words for a full mempool: geth's and ours, anvil's and reth's, ethrex's.
fn is_full(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    ["pool is full", "pool full", "pool takes at most", "pool overflow", "limit exceeded for pool"]
        .iter()
        .any(|words| reason.contains(words))
}

/// Whether so many are near a mempool's limit: above nine tenths of it, as others send, too.
const fn is_near(limit: NonZeroU64, transactions: u64) -> bool {
    let limit = limit.get();
    transactions > limit - limit / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_tenths_of_a_mempool_are_near_its_limit() {
        for (limit, transactions, near) in [
            (10_000, 9_000, false),
            (10_000, 9_001, true),
            (10, 9, false),
            (10, 10, true),
            (5, 5, false),
            (5, 6, true),
        ] {
            let limit = NonZeroU64::MIN.saturating_add(limit - 1);
            assert_eq!(is_near(limit, transactions), near, "{transactions} of {limit}");
        }
        assert!(is_near(NonZeroU64::MAX, u64::MAX));
    }
}
