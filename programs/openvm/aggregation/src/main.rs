//! The aggregation program for OpenVM.
//!
//! Input: two byte strings. The first as `proofmill_program::aggregation::encode_input` makes it; the second, which the
//! backend adds, has 32 bytes for each range, in the same order: the commitment to the range's proof. Reveals the 32
//! bytes of `PublicValues::commitment`. Panics, so that there is no proof, when a proof is not one of the range program
//! with these public values, or when the ranges do not fit together.
#![no_main]
#![no_std]

// Gives `alloy_primitives::keccak256` the machine's instructions.
use proofmill_openvm_crypto as _;

use alloy_primitives::{B256, keccak256};
use openvm_verify_stark_guest::{ProofOutput, verify_stark_unchecked};
use proofmill_program::{PublicValues, aggregation};

openvm::entry!(main);

/// The place of the circuit that verifies range proofs in the machine's configuration
/// (`crates/backends/src/openvm/aggregation.toml`).
const RANGE_PROOFS: u16 = 0;
/// The prime of OpenVM's field, BabyBear.
const FIELD: u32 = 0x7800_0001;
/// Bytes of a commitment.
const COMMITMENT: usize = 32;

fn main() {
    let input = openvm::io::read_vec();
    let proofs = openvm::io::read_vec();
    let (by, ranges) = match aggregation::decode_input(&input) {
        Ok(read) => read,
        Err(error) => panic!("{error}"),
    };
    let (proofs, rest) = proofs.as_chunks::<COMMITMENT>();
    assert!(rest.is_empty() && proofs.len() == ranges.len(), "there is not one proof for each range");
    for (range, proof) in ranges.iter().zip(proofs) {
        // Every range proof is read exactly once and in order: that is what the circuit proves them in.
        let says = verify_stark_unchecked::<RANGE_PROOFS>(proof);
        assert!(version(&says) == by.range_key, "a proof is not one of the range program");
        assert!(says.user_public_values == range.commitment().0, "a proof does not say what its range says");
    }
    match aggregation::fold(&by, &ranges) {
        Ok(values) => openvm::io::reveal_bytes32(values.commitment().0),
        Err(error) => panic!("{error}"),
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
