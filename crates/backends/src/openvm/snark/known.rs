//! What verifiers know of the circuits of this build: enough to verify a SNARK in milliseconds, without keys and without a
//! reference string (`snark.bin`, made by `examples/openvm_snark.rs`).

use super::Body;
use crate::{
    BackendError, SnarkConfig, SnarkSize, SnarkVariant,
    openvm::{failed, not_set_up},
    proof::{seal, unseal},
};
use halo2_base::halo2_proofs::{
    halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine},
    poly::commitment::ParamsProver,
};
use openvm_static_verifier::Halo2Params;
use proofmill_srs::{Setup, whole};
use serde::{Deserialize, Serialize};
use snark_verifier_sdk::{
    NativeLoader, PlonkVerifier, SHPLONK,
    snark_verifier::{
        pcs::kzg::KzgDecidingKey,
        system::halo2::transcript::evm::EvmTranscript,
        verifier::{SnarkVerifier, plonk::PlonkProtocol},
    },
};
use std::{
    fs,
    io::{Read, Write},
    path::Path,
    sync::OnceLock,
};

/// First bytes of `snark.bin`.
const MAGIC: &[u8; 8] = b"PMOVSN01";
const FILE: &[u8] = include_bytes!("../snark.bin");
const READING: &str = "reading the SNARK circuits of this build";
const KEEPING: &str = "keeping what verifiers are to know of the SNARK's circuit";

/// The points of a reference string that a verifier needs.
pub(super) type DecidingKey = KzgDecidingKey<Bn256>;

/// What is known of a wrapper.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Of which variant, by name.
    pub(super) variant: String,
    /// The hash of the circuits and the setup.
    id: [u8; 32],
    /// The circuit as its verifier sees it.
    pub(super) protocol: PlonkProtocol<G1Affine>,
    /// The first points of the reference string.
    points: (G1Affine, G2Affine, G2Affine),
}

impl Known {
    pub(super) fn new(
        variant: SnarkVariant,
        id: [u8; 32],
        params: &Halo2Params,
        protocol: PlonkProtocol<G1Affine>,
    ) -> Self {
        let points = (params.get_g()[0], params.g2(), params.s_g2());
        Self { variant: variant.name().to_owned(), id, protocol, points }
    }
}

impl Known {
    /// What the contract of this circuit and setup has in its code: a word of the setup's `τ·G₂`, and that with which the circuit's
    /// transcript begins. The EVM has numbers in this form.
    fn words(&self) -> Option<[[u8; 32]; 2]> {
        let begins = self.protocol.transcript_initial_state?;
        let (_, _, s_g2) = self.points;
        Some([s_g2.x.c0.to_bytes(), begins.to_bytes()].map(|mut word| {
            word.reverse();
            word
        }))
    }
}

/// What contracts have in their code that take the SNARK which `config` names, or the one that needs no name: for each contribution that
/// is known here. `circuit` gives the hash of this release's circuits of a size: files may be of others.
pub(super) fn contract_words(
    config: Option<&SnarkConfig>,
    circuit: impl FnOnce(SnarkSize) -> Result<[u8; 32], BackendError>,
) -> Result<Vec<[[u8; 32]; 2]>, BackendError> {
    let variant = config.map_or(SnarkVariant::DEVELOPMENT, |config| config.variant);
    let built_in = all()?.iter().find(|known| known.variant == variant.name());
    if let Some(words) = built_in.and_then(Known::words) {
        return Ok(vec![words]);
    }
    let Some(config) = config else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for known in kept(&config.folder) {
        match known {
            Ok(known) if known.variant == variant.name() => found.push(known),
            Ok(_) => {}
            Err(cause) => tracing::warn!(%cause, "what is known of a SNARK's circuit is not looked at"),
        }
    }
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let circuit = circuit(variant.size)?;
    found.retain(|known| known.id == id(&circuit, &known.points.2));
    Ok(found.iter().filter_map(Known::words).collect())
}

pub(super) fn deciding_key(params: &Halo2Params) -> DecidingKey {
    (params.get_g()[0], params.g2(), params.s_g2()).into()
}

/// What tells circuits with a setup from all others.
pub(super) fn id(circuit: &[u8; 32], s_g2: &G2Affine) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    hash.update(circuit);
    for scalar in [s_g2.x, s_g2.y] {
        hash.update(&scalar.to_bytes());
    }
    *hash.finalize().as_bytes()
}

fn all() -> Result<&'static [Known], BackendError> {
    static ALL: OnceLock<Result<Vec<Known>, String>> = OnceLock::new();
    ALL.get_or_init(|| {
        let packed = unseal(MAGIC, FILE).ok_or("their checksum does not match")?;
        let text = zstd::decode_all(packed).map_err(|error| error.to_string())?;
        serde_json::from_slice(&text).map_err(|error| error.to_string())
    })
    .as_deref()
    .map_err(|cause| failed(READING, cause))
}

