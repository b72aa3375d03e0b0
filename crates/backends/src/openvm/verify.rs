//! Checking finished proofs. Makes no keys of circuits: what they are is part of the binary.

use super::{
    F,
    circuit::{Chain, Circuit, Stage},
    counts,
    guard::guard,
    machine::{self, Machine, PUBLIC_VALUES},
    part::{self, PublicValues},
    provers::{Provers, own},
    snark::{self, Body},
};
use crate::BackendError;
use openvm_circuit::{
    arch::{ContinuationVmProof, hasher::poseidon2::vm_poseidon2_hasher},
    system::program::trace::compute_exe_commit,
};
use openvm_sdk::{DefaultStarkEngine as Engine, openvm_circuit, prover::verify_app_proof};
use openvm_stark_backend::p3_field::PrimeField32;
use openvm_verify_stark_host::{
    VmStarkProof,
    pvs::{DEF_PVS_AIR_ID, VM_PVS_AIR_ID, VmPvs},
    verify_vm_stark_proof_decoded,
    vk::{VerificationBaseline, VmStarkVerifyingKey},
};
use proofmill_primitives::ProgramVersion;
use std::{borrow::Borrow, path::Path};

/// Verifies a compressed proof: the program it proves an execution of, and the bytes that the program committed to.
pub(super) fn compressed(provers: &Provers, body: &[u8]) -> Result<(ProgramVersion, Vec<u8>), BackendError> {
    guard(invalid, || {
        let proof = counts::decode_compressed(body).map_err(|error| invalid(error.to_string()))?;
        let machine = machine_of(&proof);
        let key = key(provers, machine, &proof)?;
        verify_vm_stark_proof_decoded(&key, &proof).map_err(|error| invalid(error.to_string()))?;
        Ok((version(provers, machine, &key)?, bytes(&proof.user_pvs_proof)?))
    })
}

/// Only the circuits of the aggregation machine speak of verifications. A proof that pretends does not hold.
fn machine_of(proof: &VmStarkProof) -> Machine {
    let speaks = proof.inner.public_values.get(DEF_PVS_AIR_ID).is_some_and(|values| !values.is_empty());
    if speaks || proof.deferral_merkle_proofs.is_some() { Machine::Aggregation } else { Machine::Base }
}

fn version(
    provers: &Provers,
    machine: Machine,
    key: &VmStarkVerifyingKey,
) -> Result<ProgramVersion, BackendError> {
    let vm_commit = provers.keys.commit(Chain::Segments(machine))?;
    Ok(machine::version(&key.baseline.app_exe_commit, &vm_commit))
}

/// What a proof must agree with, if it is of the program that it says it is of.
pub(super) fn key(
    provers: &Provers,
    machine: Machine,
    proof: &VmStarkProof,
) -> Result<VmStarkVerifyingKey, BackendError> {
    let claimed: &VmPvs<F> = proof
        .inner
        .public_values
        .get(VM_PVS_AIR_ID)
        .filter(|values| values.len() == VmPvs::<u8>::width())
        .ok_or_else(|| invalid("it does not say what it proves".to_owned()))?
        .as_slice()
        .borrow();
    let app_exe_commit = compute_exe_commit(
        &vm_poseidon2_hasher(),
        &claimed.program_commit,
        &claimed.initial_root,
        claimed.initial_pc,
    );
    let config = machine.config(provers.verifier_commit(machine)?)?.app_vm_config;
    let entry = |stage| provers.keys.get(Circuit::Fold(Chain::Segments(machine), stage));
    let recursive = entry(Stage::Recursive)?;
    Ok(VmStarkVerifyingKey {
        mvk: recursive.vk.as_ref().clone(),
        baseline: VerificationBaseline {
            app_exe_commit,
            memory_dimensions: config.sdk.system.config.memory_config.memory_dimensions(),
            num_user_pvs: PUBLIC_VALUES,
            app_vk_commit: entry(Stage::Leaf)?.child,
            leaf_vk_commit: entry(Stage::Internal)?.child,
            internal_for_leaf_vk_commit: recursive.child,
            internal_recursive_vk_commit: own(&recursive)?,
            // Without it, verifications by any circuits would pass for those of ours.
            expected_def_hook_commit: match machine {
                Machine::Base => None,
                Machine::Aggregation => Some(provers.keys.commit(Chain::Hook)?),
            },
        },
    })
}

/// Verifies a core proof, as [`compressed`].
pub(super) fn core(provers: &Provers, body: &[u8]) -> Result<(ProgramVersion, Vec<u8>), BackendError> {
    // Only the base machine has core proofs: without its verifications, one of the other would prove nothing.
    let app = provers.app(Machine::Base)?;
    let vm_commit = provers.keys.commit(Chain::Segments(Machine::Base))?;
    guard(invalid, || {
        let (per_segment, user_public_values) =
            part::decode_core(body).map_err(|error| invalid(error.to_string()))?;
        let proof = ContinuationVmProof { per_segment, user_public_values };
        let exe_commit = verify_app_proof::<Engine>(&app.get_app_vk(), &proof)
            .map_err(|error| invalid(error.to_string()))?;
        Ok((machine::version(&exe_commit, &vm_commit), bytes(&proof.user_public_values)?))
    })
}

/// Verifies a SNARK, as [`compressed`].
pub(super) fn snark(body: &[u8], folder: Option<&Path>) -> Result<(ProgramVersion, Vec<u8>), BackendError> {
    guard(invalid, || {
        let body = Body::decode(body)?;
        snark::verify(&body, folder)?;
        Ok((machine::version_of(body.commits()), body.public_values()))
    })
}

fn bytes(public_values: &PublicValues) -> Result<Vec<u8>, BackendError> {
    public_values
        .public_values
        .iter()
        .map(|value| u8::try_from(value.as_canonical_u32()))
        .collect::<Result<_, _>>()
        .map_err(|_| invalid("a public value is not a byte".to_owned()))
}

fn invalid(cause: String) -> BackendError {
    BackendError::InvalidProof { cause }
}
