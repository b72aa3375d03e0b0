//! Proving keys of the two circuits: made once, kept in [files](Kept), found again by what they are made of.
//!
//! A key belongs to its circuit and to the secret of its setup, and its layout to the versions of the crates that write it: all of
//! them are in its name and its first bytes.

use super::{
    kept::{self, Kept},
    known, malformed,
    proving::{VerifierKey, WrapperKey},
    root,
};
use crate::{
    BackendError, SnarkConfig, SnarkSize, SnarkVariant,
    openvm::{failed, not_set_up, provers::Provers, tree::Layer},
};
use halo2_base::halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine};
use openvm_continuations::RootSC;
use openvm_stark_backend::proof::Proof;
use openvm_static_verifier::{
    Halo2Params, StaticVerifierCircuit, StaticVerifierShape, compute_dag_onion_commit,
};
use proofmill_srs::whole;
use serde::Serialize;
use snark_verifier_sdk::{Snark, snark_verifier::verifier::plonk::PlonkProtocol};
use std::{
    io::{self, Read, Write},
    path::PathBuf,
};

const DOING: &str = "describing the circuits of the SNARK";
/// Rows that the circuit leaves unused, for blinding.
const SPARE_ROWS: usize = 20;
/// What makes and writes the keys. Another version may make others of the same circuit, or write them in another layout.
const MADE_WITH: [&str; 7] = [
    "halo2-axiom 0.5.3",
    "halo2-base 0.5.5",
    "halo2-ecc 0.5.5",
    "halo2curves-axiom 0.7.3",
    "openvm-static-verifier 2.0.2",
    "snark-verifier 0.2.7",
    "snark-verifier-sdk 0.2.7",
];
/// Bytes of the wrapper's key, at the most: seven polynomials of 2^23 rows.
const WRAPPER_BYTES: u64 = 2 << 30;

/// The static verifier's circuit is one for the aggregation machine's keys and the root's heights, laid out so.
fn shape(size: SnarkSize) -> StaticVerifierShape {
    let k = size.verifier_k() as usize;
    StaticVerifierShape { k, lookup_bits: k - 1, minimum_rows: SPARE_ROWS, instance_columns: 1 }
}

/// What fixes the circuits of a size, and the layout of their keys, beside the keys of this build (`keys.bin`).
pub(super) fn layout(size: SnarkSize) -> [u8; 32] {
    let StaticVerifierShape { k, lookup_bits, minimum_rows, instance_columns } = shape(size);
    let numbers = [k, lookup_bits, minimum_rows, instance_columns, size.wrapper_k() as usize];
    let mut hash = blake3::Hasher::new();
    for number in numbers.into_iter().chain(root::HEIGHTS) {
        hash.update(&(number as u64).to_le_bytes());
    }
    hash.update(MADE_WITH.join("\n").as_bytes());
    *hash.finalize().as_bytes()
}

/// The circuit that verifies a root, as the aggregation machine's keys and the root's heights fix it.
fn circuit(provers: &Provers) -> Result<StaticVerifierCircuit, BackendError> {
    let keys = root::keys(provers)?;
    let heights: Vec<usize> = root::HEIGHTS.iter().map(|height| height.ilog2() as usize).collect();
    StaticVerifierCircuit::try_new(keys.own.as_ref().clone(), compute_dag_onion_commit(&keys.child), &heights)
        .map_err(|error| failed("describing the static verifier", error))
}

/// The hash of both circuits of a size. Proofs and contracts go by it, so that it has nothing of how keys are kept.
fn circuit_hash(circuit: &StaticVerifierCircuit, size: SnarkSize) -> Result<[u8; 32], BackendError> {
    hash(&(circuit, size.verifier_k(), size.wrapper_k()))
}

/// The hash of both circuits of a size, as this release has them. Takes seconds, and no keys.
pub(super) fn own_circuits(provers: &Provers, size: SnarkSize) -> Result<[u8; 32], BackendError> {
    circuit_hash(&circuit(provers)?, size)
}

