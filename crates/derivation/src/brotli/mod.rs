//! Brotli (RFC 7932), as channels use it: no shared dictionaries, no windows beyond those of the standard.
//!
//! Only tables are the published decoder's. Up to its version 5 that takes a meta-block for good that makes more bytes than it says
//! (section 9.3), which nodes refuse; later ones are larger than a guest's code may be.

mod context;
mod prefix;

use alloc::{vec, vec::Vec};
use brotli_decompressor::dictionary::{
    kBrotliDictionary, kBrotliDictionaryOffsetsByLength, kBrotliDictionarySizeBitsByLength,
};
use brotli_decompressor::transform::{TransformDictionaryWord, kNumTransforms};
use context::context;
use prefix::{Bits, Code};

/// Additional bits of the codes for lengths of insertions, of copies and of blocks. Each begins where the one before it ends.
const INSERT_BITS: [u8; 24] = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 12, 14, 24];
const COPY_BITS: [u8; 24] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 24];
const BLOCK_BITS: [u8; 26] =
    [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 7, 8, 9, 10, 11, 12, 13, 24];
/// The first code of insertions, and that of copies, for each 64 commands.
const CELLS: [(u16, u16); 11] =
    [(0, 0), (0, 8), (0, 0), (0, 8), (8, 0), (8, 8), (0, 16), (16, 0), (8, 16), (16, 8), (16, 16)];
/// Commands below this one copy from the last distance, and say none.
const SAYS_DISTANCE: u16 = 128;
/// Which of the last distances a code means, and what is added to it.
const RECENT: [(u8, i32); 16] = [
    (0, 0),
    (1, 0),
    (2, 0),
    (3, 0),
    (0, -1),
    (0, 1),
    (0, -2),
    (0, 2),
    (0, -3),
    (0, 3),
    (1, -1),
    (1, 1),
    (1, -2),
    (1, 2),
    (1, -3),
    (1, 3),
];
/// The most that a block of one type holds.
const BLOCK: u32 = 1 << 24;
/// Room for a word of the dictionary: 24 bytes, with 5 before and 8 behind.
const WORD: usize = 48;

/// What the bytes decompress to, cut off after `limit` bytes; nothing where they are damaged or end too early, or where others are behind
/// them: whether a node takes a batch then follows from how its buffers are filled.
pub(crate) fn decompressed(data: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut bits = Bits::new(data);
    let window = match bits.flag()? {
        false => 16,
        true => match bits.take(3)? {
            0 => match bits.take(3)? {
                0 => 17,
                // Windows beyond the standard's.
                1 => return None,
                more => 8 + more,
            },
            more => 17 + more,
        },
    };
    let mut out = Output { bytes: Vec::new(), window: (1 << window) - 16, distances: [4, 11, 15, 16] };
    loop {
        let is_last = part(&mut bits, &mut out, limit)?;
        if out.bytes.len() >= limit {
            out.bytes.truncate(limit);
            return Some(out.bytes);
        }
        if is_last {
            return bits.end().then_some(out.bytes);
        }
    }
}

struct Output {
    bytes: Vec<u8>,
    /// Nothing is copied from further back.
    window: usize,
    /// The last distances, the newest first.
    distances: [i32; 4],
}

/// A meta-block. Whether it is the last.
fn part(bits: &mut Bits<'_>, out: &mut Output, limit: usize) -> Option<bool> {
    let is_last = bits.flag()?;
    if is_last && bits.flag()? {
        return Some(true);
    }
    let nibbles = bits.take(2)?;
    if nibbles == 3 {
        // Nothing of it is output.
        let reserved = bits.flag()?;
        let count = bits.take(2)?;
        let len = length(bits, count, 8, 1)?;
        bits.bytes(if count == 0 { 0 } else { len })?;
        return (!reserved).then_some(is_last);
    }
    let len = length(bits, nibbles + 4, 4, 4)?;
    if !is_last && bits.flag()? {
        out.bytes.extend_from_slice(bits.bytes(len)?);
        return Some(false);
    }
    Compressed::read(bits)?.run(bits, out, len, limit)?;
    Some(is_last)
}

