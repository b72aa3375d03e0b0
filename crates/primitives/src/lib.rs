//! The words that the other crates speak in: who asks for a proof ([`ProofId`]), what is scheduled
//! ([`TaskKind`], [`Weight`]), what makes the proof ([`ProverType`], [`ProofMode`], [`ProgramVersion`]) and which
//! blocks it is about ([`BlockRange`]).
//!
//! Nothing here does I/O, and the crate is `no_std`.
//!
//! ```
//! use proofmill_primitives::{BlockRange, ProofMode, TaskKind, Weight};
//!
//! let range = BlockRange::new(11, 15).unwrap();
//! assert_eq!(range.len(), 5);
//! assert_eq!("compressed".parse::<ProofMode>().unwrap(), ProofMode::Compressed);
//! assert_eq!(TaskKind::PlonkWrap.default_weight(), Weight::gb(60));
//! ```
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod checkpoint;
mod dialect;
mod ids;
mod proof;
mod range;
mod task;
mod time;
mod weight;

pub use checkpoint::{Checkpoint, CheckpointId, CheckpointNumber, Epoch, Slot, SlotClock};
pub use dialect::Dialect;
pub use ids::{ArtifactId, ProgramVersion, ProofId, TaskId, WorkerId};
pub use proof::{Instructions, ProofMode, ProverType, UnknownName};
pub use range::{BlockRange, EmptyRange};
pub use task::{Capability, TaskKind, WorkerKind};
pub use time::Time;
pub use weight::Weight;
