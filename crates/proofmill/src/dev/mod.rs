//! `proofmill dev`: a whole rollup in one process tree.
//!
//! The chains are a process of their own (`proofmill localnet`) that outlives this one when it is killed: to a prover, L1
//! and L2 are the world outside. Workers and attestors are processes too; they end with this one, and are started again if
//! they end before. The cluster and the prover node run in this one.

mod chains;
mod child;
mod kept;
mod memory;
mod show;

pub(crate) use chains::{Chains, Found};
pub(crate) use child::{Child, Launcher, Orphan, Role};
pub(crate) use kept::Kept;
pub(crate) use memory::Memory;
pub(crate) use show::Show;
