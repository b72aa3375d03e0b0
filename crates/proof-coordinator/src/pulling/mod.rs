//! A prover that pulls: it asks its coordinators in turn, proves in its own process (or on a cluster), and hands in.

mod calls;
mod counted;
mod hand_in;
mod puller;
mod said;
#[cfg(test)]
mod scripted;
mod turn;
mod unsent;

pub use puller::{PullError, Puller};
pub use turn::Turn;
