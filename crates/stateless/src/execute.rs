//! Executing a range of blocks and comparing every result with the headers.

use crate::ancestors::Ancestors;
use crate::block::{Executed, execute_transactions};
use crate::chain::{ChainSpec, Fork};
use crate::consensus::Consensus;
use crate::error::{StatelessError, WitnessError};
use crate::header;
use crate::input::{BlockRef, StatelessInputRef};
use crate::state::WitnessState;
use crate::trie::Source;
use alloc::{boxed::Box, string::ToString, vec::Vec};
use alloy_consensus::{
    EthereumTxEnvelope, Header, Transaction, TxEip4844, TxReceipt,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::{Decodable2718, Encodable2718, eip2718::Eip2718Error, eip4895::Withdrawal};
use alloy_primitives::{B256, Bloom};
use alloy_trie::root::{ordered_trie_root_encoded, ordered_trie_root_with_encoder};

/// The longest RLP of a block from Osaka on, in bytes: 10 MiB less 2 MiB for the beacon block (EIP-7934).
const MAX_BLOCK_SIZE: usize = 8 << 20;

/// A transaction as a block body holds it: blob transactions without their sidecar.
pub(crate) type BodyTransaction = EthereumTxEnvelope<TxEip4844>;

/// What a range of blocks did, once every check has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeOutcome {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// [`ChainSpec::hash`] of the rules that were applied.
    pub config_hash: B256,
    /// Number of the first block.
    pub first: u64,
    /// Number of the last block.
    pub last: u64,
    /// Hash of the block before the first.
    pub parent_hash: B256,
    /// Hash of the last block.
    pub last_hash: B256,
    /// Time of the last block, in seconds since 1970. The blocks say it, and only their order is checked: who relies on
    /// a time must compare this one.
    pub last_timestamp: u64,
    /// State root before the first block.
    pub pre_state_root: B256,
    /// State root after the last block.
    pub post_state_root: B256,
    /// Gas used by all blocks.
    pub gas_used: u64,
    /// Number of transactions in all blocks.
    pub transactions: u64,
    /// The hash of each block, oldest first.
    pub block_hashes: Vec<B256>,
}

/// Executes the blocks of an input and checks every field of their headers.
///
/// The result holds for everybody who trusts `parent_hash` (and `config_hash`): the state that the blocks started from
/// is the one that the parent header commits to, and all that was read from the witness hashes up to it.
///
/// Errors with the first thing that is wrong, and with [`WitnessError::UnusedNode`] and its siblings where the witness
/// holds more than the blocks need: [`minimise`](crate::minimise) it first.
pub fn execute(input: &StatelessInputRef<'_>) -> Result<RangeOutcome, StatelessError> {
    let (outcome, state) = run(input, Surplus::Refused)?;
    let last = outcome.last;
    state.check_all_used().map_err(|error| witness(last, error))?;
    Ok(finish(outcome, state))
}

/// Whether a witness may hold more than the blocks need.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surplus {
    Refused,
    #[cfg(feature = "std")]
    Ignored,
}

pub(crate) fn finish(mut outcome: RangeOutcome, state: WitnessState<'_>) -> RangeOutcome {
    outcome.block_hashes = state.ancestors.into_executed();
    outcome
}

pub(crate) fn run<'i>(
    input: &'i StatelessInputRef<'_>,
    surplus: Surplus,
) -> Result<(RangeOutcome, WitnessState<'i>), StatelessError> {
    let (Some(first), Some(last)) = (input.blocks.first(), input.blocks.last()) else {
        return Err(StatelessError::NoBlocks);
    };
    input.chain.require_ethereum()?;
    let first_number = first.header.header().number;
    let mut parent = &input.parent;
    let ancestors =
        Ancestors::new(parent, &input.witness.headers).map_err(|error| witness(first_number, error))?;
    let nodes = match surplus {
        Surplus::Refused => Source::in_order(&input.witness.state),
        #[cfg(feature = "std")]
        Surplus::Ignored => Source::by_hash(&input.witness.state),
    };
    let (mut state, extra) = WitnessState::new(&parent.header().state_root, nodes, &input.witness, ancestors);
    if let (Some(extra), Surplus::Refused) = (extra, surplus) {
        return Err(witness(first_number, extra));
    }
    let (mut gas_used, mut transactions) = (0_u64, 0);
    for block in &input.blocks {
        let header = block.header.header();
        let number = header.number;
        if header.parent_hash != parent.hash() {
            // A skipped block breaks the link of hashes too; the number says more.
            if parent.header().number.checked_add(1) != Some(number) {
                let expected = parent.header().number.saturating_add(1);
                return Err(StatelessError::NumberMismatch { expected, got: number });
            }
            return Err(StatelessError::ParentHashMismatch {
                block: number,
                expected: parent.hash(),
                got: header.parent_hash,
            });
        }
        let fork = header::check(&input.chain, parent.header(), header)?;
        let executed = execute_block(&input.chain, fork, block, &mut state)?;
        check_results(&executed, fork, header)?;
        let root = state.root().map_err(|error| witness(number, error))?;
        differ(header.state_root, root, |expected, got| StatelessError::StateRootMismatch {
            block: number,
            expected,
            got,
        })?;
        gas_used = gas_used.saturating_add(executed.gas_used);
        transactions += block.transactions.len() as u64;
        state.ancestors.push(block.header.hash());
        parent = &block.header;
    }
    let outcome = RangeOutcome {
        chain_id: input.chain.chain_id,
        config_hash: input.chain.hash(),
        first: first_number,
        last: last.header.header().number,
        parent_hash: input.parent.hash(),
        last_hash: last.header.hash(),
        pre_state_root: input.parent.header().state_root,
        post_state_root: last.header.header().state_root,
        last_timestamp: last.header.header().timestamp,
        gas_used,
        transactions,
        block_hashes: Vec::new(),
    };
    Ok((outcome, state))
}

