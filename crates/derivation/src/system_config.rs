//! The configuration that L1's `SystemConfig` contract holds, and the logs that change it (specification:
//! `protocol/derivation.md`, "System Configuration", and `system-config.md` of Holocene, Isthmus and Jovian).

use crate::error::DerivationError;
use alloy_primitives::{Address, B256, Log, U256, b256};

/// keccak256 of `ConfigUpdate(uint256,uint8,bytes)`.
pub(crate) const CONFIG_UPDATE: B256 =
    b256!("0x1d2b0bda21d56b8bd12d4f94ebacffdfb35f5e226f84b461103bb8beab6353be");

/// What changes from block to block by L1's will.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SystemConfig {
    pub(crate) batcher: Address,
    pub(crate) gas_limit: u64,
    pub(crate) base_fee_scalar: u32,
    pub(crate) blob_base_fee_scalar: u32,
    /// Denominator and elasticity of the base fee; zeros are the chain's constants.
    pub(crate) denominator: u32,
    pub(crate) elasticity: u32,
    pub(crate) operator_fee_scalar: u32,
    pub(crate) operator_fee_constant: u64,
    pub(crate) min_base_fee: u64,
    pub(crate) da_footprint_gas_scalar: u16,
}

impl SystemConfig {
    /// Applies a log of the contract.
    pub(crate) fn apply(&mut self, number: u64, log: &Log) -> Result<(), DerivationError> {
        let wrong = |reason| DerivationError::Log { number, contract: "SystemConfig", reason };
        let [_, version, kind] = log.topics() else { return Err(wrong("it has other topics")) };
        if !version.is_zero() {
            return Err(wrong("its version is not 0"));
        }
        let kind = U256::from_be_bytes(kind.0);
        let data = bytes_of(&log.data.data).ok_or_else(|| wrong("its data are not one byte string"))?;
        let word = |at: usize| {
            let word = data.get(32 * at..32 * (at + 1)).and_then(|word| word.first_chunk::<32>());
            word.map(|word| U256::from_be_bytes(*word)).ok_or_else(|| wrong("its data are too short"))
        };
        let number_of =
            |at: usize| u64::try_from(word(at)?).map_err(|_| wrong("a number has more than 64 bits"));
        let expected = if kind == U256::from(1) { 64 } else { 32 };
        if kind <= U256::from(7) && kind != U256::from(3) && data.len() != expected {
            return Err(wrong("its data have another length"));
        }
        match u64::try_from(kind).unwrap_or(u64::MAX) {
            0 => {
                let word = word(0)?;
                if word.bit_len() > 160 {
                    return Err(wrong("the batcher is no address"));
                }
                self.batcher = Address::from_word(word.into());
            }
            1 => {
                // The overhead, of before Ecotone, then the scalars of version 1.
                let scalar = word(1)?.to_be_bytes::<32>();
                let u32_at = |at: usize| {
                    u32::from_be_bytes([scalar[at], scalar[at + 1], scalar[at + 2], scalar[at + 3]])
                };
                match scalar[0] {
                    0 if scalar[1..28].iter().all(|byte| *byte == 0) => {
                        (self.base_fee_scalar, self.blob_base_fee_scalar) = (u32_at(28), 0);
                    }
                    1 if scalar[1..24].iter().all(|byte| *byte == 0) => {
                        (self.base_fee_scalar, self.blob_base_fee_scalar) = (u32_at(28), u32_at(24));
                    }
                    // A node goes on with what it had.
                    _ => {}
                }
            }
            2 => self.gas_limit = number_of(0)?,
            // The signer of blocks that are not safe yet.
            3 => {}
            4 => {
                let packed = number_of(0)?;
                (self.denominator, self.elasticity) = ((packed >> 32) as u32, packed as u32);
            }
            5 => {
                let word = word(0)?;
                if word.bit_len() > 96 {
                    return Err(wrong("the operator's fee has more than 96 bits"));
                }
                let [constant, scalar, ..] = word.into_limbs();
                (self.operator_fee_scalar, self.operator_fee_constant) = (scalar as u32, constant);
            }
            6 => self.min_base_fee = number_of(0)?,
            7 => {
                self.da_footprint_gas_scalar = u16::try_from(word(0)?)
                    .map_err(|_| wrong("the footprint's scalar has more than 16 bits"))?;
            }
            _ => return Err(wrong("it changes what is not known here")),
        }
        Ok(())
    }
}

/// The bytes in the ABI encoding of one byte string.
pub(crate) fn bytes_of(data: &[u8]) -> Option<&[u8]> {
    let (offset, rest) = data.split_first_chunk::<32>()?;
    let (len, rest) = rest.split_first_chunk::<32>()?;
    let len = usize::try_from(U256::from_be_bytes(*len)).ok()?;
    if U256::from_be_bytes(*offset) != U256::from(32) {
        return None;
    }
    let padded = len.checked_next_multiple_of(32)?;
    (rest.len() == padded).then(|| rest.get(..len))?
}
