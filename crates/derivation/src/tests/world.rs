//! An L1 with a batcher, a portal and a configuration, and the blocks of L2 that follow from it: written down by the tests, from
//! the specifications' tables and not by the code that is tested.

use super::blobs::proof;
use super::encode::{abi, frames, raw, rlp, single, transaction, word, zlib};
use crate::{Ancestor, Arkworks, BlobData, DerivationError, DerivationInput, L1Block, RollupConfig, check};
use alloy_consensus::{
    Eip658Value, Header, Receipt, ReceiptEnvelope, SignableTransaction, TxEip1559, TxEip2930, TxEnvelope,
    TxLegacy,
};
use alloy_eips::{
    Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7840::BlobParams,
};
use alloy_primitives::{
    Address, B256, Bloom, Bytes, Log, LogData, Signature, TxKind, U256, address, keccak256, logs_bloom,
};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_trie::root::ordered_trie_root_encoded;
use op_alloy_consensus::TxDeposit;
use proofmill_stateless::{
    BlobActivation, Block, ChainSpec, OpFork, OpRules, StatelessInput, StatelessInputRef, Witness,
};

pub(crate) const INBOX: Address = address!("0xff00000000000000000000000000000000000901");
pub(crate) const PORTAL: Address = address!("0x1111111111111111111111111111111111111111");
pub(crate) const SYSTEM: Address = address!("0x2222222222222222222222222222222222222222");
/// The first L1 block.
pub(crate) const L1_FIRST: u64 = 1_000;
/// Its time.
const L1_TIME: u64 = 1_000_000;
/// L2's genesis time.
pub(crate) const GENESIS: u64 = 900_000;
pub(crate) const L1_BLOCK_TIME: u64 = 12;

/// How far L1's price of blobs is: its excess.
const EXCESS_BLOB_GAS: u64 = 40_000_000;

/// The account with this number.
pub(crate) fn key(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(number)).unwrap()
}

pub(crate) fn signed<T: SignableTransaction<Signature>>(number: u8, transaction: T) -> Bytes
where
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signature = key(number).sign_hash_sync(&transaction.signature_hash()).unwrap();
    raw(&TxEnvelope::from(transaction.into_signed(signature)))
}

/// A transaction of a user of L2, of any of the types.
pub(crate) fn user(nonce: u64) -> Bytes {
    let (to, input) = (Address::repeat_byte(nonce as u8), Bytes::from(vec![7; nonce as usize % 90]));
    let value = U256::from(nonce) * U256::from(1_000_000_007);
    match nonce % 4 {
        0 => {
            let chain_id = nonce.is_multiple_of(8).then_some(901);
            let one =
                TxLegacy { chain_id, nonce, gas_price: 9, gas_limit: 30_000, to: to.into(), value, input };
            signed(5, one)
        }
        1 => {
            let access_list =
                AccessList(vec![AccessListItem { address: to, storage_keys: vec![B256::repeat_byte(1)] }]);
            let (gas_price, gas_limit) = (10, 31_000);
            signed(
                5,
                TxEip2930 {
                    chain_id: 901,
                    nonce,
                    gas_price,
                    gas_limit,
                    to: TxKind::Create,
                    value,
                    access_list,
                    input,
                },
            )
        }
        _ => signed(
            5,
            TxEip1559 {
                chain_id: 901,
                nonce,
                gas_limit: 21_000 + nonce,
                max_fee_per_gas: 1_000 + u128::from(nonce),
                max_priority_fee_per_gas: 3,
                to: to.into(),
                value,
                access_list: AccessList::default(),
                input,
            },
        ),
    }
}

/// What L1 said of the chain, as the tests know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) batcher: u8,
    pub(crate) scalars: (u32, u32),
    pub(crate) gas_limit: u64,
    pub(crate) params: (u32, u32),
    pub(crate) operator: (u32, u64),
    pub(crate) least: u64,
    pub(crate) footprint: u16,
}

/// Both chains, as far as they are.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) fork: OpFork,
    pub(crate) config: RollupConfig,
    pub(crate) l1: Vec<(Header, L1Block)>,
    pub(crate) blobs: Vec<BlobData>,
    pub(crate) parent: Block,
    pub(crate) blocks: Vec<Block>,
    pub(crate) said: Said,
    /// Place of the newest block's L1 block, and how many are of it.
    pub(crate) at: (usize, u64),
    pub(crate) nonces: u64,
    /// Blocks before the parent, the newest first.
    pub(crate) ancestors: Vec<Ancestor>,
    /// The first L1 block after the parent's has the parent's batch.
    pub(crate) parent_is_posted: bool,
}

