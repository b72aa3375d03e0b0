//! Proofmill's protobuf definitions and artifacts against the SP1 cluster's.
#![allow(clippy::unwrap_used, missing_docs)]

mod artifacts;
mod descriptors;
mod messages;
mod snarks;
mod sources;
mod stock;
