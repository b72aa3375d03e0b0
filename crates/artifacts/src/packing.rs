//! Compression as the SP1 cluster's artifact clients have it: one zstd stream over the whole blob, at the level that zstd
//! takes for its default, in pieces of a size that the store likes (`sp1-cluster`, `crates/artifact/src/{redis,s3}.rs`).
//!
//! Where a blob has no checksum of its own, our stream ends with zstd's, which its readers check wherever it is there. A blob is in
//! memory once, beside a few pieces: it is packed while pieces are sent, and unpacked while they arrive.

use crate::{ArtifactError, ArtifactKind};
use bytes::{Buf, Bytes};
use futures::{Stream, stream};
use proofmill_primitives::ArtifactId;
use std::{
    borrow::Cow,
    cell::RefCell,
    io::{self, BufRead, Read, Write},
};
use tokio::sync::mpsc;
use zstd::zstd_safe::{CCtx, CParameter, DCtx, ResetDirective};

/// What zstd calls its default; the SP1 cluster asks for 0 (Redis) and 3 (S3), which both mean that.
const LEVEL: i32 = 3;

/// How many pieces are on their way at the same time.
pub(crate) const IN_FLIGHT: usize = 4;

/// Blobs of so many bytes are packed and unpacked on the spot: to hand them to another thread takes longer.
const SMALL: usize = 256 << 10;

/// The most memory that is asked for because of what a blob says of its own length, in bytes.
const BELIEVED: u64 = 1 << 30;

/// A packed blob.
pub(crate) enum Packed {
    /// Not more than a piece.
    Whole(Bytes),
    /// Two pieces or more, each of the full size but the last, which are sent while the rest is packed.
    Pieces(Pieces),
}

/// The packing of a blob ended before the blob did: the runtime is shutting down, or its thread panicked.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("packing it broke off")]
pub(crate) struct BrokeOff;

/// The pieces of a blob, in order.
pub(crate) struct Pieces {
    first: Option<Bytes>,
    rest: mpsc::Receiver<Piece>,
}

struct Piece {
    bytes: Bytes,
    is_last: bool,
}

impl Pieces {
    /// They end with the last one, or with an error: a blob that lacks its end is none.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<Bytes, BrokeOff>> {
        stream::unfold(Some(self), async |pieces| {
            let mut pieces = pieces?;
            if let Some(first) = pieces.first.take() {
                return Some((Ok(first), Some(pieces)));
            }
            Some(match pieces.rest.recv().await {
                Some(Piece { bytes, is_last: true }) => (Ok(bytes), None),
                Some(Piece { bytes, is_last: false }) => (Ok(bytes), Some(pieces)),
                None => (Err(BrokeOff), None),
            })
        })
    }
}

/// Packs a blob into pieces of `size` bytes.
pub(crate) async fn pack(parts: Vec<Bytes>, size: usize, checksum: bool) -> Result<Packed, BrokeOff> {
    let length = parts.iter().map(Bytes::len).sum::<usize>();
    if length < SMALL && zstd::zstd_safe::compress_bound(length) <= size {
        return pack_small(&parts, length, checksum).map(|packed| Packed::Whole(packed.into()));
    }
    let (sender, mut rest) = mpsc::channel(IN_FLIGHT);
    tokio::task::spawn_blocking(move || {
        let pieces = Cutter { size, expected: length, piece: Vec::new(), sender };
        // Otherwise the receiver is gone: nobody wants it any more.
        if let Ok(mut last) = pack_into(&parts, length, checksum, pieces) {
            let _ = last.send(true);
        }
    });
    Ok(match rest.recv().await.ok_or(BrokeOff)? {
        Piece { bytes, is_last: true } => Packed::Whole(bytes),
        Piece { bytes, is_last: false } => Packed::Pieces(Pieces { first: Some(bytes), rest }),
    })
}