/// A length in so many digits of so many bits. The last one is not zero where there are more than `least`.
fn length(bits: &mut Bits<'_>, digits: u32, width: u32, least: u32) -> Option<usize> {
    let mut len = 0;
    for at in 0..digits {
        let digit = bits.take(width)?;
        if digit == 0 && at + 1 == digits && digits > least {
            return None;
        }
        len |= (digit as usize) << (at * width);
    }
    Some(len + 1)
}

/// The number that a code with additional bits means.
fn ranged(bits: &mut Bits<'_>, widths: &[u8], code: u16, least: u32) -> Option<u32> {
    let (before, rest) = widths.split_at_checked(code.into())?;
    let first = before.iter().fold(least, |sum, width| sum + (1 << width));
    Some(first + bits.take((*rest.first()?).into())?)
}

/// Blocks of literals, of commands or of distances, each of a type.
struct Blocks {
    types: u32,
    /// Of types and of lengths, where there are several types.
    codes: Option<(Code, Code)>,
    /// The type before the one of now, and that.
    kind: (u32, u32),
    /// So much is left of the block.
    left: u32,
}

impl Blocks {
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let types = bits.number()? + 1;
        let mut blocks = Self { types, codes: None, kind: (1, 0), left: BLOCK };
        if types > 1 {
            let codes = (Code::read(bits, types as usize + 2)?, Code::read(bits, BLOCK_BITS.len())?);
            let code = codes.1.symbol(bits)?;
            blocks.left = ranged(bits, &BLOCK_BITS, code, 1)?;
            blocks.codes = Some(codes);
        }
        Some(blocks)
    }

    /// The type of what comes next.
    fn next(&mut self, bits: &mut Bits<'_>) -> Option<usize> {
        if self.left == 0 {
            let (kinds, lengths) = self.codes.as_ref()?;
            let kind = match kinds.symbol(bits)? {
                0 => self.kind.0,
                1 => self.kind.1 + 1,
                said => u32::from(said) - 2,
            };
            self.kind = (self.kind.1, if kind >= self.types { kind - self.types } else { kind });
            let code = lengths.symbol(bits)?;
            self.left = ranged(bits, &BLOCK_BITS, code, 1)?;
        }
        self.left -= 1;
        Some(self.kind.1 as usize)
    }
}

/// Which code is used in which context, and how many there are.
fn contexts(bits: &mut Bits<'_>, size: usize) -> Option<(Vec<u8>, usize)> {
    let codes = bits.number()? as usize + 1;
    if codes == 1 {
        return Some((vec![0; size], 1));
    }
    let longest = if bits.flag()? { bits.take(4)? + 1 } else { 0 };
    let code = Code::read(bits, codes + longest as usize)?;
    let mut map = Vec::with_capacity(size);
    while map.len() < size {
        let symbol = u32::from(code.symbol(bits)?);
        if symbol > longest {
            map.push((symbol - longest) as u8);
            continue;
        }
        // Zeros; one of them where the symbol is 0.
        let end = map.len() + (1 << symbol) as usize + bits.take(symbol)? as usize;
        if end > size {
            return None;
        }
        map.resize(end, 0);
    }
    if bits.flag()? {
        let mut order: Vec<u8> = (0..=u8::MAX).collect();
        for at in &mut map {
            let place = usize::from(*at);
            *at = order[place];
            order[..=place].rotate_right(1);
        }
    }
    Some((map, codes))
}

/// What is said at the beginning of a compressed meta-block.
struct Compressed {
    literals: Blocks,
    commands: Blocks,
    distances: Blocks,
    /// How many low bits of distances are said as they are.
    postfix: u32,
    /// So many distances have codes of their own.
    direct: u32,
    modes: Vec<u8>,
    literal_contexts: Vec<u8>,
    distance_contexts: Vec<u8>,
    literal_codes: Vec<Code>,
    command_codes: Vec<Code>,
    distance_codes: Vec<Code>,
}

