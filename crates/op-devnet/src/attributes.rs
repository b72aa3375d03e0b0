//! What L1 decides of a block: its first transaction, and its extra data.

use crate::{
    contracts::{DEPOSITOR, L1_BLOCK, OpDevL1Block},
    deposits::{L1_ATTRIBUTES, source_hash},
    l1::L1Block,
    system::SystemConfig,
};
use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolCall;
use op_alloy_consensus::TxDeposit;
use proofmill_stateless::{OpFork, OpRules};

/// What Jovian's attributes say where the configuration says 0 (`protocol/jovian/l1-attributes.md`).
const DEFAULT_FOOTPRINT: u16 = 400;

/// The transaction of L1's attributes (`l1-attributes.md` of Isthmus and Jovian). `system` is as of `l1`; `sequence` counts the blocks of
/// the same L1 block before this one.
pub(crate) fn transaction(fork: OpFork, l1: &L1Block, system: &SystemConfig, sequence: u64) -> TxDeposit {
    let jovian = fork >= OpFork::Jovian;
    let mut input = Vec::with_capacity(178);
    input.extend(match jovian {
        true => OpDevL1Block::setL1BlockValuesJovianCall::SELECTOR,
        false => OpDevL1Block::setL1BlockValuesIsthmusCall::SELECTOR,
    });
    input.extend(system.base_fee_scalar.to_be_bytes());
    input.extend(system.blob_base_fee_scalar.to_be_bytes());
    input.extend([sequence, l1.timestamp, l1.number].map(u64::to_be_bytes).concat());
    input.extend(U256::from(l1.base_fee).to_be_bytes::<32>());
    input.extend(U256::from(l1.blob_base_fee).to_be_bytes::<32>());
    input.extend(l1.hash);
    input.extend(system.batcher.into_word());
    input.extend(system.operator_fee_scalar.to_be_bytes());
    input.extend(system.operator_fee_constant.to_be_bytes());
    if jovian {
        let scalar = system.da_footprint_gas_scalar;
        input.extend(if scalar == 0 { DEFAULT_FOOTPRINT } else { scalar }.to_be_bytes());
    }
    TxDeposit {
        source_hash: source_hash(L1_ATTRIBUTES, l1.hash, sequence),
        from: DEPOSITOR,
        to: L1_BLOCK.into(),
        gas_limit: 1_000_000,
        input: input.into(),
        ..Default::default()
    }
}

/// The extra data of a block (`exec-engine.md` of Holocene and Jovian).
pub(crate) fn extra_data(rules: &OpRules, fork: OpFork, system: &SystemConfig) -> Bytes {
    let (denominator, elasticity) = match (system.denominator, system.elasticity) {
        (0, 0) => (rules.max_change_denominator, rules.elasticity),
        said => said,
    };
    let jovian = fork >= OpFork::Jovian;
    let mut data = vec![u8::from(jovian)];
    data.extend(denominator.to_be_bytes());
    data.extend(elasticity.to_be_bytes());
    if jovian {
        data.extend(system.min_base_fee.to_be_bytes());
    }
    data.into()
}
