//! What L1 has of a range of an OP Stack chain: the input of its derivation.

use crate::{
    BuildError, Node,
    beacon::{self, Beacon},
    blocks::quantity,
    progress::{Phase, Progress},
};
use alloy_consensus::{
    EthereumTxEnvelope, Header, ReceiptEnvelope, Transaction, TxEip4844, transaction::SignerRecoverable,
};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, BloomInput, Bytes, Log, b256};
use alloy_rpc_types_eth::TransactionReceipt;
use alloy_trie::root::ordered_trie_root_encoded;
use futures::{StreamExt, TryStreamExt, stream};
use op_alloy_consensus::OpTxEnvelope;
use proofmill_derivation::{
    Ancestor, Arkworks, BlobData, DerivationError, DerivationInput, L1Block, RollupConfig, check, l1_start,
};
use proofmill_endpoints::Need;
use proofmill_stateless::{Block, StatelessInput, StatelessInputRef};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::spawn_blocking;

/// So many L1 blocks are added at a time, until the range is there.
const STEP: u64 = 6;
const RECEIPTS: &str = "eth_getBlockReceipts";
/// No span that nodes take has more blocks for each L1 block of the sequencing window. One that does would have all of L2's headers read.
const BLOCKS_PER_L1_BLOCK: u64 = 64;
/// keccak256 of `ConfigUpdate(uint256,uint8,bytes)`, by which the system configuration says what it changes.
const CONFIG_UPDATE: B256 = b256!("0x1d2b0bda21d56b8bd12d4f94ebacffdfb35f5e226f84b461103bb8beab6353be");

/// Where L1's data come from.
#[derive(Clone, Debug)]
pub struct L1Source {
    /// A node of L1.
    pub node: Node,
    /// A beacon node of L1, for batches in blobs.
    pub beacon: Option<Beacon>,
}

/// An L1 block as it was read.
struct Gathered {
    number: u64,
    timestamp: u64,
    block: L1Block,
}

/// Blobs of an L1 block.
struct Wanted {
    block: u64,
    timestamp: u64,
    hashes: Vec<B256>,
}

