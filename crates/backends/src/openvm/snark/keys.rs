//! Proving keys of the two circuits: made once, kept in files, found again by what they are made of.
//!
//! A file ends with BLAKE3 of all before ([`whole`]). One that is damaged is made again, and that is said.

use super::{malformed, root};
use crate::{
    BackendError, SnarkConfig, SnarkSize,
    openvm::{failed, guard::guard, not_set_up, provers::Provers},
};
use halo2_base::halo2_proofs::halo2curves::bn256::G1Affine;
use openvm_continuations::RootSC;
use openvm_stark_backend::{
    codec::{Decode, Encode},
    proof::Proof,
};
use openvm_static_verifier::{
    Halo2Params, Halo2WrapperProvingKey, StaticVerifierCircuit, StaticVerifierProvingKey,
    StaticVerifierShape, compute_dag_onion_commit,
};
use proofmill_srs::whole;
use serde::Serialize;
use snark_verifier_sdk::{Snark, snark_verifier::verifier::plonk::PlonkProtocol};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Instant,
};

const DOING: &str = "keeping the keys of the SNARK";
/// Rows that the circuit leaves unused, for blinding.
const SPARE_ROWS: usize = 20;

/// The circuit that verifies a root, as the aggregation machine's keys and the root's heights fix it.
pub(super) fn circuit(provers: &Provers) -> Result<StaticVerifierCircuit, BackendError> {
    let keys = root::keys(provers)?;
    let heights: Vec<usize> = root::HEIGHTS.iter().map(|height| height.ilog2() as usize).collect();
    StaticVerifierCircuit::try_new(keys.own.as_ref().clone(), compute_dag_onion_commit(&keys.child), &heights)
        .map_err(|error| failed("describing the static verifier", error))
}

/// The hash of both circuits of a size.
pub(super) fn circuit_hash(provers: &Provers, size: SnarkSize) -> Result<[u8; 32], BackendError> {
    hash(&(circuit(provers)?, size.verifier_k(), size.wrapper_k()))
}

fn hash(parts: &impl Serialize) -> Result<[u8; 32], BackendError> {
    let text = serde_json::to_vec(parts).map_err(|error| failed(DOING, error))?;
    Ok(*blake3::hash(&text).as_bytes())
}

/// The static verifier's key. `root` is any root: it shows what a witness looks like.
pub(super) fn verifier(
    provers: &Provers,
    config: &SnarkConfig,
    params: &Halo2Params,
    root: &Proof<RootSC>,
) -> Result<StaticVerifierProvingKey, BackendError> {
    let size = config.variant.size;
    let circuit = circuit(provers)?;
    let file = Kept::new(config, "verifier", &hash(&(&circuit, size.verifier_k()))?);
    file.read_or_make(VERIFIER_BYTES >> (23 - size.verifier_k()), || {
        let k = size.verifier_k() as usize;
        let shape =
            StaticVerifierShape { k, lookup_bits: k - 1, minimum_rows: SPARE_ROWS, instance_columns: 1 };
        StaticVerifierProvingKey::keygen(params, shape, circuit, root)
    })
}

/// Keeps what the static verifier's proofs say of their circuit, which its key has made, beside that key.
pub(super) fn keep_protocol(
    provers: &Provers,
    config: &SnarkConfig,
    protocol: &PlonkProtocol<G1Affine>,
) -> Result<(), BackendError> {
    let file = protocol_file(provers, config)?;
    if file.path.exists() {
        return Ok(());
    }
    let hash = hash(protocol)?;
    whole::write(&file.path, |writer| writer.write_all(&hash)).map_err(|error| file.error(error))
}

fn protocol_file(provers: &Provers, config: &SnarkConfig) -> Result<Kept, BackendError> {
    let circuit = hash(&(circuit(provers)?, config.variant.size.verifier_k()))?;
    let mut file = Kept::new(config, "verifier", &circuit);
    file.path.set_extension("protocol");
    Ok(file)
}

