//! SNARKs that SP1 made elsewhere: Groth16 and PLONK over BN254, as Succinct's verifier contracts take them.
//!
//! No backend here makes them: their provers need Go, circuits that are downloaded, and 64 GB. This module reads the files
//! that SP1's own tools leave, and gives out what a contract is to be shown. Whether a SNARK holds, the contract says: a
//! gateway knows the circuits of all of SP1's releases.
//!
//! Two formats are read. What SP1's SDK saves (`SP1ProofWithPublicValues`, and the form without its last field that a prover
//! network hands out): bincode's fixed encoding, whose integers are little-endian and whose lists begin with their length in
//! 8 bytes. And the JSON object of `vkey`, `publicValues` and `proof`, each in hex, that fixtures for sp1-contracts have.

use alloy_primitives::{B256, Bytes, hex};
use proofmill_primitives::ProgramVersion;
use serde::Deserialize;
use std::{fmt, io::Read};

/// Bytes of the selector that a proof begins with: the first of the SHA-256 of its circuit's key.
const SELECTOR: usize = 4;
/// The SHA-256 of the key of SP1 6's Groth16 circuit begins so.
const GROTH16: [u8; SELECTOR] = hex!("4388a21c");
/// Bytes of a proof by that circuit: the selector, three words of public inputs, the eight coordinates of the curves' points.
const GROTH16_BYTES: usize = SELECTOR + (3 + 8) * 32;
/// The SHA-256 of the key of SP1 6's PLONK circuit begins so.
const PLONK: [u8; SELECTOR] = hex!("5a093a2f");

/// Which circuit a SNARK is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sp1Circuit {
    /// SP1 6's circuit for Groth16.
    Groth16,
    /// SP1 6's circuit for PLONK.
    Plonk,
    /// Another one; a gateway may have a verifier for it.
    Other {
        /// The first bytes of the SHA-256 of its key.
        selector: [u8; SELECTOR],
    },
}

impl fmt::Display for Sp1Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Groth16 => f.write_str("groth16"),
            Self::Plonk => f.write_str("plonk"),
            Self::Other { selector } => write!(f, "circuit 0x{}", hex::encode(selector)),
        }
    }
}

/// A SNARK of a program's run in SP1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sp1Snark {
    /// What the program made public.
    pub public_values: Bytes,
    /// The proof as a contract takes it: the selector, three words of public inputs, the curve's points. Empty where a mock
    /// prover made it, which proves nothing.
    pub proof: Bytes,
    /// The program that the file says it is of, where it says one.
    pub program: Option<ProgramVersion>,
}

/// Why a file is no such SNARK.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Sp1SnarkError {
    /// The JSON is not of the three fields.
    #[error(
        "the JSON is not of the form {{\"vkey\": …, \"publicValues\": …, \"proof\": …}}, each in hex: {0}"
    )]
    Json(String),
    /// It ends too early, goes on too long, or has lengths that cannot be.
    #[error(
        "this is no proof that the SDK of SP1 6 saved, or it is damaged: {0}; fetch it again, or have SP1 6 make it"
    )]
    Damaged(String),
    /// It was not carried as far as a contract needs.
    #[error("it is a {mode} proof: a contract takes groth16 or plonk; have the SP1 cluster wrap it")]
    NotWrapped {
        /// How far it was carried.
        mode: &'static str,
    },
    /// Proofs with signatures of a TEE are for other contracts.
    #[error(
        "it comes with a signature of a TEE, which Succinct's gateway for proofs alone refuses: have it made without"
    )]
    WithTee,
    /// A mock prover made it.
    #[error("a mock prover made it: it proves nothing")]
    Mock,
}

impl Sp1Snark {
    /// The most bytes that a file has: a proof for a contract has a few thousand, and what it comes with hardly more.
    pub const LONGEST: usize = 16 << 20;

    /// Whether a file may be one: it is a JSON object, or begins as what SP1's SDK saves. Proofmill's own files begin otherwise.
    pub fn is(bytes: &[u8]) -> bool {
        bytes.trim_ascii_start().first() == Some(&b'{') || matches!(bytes, [0..=3, 0, 0, 0, ..])
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It is of neither format, or its proof is not for contracts.
    pub fn read(bytes: &[u8]) -> Result<Self, Sp1SnarkError> {
        match bytes.trim_ascii_start().first() {
            Some(b'{') => Self::of_json(bytes),
            _ => Self::of_sdk(bytes),
        }
    }

    fn of_json(bytes: &[u8]) -> Result<Self, Sp1SnarkError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Fixture {
            vkey: B256,
            public_values: Bytes,
            proof: Bytes,
        }
        check_length(bytes).map_err(Sp1SnarkError::Json)?;
        let read = serde_json::from_slice(bytes).map_err(|error| Sp1SnarkError::Json(error.to_string()))?;
        let Fixture { vkey, public_values, proof } = read;
        Ok(Self { public_values, proof, program: Some(ProgramVersion(vkey)) })
    }