fn hash(parts: &impl Serialize) -> Result<[u8; 32], BackendError> {
    let text = serde_json::to_vec(parts).map_err(|error| failed(DOING, error))?;
    Ok(*blake3::hash(&text).as_bytes())
}

/// Which of the two circuits.
#[derive(Clone, Copy, Debug)]
enum Which {
    Verifier,
    Wrapper,
}

impl Which {
    const fn name(self) -> &'static str {
        match self {
            Self::Verifier => "verifier",
            Self::Wrapper => "wrapper",
        }
    }

    /// How the names of its files begin, whatever circuit they are of.
    fn prefix(self, variant: SnarkVariant) -> String {
        format!("{variant}-{}-", self.name())
    }
}

/// The file of a key, for whoever looks after the folder.
pub(super) struct KeyFile {
    pub(super) path: PathBuf,
    /// What it will have, at the most.
    pub(super) bytes: u64,
    /// The step that needs it.
    pub(super) step: Layer,
    /// What it must have been made of, where that is known.
    pub(super) made_of: Option<[u8; 32]>,
}

impl KeyFile {
    /// Why the file that is there cannot be used, and is to be made again. Hashes all of it.
    pub(super) fn unusable(&self) -> Option<String> {
        if let Err(error) = whole::check(&self.path) {
            return Some(error.to_string());
        }
        let made_of = self.made_of.as_ref()?;
        let is_it = Kept::new(self.path.clone(), made_of).is_there();
        (!is_it).then(|| kept::OTHER.to_owned())
    }
}

/// Both circuits of a SNARK, on a setup of one secret.
pub(super) struct Circuits<'a> {
    config: &'a SnarkConfig,
    circuit: StaticVerifierCircuit,
    id: [u8; 32],
}

impl<'a> Circuits<'a> {
    pub(super) fn new(
        provers: &Provers,
        config: &'a SnarkConfig,
        s_g2: &G2Affine,
    ) -> Result<Self, BackendError> {
        let circuit = circuit(provers)?;
        let id = known::id(&circuit_hash(&circuit, config.variant.size)?, s_g2);
        Ok(Self { config, circuit, id })
    }

    /// What tells them from all others. Proofs say it.
    pub(super) fn id(&self) -> [u8; 32] {
        self.id
    }

