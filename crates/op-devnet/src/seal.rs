//! From attributes and transactions to a sealed block: executed by the published EVM, checked by the rules by which it would be proven.

use crate::{
    attributes,
    chain::{Block, Origin, Past},
    config::Config,
    contracts::{L1_BLOCK, MESSAGE_PASSER, OTHER_VAULTS, SEQUENCER_FEE_VAULT},
    error::SealError,
    evm::Active,
    l1::L1Block,
    pool::Pooled,
    state::{Read, State, View},
};
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, Sealable, TxReceipt};
use alloy_eips::{
    Encodable2718, eip1559::BaseFeeParams, eip1559::calc_next_block_base_fee, eip7685::EMPTY_REQUESTS_HASH,
};
use alloy_evm_oracle::{
    EvmFactory,
    block::{BlockExecutionError, BlockExecutor, BlockExecutorFactory, BlockValidationError},
};
use alloy_op_evm::{
    OpBlockExecutionCtx, OpBlockExecutorFactory, OpEvmFactory, OpTx,
    block::{OpAlloyReceiptBuilder, OpBlockExecutionError},
    evm_env_for_op_block,
};
use alloy_primitives::{B256, Bloom, Bytes, U256};
use alloy_trie::root::{ordered_trie_root_encoded, ordered_trie_root_with_encoder};
use op_alloy_consensus::{OpReceiptEnvelope, OpTxEnvelope};
use proofmill_optimism::minimise;
use proofmill_stateless::{Block as Body, ChainSpec, OpFork, StatelessInput, StatelessInputRef, Witness};
use revm_oracle::database::State as Journal;
use std::{collections::BTreeMap, sync::Arc};

/// What came of making a block.
pub(crate) struct Sealing {
    pub(crate) block: Block,
    pub(crate) past: Past,
    /// What cannot be in a block any more, and why.
    pub(crate) refused: Vec<(B256, String)>,
}

/// A block's place between its parent and L1.
pub(crate) struct Place<'a> {
    pub(crate) parent: &'a Block,
    /// The state after the parent.
    pub(crate) state: &'a State,
    /// Headers of the parent and those before it, newest first.
    pub(crate) ancestors: Vec<Arc<Block>>,
    pub(crate) l1: &'a L1Block,
    /// How many blocks of the same L1 block were before.
    pub(crate) sequence: u64,
}

