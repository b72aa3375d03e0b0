//! Proofs that a program verifies.
//!
//! A program of the aggregation machine does not verify a proof by instructions: it names the proof by a commitment and is
//! told what the proof says. The machine keeps a record of all such calls in memory, hashed one into the next. Outside it,
//! a circuit verifies each named proof, and the hook hashes what those verifications took in and gave out in the same way;
//! the last verifier sees that both are the same. So a proof that does not hold, or says something else, stops not the
//! program but its proof.

use super::{
    Digest, F,
    circuit::{Chain, Circuit},
    counts,
    guard::guard,
    machine::Machine,
    part::{InOut, Level, Part},
    provers::Provers,
    verify,
};
use crate::{BackendError, Proof, Segment, SegmentKind};
use openvm_circuit::{
    arch::{
        deferral::DeferralState,
        hasher::{Hasher, poseidon2::vm_poseidon2_hasher},
        instructions::DEFERRAL_AS,
    },
    system::memory::{dimensions::MemoryDimensions, merkle::MerkleTree},
};
use openvm_continuations::circuit::deferral::{DEF_CIRCUIT_PVS_AIR_ID, DeferralCircuitPvs};
use openvm_deferral_circuit::{
    RawDeferralResult, generate_deferral_results, poseidon2::deferral_poseidon2_chip,
};
use openvm_sdk::{DefaultStarkEngine as Engine, openvm_circuit};
use openvm_stark_backend::p3_field::PrimeCharacteristicRing;
use openvm_stark_sdk::config::baby_bear_poseidon2::{DIGEST_SIZE, poseidon2_compress_with_capacity};
use openvm_verify_stark_circuit::extension::get_raw_deferral_results;
use openvm_verify_stark_host::VmStarkProof;
use proofmill_primitives::{Instructions, ProofMode, ProverType};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;

/// The place of the circuit that verifies proofs of the base machine among those that the aggregation machine can call on.
const CIRCUIT: u32 = 0;
/// The height over the memory's leaves of the node that holds the record of that circuit: two leaves, one for what went in
/// and one for what came out.
pub(super) const RECORD: usize = 1;

/// A proof that the program verifies, as the program sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claim {
    /// BLAKE3 of the proof.
    proof: [u8; 32],
    /// The commitment by which the program names it.
    pub(super) name: Vec<u8>,
    /// What it says: commitments to program and machine, and public values.
    says: Vec<u8>,
}

/// Checks the proofs that a program is to verify, and notes what each says. They come as the bodies of compressed proofs.
pub(super) fn claims(provers: &Provers, bodies: &[Vec<u8>]) -> Result<Vec<Claim>, BackendError> {
    if bodies.is_empty() {
        return Ok(Vec::new());
    }
    let cached = provers.keys.get(Circuit::Verifier)?.child.cached_commit;
    bodies
        .iter()
        .enumerate()
        .map(|(index, body)| {
            let wrong =
                |cause: String| malformed(format!("proof {index}, which the program verifies, {cause}"));
            guard(wrong, || {
                let proof = decode(body).map_err(wrong)?;
                let key =
                    verify::key(provers, Machine::Base, &proof).map_err(|error| wrong(error.to_string()))?;
                let result = get_raw_deferral_results(&key, std::slice::from_ref(&proof), cached)
                    .map_err(|error| wrong(format!("does not hold: {error}")))?
                    .pop()
                    .ok_or_else(|| wrong("says nothing".to_owned()))?;
                Ok(Claim {
                    proof: *blake3::hash(body).as_bytes(),
                    name: result.input,
                    says: result.output_raw,
                })
            })
        })
        .collect()
}

/// The body of a proof that a program of the aggregation machine can verify.
pub(super) fn body(index: usize, proof: &Proof) -> Result<&[u8], BackendError> {
    let wrong = |cause: &str| Err(malformed(format!("proof {index}, which the program verifies, {cause}")));
    match (proof.prover, proof.mode) {
        (ProverType::OpenVm, ProofMode::Compressed) => Ok(&proof.body),
        (ProverType::OpenVm, _) => wrong("is not a compressed one"),
        _ => wrong("is not one of OpenVM"),
    }
}

fn decode(body: &[u8]) -> Result<VmStarkProof, String> {
    let proof = counts::decode_compressed(body).map_err(|error| format!("cannot be read: {error}"))?;
    if proof.deferral_merkle_proofs.is_some() {
        return Err("is of a program that verifies proofs itself".to_owned());
    }
    Ok(proof)
}