    /// What a key is made of.
    fn made_of(&self, which: Which) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.id).update(&layout(self.config.variant.size)).update(which.name().as_bytes());
        *hash.finalize().as_bytes()
    }

    fn path(&self, which: Which, extension: &str) -> PathBuf {
        let (prefix, made_of) = (which.prefix(self.config.variant), hex::encode(&self.made_of(which)[..8]));
        self.config.folder.join(format!("{prefix}{made_of}.{extension}"))
    }

    fn verifier_file(&self) -> Kept {
        Kept::new(self.path(Which::Verifier, "key"), &self.made_of(Which::Verifier))
    }

    fn protocol_file(&self) -> Kept {
        Kept::new(self.path(Which::Verifier, "protocol"), &self.made_of(Which::Verifier))
    }

    /// The wrapper's key is one for what the static verifier's proofs say of their circuit, too.
    fn wrapper_made_of(&self, protocol: &[u8; 32]) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        hash.update(&self.made_of(Which::Wrapper)).update(protocol);
        *hash.finalize().as_bytes()
    }

    fn wrapper_file(&self, protocol: &[u8; 32]) -> Kept {
        Kept::new(self.path(Which::Wrapper, "key"), &self.wrapper_made_of(protocol))
    }

    /// The files of both keys.
    pub(super) fn key_files(&self) -> [KeyFile; 2] {
        let variant = self.config.variant;
        let protocol = self.protocol_file().read(read_hash).ok().flatten();
        [
            KeyFile {
                path: self.path(Which::Verifier, "key"),
                bytes: verifier_bytes(variant.size),
                step: Layer::StaticVerifier(variant),
                made_of: Some(self.made_of(Which::Verifier)),
            },
            KeyFile {
                path: self.path(Which::Wrapper, "key"),
                bytes: WRAPPER_BYTES,
                step: Layer::Wrapper(variant),
                made_of: protocol.map(|protocol| self.wrapper_made_of(&protocol)),
            },
        ]
    }

    /// The static verifier's key. `root` is any root: it shows what a witness looks like.
    pub(super) fn verifier(
        &self,
        params: &Halo2Params,
        root: &Proof<RootSC>,
    ) -> Result<VerifierKey, BackendError> {
        let (file, size) = (self.verifier_file(), self.config.variant.size);
        file.read_or_make(|| {
            file.begin(verifier_bytes(size))?;
            VerifierKey::make(params, shape(size), self.circuit.clone(), root)
        })
    }

    /// Keeps what the static verifier's proofs say of their circuit, which its key has made, beside that key. A file that is damaged is
    /// mended.
    pub(super) fn keep_protocol(&self, protocol: &PlonkProtocol<G1Affine>) -> Result<(), BackendError> {
        let (file, hash) = (self.protocol_file(), hash(protocol)?);
        match file.read(read_hash) {
            Ok(Some(known)) if known == hash => return Ok(()),
            Ok(Some(_)) => {
                return Err(file.error(
                    "it is of another circuit than the static verifier's key beside it, though both say that they are of the same: \
                     somebody has put one of them there. Remove both, and the wrapper's key",
                ));
            }
            Ok(None) => {}
            Err(cause) => {
                let file = file.path().display();
                tracing::warn!(%file, %cause, "what the static verifier's key has left cannot be read, and is written again");
            }
        }
        // The proof itself is good, and the wrapper's key may be there.
        if let Err(error) = file.write(|writer| writer.write_all(&hash)) {
            tracing::warn!(%error, "no key of the wrapper can be made of this folder before this is mended");
        }
        Ok(())
    }

    /// The wrapper verifies proofs of the circuit that the first one says it is of, and L1 what the wrapper verifies: it must be the
    /// static verifier's, as its own key says, and not what somebody has put into the store. Nothing else of the proof is looked at.
    pub(super) fn check_protocol(&self, protocol: &PlonkProtocol<G1Affine>) -> Result<(), BackendError> {
        let hash = hash(protocol)?;
        match self.check_kept(&hash) {
            // A key that was made of the same says as much.
            Err(BackendError::NotSetUp { .. }) if self.wrapper_file(&hash).is_there() => Ok(()),
            checked => checked,
        }
    }

    /// Whether this is what the static verifier's key has left.
    fn check_kept(&self, hash: &[u8; 32]) -> Result<(), BackendError> {
        let file = self.protocol_file();
        let cause = match file.read(read_hash) {
            Ok(Some(known)) if known == *hash => return Ok(()),
            Ok(Some(_)) => {
                return Err(malformed(
                    "it is no proof by this static verifier, but one of another circuit, or on another contribution to the ceremony: \
                     all workers need setups of the same one (`proofmill srs import`)",
                ));
            }
            Ok(None) => "it is not there".to_owned(),
            Err(cause) => cause,
        };
        Err(not_set_up(format!(
            "the wrapper's key is made for the circuit in {} ({cause}), which the process writes that makes a proof by the static \
             verifier: have the same folder for both, or copy the file. Where nobody has it any more, remove the static verifier's \
             proof from the artifact store, and it is made again",
            file.path().display()
        )))
    }

    /// The wrapper's key. `snark` is any proof by the static verifier.
    pub(super) fn wrapper(&self, params: &Halo2Params, snark: &Snark) -> Result<WrapperKey, BackendError> {
        let hash = hash(&snark.protocol)?;
        let file = self.wrapper_file(&hash);
        file.read_or_make(|| {
            // Whatever was there before: of a circuit that only the store knows no key is made.
            self.check_kept(&hash)?;
            file.begin(WRAPPER_BYTES)?;
            WrapperKey::make(params, snark.clone())
        })
    }
}

