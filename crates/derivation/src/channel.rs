//! The staging channel (specification: `protocol/holocene/derivation.md`, "Channel Bank"), and what is in a channel.

use crate::brotli;
use crate::frame::{CHANNEL_ID, Frame};
use alloc::vec::Vec;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

/// A channel is dropped when that many L1 blocks passed since its first frame (`protocol/granite/derivation.md`).
pub(crate) const CHANNEL_TIMEOUT: u64 = 50;
/// No channel has more bytes, compressed or not (`protocol/fjord/derivation.md`). What is over is cut off when it is decompressed.
const MAX_RLP_BYTES: usize = 100_000_000;
/// What the specification counts for each frame beside its data ("Channel Bank", "Pruning").
const FRAME_OVERHEAD: usize = 200;
/// The byte before a channel that is compressed by brotli (`protocol/fjord/derivation.md`).
const BROTLI: u8 = 1;

/// The channel that is being put together.
#[derive(Debug)]
struct Staging {
    id: [u8; CHANNEL_ID],
    opened: u64,
    /// The number of the next frame; of no frame after the highest one.
    next: u32,
    size: usize,
    data: Vec<u8>,
}

/// At most one channel, whose frames come in order.
#[derive(Debug, Default)]
pub(crate) struct ChannelBank(Option<Staging>);

impl ChannelBank {
    /// Takes a frame of L1 block `number`. The channel's bytes, when it was the last.
    pub(crate) fn take(&mut self, number: u64, frame: &Frame<'_>) -> Option<Vec<u8>> {
        self.take_timed_out(number);
        if frame.number == 0 {
            self.0 = Some(Staging { id: frame.channel, opened: number, next: 0, size: 0, data: Vec::new() });
        }
        let staging =
            self.0.as_mut().filter(|one| one.id == frame.channel && one.next == u32::from(frame.number))?;
        staging.next += 1;
        staging.size += frame.data.len() + FRAME_OVERHEAD;
        staging.data.extend_from_slice(frame.data);
        if staging.size > MAX_RLP_BYTES {
            self.0 = None;
            return None;
        }
        if frame.is_last { self.0.take().map(|staging| staging.data) } else { None }
    }

    fn take_timed_out(&mut self, number: u64) {
        drop(self.0.take_if(|staging| staging.opened.saturating_add(CHANNEL_TIMEOUT) < number));
    }
}

/// The bytes of a channel, cut off where they would be too many. Errors with what is damaged.
pub(crate) fn decompressed(data: &[u8]) -> Result<Vec<u8>, &'static str> {
    let Some((&first, rest)) = data.split_first() else { return Ok(Vec::new()) };
    // The low four bits name zlib's method.
    if matches!(first & 0x0f, 8 | 15) {
        return match decompress_to_vec_zlib_with_limit(data, MAX_RLP_BYTES) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.status == TINFLStatus::HasMoreOutput => {
                let mut bytes = error.output;
                bytes.truncate(MAX_RLP_BYTES);
                Ok(bytes)
            }
            Err(_) => Err("its zlib data are damaged"),
        };
    }
    if first == BROTLI {
        return brotli::decompressed(rest, MAX_RLP_BYTES).ok_or("its brotli data are damaged");
    }
    // Not a channel: nothing is in it.
    Ok(Vec::new())
}

/// The batches in a channel's bytes, up to the first that is not the RLP encoding of a byte string.
pub(crate) fn batches(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Ok(batch) = alloy_rlp::Header::decode_bytes(&mut rest, false) {
        found.push(batch);
        if rest.is_empty() {
            break;
        }
    }
    found
}
