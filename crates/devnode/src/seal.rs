//! From transactions to a sealed block.
//!
//! Transactions run on revm, and what they leave is put into the tries. The block is taken only when `stateless`, which
//! proves it later, executes it from its witness and comes to the same header: so no block can be made that could not be
//! proven.

use crate::{
    pool::Pooled,
    state::State,
    view::{Outcome, View},
};
use alloy_consensus::{
    BlockBody, EMPTY_OMMER_ROOT_HASH, Eip658Value, Header, Receipt, ReceiptEnvelope, Sealable, Sealed,
    Transaction, TxReceipt, TxType,
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy_eips::{
    eip1559::BaseFeeParams,
    eip2718::Encodable2718,
    eip2935::HISTORY_STORAGE_ADDRESS,
    eip4788::BEACON_ROOTS_ADDRESS,
    eip4895::Withdrawals,
    eip7002::{WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, WITHDRAWAL_REQUEST_TYPE},
    eip7251::{CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_TYPE},
    eip7685::Requests,
};
use alloy_evm::{EvmEnv, ToTxEnv};
use alloy_primitives::{Address, B256, Bloom, Bytes, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::EMPTY_ROOT_HASH;
use proofmill_stateless::{
    Block as Body, ChainSpec, Fork, StatelessError, StatelessInput, Witness, minimise,
};
use revm::{
    Context, DatabaseCommit, ExecuteEvm, MainBuilder, MainContext, SystemCallEvm,
    context::{
        ContextTr,
        result::{EVMError, ExecutionResult},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// How many bytes the transactions of a block may have, so that the block stays below the 8 MiB of EIP-7934.
const MOST_BYTES: usize = 7 << 20;

/// About how many bytes of trie nodes a changed account or slot takes: five nodes of a path, at some 200 bytes.
const CHANGE_WEIGHT: usize = 1_000;

/// A block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) header: Sealed<Header>,
    pub(crate) transactions: Vec<Arc<Pooled>>,
    pub(crate) receipts: Vec<ReceiptEnvelope>,
    /// The length of its RLP, in bytes.
    pub(crate) size: usize,
    /// Its transactions and receipts were given up.
    pub(crate) expired: bool,
    /// What it left, as long as that is kept.
    pub(crate) past: Option<Arc<Past>>,
}

/// What a block left.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// The state after it.
    pub(crate) state: State,
    /// What `stateless` needs to execute it.
    pub(crate) witness: Witness,
    /// The accounts and slots that it read.
    pub(crate) read: BTreeMap<Address, BTreeSet<U256>>,
    /// About how many bytes it takes, beside what it shares with others.
    pub(crate) weight: usize,
}

/// What a block follows on.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) header: Sealed<Header>,
    pub(crate) state: State,
    /// It and the 255 before it, oldest first, as far as there are so many.
    pub(crate) ancestors: Vec<Sealed<Header>>,
}

/// What came of making a block.
#[derive(Debug)]
pub(crate) struct Sealing {
    /// The block.
    pub(crate) block: Block,
    /// What cannot be in a block any more, and why.
    pub(crate) refused: Vec<(B256, String)>,
}

/// Why no block was made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// A system contract cannot be called.
    #[error("a system contract failed: {0}")]
    System(String),
    /// The rules of the proof do not give the same block.
    #[error(
        "the block that was made is not the one that its transactions give by the rules of the proof: {0}"
    )]
    Unsound(#[from] StatelessError),
}

impl Past {
    fn new(outcome: Outcome, witness: Witness) -> Self {
        let bytes = |all: &[Bytes]| all.iter().map(|one| one.len() + size_of::<Bytes>()).sum::<usize>();
        let headers = witness.headers.len() * size_of::<Header>();
        let weight =
            outcome.changes * CHANGE_WEIGHT + bytes(&witness.state) + bytes(&witness.codes) + headers;
        Self { state: outcome.state, witness, read: outcome.read, weight }
    }
}

impl Block {
    pub(crate) fn new(
        header: Sealed<Header>,
        transactions: Vec<Arc<Pooled>>,
        receipts: Vec<ReceiptEnvelope>,
        past: Past,
    ) -> Self {
        let bodies = transactions.iter().map(|transaction| transaction.body.inner().clone()).collect();
        let body =
            BlockBody { transactions: bodies, ommers: Vec::new(), withdrawals: Some(Withdrawals::default()) };
        let size = alloy_consensus::Block::new(header.inner().clone(), body).length();
        Self { header, transactions, receipts, size, expired: false, past: Some(Arc::new(past)) }
    }
}