impl L1Source {
    /// Gathers what the derivation of a range takes, up to the first L1 blocks from which it follows, and derives it. `range` was
    /// executed; `l2` is a node that has the blocks before it. No block of L1 after `up_to` is read, where that is given.
    ///
    /// # Errors
    /// What L1 gives is another range, or is not there: see [`BuildError`].
    pub async fn derivation(
        &self,
        config: &RollupConfig,
        l2: &Node,
        range: &StatelessInput,
        up_to: Option<u64>,
        report: &(dyn Fn(Progress) + Sync),
    ) -> Result<DerivationInput, BuildError> {
        let parent = l2.inner.block(range.parent.number).await?;
        if parent.hash() != range.parent.hash_slow() {
            let (before, after) = (range.parent.hash_slow(), parent.hash());
            return Err(BuildError::Reorg { block: range.parent.number, before, after });
        }
        let parent = parent.into_inner();
        let Attributes { origin, batcher, .. } = Attributes::of(&parent)?;
        let head = self.node.head().await?;
        let head = up_to.map_or(head, |up_to| up_to.min(head));
        let first = l1_start(config, origin);
        if head < origin {
            let wanted = range.blocks.len() as u64;
            return Err(BuildError::NotDerived(DerivationError::NotYet { head, derived: 0, wanted }));
        }
        let mut input = DerivationInput {
            config: config.clone(),
            parent_transactions: parent.transactions,
            ancestors: Vec::new(),
            l1: Vec::new(),
            blobs: Vec::new(),
            blobs_proof: Bytes::new(),
        };
        let (mut known, mut proven) = (BTreeSet::new(), 0);
        let mut batchers = BTreeSet::from([batcher]);
        let (mut next, mut until) = (first, (origin + STEP).min(head));
        loop {
            let done = |number: u64| {
                report(Progress { phase: Phase::L1, done: number - first + 1, total: until - first + 1 });
            };
            let gathered: Vec<Gathered> = stream::iter(next..=until)
                .map(|number| self.gather(config, number))
                .buffered(self.node.inner.concurrency)
                .enumerate()
                .map(|(at, gathered)| {
                    done(next + at as u64);
                    gathered
                })
                .try_collect()
                .await?;
            let mut wanted = Vec::new();
            for Gathered { number, timestamp, block } in gathered {
                // A batcher is one from the block on that names it.
                batchers.extend(named_batchers(config, &block));
                let hashes = blobs_of(config, &batchers, &block);
                wanted.push(Wanted { block: number, timestamp, hashes });
                input.l1.push(block);
            }
            let blobs: Vec<Vec<BlobData>> = stream::iter(wanted)
                .map(|wanted| self.blobs(wanted))
                .buffered(self.node.inner.concurrency)
                .try_collect()
                .await?;
            let blobs = blobs.into_iter().flatten();
            input.blobs.extend(blobs.filter(|blob| known.insert(blob.versioned_hash())));
            if input.blobs.len() > proven {
                proven = input.blobs.len();
                input = with_proof(input).await?;
            }
            loop {
                match derive(&input, range).await? {
                    Ok(()) => return Ok(input),
                    Err(DerivationError::NotYet { .. }) if until < head => break,
                    Err(DerivationError::AncestorMissing { back, .. })
                        if is_near(config, back) && !has_ancestors(&input.ancestors, back) =>
                    {
                        add_ancestors(l2, &range.parent, back, &mut input.ancestors).await?;
                    }
                    Err(error @ DerivationError::BatcherUnknown { number }) => {
                        let before = last_before(l2, range.parent.number, number).await?;
                        let back = before.map_or(0, |block| range.parent.number - block);
                        if back == 0 || has_ancestor(&input.ancestors, back) {
                            return Err(BuildError::NotDerived(error));
                        }
                        add_headers(l2, &range.parent, back, &mut input.ancestors).await?;
                        add_transactions(l2, &range.parent, vec![back], &mut input.ancestors).await?;
                    }
                    Err(error) => return Err(BuildError::NotDerived(error)),
                }
            }
            (next, until) = (until + 1, (until + STEP).min(head));
        }
    }

    async fn gather(&self, config: &RollupConfig, number: u64) -> Result<Gathered, BuildError> {
        let (block, _) = self.node.inner.block(number).await?.into_parts();
        let bloom = block.header.logs_bloom;
        let wrote = |contract: &[u8]| bloom.contains_input(BloomInput::Raw(contract));
        let receipts = if wrote(config.deposit_contract.as_slice()) || wrote(config.system_config.as_slice())
        {
            Some(self.receipts(number, block.header.receipts_root).await?)
        } else {
            None
        };
        let timestamp = block.header.timestamp;
        let header = alloy_rlp::encode(&block.header).into();
        let block = L1Block { header, transactions: block.transactions, receipts };
        Ok(Gathered { number, timestamp, block })
    }

    async fn blobs(&self, wanted: Wanted) -> Result<Vec<BlobData>, BuildError> {
        let Wanted { block, timestamp, hashes } = wanted;
        match (&self.beacon, hashes.is_empty()) {
            (_, true) => Ok(Vec::new()),
            (Some(beacon), false) => {
                beacon.blobs(self.node.chain().chain_id, block, timestamp, &hashes).await
            }
            (None, false) => Err(BuildError::NoBeacon { block }),
        }
    }

    /// The receipts of a block in their encoding, which its header commits to.
    async fn receipts(&self, number: u64, root: B256) -> Result<Vec<Bytes>, BuildError> {
        let params = json!([quantity(number)]);
        let shown: Vec<TransactionReceipt> =
            self.node.inner.rpc.ask(Need::Block(number), RECEIPTS, params).await?;
        let encoded: Vec<Bytes> = shown.into_iter().map(|one| encoded(one.inner)).collect();
        if ordered_trie_root_encoded(&encoded) != root {
            return Err(BuildError::FalseBody { block: number, what: "receipts" });
        }
        Ok(encoded)
    }
}

