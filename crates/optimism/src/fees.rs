//! What a user's transaction pays beside Ethereum's fees: for its data on L1, and to the operator.
//!
//! Specifications: `exec-engine.md` (L1-cost fees) and that of Ecotone, Fjord, Isthmus and Jovian. The numbers
//! stand in the storage of the contract of L1's attributes, where the block's first transaction has just put them.

use crate::fastlz::estimated_size;
use alloy_primitives::{Address, U256, address};
use proofmill_stateless::OpFork;
use revm::Database;

/// The contract of L1's attributes (`L1Block`).
pub(crate) const L1_BLOCK: Address = address!("0x4200000000000000000000000000000000000015");
/// Priority fees (`SequencerFeeVault`): the fee recipient of each block.
pub(crate) const SEQUENCER_FEE_VAULT: Address = address!("0x4200000000000000000000000000000000000011");
/// Base fees (`BaseFeeVault`), which Ethereum burns.
pub(crate) const BASE_FEE_VAULT: Address = address!("0x4200000000000000000000000000000000000019");
/// Fees for data on L1 (`L1FeeVault`).
pub(crate) const L1_FEE_VAULT: Address = address!("0x420000000000000000000000000000000000001A");
/// Fees of the operator (`OperatorFeeVault`), from Isthmus on.
pub(crate) const OPERATOR_FEE_VAULT: Address = address!("0x420000000000000000000000000000000000001B");

/// Slots of the contract.
mod slot {
    pub(super) const BASE_FEE: u64 = 1;
    pub(super) const SCALARS: u64 = 3;
    pub(super) const OVERHEAD: u64 = 5;
    pub(super) const SCALAR: u64 = 6;
    pub(super) const BLOB_BASE_FEE: u64 = 7;
    pub(super) const OPERATOR: u64 = 8;
}

/// Why the fees of L1 cannot be read.
#[derive(Debug)]
pub(crate) enum L1FeesError<E> {
    Database(E),
    OutOfRange(&'static str),
}

const TOO_HIGH: &str = "L1's fees and their scalars do not fit 256 bits together";

/// The fees that a block's user transactions are charged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct L1Fees {
    data: DataFee,
    pub(crate) operator: OperatorFee,
    /// Gas that a byte on L1 counts for, from Jovian on.
    footprint_scalar: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataFee {
    Canyon { overhead: U256, price: U256 },
    Ecotone { price: U256 },
    Fjord { price: U256 },
}

/// A fee for each unit of gas, and one for the transaction, in wei.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OperatorFee {
    per_gas: U256,
    divisor: u64,
    constant: u64,
}

impl OperatorFee {
    /// In wei. The largest has 103 bits.
    pub(crate) fn of(&self, gas: u64) -> U256 {
        if self.divisor == 0 {
            return U256::ZERO;
        }
        U256::from(gas) * self.per_gas / U256::from(self.divisor) + U256::from(self.constant)
    }
}

impl L1Fees {
    /// Reads what the contract of L1's attributes holds.
    pub(crate) fn read<DB: Database>(fork: OpFork, db: &mut DB) -> Result<Self, L1FeesError<DB::Error>> {
        let mut slot = |slot: u64| db.storage(L1_BLOCK, U256::from(slot)).map_err(L1FeesError::Database);
        // A packed slot by 32-bit parts, the lowest first.
        let part = |word: U256, at: usize| (word >> (32 * at)).as_limbs()[0] & u64::from(u32::MAX);
        let product = |a: U256, b: U256| a.checked_mul(b).ok_or(L1FeesError::OutOfRange(TOO_HIGH));
        let base_fee = slot(slot::BASE_FEE)?;
        let data = if fork < OpFork::Ecotone {
            let (overhead, scalar) = (slot(slot::OVERHEAD)?, slot(slot::SCALAR)?);
            DataFee::Canyon { overhead, price: product(base_fee, scalar)? }
        } else {
            let (scalars, blob_base_fee) = (slot(slot::SCALARS)?, slot(slot::BLOB_BASE_FEE)?);
            let (base_fee_scalar, blob_base_fee_scalar) = (part(scalars, 3), part(scalars, 2));
            // So it is in Ecotone's first block, which is not executed here, and clients tell that block by
            // different signs.
            if base_fee_scalar == 0
                && blob_base_fee_scalar == 0
                && (fork == OpFork::Ecotone || blob_base_fee.is_zero())
            {
                return Err(L1FeesError::OutOfRange(
                    "the scalars of Ecotone are not set; nodes differ on what that means",
                ));
            }
            let calldata = product(product(base_fee, U256::from(16))?, U256::from(base_fee_scalar))?;
            let blobs = product(blob_base_fee, U256::from(blob_base_fee_scalar))?;
            let price = calldata.checked_add(blobs).ok_or(L1FeesError::OutOfRange(TOO_HIGH))?;
            if fork < OpFork::Fjord { DataFee::Ecotone { price } } else { DataFee::Fjord { price } }
        };
        let mut fees = Self { data, operator: OperatorFee::default(), footprint_scalar: 0 };
        if fork >= OpFork::Isthmus {
            let operator = slot(slot::OPERATOR)?;
            let (multiplier, divisor) = if fork < OpFork::Jovian { (1, 1_000_000) } else { (100, 1) };
            let per_gas = U256::from(part(operator, 2) * multiplier);
            fees.operator = OperatorFee { per_gas, divisor, constant: operator.as_limbs()[0] };
            if fork >= OpFork::Jovian {
                fees.footprint_scalar = part(operator, 3) & u64::from(u16::MAX);
            }
        }
        Ok(fees)
    }

    /// What an encoded transaction pays for its data, in wei, and its footprint of data availability, in gas.
    /// `None` where either is out of range.
    pub(crate) fn of(&self, transaction: &[u8]) -> Option<(U256, u64)> {
        let million = U256::from(1_000_000);
        let fee = match self.data {
            DataFee::Canyon { overhead, price } => {
                calldata_gas(transaction).checked_add(overhead)?.checked_mul(price)? / million
            }
            DataFee::Ecotone { price } => {
                calldata_gas(transaction).checked_mul(price)? / (U256::from(16) * million)
            }
            DataFee::Fjord { price } => {
                let size = estimated_size(transaction);
                let footprint = (size / 1_000_000).checked_mul(self.footprint_scalar)?;
                return Some((U256::from(size).checked_mul(price)? / (million * million), footprint));
            }
        };
        Some((fee, 0))
    }
}

/// Gas that the bytes cost as calldata on L1 (EIP-2028).
fn calldata_gas(bytes: &[u8]) -> U256 {
    let zeros = bytes.iter().filter(|byte| **byte == 0).count() as u64;
    U256::from(zeros * 4 + (bytes.len() as u64 - zeros) * 16)
}