impl Compressed {
    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let (literals, commands, distances) = (Blocks::read(bits)?, Blocks::read(bits)?, Blocks::read(bits)?);
        let postfix = bits.take(2)?;
        let direct = bits.take(4)? << postfix;
        let modes =
            (0..literals.types).map(|_| bits.take(2).map(|mode| mode as u8)).collect::<Option<_>>()?;
        let (literal_contexts, of_literals) = contexts(bits, literals.types as usize * 64)?;
        let (distance_contexts, of_distances) = contexts(bits, distances.types as usize * 4)?;
        let mut codes = |count: usize, size: usize| {
            (0..count).map(|_| Code::read(bits, size)).collect::<Option<Vec<_>>>()
        };
        Some(Self {
            literal_codes: codes(of_literals, 256)?,
            command_codes: codes(commands.types as usize, 704)?,
            distance_codes: codes(of_distances, (16 + direct + (48 << postfix)) as usize)?,
            literals,
            commands,
            distances,
            postfix,
            direct,
            modes,
            literal_contexts,
            distance_contexts,
        })
    }

    /// Its commands, which make `left` bytes, or so many that the limit is reached.
    fn run(&mut self, bits: &mut Bits<'_>, out: &mut Output, mut left: usize, limit: usize) -> Option<()> {
        while left > 0 && out.bytes.len() < limit {
            let command = self.command_codes[self.commands.next(bits)?].symbol(bits)?;
            let (insert, copy) = CELLS[usize::from(command >> 6)];
            let insert = ranged(bits, &INSERT_BITS, insert + (command >> 3) % 8, 0)? as usize;
            let copy = ranged(bits, &COPY_BITS, copy + command % 8, 2)? as usize;
            left = left.checked_sub(insert)?;
            for _ in 0..insert {
                let byte = self.literal(bits, &out.bytes)?;
                out.bytes.push(byte);
            }
            if left == 0 {
                break;
            }
            let code = if command < SAYS_DISTANCE { 0 } else { self.distance_code(bits, copy)? };
            let distance = self.distance(bits, code, &out.distances)?;
            let start = out.bytes.len();
            let farthest = out.window.min(start);
            if distance > farthest {
                word(&mut out.bytes, copy, distance - farthest - 1)?;
            } else {
                if code != 0 {
                    out.distances.rotate_right(1);
                    out.distances[0] = distance as i32;
                }
                for at in start..start + copy {
                    out.bytes.push(out.bytes[at - distance]);
                }
            }
            left = left.checked_sub(out.bytes.len() - start)?;
        }
        Some(())
    }

    fn literal(&mut self, bits: &mut Bits<'_>, before: &[u8]) -> Option<u8> {
        let kind = self.literals.next(bits)?;
        let (last, older) = match before {
            [.., older, last] => (*last, *older),
            [last] => (*last, 0),
            [] => (0, 0),
        };
        let context = context(self.modes[kind], last, older);
        let code = self.literal_contexts[kind * 64 + usize::from(context)];
        self.literal_codes[usize::from(code)].symbol(bits).map(|byte| byte as u8)
    }

    fn distance_code(&mut self, bits: &mut Bits<'_>, copy: usize) -> Option<u32> {
        let kind = self.distances.next(bits)?;
        let code = self.distance_contexts[kind * 4 + (copy - 2).min(3)];
        self.distance_codes[usize::from(code)].symbol(bits).map(u32::from)
    }

    fn distance(&self, bits: &mut Bits<'_>, code: u32, recent: &[i32; 4]) -> Option<usize> {
        if let Some((which, more)) = RECENT.get(code as usize) {
            return usize::try_from(recent[usize::from(*which)] + more).ok().filter(|distance| *distance > 0);
        }
        let code = code - 16;
        let Some(code) = code.checked_sub(self.direct) else { return Some(code as usize + 1) };
        let (high, low) = (code >> self.postfix, code & ((1 << self.postfix) - 1));
        let width = 1 + (high >> 1);
        let first = ((2 + (high & 1)) << width) - 4;
        let distance = ((first + bits.take(width)?) << self.postfix) + low + self.direct + 1;
        Some(distance as usize)
    }
}

/// A word of the dictionary, changed as its address says.
fn word(out: &mut Vec<u8>, len: usize, address: usize) -> Option<()> {
    let width = *kBrotliDictionarySizeBitsByLength.get(len).filter(|width| **width > 0)?;
    let (number, change) = (address & ((1 << width) - 1), address >> width);
    if change >= kNumTransforms as usize {
        return None;
    }
    let first = kBrotliDictionaryOffsetsByLength[len] as usize + number * len;
    let mut changed = [0; WORD];
    let word = kBrotliDictionary.get(first..first + len)?;
    let len = TransformDictionaryWord(&mut changed, word, len as i32, change as i32);
    out.extend_from_slice(changed.get(..len as usize)?);
    Some(())
}
