//! The hasher of the guests' maps, under keys that nobody knows when a transaction is written.
//!
//! A zkVM has no randomness, and a hasher whose keys are constants can be flooded: whoever finds keys of a map that fall
//! on one place makes each look-up walk over all of them. So a guest calls [`seed`] with the hash of its last block,
//! which depends on every transaction of the range, before it makes any map.
//!
//! Words of 32 bits are taken in pairs, `Σ (a + k)·(b + k′)` under a key for each place (the NH of UMAC): one product of 32
//! by 32 bits for eight bytes. Whatever two inputs of up to 32 bytes an attacker chooses, only one in 2³² of all keys gives
//! them the same sum. Its halves are then multiplied under two more keys, and folded. No input absorbs what came before: a
//! factor is zero for one key in 2³² that the attacker does not know.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod fast;

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// Words that are taken under keys of their own, 32 bytes. Longer inputs go on with the same keys over a digest.
const WORDS: usize = 8;
/// Keys of the words, then two for each half of the result.
const KEYS: usize = WORDS + 4;

/// Before [`seed`]: for programs that nobody can flood.
static KEY: [AtomicU32; KEYS] = [const { AtomicU32::new(0x9e37_79b9) }; KEYS];
static SEEDED: AtomicBool = AtomicBool::new(false);
static IN_USE: AtomicBool = AtomicBool::new(false);

/// Derives the keys of all maps from `seed`. To be called once, before the first map is made.
///
/// # Panics
/// When there is a map already: it would not find again what it holds.
pub fn seed(seed: &[u8; 32]) {
    assert!(!SEEDED.swap(true, Relaxed), "the hasher was seeded before");
    assert!(!IN_USE.load(Relaxed), "the hasher is seeded before the first map is made");
    let mut words = [0u64; 4];
    for (word, bytes) in words.iter_mut().zip(seed.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    for (i, pair) in KEY.as_chunks::<2>().0.iter().enumerate() {
        // The seed is a hash already, so spreading it is enough: each 64 bits of it, at distances that the finalizer of
        // SplitMix64 makes independent.
        let word = words[i % 4].wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(i as u64 + 1));
        let word = mix(word ^ words[(i + 1) % 4].rotate_left(i as u32));
        pair[0].store(word as u32, Relaxed);
        pair[1].store((word >> 32) as u32, Relaxed);
    }
}

/// Turns 64 bits into 64 others, each of which depends on all.
fn mix(mut word: u64) -> u64 {
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        word = (word ^ word >> 30).wrapping_mul(factor);
    }
    word ^ word >> 31
}

#[inline(always)]
fn key(i: usize) -> u32 {
    KEY[i].load(Relaxed)
}

/// `Σ (a + k)·(b + k′)` over the pairs of words so far.
#[inline(always)]
fn pair(a: u32, b: u32, position: usize) -> u64 {
    u64::from(a.wrapping_add(key(position))).wrapping_mul(u64::from(b.wrapping_add(key(position + 1))))
}

/// 32 bits of a sum, under the keys at this place.
#[inline(always)]
fn fold(sum: u64, at: usize) -> u32 {
    let product = pair(sum as u32, (sum >> 32) as u32, at);
    product as u32 ^ (product >> 32) as u32
}

/// One digest of the words so far. Rarely called, and kept out of the way of what is: loops over words of a known number
/// are unrolled only if they are short.
#[cold]
#[inline(never)]
fn digest(sum: u64) -> u64 {
    u64::from(fold(sum, WORDS)) | u64::from(fold(sum, WORDS + 2)) << 32
}
