//! The two Halo2 proofs.

use super::{
    Body,
    keys::Circuits,
    known::{self, Known},
    malformed,
    proving::WrapperKey,
    root, setup,
};
use crate::{
    BackendError, SnarkConfig,
    openvm::{failed, guard::guard, provers::Provers},
    proof::{seal, unseal},
};
use openvm_static_verifier::Halo2Params;
use snark_verifier_sdk::{
    CircuitExt, NativeLoader, PlonkVerifier, SHPLONK, Snark,
    evm::gen_evm_verifier_sol_code,
    halo2::{POSEIDON_SPEC, PoseidonTranscript, aggregation::AggregationCircuit},
    snark_verifier::{
        system::halo2::{Config, compile},
        verifier::SnarkVerifier,
    },
};
use std::{fmt::Display, io::Read};

/// Bytes of a proof by the static verifier, unpacked: more than it ever has, which is a third of a megabyte.
const LONGEST: u64 = 16 << 20;
/// First bytes of a proof by the static verifier.
const MAGIC: &[u8; 8] = b"PMOVSV01";
const DOING: &str = "proving the static verifier";

/// Proves that a root holds.
pub(super) fn verify_root(
    provers: &Provers,
    config: &SnarkConfig,
    root: &[u8],
) -> Result<Vec<u8>, BackendError> {
    let root = root::decode(root)?;
    root::check(provers, &root)?;
    let params = setup::read(config, config.variant.size.verifier_k())?;
    let circuits = Circuits::new(provers, config, &params.s_g2())?;
    let snark = circuits.verifier(&params, &root)?.prove(&params, &root)?;
    // A root that does not hold makes a proof that does not.
    check(&snark, &known::deciding_key(&params))?;
    circuits.keep_protocol(&snark.protocol)?;
    encode(&snark)
}

/// Verifies the static verifier's proof, here.
fn check(snark: &Snark, key: &known::DecidingKey) -> Result<(), BackendError> {
    guard(
        |cause| malformed(format!("the static verifier's proof is of a strange shape: {cause}")),
        || check_shaped(snark, key),
    )
}

fn check_shaped(snark: &Snark, key: &known::DecidingKey) -> Result<(), BackendError> {
    let wrong =
        |what: &str| malformed(format!("the root does not hold: the static verifier's proof of it {what}"));
    let mut transcript =
        PoseidonTranscript::<NativeLoader, &[u8]>::from_spec(snark.proof(), POSEIDON_SPEC.clone());
    let protocol = &snark.protocol;
    let proof = PlonkVerifier::<SHPLONK>::read_proof(key, protocol, &snark.instances, &mut transcript)
        .map_err(|_| wrong("cannot be read"))?;
    PlonkVerifier::<SHPLONK>::verify(key, protocol, &snark.instances, &proof).map_err(|_| wrong("is wrong"))
}

fn encode(snark: &Snark) -> Result<Vec<u8>, BackendError> {
    let text = serde_json::to_vec(snark).map_err(|error| failed(DOING, error))?;
    let packed = zstd::encode_all(text.as_slice(), 3).map_err(|error| failed(DOING, error))?;
    Ok(seal(MAGIC, &packed))
}

fn decode(bytes: &[u8]) -> Result<Snark, BackendError> {
    let packed = unseal(MAGIC, bytes)
        .ok_or_else(|| malformed("the static verifier's proof is damaged, or is none"))?;
    let unread =
        |error: &dyn Display| malformed(format!("the static verifier's proof cannot be read: {error}"));
    let mut text = Vec::new();
    let packed = zstd::stream::read::Decoder::new(packed).map_err(|error| unread(&error))?;
    packed.take(LONGEST + 1).read_to_end(&mut text).map_err(|error| unread(&error))?;
    if text.len() as u64 > LONGEST {
        return Err(unread(&format!("it has more than {LONGEST} bytes")));
    }
    serde_json::from_slice(&text).map_err(|error| unread(&error))
}

/// What wraps the static verifier's proof.
struct Wrapper<'a> {
    circuits: Circuits<'a>,
    params: Halo2Params,
    key: WrapperKey,
}

impl<'a> Wrapper<'a> {
    /// Reads the static verifier's proof, which must hold, and the key of what wraps it.
    fn of(provers: &Provers, config: &'a SnarkConfig, snark: &[u8]) -> Result<(Self, Snark), BackendError> {
        let snark = decode(snark)?;
        let params = setup::read(config, config.variant.size.wrapper_k())?;
        let circuits = Circuits::new(provers, config, &params.s_g2())?;
        // It comes from the store, and says by what rules it is to be verified.
        circuits.check_protocol(&snark.protocol)?;
        check(&snark, &known::deciding_key(&params))?;
        let key = circuits.wrapper(&params, &snark)?;
        Ok((Self { circuits, params, key }, snark))
    }

    /// What verifiers are to know of it, and the source of its contract.
    fn description(&self, config: &SnarkConfig) -> (Known, String) {
        let (params, vk) = (&self.params, self.key.pinning().pk.get_vk());
        let instances = self.key.pinning().metadata.num_pvs.clone();
        let protocol = compile(
            params,
            vk,
            Config::kzg()
                .with_num_instance(instances.clone())
                .with_accumulator_indices(AggregationCircuit::accumulator_indices()),
        );
        let known = Known::new(config.variant, self.circuits.id(), params, protocol);
        (known, gen_evm_verifier_sol_code::<AggregationCircuit, SHPLONK>(params, vk, instances))
    }
}

/// Proves that the static verifier's proof holds. Where this build does not know the wrapper, what verifiers are to know of it is kept
/// beside its key.
pub(super) fn wrap(provers: &Provers, config: &SnarkConfig, snark: &[u8]) -> Result<Body, BackendError> {
    let (wrapper, snark) = Wrapper::of(provers, config, snark)?;
    let id = wrapper.circuits.id();
    if !known::is_known(&id, Some(&config.folder)) {
        let (known, contract) = wrapper.description(config);
        known.keep(&config.folder, &contract)?;
    }
    let body = Body::new(id, &wrapper.key.prove(&wrapper.params, snark)?);
    known::verify(&body, Some(&config.folder))?;
    Ok(body)
}

/// What verifiers are to know of the wrapper, and the source of its contract.
pub(super) fn describe(
    provers: &Provers,
    config: &SnarkConfig,
    snark: &[u8],
) -> Result<(Known, String), BackendError> {
    let (wrapper, _) = Wrapper::of(provers, config, snark)?;
    Ok(wrapper.description(config))
}
