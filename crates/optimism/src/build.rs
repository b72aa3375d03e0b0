//! Making the block that follows from a parent: for tests, and for whoever makes blocks on a machine of development.

use crate::{
    error::OpError,
    execute::{execute_body, message_passer_root, witness},
    fees::SEQUENCER_FEE_VAULT,
    header,
};
use alloy_consensus::{Header, constants::EMPTY_OMMER_ROOT_HASH};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B256, Bytes};
use alloy_trie::{EMPTY_ROOT_HASH, root::ordered_trie_root_encoded};
use proofmill_stateless::{Block, HashedHeader, OpFork, OpRules, WitnessRef, parts::WitnessState};

/// What a block does not take from its parent: it comes from L1, by the derivation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpAttributes {
    /// L1's randomness.
    pub prev_randao: B256,
    /// The parent beacon root of L1's block, from Ecotone on.
    pub parent_beacon_block_root: Option<B256>,
    /// Gas.
    pub gas_limit: u64,
    /// The parameters of the base fee from Holocene on; empty before.
    pub extra_data: Bytes,
    /// Encoded transactions, deposits first.
    pub transactions: Vec<Bytes>,
}

/// Makes the block after `parent` from its attributes. The witness may hold more than is needed.
///
/// Errors with a transaction that cannot be in the block, or a witness that does not carry the execution.
pub fn build(
    rules: &OpRules,
    parent: &HashedHeader,
    attributes: OpAttributes,
    nodes: &WitnessRef<'_>,
) -> Result<Block, OpError> {
    let above = parent.header();
    let block = above.number.saturating_add(1);
    let mut header = Header {
        parent_hash: parent.hash(),
        number: block,
        timestamp: above.timestamp.saturating_add(rules.block_time),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: SEQUENCER_FEE_VAULT,
        mix_hash: attributes.prev_randao,
        gas_limit: attributes.gas_limit,
        extra_data: attributes.extra_data,
        parent_beacon_block_root: attributes.parent_beacon_block_root,
        transactions_root: ordered_trie_root_encoded(&attributes.transactions),
        ..Default::default()
    };
    let fork = header::fork_of(rules, above, &header)?;
    let base_fee = header::next_base_fee(rules, fork, above);
    header.base_fee_per_gas = Some(base_fee.ok_or(OpError::ParentOutOfRange { block })?);
    let mut state = WitnessState::open_any(parent, nodes).map_err(|error| witness(block, error))?;
    let executed = execute_body(rules, fork, &header, &attributes.transactions, &mut state)?;
    header.gas_used = executed.gas_used;
    header.receipts_root = executed.receipts_root();
    header.logs_bloom = executed.bloom();
    header.state_root = state.state_root().map_err(|error| witness(block, error))?;
    header.withdrawals_root = Some(EMPTY_ROOT_HASH);
    if fork >= OpFork::Ecotone {
        header.excess_blob_gas = Some(0);
        header.blob_gas_used = Some(executed.footprint);
    }
    if fork >= OpFork::Isthmus {
        header.withdrawals_root = Some(message_passer_root(block, &mut state)?);
        header.requests_hash = Some(EMPTY_REQUESTS_HASH);
    }
    header::check(rules, above, &header)?;
    Ok(Block { header, transactions: attributes.transactions, withdrawals: Some(Vec::new()) })
}
