//! The binary as a user runs it: real processes, a real node, `exec` as the prover type.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bad_input;
mod bench;
mod blocks;
mod changing;
mod crash;
mod deployed;
mod dev;
mod docs;
mod escape;
mod failures;
mod faults;
mod helper;
mod kinds;
mod logs;
mod metrics;
mod mistaken;
mod nodes;
mod op;
mod own_process;
mod process;
mod proven_before;
mod pullers;
mod pulling;
mod servers;
mod sessions;
mod settling;
mod site;
mod srs;
mod stores;
mod submit;
mod upgrade;
mod verifiers;
mod waiting;
mod with_openvm;
