//! How long a transaction is once compressed, as the data fee estimates it from Fjord on.
//!
//! Specification: `fjord/exec-engine.md`. It counts the bytes that level 1 of FastLZ would write, and writes none.

use alloc::vec;
use core::mem::replace;

/// Bits of a hash of three bytes.
const HASH_BITS: u32 = 13;
/// How far back a match may be, in bytes.
const FARTHEST: usize = (1 << HASH_BITS) - 1;
/// No match begins in the last bytes.
const TAIL: usize = 13;
/// A match does not reach into the last bytes.
const MATCH_TAIL: usize = 4;

/// By linear regression over real transactions; in millionths (`fastlzCoef`, `intercept`).
const PER_BYTE: u64 = 836_500;
const BELOW: u64 = 42_585_600;
/// No transaction counts for less than 100 bytes; in millionths.
const LEAST: u64 = 100_000_000;

/// The estimated size of an encoded transaction in a batch, in millionths of a byte.
pub(crate) fn estimated_size(transaction: &[u8]) -> u64 {
    (compressed_len(transaction) as u64 * PER_BYTE).saturating_sub(BELOW).max(LEAST)
}

fn compressed_len(data: &[u8]) -> usize {
    let end = data.len().saturating_sub(TAIL);
    let word = |at: usize| u32::from_le_bytes([data[at], data[at + 1], data[at + 2], 0]);
    let slot = |word: u32| (word.wrapping_mul(2_654_435_769) >> (32 - HASH_BITS)) as usize;
    // Where a hash was seen last.
    let mut seen = vec![0_u32; 1 << HASH_BITS];
    let (mut len, mut written, mut at) = (0, 0, 2);
    while at + 1 < end {
        let here = word(at);
        let before = replace(&mut seen[slot(here)], at as u32) as usize;
        if at - before > FARTHEST || word(before) != here {
            at += 1;
            continue;
        }
        len += literals(at - written);
        // Three bytes are the same already. A match counts the byte that ends it.
        let most = data.len() - MATCH_TAIL - (at + 3);
        let same = (0..most).take_while(|more| data[before + 3 + more] == data[at + 3 + more]).count();
        let long = (same + 1).min(most);
        len += copy(long);
        for ahead in [at + long, at + long + 1] {
            seen[slot(word(ahead))] = ahead as u32;
        }
        at += long + 2;
        written = at;
    }
    len + literals(data.len() - written)
}

/// Bytes as they are: up to 32 behind a byte that says how many.
const fn literals(count: usize) -> usize {
    count + count.div_ceil(32)
}

/// Bytes that a match takes: two or three for each 262 that it stands for.
const fn copy(long: usize) -> usize {
    let rest = long - 1;
    rest / 262 * 3 + if rest % 262 >= 6 { 3 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::{compressed_len, estimated_size};
    use alloy_primitives::keccak256;
    use op_revm::transaction::estimate_tx_compressed_size;

    /// Bytes with and without repetitions, of every small length and some long ones.
    #[test]
    fn sizes_are_those_of_another_implementation() {
        let noise: Vec<u8> = (0..300_u32).flat_map(|at| keccak256(at.to_le_bytes()).0).collect();
        let lengths = (0..600).chain((0..9600).step_by(97));
        for len in lengths {
            for repeat in [1, 2, 3, 5, 17, 40, 300, 9000] {
                let data: Vec<u8> = (0..len).map(|at| noise[at % repeat]).collect();
                assert_eq!(estimated_size(&data), estimate_tx_compressed_size(&data), "{len} of {repeat}");
                // Runs between noise, as calldata has them.
                let data: Vec<u8> =
                    (0..len).map(|at| if at / 7 % repeat == 0 { noise[at] } else { 0 }).collect();
                assert_eq!(estimated_size(&data), estimate_tx_compressed_size(&data), "{len} of {repeat}");
            }
        }
    }

    #[test]
    fn repetitions_are_short_and_noise_is_not() {
        // Two bytes as they are, a match of 993 in four parts, and the last five bytes.
        assert_eq!(compressed_len(&[0; 1000]), 3 + 12 + 6);
        let noise: Vec<u8> = (0..32_u32).flat_map(|at| keccak256(at.to_le_bytes()).0).collect();
        assert_eq!(compressed_len(&noise), 1024 + 32);
    }
}
