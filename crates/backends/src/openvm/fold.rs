//! Folding proofs, and the last steps: wrapping and checking.

use super::{
    AppKey, Stark,
    guard::guard,
    part::{self, Level, Part, PublicValues},
    tree::{INTERNAL, LEAF, RECURSIVE, arity},
    vm,
};
use crate::{BackendError, Node};
use openvm_circuit::{
    arch::{ContinuationVmProof, hasher::poseidon2::vm_poseidon2_hasher},
    system::program::trace::compute_exe_commit,
};
use openvm_continuations::prover::ChildVkKind;
use openvm_sdk::{
    DefaultStarkEngine as Engine, SC, openvm_circuit,
    prover::{AggProver, verify_app_proof},
};
use openvm_stark_backend::{
    StarkEngine,
    codec::{Decode, Encode},
    keygen::types::MultiStarkVerifyingKey,
    p3_field::PrimeField32,
};
use openvm_verify_stark_host::{
    VmStarkProof,
    pvs::{VM_PVS_AIR_ID, VmPvs},
    verify_vm_stark_proof_decoded,
    vk::{VerificationBaseline, VmStarkVerifyingKey},
};
use proofmill_primitives::ProgramVersion;
use std::borrow::Borrow;

/// Folds the children of a node.
pub(super) fn reduce(
    app: &AppKey,
    keys: &AggProver,
    program: &[u8; 32],
    node: &Node,
    children: &[Vec<u8>],
) -> Result<Part, BackendError> {
    if children.len() != node.children.len() || !(1..=arity(node.layer)).contains(&children.len()) {
        return Err(BackendError::MalformedPart {
            cause: format!(
                "a node of layer {} takes 1 to {} children; it names {} and was given {}",
                node.layer,
                arity(node.layer),
                node.children.len(),
                children.len()
            ),
        });
    }
    let mut parts = children
        .iter()
        .enumerate()
        .map(|(index, bytes)| Part::decode(bytes, &format!("child {index}")))
        .collect::<Result<Vec<_>, _>>()?;
    let below = if node.layer == LEAF { Level::Segment } else { Level::Layer(node.layer - 1) };
    part::check_sequence(&parts, program, below)?;
    check_starks(app, keys, &parts)?;

    let first = parts[0].first;
    let count = parts.iter().map(|part| part.count).sum();
    let public_values = parts.last_mut().and_then(|part| part.public_values.take());
    let starks: Vec<Stark> = parts.into_iter().map(|part| part.stark).collect();
    let stark = guard(
        |cause| super::failed("folding proofs", cause),
        || {
            match node.layer {
                LEAF => keys.leaf_prover.agg_prove_no_def::<Engine>(&starks, ChildVkKind::App),
                INTERNAL => {
                    keys.internal_for_leaf_prover.agg_prove_no_def::<Engine>(&starks, ChildVkKind::Standard)
                }
                RECURSIVE => {
                    keys.internal_recursive_prover.agg_prove_no_def::<Engine>(&starks, ChildVkKind::Standard)
                }
                _ => keys
                    .internal_recursive_prover
                    .agg_prove_no_def::<Engine>(&starks, ChildVkKind::RecursiveSelf),
            }
            .map_err(|error| super::failed("folding proofs", error))
        },
    )?;
    Ok(Part { program: *program, level: Level::Layer(node.layer), first, count, stark, public_values })
}

/// Verifies each part by itself, in milliseconds, so that a wrong one is named and not found out by a prover that fails
/// minutes later.
fn check_starks(app: &AppKey, keys: &AggProver, parts: &[Part]) -> Result<(), BackendError> {
    for (index, part) in parts.iter().enumerate() {
        let wrong = |cause: String| BackendError::MalformedPart {
            cause: format!("part {index} does not hold: {cause}"),
        };
        guard(wrong, || {
            let check = |vk: &MultiStarkVerifyingKey<SC>| {
                Engine::new(vk.inner.params.clone())
                    .verify(vk, &part.stark)
                    .map_err(|error| wrong(error.to_string()))
            };
            match part.level {
                Level::Segment => check(&app.app_vm_pk.vm_pk.get_vk()),
                Level::Layer(LEAF) => check(&keys.leaf_prover.get_vk()),
                Level::Layer(INTERNAL) => check(&keys.internal_for_leaf_prover.get_vk()),
                Level::Layer(_) => check(&keys.internal_recursive_prover.get_vk()),
            }
        })?;
    }
    Ok(())
}

