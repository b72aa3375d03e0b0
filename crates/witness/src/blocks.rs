//! Blocks and headers from a node, checked against their hashes.

use crate::{
    BuildError, header,
    json::{self, Object, fixed, number},
    node::Inner,
    rpc::{self, About, Fault},
    transaction::{self, Unread},
};
use alloy_consensus::{Header, Sealable, Sealed};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256};
use alloy_trie::{EMPTY_ROOT_HASH, root::ordered_trie_root_encoded};
use futures::{StreamExt, TryStreamExt, stream};
use op_alloy_consensus::DEPOSIT_TX_TYPE_ID;
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
const BY_HASH: &str = "eth_getBlockByHash";
const FULL: &str = "block";

impl Inner {
    /// The header that a tag names, its hash computed from its fields.
    pub(crate) async fn header_by_tag(&self, tag: &str) -> Result<Option<Sealed<Header>>, BuildError> {
        let answer: Option<Box<RawValue>> = self.rpc.ask(Need::Head, BY_NUMBER, json!([tag, false])).await?;
        answer.map(|answer| sealed_header(answer.get(), None)).transpose()
    }

    /// The number of the block with this hash, which must be on the chain that the node follows.
    pub(crate) async fn number_of(&self, hash: B256) -> Result<u64, BuildError> {
        let answer: Option<Box<RawValue>> = self.rpc.ask(Need::Seen, BY_HASH, json!([hash, false])).await?;
        let number = sealed_header(answer.ok_or(BuildError::UnknownHash { hash })?.get(), None)?.number;
        // Clients keep blocks of branches that are gone, and show them by their hashes (go-ethereum).
        let there = self.header(number).await?;
        if there.hash() == hash { Ok(number) } else { Err(BuildError::UnknownHash { hash }) }
    }

    /// The header with this number, which must be there.
    pub(crate) async fn header(&self, number: u64) -> Result<Sealed<Header>, BuildError> {
        self.numbered(number, false, |answer| sealed_header(answer, Some(number))).await
    }

