//! The one virtual machine that every program runs on, and the identity that follows from it.
//!
//! OpenVM lets each program bring its own set of extensions. Proofmill fixes one set, because keys are then made once per
//! process instead of once per program: `openvm.toml`, that is RV32IM, input and output, keccak, and the field and curve of
//! secp256k1. A guest that needs no more runs unchanged; one with other instructions is refused as malformed.
//!
//! The set is small because each leaf of the folding tree evaluates the constraints of every table that could have been
//! used, whether it was or not. Measured (constraint nodes of the whole machine; CPU seconds and peak memory of a leaf over
//! two segments of one and the same program):
//!
//! | machine | nodes | leaf |
//! |---|---|---|
//! | RV32IM and input and output | 5,699 | 34 s, 1.9 GB |
//! | + keccak | 48,644 | |
//! | + keccak, secp256k1 (ours) | 86,314 | 78 s, 4.0 GB |
//! | + keccak, sha2, secp256k1, BN254 | 176,113 | 128 s, 4.2 GB |
//! | OpenVM's standard set without 256-bit integers | 349,899 | stopped after 500 s |
//!
//! 256-bit integers are worse still: their lookup table has 2^21 rows in every segment, which does not fit
//! [`LOG_STACKED_HEIGHT`]. So hashing and arithmetic that blocks need rarely (the precompiles for sha256, BN254, BLS12-381)
//! are cheaper as ordinary instructions.

use super::{AppKey, Digest};
use crate::BackendError;
use alloy_primitives::{B256, b256, keccak256};
use openvm_continuations::CommitBytes;
use openvm_sdk::{
    config::{AggregationConfig, AggregationTreeConfig, AppConfig},
    keygen::AppProvingKey,
    prover::AggProver,
};
use openvm_sdk_config::SdkVmConfig;
use openvm_stark_sdk::config::app_params_with_100_bits_security;
use proofmill_primitives::ProgramVersion;
use std::sync::Arc;

/// The bytes that a program can commit to, OpenVM's default; those it leaves out are zero.
pub(super) const PUBLIC_VALUES: usize = 32;

/// Log2 of the height of the stacked trace. OpenVM's default is 24; 20 proves segments of our size 3 to 5 times faster
/// at the same 100 bits of security. It is part of the program's key.
const LOG_STACKED_HEIGHT: usize = 20;

/// OpenVM's commitment to this machine and to the circuits that fold its proofs (`app_vm_commit`). It changes with the
/// release of OpenVM and with everything above; a test compares it with what key generation yields.
pub(super) const VM_COMMIT: B256 = b256!("00071381c1001f777d2cf9b140d746f70e012d6083a5a6a544f6d8b2b3727c05");

/// The machine's configuration.
pub(super) fn config() -> Result<AppConfig<SdkVmConfig>, BackendError> {
    let mut config = SdkVmConfig::from_toml(include_str!("openvm.toml"))
        .map_err(|error| super::failed("reading the configuration of the virtual machine", error))?;
    config.system.config = config.system.config.clone().with_public_values(PUBLIC_VALUES);
    Ok(AppConfig::new(config.optimize(), app_params_with_100_bits_security(LOG_STACKED_HEIGHT)))
}

/// Makes the proving key of the machine.
pub(super) fn app_key() -> Result<AppKey, BackendError> {
    AppProvingKey::keygen(config()?)
        .map_err(|error| super::failed("making the keys of the virtual machine", error))
}

/// Makes the proving keys of the folding circuits.
pub(super) fn aggregation_keys(app: &AppKey) -> Arc<AggProver> {
    Arc::new(AggProver::new(
        Arc::new(app.app_vm_pk.vm_pk.get_vk()),
        AggregationConfig::default(),
        AggregationTreeConfig::default(),
        None,
    ))
}

/// The identity of a program: Keccak-256 of OpenVM's two commitments, `app_exe_commit` (code, first memory, entry point)
/// and `app_vm_commit` (the machine and the folding circuits), 32 bytes each in the big-endian form that OpenVM's
/// Solidity verifier takes, so that a contract can derive it too.
pub(super) fn version(exe_commit: &Digest) -> ProgramVersion {
    let exe = CommitBytes::from(*exe_commit);
    ProgramVersion(keccak256([exe.as_slice().as_slice(), VM_COMMIT.as_slice()].concat()))
}

/// The commitment that [`VM_COMMIT`] must equal.
pub(super) fn vm_commit(keys: &AggProver) -> B256 {
    B256::from_slice(CommitBytes::from(keys.vm_or_hook_commit()).as_slice())
}
