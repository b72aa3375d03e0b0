//! Which blocks of an OP Stack chain follow from what L1 has: for Holocene and later.
//!
//! A chain's nodes read L1 block by block: the *frames* in the transactions of its batcher are parts of *channels*, a channel is
//! compressed *batches*, and a batch has what the sequencer put into one block, or into several that follow on each other (a
//! *span*). What is before the batch's transactions in a block is L1's: its attributes, and the deposits that users made there.
//!
//! [`check`] does the same, from a block of L2 whose hash is known on, and compares what comes of it with the blocks of a range
//! that were executed. Nothing of its [`DerivationInput`] is believed: L1's blocks are hashed up to one L1 head, bodies and receipts
//! are those that their headers commit to, blobs those of their hashes. The result is the hash of that head: whoever knows that it
//! is of L1 knows that the range is the chain's.
//!
//! Written from the specifications (`specs.optimism.io`); each rule names its file. What they leave to a client's implementation,
//! or what nodes disagree on, is refused ([`DerivationError`]) and not guessed: blocks before Holocene, a fork's first block, a payload
//! that nodes replace by its deposits, a batch that names an L1 block after its own, or that comes before its parent's, damaged
//! channels.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod ancestors;
mod attributes;
mod batch;
mod blob;
mod brotli;
mod channel;
mod codec;
mod config;
mod deposits;
mod error;
#[cfg(feature = "std")]
mod file;
mod frame;
mod input;
mod kzg;
mod l1;
mod pipeline;
mod system_config;
#[cfg(test)]
mod tests;

pub use ancestors::Ancestor;
pub use blob::{BLOB, BlobData};
pub use config::RollupConfig;
pub use error::DerivationError;
#[cfg(feature = "std")]
pub use file::config_from_rollup_json;
pub use input::{DerivationInput, L1Block};
pub use kzg::{Arkworks, Combination, Kzg, ScaledBlob, combination};
pub use pipeline::{check, l1_start};
