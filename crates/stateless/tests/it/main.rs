//! Stateless execution, from outside: what is refused, what is recorded, and the Ethereum Foundation's tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bytes;
mod codes;
mod common;
mod ef;
mod genesis;
mod profile;
mod record;
mod rules;
mod system;
mod tampering;