thread_local! {
    /// To make these takes longer than to pack or unpack something small.
    static PACKER: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static UNPACKER: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// In one step, with what it takes at hand.
fn pack_small(parts: &[Bytes], length: usize, checksum: bool) -> Result<Vec<u8>, BrokeOff> {
    let joined: Cow<'_, [u8]> = match parts {
        [one] => Cow::Borrowed(one),
        several => Cow::Owned(several.concat()),
    };
    let mut packed = Vec::with_capacity(zstd::zstd_safe::compress_bound(length));
    PACKER.with_borrow_mut(|packer| {
        packer
            // Whatever became of the blob before.
            .reset(ResetDirective::SessionOnly)
            .and_then(|_| packer.set_parameter(CParameter::CompressionLevel(LEVEL)))
            .and_then(|_| packer.set_parameter(CParameter::ChecksumFlag(checksum)))
            .and_then(|_| packer.compress2(&mut packed, &joined))
            .map_err(|_| BrokeOff)
    })?;
    Ok(packed)
}

fn pack_into<W: Write>(parts: &[Bytes], length: usize, checksum: bool, writer: W) -> io::Result<W> {
    let mut encoder = zstd::stream::write::Encoder::new(writer, LEVEL)?;
    encoder.include_checksum(checksum)?;
    // Whoever unpacks it knows how much memory it takes.
    encoder.set_pledged_src_size(Some(length as u64))?;
    for part in parts {
        encoder.write_all(part)?;
    }
    encoder.finish()
}

/// Cuts what is written into pieces of one size.
struct Cutter {
    size: usize,
    /// The most that there will be.
    expected: usize,
    piece: Vec<u8>,
    sender: mpsc::Sender<Piece>,
}

impl Cutter {
    fn send(&mut self, is_last: bool) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.piece);
        self.expected = self.expected.saturating_sub(bytes.len());
        let piece = Piece { bytes: bytes.into(), is_last };
        self.sender.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Cutter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One that is full is sent when more follows, so that the last one is never empty.
        if self.piece.len() == self.size {
            self.send(false)?;
        }
        if self.piece.capacity() == 0 {
            self.piece.reserve(self.size.min(self.expected));
        }
        let taken = bytes.len().min(self.size - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why bytes are no blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotUnpacked {
    /// It has so many bytes, or more: more than are allowed.
    TooLarge(u64),
    /// It is not what was packed.
    Damaged(String),
}

impl NotUnpacked {
    pub(crate) fn of(self, id: &ArtifactId, kind: ArtifactKind, limit: u64) -> ArtifactError {
        let id = id.clone();
        match self {
            Self::TooLarge(size) => ArtifactError::TooLarge { id, kind, size, limit },
            Self::Damaged(detail) => ArtifactError::Damaged { id, kind, detail },
        }
    }
}

impl From<io::Error> for NotUnpacked {
    fn from(error: io::Error) -> Self {
        Self::Damaged(format!("it cannot be unpacked: {error}"))
    }
}

impl From<tokio::task::JoinError> for NotUnpacked {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Damaged(format!("unpacking it broke off: {error}"))
    }
}

/// Unpacks a blob that is here and has at `most` so many bytes; or says why it is none.
pub(crate) async fn unpack(packed: Bytes, most: u64) -> Result<Bytes, NotUnpacked> {
    let said = zstd::zstd_safe::get_frame_content_size(&packed).ok().flatten();
    if said.is_some_and(|length| length < SMALL as u64) && packed.len() < SMALL {
        return UNPACKER.with_borrow_mut(|unpacker| read_whole(unpacker, &packed, said, most));
    }
    tokio::task::spawn_blocking(move || read_whole(&mut DCtx::create(), &packed, said, most)).await?
}

/// In one step where it says how long it is, which copies each byte once; a stream has a window of its own.
fn read_whole(
    unpacker: &mut DCtx<'_>,
    packed: &[u8],
    said: Option<u64>,
    most: u64,
) -> Result<Bytes, NotUnpacked> {
    if let Some(length) = said.filter(|length| *length <= BELIEVED.min(most)) {
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        if unpacker.decompress(&mut bytes, packed).is_ok() {
            return Ok(bytes.into());
        }
    }
    // Several frames, or none: what follows says which.
    read_all(packed, said, most)
}

