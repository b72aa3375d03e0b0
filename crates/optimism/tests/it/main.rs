//! Blocks of the OP Stack, from outside: real ones, random ones beside another implementation, and lies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod contracts;
mod differential;
mod karst;
mod lies;
mod oracle;
mod real;
mod world;
