//! A small chain of the OP Stack on a small L1, made here: one block of L2 after a parent, with a deposit and a user's transaction, and the
//! L1 blocks from which it follows. The block is made by the rules of `proofmill-optimism`; what stands in its attributes is written down
//! from the specifications.

use crate::{
    L1_BLOCKS, L1Body,
    inputs::channel_of_real_blocks,
    node::{full, node},
};
use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Eip658Value, Header, Receipt, ReceiptEnvelope, SignableTransaction, TxEip1559,
    TxEnvelope,
};
use alloy_eips::Encodable2718;
use alloy_primitives::{
    Address, B256, Bloom, Bytes, Log, LogData, TxKind, U256, address, hex, keccak256, logs_bloom,
};
use alloy_rlp::Encodable;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_trie::{EMPTY_ROOT_HASH, root::ordered_trie_root_encoded};
use op_alloy_consensus::TxDeposit;
use proofmill_derivation::{DerivationInput, L1Block, config_from_rollup_json};
use proofmill_optimism::{OpAttributes, OpFork, OpRules, build};
use proofmill_proxy::{Action, Proxy};
use proofmill_stateless::{
    BlobActivation, BlobParams, Block, ChainSpec, PreState, PreStateAccount, StatelessInput,
    StatelessInputRef, Witness, full_witness,
};
use serde_json::{Value, json};

/// Its chain id.
pub const LOCAL_CHAIN_ID: u64 = 901;
/// That of its L1: Sepolia's, whose rules are well known.
const L1_CHAIN_ID: u64 = 11_155_111;
const INBOX: Address = address!("0xff00000000000000000000000000000000000901");
const PORTAL: Address = address!("0x1111111111111111111111111111111111111111");
const SYSTEM: Address = address!("0x2222222222222222222222222222222222222222");
const L1_BLOCK: Address = address!("0x4200000000000000000000000000000000000015");
const PASSER: Address = address!("0x4200000000000000000000000000000000000016");
const VAULT: Address = address!("0x4200000000000000000000000000000000000011");
/// After Pectra, and before Fusaka.
const L1_TIME: u64 = 1_750_000_000;
const L1_FIRST: u64 = 100;
const GAS_LIMIT: u64 = 60_000_000;

/// Both chains.
#[derive(Clone, Debug)]
pub struct Local {
    /// The rules of L2.
    pub rules: OpRules,
    /// L1's blocks.
    pub l1: Vec<Block>,
    receipts: Vec<Option<Vec<Bytes>>>,
    /// The block before the range.
    pub parent: Block,
    /// The range: one block.
    pub block: Block,
    witness: Witness,
}

impl Default for Local {
    fn default() -> Self {
        Self::new()
    }
}

fn key(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(number)).unwrap()
}