/// What the machine answers the program's calls with.
pub(super) fn answers(claims: &[Claim]) -> Vec<DeferralState> {
    if claims.is_empty() {
        return Vec::new();
    }
    vec![DeferralState::new(generate_deferral_results(raw(claims), CIRCUIT, &deferral_poseidon2_chip::<F>()))]
}

fn raw(claims: &[Claim]) -> Vec<RawDeferralResult> {
    claims.iter().map(|claim| RawDeferralResult::new(claim.name.clone(), claim.says.clone())).collect()
}

/// The segment that verifies a claimed proof.
pub(super) fn segment(claim: &Claim) -> Result<Segment, BackendError> {
    let detail =
        bitcode::serialize(claim).map_err(|error| super::failed("planning a verification", error))?;
    Ok(Segment { kind: SegmentKind::Verification, instructions: Instructions(0), detail })
}

/// Reads what [`segment`] wrote, of all verifications of a plan.
pub(super) fn claims_of(segments: &[Segment]) -> Result<Vec<Claim>, BackendError> {
    segments
        .iter()
        .filter(|segment| segment.kind == SegmentKind::Verification)
        .map(|segment| {
            bitcode::deserialize(&segment.detail).map_err(|error| BackendError::MalformedPart {
                cause: format!("a verification of the plan cannot be read: {error}"),
            })
        })
        .collect()
}

/// Proves that a claimed proof holds.
pub(super) fn prove(provers: &Provers, claim: &Claim, body: &[u8]) -> Result<Part, BackendError> {
    if *blake3::hash(body).as_bytes() != claim.proof {
        return Err(BackendError::MalformedPart {
            cause: "the plan is of another input: it verifies other proofs".to_owned(),
        });
    }
    let proof = decode(body).map_err(malformed)?;
    let prover = provers.verifier()?;
    let doing = "proving that a proof holds";
    guard(
        |cause| super::failed(doing, cause),
        || {
            let stark = prover
                .prove_no_def::<Engine>(proof.inner, &proof.user_pvs_proof)
                .map_err(|error| super::failed(doing, error))?;
            let values: &DeferralCircuitPvs<F> = stark
                .public_values
                .get(DEF_CIRCUIT_PVS_AIR_ID)
                .filter(|values| values.len() == DeferralCircuitPvs::<u8>::width())
                .ok_or_else(|| super::failed(doing, "it says nothing"))?
                .as_slice()
                .borrow();
            // A verification is of the proof and of the key it was verified with, which is a committed table.
            let mut elements = values.input_commit.to_vec();
            for table in stark.trace_vdata.iter().flatten() {
                elements.extend(table.cached_commitments.iter().flatten());
            }
            let verifications = vec![(super::hash_elements(&elements), values.output_commit)];
            Ok(Part {
                program: [0; 32],
                level: Level::Verification,
                first: 0,
                count: 0,
                stark,
                ends: None,
                verifications,
            })
        },
    )
}

/// Checks that the program asked for each claimed proof, once and in order: the circuits prove nothing else.
pub(super) fn check_record(
    provers: &Provers,
    claims: &[Claim],
    memory: &MerkleTree<F, DIGEST_SIZE>,
    dimensions: MemoryDimensions,
) -> Result<(), BackendError> {
    let digest = |bytes: &[u8]| -> Digest {
        let mut elements = bytes
            .chunks_exact(4)
            .map(|bytes| F::from_u32(bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))));
        std::array::from_fn(|_| elements.next().unwrap_or_default())
    };
    let mut record: InOut = (provers.keys.commit(Chain::Verifications)?, Digest::default());
    for result in generate_deferral_results(raw(claims), CIRCUIT, &deferral_poseidon2_chip::<F>()) {
        record.0 = poseidon2_compress_with_capacity(record.0, digest(&result.input)).0;
        record.1 = poseidon2_compress_with_capacity(record.1, digest(&result.output_commit)).0;
    }
    let hasher = vm_poseidon2_hasher();
    let expected = hasher.compress(&hasher.hash(&record.0), &hasher.hash(&record.1));
    let leaf = (1_u64 << dimensions.overall_height()) + dimensions.label_to_index((DEFERRAL_AS, 0));
    if memory.get_node(leaf >> RECORD) == expected {
        return Ok(());
    }
    Err(BackendError::GuestFailed {
        cause: format!("it does not verify each of its {} proofs once and in their order", claims.len()),
    })
}

fn malformed(cause: String) -> BackendError {
    BackendError::MalformedInput { prover: ProverType::OpenVm, cause }
}
