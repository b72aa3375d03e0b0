//! Modular powers (EIP-198): of moduli of 256 bits by the precompile for products, of longer ones in software.
//!
//! SP1's words have 64 bits, and its precompile for long products writes as much memory as a product in software costs.

use crate::numbers::{ONE, difference, less, product, sum};
use alloc::{vec, vec::Vec};
use proofmill_secp256k1::{Uint, from_be_bytes, to_be_bytes};
use revm_precompile::{Crypto, DefaultCrypto};

const BYTES: usize = 32;

/// `base^exponent mod modulus`, big-endian, as long as the modulus. Zero where the modulus is.
pub(crate) fn modexp(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    let number = trimmed(modulus);
    let mut out = vec![0; modulus.len()];
    if number.is_empty() {
        return out;
    }
    if number.len() > BYTES {
        // It fails for no input.
        return DefaultCrypto.modexp(base, exponent, modulus).unwrap_or(out);
    }
    let power = to_be_bytes(&power(base, trimmed(exponent), &word(number)));
    let len = out.len().min(BYTES);
    let at = out.len() - len;
    out[at..].copy_from_slice(&power[BYTES - len..]);
    out
}

fn power(base: &[u8], exponent: &[u8], modulus: &Uint) -> Uint {
    let mut nibbles = exponent.iter().flat_map(|byte| [byte >> 4, byte & 15]).skip_while(|nibble| *nibble == 0);
    let one = product(&ONE, &ONE, modulus);
    let Some(first) = nibbles.next() else { return one };
    let base = reduced(base, modulus);
    let mut powers = [one; 16];
    let highest = if exponent.len() > 1 { 15 } else { nibbles.clone().max().unwrap_or(0).max(first) };
    for i in 1..=usize::from(highest) {
        powers[i] = product(&powers[i - 1], &base, modulus);
    }
    let mut power = powers[usize::from(first)];
    for nibble in nibbles {
        for _ in 0..4 {
            power = product(&power, &power, modulus);
        }
        if nibble != 0 {
            power = product(&power, &powers[usize::from(nibble)], modulus);
        }
    }
    power
}

/// A number of any length modulo a modulus.
fn reduced(number: &[u8], modulus: &Uint) -> Uint {
    let number = trimmed(number);
    let (first, rest) = number.split_at(number.len() % BYTES);
    let mut out = product(&word(first), &ONE, modulus);
    // 2²⁵⁶
    let half = product(&[0, 0, 1, 0], &ONE, modulus);
    let shift = product(&half, &half, modulus);
    for chunk in rest.as_chunks().0 {
        let high = product(&out, &shift, modulus);
        let low = product(&from_be_bytes(chunk), &ONE, modulus);
        // Below twice the modulus, which may be above 2²⁵⁶: then the wrapped difference is right again.
        let total = sum(&high, &low);
        out = if less(&total, &high) || !less(&total, modulus) { difference(&total, modulus).0 } else { total };
    }
    out
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

/// A number of at most 32 bytes.
fn word(bytes: &[u8]) -> Uint {
    let mut padded = [0; BYTES];
    padded[BYTES - bytes.len()..].copy_from_slice(bytes);
    from_be_bytes(&padded)
}