/// The files of what this build does not know, in the folder of the keys.
const KEPT: &str = "verifier";

impl Known {
    /// Keeps the description in the folder of the keys, with the contract's source for whoever deploys it. Where that fails, another
    /// worker may have a better disk.
    pub(super) fn keep(&self, folder: &Path, contract: &str) -> Result<(), BackendError> {
        let text = serde_json::to_vec(self).map_err(|error| failed(KEEPING, error))?;
        let path = folder.join(format!("{}-{}", self.variant, hex::encode(&self.id[..8])));
        let (source, known) = (path.with_extension("sol"), path.with_extension(KEPT));
        whole::replace(&source, |mut file| file.write_all(contract.as_bytes()))
            .map_err(|error| not_set_up(format!("{KEEPING}: {}: {error}", source.display())))?;
        whole::write(&known, |writer| writer.write_all(&text))
            .map_err(|error| not_set_up(format!("{KEEPING}: {}: {error}", known.display())))
    }
}

/// What was kept in a folder, and why not where a file cannot be read. It is written again with the next SNARK.
fn kept(folder: &Path) -> impl Iterator<Item = Result<Known, String>> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let kept = files.filter(|path| path.extension().is_some_and(|extension| extension == KEPT));
    kept.map(|path| {
        let mut text = Vec::new();
        let read = whole::read(&path, |reader| reader.read_to_end(&mut text));
        let known = read.and_then(|_| serde_json::from_slice(&text).map_err(Into::into));
        known.map_err(|error| format!("{} cannot be read: {error}", path.display()))
    })
}

/// Whether SNARKs of this circuit and setup can be verified.
pub(super) fn is_known(id: &[u8; 32], folder: Option<&Path>) -> bool {
    find(id, folder).is_ok()
}

/// What is known of a circuit and a setup.
pub(super) fn find(id: &[u8; 32], folder: Option<&Path>) -> Result<Known, BackendError> {
    let all = all()?;
    let built_in = all.iter().find(|known| known.id == *id).cloned();
    if let Some(known) = built_in {
        return Ok(known);
    }
    let mut unread = Vec::new();
    if let Some((folder, Err(error))) = folder.map(|folder| (folder, fs::read_dir(folder))) {
        unread.push(format!("{} cannot be read: {error}", folder.display()));
    }
    for kept in folder.into_iter().flat_map(kept) {
        match kept {
            Ok(known) if known.id == *id => return Ok(known),
            Ok(_) => {}
            Err(cause) => unread.push(cause),
        }
    }
    let names: Vec<&str> = all.iter().map(|known| known.variant.as_str()).collect();
    let mut cause = format!(
        "the SNARK is of a circuit or a setup that is not known here (this build knows: {}). Name the folder that has its \
         `.{KEPT}` file, with --snark and --snark-dir",
        names.join(", ")
    );
    for file in unread {
        cause.push_str("; ");
        cause.push_str(&file);
    }
    Err(not_set_up(cause))
}

fn invalid(cause: &str) -> BackendError {
    BackendError::InvalidProof { cause: cause.to_owned() }
}

/// Whether a SNARK rests on a setup for development: on any but that of the ceremony. The setup itself says so, not the name of its
/// variant.
///
/// Errors where its circuit is not known.
pub(crate) fn is_for_development(body: &Body, folder: Option<&Path>) -> Result<bool, BackendError> {
    let (_, _, s_g2) = find(&body.circuit, folder)?.points;
    Ok(Setup::of(&s_g2) != Some(Setup::Ceremony))
}

/// Of which variant a SNARK is, by name.
///
/// Errors where its circuit is not known.
pub(crate) fn variant(body: &Body, folder: Option<&Path>) -> Result<String, BackendError> {
    Ok(find(&body.circuit, folder)?.variant)
}

/// `snark.bin` with one more circuit, in place of that of its variant.
pub(super) fn with(known: Known) -> Result<Vec<u8>, BackendError> {
    let mut all = all()?.to_vec();
    all.retain(|other| other.variant != known.variant);
    all.push(known);
    all.sort_by(|one, other| one.variant.cmp(&other.variant));
    let text = serde_json::to_vec(&all).map_err(|error| failed(READING, error))?;
    let packed = zstd::encode_all(text.as_slice(), 19).map_err(|error| failed(READING, error))?;
    Ok(seal(MAGIC, &packed))
}

