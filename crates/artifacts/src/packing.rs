//! Compression as the SP1 cluster's artifact clients have it: one zstd stream over the whole blob, at the level that zstd
//! takes for its default, in pieces of a size that the store likes (`sp1-cluster`, `crates/artifact/src/{redis,s3}.rs`).
//!
//! Our streams also end with zstd's own checksum, which its readers check wherever it is there. A blob is in memory once,
//! beside a few pieces: it is packed while pieces are sent, and unpacked while they arrive.

use bytes::Bytes;
use std::io::{self, Read, Write};
use tokio::sync::mpsc;

/// What zstd calls its default; the SP1 cluster asks for 0 (Redis) and 3 (S3), which both mean that.
const LEVEL: i32 = 3;

/// The most that a blob may have, unpacked, in bytes: what claims to be more is no artifact.
const MAX_UNPACKED: u64 = 32 << 30;

/// How many pieces are on their way at the same time.
pub(crate) const IN_FLIGHT: usize = 4;

/// The pieces of a packed blob, each of `size` bytes but the last. At least one comes.
pub(crate) fn pack(parts: Vec<Bytes>, size: usize) -> mpsc::Receiver<Bytes> {
    let (sender, pieces) = mpsc::channel(IN_FLIGHT);
    tokio::task::spawn_blocking(move || {
        // The receiver is gone: nobody wants it any more.
        let _ = pack_into(&parts, Pieces { size, piece: Vec::new(), sender });
    });
    pieces
}

fn pack_into(parts: &[Bytes], pieces: Pieces) -> io::Result<()> {
    let mut encoder = zstd::stream::write::Encoder::new(pieces, LEVEL)?;
    encoder.include_checksum(true)?;
    for part in parts {
        encoder.write_all(part)?;
    }
    encoder.finish()?.send()
}

struct Pieces {
    size: usize,
    piece: Vec<u8>,
    sender: mpsc::Sender<Bytes>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        self.sender.blocking_send(piece.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One that is full is sent when more follows, so that the last one is never empty.
        if self.piece.len() == self.size {
            self.send()?;
        }
        let taken = bytes.len().min(self.size - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A blob that is unpacked while its pieces arrive.
pub(crate) struct Unpacking {
    pieces: mpsc::Sender<Bytes>,
    unpacked: tokio::task::JoinHandle<io::Result<Vec<u8>>>,
}

impl Unpacking {
    pub(crate) fn start() -> Self {
        let (pieces, receiver) = mpsc::channel(IN_FLIGHT);
        let unpacked = tokio::task::spawn_blocking(move || {
            let arriving = Arriving { receiver, piece: Bytes::new() };
            let mut decoder = zstd::stream::read::Decoder::with_buffer(io::BufReader::with_capacity(
                zstd::stream::read::Decoder::<io::BufReader<io::Empty>>::recommended_output_size(),
                arriving,
            ))?;
            let mut bytes = Vec::new();
            (&mut decoder).take(MAX_UNPACKED + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > MAX_UNPACKED {
                return Err(io::Error::other(format!("it has more than {MAX_UNPACKED} bytes")));
            }
            Ok(bytes)
        });
        Self { pieces, unpacked }
    }

    /// Takes the next piece. What is wrong with it is said at the end.
    pub(crate) async fn add(&self, piece: Bytes) {
        let _ = self.pieces.send(piece).await;
    }

    /// The blob; or why these pieces are none.
    pub(crate) async fn finish(self) -> Result<Bytes, String> {
        drop(self.pieces);
        match self.unpacked.await {
            Ok(Ok(bytes)) => Ok(bytes.into()),
            Ok(Err(error)) => Err(format!("it cannot be unpacked: {error}")),
            Err(error) => Err(format!("unpacking it broke off: {error}")),
        }
    }
}

struct Arriving {
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let taken = buffer.len().min(self.piece.len());
        buffer[..taken].copy_from_slice(&self.piece.split_to(taken));
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn packed(parts: Vec<Bytes>, size: usize) -> Vec<Bytes> {
        let mut pieces = pack(parts, size);
        let mut all = Vec::new();
        while let Some(piece) = pieces.recv().await {
            all.push(piece);
        }
        all
    }

    async fn unpacked(pieces: impl IntoIterator<Item = Bytes>) -> Result<Bytes, String> {
        let unpacking = Unpacking::start();
        for piece in pieces {
            unpacking.add(piece).await;
        }
        unpacking.finish().await
    }

    #[tokio::test]
    async fn what_is_packed_comes_back_in_pieces_of_one_size() {
        let noise: Vec<u8> = (0..100_000_u32).map(|n| blake3::hash(&n.to_le_bytes()).as_bytes()[0]).collect();
        for length in [0, 1, 999, 100_000] {
            for size in [1, 1000, 1 << 20] {
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