    fn of_sdk(mut bytes: &[u8]) -> Result<Self, Sp1SnarkError> {
        let file = &mut bytes;
        match u32::from_le_bytes(array(file, "the proof's kind")?) {
            0 => return Err(Sp1SnarkError::NotWrapped { mode: "core" }),
            1 => return Err(Sp1SnarkError::NotWrapped { mode: "compressed" }),
            2 | 3 => check_length(file).map_err(Sp1SnarkError::Damaged)?,
            kind => return Err(Sp1SnarkError::Damaged(format!("there is no kind {kind} of proofs"))),
        }
        for _ in 0..5 {
            list(file, "a public input")?;
        }
        let encoded = list(file, "the encoded proof")?;
        list(file, "the raw proof")?;
        let key_hash: [u8; 32] = array(file, "the hash of the circuit's key")?;
        let public_values = list(file, "the public values")?;
        list(file, "SP1's version")?;
        // What a prover network hands out ends here.
        let has_tee = match file.is_empty() {
            true => 0,
            false => array::<1>(file, "the TEE's mark")?[0],
        };
        match (has_tee, file.len()) {
            (0, 0) => {}
            (1, _) => return Err(Sp1SnarkError::WithTee),
            (_, left) => {
                let cause = format!("{left} bytes follow on what belongs to it");
                return Err(Sp1SnarkError::Damaged(cause));
            }
        }
        let points = hex::decode(&encoded)
            .map_err(|error| Sp1SnarkError::Damaged(format!("the encoded proof is no hex: {error}")))?;
        let proof = match points.as_slice() {
            [] => Bytes::new(),
            points => [&key_hash[..SELECTOR], points].concat().into(),
        };
        Ok(Self { public_values: public_values.into(), proof, program: None })
    }

    /// Which circuit it is of.
    ///
    /// # Errors
    /// A mock prover made it, or the proof is cut off.
    pub fn circuit(&self) -> Result<Sp1Circuit, Sp1SnarkError> {
        match self.proof.first_chunk::<SELECTOR>() {
            None if self.proof.is_empty() => Err(Sp1SnarkError::Mock),
            None => Err(Sp1SnarkError::Damaged("the proof is shorter than its selector".to_owned())),
            Some(&GROTH16) if self.proof.len() != GROTH16_BYTES => Err(Sp1SnarkError::Damaged(format!(
                "a groth16 proof has {GROTH16_BYTES} bytes for a contract, and this one {}",
                self.proof.len()
            ))),
            Some(&GROTH16) => Ok(Sp1Circuit::Groth16),
            Some(&PLONK) => Ok(Sp1Circuit::Plonk),
            Some(&selector) => Ok(Sp1Circuit::Other { selector }),
        }
    }
}

/// Why a file is too long.
fn check_length(bytes: &[u8]) -> Result<(), String> {
    match bytes.len() {
        ..=Sp1Snark::LONGEST => Ok(()),
        _ => Err(format!("it has more than {} MB", Sp1Snark::LONGEST >> 20)),
    }
}

/// The next bytes of a file.
fn array<const N: usize>(file: &mut &[u8], what: &str) -> Result<[u8; N], Sp1SnarkError> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).map_err(|_| Sp1SnarkError::Damaged(format!("it ends before {what}")))?;
    Ok(bytes)
}