/// Checks the body against the header and executes it on a witness.
fn execute_block(
    chain: &ChainSpec,
    fork: Fork,
    block: &BlockRef<'_>,
    state: &mut WitnessState<'_>,
) -> Result<Executed, StatelessError> {
    let header = block.header.header();
    let number = header.number;
    if fork >= Fork::Osaka && block.size() > MAX_BLOCK_SIZE {
        return Err(StatelessError::BlockTooLarge { block: number, max: MAX_BLOCK_SIZE, size: block.size() });
    }
    let withdrawals = check_body(chain, header, &block.transactions, block.withdrawals.as_deref(), fork)?;
    let transactions = recover(chain, number, &block.transactions)?;
    let executed = execute_transactions(chain, header, &transactions, withdrawals, &mut *state);
    // An error of the witness comes back as text; the typed one was kept.
    if let Some(error) = state.fault.take() {
        return Err(witness(number, error));
    }
    executed
}

/// Checks the header's commitments to the block's body, and returns the withdrawals.
fn check_body<'b>(
    chain: &ChainSpec,
    header: &Header,
    transactions: &[&[u8]],
    withdrawals: Option<&'b [Withdrawal]>,
    fork: Fork,
) -> Result<&'b [Withdrawal], StatelessError> {
    let block = header.number;
    differ(header.transactions_root, ordered_trie_root_encoded(transactions), |expected, got| {
        StatelessError::TransactionsRootMismatch { block, expected, got }
    })?;
    let withdrawals = withdrawals.ok_or(StatelessError::WithdrawalsMissing { block })?;
    if chain.consensus == Consensus::Rollup && !withdrawals.is_empty() {
        return Err(StatelessError::WithdrawalsOfRollup { block, count: withdrawals.len() });
    }
    let root = header.withdrawals_root.ok_or(StatelessError::FieldMissing {
        block,
        field: "withdrawalsRoot",
        fork,
    })?;
    let got = alloy_consensus::proofs::calculate_withdrawals_root(withdrawals);
    differ(root, got, |expected, got| StatelessError::WithdrawalsRootMismatch { block, expected, got })?;
    Ok(withdrawals)
}

/// Decodes the transactions of a block and recovers their senders.
pub(crate) fn recover<T: AsRef<[u8]>>(
    chain: &ChainSpec,
    block: u64,
    transactions: &[T],
) -> Result<Vec<Recovered<BodyTransaction>>, StatelessError> {
    let mut recovered = Vec::with_capacity(transactions.len());
    for (tx, raw) in transactions.iter().enumerate() {
        let decoded = BodyTransaction::decode_2718_exact(raw.as_ref()).map_err(|error: Eip2718Error| {
            StatelessError::MalformedTransaction { block, tx, reason: error.to_string() }
        })?;
        if let Some(got) = decoded.chain_id()
            && got != chain.chain_id
        {
            return Err(StatelessError::ChainIdMismatch { block, tx, expected: chain.chain_id, got });
        }
        let sender = decoded.recover_signer().map_err(|_| StatelessError::BadSignature { block, tx })?;
        recovered.push(Recovered::new_unchecked(decoded, sender));
    }
    Ok(recovered)
}

/// Compares what execution produced with what the header commits to, but for the state root.
fn check_results(executed: &Executed, fork: Fork, header: &Header) -> Result<(), StatelessError> {
    let block = header.number;
    differ(header.gas_used, executed.gas_used, |expected, got| StatelessError::GasUsedMismatch {
        block,
        expected,
        got,
    })?;
    if fork >= Fork::Cancun {
        differ(header.blob_gas_used.unwrap_or_default(), executed.blob_gas_used, |expected, got| {
            StatelessError::BlobGasUsedMismatch { block, expected, got }
        })?;
    }
    let bloom = executed.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
    differ(header.logs_bloom, bloom, |expected, got| StatelessError::LogsBloomMismatch {
        block,
        expected: Box::new(expected),
        got: Box::new(got),
    })?;
    let root = ordered_trie_root_with_encoder(&executed.receipts, |receipt, out| receipt.encode_2718(out));
    differ(header.receipts_root, root, |expected, got| StatelessError::ReceiptsRootMismatch {
        block,
        expected,
        got,
    })?;
    if fork >= Fork::Prague {
        let hash = executed.requests.requests_hash();
        differ(header.requests_hash.unwrap_or_default(), hash, |expected, got| {
            StatelessError::RequestsHashMismatch { block, expected, got }
        })?;
    }
    Ok(())
}

fn differ<T: PartialEq>(
    expected: T,
    got: T,
    error: impl FnOnce(T, T) -> StatelessError,
) -> Result<(), StatelessError> {
    if expected == got { Ok(()) } else { Err(error(expected, got)) }
}

pub(crate) fn witness(block: u64, error: WitnessError) -> StatelessError {
    StatelessError::Witness { block, error: Box::new(error) }
}
