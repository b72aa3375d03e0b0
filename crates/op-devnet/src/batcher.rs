//! Posts blocks to L1 (specification: `protocol/batcher.md`).

use crate::{
    BatchKind, Compression, DataKind, OpDevnetError,
    batch::{self, FRAME_OVERHEAD, MOST_IN_BLOB, compressed, frames, span},
    chain::Block,
    driver::Shared,
    inbox::Channel,
    send::{Call, Sender},
};
use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use std::sync::Arc;

/// Blocks of a channel.
const MOST_BLOCKS: u64 = 500;
/// Bytes of a transaction's calldata: pools take 128 KiB with all.
const MOST_CALLDATA: usize = 100_000;
/// Blobs of a transaction.
const MOST_BLOBS: usize = 6;
/// After so many L1 blocks a transaction that is unknown is given up.
const PATIENCE: u64 = 3;

/// How batches are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) batch: BatchKind,
    pub(crate) compression: Compression,
    pub(crate) data: DataKind,
    /// Between two channels, in L1 blocks.
    pub(crate) every: u64,
}

/// The batcher. What it forgets when it is replaced, it finds again on L1.
#[derive(Debug)]
pub(crate) struct Batcher {
    shared: Arc<Shared>,
    sender: Sender,
    signer: PrivateKeySigner,
    format: Format,
    /// The L1 block at which it may post again.
    next_at: u64,
    in_flight: Option<(Channel, u64)>,
}

impl Batcher {
    pub(crate) const fn new(
        shared: Arc<Shared>,
        sender: Sender,
        signer: PrivateKeySigner,
        format: Format,
    ) -> Self {
        Self { shared, sender, signer, format, next_at: 0, in_flight: None }
    }

    /// L1 was replaced in part: what was posted may be gone.
    pub(crate) fn reset(&mut self) {
        (self.in_flight, self.next_at) = (None, 0);
    }

    /// Posts the next channel, if it is time and the one before is on L1.
    pub(crate) async fn step(&mut self) -> Result<(), OpDevnetError> {
        let (l1, batcher) = (self.shared.l1(), self.signer.address());
        let tip = l1.tip().number;
        if let Some((channel, posted)) = &self.in_flight {
            if channel.whole_at(&l1, batcher).is_none() {
                if tip < posted + PATIENCE {
                    return Ok(());
                }
                for hash in &channel.transactions {
                    if self.sender.client.is_known(*hash).await? {
                        return Ok(());
                    }
                }
                tracing::warn!("L1 lost a batch; it is posted again");
            }
            self.in_flight = None;
        }
        if tip < self.next_at {
            return Ok(());
        }
        let Some((before, blocks)) = self.waiting() else { return Ok(()) };
        // What was sent before a restart, or a reorg, comes first.
        let nonce = self.sender.client.nonce(batcher, "latest").await?;
        if self.sender.client.nonce(batcher, "pending").await? != nonce {
            return Ok(());
        }
        self.post(nonce, &before, &blocks).await?;
        self.next_at = tip + self.format.every;
        Ok(())
    }

    /// The blocks that are not safe yet, and the one before.
    fn waiting(&self) -> Option<(Arc<Block>, Vec<Arc<Block>>)> {
        let chain = self.shared.chain();
        let (safe, head) = (chain.safe, chain.head().header.number);
        let before = Arc::clone(chain.by_number(safe)?);
        let numbers = safe + 1..=head.min(safe + MOST_BLOCKS);
        let blocks: Vec<_> = numbers.filter_map(|number| chain.by_number(number).cloned()).collect();
        (!blocks.is_empty()).then_some((before, blocks))
    }

    async fn post(&mut self, nonce: u64, before: &Block, blocks: &[Arc<Block>]) -> Result<(), OpDevnetError> {
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(()) };
        let config = Arc::clone(&self.shared.chain().config);
        let batches = match self.format.batch {
            BatchKind::Single => blocks.iter().map(|block| batch::single(block)).collect(),
            BatchKind::Span => {
                let unspanned = || OpDevnetError::Send("a transaction has no place in a span".into());
                vec![span(config.genesis.timestamp, before, blocks).ok_or_else(unspanned)?]
            }
        };
        let bytes = compressed(self.format.compression, &batches);
        let mut id = [0; 16];
        // The nonce makes it another one where the same blocks are posted again.
        let unique = keccak256([last.header.hash().as_slice(), &nonce.to_be_bytes()].concat());
        id.copy_from_slice(&unique[..16]);
        let mut channel = Channel {
            first: first.header.number,
            last: last.header.number,
            last_hash: last.header.hash(),
            transactions: Vec::new(),
        };
        let sent = match self.format.data {
            DataKind::Calldata => {
                self.post_calldata(nonce, frames(id, &bytes, MOST_CALLDATA), &mut channel).await
            }
            DataKind::Blobs => self.post_blobs(nonce, &frames(id, &bytes, MOST_IN_BLOB), &mut channel).await,
        };
        let (from, to) = (channel.first, channel.last);
        let transactions = channel.transactions.len();
        if sent.is_ok() {
            self.shared.inbox_mut().add(channel.clone());
            tracing::debug!(from, to, bytes = bytes.len(), transactions, "batches were posted");
        }
        // Of what was sent only in part, the rest is not waited for: it is all posted again.
        self.in_flight = (!channel.transactions.is_empty()).then(|| (channel, self.shared.l1().tip().number));
        sent
    }

    async fn post_calldata(
        &self,
        nonce: u64,
        frames: Vec<Vec<u8>>,
        channel: &mut Channel,
    ) -> Result<(), OpDevnetError> {
        let inbox = self.shared.chain().config.inbox;
        for (nonce, frame) in (nonce..).zip(frames) {
            debug_assert!(frame.len() > FRAME_OVERHEAD);
            // EIP-7623: 40 gas for each byte at the most.
            let gas = 21_000 + 40 * frame.len() as u64;
            let call = Call { to: inbox.into(), value: U256::ZERO, gas, input: frame.into() };
            channel.transactions.push(self.sender.send(&self.signer, nonce, call).await?);
        }
        Ok(())
    }

    async fn post_blobs(
        &self,
        nonce: u64,
        frames: &[Vec<u8>],
        channel: &mut Channel,
    ) -> Result<(), OpDevnetError> {
        let inbox = self.shared.chain().config.inbox;
        for (nonce, frames) in (nonce..).zip(frames.chunks(MOST_BLOBS)) {
            let too_long = || OpDevnetError::Send("a frame is too long for a blob".into());
            let blobs: Vec<Vec<u8>> = frames
                .iter()
                .map(|frame| batch::blob(frame).ok_or_else(too_long))
                .collect::<Result<_, _>>()?;
            let kept: Vec<Bytes> = blobs.iter().map(|blob| blob.clone().into()).collect();
            let hash: B256 = self.sender.send_blobs(&self.signer, nonce, inbox, blobs).await?;
            self.shared.inbox_mut().add_blobs(hash, kept);
            channel.transactions.push(hash);
        }
        Ok(())
    }
}
