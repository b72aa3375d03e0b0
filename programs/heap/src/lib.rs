//! The allocator of the OpenVM guests.
//!
//! A guest runs for a moment on one thread, so an allocation is an addition, and most memory is never given back: that
//! costs nothing. Two kinds of blocks are: the last one, which a vector that grows most often is (it grows in place, and
//! copies nothing), and those of 4 KB and more, which the EVM's memory and its calls' data are made of. Without them a
//! block of transactions that copy much would need more memory than there is.
#![no_std]

#[cfg(test)]
extern crate std;
#[cfg(test)]
mod tests;

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr::null_mut,
};

/// What is given back is used again from this size on.
const LARGE: usize = 4096;
/// Every block begins and ends at a multiple of it: guests read their input in words.
const WORD: usize = size_of::<usize>();

/// A block that was given back, written at its beginning. They are in the order of their addresses, and no two touch.
#[repr(C)]
struct Free {
    next: *mut Free,
    size: usize,
}

struct State {
    /// Where the next block begins, unless it needs a larger alignment.
    next: usize,
    end: usize,
    /// Whatever is at or above this, and not below `next`, was never used: it is zero. Kept up only when something is given
    /// back, as only then there is memory that is not.
    used: usize,
    free: *mut Free,
}

/// The heap, for programs of one thread. The name is that of the heap that it stands in for.
pub struct LlffHeap(UnsafeCell<State>);

// SAFETY: a guest has one thread and no interrupts.
unsafe impl Sync for LlffHeap {}

#[inline(always)]
fn whole_words(size: usize) -> usize {
    // A layout's size is at most isize::MAX: this does not wrap.
    (size + WORD - 1) & !(WORD - 1)
}

impl LlffHeap {
    /// A heap without memory.
    #[must_use]
    pub const fn empty() -> Self {
        Self(UnsafeCell::new(State { next: 0, end: 0, used: 0, free: null_mut() }))
    }

    /// Gives the heap its memory.
    ///
    /// # Safety
    /// Nothing else uses these bytes, they are zero, and this is called once.
    pub unsafe fn init(&self, start: usize, size: usize) {
        let start = whole_words(start);
        // SAFETY: one thread.
        unsafe { *self.0.get() = State { next: start, end: start + size / WORD * WORD - WORD, used: start, free: null_mut() } };
    }

    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    fn state(&self) -> &mut State {
        // SAFETY: one thread, and no reference outlives a call.
        unsafe { &mut *self.0.get() }
    }
}

impl State {
    /// The next `size` bytes, or null.
    #[inline(always)]
    fn bump(&mut self, size: usize, align: usize) -> *mut u8 {
        let start = if align > WORD { (self.next + align - 1) & !(align - 1) } else { self.next };
        if start > self.end || size > self.end - start {
            return null_mut();
        }
        self.next = start + size;
        start as *mut u8
    }

    /// Takes the memory from `start` on back, which is the last block's.
    #[inline(always)]
    fn take_back(&mut self, start: usize) {
        self.used = self.used.max(self.next);
        self.next = start;
    }

    /// A large block that was given back, or its beginning.
    #[inline(never)]
    fn reuse(&mut self, size: usize, align: usize) -> *mut u8 {
        let mut link = &raw mut self.free;
        // SAFETY: the links are null or point to free blocks, which nobody else uses.
        unsafe {
            while !(*link).is_null() {
                let block = *link;
                if (*block).size >= size && block as usize & (align - 1) == 0 {
                    let left = (*block).size - size;
                    if left >= LARGE {
                        let rest = (block as usize + size) as *mut Free;
                        *rest = Free { next: (*block).next, size: left };
                        *link = rest;
                    } else {
                        *link = (*block).next;
                    }
                    return block.cast();
                }
                link = &raw mut (*block).next;
            }
        }
        null_mut()
    }

    /// Keeps a large block, joined with its neighbours.
    #[inline(never)]
    fn keep(&mut self, start: usize, mut size: usize) {
        self.used = self.used.max(self.next);
        let mut link = &raw mut self.free;
        let mut before: *mut Free = null_mut();
        // SAFETY: as in `reuse`; and the block's memory is the heap's again, aligned to words and larger than a header.
        unsafe {
            while !(*link).is_null() && (*link as usize) < start {
                before = *link;
                link = &raw mut (*before).next;
            }
            let mut next = *link;
            if !next.is_null() && start + size == next as usize {
                size += (*next).size;
                next = (*next).next;
            }
            if !before.is_null() && before as usize + (*before).size == start {
                (*before).size += size;
                (*before).next = next;
            } else {
                let block = start as *mut Free;
                *block = Free { next, size };
                *link = block;
            }
        }
    }
}

// SAFETY: blocks are inside the heap's memory, aligned, and apart from each other: new ones come from what was never
// given out or was given back.
unsafe impl GlobalAlloc for LlffHeap {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (state, size) = (self.state(), whole_words(layout.size()));
        if size >= LARGE && !state.free.is_null() {
            let block = state.reuse(size, layout.align());
            if !block.is_null() {
                return block;
            }
        }
        state.bump(size, layout.align())
    }

    #[inline(always)]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let (state, size) = (self.state(), whole_words(layout.size()));
        if block as usize + size == state.next {
            state.take_back(block as usize);
        } else if size >= LARGE {
            state.keep(block as usize, size);
        }
    }

    #[inline(always)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let block = unsafe { self.alloc(layout) };
        let (start, used) = (block as usize, self.state().used);
        if !block.is_null() && start < used {
            let dirty = layout.size().min(used - start);
            // SAFETY: inside the block.
            unsafe { block.write_bytes(0, dirty) };
        }
        block
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (state, old, new) = (self.state(), whole_words(layout.size()), whole_words(new_size));
        let start = block as usize;
        if start + old == state.next {
            if new > old {
                if new - old > state.end - state.next {
                    return null_mut();
                }
                state.next = start + new;
            } else {
                state.take_back(start + new);
            }
            return block;
        }
        if new <= old {
            // Its end is lost unless it is worth keeping.
            if old - new >= LARGE {
                state.keep(start + new, old - new);
            }
            return block;
        }
        // SAFETY: the caller's promise; the new block is another one, and larger.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !moved.is_null() {
                core::ptr::copy_nonoverlapping(block, moved, layout.size());
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