/// The base fee of the next block (`exec-engine.md` of Holocene and Jovian: the parameters are in the parent's extra data).
pub(crate) fn next_base_fee(fork: OpFork, parent: &Header) -> Option<u64> {
    let number = |at: usize, len: usize| {
        let bytes = parent.extra_data.get(at..at + len)?;
        Some(bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    let params = BaseFeeParams::new(number(1, 4)?.into(), number(5, 4)?.into());
    if params.max_change_denominator == 0 || params.elasticity_multiplier == 0 {
        return None;
    }
    let jovian = fork >= OpFork::Jovian;
    let metered = match jovian {
        true => parent.gas_used.max(parent.blob_gas_used.unwrap_or_default()),
        false => parent.gas_used,
    };
    let fee = calc_next_block_base_fee(metered, parent.gas_limit, parent.base_fee_per_gas?, params);
    Some(if jovian { fee.max(number(9, 8)?) } else { fee })
}

/// The header of the next block, without what follows from its transactions.
pub(crate) fn next_header(config: &Config, place: &Place<'_>) -> Result<Header, SealError> {
    let parent = place.parent.header.inner();
    let block = parent.number + 1;
    let system = &place.l1.system;
    let wrong = |reason| SealError::Config { block, reason };
    if (system.denominator == 0) != (system.elasticity == 0) {
        return Err(wrong("one of the base fee's parameters is 0, and the other is not"));
    }
    Ok(Header {
        parent_hash: place.parent.header.hash(),
        number: block,
        timestamp: parent.timestamp + config.rules.block_time,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: SEQUENCER_FEE_VAULT,
        mix_hash: place.l1.mix_hash,
        gas_limit: system.gas_limit,
        extra_data: attributes::extra_data(&config.rules, config.fork, system),
        parent_beacon_block_root: Some(place.l1.beacon_root),
        base_fee_per_gas: Some(
            next_base_fee(config.fork, parent)
                .ok_or_else(|| wrong("its parent's extra data have no base fee's parameters"))?,
        ),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Default::default()
    })
}

/// Makes the next block of L1's deposits and as many of these transactions as fit, in their order.
pub(crate) fn seal(
    config: &Config,
    place: &Place<'_>,
    candidates: &[Arc<Pooled>],
) -> Result<Sealing, SealError> {
    let mut header = next_header(config, place)?;
    let block = header.number;
    let failed = |error: BlockExecutionError| SealError::Evm { block, reason: error.to_string() };
    let hashes = place.ancestors.iter().map(|one| (one.header.number, one.header.hash())).collect();
    let mut journal = Journal::builder().with_database(View::new(place.state.clone(), hashes)).build();
    let factory = OpBlockExecutorFactory::new(
        OpAlloyReceiptBuilder::default(),
        Active(config.fork),
        OpEvmFactory::<OpTx>::default(),
    );
    let env = evm_env_for_op_block(&header, Active(config.fork), config.rules.chain_id);
    let evm = factory.evm_factory().create_evm(&mut journal, env);
    let context = OpBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        extra_data: header.extra_data.clone(),
    };
    let mut executor = factory.create_executor(evm, context);
    executor.apply_pre_execution_changes().map_err(failed)?;

    let system = &place.l1.system;
    let attributes = attributes::transaction(config.fork, place.l1, system, place.sequence);
    let deposits = if place.sequence == 0 { &place.l1.deposits[..] } else { &[] };
    let (mut transactions, mut refused) = (Vec::new(), Vec::new());
    for deposit in std::iter::once(&attributes).chain(deposits) {
        let pooled = Pooled::deposit(deposit.clone());
        executor.execute_transaction(pooled.recovered()).map_err(failed)?;
        transactions.push(Arc::new(pooled));
    }
    // Of whom one was left out: what follows on it cannot be in the block either.
    let mut left_out = std::collections::BTreeSet::new();
    for candidate in candidates {
        if left_out.contains(&candidate.sender) {
            continue;
        }
        match executor.execute_transaction(candidate.recovered()) {
            Ok(_) => transactions.push(Arc::clone(candidate)),
            Err(BlockExecutionError::Validation(error)) => {
                left_out.insert(candidate.sender);
                if !waits(&error) {
                    refused.push((candidate.hash, error.to_string()));
                }
            }
            Err(error) => return Err(failed(error)),
        }
    }
    let (_, result) = executor.finish().map_err(failed)?;
    let receipts: Vec<OpReceiptEnvelope> = result.receipts;
    let (state, siblings) = place.state.after(&journal.cache);
    let read = journal.database.into_read();

    header.state_root = state.root();
    header.withdrawals_root = Some(state.storage_root(MESSAGE_PASSER));
    let raws: Vec<Bytes> = transactions.iter().map(|one| one.raw.clone()).collect();
    header.transactions_root = ordered_trie_root_encoded(&raws);
    header.receipts_root = ordered_trie_root_with_encoder(&receipts, |receipt, out| receipt.encode_2718(out));
    header.logs_bloom = receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom());
    header.gas_used = result.gas_used;
    if config.fork >= OpFork::Jovian {
        // The footprint of data availability (`protocol/jovian/exec-engine.md`).
        header.blob_gas_used = Some(result.blob_gas_used);
    }
    let witness = check(config, place, &header, raws, &read, siblings)?;
    let past = Past { state, witness, read: read.slots };
    let block = Block {
        header: header.seal_slow(),
        transactions,
        receipts,
        origin: Origin { number: place.l1.number, hash: place.l1.hash, timestamp: place.l1.timestamp },
        sequence: place.sequence,
    };
    Ok(Sealing { block, past, refused })
}

/// Whether a transaction that is too much for what is left of a block may be in the next.
fn waits(error: &BlockValidationError) -> bool {
    match error {
        BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas { .. } => true,
        BlockValidationError::Other(error) => matches!(
            error.downcast_ref(),
            Some(OpBlockExecutionError::TransactionDaFootprintAboveGasLimit { .. })
        ),
        _ => false,
    }
}

/// Executes the block as it would be proven, and returns the smallest witness that it takes.
fn check(
    config: &Config,
    place: &Place<'_>,
    header: &Header,
    transactions: Vec<Bytes>,
    read: &Read,
    siblings: Vec<Bytes>,
) -> Result<Witness, SealError> {
    let mut all = read.clone();
    // What the rules read, whether the block's transactions do or not.
    for address in [MESSAGE_PASSER, SEQUENCER_FEE_VAULT].into_iter().chain(OTHER_VAULTS) {
        all.slots.entry(address).or_default();
    }
    all.slots.entry(L1_BLOCK).or_default().extend([1, 3, 7, 8].map(U256::from));
    let (mut nodes, codes) = all.proven_by(place.state);
    nodes.extend(siblings);
    let oldest = read.oldest.unwrap_or(u64::MAX);
    // The parent names the hash of the one before it, so a header is needed for each block above the oldest.
    let ancestors = place.ancestors.iter().skip(1).take_while(|one| one.header.number > oldest);
    let input = StatelessInput {
        chain: ChainSpec::optimism(config.rules.clone()),
        parent: place.parent.header.inner().clone(),
        blocks: vec![Body { header: header.clone(), transactions, withdrawals: Some(Vec::new()) }],
        witness: Witness {
            state: nodes.into_iter().collect(),
            codes: codes.into_iter().collect(),
            headers: ancestors.map(|one| one.header.inner().clone()).collect(),
        },
    };
    let bytes = input.encode();
    let block = header.number;
    let input = StatelessInputRef::decode(&bytes)
        .map_err(|error| SealError::Evm { block, reason: error.to_string() })?;
    let (_, witness) = minimise(&input).map_err(|reason| SealError::Unsound {
        block,
        reason: Box::new(reason),
        header: format!("{header:?}"),
    })?;
    Ok(witness)
}

