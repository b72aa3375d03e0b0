//! The contracts: ours, for development alone (`contracts/src/OpDev*.sol`), and the predeploys' addresses.

use alloy_primitives::{Address, address};
use alloy_sol_types::sol;

/// What L1 says, on L2.
pub(crate) const L1_BLOCK: Address = address!("0x4200000000000000000000000000000000000015");
/// Keeps messages for L1.
pub(crate) const MESSAGE_PASSER: Address = address!("0x4200000000000000000000000000000000000016");
/// The beneficiary of every block (`protocol/exec-engine.md`, "Fee Vaults").
pub(crate) const SEQUENCER_FEE_VAULT: Address = address!("0x4200000000000000000000000000000000000011");
/// Of the base fee, of L1's fee, and of the operator's.
pub(crate) const OTHER_VAULTS: [Address; 3] = [
    address!("0x4200000000000000000000000000000000000019"),
    address!("0x420000000000000000000000000000000000001A"),
    address!("0x420000000000000000000000000000000000001B"),
];
/// Sends the transaction of L1's attributes.
pub(crate) const DEPOSITOR: Address = address!("0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001");

sol! {
    #[allow(missing_docs)]
    OpDevPortal,
    "../../contracts/artifacts/OpDevPortal.json"
}

sol! {
    #[allow(missing_docs)]
    OpDevSystemConfig,
    "../../contracts/artifacts/OpDevSystemConfig.json"
}

sol! {
    #[allow(missing_docs)]
    OpDevL1Block,
    "../../contracts/artifacts/OpDevL1Block.json"
}

sol! {
    #[allow(missing_docs)]
    OpDevMessagePasser,
    "../../contracts/artifacts/OpDevMessagePasser.json"
}
