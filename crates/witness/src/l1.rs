//! What L1 has of a range of an OP Stack chain: the input of its derivation.

use crate::{
    BuildError, Node,
    beacon::{self, Beacon},
    blocks::quantity,
    progress::{Phase, Progress},
};
use alloy_consensus::{EthereumTxEnvelope, Header, ReceiptEnvelope, Transaction, TxEip4844};
use alloy_eips::{Decodable2718, Encodable2718};
use alloy_primitives::{B256, BloomInput, Bytes, Log};
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

/// Where L1's data come from.
#[derive(Clone, Debug)]
pub struct L1Source {
    /// A node of L1.
    pub node: Node,
    /// A beacon node of L1, for batches in blobs.
    pub beacon: Option<Beacon>,
}

/// An L1 block, and what it has beside.
struct Gathered {
    block: L1Block,
    blobs: Vec<BlobData>,
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
        let origin = l1_origin(&parent)?;
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
            for Gathered { block, blobs } in gathered {
                input.l1.push(block);
                input.blobs.extend(blobs.into_iter().filter(|blob| known.insert(blob.versioned_hash())));
            }
            if input.blobs.len() > proven {
                proven = input.blobs.len();
                input = with_proof(input).await?;
            }
            loop {
                match derive(&input, range).await? {
                    Ok(()) => return Ok(input),
                    Err(DerivationError::NotYet { .. }) if until < head => break,
                    Err(DerivationError::AncestorMissing { back, .. })
                        if !has_ancestor(&input.ancestors, back) =>
                    {
                        add_ancestors(l2, &range.parent, back, &mut input.ancestors).await?;
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
        let of_blobs = |raw: &Bytes| {
            let transaction = EthereumTxEnvelope::<TxEip4844>::decode_2718_exact(raw).ok()?;
            let hashes = transaction.blob_versioned_hashes()?;
            (transaction.to() == Some(config.batch_inbox)).then(|| hashes.to_vec())
        };
        let wanted: Vec<B256> = block.transactions.iter().filter_map(of_blobs).flatten().collect();
        let blobs = match (&self.beacon, wanted.is_empty()) {
            (_, true) => Vec::new(),
            (Some(beacon), false) => beacon.blobs(number, block.header.timestamp, &wanted).await?,
            (None, false) => return Err(BuildError::NoBeacon { block: number }),
        };
        let header = alloy_rlp::encode(&block.header).into();
        Ok(Gathered { block: L1Block { header, transactions: block.transactions, receipts }, blobs })
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

fn encoded(shown: ReceiptEnvelope<alloy_rpc_types_eth::Log>) -> Bytes {
    let receipt: ReceiptEnvelope<Log> = shown.map_logs(|log| log.inner);
    receipt.encoded_2718().into()
}

fn has_ancestor(ancestors: &[Ancestor], back: u64) -> bool {
    ancestors.get(back as usize - 1).is_some_and(|one| !one.transactions.is_empty())
}

/// Adds the headers of so many blocks before `parent`, and the transactions of the oldest of them.
async fn add_ancestors(
    l2: &Node,
    parent: &Header,
    back: u64,
    ancestors: &mut Vec<Ancestor>,
) -> Result<(), BuildError> {
    let oldest = parent.number.saturating_sub(back);
    let headers = l2.inner.ancestors(oldest, parent).await?;
    for header in headers.iter().skip(ancestors.len()) {
        ancestors.push(Ancestor { header: alloy_rlp::encode(header).into(), transactions: Vec::new() });
    }
    let block = l2.inner.block(oldest).await?.into_inner();
    if let Some(ancestor) = ancestors.get_mut(back as usize - 1) {
        ancestor.transactions = block.transactions;
    }
    Ok(())
}

/// The number of the L1 block that a block of L2 follows: from the call with which it begins, in the form that all forks since Ecotone
/// have (`l1-attributes.md`).
fn l1_origin(block: &Block) -> Result<u64, BuildError> {
    let attributes = block.transactions.first().and_then(|raw| OpTxEnvelope::decode_2718_exact(raw).ok());
    let number = attributes.as_ref().and_then(|one| match one {
        OpTxEnvelope::Deposit(deposit) => deposit.input.get(28..36)?.first_chunk::<8>().copied(),
        _ => None,
    });
    number.map(u64::from_be_bytes).ok_or(BuildError::NoAttributes { block: block.header.number })
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