/// The part of a block's transactions that stands in its batch.
pub(crate) fn users(block: &Block) -> impl Iterator<Item = &Arc<Pooled>> {
    block.transactions.iter().filter(|one| !matches!(one.envelope, OpTxEnvelope::Deposit(_)))
}

/// Hashes by number.
pub(crate) fn hashes(ancestors: &[Arc<Block>]) -> BTreeMap<u64, B256> {
    ancestors.iter().map(|one| (one.header.number, one.header.hash())).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{genesis::genesis, system::SystemConfig};
    use alloy_primitives::Address;
    use proofmill_stateless::OpRules;

    fn l1() -> L1Block {
        L1Block {
            number: 7,
            hash: B256::repeat_byte(7),
            parent_hash: B256::repeat_byte(6),
            timestamp: 1_000,
            base_fee: 1_000_000_000,
            blob_base_fee: 1,
            mix_hash: B256::repeat_byte(1),
            beacon_root: B256::repeat_byte(2),
            transactions: Vec::new(),
            deposits: Vec::new(),
            system: SystemConfig::default(),
        }
    }

    /// A header with any result changed is not taken, and the error has both values.
    #[test]
    fn a_block_that_could_not_be_proven_is_not_taken() {
        for fork in [OpFork::Isthmus, OpFork::Jovian] {
            let rules = OpRules::for_fork(901, fork);
            let (state, header) =
                genesis(&rules, fork, &SystemConfig::default(), 1_000, [Address::repeat_byte(9)].into_iter())
                    .unwrap();
            let config = Config {
                rules,
                fork,
                l1_chain_id: 1,
                l1_genesis: (7, B256::repeat_byte(7)),
                genesis: header.seal_slow(),
                system: SystemConfig::default(),
                inbox: Address::ZERO,
                portal: Address::ZERO,
                system_config: Address::ZERO,
            };
            let origin = Origin { number: 7, hash: B256::repeat_byte(7), timestamp: 1_000 };
            let (transactions, receipts) = (Vec::new(), Vec::new());
            let header = config.genesis.clone();
            let parent = Arc::new(Block { header, transactions, receipts, origin, sequence: 0 });
            let (l1, ancestors) = (l1(), vec![Arc::clone(&parent)]);
            let place = Place { parent: &parent, state: &state, ancestors, l1: &l1, sequence: 1 };
            let Sealing { block, past, refused } = seal(&config, &place, &[]).unwrap();
            assert!(refused.is_empty());
            let raws: Vec<Bytes> = block.transactions.iter().map(|one| one.raw.clone()).collect();
            let read = Read { slots: past.read, oldest: None };
            let checked = |change: &dyn Fn(&mut Header)| {
                let mut header = block.header.inner().clone();
                change(&mut header);
                check(&config, &place, &header, raws.clone(), &read, Vec::new())
            };
            assert_eq!(checked(&|_| {}).unwrap(), past.witness);
            let changes: [&dyn Fn(&mut Header); 8] = [
                &|header| header.state_root = B256::ZERO,
                &|header| header.receipts_root = B256::ZERO,
                &|header| header.withdrawals_root = Some(B256::ZERO),
                &|header| header.transactions_root = B256::ZERO,
                &|header| header.gas_used += 1,
                &|header| header.base_fee_per_gas = Some(1),
                &|header| header.blob_gas_used = Some(1),
                &|header| header.parent_beacon_block_root = Some(B256::ZERO),
            ];
            for (at, change) in changes.into_iter().enumerate() {
                assert!(matches!(checked(change), Err(SealError::Unsound { .. })), "change {at}");
            }
            let told = checked(&|header| header.gas_used += 1).unwrap_err().to_string();
            let (right, wrong) = (block.header.gas_used, block.header.gas_used + 1);
            assert!(told.contains(&right.to_string()) && told.contains(&wrong.to_string()), "{told}");
        }
    }
}