impl Parent {
    pub(crate) fn hashes(&self) -> BTreeMap<u64, B256> {
        self.ancestors.iter().map(|header| (header.number, header.hash())).collect()
    }

    /// The header of the block after this, without what follows from its transactions.
    pub(crate) fn next(&self, rules: &ChainSpec, timestamp: u64) -> Header {
        let parent = self.header.inner();
        let blobs = rules.blobs_at(timestamp);
        let since = |fork: Fork| rules.fork_at(timestamp) >= Some(fork);
        Header {
            parent_hash: self.header.hash(),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: Address::ZERO,
            number: parent.number + 1,
            gas_limit: parent.gas_limit,
            timestamp,
            // Nothing binds it on a rollup.
            mix_hash: keccak256(self.header.hash()),
            base_fee_per_gas: parent.next_block_base_fee(BaseFeeParams::ethereum()),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: blobs.map(|_| 0),
            excess_blob_gas: blobs
                .map(|params| parent.next_block_excess_blob_gas(params).unwrap_or_default()),
            parent_beacon_block_root: since(Fork::Cancun).then_some(B256::ZERO),
            ..Header::default()
        }
    }
}

pub(crate) fn environment(rules: &ChainSpec, header: &Header) -> EvmEnv {
    EvmEnv::for_eth_block(header, rules, rules.chain_id, rules.blobs_at(header.timestamp))
}

/// Makes the block after `parent` of as many of these transactions as fit, in their order.
pub(crate) fn seal(
    rules: &ChainSpec,
    parent: &Parent,
    timestamp: u64,
    candidates: impl IntoIterator<Item = Arc<Pooled>>,
) -> Result<Sealing, SealError> {
    let mut header = parent.next(rules, timestamp);
    let since = |fork: Fork| rules.fork_at(timestamp) >= Some(fork);
    let env = environment(rules, &header);
    let view = View::new(parent.state.clone(), parent.hashes());
    let mut evm =
        Context::mainnet().with_block(env.block_env).with_cfg(env.cfg_env).with_db(view).build_mainnet();
    if since(Fork::Prague) {
        system_call(&mut evm, HISTORY_STORAGE_ADDRESS, header.parent_hash.0.into())?;
    }
    if since(Fork::Cancun) {
        system_call(&mut evm, BEACON_ROOTS_ADDRESS, B256::ZERO.0.into())?;
    }

    let most_blob_gas = rules.blobs_at(timestamp).map_or(0, |params| params.max_blob_gas_per_block());
    let (mut gas_used, mut blob_gas, mut bytes) = (0_u64, 0_u64, 0_usize);
    let (mut transactions, mut receipts, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    // Of whom one was left out: what follows on it cannot be in the block either.
    let mut left_out = BTreeSet::new();
    for candidate in candidates {
        let transaction = &candidate.body;
        let (sender, blobs) = (transaction.signer(), transaction.blob_gas_used().unwrap_or_default());
        let fits = transaction.gas_limit() <= header.gas_limit - gas_used
            && blob_gas + blobs <= most_blob_gas
            && bytes + candidate.size <= MOST_BYTES;
        if left_out.contains(&sender) || !fits {
            left_out.insert(sender);
            continue;
        }
        match evm.transact(transaction.to_tx_env()) {
            Ok(done) => {
                evm.ctx.db_mut().commit(done.state);
                gas_used += done.result.tx_gas_used();
                blob_gas += blobs;
                bytes += candidate.size;
                receipts.push(receipt(transaction.tx_type(), done.result, gas_used));
                transactions.push(candidate);
            }
            Err(EVMError::Transaction(reason)) => {
                left_out.insert(sender);
                refused.push((candidate.hash, reason.to_string()));
            }
            Err(error) => return Err(SealError::System(error.to_string())),
        }
    }

    if since(Fork::Prague) {
        let mut requests = Requests::default();
        for (kind, contract) in [
            (WITHDRAWAL_REQUEST_TYPE, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS),
            (CONSOLIDATION_REQUEST_TYPE, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS),
        ] {
            let data = system_call(&mut evm, contract, Bytes::new())?;
            if !data.is_empty() {
                requests.push_request_with_type(kind, data);
            }
        }
        header.requests_hash = Some(requests.requests_hash());
    }

    let outcome = evm.ctx.journaled_state.database.finish();
    header.state_root = outcome.state.root();
    let bodies: Vec<_> = transactions.iter().map(|transaction| transaction.body.inner()).collect();
    header.transactions_root = calculate_transaction_root(&bodies);
    header.receipts_root = calculate_receipt_root(&receipts);
    header.logs_bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
    header.gas_used = gas_used;
    header.blob_gas_used = header.blob_gas_used.map(|_| blob_gas);
    let encoded = transactions.iter().map(|transaction| transaction.body.encoded_2718().into()).collect();
    let witness = check(rules, parent, &header, encoded, &outcome)?;
    let past = Past::new(outcome, witness);
    let header = header.seal_slow();
    Ok(Sealing { block: Block::new(header, transactions, receipts, past), refused })
}

/// Calls a system contract and returns what it says. One without code says nothing.
fn system_call(
    evm: &mut revm::handler::MainnetEvm<revm::handler::MainnetContext<View>>,
    contract: Address,
    data: Bytes,
) -> Result<Bytes, SealError> {
    let done = evm.system_call(contract, data).map_err(|error| SealError::System(error.to_string()))?;
    evm.ctx.db_mut().commit(done.state);
    match done.result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        other => Err(SealError::System(format!("{contract} did not succeed: {other:?}"))),
    }
}

