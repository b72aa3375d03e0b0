//! keccak256 on the instructions that take input in and permute.

#[cfg(feature = "keccak")]
mod keccak {
    use core::mem::MaybeUninit;
    use openvm_keccak256_guest::{native_keccakf, native_xorin, KECCAK_RATE, KECCAK_WIDTH_BYTES};

    const WORD: usize = 4;

    /// The sponge's state, aligned as the instructions want it.
    #[repr(C, align(32))]
    struct State([u8; KECCAK_WIDTH_BYTES]);

    /// One block of input, aligned.
    #[repr(C, align(32))]
    struct Block([u8; KECCAK_RATE]);

    /// The hook that `alloy-primitives` calls under its feature `native-keccak`.
    ///
    /// Input that is aligned to words (nodes of a witness are) goes into the state without being copied.
    ///
    /// # Safety
    /// `input` must be readable for `len` bytes, and `output` writable for 32.
    #[no_mangle]
    unsafe extern "C" fn native_keccak256(input: *const u8, len: usize, output: *mut u8) {
        let mut state = MaybeUninit::<State>::uninit();
        let state = state.as_mut_ptr().cast::<u8>();
        // Memory that was never written can be read in this machine, and whatever is there, twice the same gives zero:
        // two instructions instead of a hundred.
        native_xorin(state, state, KECCAK_RATE);
        native_xorin(state.add(KECCAK_RATE), state.add(KECCAK_RATE), KECCAK_WIDTH_BYTES - KECCAK_RATE);

        let mut block = MaybeUninit::<Block>::uninit();
        let block = block.as_mut_ptr().cast::<u8>();
        let aligned = input as usize % WORD == 0;
        let mut at = input;
        let mut left = len;
        while left >= KECCAK_RATE {
            if aligned {
                native_xorin(state, at, KECCAK_RATE);
            } else {
                core::ptr::copy_nonoverlapping(at, block, KECCAK_RATE);
                native_xorin(state, block, KECCAK_RATE);
            }
            native_keccakf(state);
            at = at.add(KECCAK_RATE);
            left -= KECCAK_RATE;
        }
        // Whole words of the rest, then its last bytes one by one.
        let words = left / WORD * WORD;
        if words > 0 {
            let mut source = at;
            if !aligned {
                core::ptr::copy_nonoverlapping(at, block, words);
                source = block;
            }
            native_xorin(state, source, words);
        }
        for i in words..left {
            *state.add(i) ^= *at.add(i);
        }
        *state.add(left) ^= 0x01;
        *state.add(KECCAK_RATE - 1) ^= 0x80;
        native_keccakf(state);
        core::ptr::copy_nonoverlapping(state as *const u8, output, 32);
    }
}

#[cfg(not(feature = "keccak"))]
mod keccak {
    use tiny_keccak::{Hasher, Keccak};

    /// The hook that `alloy-primitives` calls under its feature `native-keccak`, in software.
    ///
    /// # Safety
    /// `input` must be readable for `len` bytes, and `output` writable for 32.
    #[no_mangle]
    unsafe extern "C" fn native_keccak256(input: *const u8, len: usize, output: *mut u8) {
        let mut hasher = Keccak::v256();
        hasher.update(core::slice::from_raw_parts(input, len));
        let mut digest = [0; 32];
        hasher.finalize(&mut digest);
        core::ptr::copy_nonoverlapping(digest.as_ptr(), output, 32);
    }
}