impl World {
    /// Four L1 blocks; the parent of the range is the third block of the last of them.
    pub(crate) fn new(fork: OpFork) -> Self {
        let config = RollupConfig {
            rules: OpRules::for_fork(901, fork),
            l1_chain_id: 900,
            l1_blobs: vec![BlobActivation { timestamp: 0, params: BlobParams::prague() }],
            l1_genesis: L1_FIRST,
            l2_genesis_time: GENESIS,
            seq_window_size: 20,
            batch_inbox: INBOX,
            deposit_contract: PORTAL,
            system_config: SYSTEM,
        };
        let said = Said {
            batcher: 1,
            scalars: (1_368, 810_949),
            gas_limit: 60_000_000,
            params: (250, 6),
            operator: if fork >= OpFork::Isthmus { (77, 5_000) } else { (0, 0) },
            least: if fork >= OpFork::Jovian { 1_000 } else { 0 },
            footprint: if fork >= OpFork::Jovian { 400 } else { 0 },
        };
        let empty = Block { header: Header::default(), transactions: Vec::new(), withdrawals: None };
        let mut world = Self {
            fork,
            config,
            l1: Vec::new(),
            blobs: Vec::new(),
            parent: empty.clone(),
            blocks: Vec::new(),
            said,
            at: (3, 1),
            nonces: 0,
            ancestors: Vec::new(),
            parent_is_posted: true,
        };
        (0..4).for_each(|_| world.mine(Vec::new(), Vec::new()));
        let before = Header { number: 9, timestamp: L1_TIME + 3 * L1_BLOCK_TIME + 6, ..Default::default() };
        world.parent = Block { header: before, ..empty };
        world.parent = world.next(3, Vec::new(), Vec::new());
        world
    }

    /// An L1 block with these transactions and logs.
    pub(crate) fn mine(&mut self, mut transactions: Vec<Bytes>, logs: Vec<Log>) {
        if self.l1.len() == 4 && self.parent_is_posted {
            let Header { parent_hash, timestamp, .. } = self.parent.header;
            let batch = single(parent_hash, self.epoch(3), timestamp, &[]);
            let input = transaction(&frames(0xee, &zlib(&rlp(&[batch])), usize::MAX)).into();
            transactions.insert(
                0,
                signed(1, TxEip1559 { chain_id: 900, to: INBOX.into(), input, ..Default::default() }),
            );
        }
        let number = L1_FIRST + self.l1.len() as u64;
        let bloom: Bloom = logs_bloom(&logs);
        let receipt = Receipt { status: Eip658Value::Eip658(true), cumulative_gas_used: 1, logs };
        let receipts: Vec<Bytes> = vec![ReceiptEnvelope::Eip1559(receipt.with_bloom()).encoded_2718().into()];
        let header = Header {
            number,
            parent_hash: self.l1.last().map_or(B256::ZERO, |(header, _)| header.hash_slow()),
            timestamp: L1_TIME + self.l1.len() as u64 * L1_BLOCK_TIME,
            base_fee_per_gas: Some(1_000_000_000 + number),
            excess_blob_gas: Some(EXCESS_BLOB_GAS),
            blob_gas_used: Some(0),
            mix_hash: keccak256(number.to_be_bytes()),
            parent_beacon_block_root: Some(keccak256([&number.to_be_bytes()[..], b"beacon"].concat())),
            withdrawals_root: Some(B256::ZERO),
            transactions_root: ordered_trie_root_encoded(&transactions),
            receipts_root: ordered_trie_root_encoded(&receipts),
            logs_bloom: bloom,
            ..Default::default()
        };
        let kept = (!bloom.is_zero()).then_some(receipts);
        let block = L1Block { header: alloy_rlp::encode(&header).into(), transactions, receipts: kept };
        self.l1.push((header, block));
    }

