//! The root: a STARK of one compressed proof, with hashes of BN254's scalars.

use super::malformed;
use crate::{
    BackendError,
    openvm::{
        circuit::{Chain, Circuit, Stage},
        counts, failed,
        guard::guard,
        machine::{Machine, PUBLIC_VALUES},
        provers::{Provers, own},
    },
    proof::{seal, unseal},
};
use openvm_continuations::RootSC;
use openvm_sdk::{SC, prover::RootProver};
use openvm_stark_backend::{StarkEngine, codec::Encode, keygen::types::MultiStarkVerifyingKey, proof::Proof};
use openvm_stark_sdk::config::{
    baby_bear_bn254_poseidon2::BabyBearBn254Poseidon2CpuEngine as RootEngine,
    root_params_with_100_bits_security,
};
use std::sync::Arc;

/// First bytes of an encoded root.
const MAGIC: &[u8; 8] = b"PMOVRT01";
const DOING: &str = "making the root";

/// The heights of the root's tables. They do not depend on the proof, and the static verifier is a circuit for these alone:
/// another list is another circuit, with other keys and another contract. Found by `examples/openvm_snark.rs heights`.
pub(super) const HEIGHTS: [usize; 43] = [
    1, 8, 32, 32_768, 64, 16, 128, 32, 16_384, 4, 4, 4, 256, 8192, 4096, 8, 4096, 16_384, 8192, 64, 128, 256,
    1, 32, 256, 1, 2048, 8, 32, 512, 4, 4096, 4, 16, 128, 8192, 1024, 2048, 256, 16_384, 32, 8192, 32,
];

/// What makes roots. `heights` is `None` where they are to be found out.
pub(super) fn prover(provers: &Provers, heights: Option<Vec<usize>>) -> Result<RootProver, BackendError> {
    let machine = Machine::Aggregation;
    let recursive = provers.keys.get(Circuit::Fold(Chain::Segments(machine), Stage::Recursive))?;
    let config = machine.config(provers.verifier_commit(machine)?)?.app_vm_config;
    Ok(RootProver::new(
        recursive.vk.clone(),
        own(&recursive)?.cached_commit.into(),
        root_params_with_100_bits_security(),
        config.sdk.system.config.memory_config.memory_dimensions(),
        PUBLIC_VALUES,
        Some(provers.keys.commit(Chain::Hook)?),
        heights,
    ))
}

/// The key of the circuit whose proofs the root verifies, and that of the root itself.
pub(super) struct RootKeys {
    pub(super) child: Arc<MultiStarkVerifyingKey<SC>>,
    pub(super) own: Arc<MultiStarkVerifyingKey<RootSC>>,
}

pub(super) fn keys(provers: &Provers) -> Result<RootKeys, BackendError> {
    let child = provers.keys.get(Circuit::Fold(Chain::Segments(Machine::Aggregation), Stage::Recursive))?;
    Ok(RootKeys { child: child.vk.clone(), own: prover(provers, None)?.0.get_vk() })
}

/// Makes the root of the body of a compressed proof.
pub(super) fn prove(provers: &Provers, compressed: &[u8]) -> Result<Vec<u8>, BackendError> {
    let proof = counts::decode_compressed(compressed).map_err(|error| malformed(error.to_string()))?;
    if proof.deferral_merkle_proofs.is_none() {
        return Err(malformed("only proofs of programs that verify proofs (epochs) have a SNARK"));
    }
    let prover = prover(provers, Some(HEIGHTS.to_vec()))?;
    let engine = prover.create_engine();
    let context = prover.generate_proving_ctx(proof, &engine).ok_or_else(|| {
        failed(DOING, "the proof's tables do not have the heights that the SNARK's circuit is made for")
    })?;
    let root = prover.prove_from_ctx(context, &engine).map_err(|error| failed(DOING, error))?;
    let body = root.encode_to_vec().map_err(|error| failed(DOING, error))?;
    Ok(seal(MAGIC, &body))
}

/// Reads what [`prove`] made.
pub(super) fn decode(bytes: &[u8]) -> Result<Proof<RootSC>, BackendError> {
    let body = unseal(MAGIC, bytes).ok_or_else(|| malformed("the root is damaged, or is none"))?;
    counts::decode_root(body).map_err(|error| malformed(format!("the root cannot be read: {error}")))
}

/// Verifies a root, here. Keys are made from what one looks like, and a circuit's witness of one that does not hold takes minutes.
pub(super) fn check(provers: &Provers, root: &Proof<RootSC>) -> Result<(), BackendError> {
    let tables = root.trace_vdata.iter();
    let heights =
        tables.map(|table| table.as_ref().and_then(|table| 1_usize.checked_shl(table.log_height as u32)));
    if !heights.eq(HEIGHTS.map(Some)) {
        return Err(malformed(
            "the root's tables do not have the heights that the SNARK's circuit is made for",
        ));
    }
    let vk = keys(provers)?.own;
    let wrong = |cause: String| malformed(format!("the root does not hold: {cause}"));
    guard(wrong, || {
        let engine: RootEngine = StarkEngine::new(vk.inner.params.clone());
        engine.verify(&vk, root).map_err(|error| wrong(error.to_string()))
    })
}

/// The heights that the tables of a compressed proof's root have.
pub(super) fn heights(provers: &Provers, compressed: &[u8]) -> Result<Vec<usize>, BackendError> {
    let proof = counts::decode_compressed(compressed).map_err(|error| malformed(error.to_string()))?;
    let prover = prover(provers, None)?;
    let engine = prover.create_engine();
    let context =
        prover.generate_proving_ctx(proof, &engine).ok_or_else(|| failed(DOING, "it has no tables"))?;
    Ok(context.into_iter().map(|(_, table)| table.height()).collect())
}
