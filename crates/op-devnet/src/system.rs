//! The chain's configuration on L1 (specification: `protocol/system-config.md`; `system-config.md` of Holocene, Isthmus and Jovian).

use crate::contracts::OpDevSystemConfig;
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use alloy_sol_types::{SolCall, SolEvent, SolValue};

/// What L1's configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemConfig {
    /// Whose transactions have batches.
    pub batcher: Address,
    /// Gas of a block.
    pub gas_limit: u64,
    /// Ecotone's scalar of L1's base fee.
    pub base_fee_scalar: u32,
    /// Ecotone's scalar of L1's blob base fee.
    pub blob_base_fee_scalar: u32,
    /// Holocene's denominator of the base fee; with the elasticity 0 for the chain's own.
    pub denominator: u32,
    /// Holocene's elasticity.
    pub elasticity: u32,
    /// Isthmus' fee of the operator: its scalar.
    pub operator_fee_scalar: u32,
    /// Its constant, in wei.
    pub operator_fee_constant: u64,
    /// Jovian's least base fee, in wei.
    pub min_base_fee: u64,
    /// Jovian's gas for each byte of data; 0 for the default.
    pub da_footprint_gas_scalar: u16,
}

/// A change of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Who posts batches. The chain's own batcher is no other one: with it, blocks are safe no more.
    Batcher(Address),
    /// The scalars of base fee and blob base fee.
    GasConfig(u32, u32),
    /// Gas of a block.
    GasLimit(u64),
    /// Denominator and elasticity.
    Eip1559(u32, u32),
    /// The operator's scalar and constant.
    OperatorFee(u32, u64),
    /// The least base fee.
    MinBaseFee(u64),
    /// Gas for each byte of data.
    DaFootprint(u16),
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self {
            batcher: Address::ZERO,
            gas_limit: 60_000_000,
            base_fee_scalar: 1_368,
            blob_base_fee_scalar: 810_949,
            denominator: 250,
            elasticity: 6,
            operator_fee_scalar: 0,
            operator_fee_constant: 0,
            min_base_fee: 0,
            da_footprint_gas_scalar: 0,
        }
    }
}

impl ConfigChange {
    /// The call by which the owner makes it.
    pub(crate) fn call(self) -> Bytes {
        match self {
            Self::Batcher(batcher) => OpDevSystemConfig::setBatcherCall { batcher }.abi_encode(),
            Self::GasConfig(base, blob) => {
                let call = OpDevSystemConfig::setGasConfigEcotoneCall {
                    baseFeeScalar: base,
                    blobBaseFeeScalar: blob,
                };
                call.abi_encode()
            }
            Self::GasLimit(gas) => OpDevSystemConfig::setGasLimitCall { gasLimit: gas }.abi_encode(),
            Self::Eip1559(denominator, elasticity) => {
                OpDevSystemConfig::setEIP1559ParamsCall { denominator, elasticity }.abi_encode()
            }
            Self::OperatorFee(scalar, constant_) => {
                OpDevSystemConfig::setOperatorFeeScalarsCall { scalar, constant_ }.abi_encode()
            }
            Self::MinBaseFee(fee) => OpDevSystemConfig::setMinBaseFeeCall { minBaseFee: fee }.abi_encode(),
            Self::DaFootprint(scalar) => {
                OpDevSystemConfig::setDAFootprintGasScalarCall { scalar }.abi_encode()
            }
        }
        .into()
    }
}

impl SystemConfig {
    /// Applies a log of the configuration's contract. What it cannot read changes nothing.
    pub(crate) fn apply(&mut self, log: &Log) {
        let Ok(event) = OpDevSystemConfig::ConfigUpdate::decode_log(log) else { return };
        if !event.version.is_zero() {
            return;
        }
        let data = &event.data.data;
        let word = U256::abi_decode(data).ok();
        let number = || word.and_then(|word| u64::try_from(word).ok());
        match event.updateType {
            0 => self.batcher = word.map_or(self.batcher, |word| Address::from_word(B256::from(word))),
            1 => {
                let Ok((_, scalar)) = <(U256, B256)>::abi_decode(data) else { return };
                let be = |at: usize| {
                    u32::from_be_bytes([scalar[at], scalar[at + 1], scalar[at + 2], scalar[at + 3]])
                };
                if scalar[0] == 1 {
                    (self.base_fee_scalar, self.blob_base_fee_scalar) = (be(28), be(24));
                }
            }
            2 => self.gas_limit = number().unwrap_or(self.gas_limit),
            4 => {
                if let Some(packed) = number() {
                    (self.denominator, self.elasticity) = ((packed >> 32) as u32, packed as u32);
                }
            }
            5 => {
                if let Some(word) = word {
                    let [constant, scalar, ..] = word.into_limbs();
                    (self.operator_fee_scalar, self.operator_fee_constant) = (scalar as u32, constant);
                }
            }
            6 => self.min_base_fee = number().unwrap_or(self.min_base_fee),
            7 => {
                let scalar = number().and_then(|scalar| u16::try_from(scalar).ok());
                self.da_footprint_gas_scalar = scalar.unwrap_or(self.da_footprint_gas_scalar);
            }
            _ => {}
        }
    }
}
