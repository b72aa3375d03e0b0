//! The contracts in an EVM of this process: many calls, and every one checked.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_arguments,
    reason = "tests, and the ABI's events"
)]

mod byte_strings;
mod gas;
mod machine;
mod model;
mod sequences;
mod settled;
mod silence;
mod size;
mod snark_changes;
mod snark_setups;
mod snark_with_attestors;
mod snarks;
mod step;
mod values;
