//! Proving keys of the two circuits: made once, kept in files, found again by what they are made of.
//!
//! A file ends with BLAKE3 of all before ([`whole`]). One that is damaged is made again, and that is said.

use super::root;
use crate::{
    BackendError, SnarkConfig, SnarkSize,
    openvm::{failed, provers::Provers},
};
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
use snark_verifier_sdk::Snark;
use std::{
    fs::{self, File},
    io,
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

/// The wrapper's key. `snark` is any proof by the static verifier.
pub(super) fn wrapper(
    provers: &Provers,
    config: &SnarkConfig,
    params: &Halo2Params,
    snark: &Snark,
) -> Result<Halo2WrapperProvingKey, BackendError> {
    let hash = circuit_hash(provers, config.variant.size)?;
    let file = Kept::new(config, "wrapper", &hash);
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
        lock.lock().map_err(|error| self.error(error))?;
        let file = self.path.display();
        let begun = Instant::now();
        match whole::read(&self.path, T::decode) {
            Ok(key) => {
                tracing::info!(%file, seconds = begun.elapsed().as_secs(), "a key of the SNARK was read");
                return Ok(key);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%file, %error, "a key of the SNARK cannot be read, and is made again")
            }
        }
        let free = rustix::fs::statvfs(folder).map_err(|error| self.error(error))?;
        let free = free.f_bavail * free.f_frsize;
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
        whole::write(&self.path, |writer| key.encode(writer)).map_err(|error| self.error(error))?;
        let written = (begun.elapsed() - made).as_secs();
        tracing::info!(%file, making_s = made.as_secs(), writing_s = written, "a key of the SNARK was made");
        Ok(key)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::{
        cell::Cell,
        io::{Read, Write},
    };

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
