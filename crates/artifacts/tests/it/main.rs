//! The store on the file system, seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod damage;
mod disk_full;
mod processes;
mod semantics;
mod unused;
