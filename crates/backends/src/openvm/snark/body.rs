//! A SNARK as it is kept, and as the contract takes it.

use crate::BackendError;
use openvm_static_verifier::{Fr, keygen::RawEvmProof};

/// Scalars of the wrapper's accumulator: a pairing that the contract checks for the static verifier.
const ACCUMULATOR: usize = 12;
/// Commitments to the program and to the machine.
const COMMITS: usize = 2;
/// One scalar for each byte that the program commits to.
const BYTES: usize = crate::openvm::machine::PUBLIC_VALUES;
/// The wrapper's public values.
const INSTANCES: usize = ACCUMULATOR + COMMITS + BYTES;
/// Bytes of a scalar.
const SCALAR: usize = 32;

/// A proof by the wrapper.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// The hash of the circuits ([`super::circuit`]).
    pub(super) circuit: [u8; 32],
    /// The scalars that the EVM takes, big-endian: accumulator, commitments, bytes.
    pub(super) instances: Vec<[u8; SCALAR]>,
    /// The proof.
    pub(super) proof: Vec<u8>,
}

impl Body {
    pub(super) fn new(circuit: [u8; 32], raw: &RawEvmProof) -> Self {
        let instances = raw.instances.iter().map(|scalar| {
            let mut bytes = scalar.to_bytes();
            bytes.reverse();
            bytes
        });
        Self { circuit, instances: instances.collect(), proof: raw.proof.clone() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        [self.circuit.as_slice(), &self.instances.concat(), &self.proof].concat()
    }

    /// Reads what [`encode`](Self::encode) wrote. Any proof may follow; it is not looked at.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BackendError> {
        let cut = || BackendError::InvalidProof { cause: "the SNARK is cut off".to_owned() };
        let (circuit, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let (instances, proof) = rest.split_at_checked(INSTANCES * SCALAR).ok_or_else(cut)?;
        let (instances, _) = instances.as_chunks::<SCALAR>();
        let body = Self { circuit: *circuit, instances: instances.to_vec(), proof: proof.to_vec() };
        let is_byte = |scalar: &[u8; SCALAR]| scalar[..SCALAR - 1].iter().all(|byte| *byte == 0);
        if !body.instances[ACCUMULATOR + COMMITS..].iter().all(is_byte) {
            return Err(BackendError::InvalidProof {
                cause: "a public value of the SNARK is not a byte".into(),
            });
        }
        Ok(body)
    }

    /// The scalars, if they are.
    pub(super) fn scalars(&self) -> Option<Vec<Fr>> {
        let scalar = |bytes: &[u8; SCALAR]| {
            let mut bytes = *bytes;
            bytes.reverse();
            Option::from(Fr::from_bytes(&bytes))
        };
        self.instances.iter().map(scalar).collect()
    }

    /// The commitments to the program and to the machine, as a program's version is made of.
    pub(crate) fn commits(&self) -> [[u8; SCALAR]; COMMITS] {
        [self.instances[ACCUMULATOR], self.instances[ACCUMULATOR + 1]]
    }

    /// What the program committed to.
    pub(crate) fn public_values(&self) -> Vec<u8> {
        self.instances[ACCUMULATOR + COMMITS..].iter().map(|scalar| scalar[SCALAR - 1]).collect()
    }

    /// What the contract takes beside public values: both commitments, the accumulator, the proof.
    pub(crate) fn for_contract(&self) -> Vec<u8> {
        [self.commits().concat(), self.instances[..ACCUMULATOR].concat(), self.proof.clone()].concat()
    }
}
