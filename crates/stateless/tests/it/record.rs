//! Recording a block tells everything that its witness needs.

use crate::common::{COINBASE, DESTROY, STORE, range, sender};
use alloy_primitives::{Address, B256, U256, keccak256};
use proofmill_stateless::{Fork, PreState, RecordError, StateDatabase, record};
use revm::{Database, bytecode::Bytecode, database_interface::ErasedError, state::AccountInfo};

#[derive(Debug)]
pub(crate) struct InMemory {
    pub(crate) state: PreState,
    pub(crate) reachable: bool,
}

impl InMemory {
    fn ask(&self) -> Result<(), ErasedError> {
        if self.reachable { Ok(()) } else { Err(ErasedError::new(std::io::Error::other("unreachable"))) }
    }
}

impl Database for InMemory {
    type Error = ErasedError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, ErasedError> {
        self.ask()?;
        Ok(self.state.get(&address).map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: keccak256(&account.code),
            account_id: None,
            code: None,
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, ErasedError> {
        let code = self.state.values().find(|account| keccak256(&account.code) == hash);
        Ok(Bytecode::new_raw(code.unwrap().code.clone()))
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, ErasedError> {
        Ok(self
            .state
            .get(&address)
            .and_then(|account| account.storage.get(&index))
            .copied()
            .unwrap_or_default())
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, ErasedError> {
        Ok(B256::from(U256::from(number)))
    }
}

impl StateDatabase for InMemory {
    fn has_storage(&mut self, address: Address) -> Result<bool, ErasedError> {
        let account = self.state.get(&address);
        Ok(account.is_some_and(|account| account.storage.values().any(|value| !value.is_zero())))
    }
}

#[test]
fn a_block_is_recorded() {
    let (_, input) = range(Fork::Prague);
    let db = InMemory { state: crate::common::pre_state(), reachable: true };
    let recorded = record(&input.chain, &input.blocks[0], db).unwrap();
    assert_eq!(recorded.gas_used, input.blocks[0].header.gas_used);
    let touched = recorded.touched;
    for address in [sender(), STORE, COINBASE, Address::repeat_byte(3)] {
        assert!(touched.accounts.contains_key(&address), "{address}");
    }
    assert!(!touched.accounts.contains_key(&DESTROY));
    let slots: Vec<u64> = touched.accounts[&STORE].iter().map(|slot| slot.to()).collect();
    assert_eq!(slots, [1, 50, 0xff]);
    assert!(touched.codes.contains(&keccak256(crate::common::STORE_CODE)));
    assert_eq!(touched.block_hashes, [8].into());
}

#[test]
fn the_error_of_the_database_comes_back() {
    let (_, input) = range(Fork::Prague);
    let db = InMemory { state: crate::common::pre_state(), reachable: false };
    assert!(matches!(record(&input.chain, &input.blocks[0], db), Err(RecordError::Database(_))));
}
