//! `proofmill dev`: a whole rollup in one process tree.
//!
//! The chains are a process of their own (`proofmill localnet`) that outlives this one when it is killed: to a prover, L1
//! and L2 are the world outside. Workers and attestors are processes too, and end with this one. The cluster and the
//! prover node run in this one.

mod child;
mod chains;

pub(crate) use chains::Chains;
pub(crate) use child::Child;
