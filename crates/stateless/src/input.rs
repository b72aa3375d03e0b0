//! What execution takes: a chain, a parent, blocks and a witness; and their binary form.

use crate::chain::ChainSpec;
use crate::codec::{Reader, Writer};
use crate::error::{DecodeError, HeaderRole};
use alloc::vec::Vec;
use alloy_consensus::{EthereumTxEnvelope, Header};
use alloy_eips::{Encodable2718, eip4895::Withdrawal};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::{Decodable, Encodable, length_of_length};

/// `PMSI` in ASCII: Proofmill stateless input.
const MARK: u32 = u32::from_le_bytes(*b"PMSI");
/// Raised with every change of the format.
const VERSION: u32 = 4;
/// In place of a count of withdrawals: the block has no such list.
const NO_WITHDRAWALS: u32 = u32::MAX;

/// A block: its header, its transactions as they stand in the block body, and its withdrawals.
///
/// Blocks after the merge have no ommers, so there is no place for them; a header that commits to some is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The header whose every field is checked.
    pub header: Header,
    /// EIP-2718 encodings: RLP for legacy transactions, type byte and payload for the others; blobs without sidecar.
    pub transactions: Vec<Bytes>,
    /// EIP-4895 withdrawals; every fork that this crate knows demands the list, which may be empty.
    pub withdrawals: Option<Vec<Withdrawal>>,
}

impl<T> From<alloy_consensus::Block<EthereumTxEnvelope<T>>> for Block
where
    EthereumTxEnvelope<T>: Encodable2718,
{
    fn from(block: alloy_consensus::Block<EthereumTxEnvelope<T>>) -> Self {
        Self {
            header: block.header,
            transactions: block.body.transactions.iter().map(|tx| tx.encoded_2718().into()).collect(),
            withdrawals: block.body.withdrawals.map(|withdrawals| withdrawals.0),
        }
    }
}

/// What execution reads of the state before the first block, merged over all blocks of the range.
///
/// [`execute`](crate::execute) wants each node as often as a new path meets it, each code once and none that goes unused,
/// so that a proven input has no byte without a meaning; [`minimise`](crate::minimise) reduces any sufficient witness to that form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// RLP of the nodes of the account trie and of storage tries. Best in the order in which execution walks through them
    /// first: each is then hashed just before it is read, and need not be looked up. Any other order gives the same, in a
    /// time that grows with the square of how far it is off.
    pub state: Vec<Bytes>,
    /// Contract codes that are run or read, in any order.
    pub codes: Vec<Bytes>,
    /// Ancestors for BLOCKHASH, newest first: the first is the parent's parent. Each gives the hash of the one after it,
    /// so the hash of block `n` takes the headers down to `n + 1`, and none when `n + 1` is the parent.
    pub headers: Vec<Header>,
}

#[cfg(feature = "std")]
impl Witness {
    /// Takes a node's answer to `debug_executionWitness`. `parent` is the header before the executed block: the answer's
    /// headers from it upwards are left out, the others put in order.
    ///
    /// Errors when one of the answer's headers is not RLP. Follow with [`minimise`](crate::minimise), because nodes send
    /// more than is needed.
    pub fn from_execution_witness(
        witness: &alloy_rpc_types_debug::ExecutionWitness,
        parent: &Header,
    ) -> Result<Self, DecodeError> {
        let mut headers = Vec::with_capacity(witness.headers.len());
        for (at, rlp) in witness.headers.iter().enumerate() {
            headers.push(decode_header(rlp, HeaderRole::Ancestor(at))?);
        }
        headers.retain(|header| header.number < parent.number);
        headers.sort_by_key(|header| core::cmp::Reverse(header.number));
        headers.dedup();
        Ok(Self { state: witness.state.clone(), codes: witness.codes.clone(), headers })
    }

    /// Adds another witness of the same pre-state or of a later block of the range. Follow with
    /// [`minimise`](crate::minimise), which drops what is there twice.
    pub fn merge(&mut self, other: Self) {
        self.state.extend(other.state);
        self.codes.extend(other.codes);
        self.headers.extend(other.headers);
        self.headers.sort_by_key(|header| core::cmp::Reverse(header.number));
        self.headers.dedup();
    }
}

/// Everything that is needed to execute a range of blocks, owned: what a host builds and encodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatelessInput {
    /// The rules.
    pub chain: ChainSpec,
    /// The header before the first block; its state root is the pre-state.
    pub parent: Header,
    /// The blocks, oldest first.
    pub blocks: Vec<Block>,
    /// What they read.
    pub witness: Witness,
}

impl StatelessInput {
    /// The binary form that [`StatelessInputRef::decode`] reads. The same input always gives the same bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u32(MARK);
        out.u32(VERSION);
        out.bytes(&self.chain.encode());
        out.bytes(&rlp(&self.parent));
        out.u32(self.blocks.len() as u32);
        for block in &self.blocks {
            out.bytes(&rlp(&block.header));
            out.list(&block.transactions);
            match &block.withdrawals {
                None => out.u32(NO_WITHDRAWALS),
                Some(withdrawals) => {
                    out.u32(withdrawals.len() as u32);
                    for withdrawal in withdrawals {
                        out.u64(withdrawal.index);
                        out.u64(withdrawal.validator_index);
                        out.raw(withdrawal.address.as_slice());
                        out.u64(withdrawal.amount);
                    }
                }
            }
        }
        out.list(&self.witness.state);
        out.list(&self.witness.codes);
        let headers: Vec<_> = self.witness.headers.iter().map(rlp).collect();
        out.list(&headers);
        out.finish()
    }
}

