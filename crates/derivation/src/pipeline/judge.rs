//! Which batches are taken: the rules of the batch stage.

use super::Stage;
use crate::attributes::of_block;
use crate::batch::{SingleBatch, SpanBatch};
use crate::error::DerivationError;
use alloy_primitives::{B256, Bytes};
use proofmill_stateless::OpFork;

/// A block may be that many seconds ahead of its L1 block (`protocol/fjord/derivation.md`).
const MAX_SEQUENCER_DRIFT: u64 = 1800;
/// First byte of a deposit.
const DEPOSIT: u8 = 0x7e;
/// First byte of a transaction that sets code.
const SET_CODE: u8 = 0x04;

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the next block, of the L1 block with this place.
    Accept(usize),
    /// It is of a block that is there already.
    Past,
    /// It is invalid, and with it the rest of its channel.
    Drop,
}

impl Stage<'_> {
    /// The rules of a batch of one block, in the specification's order. `epoch_hash` is none for a block of a span, whose L1 block is
    /// named by number alone.
    pub(super) fn judge(
        &self,
        at: usize,
        batch: &SingleBatch,
        epoch_hash: Option<B256>,
    ) -> Result<Verdict, DerivationError> {
        let next = self.next_time();
        if batch.timestamp != next {
            return Ok(if batch.timestamp > next { Verdict::Drop } else { Verdict::Past });
        }
        let included = self.number(at);
        if batch.parent_hash != self.safe.hash
            || batch.epoch_number.saturating_add(self.config.seq_window_size) < included
        {
            return Ok(Verdict::Drop);
        }
        let epoch = self.number(self.epoch);
        let undecided = Err(DerivationError::Undecided { number: included, epoch: epoch + 1 });
        let origin = match batch.epoch_number.checked_sub(epoch) {
            Some(0) => self.epoch,
            Some(1) if self.epoch == at => return undecided,
            Some(1) => self.epoch + 1,
            _ => return Ok(Verdict::Drop),
        };
        let l1 = &self.l1.blocks[origin];
        if epoch_hash.is_some_and(|hash| hash != l1.hash) || batch.timestamp < l1.header.timestamp {
            return Ok(Verdict::Drop);
        }
        if batch.timestamp > l1.header.timestamp.saturating_add(MAX_SEQUENCER_DRIFT) {
            if !batch.transactions.is_empty() {
                return Ok(Verdict::Drop);
            }
            if origin == self.epoch {
                // It had to go on to the next L1 block, where that was there.
                let Some(next_l1) = self.l1.blocks[..=at].get(self.epoch + 1) else { return undecided };
                if batch.timestamp >= next_l1.header.timestamp {
                    return Ok(Verdict::Drop);
                }
            }
        }
        let isthmus = self.config.rules.fork_at(batch.timestamp) >= Some(OpFork::Isthmus);
        let is_valid = |transaction: &Bytes| match transaction.first() {
            None | Some(&DEPOSIT) => false,
            Some(&SET_CODE) => isthmus,
            Some(_) => true,
        };
        Ok(if batch.transactions.iter().all(is_valid) { Verdict::Accept(origin) } else { Verdict::Drop })
    }

    /// What is checked of a span before its blocks are (`protocol/holocene/derivation.md`, "Span Batches"). One that begins with blocks
    /// that are there already must have what they have.
    pub(super) fn judge_span(&self, at: usize, span: &SpanBatch) -> Result<Verdict, DerivationError> {
        let (block_time, next, included) = (self.config.rules.block_time, self.next_time(), self.number(at));
        let (start, end) = (span.first_epoch(), span.last_epoch());
        let epoch = self.number(self.epoch);
        let undecided = |epoch| Err(DerivationError::Undecided { number: included, epoch });
        if start == epoch + 1 && self.epoch == at {
            return undecided(start);
        }
        if span.timestamp > next {
            return Ok(Verdict::Drop);
        }
        if span.last_time(block_time) < next {
            return Ok(Verdict::Past);
        }
        let misaligned = span.timestamp < next
            && (span.timestamp > self.safe.time
                || !(self.safe.time - span.timestamp).is_multiple_of(block_time));
        if misaligned || start.saturating_add(self.config.seq_window_size) < included {
            return Ok(Verdict::Drop);
        }
        let overlap = ((next - span.timestamp) / block_time) as usize;
        let missing = || {
            let back = overlap.saturating_sub(self.done) as u64;
            DerivationError::AncestorMissing { number: included, start: span.timestamp, back }
        };
        let (parent, parent_origin, _) = self.there(overlap, &[])?.ok_or_else(missing)?;
        if parent[..20] != span.parent_check || start > parent_origin.saturating_add(1) {
            return Ok(Verdict::Drop);
        }
        // Nodes look for the last L1 block among those from the next block's on.
        let place = match end.checked_sub(epoch) {
            Some(ahead) if ahead <= (at - self.epoch) as u64 => self.epoch + ahead as usize,
            _ => return undecided(end),
        };
        if self.l1.blocks[place].hash[..20] != span.l1_check || start < parent_origin {
            return Ok(Verdict::Drop);
        }
        for (block, back) in span.blocks.iter().zip((0..overlap).rev()) {
            let (_, origin, same) = self.there(back, &block.transactions)?.ok_or_else(missing)?;
            if !same || origin != block.epoch {
                return Ok(Verdict::Drop);
            }
        }
        Ok(Verdict::Accept(self.epoch))
    }

    /// Of the block that is so many blocks before the newest one: its hash, the number of its L1 block, and whether users' transactions
    /// in it are these. None where it is not known.
    fn there(&self, back: usize, users: &[Bytes]) -> Result<Option<(B256, u64, bool)>, DerivationError> {
        // Counted from the range's parent.
        let known = match self.done.checked_sub(back) {
            Some(0) => Some(self.parent.block),
            Some(nth) => {
                let block = &self.range.blocks[nth - 1];
                let first = block.transactions.first().copied().unwrap_or_default();
                let origin = of_block(block.header.header(), first)?.number;
                return Ok(Some((block.header.hash(), origin, are_users(&block.transactions, users))));
            }
            None => self.ancestors.get(back - self.done),
        };
        Ok(known.map(|block| (block.hash, block.attributes.number, are_users(block.transactions, users))))
    }
}

/// Whether the transactions of a block that are no deposits are these.
fn are_users<T: AsRef<[u8]>>(all: &[T], users: &[Bytes]) -> bool {
    let of_users = all.iter().map(AsRef::<[u8]>::as_ref).filter(|one| one.first() != Some(&DEPOSIT));
    of_users.eq(users.iter().map(AsRef::<[u8]>::as_ref))
}