    /// What `read` makes of what an endpoint shows of the block with this number, which must be there.
    async fn numbered<T>(
        &self,
        number: u64,
        transactions: bool,
        mut read: impl FnMut(&str) -> Result<T, BuildError>,
    ) -> Result<T, BuildError> {
        let params = json!([quantity(number), transactions]);
        let read = |answer: &str| if answer == "null" { Ok(None) } else { read(answer).map(Some) };
        match self.rpc.tried(Need::Block(number), BY_NUMBER, params, read).await {
            Ok(Some(read)) => return Ok(read),
            Ok(None) => {}
            Err(rpc::Unread::Rejected(error)) => return Err(error),
            Err(rpc::Unread::Fault(Fault::NoHistory(reason) | Fault::Expired(reason))) => {
                return Err(BuildError::Expired { block: number, reason });
            }
            Err(rpc::Unread::Fault(Fault::Refused(reason) | Fault::UnknownBlock(reason)))
                if is_expired(&reason) =>
            {
                return Err(BuildError::Expired { block: number, reason });
            }
            Err(rpc::Unread::Fault(fault)) => return Err(fault.error(BY_NUMBER, None)),
        }
        let head = self.head().await?;
        Err(if head < number {
            BuildError::Lags { block: number, head }
        } else {
            let reason = format!("it shows none, although its head is {head}");
            BuildError::Expired { block: number, reason }
        })
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
            .and_then(|text| sealed_header(&text, Some(parent_number)).ok())
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

    pub(crate) async fn block(&self, number: u64) -> Result<Sealed<Block>, BuildError> {
        self.numbered(number, true, |answer| {
            let block = block(answer, number)?;
            self.cache.put(block.hash(), FULL, answer);
            Ok(block)
        })
        .await
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
        self.numbered(number, false, |answer| {
            let header = sealed_header(answer, Some(number))?;
            self.cache.put(header.hash(), "header", answer);
            Ok(header)
        })
        .await
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

/// Whether a node says that it has given a block up (EIP-4444): geth, reth and Nethermind by the code 4444, Erigon and
/// hosted providers in words.
fn is_expired(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    ["code 4444", "code -32701", "pruned", "pruning", "expired", "history unavailable", "archive request"]
        .iter()
        .any(|words| reason.contains(words))
}

pub(crate) fn quantity(number: u64) -> String {
    format!("{number:#x}")
}

fn malformed(reason: String) -> BuildError {
    BuildError::Malformed { method: BY_NUMBER, reason }
}

/// The header that a node shows, checked against the hash that it gives to it.
pub(crate) fn sealed_header(text: &str, wanted: Option<u64>) -> Result<Sealed<Header>, BuildError> {
    checked_header(&Object::read(text).map_err(malformed)?, wanted)
}

fn checked_header(shown: &Object<'_>, wanted: Option<u64>) -> Result<Sealed<Header>, BuildError> {
    let claimed = header::claimed(shown).map_err(malformed)?;
    let header = header::header(shown).map_err(malformed)?;
    if let Some(wanted) = wanted.filter(|wanted| *wanted != header.number) {
        return Err(BuildError::OtherBlock { wanted, got: header.number });
    }
    let computed = header.hash_slow();
    match claimed {
        Some(claimed) if claimed != computed => {
            Err(BuildError::FalseHeader { block: header.number, claimed, computed })
        }
        _ => Ok(header.seal_unchecked(computed)),
    }
}

/// The block that a node shows, checked against its header.
pub(crate) fn block(text: &str, number: u64) -> Result<Sealed<Block>, BuildError> {
    let shown = Object::read(text).map_err(malformed)?;
    let (header, hash) = checked_header(&shown, Some(number))?.into_parts();
    let mut transactions = Vec::new();
    for (at, raw) in shown.required(&["transactions"], json::list).map_err(malformed)?.into_iter().enumerate()
    {
        transactions.push(transaction::encoded(raw).map_err(|unread| match unread {
            Unread::Unsupported(reason) => BuildError::UnsupportedBlock { block: number, reason },
            Unread::Member(reason) => malformed(format!("transaction {at} of block {number}: {reason}")),
        })?);
    }
    if ordered_trie_root_encoded(&transactions) != header.transactions_root {
        return Err(BuildError::FalseBody { block: number, what: "transactions" });
    }
    // Blocks of the OP Stack begin with a deposit, and have no withdrawals. From Isthmus on the field has the root of the message
    // passer's storage (`protocol/isthmus/exec-engine.md`), which execution checks.
    let of_optimism = transactions.first().is_some_and(|raw| raw.first() == Some(&DEPOSIT_TX_TYPE_ID));
    let withdrawals = shown
        .optional(&["withdrawals"], |items| {
            json::list(items)?.into_iter().map(withdrawal).collect::<Result<Vec<_>, _>>()
        })
        .map_err(malformed)?
        // Some leave an empty list out.
        .or_else(|| (of_optimism || header.withdrawals_root == Some(EMPTY_ROOT_HASH)).then(Vec::new));
    let root = withdrawals.as_ref().map(|list| alloy_consensus::proofs::calculate_withdrawals_root(list));
    let is_right = if of_optimism {
        root == Some(EMPTY_ROOT_HASH) && header.withdrawals_root.is_some()
    } else {
        root == header.withdrawals_root
    };
    if !is_right {
        return Err(BuildError::FalseBody { block: number, what: "withdrawals" });
    }
    Ok(Sealed::new_unchecked(Block { header, transactions, withdrawals }, hash))
}

fn withdrawal(raw: &RawValue) -> Result<Withdrawal, String> {
    let shown = Object::read(raw.get())?;
    Ok(Withdrawal {
        index: shown.required(&["index"], number)?,
        validator_index: shown.required(&["validatorindex"], number)?,
        address: shown.required(&["address"], fixed::<20>).map(Address)?,
        amount: shown.required(&["amount"], number)?,
    })
}
