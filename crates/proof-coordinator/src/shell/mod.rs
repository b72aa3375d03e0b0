//! The async around the coordinator's rules. One lock guards the desk, and is held only to scan and mark; storage, verifying and
//! the ledger are waited for outside of it.

mod board;
mod clock;
mod coordinator;
mod counted;
mod error;
mod guards;
mod inputs;
mod jobs;
mod journal;
mod looks;
mod pullers;
mod server;
mod shelf;
mod submit;
mod telling;
mod wire;

pub(crate) use board::Stage;
pub use board::{OpenBatch, OpenBatches, ProofState, ProofStatus};
pub(crate) use clock::Clock;
pub use coordinator::{Coordinator, CoordinatorConfig};
pub use error::CoordinatorError;
pub(crate) use journal::{Journal, Receipt};
pub use server::serve;
pub(crate) use telling::Telling;
pub(crate) use wire::{asked_batch, heard_batch};
