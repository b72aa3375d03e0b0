//! What Karst changes, which the published other implementation does not have in full.

use crate::{
    contracts::{Contract, L1Attributes},
    world::{World, deposit, deposit_to, key, signed, usual},
};
use alloy_primitives::{Bytes, TxKind, U256};
use proofmill_optimism::{OpError, OpFork};
use revm::context::result::InvalidTransaction;

/// EIP-7825.
const CAP: u64 = 1 << 24;

fn count(times: u64) -> (TxKind, Bytes) {
    (TxKind::Call(Contract::Count.address()), U256::from(times).to_be_bytes::<32>().into())
}

/// A deposit has its gas, though a user's transaction could not have as much.
#[test]
fn the_cap_of_gas_is_not_for_deposits() {
    let (to, input) = count(690_000);
    for fork in [OpFork::Jovian, OpFork::Karst] {
        let world = World::new(fork);
        let alone = world.build(world.attributes(L1Attributes::USUAL, Vec::new())).unwrap().header.gas_used;
        let tx = deposit(deposit_to(to, 20_000_000, input.clone()));
        let used =
            world.build(world.attributes(L1Attributes::USUAL, vec![tx])).unwrap().header.gas_used - alone;
        assert!((CAP + 1..20_000_000).contains(&used), "{fork}: {used}");
        let tx = |gas| signed(usual(0, to, gas, input.clone()), &key(0));
        let user = |gas| world.build(world.attributes(L1Attributes::USUAL, vec![tx(gas)]));
        match user(CAP + 1) {
            Err(OpError::InvalidTransaction { tx: 1, reason, .. }) if fork == OpFork::Karst => {
                assert_eq!(
                    *reason,
                    InvalidTransaction::TxGasLimitGreaterThanCap { gas_limit: CAP + 1, cap: CAP }
                );
            }
            result => assert!(result.is_ok() && fork == OpFork::Jovian, "{fork}: {result:?}"),
        }
        user(CAP).unwrap();
    }
}

/// CLZ (EIP-7939) is an instruction from Karst on.
#[test]
fn clz_counts_leading_zeros() {
    // Stores what CLZ makes of 1.
    let code = Bytes::from_static(&[0x60, 1, 0x1e, 0x60, 0, 0x55]);
    let gas = [OpFork::Jovian, OpFork::Karst].map(|fork| {
        let world = World::new(fork);
        let tx = deposit(deposit_to(TxKind::Create, 200_000, code.clone()));
        let alone = world.build(world.attributes(L1Attributes::USUAL, Vec::new())).unwrap().header.gas_used;
        world.build(world.attributes(L1Attributes::USUAL, vec![tx])).unwrap().header.gas_used - alone
    });
    // Before, the byte is no instruction, and a deposit that halts has used all.
    assert_eq!(gas[0], 200_000);
    assert!((70_000..100_000).contains(&gas[1]), "{gas:?}");
}
