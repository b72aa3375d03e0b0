//! Block hashes for BLOCKHASH, from headers whose parent hashes link them.

use crate::error::WitnessError;
use crate::input::HashedHeader;
use alloc::vec::Vec;
use alloy_primitives::B256;

/// The hashes of the parent, of its ancestors as far as the witness goes, and of the blocks executed so far.
#[derive(Debug)]
pub(crate) struct Ancestors {
    parent: u64,
    /// Of the parent, then of its parent, and so on down.
    before: Vec<B256>,
    /// Of the blocks executed so far, oldest first.
    executed: Vec<B256>,
    /// The largest index into `before` that was asked for.
    deepest: usize,
    /// How many ancestor headers the witness holds.
    headers: usize,
}

impl Ancestors {
    /// Checks that each header's hash is the parent hash in the header after it.
    pub(crate) fn new(parent: &HashedHeader, headers: &[HashedHeader]) -> Result<Self, WitnessError> {
        let number = parent.header().number;
        let mut before = Vec::with_capacity(headers.len() + 2);
        before.push(parent.hash());
        if number > 0 {
            before.push(parent.header().parent_hash);
        }
        for (at, header) in headers.iter().enumerate() {
            let expected = before.get(at + 1).copied().unwrap_or_default();
            let due = number.checked_sub(at as u64 + 1);
            if header.hash() != expected || due != Some(header.header().number) {
                let number = header.header().number;
                return Err(WitnessError::AncestorNotLinked { number, expected, got: header.hash() });
            }
            if header.header().number > 0 {
                before.push(header.header().parent_hash);
            }
        }
        Ok(Self { parent: number, before, executed: Vec::new(), deepest: 0, headers: headers.len() })
    }

    pub(crate) fn push(&mut self, hash: B256) {
        self.executed.push(hash);
    }

    pub(crate) fn into_executed(self) -> Vec<B256> {
        self.executed
    }

    pub(crate) fn hash(&mut self, number: u64) -> Result<B256, WitnessError> {
        let missing = || WitnessError::MissingAncestor { number };
        if let Some(after) = number.checked_sub(self.parent.saturating_add(1)) {
            return self.executed.get(after as usize).copied().ok_or_else(missing);
        }
        let back = (self.parent - number) as usize;
        self.deepest = self.deepest.max(back);
        self.before.get(back).copied().ok_or_else(missing)
    }

    /// How many ancestor headers the hashes that were asked for take: one less than the depth, because the parent
    /// itself names the first.
    pub(crate) const fn headers_used(&self) -> usize {
        self.deepest.saturating_sub(1)
    }

    pub(crate) fn check_all_used(&self) -> Result<(), WitnessError> {
        if self.headers_used() < self.headers {
            return Err(WitnessError::UnusedAncestor { number: self.parent - self.headers as u64 });
        }
        Ok(())
    }
}