/// An input read from its binary form. Transactions, nodes and codes borrow from it.
#[derive(Clone, Debug)]
pub struct StatelessInputRef<'a> {
    /// The rules.
    pub chain: ChainSpec,
    /// The header before the first block.
    pub parent: HashedHeader,
    /// The blocks, oldest first.
    pub blocks: Vec<BlockRef<'a>>,
    /// What they read.
    pub witness: WitnessRef<'a>,
}

/// A header with the hash of the bytes it was read from.
#[derive(Clone, Debug)]
pub struct HashedHeader {
    header: Header,
    hash: B256,
    size: usize,
}

impl HashedHeader {
    fn read(rlp: &[u8], what: HeaderRole) -> Result<Self, DecodeError> {
        Ok(Self { header: decode_header(rlp, what)?, hash: keccak256(rlp), size: rlp.len() })
    }

    /// The fields.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The length of the header's RLP in bytes.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// keccak256 of the header's RLP.
    pub const fn hash(&self) -> B256 {
        self.hash
    }
}

/// A block of a [`StatelessInputRef`].
#[derive(Clone, Debug)]
pub struct BlockRef<'a> {
    /// The header.
    pub header: HashedHeader,
    /// EIP-2718 encodings.
    pub transactions: Vec<&'a [u8]>,
    /// EIP-4895 withdrawals.
    pub withdrawals: Option<Vec<Withdrawal>>,
}

impl BlockRef<'_> {
    /// The length in bytes of the block's RLP: a list of the header, the transactions, no ommers and the withdrawals.
    pub(crate) fn size(&self) -> usize {
        let list = |payload: usize| payload + length_of_length(payload);
        // A legacy transaction stands in the list as it is, a typed one as a string.
        let transaction = |raw: &&[u8]| match raw.first() {
            Some(0xc0..) => raw.len(),
            _ => raw.len() + length_of_length(raw.len()),
        };
        let transactions = self.transactions.iter().map(transaction).sum();
        let withdrawals =
            self.withdrawals.as_ref().map_or(0, |all| list(all.iter().map(Encodable::length).sum()));
        list(self.header.size() + list(transactions) + 1 + withdrawals)
    }
}

/// The witness of a [`StatelessInputRef`].
#[derive(Clone, Debug)]
pub struct WitnessRef<'a> {
    /// RLP of trie nodes.
    pub state: Vec<&'a [u8]>,
    /// Contract codes.
    pub codes: Vec<&'a [u8]>,
    /// Ancestors, newest first, beginning with the parent's parent.
    pub headers: Vec<HashedHeader>,
}

impl<'a> StatelessInputRef<'a> {
    /// Reads an encoded input. Checks its form only: [`execute`](crate::execute) checks what it says.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let found = input.u32()?;
        if found != MARK {
            return Err(DecodeError::NotAnInput { found });
        }
        let found = input.u32()?;
        if found != VERSION {
            return Err(DecodeError::Version { found, supported: VERSION });
        }
        let chain = ChainSpec::decode(input.bytes()?)?;
        let parent = HashedHeader::read(input.bytes()?, HeaderRole::Parent)?;
        // No header is shorter than 512 bytes: its bloom alone takes 259, its seven hashes 33 each.
        let count = input.count(512)?;
        let mut blocks = Vec::with_capacity(count);
        for at in 0..count {
            blocks.push(BlockRef {
                header: HashedHeader::read(input.bytes()?, HeaderRole::Block(at))?,
                transactions: input.list()?,
                withdrawals: decode_withdrawals(&mut input)?,
            });
        }
        let state = input.list()?;
        let codes = input.list()?;
        let headers = input.list()?;
        input.end()?;
        let headers =
            headers.iter().enumerate().map(|(at, rlp)| HashedHeader::read(rlp, HeaderRole::Ancestor(at)));
        let headers = headers.collect::<Result<_, _>>()?;
        Ok(Self { chain, parent, blocks, witness: WitnessRef { state, codes, headers } })
    }
}

fn decode_withdrawals(input: &mut Reader<'_>) -> Result<Option<Vec<Withdrawal>>, DecodeError> {
    let Some(count) = input.count_unless(NO_WITHDRAWALS, 44)? else { return Ok(None) };
    let mut withdrawals = Vec::with_capacity(count);
    for _ in 0..count {
        withdrawals.push(Withdrawal {
            index: input.u64()?,
            validator_index: input.u64()?,
            address: Address::from_slice(input.raw(20)?),
            amount: input.u64()?,
        });
    }
    Ok(Some(withdrawals))
}

fn rlp(header: &Header) -> Vec<u8> {
    let mut out = Vec::with_capacity(640);
    header.encode(&mut out);
    out
}

fn decode_header(mut rlp: &[u8], what: HeaderRole) -> Result<Header, DecodeError> {
    let header = Header::decode(&mut rlp).map_err(|reason| DecodeError::Header { what, reason })?;
    if !rlp.is_empty() {
        return Err(DecodeError::Header { what, reason: alloy_rlp::Error::UnexpectedLength });
    }
    Ok(header)
}
