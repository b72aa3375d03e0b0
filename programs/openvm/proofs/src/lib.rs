//! Verifying the proofs that an aggregation program joins.
#![no_std]

use alloy_primitives::{B256, keccak256};
use openvm_verify_stark_guest::{ProofOutput, verify_stark_unchecked};

/// The place of the circuit that verifies range proofs in the machine's configuration
/// (`crates/backends/src/openvm/aggregation.toml`).
const RANGE_PROOFS: u16 = 0;
/// The prime of OpenVM's field, BabyBear.
const FIELD: u32 = 0x7800_0001;
/// Bytes of a commitment.
const COMMITMENT: usize = 32;

/// Verifies one proof for each commitment of what it must say, in order, of the program with this key. The commitments to the proofs
/// are the program's next input.
///
/// Panics, so that there is no proof, where one does not hold.
pub fn verify(key: B256, says: impl ExactSizeIterator<Item = B256>) {
    let proofs = openvm::io::read_vec();
    let (proofs, rest) = proofs.as_chunks::<COMMITMENT>();
    assert!(rest.is_empty() && proofs.len() == says.len(), "there is not one proof for each range");
    for (says, proof) in says.zip(proofs) {
        // Every range proof is read exactly once and in order: that is what the circuit proves them in.
        let proven = verify_stark_unchecked::<RANGE_PROOFS>(proof);
        assert!(version(&proven) == key, "a proof is not one of the range program");
        assert!(proven.user_public_values == says.0, "a proof does not say what its range says");
    }
}

/// The version of the program that a proof is of, as the backend derives it: Keccak-256 of the commitments to the program
/// and to the machine.
fn version(proof: &ProofOutput) -> B256 {
    keccak256([number(&proof.app_exe_commit), number(&proof.app_vm_commit)].concat())
}

/// A commitment of eight field elements as the big-endian number whose digits to the base of the field's prime they are,
/// the lowest first.
fn number(commitment: &[u8; COMMITMENT]) -> [u8; COMMITMENT] {
    let mut words = [0_u32; COMMITMENT / 4];
    for element in commitment.as_chunks::<4>().0.iter().rev() {
        let element = u32::from_le_bytes(*element);
        // So that no other commitment has the same number.
        assert!(element < FIELD, "an element of a commitment is not below the field's prime");
        let mut carry = u64::from(element);
        for word in &mut words {
            carry += u64::from(*word) * u64::from(FIELD);
            *word = carry as u32;
            carry >>= 32;
        }
    }
    let mut bytes = [0; COMMITMENT];
    for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words.iter().rev()) {
        *bytes = word.to_be_bytes();
    }
    bytes
}
