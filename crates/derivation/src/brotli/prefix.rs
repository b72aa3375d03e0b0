//! Bits, and the prefix codes that they are of (RFC 7932, sections 3 and 4).

use alloc::{vec, vec::Vec};

/// Codes up to this length are looked up at once.
const ROOT: usize = 8;
/// The longest code.
const LONGEST: usize = 15;
/// No code is so short: the entry of one that is longer than [`ROOT`].
const LONGER: u16 = u16::MAX;
/// In this order the lengths of the lengths' codes come.
const ORDER: [u8; 18] = [1, 2, 3, 4, 0, 5, 17, 6, 16, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Takes bits from the front of bytes, the lowest of each byte first.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next byte.
    at: usize,
    /// What is left of the bytes before it.
    value: u32,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, value: 0, count: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 24
            && let Some(byte) = self.data.get(self.at)
        {
            self.value |= u32::from(*byte) << self.count;
            (self.at, self.count) = (self.at + 1, self.count + 8);
        }
    }

    fn skip(&mut self, count: u32) -> Option<()> {
        self.count = self.count.checked_sub(count)?;
        self.value >>= count;
        Some(())
    }

    /// So many bits, 24 at the most.
    pub(super) fn take(&mut self, count: u32) -> Option<u32> {
        self.fill();
        let value = self.value & ((1 << count) - 1);
        self.skip(count)?;
        Some(value)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// A number from 0 to 255.
    pub(super) fn number(&mut self) -> Option<u32> {
        if !self.flag()? {
            return Some(0);
        }
        let bits = self.take(3)?;
        Some((1 << bits) + self.take(bits)?)
    }

    /// Goes to the next whole byte. What is passed over is zeros.
    pub(super) fn align(&mut self) -> Option<()> {
        (self.take(self.count % 8)? == 0).then_some(())
    }

    /// Whether only zeros are left in the last byte, and no byte behind it.
    pub(super) fn end(&mut self) -> bool {
        self.align().is_some() && self.count == 0 && self.at == self.data.len()
    }

    /// So many whole bytes.
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        self.align()?;
        self.at -= (self.count / 8) as usize;
        (self.value, self.count) = (0, 0);
        let bytes = self.data.get(self.at..)?.get(..len)?;
        self.at += len;
        Some(bytes)
    }
}

/// A prefix code.
pub(super) struct Code {
    /// By the next bits: the symbol times 16, and the length of its code.
    root: [u16; 1 << ROOT],
    /// How many codes have each length.
    counts: [u16; LONGEST + 1],
    /// By the length of their codes, and by their number.
    symbols: Vec<u16>,
}

impl Code {
    /// One symbol, whose code has no bits.
    fn single(symbol: u16) -> Self {
        Self { root: [symbol << 4; 1 << ROOT], counts: [0; LONGEST + 1], symbols: Vec::new() }
    }

