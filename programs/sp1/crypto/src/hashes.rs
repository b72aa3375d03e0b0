//! keccak256 and SHA-256 on the precompiles that permute, extend and compress.

#[cfg(feature = "keccak")]
mod keccak {
    use sp1_lib::syscall_keccak_permute;

    /// Bytes that the sponge takes in between two permutations.
    const RATE: usize = 136;

    /// The hook that `alloy-primitives` calls under its feature `native-keccak`.
    ///
    /// # Safety
    /// `input` must be readable for `len` bytes, and `output` writable for 32.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn native_keccak256(input: *const u8, len: usize, output: *mut u8) {
        let mut state = [0u64; 25];
        let bytes = state.as_mut_ptr().cast::<u8>();
        // SAFETY: reads stay inside `input`, and every block is at most the 136 bytes of the state that are written.
        unsafe {
            let mut at = input;
            let mut left = len;
            let mut first = true;
            while left >= RATE {
                // The state is zero before the first block, so taking it in is a copy.
                if first {
                    core::ptr::copy_nonoverlapping(at, bytes, RATE);
                    first = false;
                } else {
                    for i in 0..RATE / 8 {
                        state[i] ^= at.cast::<u64>().add(i).read_unaligned();
                    }
                }
                syscall_keccak_permute(&mut state);
                at = at.add(RATE);
                left -= RATE;
            }
            if first {
                core::ptr::copy_nonoverlapping(at, bytes, left);
            } else {
                for i in 0..left {
                    *bytes.add(i) ^= *at.add(i);
                }
            }
            *bytes.add(left) ^= 0x01;
            *bytes.add(RATE - 1) ^= 0x80;
            syscall_keccak_permute(&mut state);
            core::ptr::copy_nonoverlapping(bytes.cast_const(), output, 32);
        }
    }
}

#[cfg(not(feature = "keccak"))]
mod keccak {
    use tiny_keccak::{Hasher, Keccak};

    /// The hook that `alloy-primitives` calls under its feature `native-keccak`, in software.
    ///
    /// # Safety
    /// `input` must be readable for `len` bytes, and `output` writable for 32.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn native_keccak256(input: *const u8, len: usize, output: *mut u8) {
        let mut hasher = Keccak::v256();
        // SAFETY: the caller's promise.
        hasher.update(unsafe { core::slice::from_raw_parts(input, len) });
        let mut digest = [0; 32];
        hasher.finalize(&mut digest);
        // SAFETY: the caller's promise.
        unsafe { core::ptr::copy_nonoverlapping(digest.as_ptr(), output, 32) }
    }
}

/// SHA-256 by the precompiles for the message schedule and the compression.
#[cfg(feature = "sha256")]
pub fn sha256(input: &[u8]) -> [u8; 32] {
    use sp1_lib::{syscall_sha256_compress, syscall_sha256_extend};

    /// FIPS 180-4, 5.3.3.
    const INITIAL: [u64; 8] = [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
    ];

    fn compress(state: &mut [u64; 8], block: &[u8; 64]) {
        let mut words = [0u64; 64];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u64::from(u32::from_be_bytes(*bytes));
        }
        // SAFETY: arrays of words are aligned to eight bytes.
        unsafe {
            syscall_sha256_extend(&mut words);
            syscall_sha256_compress(&mut words, state);
        }
    }

    let mut state = INITIAL;
    let (blocks, rest) = input.as_chunks::<64>();
    for block in blocks {
        compress(&mut state, block);
    }
    let mut block = [0; 64];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    if rest.len() >= 56 {
        compress(&mut state, &block);
        block = [0; 64];
    }
    block[56..].copy_from_slice(&(input.len() as u64 * 8).to_be_bytes());
    compress(&mut state, &block);

    let mut digest = [0; 32];
    for (word, out) in state.iter().zip(digest.as_chunks_mut::<4>().0) {
        *out = (*word as u32).to_be_bytes();
    }
    digest
}
