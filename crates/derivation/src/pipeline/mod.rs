//! From L1's blocks to those of L2: the batch stage, and the comparison with the range (specification: `protocol/derivation.md`,
//! "Batch Queue", as `protocol/holocene/derivation.md` changes it).

mod judge;

use crate::ancestors::{Ancestors, Known};
use crate::attributes::{self, extra_data, of_block};
use crate::batch::{Batch, SingleBatch, SpanBatch, Unread};
use crate::channel::{CHANNEL_TIMEOUT, ChannelBank, batches, decompressed};
use crate::config::RollupConfig;
use crate::error::DerivationError;
use crate::frame::{frames, pruned};
use crate::input::DerivationInput;
use crate::kzg::Kzg;
use crate::l1::L1;
use crate::system_config::SystemConfig;
use alloc::vec::Vec;
use alloy_eips::Encodable2718;
use alloy_primitives::{B256, Bytes};
use alloy_trie::root::ordered_trie_root_encoded;
use judge::Verdict;
use proofmill_stateless::{Rules, StatelessInputRef};

/// The first L1 block that the derivation reads, for a range after a block of L1 block `origin`: no channel that is of use began
/// before it.
pub fn l1_start(config: &RollupConfig, origin: u64) -> u64 {
    origin.saturating_sub(CHANNEL_TIMEOUT).max(config.l1_genesis)
}

/// Derives the blocks after the range's parent from L1, and compares them with those of the range. The result is the hash of the last
/// L1 block of the input: for everybody to whom that is a block of L1, the range is the chain's, if its parent is.
///
/// The range itself must have been executed. Blobs are checked by `K`.
///
/// # Errors
/// With the first thing that differs, that is not what it should be, or that is not sure: see [`DerivationError`].
pub fn check<K: Kzg>(
    input: &DerivationInput,
    range: &StatelessInputRef<'_>,
) -> Result<B256, DerivationError> {
    let config = &input.config;
    config.check()?;
    if range.chain.rules != Rules::Optimism(config.rules.clone()) {
        return Err(DerivationError::OtherRules);
    }
    if range.blocks.is_empty() {
        return Err(DerivationError::NoBlocks);
    }
    let l1 = L1::open::<K>(input)?;
    let (first, head) = match (l1.blocks.first(), l1.blocks.last()) {
        (Some(first), Some(head)) => (first.header.number, head),
        _ => return Err(DerivationError::L1Header { at: 0 }),
    };
    let parent = &range.parent;
    let (header, hash) = (parent.header(), parent.hash());
    let fork = config.fork_at(header.timestamp)?;
    // A fork's first block does not say all of L1's configuration: some of it has the values that the fork begins with.
    if config.rules.fork_at(header.timestamp.saturating_sub(config.rules.block_time)) != Some(fork) {
        return Err(DerivationError::ParentActivates { fork });
    }
    if ordered_trie_root_encoded(&input.parent_transactions) != header.transactions_root {
        return Err(DerivationError::ParentTransactions);
    }
    let attributes = of_block(header, input.parent_transactions.first().map_or(&[], |first| first))?;
    let expected = l1_start(config, attributes.number);
    if first != expected {
        return Err(DerivationError::L1Start { first, expected });
    }
    let origin = (attributes.number - first) as usize;
    let on_l1 = l1.blocks.get(origin).is_some_and(|block| block.hash == attributes.hash);
    if !on_l1 {
        return Err(DerivationError::OtherL1 { number: attributes.number, hash: attributes.hash });
    }
    let ancestors = Ancestors::open(&input.ancestors, header.parent_hash)?;
    // The batcher is known as of the parent's L1 block. Where that or one before it names one, a block of L2 from before says who sent
    // what until then.
    let (mut traversed, mut known) = (attributes.config, origin);
    for at in 1..=origin {
        if l1.names_batcher(config, at)? {
            let number = l1.blocks[at].header.number;
            let before = ancestors.before(number).filter(|before| before.number >= first);
            let before = before.ok_or(DerivationError::BatcherUnknown { number })?;
            (traversed, known) = (before.config, at - 1);
            break;
        }
    }
    let parent = Parent {
        block: Known { hash, attributes, transactions: &input.parent_transactions },
        before: header.parent_hash,
        time: header.timestamp,
        is_posted: false,
    };
    let mut stage = Stage {
        config,
        l1: &l1,
        ancestors,
        range,
        parent,
        done: 0,
        safe: Safe { hash, time: header.timestamp, sequence: attributes.sequence, origin },
        epoch: origin,
        system: attributes.config,
    };
    stage.run(traversed, known)?;
    if stage.is_done() {
        return Ok(head.hash);
    }
    let (derived, wanted) = (stage.done as u64, range.blocks.len() as u64);
    Err(DerivationError::NotYet { head: head.header.number, derived, wanted })
}

