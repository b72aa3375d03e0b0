//! The `sp1` prover type: runs SP1 programs, and proves them on CPU with SP1's own prover.
//!
//! [`Sp1Backend`] is what the workers see. It keeps one prover of its own process warm, because starting one takes a
//! minute or more, and proves one thing at a time, because two provers do not fit on a small machine. Programs run in a
//! process of their own that SP1 starts, so a program that crashes or eats memory does not take the worker along.
//!
//! A proof is planned as a single segment, which SP1 cuts into shards itself. Its output is the core proof. A
//! compressed proof is made of it when the proof is finished: each shard is lifted into the recursion, and those are
//! folded, a few at a time, into one.
//!
//! ```
//! use proofmill_backend_sp1::Sp1Backend;
//! use proofmill_backends::{Backend, BackendError};
//!
//! let sp1 = Sp1Backend::new();
//! // Bytes that are no SP1 program are an error with its cause, never a panic.
//! let error = sp1.program_version(b"not an ELF").unwrap_err();
//! assert!(matches!(error, BackendError::MalformedProgram { .. }));
//! ```

mod backend;
mod body;
mod cluster;
mod elf;
mod execute;
mod guard;
mod network;
mod orphans;
mod shared;
mod stdin;

pub use backend::Sp1Backend;