    /// An L1 block with a transaction of an account to the inbox for each of these.
    pub(crate) fn post_by(&mut self, account: u8, datas: Vec<Vec<u8>>) {
        let to_inbox = |data: Vec<u8>| {
            self.nonces += 1;
            signed(
                account,
                TxEip1559 {
                    chain_id: 900,
                    nonce: self.nonces,
                    to: INBOX.into(),
                    input: data.into(),
                    ..Default::default()
                },
            )
        };
        let transactions = datas.into_iter().map(to_inbox).collect();
        self.mine(transactions, Vec::new());
    }

    pub(crate) fn post(&mut self, datas: Vec<Vec<u8>>) {
        self.post_by(self.said.batcher, datas);
    }

    /// An L1 block with one channel.
    pub(crate) fn post_channel(&mut self, id: u8, batches: &[Vec<u8>]) {
        self.post(vec![transaction(&frames(id, &zlib(&rlp(batches)), usize::MAX))]);
    }

    pub(crate) fn epoch(&self, place: usize) -> (u64, B256) {
        (self.l1[place].0.number, self.l1[place].0.hash_slow())
    }

    pub(crate) fn newest(&self) -> &Block {
        self.blocks.last().unwrap_or(&self.parent)
    }

    /// Makes the next block of L2, of the L1 block with this place.
    pub(crate) fn block(&mut self, place: usize, deposits: Vec<TxDeposit>, transactions: Vec<Bytes>) {
        let block = self.next(place, deposits, transactions);
        self.blocks.push(block);
    }

    /// The batch of the newest block.
    pub(crate) fn batch(&self) -> Vec<u8> {
        let block = self.newest();
        let users = block.transactions.iter().filter(|one| one[0] != 0x7e).cloned().collect::<Vec<_>>();
        single(block.header.parent_hash, self.epoch(self.at.0), block.header.timestamp, &users)
    }

    fn next(&mut self, place: usize, deposits: Vec<TxDeposit>, transactions: Vec<Bytes>) -> Block {
        let before = self.newest().header.clone();
        let sequence = if place == self.at.0 { self.at.1 + 1 } else { 0 };
        self.at = (place, sequence);
        let l1 = &self.l1[place].0;
        let mut all = vec![self.attributes(l1, sequence)];
        all.extend(deposits.iter().map(|deposit| Bytes::from(deposit.encoded_2718())));
        all.extend(transactions);
        let mut extra = vec![u8::from(self.fork >= OpFork::Jovian)];
        extra.extend(self.said.params.0.to_be_bytes());
        extra.extend(self.said.params.1.to_be_bytes());
        if self.fork >= OpFork::Jovian {
            extra.extend(self.said.least.to_be_bytes());
        }
        let header = Header {
            number: before.number + 1,
            parent_hash: before.hash_slow(),
            timestamp: before.timestamp + 2,
            gas_limit: self.said.gas_limit,
            extra_data: extra.into(),
            mix_hash: l1.mix_hash,
            parent_beacon_block_root: l1.parent_beacon_block_root,
            transactions_root: ordered_trie_root_encoded(&all),
            base_fee_per_gas: Some(1),
            withdrawals_root: Some(B256::ZERO),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            ..Default::default()
        };
        Block { header, transactions: all, withdrawals: Some(Vec::new()) }
    }

    /// The tables of `l1-attributes.md`.
    fn attributes(&self, l1: &Header, sequence: u64) -> Bytes {
        let signature = match self.fork {
            OpFork::Holocene => "setL1BlockValuesEcotone()",
            OpFork::Isthmus => "setL1BlockValuesIsthmus()",
            _ => "setL1BlockValuesJovian()",
        };
        let mut input = keccak256(signature)[..4].to_vec();
        input.extend(self.said.scalars.0.to_be_bytes());
        input.extend(self.said.scalars.1.to_be_bytes());
        input.extend(sequence.to_be_bytes());
        input.extend(l1.timestamp.to_be_bytes());
        input.extend(l1.number.to_be_bytes());
        input.extend(word(l1.base_fee_per_gas.unwrap()));
        // EIP-4844 and EIP-7691: e to the excess by the fraction of Prague, by its series.
        input.extend(word(alloy_eips::eip4844::fake_exponential(1, EXCESS_BLOB_GAS.into(), 5_007_716)));
        input.extend(l1.hash_slow());
        input.extend(key(self.said.batcher).address().into_word());
        if self.fork >= OpFork::Isthmus {
            input.extend(self.said.operator.0.to_be_bytes());
            input.extend(self.said.operator.1.to_be_bytes());
        }
        if self.fork >= OpFork::Jovian {
            input.extend(self.said.footprint.to_be_bytes());
        }
        let place = keccak256([l1.hash_slow().0, word(sequence)].concat());
        let deposit = TxDeposit {
            source_hash: keccak256([word(1_u64), place.0].concat()),
            from: address!("0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001"),
            to: address!("0x4200000000000000000000000000000000000015").into(),
            gas_limit: 1_000_000,
            input: input.into(),
            ..Default::default()
        };
        deposit.encoded_2718().into()
    }