/// The wrapper verifies proofs of the circuit that the first one says it is of, and L1 what the wrapper verifies: it must be the static
/// verifier's, as its own key says, and not what somebody has put into the store.
fn check_protocol(
    provers: &Provers,
    config: &SnarkConfig,
    snark: &Snark,
    has_key: bool,
) -> Result<(), BackendError> {
    let file = protocol_file(provers, config)?;
    let mut known = [0; 32];
    match whole::read(&file.path, |reader| reader.read_exact(&mut known)) {
        Ok(()) if known == hash(&snark.protocol)? => Ok(()),
        Ok(()) => Err(malformed("it is no proof by the static verifier, but one of another circuit")),
        // A proof of another circuit than its key was made for has a wrapper that does not hold, which is seen when it is finished.
        Err(error) if error.kind() == io::ErrorKind::NotFound && has_key => Ok(()),
        Err(error) => Err(not_set_up(format!(
            "the wrapper's key is made for the circuit in {} ({error}), which the process leaves that makes a proof by the static \
             verifier: have the same folder for both, or copy the file",
            file.path.display()
        ))),
    }
}

/// The wrapper's key. `snark` is any proof by the static verifier.
pub(super) fn wrapper(
    provers: &Provers,
    config: &SnarkConfig,
    params: &Halo2Params,
    snark: &Snark,
) -> Result<Halo2WrapperProvingKey, BackendError> {
    let hash = circuit_hash(provers, config.variant.size)?;
    let file = Kept::new(config, "wrapper", &hash);
    check_protocol(provers, config, snark, file.path.exists())?;
    file.read_or_make(WRAPPER_BYTES, || Halo2WrapperProvingKey::keygen(params, snark.clone()))
}

/// Bytes of the static verifier's key at 2^23 rows, and half of it at half of them.
const VERIFIER_BYTES: u64 = 12 << 30;
/// Bytes of the wrapper's key.
const WRAPPER_BYTES: u64 = 6 << 30;

/// The file of a key.
struct Kept {
    path: PathBuf,
}

impl Kept {
    fn new(config: &SnarkConfig, what: &str, circuit: &[u8; 32]) -> Self {
        let name = format!("{}-{what}-{}.key", config.variant, hex::encode(&circuit[..8]));
        Self { path: config.folder.join(name) }
    }

    fn error(&self, error: impl std::fmt::Display) -> BackendError {
        failed(DOING, format!("{}: {error}", self.path.display()))
    }

