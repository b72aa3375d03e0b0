//! Comparing memory word by word: the compiler's own function goes byte by byte, three times as many instructions for the
//! hashes and addresses that make up most comparisons.

const WORD: usize = size_of::<u32>();

/// # Safety
/// `a` and `b` must be readable for `len` bytes.
#[no_mangle]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> i32 {
    let mut at = 0;
    if (a as usize | b as usize) % WORD == 0 {
        while at + WORD <= len {
            let (x, y) = (*a.add(at).cast::<u32>(), *b.add(at).cast::<u32>());
            if x != y {
                // The first byte is the least of a word here, and counts most.
                return if x.swap_bytes() < y.swap_bytes() { -1 } else { 1 };
            }
            at += WORD;
        }
    }
    while at < len {
        let difference = i32::from(*a.add(at)) - i32::from(*b.add(at));
        if difference != 0 {
            return difference;
        }
        at += 1;
    }
    0
}
