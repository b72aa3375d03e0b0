//! A prover that pulls: it asks its coordinators in turn, proves in its own process (or on a cluster), and hands in.

mod calls;
mod counted;
mod puller;
mod said;
mod turn;

pub use puller::{PullError, Puller};
pub use turn::Turn;
