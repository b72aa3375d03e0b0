//! The contracts in an EVM of this process: many calls, and every one checked.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod gas;
mod machine;
mod model;
mod sequences;
mod settled;
mod size;
mod step;
mod values;
