//! The SNARK of an epoch's proof that the EVM verifies: Halo2 over KZG commitments on BN254, OpenVM's own circuits.
//!
//! ```text
//! compressed proof ──one more fold──root──static verifier──wrapper──the EVM
//!                        STARK, hashes of │   Halo2, many    │ Halo2, one column
//!                        BN254's scalars  │   columns        │
//! ```
//!
//! The root is a STARK whose hashes are cheap in a circuit over BN254's scalars. The static verifier verifies it; its columns
//! follow from the degree, and so does its memory. The wrapper verifies the static verifier's proof with one column, so
//! that the contract is small and cheap. What goes in is a compressed proof of the aggregation machine as it is: no guest,
//! no tree and no key changes.
//!
//! The two Halo2 circuits have proving keys of gigabytes. They are made once ([`keys`]) from a structured reference string
//! ([`proofmill_srs`]) and kept in a folder. The circuits are fixed by the aggregation machine's keys (`keys.bin`), the root's
//! heights ([`root::HEIGHTS`]) and the degrees, so a proof names its circuit by a hash of these, and verifiers know the
//! circuits of this build ([`known`]).

mod body;
mod halo2;
mod kept;
mod keys;
mod known;
mod proving;
mod root;
mod setup;
mod start;

pub(super) use body::Body;
pub(super) use known::{is_for_development, variant, verify};

use super::{guard::guard, provers::Provers};
use crate::{BackendError, SnarkConfig, SnarkSize};
use proofmill_primitives::Weight;

/// Makes the root of a compressed proof of the aggregation machine. 3 GB.
pub(super) fn root(provers: &Provers, compressed: &[u8]) -> Result<Vec<u8>, BackendError> {
    making("making the root", || root::prove(provers, compressed))
}

/// Verifies a root in a circuit. Makes the circuit's keys where they are not kept yet.
pub(super) fn static_verifier(
    provers: &Provers,
    config: &SnarkConfig,
    root: &[u8],
) -> Result<Vec<u8>, BackendError> {
    making("proving the static verifier", || halo2::verify_root(provers, config, root))
}

/// Verifies the static verifier's proof in a circuit of one column, for the EVM.
pub(super) fn wrapper(
    provers: &Provers,
    config: &SnarkConfig,
    snark: &[u8],
) -> Result<Vec<u8>, BackendError> {
    making("proving the wrapper", || Ok(halo2::wrap(provers, config, snark)?.encode()))
}

/// What tells the circuits of this build, beside the keys of its aggregation, from those of others.
pub(super) fn layouts() -> [[u8; 32]; 2] {
    SnarkSize::ALL.map(keys::layout)
}

/// What contracts have in their code that take the SNARK which `config` names: see [`crate::Backend::contract_words`].
pub(super) fn contract_words(
    provers: &Provers,
    config: Option<&SnarkConfig>,
) -> Result<Vec<[[u8; 32]; 2]>, BackendError> {
    making("describing the circuits of the SNARK", || {
        known::contract_words(config, |size| keys::own_circuits(provers, size))
    })
}

/// Looks at a worker's start for what SNARKs of `config` need. Reads the setups.
pub(super) fn check_start(
    provers: &Provers,
    config: &SnarkConfig,
    memory: Weight,
) -> Result<(), BackendError> {
    making("looking for what the SNARK needs", || start::check(provers, config, memory))
}

/// What verifiers are to know of the circuits of `config`, whose keys must be there, and the source of its contract.
#[doc(hidden)]
pub(super) fn describe(
    provers: &Provers,
    config: &SnarkConfig,
    snark: &[u8],
) -> Result<(known::Known, String), BackendError> {
    making("describing the wrapper", || halo2::describe(provers, config, snark))
}

/// What `snark.bin` must be, with what is to be known of one more circuit.
pub(super) fn with_known(known: known::Known) -> Result<Vec<u8>, BackendError> {
    known::with(known)
}

/// The heights of the root's tables for a compressed proof, whatever [`root::HEIGHTS`] says.
pub(super) fn heights(provers: &Provers, compressed: &[u8]) -> Result<Vec<usize>, BackendError> {
    making("making the root", || root::heights(provers, compressed))
}

/// OpenVM's circuits assert and unwrap.
fn making<T>(doing: &'static str, work: impl FnOnce() -> Result<T, BackendError>) -> Result<T, BackendError> {
    guard(|cause| super::failed(doing, cause), work)
}

/// What an earlier step made is not what this step takes.
fn malformed(cause: impl Into<String>) -> BackendError {
    BackendError::MalformedPart { cause: cause.into() }
}