fn signed(number: u8, transaction: TxEip1559) -> Bytes {
    let signature = key(number).sign_hash_sync(&transaction.signature_hash()).unwrap();
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

fn word(value: u64) -> [u8; 32] {
    U256::from(value).to_be_bytes()
}

impl Local {
    /// L1 has a deposit in its third block, and the batches in its fourth.
    pub fn new() -> Self {
        Self::beside(&[], None)
    }

    /// The same on an L1 as busy as mainnet, with a channel of the users' transactions of real blocks. `None`, with a message, where there
    /// are no real blocks.
    pub fn busy() -> Option<Self> {
        let bodies = L1_BLOCKS.map(L1Body::read).collect::<Option<Vec<_>>>()?;
        Some(Self::beside(&bodies, Some(&zlib(&channel_of_real_blocks()?))))
    }

    /// The same, with more on L1 than the chain takes from it. These blocks come first, 49 at most. The batcher posts this channel before
    /// the batches that count: those in it must be older.
    pub fn beside(before: &[L1Body], channel: Option<&[u8]>) -> Self {
        let rules = OpRules::for_fork(LOCAL_CHAIN_ID, OpFork::Isthmus);
        let state = state();
        let mut local = Self {
            rules,
            l1: Vec::new(),
            receipts: Vec::new(),
            parent: Block {
                header: Header::default(),
                transactions: Vec::new(),
                withdrawals: Some(Vec::new()),
            },
            block: Block {
                header: Header::default(),
                transactions: Vec::new(),
                withdrawals: Some(Vec::new()),
            },
            witness: full_witness(&state, Vec::new()),
        };
        for body in before {
            // Where there are receipts, their logs are read.
            let bloom = if body.receipts.is_some() { Bloom::repeat_byte(0xff) } else { Bloom::ZERO };
            local.push(body.clone(), bloom);
        }
        let deposit_to = Address::repeat_byte(0xbb);
        for logs in [Vec::new(), Vec::new(), vec![deposit_log(deposit_to)]] {
            local.mine(Vec::new(), logs);
        }
        local.parent = local.before(&state);
        let (old, l1) =
            (local.l1[before.len() + 1].header.clone(), local.l1[before.len() + 2].header.clone());
        let deposit = deposit(l1.hash_slow(), deposit_to);
        let user = signed(
            5,
            TxEip1559 {
                chain_id: LOCAL_CHAIN_ID,
                gas_limit: 21_000,
                max_fee_per_gas: 100_000_000,
                to: TxKind::Call(deposit_to),
                value: U256::from(7),
                ..Default::default()
            },
        );
        let attributes = OpAttributes {
            prev_randao: l1.mix_hash,
            parent_beacon_block_root: l1.parent_beacon_block_root,
            gas_limit: GAS_LIMIT,
            extra_data: extra_data(),
            transactions: vec![attributes(&l1, 0), deposit.encoded_2718().into(), user.clone()],
        };
        local.block = local.built(attributes);
        let batches = [
            batch(&local.parent.header, (old.number, old.hash_slow()), &[]),
            batch(&local.block.header, (l1.number, l1.hash_slow()), &[user]),
        ];
        let channels = batches.map(|batch| zlib(&joined(&[batch])));
        let channels = channel.into_iter().chain(channels.iter().map(Vec::as_slice));
        let posted = channels.zip(0..).map(|(channel, nonce)| {
            let (to, input) = (INBOX.into(), framed(channel).into());
            signed(1, TxEip1559 { chain_id: L1_CHAIN_ID, nonce, to, input, ..Default::default() })
        });
        local.mine(posted.collect(), Vec::new());
        local
    }

    fn built(&self, attributes: OpAttributes) -> Block {
        let input = StatelessInput { blocks: Vec::new(), ..self.input() };
        let bytes = input.encode();
        let input = StatelessInputRef::decode(&bytes).unwrap();
        build(&self.rules, &input.parent, attributes, &input.witness).unwrap()
    }

    /// Of L1, what the range's derivation is given.
    pub fn derivation(&self) -> DerivationInput {
        let blobs = vec![BlobActivation { timestamp: 0, params: BlobParams::prague() }];
        let l1 = self.l1.iter().zip(&self.receipts).map(|(block, receipts)| L1Block {
            header: alloy_rlp::encode(&block.header).into(),
            transactions: block.transactions.clone(),
            receipts: receipts.clone(),
        });
        DerivationInput {
            config: config_from_rollup_json(&self.rollup_json().to_string(), blobs).unwrap(),
            parent_transactions: self.parent.transactions.clone(),
            ancestors: Vec::new(),
            l1: l1.collect(),
            blobs: Vec::new(),
            blobs_proof: Bytes::new(),
        }
    }

    /// The range, with a witness that has more than it needs.
    pub fn input(&self) -> StatelessInput {
        StatelessInput {
            chain: ChainSpec::optimism(self.rules.clone()),
            parent: self.parent.header.clone(),
            blocks: vec![self.block.clone()],
            witness: self.witness.clone(),
        }
    }

    fn mine(&mut self, transactions: Vec<Bytes>, logs: Vec<Log>) {
        let bloom = logs_bloom(&logs);
        let receipt = Receipt { status: Eip658Value::Eip658(true), cumulative_gas_used: 21_000, logs };
        // A block with logs has the transaction that wrote them.
        let transactions = match receipt.logs.is_empty() {
            true => transactions,
            false => {
                vec![signed(9, TxEip1559 { chain_id: L1_CHAIN_ID, to: PORTAL.into(), ..Default::default() })]
            }
        };
        let receipts: Vec<Bytes> = transactions
            .iter()
            .map(|_| ReceiptEnvelope::Eip1559(receipt.clone().with_bloom()).encoded_2718().into())
            .collect();
        let receipts_root = ordered_trie_root_encoded(&receipts);
        self.push(L1Body { transactions, receipts: Some(receipts), receipts_root }, bloom);
    }

    /// The next block of L1.
    fn push(&mut self, body: L1Body, logs_bloom: Bloom) {
        let L1Body { transactions, receipts, receipts_root } = body;
        let number = L1_FIRST + self.l1.len() as u64;
        let header = Header {
            number,
            parent_hash: self.l1.last().map_or(B256::ZERO, |block| block.header.hash_slow()),
            timestamp: L1_TIME + 12 * self.l1.len() as u64,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            base_fee_per_gas: Some(1_000_000_000),
            mix_hash: keccak256(number.to_be_bytes()),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::repeat_byte(number as u8)),
            requests_hash: Some(B256::ZERO),
            transactions_root: ordered_trie_root_encoded(&transactions),
            receipts_root,
            logs_bloom,
            ..Default::default()
        };
        self.l1.push(Block { header, transactions, withdrawals: Some(Vec::new()) });
        self.receipts.push(receipts);
    }

    /// The block before the range, as if it had been made: of the L1 block before the newest one.
    fn before(&self, state: &PreState) -> Block {
        let [.., origin, newest] = &self.l1[..] else { unreachable!("L1 has three blocks") };
        let transactions = vec![attributes(&origin.header, 0)];
        let header = Header {
            number: 1_000,
            // The block after it is as old as the newest L1 block.
            timestamp: newest.header.timestamp - 2,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            gas_limit: GAS_LIMIT,
            gas_used: GAS_LIMIT / 6,
            base_fee_per_gas: Some(1_000_000),
            withdrawals_root: Some(EMPTY_ROOT_HASH),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(B256::ZERO),
            extra_data: extra_data(),
            state_root: PreStateAccount::state_root(state),
            transactions_root: ordered_trie_root_encoded(&transactions),
            ..Default::default()
        };
        Block { header, transactions, withdrawals: Some(Vec::new()) }
    }

    /// Its `rollup.json`.
    pub fn rollup_json(&self) -> Value {
        let mut config = json!({
            "genesis": { "l1": { "number": L1_FIRST }, "l2_time": L1_TIME - 100 },
            "block_time": 2, "max_sequencer_drift": 600, "seq_window_size": 3600, "channel_timeout": 300,
            "l1_chain_id": L1_CHAIN_ID, "l2_chain_id": LOCAL_CHAIN_ID, "regolith_time": 0, "delta_time": 0,
            "batch_inbox_address": INBOX, "deposit_contract_address": PORTAL, "l1_system_config_address": SYSTEM,
            "chain_op_config": { "eip1559Elasticity": 6, "eip1559Denominator": 50, "eip1559DenominatorCanyon": 250 }
        });
        for activation in &self.rules.forks {
            config[format!("{}_time", activation.fork.name())] = json!(activation.timestamp);
        }
        config
    }

    /// A node of L2, which also says its rollup configuration.
    pub async fn serve_l2(&self) -> Proxy {
        let blocks = [&self.parent, &self.block].map(|block| (block.header.number, full(block)));
        let witness = json!({
            "state": self.witness.state, "codes": self.witness.codes, "keys": [], "headers": []
        });
        let config = self.rollup_json();
        node(LOCAL_CHAIN_ID, blocks, move |request| match request.method {
            "debug_executionWitness" => Some(Action::Answer(witness.clone())),
            "optimism_rollupConfig" => Some(Action::Answer(config.clone())),
            _ => None,
        })
        .await
    }

    /// A node of L1.
    pub async fn serve_l1(&self) -> Proxy {
        let blocks: Vec<_> = self.l1.iter().map(|block| (block.header.number, full(block))).collect();
        let receipts: Vec<Value> =
            self.l1.iter().zip(&self.receipts).map(|(block, raw)| receipts(block, raw.as_deref())).collect();
        node(L1_CHAIN_ID, blocks, move |request| {
            if request.method != "eth_getBlockReceipts" {
                return None;
            }
            let number =
                u64::from_str_radix(request.params[0].as_str()?.trim_start_matches("0x"), 16).ok()?;
            receipts.get((number - L1_FIRST) as usize).cloned().map(Action::Answer)
        })
        .await
    }
}

