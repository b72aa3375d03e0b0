//! Blocks and headers from a node, checked against their hashes.

use crate::{
    BuildError,
    node::Inner,
    rpc::{About, parse},
};
use alloy_consensus::{EthereumTxEnvelope, Header, Sealable, Sealed, Signed, TxEip4844, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_eth::{Block as RpcBlock, Header as RpcHeader, Transaction};
use alloy_trie::root::ordered_trie_root_encoded;
use futures::{StreamExt, TryStreamExt, stream};
use proofmill_endpoints::Need;
use proofmill_primitives::BlockRange;
use proofmill_stateless::Block;
use serde_json::{json, value::RawValue};

/// A range's blocks and the header before them, linked by their parent hashes.
#[derive(Clone, Debug)]
pub(crate) struct LinkedBlocks {
    pub(crate) parent: Sealed<Header>,
    pub(crate) blocks: Vec<Sealed<Block>>,
}

impl LinkedBlocks {
    /// The header of the state that block `at` of the range is executed on.
    pub(crate) fn before(&self, at: usize) -> StateAt {
        match at.checked_sub(1) {
            None => StateAt::of(&self.parent, self.parent.hash()),
            Some(at) => self.after(at),
        }
    }

    /// The header of the state that block `at` of the range leaves.
    pub(crate) fn after(&self, at: usize) -> StateAt {
        StateAt::of(&self.blocks[at].header, self.blocks[at].hash())
    }

    pub(crate) fn last(&self) -> About {
        match self.blocks.last() {
            Some(block) => About { block: block.header.number, hash: block.hash() },
            None => About { block: self.parent.number, hash: self.parent.hash() },
        }
    }
}

/// A state, by the block that left it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StateAt {
    pub(crate) block: u64,
    pub(crate) hash: B256,
    pub(crate) root: B256,
}

impl StateAt {
    fn of(header: &Header, hash: B256) -> Self {
        Self { block: header.number, hash, root: header.state_root }
    }

    pub(crate) const fn about(self) -> About {
        About { block: self.block, hash: self.hash }
    }
}

const BY_NUMBER: &str = "eth_getBlockByNumber";
const FULL: &str = "block";

impl Inner {
    /// A header by number (in hexadecimal) or tag, its hash computed from its fields.
    pub(crate) async fn header_by_tag(&self, tag: &str) -> Result<Option<Sealed<Header>>, BuildError> {
        let answer: Option<Box<RawValue>> = self.rpc.ask(Need::Head, BY_NUMBER, json!([tag, false])).await?;
        answer.map(|answer| header(answer.get(), None)).transpose()
    }

    /// The header with this number, which must be there.
    pub(crate) async fn header(&self, number: u64) -> Result<Sealed<Header>, BuildError> {
        let answer: Option<Box<RawValue>> =
            self.rpc.ask(Need::Block(number), BY_NUMBER, json!([quantity(number), false])).await?;
        match answer {
            Some(answer) => header(answer.get(), Some(number)),
            None => Err(BuildError::Lags { block: number, head: self.head().await? }),
        }
    }