    /// Whoever comes while another process makes the key waits for it.
    fn read_or_make<T: Encode + Decode>(
        &self,
        bytes: u64,
        make: impl FnOnce() -> T,
    ) -> Result<T, BackendError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| self.error(error))?;
        let lock = File::create(self.path.with_extension("lock")).map_err(|error| self.error(error))?;
        let file = self.path.display();
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                tracing::info!(%file, "another process makes or reads this key of the SNARK: waiting for it");
                lock.lock().map_err(|error| self.error(error))?;
            }
            Err(TryLockError::Error(error)) => return Err(self.error(error)),
        }
        let begun = Instant::now();
        // Halo2 panics at what is no key.
        match guard(|cause| self.error(cause), || Ok(whole::read(&self.path, T::decode))) {
            Ok(Ok(key)) => {
                tracing::info!(%file, seconds = begun.elapsed().as_secs(), "a key of the SNARK was read");
                return Ok(key);
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(Err(error)) => {
                tracing::warn!(%file, %error, "a key of the SNARK cannot be read, and is made again")
            }
            Err(error) => {
                tracing::warn!(%file, %error, "a key of the SNARK is none, and is made again")
            }
        }
        let free = rustix::fs::statvfs(folder).map_err(|error| self.error(error))?;
        let free = (free.f_bavail * free.f_frsize).saturating_add(whole::left_over(&self.path));
        if free < bytes {
            return Err(self.error(format!(
                "the key takes {} GB and the disk has {} GB left: free some, or name another folder",
                bytes.div_ceil(1 << 30),
                free >> 30
            )));
        }
        tracing::info!(%file, "making a key of the SNARK, once: this takes minutes");
        let key = make();
        let made = begun.elapsed();
        // It panics at a disk that is full, too.
        guard(
            |cause| self.error(format!("it cannot be written: {cause}")),
            || whole::write(&self.path, |writer| key.encode(writer)).map_err(|error| self.error(error)),
        )?;
        let written = (begun.elapsed() - made).as_secs();
        tracing::info!(%file, making_s = made.as_secs(), writing_s = written, "a key of the SNARK was made");
        Ok(key)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Something that is kept like a key.
    #[derive(Debug, PartialEq)]
    struct Number(u64);

    impl Encode for Number {
        fn encode<W: Write>(&self, writer: &mut W) -> io::Result<()> {
            writer.write_all(&self.0.to_le_bytes())
        }
    }

    impl Decode for Number {
        fn decode<R: Read>(reader: &mut R) -> io::Result<Self> {
            let mut bytes = [0; 8];
            reader.read_exact(&mut bytes)?;
            Ok(Self(u64::from_le_bytes(bytes)))
        }
    }

    /// As Halo2's keys: what is strange panics.
    #[derive(Debug)]
    struct Strange;

    impl Encode for Strange {
        fn encode<W: Write>(&self, writer: &mut W) -> io::Result<()> {
            writer.write_all(&[0; 100])?;
            panic!("No space left on device")
        }
    }

    impl Decode for Strange {
        fn decode<R: Read>(_: &mut R) -> io::Result<Self> {
            panic!("no point of the curve")
        }
    }

    #[test]
    fn what_panics_is_an_error_that_names_the_file_and_leaves_nothing() {
        let folder = std::env::temp_dir().join(format!("proofmill-keys-strange-{}", std::process::id()));
        let kept = Kept { path: folder.join("test.key") };
        let refused = || kept.read_or_make(8, || Strange).unwrap_err().to_string();
        let text = refused();
        assert!(text.contains("test.key") && text.contains("No space left"), "{text}");
        assert_eq!(whole::left_over(&kept.path), 0);
        // One that is whole, and none of this version: it is made again.
        whole::write(&kept.path, |writer| writer.write_all(&[7; 8])).unwrap();
        assert!(refused().contains("No space left"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_key_is_made_once_and_again_where_it_is_damaged() {
        let folder = std::env::temp_dir().join(format!("proofmill-keys-{}", std::process::id()));
        let (kept, made) = (Kept { path: folder.join("test.key") }, Cell::new(0));
        let get = || {
            let make = || Number(made.replace(made.get() + 1));
            kept.read_or_make(8, make).unwrap()
        };
        assert_eq!((get(), get()), (Number(0), Number(0)));
        let bytes = fs::read(&kept.path).unwrap();
        for (times, damaged) in
            [&[][..], &bytes[..20], &[bytes.as_slice(), &[0]].concat()].into_iter().enumerate()
        {
            fs::write(&kept.path, damaged).unwrap();
            assert_eq!(get(), Number(times as u64 + 1));
            assert_eq!(get(), Number(times as u64 + 1));
        }
        let mut changed = fs::read(&kept.path).unwrap();
        changed[0] ^= 1;
        fs::write(&kept.path, changed).unwrap();
        assert_eq!(get(), Number(4));
        let error = kept.read_or_make(u64::MAX, || Number(9)).map(|Number(number)| number);
        assert_eq!(error.unwrap(), 4, "it is there");
        fs::remove_file(&kept.path).unwrap();
        let error = kept.read_or_make(u64::MAX, || Number(9)).unwrap_err().to_string();
        assert!(error.contains("name another folder"), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }
}
