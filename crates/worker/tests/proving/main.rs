//! Workers that make whole proofs for a cluster in this process, and what becomes of a proof when something goes wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backend;
mod damage;
mod disk;
mod failures;
mod far;
mod faults;
mod harness;
mod layout;
mod losses;
mod snarks;
mod stock;
mod upgrade;
mod way;
mod whole;
