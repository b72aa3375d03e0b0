//! Frames: how channels travel in batcher transactions (specification: `protocol/derivation.md`, "Frame Format").

use alloc::vec::Vec;

/// The version byte before the frames of a transaction.
const VERSION: u8 = 0;
/// Bytes of a channel's id.
pub(crate) const CHANNEL_ID: usize = 16;
/// No frame has more data.
const MAX_FRAME: usize = 1_000_000;

/// A part of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) channel: [u8; CHANNEL_ID],
    pub(crate) number: u16,
    pub(crate) data: &'a [u8],
    pub(crate) is_last: bool,
}

/// The frames of a transaction's data; none where any of it is not one.
pub(crate) fn frames(data: &[u8]) -> Vec<Frame<'_>> {
    let Some((&VERSION, mut rest)) = data.split_first() else { return Vec::new() };
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let Some((frame, behind)) = frame(rest) else { return Vec::new() };
        frames.push(frame);
        rest = behind;
    }
    frames
}

fn frame(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (channel, rest) = bytes.split_first_chunk::<CHANNEL_ID>()?;
    let (number, rest) = rest.split_first_chunk::<2>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = u32::from_be_bytes(*len) as usize;
    if len > MAX_FRAME {
        return None;
    }
    let (data, rest) = rest.split_at_checked(len)?;
    let (&is_last, rest) = rest.split_first()?;
    if is_last > 1 {
        return None;
    }
    let frame = Frame { channel: *channel, number: u16::from_be_bytes(*number), data, is_last: is_last == 1 };
    Some((frame, rest))
}
