//! The chain stream over two anvils.

mod away;
mod follow;
mod reorgs;
mod restart;
mod two_chains;