/// Receipts as a node shows them.
fn receipts(block: &Block, raw: Option<&[Bytes]>) -> Value {
    use alloy_eips::Decodable2718;
    let raw = raw.unwrap_or_default();
    let shown = raw.iter().zip(&block.transactions).enumerate().map(|(at, (raw, transaction))| {
        let receipt = ReceiptEnvelope::<Log>::decode_2718_exact(raw).unwrap();
        let logs = receipt.logs().iter().enumerate().map(|(index, log)| {
            json!({
                "address": log.address, "topics": log.topics(), "data": log.data.data,
                "blockHash": block.header.hash_slow(), "blockNumber": format!("{:#x}", block.header.number),
                "transactionHash": keccak256(transaction), "transactionIndex": format!("{at:#x}"),
                "logIndex": format!("{index:#x}"), "removed": false
            })
        });
        json!({
            "type": "0x2", "status": "0x1", "cumulativeGasUsed": "0x5208", "gasUsed": "0x5208",
            "logsBloom": receipt.logs_bloom(), "logs": logs.collect::<Vec<_>>(),
            "transactionHash": keccak256(transaction), "transactionIndex": format!("{at:#x}"),
            "blockHash": block.header.hash_slow(), "blockNumber": format!("{:#x}", block.header.number),
            "from": Address::ZERO, "to": PORTAL, "effectiveGasPrice": "0x1", "contractAddress": null
        })
    });
    shown.collect()
}

