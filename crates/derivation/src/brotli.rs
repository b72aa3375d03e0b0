//! Brotli, without the standard library.

use alloc::{boxed::Box, vec, vec::Vec};
use alloc_no_stdlib::{Allocator, SliceWrapper, SliceWrapperMut};
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState};

/// Output is written in pieces of this size.
const PIECE: usize = 1 << 16;

#[derive(Default)]
struct Heap;

#[derive(Default)]
struct Memory<T>(Box<[T]>);

impl<T> SliceWrapper<T> for Memory<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for Memory<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Clone + Default> Allocator<T> for Heap {
    type AllocatedMemory = Memory<T>;

    fn alloc_cell(&mut self, len: usize) -> Memory<T> {
        Memory(vec![T::default(); len].into_boxed_slice())
    }

    fn free_cell(&mut self, _: Memory<T>) {}
}

/// What the bytes decompress to, cut off after `limit` bytes; nothing where they are damaged or end too early.
pub(crate) fn decompressed(data: &[u8], limit: usize) -> Option<Vec<u8>> {
    // No windows beyond those of RFC 7932.
    let mut state = BrotliState::new_strict(Heap, Heap, Heap);
    let (mut left, mut at) = (data.len(), 0);
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let (mut room, mut written, mut total) = (PIECE, 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            data,
            &mut room,
            &mut written,
            &mut piece,
            &mut total,
            &mut state,
        );
        bytes.extend_from_slice(piece.get(..written)?);
        if bytes.len() >= limit {
            bytes.truncate(limit);
            return Some(bytes);
        }
        match result {
            BrotliResult::ResultSuccess => return Some(bytes),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => return None,
        }
    }
}
