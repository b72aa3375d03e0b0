//! The aggregation program for SP1.
//!
//! Input: one byte string, as `proofmill_program::aggregation::encode_input` makes it, and beside it a compressed proof
//! for each range, in the same order. Commits to the ABI encoding of its public values. Panics, so that there is no
//! proof, when a proof is not one of the range program with these public values, or when the ranges do not fit together.
#![no_main]

use proofmill_program::{PublicValues, aggregation};

sp1_zkvm::entrypoint!(main);

/// The prime of SP1's field, KoalaBear.
const FIELD: u32 = 0x7f00_0001;

fn main() {
    let input = sp1_zkvm::io::read_vec();
    let (by, ranges) = match aggregation::decode_input(&input) {
        Ok(read) => read,
        Err(error) => panic!("{error}"),
    };
    let key = key_digest(&by.range_key.0);
    for range in &ranges {
        // SP1 commits to public values by their SHA-256.
        let digest = proofmill_sp1_crypto::sha256(&range.to_bytes());
        sp1_zkvm::lib::verify::verify_sp1_proof(&key, &digest);
    }
    match aggregation::fold(&by, &ranges) {
        Ok(values) => sp1_zkvm::io::commit_slice(&values.to_bytes()),
        Err(error) => panic!("{error}"),
    }
}

/// The eight field elements of a program version, which SP1 packs into it with 31 bits each, the first in the uppermost.
fn key_digest(version: &[u8; 32]) -> [u32; 8] {
    assert_eq!(version[0], 0, "a version of an SP1 program has 248 bits");
    core::array::from_fn(|i| {
        let lowest = 31 * (7 - i);
        let word = (0..31).rev().fold(0, |word, bit| {
            let at = lowest + bit;
            word << 1 | u32::from(version[31 - at / 8] >> (at % 8) & 1)
        });
        // So that no other version has the same elements.
        assert!(word < FIELD, "an element of the key is not below the field's prime");
        word
    })
}