/// The next list of bytes, after its length.
fn list(file: &mut &[u8], what: &str) -> Result<Vec<u8>, Sp1SnarkError> {
    let length = u64::from_le_bytes(array(file, what)?);
    let (list, rest) = usize::try_from(length)
        .ok()
        .and_then(|end| file.split_at_checked(end))
        .ok_or_else(|| Sp1SnarkError::Damaged(format!("{what} would take {length} bytes")))?;
    *file = rest;
    Ok(list.to_vec())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// A Groth16 proof of SP1 6, from the calldata of a transaction on a public chain (Tempo,
    /// 0x29a09559909561f03991adfa16a0847a169d568364f5ee6ce797055097919123), in the form of sp1-contracts' fixtures.
    const FIXTURE: &[u8] = include_bytes!("../tests/fixtures/sp1-groth16.json");

    fn fixture() -> Sp1Snark {
        Sp1Snark::read(FIXTURE).unwrap()
    }

    /// The file as SP1's SDK saves it.
    fn saved(snark: &Sp1Snark, kind: u32, tee: &[u8]) -> Vec<u8> {
        let listed = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes(), bytes].concat();
        let mut hash = [7; 32];
        let (selector, points) = snark.proof.split_at_checked(SELECTOR).unwrap_or_default();
        hash[..selector.len()].copy_from_slice(selector);
        let mut file = kind.to_le_bytes().to_vec();
        for input in ["1", "22", "0", "333", "0"] {
            file.extend(listed(input.as_bytes()));
        }
        file.extend(listed(hex::encode(points).as_bytes()));
        file.extend(listed(b"ab"));
        file.extend(hash);
        file.extend(listed(&snark.public_values));
        file.extend(listed(b"v6.1.0"));
        file.extend(tee);
        file
    }

    #[test]
    fn what_the_sdk_saves_is_read() {
        let snark = fixture();
        let unnamed = Sp1Snark { program: None, ..snark.clone() };
        for tee in [&[][..], &[0]] {
            let file = saved(&snark, 3, tee);
            assert!(Sp1Snark::is(&file));
            let read = Sp1Snark::read(&file).unwrap();
            assert_eq!((&read, read.circuit()), (&unnamed, Ok(Sp1Circuit::Groth16)));
        }
        assert_eq!(Sp1Snark::read(&saved(&snark, 3, &[1, 2, 3])), Err(Sp1SnarkError::WithTee));
        assert_eq!(Sp1Snark::read(&saved(&snark, 0, &[0])), Err(Sp1SnarkError::NotWrapped { mode: "core" }));
        assert_eq!(
            Sp1Snark::read(&saved(&snark, 1, &[0])),
            Err(Sp1SnarkError::NotWrapped { mode: "compressed" })
        );
        let mock = Sp1Snark { proof: Bytes::new(), ..snark };
        let read = Sp1Snark::read(&saved(&mock, 3, &[0])).unwrap();
        assert_eq!(read.circuit(), Err(Sp1SnarkError::Mock));
    }

    #[test]
    fn bad_files_are_errors() {
        let snark = fixture();
        let file = saved(&snark, 3, &[0]);
        // Without its last byte it is what a network hands out.
        for cut in 0..file.len() - 1 {
            assert!(matches!(Sp1Snark::read(&file[..cut]), Err(Sp1SnarkError::Damaged(_))), "cut at {cut}");
        }
        assert!(matches!(Sp1Snark::read(&[file, vec![0]].concat()), Err(Sp1SnarkError::Damaged(_))));
        let long = [&3u32.to_le_bytes()[..], &u64::MAX.to_le_bytes(), &[0; 64]].concat();
        assert!(matches!(Sp1Snark::read(&long), Err(Sp1SnarkError::Damaged(_))));
        for json in ["{", "{}", r#"{"vkey":"0x1","publicValues":"0x","proof":"0x"}"#, "[]"] {
            assert!(Sp1Snark::read(json.as_bytes()).is_err(), "{json}");
        }
        let other = Sp1Snark { proof: vec![1, 2, 3, 4, 5].into(), ..snark.clone() };
        assert_eq!(other.circuit(), Ok(Sp1Circuit::Other { selector: [1, 2, 3, 4] }));
        // A contract would break off without a reason.
        for proof in [&snark.proof[..355], &[&snark.proof[..], &[0]].concat()] {
            let other = Sp1Snark { proof: Bytes::copy_from_slice(proof), ..snark.clone() };
            assert!(matches!(other.circuit(), Err(Sp1SnarkError::Damaged(_))));
        }
        // What is wrong with one that was not wrapped is said all the same.
        for (begins, hint) in
            [("{", "more than 16 MB"), ("\u{3}\0\0\0", "more than 16 MB"), ("\u{1}\0\0\0", "wrap it")]
        {
            let mut long = begins.as_bytes().to_vec();
            long.resize(Sp1Snark::LONGEST + 8, 0);
            let said = Sp1Snark::read(&long).unwrap_err().to_string();
            assert!(said.contains(hint), "{said}");
        }
        let short = Sp1Snark { proof: vec![1].into(), ..snark };
        assert!(matches!(short.circuit(), Err(Sp1SnarkError::Damaged(_))));
    }
}