    /// By the length of each symbol's code, which together are complete; 0 is none.
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; LONGEST + 1];
        lengths.iter().filter(|length| **length > 0).for_each(|length| counts[usize::from(*length)] += 1);
        let mut places = [0; LONGEST + 2];
        for (length, count) in counts.iter().enumerate() {
            places[length + 1] = places[length] + usize::from(*count);
        }
        let mut symbols = vec![0; places[LONGEST + 1]];
        let mut root = [LONGER; 1 << ROOT];
        // The next code of each length.
        let mut codes = [0_usize; LONGEST + 2];
        for length in 1..=LONGEST {
            codes[length + 1] = (codes[length] + usize::from(counts[length])) << 1;
        }
        for (symbol, length) in lengths.iter().map(|length| usize::from(*length)).enumerate() {
            if length == 0 {
                continue;
            }
            symbols[places[length]] = symbol as u16;
            places[length] += 1;
            if length <= ROOT {
                let first = codes[length].reverse_bits() >> (usize::BITS as usize - length);
                let entry = (symbol as u16) << 4 | length as u16;
                root.iter_mut().skip(first).step_by(1 << length).for_each(|place| *place = entry);
                codes[length] += 1;
            }
        }
        Self { root, counts, symbols }
    }

    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Option<u16> {
        bits.fill();
        let entry = self.root[bits.value as usize % (1 << ROOT)];
        if entry != LONGER {
            bits.skip(u32::from(entry) % 16)?;
            return Some(entry >> 4);
        }
        let (mut code, mut first, mut before) = (0_usize, 0_usize, 0_usize);
        for length in 1..=LONGEST {
            code |= (bits.value >> (length - 1)) as usize & 1;
            let count = usize::from(self.counts[length]);
            if code < first + count {
                bits.skip(length as u32)?;
                return self.symbols.get(before + code - first).copied();
            }
            before += count;
            (first, code) = ((first + count) << 1, code << 1);
        }
        None
    }

    /// The code of an alphabet with so many symbols.
    pub(super) fn read(bits: &mut Bits<'_>, size: usize) -> Option<Self> {
        match bits.take(2)? {
            1 => Self::simple(bits, size),
            skipped => Self::complex(bits, size, skipped as usize),
        }
    }

    /// Of four symbols at the most.
    fn simple(bits: &mut Bits<'_>, size: usize) -> Option<Self> {
        let count = bits.take(2)? as usize + 1;
        let width = usize::BITS - (size - 1).leading_zeros();
        let mut symbols = [0; 4];
        for at in 0..count {
            let symbol = bits.take(width)? as usize;
            if symbol >= size || symbols[..at].contains(&symbol) {
                return None;
            }
            symbols[at] = symbol;
        }
        let of_lengths: [u8; 4] = match count {
            1 => return Some(Self::single(symbols[0] as u16)),
            2 => [1, 1, 0, 0],
            3 => [1, 2, 2, 0],
            _ if bits.flag()? => [1, 2, 3, 3],
            _ => [2; 4],
        };
        let mut lengths = vec![0; size];
        symbols.into_iter().zip(of_lengths).take(count).for_each(|(symbol, length)| lengths[symbol] = length);
        Some(Self::new(&lengths))
    }

    /// By the lengths of its codes, which are written in a code of their own.
    fn complex(bits: &mut Bits<'_>, size: usize, skipped: usize) -> Option<Self> {
        let mut lengths = [0; 18];
        let (mut space, mut used, mut last) = (32, 0, 0);
        for symbol in &ORDER[skipped..] {
            bits.fill();
            let (length, width) = match bits.value % 16 {
                0 | 4 | 8 | 12 => (0, 2),
                1 | 5 | 9 | 13 => (4, 2),
                2 | 6 | 10 | 14 => (3, 2),
                3 | 11 => (2, 3),
                7 => (1, 4),
                _ => (5, 4),
            };
            bits.skip(width)?;
            lengths[usize::from(*symbol)] = length;
            if length != 0 {
                (space, used, last) = (space - (32 >> length), used + 1, *symbol);
                if space <= 0 {
                    break;
                }
            }
        }
        let of_lengths = match (space, used) {
            (_, 1) => Self::single(last.into()),
            (0, _) => Self::new(&lengths),
            _ => return None,
        };
        let mut lengths = Vec::with_capacity(size);
        let (mut space, mut before) = (1_i32 << LONGEST, 8);
        // What is repeated, and how often it was in a row.
        let (mut repeated, mut times) = (0, 0);
        while lengths.len() < size && space > 0 {
            let symbol = of_lengths.symbol(bits)? as u8;
            let (length, count) = if symbol < 16 {
                times = 0;
                if symbol != 0 {
                    before = symbol;
                }
                (symbol, 1)
            } else {
                let (length, width) = if symbol == 16 { (before, 2) } else { (0, 3) };
                if repeated != length {
                    (repeated, times) = (length, 0);
                }
                let already = times;
                if times > 0 {
                    times = (times - 2) << width;
                }
                times += bits.take(width)? as usize + 3;
                (length, times - already)
            };
            if lengths.len() + count > size {
                return None;
            }
            lengths.resize(lengths.len() + count, length);
            if length != 0 {
                space -= (count as i32) << (LONGEST - usize::from(length));
            }
        }
        (space == 0).then(|| Self::new(&lengths))
    }
}
