//! The hasher and its state, by the names that its users know.

use crate::{IN_USE, WORDS, digest, fold, pair};
use core::{
    hash::{BuildHasher, Hasher},
    marker::PhantomData,
    sync::atomic::Ordering::Relaxed,
};

/// Makes hashers. All of them have the same keys.
#[derive(Clone, Copy, Debug)]
pub struct RandomState(());

impl Default for RandomState {
    #[inline(always)]
    fn default() -> Self {
        IN_USE.store(true, Relaxed);
        Self(())
    }
}

impl BuildHasher for RandomState {
    type Hasher = FoldHasher<'static>;

    #[inline(always)]
    fn build_hasher(&self) -> FoldHasher<'static> {
        FoldHasher { sum: 0, held: 0, words: 0, keys: PhantomData }
    }
}

/// Hashes one value. What it has taken in is known at compile time where values have a fixed length, so that only the
/// products are left.
#[derive(Clone, Debug)]
pub struct FoldHasher<'a> {
    sum: u64,
    /// The first word of a pair whose second has not come.
    held: u32,
    /// How many words of these eight have come.
    words: usize,
    keys: PhantomData<&'a ()>,
}

impl FoldHasher<'_> {
    #[inline(always)]
    fn word(&mut self, word: u32) {
        if self.words == WORDS {
            self.sum = digest(self.sum);
            self.words = 0;
        }
        if self.words % 2 == 0 {
            self.held = word;
        } else {
            self.sum = self.sum.wrapping_add(pair(self.held, word, self.words - 1));
        }
        self.words += 1;
    }
}

impl Hasher for FoldHasher<'_> {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            self.word(u32::from_ne_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            // Its length is in the last byte, which no rest fills.
            last[3] = rest.len() as u8;
            self.word(u32::from_ne_bytes(last));
        }
    }

    #[inline(always)]
    fn write_u8(&mut self, number: u8) {
        self.word(number.into());
    }

    #[inline(always)]
    fn write_u16(&mut self, number: u16) {
        self.word(number.into());
    }

    #[inline(always)]
    fn write_u32(&mut self, number: u32) {
        self.word(number);
    }

    #[inline(always)]
    fn write_u64(&mut self, number: u64) {
        self.word(number as u32);
        self.word((number >> 32) as u32);
    }

    #[inline(always)]
    fn write_usize(&mut self, number: usize) {
        if size_of::<usize>() > size_of::<u32>() { self.write_u64(number as u64) } else { self.word(number as u32) }
    }

    #[inline(always)]
    fn finish(&self) -> u64 {
        let mut last = self.clone();
        if last.words % 2 == 1 {
            // A value of one type has always the same number of words, or says how many it has.
            last.word(0);
        }
        let low = fold(last.sum, WORDS);
        // Tables of a 32-bit machine look at no more than the low half.
        let high = if size_of::<usize>() > size_of::<u32>() { fold(last.sum, WORDS + 2) } else { low };
        u64::from(low) | u64::from(high) << 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, vec::Vec};

    /// The only test that seeds, since that can be done once in a process.
    #[test]
    fn seeded_before_maps_and_never_again() {
        crate::seed(&core::array::from_fn(|i| (i * 7 + 1) as u8));
        let hash = |bytes: &[u8]| {
            let mut hasher = RandomState::default().build_hasher();
            hasher.write(bytes);
            hasher.finish()
        };
        // Slots as an attacker would choose them: all differ in a few bits, in one word, or in words that could cancel.
        let mut slots: Vec<[u8; 32]> = Vec::new();
        for i in 0..4096u32 {
            for place in 0..8 {
                let mut slot = [0; 32];
                slot[place * 4..][..4].copy_from_slice(&i.to_le_bytes());
                slots.push(slot);
                let mut shifted = [0; 32];
                shifted[place * 4..][..4].copy_from_slice(&(i << 20).to_le_bytes());
                slots.push(shifted);
                let mut cancelling = [0; 32];
                cancelling[place * 4..][..4].copy_from_slice(&i.to_le_bytes());
                cancelling[(place + 2) % 8 * 4..][..4].copy_from_slice(&i.wrapping_neg().to_le_bytes());
                slots.push(cancelling);
            }
        }
        let distinct: HashSet<[u8; 32]> = slots.into_iter().collect();
        let hashes: HashSet<u32> = distinct.iter().map(|slot| hash(slot) as u32).collect();
        // Of 100,000 values among 2³², random ones lose one or two.
        assert!(distinct.len() - hashes.len() < 10, "{} of {}", hashes.len(), distinct.len());
        for bits in [7, 12] {
            let mut places = std::vec![0usize; 1 << bits];
            for slot in &distinct {
                places[hash(slot) as usize & ((1 << bits) - 1)] += 1;
            }
            let mean = distinct.len() >> bits;
            assert!(places.iter().all(|n| *n < mean * 4), "{:?} of {mean}", places.iter().max());
        }
        // Lengths, and what lies behind 32 bytes.
        let zeros: HashSet<u64> = (0..100).map(|len| hash(&std::vec![0; len])).collect();
        // An odd number of words is the same as with a zero behind it.
        assert!(zeros.len() >= 87, "{}", zeros.len());
        let long: HashSet<u64> = (0..100).map(|i| hash(&core::array::from_fn::<u8, 100, _>(|j| (i == j) as u8))).collect();
        assert_eq!(long.len(), 100);

        let again = std::panic::catch_unwind(|| crate::seed(&[1; 32]));
        assert!(again.is_err());
    }
}