/// The blobs that transactions of these batchers name in a block. Anybody may send blobs to the inbox, and each costs the guest as
/// much as one of the batcher's: derivation looks at the sender first, and asks for no other blobs than these.
fn blobs_of(config: &RollupConfig, batchers: &BTreeSet<Address>, block: &L1Block) -> Vec<B256> {
    let of_batcher = |raw: &Bytes| {
        let transaction = EthereumTxEnvelope::<TxEip4844>::decode_2718_exact(raw).ok()?;
        let hashes = transaction.blob_versioned_hashes()?;
        if transaction.to() != Some(config.batch_inbox) {
            return None;
        }
        let signer = transaction.recover_signer().ok()?;
        batchers.contains(&signer).then(|| hashes.to_vec())
    };
    block.transactions.iter().filter_map(of_batcher).flatten().collect()
}

/// The batchers that a block names. Derivation takes the last of them from this block on; a log that it refuses may count here.
fn named_batchers(config: &RollupConfig, block: &L1Block) -> Vec<Address> {
    let mut named = Vec::new();
    for raw in block.receipts.iter().flatten() {
        let Ok(receipt) = ReceiptEnvelope::<Log>::decode_2718_exact(raw) else { continue };
        for log in receipt.logs() {
            let topics = log.topics();
            // The third topic says what is changed: 0 is the batcher.
            let of_batcher = log.address == config.system_config
                && topics.first() == Some(&CONFIG_UPDATE)
                && topics.get(2).is_some_and(B256::is_zero);
            // Behind the offset and the length of a byte string, a word.
            let word = log.data.data.get(64..96).and_then(|word| word.first_chunk::<32>());
            if let Some(word) = word.filter(|_| of_batcher) {
                named.push(Address::from_word(word.into()));
            }
        }
    }
    named
}

fn encoded(shown: ReceiptEnvelope<alloy_rpc_types_eth::Log>) -> Bytes {
    let receipt: ReceiptEnvelope<Log> = shown.map_logs(|log| log.inner);
    receipt.encoded_2718().into()
}

/// Whether a span that begins so many blocks before the range can be one that nodes take.
fn is_near(config: &RollupConfig, back: u64) -> bool {
    back <= config.seq_window_size.saturating_mul(BLOCKS_PER_L1_BLOCK)
}

fn has_ancestor(ancestors: &[Ancestor], back: u64) -> bool {
    ancestors.get(back as usize - 1).is_some_and(|one| !one.transactions.is_empty())
}

fn has_ancestors(ancestors: &[Ancestor], back: u64) -> bool {
    (1..=back).all(|back| has_ancestor(ancestors, back))
}

/// Adds so many blocks before `parent`: a span must have what they have.
async fn add_ancestors(
    l2: &Node,
    parent: &Header,
    back: u64,
    ancestors: &mut Vec<Ancestor>,
) -> Result<(), BuildError> {
    add_headers(l2, parent, back, ancestors).await?;
    let missing = (1..=back).filter(|back| !has_ancestor(ancestors, *back)).collect();
    add_transactions(l2, parent, missing, ancestors).await
}

/// Adds the headers of so many blocks before `parent`.
async fn add_headers(
    l2: &Node,
    parent: &Header,
    back: u64,
    ancestors: &mut Vec<Ancestor>,
) -> Result<(), BuildError> {
    let headers = l2.inner.ancestors(parent.number.saturating_sub(back), parent).await?;
    for header in headers.iter().skip(ancestors.len()) {
        ancestors.push(Ancestor { header: alloy_rlp::encode(header).into(), transactions: Vec::new() });
    }
    Ok(())
}

/// Adds the transactions of blocks that are so many before `parent`.
async fn add_transactions(
    l2: &Node,
    parent: &Header,
    backs: Vec<u64>,
    ancestors: &mut [Ancestor],
) -> Result<(), BuildError> {
    let read = |back: u64| async move {
        let block = l2.inner.block(parent.number.saturating_sub(back)).await?;
        Ok::<_, BuildError>((back, block.into_inner().transactions))
    };
    let found: Vec<(u64, Vec<Bytes>)> =
        stream::iter(backs).map(read).buffered(l2.inner.concurrency).try_collect().await?;
    for (back, transactions) in found {
        if let Some(ancestor) = ancestors.get_mut(back as usize - 1) {
            ancestor.transactions = transactions;
        }
    }
    Ok(())
}

