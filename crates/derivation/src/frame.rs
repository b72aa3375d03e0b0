//! Frames: how channels travel in batcher transactions (specification: `protocol/derivation.md`, "Frame Format"; and
//! `protocol/holocene/derivation.md`, "Frame Queue").

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

/// What is left of a transaction's frames, which are looked at together before any is read: each is the first of its channel and comes
/// when no channel is open, or goes on with the channel of the one before it. The first one may be any.
///
/// # Errors
/// Where the specification and nodes differ, or nodes among each other: a channel that begins twice in a transaction.
pub(crate) fn pruned<'a>(frames: Vec<Frame<'a>>) -> Result<Vec<Frame<'a>>, &'static str> {
    let mut kept: Vec<Frame<'a>> = Vec::with_capacity(frames.len());
    for next in frames {
        if next.number == 0 {
            if kept.iter().any(|one| one.channel == next.channel) {
                return Err("a channel begins twice in a transaction");
            }
            // A first frame ends the channel that is open, whose frames are of no use then.
            while kept.pop_if(|last| !last.is_last).is_some() {}
        } else if kept.last().is_some_and(|last| {
            last.channel != next.channel || last.is_last || last.number.checked_add(1) != Some(next.number)
        }) {
            continue;
        }
        kept.push(next);
    }
    Ok(kept)
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
