//! The binary form of inputs: little-endian numbers, byte strings with a length before. Reading allocates at most in proportion
//! to the input.

use crate::error::DerivationError;
use alloc::vec::Vec;

#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn u128(&mut self, value: u128) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u32(bytes.len() as u32);
        self.raw(bytes);
    }

    pub(crate) fn list<T: AsRef<[u8]>>(&mut self, items: &[T]) {
        self.u32(items.len() as u32);
        items.iter().for_each(|item| self.bytes(item.as_ref()));
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes numbers and byte strings from the front of an input. Also what batches are read with, which have no lengths.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DerivationError> {
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(DerivationError::Encoding { what: "as many bytes as it says" })?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DerivationError> {
        let (taken, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(DerivationError::Encoding { what: "as many bytes as it says" })?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DerivationError> {
        self.fixed().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DerivationError> {
        self.fixed().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, DerivationError> {
        self.fixed().map(u128::from_le_bytes)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], DerivationError> {
        let len = self.u32()? as usize;
        self.take(len)
    }

    /// How many items follow, each of `least` bytes at the least.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, DerivationError> {
        let count = self.u32()? as usize;
        if count.saturating_mul(least) > self.0.len() {
            return Err(DerivationError::Encoding { what: "as many items as it says" });
        }
        Ok(count)
    }

    pub(crate) fn list(&mut self) -> Result<Vec<&'a [u8]>, DerivationError> {
        let count = self.count(4)?;
        (0..count).map(|_| self.bytes()).collect()
    }

    pub(crate) fn end(&self) -> Result<(), DerivationError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(DerivationError::Encoding { what: "nothing behind its end" })
        }
    }
}
