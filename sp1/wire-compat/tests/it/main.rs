//! Proofmill's protobuf definitions against the SP1 cluster's.
#![allow(clippy::unwrap_used, missing_docs)]

mod descriptors;
mod messages;
mod sources;