    /// The range's blocks and their parent. Takes those that the cache has by following parent hashes from the last one,
    /// and asks the node for the others.
    pub(crate) async fn linked_blocks(
        &self,
        range: BlockRange,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<LinkedBlocks, BuildError> {
        if range.first() == 0 {
            return Err(BuildError::Genesis);
        }
        let last = match self.header(range.last()).await {
            Err(BuildError::Lags { head, .. }) if head < range.first() => {
                return Err(BuildError::BeyondHead { range, head });
            }
            last => last?,
        };
        let mut cached = Vec::new();
        let mut wanted = last.hash();
        let mut number = range.last();
        while number >= range.first()
            && let Some(block) = self.cache.get(wanted, FULL).and_then(|text| block(&text, number).ok())
            && block.hash() == wanted
        {
            wanted = block.header.parent_hash;
            cached.push(block);
            number -= 1;
            progress(cached.len() as u64);
        }
        let done = cached.len() as u64;
        let mut blocks: Vec<Sealed<Block>> = stream::iter(range.first()..=number)
            .map(|number| self.block(number))
            .buffered(self.concurrency)
            .enumerate()
            .map(|(at, block)| {
                progress(done + at as u64 + 1);
                block
            })
            .try_collect()
            .await?;
        blocks.extend(cached.into_iter().rev());
        let parent_number = range.first() - 1;
        let expected = blocks.first().map_or(wanted, |block| block.header.parent_hash);
        let parent = match self
            .cache
            .get(expected, "header")
            .and_then(|text| header(&text, Some(parent_number)).ok())
            .filter(|header| header.hash() == expected)
        {
            Some(parent) => parent,
            None => self.header_to_keep(parent_number).await?,
        };
        // Each block must be the parent of the next: where one is not, the chain changed between two requests.
        let mut before = (parent_number, parent.hash());
        for block in &blocks {
            if block.header.parent_hash != before.1 {
                return Err(BuildError::Reorg {
                    block: before.0,
                    before: before.1,
                    after: block.header.parent_hash,
                });
            }
            before = (block.header.number, block.hash());
        }
        if before.1 != last.hash() {
            return Err(BuildError::Reorg { block: before.0, before: last.hash(), after: before.1 });
        }
        Ok(LinkedBlocks { parent, blocks })
    }

    async fn block(&self, number: u64) -> Result<Sealed<Block>, BuildError> {
        let answer: Option<Box<RawValue>> =
            self.rpc.ask(Need::Block(number), BY_NUMBER, json!([quantity(number), true])).await?;
        let Some(answer) = answer else {
            return Err(BuildError::Lags { block: number, head: self.head().await? });
        };
        let block = block(answer.get(), number)?;
        self.cache.put(block.hash(), FULL, answer.get());
        Ok(block)
    }

    /// The headers from `number` up to, and without, `child`, newest first and linked to it.
    pub(crate) async fn ancestors(&self, number: u64, child: &Header) -> Result<Vec<Header>, BuildError> {
        let fetched: Vec<Sealed<Header>> = stream::iter((number..child.number).rev())
            .map(|number| self.header_to_keep(number))
            .buffered(self.concurrency)
            .try_collect()
            .await?;
        let mut expected = child.parent_hash;
        for header in &fetched {
            if header.hash() != expected {
                return Err(BuildError::Reorg {
                    block: header.number,
                    before: expected,
                    after: header.hash(),
                });
            }
            expected = header.parent_hash;
        }
        Ok(fetched.into_iter().map(Sealed::into_inner).collect())
    }

    async fn header_to_keep(&self, number: u64) -> Result<Sealed<Header>, BuildError> {
        let answer: Option<Box<RawValue>> =
            self.rpc.ask(Need::Block(number), BY_NUMBER, json!([quantity(number), false])).await?;
        let Some(answer) = answer else {
            return Err(BuildError::Lags { block: number, head: self.head().await? });
        };
        let header = header(answer.get(), Some(number))?;
        self.cache.put(header.hash(), "header", answer.get());
        Ok(header)
    }

    /// Errors when the chain no longer has this block.
    pub(crate) async fn check_canonical(&self, expected: About) -> Result<(), BuildError> {
        let after = self.header(expected.block).await?.hash();
        if after == expected.hash {
            return Ok(());
        }
        Err(BuildError::Reorg { block: expected.block, before: expected.hash, after })
    }
}

/// A transaction as a block's body holds it. anvil shows blob transactions with their sidecars, which are no part of it.
fn in_body(transaction: &TxEnvelope) -> Bytes {
    match transaction {
        TxEnvelope::Eip4844(signed) => {
            let body = Signed::new_unchecked(signed.tx().tx().clone(), *signed.signature(), *signed.hash());
            EthereumTxEnvelope::<TxEip4844>::Eip4844(body).encoded_2718().into()
        }
        transaction => transaction.encoded_2718().into(),
    }
}

pub(crate) fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

fn header(text: &str, number: Option<u64>) -> Result<Sealed<Header>, BuildError> {
    let header: RpcHeader = parse(BY_NUMBER, text)?;
    check_header(&header, number)?;
    Ok(header.inner.seal_unchecked(header.hash))
}

fn check_header(header: &RpcHeader, wanted: Option<u64>) -> Result<(), BuildError> {
    if let Some(wanted) = wanted.filter(|wanted| *wanted != header.number) {
        return Err(BuildError::OtherBlock { wanted, got: header.number });
    }
    let computed = header.inner.hash_slow();
    if computed != header.hash {
        return Err(BuildError::FalseHeader { block: header.number, claimed: header.hash, computed });
    }
    Ok(())
}

fn block(text: &str, number: u64) -> Result<Sealed<Block>, BuildError> {
    // A block whose header can be read, but whose transactions cannot, is of another kind of chain.
    let block: RpcBlock<Transaction> =
        serde_json::from_str(text).map_err(|error| match header(text, Some(number)) {
            Ok(_) => BuildError::UnsupportedBlock {
                block: number,
                reason: format!("a transaction is of an unknown type ({error})"),
            },
            Err(error) => error,
        })?;
    check_header(&block.header, Some(number))?;
    let transactions: Vec<_> = block
        .transactions
        .into_transactions()
        .map(|transaction| in_body(transaction.inner.inner()))
        .collect();
    let (header, hash) = (block.header.inner, block.header.hash);
    if ordered_trie_root_encoded(&transactions) != header.transactions_root {
        return Err(BuildError::FalseBody { block: number, what: "transactions" });
    }
    let withdrawals = block.withdrawals.map(|withdrawals| withdrawals.0);
    let root = withdrawals.as_ref().map(|list| alloy_consensus::proofs::calculate_withdrawals_root(list));
    if root != header.withdrawals_root {
        return Err(BuildError::FalseBody { block: number, what: "withdrawals" });
    }
    Ok(Sealed::new_unchecked(Block { header, transactions, withdrawals }, hash))
}