/// Verifies a SNARK, with the pairing of its accumulator. `folder` may have what this build does not know.
pub(crate) fn verify(body: &Body, folder: Option<&Path>) -> Result<(), BackendError> {
    let known = find(&body.circuit, folder)?;
    let scalars: Vec<Vec<Fr>> = vec![
        body.scalars()
            .ok_or_else(|| invalid("a public value of the SNARK is not below the field's order"))?,
    ];
    let key: DecidingKey = known.points.into();
    let mut rest = body.proof.as_slice();
    let mut transcript = EvmTranscript::<G1Affine, NativeLoader, _, _>::new(&mut rest);
    let proof = PlonkVerifier::<SHPLONK>::read_proof(&key, &known.protocol, &scalars, &mut transcript)
        .map_err(|_| invalid("the SNARK cannot be read: it is cut off, or a point in it is on no curve"))?;
    drop(transcript);
    if !rest.is_empty() {
        return Err(invalid("the SNARK has bytes behind its end"));
    }
    PlonkVerifier::<SHPLONK>::verify(&key, &known.protocol, &scalars, &proof)
        .map_err(|_| invalid("the SNARK does not hold"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::openvm::snark::start::WRITTEN;
    use tempfile::TempDir;

    fn unasked(size: SnarkSize) -> Result<[u8; 32], BackendError> {
        panic!("the circuits of {size:?} were described for nothing")
    }

    #[test]
    fn a_contract_is_known_by_words_of_its_setup_and_of_this_releases_circuit() {
        let contract = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../contracts/artifacts/InsecureDevelopmentHalo2Verifier.json"
        ));
        let [built_in] = contract_words(None, unasked).unwrap()[..] else { panic!("one is built in") };
        for word in built_in {
            assert!(contract.contains(&hex::encode(word)), "{}", hex::encode(word));
        }
        let temporary = TempDir::new().unwrap();
        let config = |variant| SnarkConfig { variant, folder: temporary.path().to_owned() };
        let words =
            |variant, circuit: [u8; 32]| contract_words(Some(&config(variant)), |_| Ok(circuit)).unwrap();
        let [development, small, _, published] = SnarkVariant::ALL;
        assert_eq!(words(development, [1; 32]), [built_in]);
        // Nothing is there, and nothing is computed for it.
        assert!(contract_words(Some(&config(small)), unasked).unwrap().is_empty());
        let known = all().unwrap()[0].clone();
        let (g, g2, _) = known.points;
        for s_g2 in Setup::Ceremony.second_points() {
            let (variant, id) = (small.name().to_owned(), id(&[7; 32], &s_g2));
            let kept = Known { variant, id, points: (g, g2, s_g2), ..known.clone() };
            kept.keep(temporary.path(), "contract Halo2Verifier {}").unwrap();
        }
        fs::write(temporary.path().join("small-damaged.verifier"), b"damaged").unwrap();
        let kept = words(small, [7; 32]);
        assert_eq!(kept.len(), Setup::Ceremony.second_points().len());
        assert!(kept.iter().all(|[setup, circuit]| *setup != built_in[0] && *circuit == built_in[1]));
        // Of another size, and of another release.
        assert!(words(published, [7; 32]).is_empty());
        assert!(words(small, [8; 32]).is_empty());
    }

    #[test]
    fn a_wrapper_on_a_setup_of_the_ceremony_is_kept_and_found_by_its_file() {
        let temporary = TempDir::new().unwrap();
        let folder = temporary.path();
        let built_in = all().unwrap()[0].clone();
        let body = |circuit| Body { circuit, instances: Vec::new(), proof: Vec::new() };
        assert!(is_for_development(&body(built_in.id), None).unwrap());
        for s_g2 in Setup::Ceremony.second_points() {
            let id = id(&[7; 32], &s_g2);
            let (g, g2, _) = built_in.points;
            let known = Known { variant: "small".into(), id, points: (g, g2, s_g2), ..built_in.clone() };
            assert!(!is_known(&id, Some(folder)));
            known.keep(folder, "contract Halo2Verifier {}").unwrap();
            let name = format!("small-{}", hex::encode(&id[..8]));
            assert!(folder.join(format!("{name}.verifier")).is_file());
            assert!(folder.join(format!("{name}.sol")).is_file());
            // What is left of a file whose writer was killed is removed at the next start.
            for file in fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                let extension = path.extension().unwrap().to_str().unwrap();
                assert!(WRITTEN.contains(&extension), "{}", path.display());
            }
            assert!(!is_known(&id, None) && is_known(&id, Some(folder)));
            assert!(!is_for_development(&body(id), Some(folder)).unwrap());
        }
        let absent = find(&[7; 32], Some(&folder.join("absent"))).unwrap_err().to_string();
        assert!(absent.contains("absent cannot be read") && absent.contains("--snark-dir"), "{absent}");
        // A folder that cannot be written is this worker's.
        let error = built_in.keep(&folder.join("absent"), "").unwrap_err();
        assert!(matches!(error, BackendError::NotSetUp { .. }), "{error}");
    }
}