/// The newest block of L2 up to this one that follows an L1 block before that one; none where the chain begins later. Each block
/// says how many of the same L1 block were before it.
async fn last_before(l2: &Node, mut block: u64, l1_block: u64) -> Result<Option<u64>, BuildError> {
    while block > 0 {
        let Attributes { origin, sequence, .. } = Attributes::of(l2.inner.block(block).await?.inner())?;
        if origin < l1_block {
            return Ok(Some(block));
        }
        block = block.saturating_sub(sequence.saturating_add(1));
    }
    Ok(None)
}

/// What a block of L2 says of L1.
struct Attributes {
    /// The number of the L1 block that it follows.
    origin: u64,
    /// How many blocks of the same L1 block were before it.
    sequence: u64,
    /// The batcher as of that block.
    batcher: Address,
}

impl Attributes {
    /// From the call with which a block begins, in the form that all forks since Ecotone have (`l1-attributes.md`).
    fn of(block: &Block) -> Result<Self, BuildError> {
        let first = block.transactions.first().and_then(|raw| OpTxEnvelope::decode_2718_exact(raw).ok());
        let read = first.as_ref().and_then(|one| match one {
            OpTxEnvelope::Deposit(deposit) => {
                let number = deposit.input.get(28..36)?.first_chunk::<8>()?;
                let sequence = u64::from_be_bytes(*deposit.input.get(12..20)?.first_chunk::<8>()?);
                let batcher = deposit.input.get(132..164)?.first_chunk::<32>()?;
                let (origin, batcher) = (u64::from_be_bytes(*number), Address::from_word(batcher.into()));
                Some(Self { origin, sequence, batcher })
            }
            _ => None,
        });
        read.ok_or(BuildError::NoAttributes { block: block.header.number })
    }
}

/// The input with the proof of its blobs.
async fn with_proof(mut input: DerivationInput) -> Result<DerivationInput, BuildError> {
    let prove = move || {
        input.blobs_proof = beacon::proof(&input.blobs).unwrap_or_default();
        input
    };
    spawn_blocking(prove).await.map_err(|error| BuildError::Stopped(error.to_string()))
}

async fn derive(
    input: &DerivationInput,
    range: &StatelessInput,
) -> Result<Result<(), DerivationError>, BuildError> {
    let (input, range) = (input.clone(), range.encode());
    let derive = move || {
        let range = StatelessInputRef::decode(&range).map_err(|_| DerivationError::NoBlocks)?;
        check::<Arkworks>(&input, &range).map(drop)
    };
    spawn_blocking(derive).await.map_err(|error| BuildError::Stopped(error.to_string()))
}

impl L1Source {
    /// RLP of the headers of these L1 blocks, oldest first, each the parent of the next: what an aggregation takes.
    ///
    /// # Errors
    /// The node does not have them, or L1 changed meanwhile.
    pub async fn headers(&self, first: u64, last: u64) -> Result<Vec<Vec<u8>>, BuildError> {
        let headers: Vec<_> = stream::iter(first..=last)
            .map(|number| self.node.inner.header(number))
            .buffered(self.node.inner.concurrency)
            .try_collect()
            .await?;
        let mut encoded: Vec<Vec<u8>> = Vec::new();
        let mut before: Option<B256> = None;
        for header in headers {
            if let Some(before) = before.filter(|before| *before != header.parent_hash) {
                let (block, after) = (header.number.saturating_sub(1), header.parent_hash);
                return Err(BuildError::Reorg { block, before, after });
            }
            before = Some(header.hash());
            encoded.push(alloy_rlp::encode(header.inner()));
        }
        Ok(encoded)
    }
}