    /// The range without its first blocks, of which all is known; its parent's batch is not posted by itself.
    pub(crate) fn later(&self, blocks: usize) -> Self {
        let all = [std::slice::from_ref(&self.parent), &self.blocks].concat();
        let ancestor = |block: &Block| Ancestor {
            header: alloy_rlp::encode(&block.header).into(),
            transactions: block.transactions.clone(),
        };
        Self {
            ancestors: all[..blocks].iter().rev().map(ancestor).collect(),
            parent: all[blocks].clone(),
            blocks: all[blocks + 1..].to_vec(),
            ..self.clone()
        }
    }

    pub(crate) fn l1_batcher(&self) -> Address {
        key(self.said.batcher).address()
    }

    pub(crate) fn input(&self) -> DerivationInput {
        DerivationInput {
            config: self.config.clone(),
            parent_transactions: self.parent.transactions.clone(),
            ancestors: self.ancestors.clone(),
            l1: self.l1.iter().map(|(_, block)| block.clone()).collect(),
            blobs: self.blobs.clone(),
            blobs_proof: proof(&self.blobs),
        }
    }

    pub(crate) fn derive_from(&self, input: &DerivationInput) -> Result<B256, DerivationError> {
        let read = DerivationInput::decode(&input.encode()).unwrap();
        assert_eq!(read, *input);
        let range = StatelessInput {
            chain: ChainSpec::optimism(self.config.rules.clone()),
            parent: self.parent.header.clone(),
            blocks: self.blocks.clone(),
            witness: Witness::default(),
        };
        check::<Arkworks>(&read, &StatelessInputRef::decode(&range.encode()).unwrap())
    }

    pub(crate) fn derive(&self) -> Result<B256, DerivationError> {
        self.derive_from(&self.input())
    }

    /// The range follows from L1.
    pub(crate) fn follows(&self) {
        assert_eq!(self.derive(), Ok(self.l1.last().unwrap().0.hash_slow()));
    }
}

/// A deposit, its log, and what it is on L2.
pub(crate) fn deposit(l1: B256, index: u64, to: Option<Address>, mint: u64, input: &[u8]) -> TxDeposit {
    let place = keccak256([l1.0, word(index)].concat());
    TxDeposit {
        source_hash: keccak256([word(0_u64), place.0].concat()),
        from: Address::repeat_byte(0xaa),
        to: to.map_or(TxKind::Create, TxKind::Call),
        mint: mint.into(),
        value: U256::from(mint / 2),
        gas_limit: 100_000,
        is_system_transaction: false,
        input: input.to_vec().into(),
    }
}

pub(crate) fn deposit_log(to: Option<Address>, mint: u64, input: &[u8]) -> Log {
    let mut opaque = [word(mint), word(mint / 2)].concat();
    opaque.extend(100_000_u64.to_be_bytes());
    opaque.push(u8::from(to.is_none()));
    opaque.extend(input);
    let topics = vec![
        keccak256("TransactionDeposited(address,address,uint256,bytes)"),
        Address::repeat_byte(0xaa).into_word(),
        to.unwrap_or_default().into_word(),
        B256::ZERO,
    ];
    Log { address: PORTAL, data: LogData::new_unchecked(topics, abi(&opaque).into()) }
}

pub(crate) fn config_log(kind: u64, words: &[[u8; 32]]) -> Log {
    let topics = vec![keccak256("ConfigUpdate(uint256,uint8,bytes)"), B256::ZERO, B256::from(word(kind))];
    Log { address: SYSTEM, data: LogData::new_unchecked(topics, abi(&words.concat()).into()) }
}