/// Makes the proof of constant size from the root of the tree.
pub(super) fn wrap(
    app: &AppKey,
    keys: &AggProver,
    program: &[u8; 32],
    segments: usize,
    parts: &[Vec<u8>],
) -> Result<Vec<u8>, BackendError> {
    let [root] = parts else {
        return Err(BackendError::MalformedPart {
            cause: format!("a compressed proof is made from the root alone; there are {} parts", parts.len()),
        });
    };
    let root = Part::decode(root, "the root")?;
    let Level::Layer(layer @ RECURSIVE..) = root.level else {
        return Err(BackendError::MalformedPart {
            cause: format!("the root is a {:?}; fold it up to layer {RECURSIVE}", root.level),
        });
    };
    let root = [root];
    part::check_sequence(&root, program, Level::Layer(layer))?;
    check_starks(app, keys, &root)?;
    let [root] = root;
    if root.first != 0 || root.count as usize != segments {
        return Err(BackendError::MalformedPart {
            cause: format!(
                "the root proves {} segments from {}, the plan has {segments}",
                root.count, root.first
            ),
        });
    }
    let user_pvs_proof = root.public_values.ok_or_else(missing_public_values)?;
    guard(
        |cause| super::failed("wrapping the proof", cause),
        || {
            // One more layer over a single child makes the proof smaller, as OpenVM's own prover does.
            let inner = keys
                .internal_recursive_prover
                .agg_prove_no_def::<Engine>(&[root.stark], ChildVkKind::RecursiveSelf)
                .map_err(|error| super::failed("wrapping the proof", error))?;
            VmStarkProof { inner, user_pvs_proof, deferral_merkle_proofs: None }
                .encode_to_vec()
                .map_err(|error| super::failed("encoding the proof", error))
        },
    )
}

/// Bundles all segment proofs.
pub(super) fn bundle(
    program: &[u8; 32],
    segments: usize,
    parts: &[Vec<u8>],
) -> Result<Vec<u8>, BackendError> {
    if parts.len() != segments || parts.is_empty() {
        return Err(BackendError::MalformedPart {
            cause: format!(
                "a core proof is made from all {segments} segments; there are {} parts",
                parts.len()
            ),
        });
    }
    let mut parts = parts
        .iter()
        .enumerate()
        .map(|(index, bytes)| Part::decode(bytes, &format!("segment {index}")))
        .collect::<Result<Vec<_>, _>>()?;
    part::check_sequence(&parts, program, Level::Segment)?;
    if parts[0].first != 0 {
        return Err(BackendError::MalformedPart { cause: "the first segment is missing".to_owned() });
    }
    let public_values =
        parts.last_mut().and_then(|part| part.public_values.take()).ok_or_else(missing_public_values)?;
    let starks: Vec<Stark> = parts.into_iter().map(|part| part.stark).collect();
    part::encode_core(&starks, &public_values).map_err(|error| super::failed("encoding the proof", error))
}

/// Verifies a compressed proof: the program it proves an execution of, and the bytes that the program committed to.
pub(super) fn verify_compressed(
    app: &AppKey,
    keys: &AggProver,
    body: &[u8],
) -> Result<(ProgramVersion, Vec<u8>), BackendError> {
    guard(invalid, || {
        let proof = VmStarkProof::decode_from_bytes(body).map_err(|error| invalid(error.to_string()))?;
        let claimed: &VmPvs<super::F> = proof
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
        let vk = app.get_app_vk();
        let key = VmStarkVerifyingKey {
            mvk: keys.internal_recursive_prover.get_vk().as_ref().clone(),
            baseline: VerificationBaseline {
                app_exe_commit,
                memory_dimensions: vk.memory_dimensions,
                num_user_pvs: vk.num_user_pvs,
                app_vk_commit: keys.leaf_prover.get_vk_commit(false),
                leaf_vk_commit: keys.internal_for_leaf_prover.get_vk_commit(false),
                internal_for_leaf_vk_commit: keys.internal_recursive_prover.get_vk_commit(false),
                internal_recursive_vk_commit: keys.internal_recursive_prover.get_vk_commit(true),
                expected_def_hook_commit: None,
            },
        };
        if proof.deferral_merkle_proofs.is_some() {
            return Err(invalid("it claims deferred proofs, which this machine has not".to_owned()));
        }
        verify_vm_stark_proof_decoded(&key, &proof).map_err(|error| invalid(error.to_string()))?;
        Ok((vm::version(&app_exe_commit), bytes(&proof.user_pvs_proof)?))
    })
}

/// Verifies a core proof, as [`verify_compressed`].
pub(super) fn verify_core(app: &AppKey, body: &[u8]) -> Result<(ProgramVersion, Vec<u8>), BackendError> {
    guard(invalid, || {
        let (per_segment, user_public_values) =
            part::decode_core(body).map_err(|error| invalid(error.to_string()))?;
        let proof = ContinuationVmProof { per_segment, user_public_values };
        let exe_commit = verify_app_proof::<Engine>(&app.get_app_vk(), &proof)
            .map_err(|error| invalid(error.to_string()))?;
        Ok((vm::version(&exe_commit), bytes(&proof.user_public_values)?))
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

fn missing_public_values() -> BackendError {
    BackendError::MalformedPart { cause: "the last segment carries no public values".to_owned() }
}
