//! Verifying the proofs that an aggregation program joins.

/// The prime of SP1's field, KoalaBear.
const FIELD: u32 = 0x7f00_0001;

/// Verifies one compressed proof for each of these public values, in order, of the program with this key.
///
/// Panics, so that there is no proof, where one does not hold.
pub fn verify(key: &[u8; 32], says: impl Iterator<Item = Vec<u8>>) {
    let key = key_digest(key);
    for says in says {
        // SP1 commits to public values by their SHA-256.
        sp1_zkvm::lib::verify::verify_sp1_proof(&key, &proofmill_sp1_crypto::sha256(&says));
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
