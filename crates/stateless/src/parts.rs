//! What rules of execution other than Ethereum's are built from: the same EVM, witness and tries.
//!
//! `proofmill-optimism` runs blocks of the OP Stack on these. Each part keeps what it promises here: nothing of a
//! witness is believed that does not hash up to the parent's state root.

use crate::{
    ancestors::Ancestors,
    block, header,
    input::{HashedHeader, WitnessRef},
    trie::Source,
};
use alloc::vec::Vec;
use alloy_consensus::Header;
use alloy_evm::EvmEnv;
use alloy_primitives::B256;
use revm::{DatabaseCommit, handler::EthPrecompiles, handler::EvmTr};

#[cfg(feature = "std")]
pub use crate::record::{Recorder, Stopped, recorded};
use crate::{Fork, StateDatabase, StatelessError, WitnessError};
pub use crate::{evm::Machine, state::WitnessState};

impl<'a> WitnessState<'a> {
    /// The state that a parent header commits to, with the parent's ancestors for BLOCKHASH.
    ///
    /// Errors with ancestors that are not linked to the parent, or a code that is there twice.
    pub fn open(parent: &'a HashedHeader, witness: &'a WitnessRef<'a>) -> Result<Self, WitnessError> {
        let (state, surplus) = Self::over(parent, witness, Source::in_order(&witness.state))?;
        surplus.map_or(Ok(state), Err)
    }

    /// As [`open`](Self::open), for a witness that may hold more than is needed, in any order.
    #[cfg(feature = "std")]
    pub fn open_any(parent: &'a HashedHeader, witness: &'a WitnessRef<'a>) -> Result<Self, WitnessError> {
        Ok(Self::over(parent, witness, Source::by_hash(&witness.state))?.0)
    }

    fn over(
        parent: &'a HashedHeader,
        witness: &'a WitnessRef<'a>,
        nodes: Source<'a>,
    ) -> Result<(Self, Option<WitnessError>), WitnessError> {
        let ancestors = Ancestors::new(parent, &witness.headers)?;
        Ok(Self::new(&parent.header().state_root, nodes, witness, ancestors))
    }

    /// Puts what was written since the last time into the tries, and returns the state root.
    pub fn state_root(&mut self) -> Result<B256, WitnessError> {
        self.root()
    }

    /// Names a block that was executed, for the BLOCKHASH of those after it.
    pub fn executed(&mut self, hash: B256) {
        self.ancestors.push(hash);
    }

    /// The first error of the witness since the last time. Executors turn it into text; this is the typed one.
    pub const fn take_fault(&mut self) -> Option<WitnessError> {
        self.fault.take()
    }

    /// The hashes of the executed blocks, oldest first. Errors with something in the witness that no block used.
    pub fn close(self) -> Result<Vec<B256>, WitnessError> {
        self.check_all_used()?;
        Ok(self.ancestors.into_executed())
    }

    /// The part of its witness that was used, nodes in the order of their use; of a state of
    /// [`open_any`](Self::open_any).
    #[cfg(feature = "std")]
    pub fn used(&self, witness: &WitnessRef<'_>) -> crate::Witness {
        use alloy_primitives::Bytes;
        let headers = &witness.headers[..self.ancestors.headers_used()];
        crate::Witness {
            state: self.used_nodes().iter().map(|node| Bytes::copy_from_slice(node)).collect(),
            codes: self.used_codes(witness.codes.iter().map(AsRef::as_ref)),
            headers: headers.iter().map(|header| header.header().clone()).collect(),
        }
    }
}

impl<DB: StateDatabase + DatabaseCommit> Machine<DB> {
    /// The EVM of one block, with precompiles of the caller's choice.
    pub fn with_precompiles(db: DB, env: EvmEnv, precompiles: EthPrecompiles) -> Self {
        let mut machine = Self::new(db, env);
        *machine.all_mut().2 = precompiles;
        machine
    }

    /// What the EVM runs on.
    pub fn state(&mut self) -> &mut DB {
        self.db_mut()
    }

    /// The system calls before the first transaction (EIP-2935 from Prague on, EIP-4788 from Cancun on), committed.
    /// A contract that has no code, or fails, changes nothing.
    pub fn call_before(&mut self, fork: Fork, header: &Header) -> Result<(), StatelessError> {
        block::before(fork, header, self)
    }
}

/// The base fee of the block after `parent` (EIP-1559), which the caller may have given other gas used than its own.
///
/// `None` where the parent has no base fee, or numbers that do not fit.
pub fn next_base_fee(parent: &Header, max_change_denominator: u32, elasticity: u32) -> Option<u64> {
    header::next_base_fee(parent, max_change_denominator.into(), elasticity.into())
}
