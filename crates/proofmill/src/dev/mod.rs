//! `proofmill dev`: a whole rollup in one process tree.
//!
//! The chains are a process of their own (`proofmill localnet`) that outlives this one when it is killed: to a prover, L1
//! and L2 are the world outside. Workers and attestors are processes too, and end with this one. The cluster and the
//! prover node run in this one.

mod chains;
mod child;
mod memory;
mod show;

pub(crate) use chains::{Chains, Found};
pub(crate) use child::{Child, Orphan};
pub(crate) use memory::Memory;
pub(crate) use show::Show;
