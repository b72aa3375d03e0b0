//! Re-executes blocks from a witness and checks every field that a header commits to.
//!
//! The same code runs in the zkVM guest (`no_std`, `default-features = false`) and on the host. [`StatelessInput`] is
//! what a host builds and encodes; [`execute`] takes it back from bytes as a [`StatelessInputRef`] and returns a
//! [`RangeOutcome`], or a [`StatelessError`] that names the first thing that is wrong. Nothing in the input is trusted:
//! the state comes from the parent header, and the parent from the first block's parent hash.
//!
//! On the host (feature `std`), [`minimise`] reduces a witness to what the blocks need, [`record`] tells which accounts
//! and slots a block touches, and [`witness_from_state`] makes a witness from a state that is held in full.
//!
//! ```
//! use proofmill_stateless::{ChainSpec, Fork, StatelessError, StatelessInput, StatelessInputRef, Witness, execute};
//!
//! let input = StatelessInput {
//!     chain: ChainSpec::for_fork(1, Fork::Cancun),
//!     parent: Default::default(),
//!     blocks: Vec::new(),
//!     witness: Witness::default(),
//! };
//! let bytes = input.encode();
//! let input = StatelessInputRef::decode(&bytes)?;
//! assert_eq!(execute(&input), Err(StatelessError::NoBlocks));
//! # Ok::<(), proofmill_stateless::DecodeError>(())
//! ```

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod ancestors;
mod block;
mod chain;
mod code;
mod codec;
mod consensus;
mod error;
mod evm;
mod execute;
mod exp;
#[cfg(feature = "std")]
mod genesis;
mod header;
mod input;
mod op;
#[cfg(feature = "std")]
mod prestate;
#[cfg(feature = "std")]
mod profile;
#[cfg(feature = "std")]
mod record;
mod state;
mod trie;

pub use alloy_eips::eip7840::BlobParams;
pub use chain::{
    BaseFeeRule, BlobActivation, ChainSpec, Fork, ForkActivation, GasLimitRule, MAX_GAS_LIMIT, Rules,
};
pub use consensus::{Consensus, RequestContracts};
pub use error::{ChainSpecError, DecodeError, HeaderRole, StatelessError, TrieId, WitnessError};
pub use evm::StateDatabase;
pub use execute::{RangeOutcome, execute};
pub use input::{Block, BlockRef, HashedHeader, StatelessInput, StatelessInputRef, Witness, WitnessRef};
pub use op::{OpActivation, OpFork, OpRules, OpRulesError};
#[cfg(feature = "std")]
pub use prestate::{PreState, PreStateAccount, full_witness, minimise, witness_from_state};
#[cfg(feature = "std")]
pub use profile::{Spender, Spent, profile};
#[cfg(feature = "std")]
pub use record::{RecordError, Recorded, Touched, record};

pub mod parts;
