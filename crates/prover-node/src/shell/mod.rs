//! The async around the rules: one task owns the state, the others carry messages.

mod clock;
mod context;
mod follow;
mod held_up;
mod locks;
mod metrics;
mod node;
mod owner;
mod publish;
mod range;
mod requests;
mod root;
mod shown;
mod spells;
mod stored;
mod told;
mod upload;

pub use self::metrics::paid_in_vain;
pub use context::{NodeConfig, Parts, Prover};
pub use node::{NodeHandle, ProverNode};
pub use told::CHANGES_TARGET;
