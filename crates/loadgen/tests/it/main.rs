//! Load on a real anvil, and on addresses that no node answers.
#![allow(clippy::unwrap_used)]

mod anvil;
mod devnode;
mod plans;
mod secrets;