fn receipt(kind: TxType, result: ExecutionResult, cumulative_gas_used: u64) -> ReceiptEnvelope {
    let status = Eip658Value::Eip658(result.is_success());
    let receipt = Receipt { status, cumulative_gas_used, logs: result.into_logs() }.with_bloom();
    match kind {
        TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
    }
}

/// Executes the block as it will be proven, and returns the smallest witness that it takes.
fn check(
    rules: &ChainSpec,
    parent: &Parent,
    header: &Header,
    transactions: Vec<Bytes>,
    outcome: &Outcome,
) -> Result<Witness, StatelessError> {
    let oldest = outcome.oldest.unwrap_or(u64::MAX);
    // The parent names the hash of the one before it, so a header is needed for each block above the oldest.
    let ancestors = parent.ancestors.iter().rev().skip(1).take_while(|header| header.number > oldest);
    let witness = Witness {
        state: outcome.nodes.iter().cloned().collect(),
        codes: outcome.codes.clone(),
        headers: ancestors.map(|header| header.inner().clone()).collect(),
    };
    let block = Body { header: header.clone(), transactions, withdrawals: Some(Vec::new()) };
    let (_, input) = minimise(&StatelessInput {
        chain: rules.clone(),
        parent: parent.header.inner().clone(),
        blocks: vec![block],
        witness,
    })?;
    Ok(input.witness)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::genesis;

    /// What is sealed passes, and a header with any result changed does not.
    #[test]
    fn a_block_that_could_not_be_proven_is_not_taken() {
        let genesis = genesis::genesis(77, Fork::Osaka, 1_000, &[Address::repeat_byte(1)]);
        let rules = ChainSpec::from_genesis(&genesis.config).unwrap();
        let first = genesis::block(&rules, &genesis);
        let state = first.past.as_ref().unwrap().state.clone();
        let parent = Parent { header: first.header.clone(), state, ancestors: vec![first.header] };
        let block = seal(&rules, &parent, 1_001, []).unwrap().block;
        let past = block.past.unwrap();
        let outcome = Outcome {
            state: past.state.clone(),
            nodes: past.witness.state.iter().cloned().collect(),
            codes: past.witness.codes.clone(),
            read: BTreeMap::new(),
            oldest: None,
            changes: 0,
        };
        let checked = |change: &dyn Fn(&mut Header)| {
            let mut header = block.header.inner().clone();
            change(&mut header);
            check(&rules, &parent, &header, Vec::new(), &outcome)
        };
        assert_eq!(checked(&|_| {}).unwrap(), past.witness);
        let changes: [&dyn Fn(&mut Header); 7] = [
            &|header| header.state_root = B256::ZERO,
            &|header| header.receipts_root = B256::ZERO,
            &|header| header.transactions_root = B256::ZERO,
            &|header| header.gas_used = 1,
            &|header| header.base_fee_per_gas = Some(1),
            &|header| header.requests_hash = Some(B256::ZERO),
            &|header| header.parent_beacon_block_root = Some(B256::repeat_byte(1)),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            assert!(checked(change).is_err(), "change {at}");
        }
        // Nor one without what it reads.
        let outcome = Outcome { nodes: BTreeSet::new(), ..outcome };
        assert!(check(&rules, &parent, block.header.inner(), Vec::new(), &outcome).is_err());
    }
}
