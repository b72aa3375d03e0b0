//! The transaction of L1's attributes, with which each block begins (specification: `l1-attributes.md` of Ecotone, Isthmus and
//! Jovian).

use crate::config::RollupConfig;
use crate::deposits::source_hash;
use crate::error::DerivationError;
use crate::system_config::SystemConfig;
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_eips::Decodable2718;
use alloy_primitives::{Address, B64, B256, TxKind, U256, address};
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};
use proofmill_stateless::OpFork;

/// Who sends it (`protocol/deposits.md`).
const DEPOSITOR: Address = address!("0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001");
/// `L1Block`, which keeps it.
const L1_BLOCK: Address = address!("0x4200000000000000000000000000000000000015");
/// Its gas since Regolith.
const GAS: u64 = 1_000_000;
/// What the attributes say where the configuration says 0 (`protocol/jovian/l1-attributes.md`).
const DEFAULT_FOOTPRINT_SCALAR: u16 = 400;

const ECOTONE: [u8; 4] = [0x44, 0x0a, 0x5e, 0x20];
const ISTHMUS: [u8; 4] = [0x09, 0x89, 0x99, 0xbe];
const JOVIAN: [u8; 4] = [0x3d, 0xb6, 0xbe, 0x2b];

/// Where L1 was when a block was made, and what its configuration said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Number of the block's L1 block.
    pub(crate) number: u64,
    /// Its hash.
    pub(crate) hash: B256,
    /// How many blocks of the same L1 block were before.
    pub(crate) sequence: u64,
    /// What the attributes say of the configuration; the rest is in the header.
    pub(crate) config: SystemConfig,
}

/// Reads the attributes of a block that was executed, so that they have the form of its fork.
pub(crate) fn of_block(header: &Header, first: &[u8]) -> Result<Attributes, DerivationError> {
    let wrong = |reason| DerivationError::ParentAttributes { reason };
    let Ok(OpTxEnvelope::Deposit(deposit)) = OpTxEnvelope::decode_2718_exact(first) else {
        return Err(wrong("its first transaction is no deposit"));
    };
    if deposit.from != DEPOSITOR || deposit.to != TxKind::Call(L1_BLOCK) {
        return Err(wrong("its first deposit is another"));
    }
    let (selector, rest) =
        deposit.input.split_first_chunk::<4>().ok_or_else(|| wrong("its call has no selector"))?;
    let (operator, footprint) = match (*selector, rest.len()) {
        (ECOTONE, 160) => (false, false),
        (ISTHMUS, 172) => (true, false),
        (JOVIAN, 174) => (true, true),
        _ => return Err(wrong("its call is of another fork than those from Ecotone on")),
    };
    let fixed = |at: usize, len: usize| &rest[at..at + len];
    let u32_at = |at: usize| u32::from_be_bytes(*fixed(at, 4).first_chunk().unwrap_or(&[0; 4]));
    let u64_at = |at: usize| u64::from_be_bytes(*fixed(at, 8).first_chunk().unwrap_or(&[0; 8]));
    let mut config = SystemConfig {
        batcher: Address::from_slice(fixed(140, 20)),
        gas_limit: header.gas_limit,
        base_fee_scalar: u32_at(0),
        blob_base_fee_scalar: u32_at(4),
        ..Default::default()
    };
    if operator {
        (config.operator_fee_scalar, config.operator_fee_constant) = (u32_at(160), u64_at(164));
    }
    if footprint {
        config.da_footprint_gas_scalar = u16::from_be_bytes([rest[172], rest[173]]);
    }
    // Of Holocene: version, denominator and elasticity; of Jovian the least base fee behind.
    let extra = &header.extra_data;
    let extra_u32 = |at: usize| extra.get(at..at + 4).and_then(|bytes| bytes.first_chunk::<4>());
    let (Some(denominator), Some(elasticity)) = (extra_u32(1), extra_u32(5)) else {
        return Err(wrong("its extra data are of before Holocene"));
    };
    (config.denominator, config.elasticity) =
        (u32::from_be_bytes(*denominator), u32::from_be_bytes(*elasticity));
    if let Some(least) = extra.get(9..17).and_then(|bytes| bytes.first_chunk::<8>()) {
        config.min_base_fee = u64::from_be_bytes(*least);
    }
    Ok(Attributes { number: u64_at(24), hash: B256::from_slice(fixed(96, 32)), sequence: u64_at(8), config })
}

/// The transaction for a block of L2 that follows L1 block `l1`.
pub(crate) fn transaction(
    config: &RollupConfig,
    fork: OpFork,
    system: &SystemConfig,
    l1: (&Header, B256),
    sequence: u64,
) -> TxDeposit {
    let (header, hash) = l1;
    let mut input = Vec::with_capacity(178);
    input.extend(match fork {
        OpFork::Jovian | OpFork::Karst => JOVIAN,
        OpFork::Isthmus => ISTHMUS,
        _ => ECOTONE,
    });
    input.extend(system.base_fee_scalar.to_be_bytes());
    input.extend(system.blob_base_fee_scalar.to_be_bytes());
    input.extend(sequence.to_be_bytes());
    input.extend(header.timestamp.to_be_bytes());
    input.extend(header.number.to_be_bytes());
    input.extend(U256::from(header.base_fee_per_gas.unwrap_or_default()).to_be_bytes::<32>());
    input.extend(U256::from(blob_base_fee(config, header)).to_be_bytes::<32>());
    input.extend(hash.0);
    input.extend(system.batcher.into_word().0);
    if fork >= OpFork::Isthmus {
        input.extend(system.operator_fee_scalar.to_be_bytes());
        input.extend(system.operator_fee_constant.to_be_bytes());
    }
    if fork >= OpFork::Jovian {
        let scalar = match system.da_footprint_gas_scalar {
            0 => DEFAULT_FOOTPRINT_SCALAR,
            scalar => scalar,
        };
        input.extend(scalar.to_be_bytes());
    }
    TxDeposit {
        source_hash: source_hash(1, hash, U256::from(sequence)),
        from: DEPOSITOR,
        to: TxKind::Call(L1_BLOCK),
        mint: 0,
        value: U256::ZERO,
        gas_limit: GAS,
        is_system_transaction: false,
        input: input.into(),
    }
}

/// L1's blob base fee; 1 wei where L1 has none (`protocol/ecotone/l1-attributes.md`).
fn blob_base_fee(config: &RollupConfig, header: &Header) -> u128 {
    let params = config.l1_blobs_at(header.timestamp);
    params.zip(header.excess_blob_gas).map_or(1, |(params, excess)| params.calc_blob_fee(excess))
}

/// The extra data of a block (`exec-engine.md` of Holocene and Jovian). Zeros in the configuration are Canyon's constants.
pub(crate) fn extra_data(config: &RollupConfig, fork: OpFork, system: &SystemConfig) -> Vec<u8> {
    let (denominator, elasticity) = match (system.denominator, system.elasticity) {
        (0, 0) => (config.rules.max_change_denominator, config.rules.elasticity),
        said => said,
    };
    let params = B64::from((u64::from(denominator) << 32 | u64::from(elasticity)).to_be_bytes());
    let mut data = Vec::from([u8::from(fork >= OpFork::Jovian)]);
    data.extend(params.0);
    if fork >= OpFork::Jovian {
        data.extend(system.min_base_fee.to_be_bytes());
    }
    data
}