/// What the first frame says of its length is enough to refuse it; what it does not say is counted.
fn read_all(packed: impl BufRead, said: Option<u64>, most: u64) -> Result<Bytes, NotUnpacked> {
    if let Some(length) = said.filter(|length| *length > most) {
        return Err(NotUnpacked::TooLarge(length));
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    let mut bytes = Vec::with_capacity(usize::try_from(said.unwrap_or(0).min(BELIEVED)).unwrap_or_default());
    (&mut decoder).take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    let length = bytes.len() as u64;
    if length > most { Err(NotUnpacked::TooLarge(length)) } else { Ok(bytes.into()) }
}

/// A blob that is unpacked while its pieces arrive.
pub(crate) struct Unpacking {
    pieces: mpsc::Sender<Bytes>,
    unpacked: tokio::task::JoinHandle<Result<Bytes, NotUnpacked>>,
}

impl Unpacking {
    /// Of a blob that has at `most` so many bytes.
    pub(crate) fn start(most: u64) -> Self {
        let (pieces, receiver) = mpsc::channel(IN_FLIGHT);
        let unpacked = tokio::task::spawn_blocking(move || {
            let mut arriving = Arriving { receiver, piece: Bytes::new() };
            let said = zstd::zstd_safe::get_frame_content_size(arriving.fill_buf()?).ok().flatten();
            read_all(arriving, said, most)
        });
        Self { pieces, unpacked }
    }

    /// Takes the next piece; whether more are wanted. What is wrong is said at the end.
    pub(crate) async fn add(&self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// The blob; or why these pieces are none.
    pub(crate) async fn finish(self) -> Result<Bytes, NotUnpacked> {
        drop(self.pieces);
        self.unpacked.await?
    }
}

struct Arriving {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl BufRead for Arriving {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, taken: usize) {
        self.piece.advance(taken);
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let here = self.fill_buf()?;
        let taken = buffer.len().min(here.len());
        buffer[..taken].copy_from_slice(&here[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::TryStreamExt;

    async fn packed(parts: Vec<Bytes>, size: usize) -> Vec<Bytes> {
        match pack(parts, size, true).await.unwrap() {
            Packed::Whole(packed) => vec![packed],
            Packed::Pieces(pieces) => pieces.into_stream().try_collect().await.unwrap(),
        }
    }

    /// Both ways must come to the same.
    async fn unpacked(pieces: impl IntoIterator<Item = Bytes>) -> Result<Bytes, NotUnpacked> {
        unpacked_within(1 << 30, pieces).await
    }

    async fn unpacked_within(
        most: u64,
        pieces: impl IntoIterator<Item = Bytes>,
    ) -> Result<Bytes, NotUnpacked> {
        let (unpacking, mut whole) = (Unpacking::start(most), Vec::new());
        for piece in pieces {
            whole.extend_from_slice(&piece);
            unpacking.add(piece).await;
        }
        let streamed = unpacking.finish().await;
        assert_eq!(unpack(whole.into(), most).await.ok(), streamed.as_ref().ok().cloned());
        streamed
    }

    #[tokio::test]
    async fn what_is_packed_comes_back_in_pieces_of_one_size() {
        let noise: Vec<u8> = (0..600_000_u32).map(|n| blake3::hash(&n.to_le_bytes()).as_bytes()[0]).collect();
        for length in [0, 1, 999, 100_000, 600_000] {
            for size in [7, 1000, 1 << 20] {
                if length / size > 50_000 {
                    continue;
                }
                let bytes = Bytes::copy_from_slice(&noise[..length]);
                let (one, other) = (bytes.slice(..length / 2), bytes.slice(length / 2..));
                let pieces = packed(vec![one, other], size).await;
                let (last, full) = pieces.split_last().unwrap();
                assert!(
                    full.iter().all(|piece| piece.len() == size) && !last.is_empty() && last.len() <= size
                );
                // As the SP1 cluster's clients read it.
                assert_eq!(zstd::decode_all(&*pieces.concat()).unwrap(), bytes);
                assert_eq!(unpacked(pieces).await.unwrap(), bytes);
                // As they write it.
                for level in [0, 3] {
                    let theirs = zstd::encode_all(&*bytes, level).unwrap();
                    assert_eq!(unpacked([Bytes::from(theirs)]).await.unwrap(), bytes);
                }
            }
        }
    }

    #[tokio::test]
    async fn what_says_nothing_or_too_little_of_its_length_is_unpacked_all_the_same() {
        let half = vec![7; 300_000];
        let frame = |bytes: &[u8]| zstd::bulk::compress(bytes, 0).unwrap();
        let two = [frame(&half), frame(&half)].concat();
        assert_eq!(unpacked([Bytes::from(two)]).await.unwrap(), [half.clone(), half.clone()].concat());
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 0).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&half).unwrap();
        assert_eq!(unpacked([Bytes::from(encoder.finish().unwrap())]).await.unwrap(), half);
        // One that claims far more than it has.
        let mut claims = frame(&half);
        assert_eq!(zstd::zstd_safe::get_frame_content_size(&claims).unwrap(), Some(300_000));
        let at = claims.windows(4).position(|bytes| *bytes == 300_000_u32.to_le_bytes()).unwrap();
        claims[at..at + 4].copy_from_slice(&0x3fff_ffff_u32.to_le_bytes());
        assert!(unpacked([Bytes::from(claims)]).await.is_err());
    }

    #[tokio::test]
    async fn what_has_more_than_is_allowed_is_not_unpacked() {
        for length in [1000_usize, 3_000_000] {
            let zeros = vec![0; length];
            let says = packed(vec![Bytes::from(zeros.clone())], 1 << 20).await;
            let mut encoder = zstd::stream::Encoder::new(Vec::new(), 0).unwrap();
            encoder.include_contentsize(false).unwrap();
            encoder.write_all(&zeros).unwrap();
            let silent = vec![Bytes::from(encoder.finish().unwrap())];
            let half = zstd::bulk::compress(&zeros[..length / 2], 0).unwrap();
            let two = vec![Bytes::from([&*half, &*half].concat())];
            for pieces in [says, silent, two] {
                let exact = unpacked_within(length as u64, pieces.clone()).await;
                assert_eq!(exact.unwrap().len(), length);
                let over = unpacked_within(length as u64 - 1, pieces.clone()).await;
                assert_eq!(over, Err(NotUnpacked::TooLarge(length as u64)));
                assert_eq!(unpack(pieces.concat().into(), length as u64 - 1).await, over);
            }
        }
        // What it says is enough.
        let length = 70_000_u32;
        let mut bomb = zstd::bulk::compress(&vec![0; length as usize], 0).unwrap();
        let at = bomb.windows(4).position(|bytes| *bytes == length.to_le_bytes()).unwrap();
        bomb[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let refused = unpack(bomb.into(), 100_000).await;
        assert_eq!(refused, Err(NotUnpacked::TooLarge(u32::MAX.into())));
    }

    #[tokio::test]
    async fn what_is_cut_or_changed_is_refused() {
        let whole = packed(vec![Bytes::from(vec![7; 5000])], 1 << 20).await.concat();
        for length in 0..whole.len() {
            assert!(unpacked([Bytes::copy_from_slice(&whole[..length])]).await.is_err(), "cut to {length}");
        }
        for position in 4..whole.len() {
            let mut changed = whole.clone();
            changed[position] ^= 0x10;
            let read = unpacked([Bytes::from(changed)]).await;
            assert!(read.is_err() || read.unwrap() == vec![7; 5000], "byte {position}");
        }
        assert!(unpacked([Bytes::from_static(b"no artifact")]).await.is_err());
    }
}