/// What blobs are kept by, while they are looked for.
pub(crate) fn by_hash(blobs: Vec<BlobData>) -> BTreeMap<B256, BlobData> {
    blobs.into_iter().map(|blob| (blob.versioned_hash(), blob)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_consensus::{Eip658Value, Receipt, SignableTransaction};
    use alloy_primitives::{Signature, U256};
    use proofmill_stateless::{OpFork, OpRules};

    fn config() -> RollupConfig {
        RollupConfig {
            rules: OpRules::for_fork(901, OpFork::Isthmus),
            l1_chain_id: 900,
            l1_blobs: Vec::new(),
            l1_genesis: 0,
            l2_genesis_time: 0,
            seq_window_size: 20,
            batch_inbox: Address::repeat_byte(1),
            deposit_contract: Address::repeat_byte(2),
            system_config: Address::repeat_byte(3),
        }
    }

    /// A transaction with one blob, and who sends it: with the same signature, each nonce is somebody else's.
    fn sent(to: Address, nonce: u64, blob: B256) -> (Bytes, Address) {
        let transaction =
            TxEip4844 { chain_id: 900, nonce, to, blob_versioned_hashes: vec![blob], ..Default::default() };
        let signed = transaction.into_signed(Signature::test_signature());
        let envelope = EthereumTxEnvelope::<TxEip4844>::Eip4844(signed);
        (envelope.encoded_2718().into(), envelope.recover_signer().unwrap())
    }

    fn block(transactions: Vec<Bytes>, logs: Vec<Log>) -> L1Block {
        let receipt = Receipt { status: Eip658Value::Eip658(true), cumulative_gas_used: 1, logs };
        let receipts = vec![Bytes::from(ReceiptEnvelope::Eip1559(receipt.with_bloom()).encoded_2718())];
        L1Block { header: Bytes::new(), transactions, receipts: Some(receipts) }
    }

    fn update(contract: Address, kind: u64, word: B256) -> Log {
        let topics = vec![CONFIG_UPDATE, B256::ZERO, U256::from(kind).into()];
        let word_of = |number: u64| U256::from(number).to_be_bytes::<32>();
        let data = [word_of(32), word_of(32), word.0].concat();
        Log::new_unchecked(contract, topics, data.into())
    }

    #[test]
    fn blobs_of_strangers_are_not_taken() {
        let config = config();
        let [ours, theirs, elsewhere] = [1, 2, 3].map(B256::repeat_byte);
        let (mine, batcher) = sent(config.batch_inbox, 1, ours);
        let (foreign, stranger) = sent(config.batch_inbox, 2, theirs);
        let (other, _) = sent(Address::repeat_byte(9), 1, elsewhere);
        assert_ne!(batcher, stranger);
        let block = block(vec![foreign, mine, other, Bytes::from_static(&[3, 1, 2])], Vec::new());
        assert_eq!(blobs_of(&config, &BTreeSet::from([batcher]), &block), [ours]);
        assert_eq!(blobs_of(&config, &BTreeSet::from([batcher, stranger]), &block), [theirs, ours]);
        assert!(blobs_of(&config, &BTreeSet::new(), &block).is_empty());
    }

    #[test]
    fn a_span_from_the_beginning_of_the_chain_is_not_looked_for() {
        let config = RollupConfig { seq_window_size: 3_600, ..config() };
        // Of a block each second, twelve hours.
        assert!(is_near(&config, 12 * 60 * 60) && !is_near(&config, 10_000_000));
    }

    #[test]
    fn a_batcher_is_one_from_the_block_on_that_names_it() {
        let config = config();
        let [first, last] = [7, 8].map(Address::repeat_byte);
        let logs = vec![
            update(config.system_config, 0, first.into_word()),
            // Another contract, another kind of change.
            update(config.deposit_contract, 0, Address::repeat_byte(5).into_word()),
            update(config.system_config, 2, Address::repeat_byte(6).into_word()),
            update(config.system_config, 0, last.into_word()),
        ];
        assert_eq!(named_batchers(&config, &block(Vec::new(), logs)), [first, last]);
        let unknown = L1Block { receipts: None, ..block(Vec::new(), Vec::new()) };
        assert!(named_batchers(&config, &unknown).is_empty());
    }
}
