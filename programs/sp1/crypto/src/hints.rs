//! Inverses and square roots, asked of the host: hooks that every SP1 executor has.
//!
//! An answer proves nothing. Whoever asks checks it, and a wrong one stops the guest with the exit code that SP1 keeps for
//! wrong hints.

use sp1_lib::{invalid_hint, io, unconstrained};

/// What the host says is the inverse of a number, which is not zero.
pub(crate) fn inverse<const N: usize>(number: &[u64; N], modulus: &[u64; N]) -> [u64; N] {
    ask(io::FD_FP_INV, &[number, modulus]);
    answer()
}

/// What the host says is the square root of a number below the modulus, or else of the product with `other`, which is not a square.
pub(crate) fn root<const N: usize>(number: &[u64; N], modulus: &[u64; N], other: &[u64; N]) -> [u64; N] {
    ask(io::FD_FP_SQRT, &[number, modulus, other]);
    // Whether it is a root of the number or of the product shows.
    let _ = io::read_vec();
    answer()
}

fn ask<const N: usize>(hook: u32, numbers: &[&[u64; N]]) {
    unconstrained! {
        let mut question = (N as u32 * 8).to_be_bytes().to_vec();
        for number in numbers {
            question.extend(number.iter().rev().flat_map(|word| word.to_be_bytes()));
        }
        io::write(hook, &question);
    }
}

/// The next number that the host answers.
fn answer<const N: usize>() -> [u64; N] {
    let bytes = io::read_vec();
    let (words, rest) = bytes.as_chunks::<8>();
    if words.len() != N || !rest.is_empty() {
        invalid_hint!("a number of another length");
    }
    core::array::from_fn(|i| u64::from_be_bytes(words[N - 1 - i]))
}