/// The block before the range.
struct Parent<'a> {
    block: Known<'a>,
    /// Hash of the block before it.
    before: B256,
    time: u64,
    /// A batch that may be its own was read.
    is_posted: bool,
}

/// The newest block that was derived.
struct Safe {
    hash: B256,
    time: u64,
    /// How many blocks of the same L1 block were before it.
    sequence: u64,
    /// The place of its L1 block.
    origin: usize,
}

/// Takes batches in the order of L1.
struct Stage<'a> {
    config: &'a RollupConfig,
    l1: &'a L1<'a>,
    ancestors: Ancestors<'a>,
    range: &'a StatelessInputRef<'a>,
    parent: Parent<'a>,
    /// So many blocks of the range were derived.
    done: usize,
    safe: Safe,
    /// The place of the L1 block on which the next block builds, or of the one before that.
    epoch: usize,
    /// As of the newest block's L1 block.
    system: SystemConfig,
}

impl Stage<'_> {
    fn is_done(&self) -> bool {
        self.done == self.range.blocks.len()
    }

    /// Reads L1 until the range is there. `traversed` is the configuration as of the L1 block that is read: from the one with place
    /// `known` on, and its batcher also before.
    fn run(&mut self, mut traversed: SystemConfig, known: usize) -> Result<(), DerivationError> {
        let (l1, start) = (self.l1, self.safe.origin);
        let mut bank = ChannelBank::default();
        for (at, block) in l1.blocks.iter().enumerate() {
            let number = block.header.number;
            if at > known {
                l1.configure(self.config, at, &mut traversed)?;
            }
            // The rules of Holocene hold by the time of the L1 block.
            self.config.fork_at(block.header.timestamp)?;
            for data in l1.data(self.config, at, traversed.batcher)? {
                let reason = |reason| DerivationError::Channel { number, reason };
                for frame in pruned(frames(&data)).map_err(reason)? {
                    let Some(channel) = bank.take(number, &frame) else { continue };
                    // What was posted up to the parent's L1 block has nothing that comes after the parent.
                    if at > start {
                        self.channel(at, &decompressed(&channel).map_err(reason)?)?;
                    }
                    if self.is_done() {
                        return Ok(());
                    }
                }
            }
            while at >= start && !self.is_done() && self.fill(at)? {}
            if self.is_done() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The batches of a channel that ends in the L1 block with place `at`, up to the first invalid one.
    fn channel(&mut self, at: usize, bytes: &[u8]) -> Result<(), DerivationError> {
        for batch in batches(bytes) {
            if self.is_done() {
                break;
            }
            let goes_on = match Batch::decode(batch, self.config.rules.chain_id, self.config.l2_genesis_time)
            {
                Ok(Batch::Single(batch)) => {
                    self.parent.is_posted |=
                        batch.timestamp == self.parent.time && batch.parent_hash == self.parent.before;
                    self.single(at, &batch, Some(batch.epoch_hash))?
                }
                Ok(Batch::Span(batch)) => {
                    let last = batch.last_time(self.config.rules.block_time);
                    self.parent.is_posted |= (batch.timestamp..=last).contains(&self.parent.time);
                    self.span(at, &batch)?
                }
                Err(Unread::NoBatch) => false,
                Err(Unread::Unusable) => {
                    return Err(DerivationError::Unusable { number: self.number(at) });
                }
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    fn next_time(&self) -> u64 {
        self.safe.time.saturating_add(self.config.rules.block_time)
    }

    fn number(&self, at: usize) -> u64 {
        self.l1.blocks[at].header.number
    }

    /// Whether the rest of the channel is of use.
    fn single(
        &mut self,
        at: usize,
        batch: &SingleBatch,
        epoch_hash: Option<B256>,
    ) -> Result<bool, DerivationError> {
        Ok(match self.judge(at, batch, epoch_hash)? {
            Verdict::Accept(origin) => {
                self.follows_parent(at)?;
                self.accept(origin, &batch.transactions)?;
                true
            }
            Verdict::Past => true,
            Verdict::Drop => false,
        })
    }

    /// Errors where the range's first block is posted before its parent is. Nodes that come from further back drop such a batch.
    fn follows_parent(&self, at: usize) -> Result<(), DerivationError> {
        let origin = self.parent.block.attributes.number;
        // Where nothing is posted for it, the parent is an empty block, which is there when its window is over.
        let is_empty = || self.number(at) > origin.saturating_add(self.config.seq_window_size);
        if self.done > 0 || self.parent.is_posted || is_empty() {
            return Ok(());
        }
        Err(DerivationError::ParentNotPosted { number: self.number(at) })
    }

    /// The blocks of a span, up to the first invalid one. Whether the rest of the channel is of use.
    fn span(&mut self, at: usize, span: &SpanBatch) -> Result<bool, DerivationError> {
        match self.judge_span(at, span)? {
            Verdict::Accept(_) => {}
            Verdict::Past => return Ok(true),
            Verdict::Drop => return Ok(false),
        }
        let mut timestamp = span.timestamp;
        for block in &span.blocks {
            if self.is_done() {
                break;
            }
            let batch = SingleBatch {
                parent_hash: self.safe.hash,
                epoch_number: block.epoch,
                epoch_hash: B256::ZERO,
                timestamp,
                transactions: block.transactions.clone(),
            };
            // Those that are there already are passed over.
            if timestamp > self.safe.time && !self.single(at, &batch, None)? {
                return Ok(false);
            }
            timestamp = timestamp.saturating_add(self.config.rules.block_time);
        }
        Ok(true)
    }

    /// Where the sequencing window of the next block is over, the block is empty (`protocol/derivation.md`, "Batch Queue": "Deriving
    /// Payload Attributes"). Whether anything changed.
    fn fill(&mut self, at: usize) -> Result<bool, DerivationError> {
        let over = self.number(self.epoch).saturating_add(self.config.seq_window_size) <= self.number(at);
        if !over || self.epoch == at {
            return Ok(false);
        }
        let is_first = self.epoch != self.safe.origin;
        if is_first || self.next_time() < self.l1.blocks[self.epoch + 1].header.timestamp {
            self.accept(self.epoch, &[])?;
        } else {
            self.epoch += 1;
        }
        Ok(true)
    }

    /// The next block is this one: that of the range must be the same.
    fn accept(&mut self, origin: usize, transactions: &[Bytes]) -> Result<(), DerivationError> {
        let Some(block) = self.range.blocks.get(self.done) else { return Ok(()) };
        if origin > self.safe.origin + 1 {
            return Err(DerivationError::Skips { block: self.number(self.safe.origin + 1) });
        }
        let (header, timestamp) = (block.header.header(), self.next_time());
        let fork = self.config.fork_at(timestamp)?;
        if self.config.fork_at(self.safe.time)? != fork {
            return Err(DerivationError::Activation { timestamp, fork });
        }
        let l1 = &self.l1.blocks[origin];
        let (mut sequence, mut deposits) = (self.safe.sequence + 1, Vec::new());
        if origin != self.safe.origin {
            sequence = 0;
            deposits = self.l1.deposits(self.config, origin)?;
            self.l1.configure(self.config, origin, &mut self.system)?;
        }
        let differs = |field| DerivationError::Differs { block: header.number, field };
        let attributes =
            attributes::transaction(self.config, fork, &self.system, (&l1.header, l1.hash), sequence);
        let mut expected = Vec::with_capacity(1 + deposits.len() + transactions.len());
        expected.extend(
            core::iter::once(attributes).chain(deposits).map(|deposit| Bytes::from(deposit.encoded_2718())),
        );
        let deposits = expected.len();
        expected.extend_from_slice(transactions);
        for (at, expected) in expected.iter().enumerate() {
            if block.transactions.get(at).is_none_or(|has| AsRef::<[u8]>::as_ref(has) != expected.as_ref()) {
                return Err(differs(match at {
                    0 => "L1 attributes",
                    at if at < deposits => "deposit",
                    _ => "transaction",
                }));
            }
        }
        if block.transactions.len() != expected.len() {
            return Err(differs("number of transactions"));
        }
        let l1_beacon_root = l1.header.parent_beacon_block_root.unwrap_or_default();
        for (field, is_same) in [
            ("timestamp", header.timestamp == timestamp),
            ("gas limit", header.gas_limit == self.system.gas_limit),
            ("randomness", header.mix_hash == l1.header.mix_hash),
            ("beacon root", header.parent_beacon_block_root == Some(l1_beacon_root)),
            ("extra data", header.extra_data == extra_data(self.config, fork, &self.system)),
        ] {
            if !is_same {
                return Err(differs(field));
            }
        }
        self.safe = Safe { hash: block.header.hash(), time: timestamp, sequence, origin };
        self.epoch = origin;
        self.done += 1;
        Ok(())
    }
}
