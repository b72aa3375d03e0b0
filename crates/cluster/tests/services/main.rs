//! A cluster in this process and, over the network, clients and workers that speak to it as those of the SP1 cluster do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod diagnosis;
mod expiry;
mod faults;
mod harness;
mod metered;
mod nodes;
mod proofs;
mod restart;
mod silence;
mod status;
mod stock;
mod tasks;
mod unused;
mod workers;
