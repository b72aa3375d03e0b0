//! Executing a range of blocks and comparing every result with the headers.

use crate::{
    block::{Executed, execute_transactions},
    body,
    error::OpError,
    header,
};
use alloc::{boxed::Box, vec::Vec};
use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};
use alloy_trie::root::ordered_trie_root_encoded;
use op_alloy_consensus::L2_TO_L1_MESSAGE_PASSER_ADDRESS;
use proofmill_stateless::{
    HashedHeader, OpFork, OpRules, RangeOutcome, Rules, StatelessInputRef, WitnessError, parts::WitnessState,
};

/// What a range of blocks did, once every check has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpOutcome {
    /// As on Ethereum.
    pub range: RangeOutcome,
    /// What L1 knows the chain by, from Isthmus on; no header says it before.
    pub output_roots: Option<OutputRoots>,
}

/// The output roots around a range of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputRoots {
    /// Of the block before the first.
    pub before: B256,
    /// Of the last block.
    pub after: B256,
}

/// What L1 knows a block of L2 by (version 0): state, messages to L1, and hash.
///
/// ```
/// use proofmill_optimism::output_root;
/// let zero = Default::default();
/// assert_ne!(output_root(zero, zero, zero), output_root(zero, zero, alloy_primitives::B256::with_last_byte(1)));
/// ```
pub fn output_root(state_root: B256, message_passer_root: B256, block_hash: B256) -> B256 {
    keccak256([B256::ZERO, state_root, message_passer_root, block_hash].concat())
}

/// Executes the blocks of an input and checks every field of their headers.
///
/// The result holds for everybody who trusts `parent_hash` and `config_hash`. It says that these blocks follow from
/// their parent by the rules of execution. **It does not say that they are those of L1**: deposits, L1's
/// attributes, gas limit, randomness, the parameters of the base fee and L1's beacon root are what the blocks say.
/// Whoever makes blocks could mint by a made-up deposit, so nothing may be settled by this result alone.
///
/// Errors with the first thing that is wrong, and where the witness holds more than the blocks need.
pub fn execute(input: &StatelessInputRef<'_>) -> Result<OpOutcome, OpError> {
    let first = input.blocks.first().ok_or(OpError::NoBlocks)?.header.header().number;
    let state = WitnessState::open(&input.parent, &input.witness).map_err(|error| witness(first, error))?;
    let (mut outcome, state) = run(input, state)?;
    let last = outcome.range.last;
    outcome.range.block_hashes = state.close().map_err(|error| witness(last, error))?;
    Ok(outcome)
}

/// Executes an input whose witness may hold more than is needed, and returns with the outcome the part that was
/// used, nodes in the order of their use. Errors as [`execute`] does.
#[cfg(feature = "std")]
pub fn minimise(input: &StatelessInputRef<'_>) -> Result<(OpOutcome, proofmill_stateless::Witness), OpError> {
    let first = input.blocks.first().ok_or(OpError::NoBlocks)?.header.header().number;
    let state =
        WitnessState::open_any(&input.parent, &input.witness).map_err(|error| witness(first, error))?;
    let (mut outcome, state) = run(input, state)?;
    outcome.range.block_hashes = input.blocks.iter().map(|block| block.header.hash()).collect();
    Ok((outcome, state.used(&input.witness)))
}