/// A rich account, the contract of L1's attributes as short as it goes, and the one that keeps messages.
fn state() -> PreState {
    let rich = PreStateAccount { balance: U256::from(10).pow(U256::from(20)), ..Default::default() };
    let code = |code: Vec<u8>| PreStateAccount { nonce: 1, code: code.into(), ..Default::default() };
    let l1_block =
        [&hex!("60043560801c600355" "602435600155" "604435600755" "5b5b")[..], &hex!("60a43560a01c600855")]
            .concat();
    let mut state = PreState::default();
    state.insert(key(5).address(), rich);
    state.insert(L1_BLOCK, code(l1_block));
    state.insert(PASSER, code(vec![0]));
    state.insert(VAULT, code(vec![0]));
    state
}

fn extra_data() -> Bytes {
    [&[0][..], &250_u32.to_be_bytes(), &6_u32.to_be_bytes()].concat().into()
}

/// The transaction of L1's attributes (`protocol/isthmus/l1-attributes.md`).
fn attributes(l1: &Header, sequence: u64) -> Bytes {
    let mut input = keccak256("setL1BlockValuesIsthmus()")[..4].to_vec();
    input.extend(1_368_u32.to_be_bytes());
    input.extend(810_949_u32.to_be_bytes());
    input.extend(sequence.to_be_bytes());
    input.extend(l1.timestamp.to_be_bytes());
    input.extend(l1.number.to_be_bytes());
    input.extend(word(l1.base_fee_per_gas.unwrap()));
    input.extend(word(1));
    input.extend(l1.hash_slow());
    input.extend(key(1).address().into_word());
    input.extend(0_u32.to_be_bytes());
    input.extend(0_u64.to_be_bytes());
    let place = keccak256([l1.hash_slow().0, word(sequence)].concat());
    let deposit = TxDeposit {
        source_hash: keccak256([word(1), place.0].concat()),
        from: address!("0xDeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001"),
        to: L1_BLOCK.into(),
        gas_limit: 1_000_000,
        input: input.into(),
        ..Default::default()
    };
    deposit.encoded_2718().into()
}

/// An ether from L1 (`protocol/deposits.md`).
fn deposit(l1: B256, to: Address) -> TxDeposit {
    let place = keccak256([l1.0, word(0)].concat());
    TxDeposit {
        source_hash: keccak256([word(0), place.0].concat()),
        from: Address::repeat_byte(0xaa),
        to: to.into(),
        mint: 1_000_000_000_000_000_000,
        value: U256::from(5),
        gas_limit: 50_000,
        ..Default::default()
    }
}

fn deposit_log(to: Address) -> Log {
    let mut opaque = [word(1_000_000_000_000_000_000), word(5)].concat();
    opaque.extend(50_000_u64.to_be_bytes());
    opaque.push(0);
    let mut data = [word(32), word(opaque.len() as u64)].concat();
    data.extend(&opaque);
    data.resize(data.len().next_multiple_of(32), 0);
    let topics = vec![
        keccak256("TransactionDeposited(address,address,uint256,bytes)"),
        Address::repeat_byte(0xaa).into_word(),
        to.into_word(),
        B256::ZERO,
    ];
    Log { address: PORTAL, data: LogData::new_unchecked(topics, data.into()) }
}

/// A batch of one block (`protocol/derivation.md`).
pub(crate) fn batch(block: &Header, (epoch, epoch_hash): (u64, B256), transactions: &[Bytes]) -> Vec<u8> {
    let mut fields = Vec::new();
    block.parent_hash.encode(&mut fields);
    epoch.encode(&mut fields);
    epoch_hash.encode(&mut fields);
    block.timestamp.encode(&mut fields);
    transactions.to_vec().encode(&mut fields);
    let mut batch = vec![0];
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut batch);
    batch.extend(fields);
    batch
}

/// What a channel with these batches is once it is decompressed.
pub(crate) fn joined(batches: &[Vec<u8>]) -> Vec<u8> {
    batches.iter().flat_map(|batch| alloy_rlp::encode(batch.as_slice())).collect()
}

/// A channel in zlib's format, as small as it gets: so does the batcher of the OP Stack.
pub fn zlib(channel: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(channel, 9)
}

/// A batcher's data: a channel in one frame.
fn framed(channel: &[u8]) -> Vec<u8> {
    let mut data = vec![0];
    data.extend([1; 16]);
    data.extend(0_u16.to_be_bytes());
    data.extend((channel.len() as u32).to_be_bytes());
    data.extend(channel);
    data.push(1);
    data
}