/// How the names of a variant's keys begin, whatever circuits they are of.
pub(super) fn prefixes(variant: SnarkVariant) -> [String; 2] {
    [Which::Verifier, Which::Wrapper].map(|which| which.prefix(variant))
}

/// Bytes of the static verifier's key, at the most: a polynomial for each fixed column and for each that takes part in copies, and 0.3 GB of
/// program.
const fn verifier_bytes(size: SnarkSize) -> u64 {
    match size {
        SnarkSize::Small => 3 << 30,
        SnarkSize::Published => 4 << 30,
    }
}

fn read_hash(reader: &mut impl Read) -> io::Result<[u8; 32]> {
    let mut hash = [0; 32];
    reader.read_exact(&mut hash)?;
    Ok(hash)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use halo2_base::halo2_proofs::{
        halo2curves::bn256::Bn256,
        poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG},
    };
    use openvm_stark_backend::codec::Decode;
    use proofmill_srs::Setup;
    use std::fs;
    use tempfile::TempDir;

    const LOCK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"));
    const CONTRACT: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../contracts/generated/InsecureDevelopmentHalo2Verifier.sol"
    ));

    fn development() -> G2Affine {
        Setup::Development.second_points()[0]
    }

    /// The static verifier is a circuit for the aggregation machine's keys and for one list of heights. Where this changes, so do the
    /// keys of everybody who makes SNARKs, and the contract: `benches/snark.sh` makes them anew.
    #[test]
    fn the_circuits_are_those_that_keys_verifiers_and_contracts_were_made_of() {
        let hash = circuit_hash(&circuit(&Provers::default()).unwrap(), SnarkSize::Small).unwrap();
        assert_eq!(hex::encode(&hash[..8]), "6aef3b24b85b4578");
        // `snark.bin` is of these circuits on the setup for development, and the contract is of `snark.bin`.
        let known = known::find(&known::id(&hash, &development()), None).unwrap();
        assert_eq!(known.variant, SnarkVariant::ALL[0].name());
        let state = known.protocol.transcript_initial_state.unwrap().to_bytes();
        let state = alloy_primitives::U256::from_le_bytes(state);
        assert!(CONTRACT.contains(&format!("mstore(0x80, {state})")), "the contract is of another circuit");
    }

    /// Whoever takes another version of these looks whether keys, `snark.bin` and the contract are still the same.
    #[test]
    fn keys_name_the_versions_that_they_are_made_with() {
        for made_with in MADE_WITH {
            let (name, version) = made_with.split_once(' ').unwrap();
            let found: Vec<&str> = LOCK
                .split("[[package]]")
                .filter(|package| package.contains(&format!("\nname = \"{name}\"\n")))
                .filter_map(|package| package.split("\nversion = \"").nth(1)?.split('"').next())
                .collect();
            assert_eq!(found, [version], "{name}");
        }
    }

    #[test]
    fn sizes_have_layouts_of_their_own() {
        assert_ne!(layout(SnarkSize::Small), layout(SnarkSize::Published));
    }

    #[test]
    fn a_wrappers_key_is_made_of_the_circuit_that_the_static_verifiers_key_has_left() {
        let folder = TempDir::new().unwrap();
        let config = SnarkConfig { variant: SnarkVariant::ALL[0], folder: folder.path().to_owned() };
        let circuits = Circuits::new(&Provers::default(), &config, &development()).unwrap();
        // Any two circuits.
        let own = known::find(&circuits.id(), None).unwrap().protocol;
        let mut other = own.clone();
        other.num_instance[0] += 1;
        let snark = |protocol: &PlonkProtocol<G1Affine>| Snark::new(protocol.clone(), Vec::new(), Vec::new());
        let params = ParamsKZG::<Bn256>::new(1);
        let not_set_up = |error: BackendError| {
            assert!(matches!(error, BackendError::NotSetUp { .. }), "{error}");
            error.to_string()
        };

        // Nothing is known: no key is made, also where one was that is damaged.
        assert!(not_set_up(circuits.check_protocol(&own).unwrap_err()).contains("copy the file"));
        let key = circuits.path(Which::Wrapper, "key");
        fs::write(&key, b"damaged").unwrap();
        for protocol in [&own, &other] {
            not_set_up(circuits.check_protocol(protocol).unwrap_err());
            let refused = circuits.wrapper(&params, &snark(protocol)).map(drop).unwrap_err();
            assert!(not_set_up(refused).contains("copy the file"));
        }
        assert_eq!(fs::read(&key).unwrap(), b"damaged");

        circuits.keep_protocol(&own).unwrap();
        circuits.check_protocol(&own).unwrap();
        let malformed = |result: Result<(), BackendError>| {
            let error = result.unwrap_err();
            assert!(matches!(error, BackendError::MalformedPart { .. }), "{error}");
        };
        malformed(circuits.check_protocol(&other));
        malformed(circuits.wrapper(&params, &snark(&other)).map(drop));
        // Two that say that they are of the same circuit, and are not.
        assert!(not_set_up(circuits.keep_protocol(&other).unwrap_err()).contains("Remove both"));

        // A damaged file is mended by whoever has the static verifier's key, and no obstacle to a wrapper's key that is there.
        let file = circuits.path(Which::Verifier, "protocol");
        let mut bytes = fs::read(&file).unwrap();
        bytes[50] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert!(not_set_up(circuits.check_protocol(&own).unwrap_err()).contains("checksum"));
        let hash = hash(&own).unwrap();
        circuits
            .wrapper_file(&hash)
            .write(|writer| writer.write_all(b"no key, but of this circuit"))
            .unwrap();
        circuits.check_protocol(&own).unwrap();
        not_set_up(circuits.check_protocol(&other).unwrap_err());
        not_set_up(circuits.wrapper(&params, &snark(&own)).map(drop).unwrap_err());
        let wrapper_key = || circuits.key_files().into_iter().nth(1).unwrap();
        assert_eq!((wrapper_key().made_of, wrapper_key().unusable()), (None, None));
        circuits.keep_protocol(&own).unwrap();
        assert_eq!(wrapper_key().made_of, Some(circuits.wrapper_made_of(&hash)));
        assert_eq!(wrapper_key().unusable(), None);
        circuits.wrapper_file(&[7; 32]).write(|writer| writer.write_all(b"of another circuit")).unwrap();
        assert!(wrapper_key().unusable().unwrap().contains("another's"));
        circuits.check_kept(&hash).unwrap();

        // On a setup of another secret, all of them are others.
        let ceremony =
            Circuits::new(&Provers::default(), &config, &Setup::Ceremony.second_points()[0]).unwrap();
        not_set_up(ceremony.check_protocol(&own).unwrap_err());
        for which in [Which::Verifier, Which::Wrapper] {
            assert_ne!(ceremony.path(which, "key"), circuits.path(which, "key"));
        }
        // Also under the names of the first.
        fs::rename(&file, ceremony.path(Which::Verifier, "protocol")).unwrap();
        assert!(not_set_up(ceremony.check_protocol(&own).unwrap_err()).contains("another's"));
        fs::rename(&key, ceremony.path(Which::Wrapper, "key")).unwrap();
        assert!(!ceremony.wrapper_file(&hash).is_there());
        let read = ceremony.wrapper_file(&hash).read(WrapperKey::decode).map(drop);
        assert!(read.unwrap_err().contains("another's"));
    }
}
