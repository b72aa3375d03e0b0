//! The ledger and the data directory, seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod assignments;
mod crash;
mod data_dir;
mod disk_full;
mod engines;
mod files;
mod history;
mod model;
mod postgres;
mod records;
mod semantics;
