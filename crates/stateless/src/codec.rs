//! The binary form of inputs: little-endian words, byte strings with a length before and zero padding behind them,
//! everything at a multiple of four bytes. Reading borrows from the input and allocates at most in proportion to it.

use crate::error::DecodeError;
use alloc::vec::Vec;

/// Appends words and byte strings.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u128(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes of a length that the format fixes, padded to a word.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// A length, then the bytes, padded to a word.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u32(bytes.len() as u32);
        self.raw(bytes);
    }

    pub(crate) fn list<T: AsRef<[u8]>>(&mut self, items: &[T]) {
        self.u32(items.len() as u32);
        for item in items {
            self.bytes(item.as_ref());
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes words and byte strings from the front of an input.
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let left = self.input.len() - self.at;
        if len > left {
            return Err(DecodeError::Truncated { at: self.at, wanted: len, left });
        }
        let taken = &self.input[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, DecodeError> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn raw(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let bytes = self.take(len)?;
        let padding = self.take(len.next_multiple_of(4) - len)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(DecodeError::NonZeroPadding { at: self.at });
        }
        Ok(bytes)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u32()? as usize;
        // Checked before `raw` rounds the length up, which could overflow a 32-bit address space.
        if len > self.input.len() {
            return Err(DecodeError::Truncated {
                at: self.at,
                wanted: len,
                left: self.input.len() - self.at,
            });
        }
        self.raw(len)
    }

    /// A number of items that each take at least `least` bytes, so that no allocation outgrows the input.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, DecodeError> {
        let count = self.u32()? as usize;
        let left = self.input.len() - self.at;
        if count > left / least {
            return Err(DecodeError::TooMany { at: self.at, count, left });
        }
        Ok(count)
    }

    /// As [`count`](Self::count), or `None` where the word is `absent`.
    pub(crate) fn count_unless(&mut self, absent: u32, least: usize) -> Result<Option<usize>, DecodeError> {
        let before = self.at;
        if self.u32()? == absent {
            return Ok(None);
        }
        self.at = before;
        self.count(least).map(Some)
    }

    pub(crate) fn list(&mut self) -> Result<Vec<&'a [u8]>, DecodeError> {
        let count = self.count(4)?;
        (0..count).map(|_| self.bytes()).collect()
    }

    /// Errors unless everything was read.
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        match self.input.len() - self.at {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes { left }),
        }
    }
}
