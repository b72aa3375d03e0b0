use super::*;
use std::{vec, vec::Vec};

const MEMORY: usize = 1 << 22;

fn heap(memory: &mut Vec<u64>) -> LlffHeap {
    let heap = LlffHeap::empty();
    // SAFETY: the memory is the test's, and zero.
    unsafe { heap.init(memory.as_mut_ptr() as usize, memory.len() * 8) };
    heap
}

struct Block {
    start: *mut u8,
    layout: Layout,
    value: u8,
}

/// Random allocations of all sizes: none overlaps another, zeroed ones are zero, and what is held stays as it was.
#[test]
fn blocks_are_apart_and_keep_what_they_hold() {
    for seed in 1..9u64 {
        let mut memory = vec![0; MEMORY / 8];
        let heap = heap(&mut memory);
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = move |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 20) as usize % below
        };
        let mut blocks: Vec<Block> = Vec::new();
        for step in 0..3000 {
            let value = step as u8 | 1;
            match next(6) {
                0..=2 => {
                    let size = 1 + if next(3) == 0 { next(40_000) } else { next(200) };
                    let layout = Layout::from_size_align(size, 1 << next(6)).unwrap();
                    let zeroed = next(2) == 0;
                    // SAFETY: the size is not zero; the block is written only inside.
                    unsafe {
                        let start = if zeroed { heap.alloc_zeroed(layout) } else { heap.alloc(layout) };
                        if start.is_null() {
                            continue;
                        }
                        assert_eq!(start as usize % layout.align(), 0);
                        if zeroed {
                            assert!((0..size).all(|i| *start.add(i) == 0));
                        }
                        start.write_bytes(value, size);
                        blocks.push(Block { start, layout, value });
                    }
                }
                3 if !blocks.is_empty() => {
                    let index = if next(2) == 0 { blocks.len() - 1 } else { next(blocks.len()) };
                    let block = &mut blocks[index];
                    let size = 1 + next(30_000);
                    // SAFETY: the block is the heap's, with this layout.
                    unsafe {
                        let moved = heap.realloc(block.start, block.layout, size);
                        if moved.is_null() {
                            continue;
                        }
                        let kept = size.min(block.layout.size());
                        assert!((0..kept).all(|i| *moved.add(i) == block.value));
                        block.start = moved;
                        block.layout = Layout::from_size_align(size, block.layout.align()).unwrap();
                        moved.write_bytes(block.value, size);
                    }
                }
                _ if !blocks.is_empty() => {
                    let index = if next(2) == 0 { blocks.len() - 1 } else { next(blocks.len()) };
                    let block = blocks.swap_remove(index);
                    // SAFETY: as above.
                    unsafe {
                        assert!((0..block.layout.size()).all(|i| *block.start.add(i) == block.value));
                        heap.dealloc(block.start, block.layout);
                    }
                }
                _ => {}
            }
        }
        for block in &blocks {
            // SAFETY: as above.
            assert!(unsafe { (0..block.layout.size()).all(|i| *block.start.add(i) == block.value) });
        }
        let mut ranges: Vec<_> =
            blocks.iter().map(|b| (b.start as usize, b.start as usize + b.layout.size())).collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    }
}

#[test]
fn large_blocks_and_the_last_one_are_used_again() {
    let mut memory = vec![0; MEMORY / 8];
    let heap = heap(&mut memory);
    let large = Layout::from_size_align(1 << 18, 1).unwrap();
    let small = Layout::from_size_align(40, 8).unwrap();
    // A thousand times as much as there is, with small blocks that stay between them.
    for _ in 0..16_000 {
        // SAFETY: sizes are not zero, and blocks are given back as they were taken.
        unsafe {
            let (a, b) = (heap.alloc(large), heap.alloc(large));
            assert!(!a.is_null() && !b.is_null());
            assert!(!heap.alloc(small).is_null());
            heap.dealloc(a, large);
            heap.dealloc(b, large);
        }
    }
    // A vector that grows alone grows in place.
    // SAFETY: as above.
    unsafe {
        let start = heap.alloc(small);
        let grown = heap.realloc(start, small, 100_000);
        assert_eq!(start, grown);
        heap.dealloc(grown, Layout::from_size_align(100_000, 8).unwrap());
        assert_eq!(heap.alloc(small), start);
        assert!(heap.alloc(Layout::from_size_align(MEMORY, 1).unwrap()).is_null());
    }
}