fn run<'a>(
    input: &'a StatelessInputRef<'_>,
    mut state: WitnessState<'a>,
) -> Result<(OpOutcome, WitnessState<'a>), OpError> {
    let (Some(first), Some(last)) = (input.blocks.first(), input.blocks.last()) else {
        return Err(OpError::NoBlocks);
    };
    // Read from its binary form, so they were checked.
    let Rules::Optimism(rules) = &input.chain.rules else {
        return Err(OpError::RulesOfEthereum { chain_id: input.chain.chain_id });
    };
    let (first, last) = (&first.header, &last.header);
    let mut parent = &input.parent;
    let (mut gas_used, mut transactions) = (0_u64, 0);
    for block in &input.blocks {
        let header = block.header.header();
        let number = header.number;
        header::hash(number, "parentHash", header.parent_hash, parent.hash())?;
        let fork = header::check(rules, parent.header(), header)?;
        if block.withdrawals.as_ref().is_none_or(|withdrawals| !withdrawals.is_empty()) {
            return Err(OpError::Withdrawals { block: number });
        }
        let root = ordered_trie_root_encoded(&block.transactions);
        header::hash(number, "transactionsRoot", header.transactions_root, root)?;
        let executed = execute_body(rules, fork, header, &block.transactions, &mut state)?;
        check_results(&executed, fork, header)?;
        let root = state.state_root().map_err(|error| witness(number, error))?;
        header::hash(number, "stateRoot", header.state_root, root)?;
        if fork >= OpFork::Isthmus {
            let root = message_passer_root(number, &mut state)?;
            header::hash(number, "withdrawalsRoot", header.withdrawals_root.unwrap_or_default(), root)?;
        }
        state.executed(block.header.hash());
        gas_used = gas_used.saturating_add(executed.gas_used);
        transactions += block.transactions.len() as u64;
        parent = &block.header;
    }
    let outcome = RangeOutcome {
        chain_id: input.chain.chain_id,
        config_hash: input.chain.hash(),
        first: first.header().number,
        last: last.header().number,
        parent_hash: input.parent.hash(),
        last_hash: last.hash(),
        last_timestamp: last.header().timestamp,
        pre_state_root: input.parent.header().state_root,
        post_state_root: last.header().state_root,
        gas_used,
        transactions,
        block_hashes: Vec::new(),
    };
    let isthmus = rules.fork_at(input.parent.header().timestamp) >= Some(OpFork::Isthmus);
    let output_roots = isthmus.then(|| OutputRoots { before: output(&input.parent), after: output(last) });
    Ok((OpOutcome { range: outcome, output_roots }, state))
}

/// Executes the transactions of a block on a witness, without its state root.
pub(crate) fn execute_body<T: AsRef<[u8]>>(
    rules: &OpRules,
    fork: OpFork,
    header: &Header,
    transactions: &[T],
    state: &mut WitnessState<'_>,
) -> Result<Executed, OpError> {
    let transactions = body::recover(rules, fork, header.number, transactions)?;
    let executed = execute_transactions(rules, fork, header, &transactions, &mut *state);
    // An error of the witness comes back as text; the typed one was kept.
    match state.take_fault() {
        Some(error) => Err(witness(header.number, error)),
        None => executed,
    }
}

/// Compares what execution produced with what the header commits to, but for the state root.
fn check_results(executed: &Executed, fork: OpFork, header: &Header) -> Result<(), OpError> {
    let block = header.number;
    header::number(block, "gasUsed", header.gas_used, executed.gas_used)?;
    if fork >= OpFork::Ecotone {
        // Zero before Jovian, as the footprint is then.
        header::number(block, "blobGasUsed", header.blob_gas_used.unwrap_or_default(), executed.footprint)?;
    }
    let bloom = executed.bloom();
    if header.logs_bloom != bloom {
        let (said, due) = (Box::new(header.logs_bloom), Box::new(bloom));
        return Err(OpError::LogsBloom { block, said, due });
    }
    header::hash(block, "receiptsRoot", header.receipts_root, executed.receipts_root())
}

/// The output root of a header from Isthmus on: its withdrawals root is that of the messages.
fn output(header: &HashedHeader) -> B256 {
    let fields = header.header();
    output_root(fields.state_root, fields.withdrawals_root.unwrap_or_default(), header.hash())
}

/// The storage root of the contract that keeps the messages to L1 (`L2ToL1MessagePasser`).
pub(crate) fn message_passer_root(block: u64, state: &mut WitnessState<'_>) -> Result<B256, OpError> {
    state.storage_root(L2_TO_L1_MESSAGE_PASSER_ADDRESS).map_err(|error| witness(block, error))
}

pub(crate) fn witness(block: u64, error: WitnessError) -> OpError {
    OpError::Witness { block, error: Box::new(error) }
}
