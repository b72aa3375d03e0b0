//! How large the contracts are.

use crate::{
    machine::{Machine, Rollup},
    model::{Model, STRANGER},
};
use revm::primitives::eip170::MAX_CODE_SIZE;

#[test]
fn the_contract_fits_every_chain_with_room_to_spare() {
    let mut machine = Machine::new(crate::model::START);
    let rollup = machine.deploy(STRANGER, &Model::new().creation()).unwrap();
    let size = machine.code_size(rollup);
    assert!(Rollup::BYTECODE.len() > size && size > 1_000, "{size}");
    assert!(size <= MAX_CODE_SIZE - 4_096, "{size} of {MAX_CODE_SIZE} bytes");
}
