//! Makes range program inputs for measuring: `make_input KIND BLOCKS TRANSACTIONS OUT`.
//!
//! KIND is `transfers` (to accounts old and new), `erc20` (transfers between holders of one token) or `storage` (each
//! call writes 20 new slots), or an attack of `attacks.rs`, of which `TRANSACTIONS` is the length in percent, or
//! `precompiles` (calls with good and bad arguments, whose answers are stored); otherwise it is their number in each block. The blocks follow one another on a state of
//! 20,000 other accounts and 5,000 token holders, so that paths through the tries are as long as on a small real chain.
//! OUT gets the input as the OpenVM backend reads it from a file; OUT with `.raw` appended gets the bare bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, EthereumTxEnvelope, Header, SignableTransaction, TxEip1559, TxEip4844,
    crypto::secp256k1::{recover_signer_unchecked, sign_message},
    proofs::calculate_withdrawals_root,
};
use alloy_eips::{Encodable2718, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{
    Address, B64, B256, Bloom, BloomInput, Bytes, TxKind, U256, address, b256, keccak256,
};
use alloy_trie::{EMPTY_ROOT_HASH, root::ordered_trie_root_encoded};
use attacks::{Attack, RECORDER, attack, vectors};
use proofmill_program::ProvenFor;
use proofmill_stateless::{
    Block, ChainSpec, Fork, PreState, PreStateAccount, StatelessError, StatelessInput, witness_from_state,
};
use std::path::Path;

mod attacks;

const CHAIN: u64 = 31337;
const SENDERS: u64 = 50;
const TOKEN: Address = address!("0x00000000000000000000000000000000000070c3");
const STORAGE: Address = address!("0x0000000000000000000000000000000000005702");
const ATTACKED: Address = address!("0x000000000000000000000000000000000000a77a");
const ROLLUP: Address = address!("0x0000000000000000000000000000000000000a11");
/// keccak256 of `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
const SLOTS_PER_CALL: u64 = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, blocks, transactions, out] = arguments.as_slice() else {
        panic!("usage: make_input transfers|erc20|storage|precompiles|ATTACK BLOCKS TRANSACTIONS OUT");
    };
    let (blocks, transactions): (u64, u64) =
        (blocks.parse().expect("a number"), transactions.parse().expect("a number"));
    let kind = match kind.as_str() {
        "transfers" => Kind::Transfers,
        "erc20" => Kind::Erc20,
        "storage" => Kind::Storage,
        "precompiles" => Kind::Vectors(vectors()),
        other => match attack(other, transactions as u32) {
            Some(attack) => Kind::Attack(attack),
            None => panic!(
                "no kind `{other}`: transfers, erc20, storage, precompiles, or an attack of attacks.rs"
            ),
        },
    };
    let transactions = match &kind {
        Kind::Attack(_) => 1,
        Kind::Vectors(vectors) => vectors.len() as u64,
        _ => transactions,
    };
    let input = make(&kind, blocks, transactions);
    let raw = proofmill_program::range::encode_input(ProvenFor { rollup: ROLLUP, prover: ROLLUP }, &input);
    let mut framed = b"PMSTDIN1".to_vec();
    framed.extend((raw.len() as u32).to_le_bytes());
    framed.extend(&raw);
    std::fs::write(out, framed).expect("written");
    std::fs::write(format!("{out}.raw"), &raw).expect("written");
    let gas: u64 = input.blocks.iter().map(|block| block.header.gas_used).sum();
    let count: usize = input.blocks.iter().map(|block| block.transactions.len()).sum();
    let nodes = input.witness.state.len();
    println!(
        "blocks {} transactions {count} gas {gas} nodes {nodes} bytes {}",
        input.blocks.len(),
        raw.len()
    );
}

enum Kind {
    Transfers,
    Erc20,
    Storage,
    Attack(Attack),
    Vectors(Vec<Vec<u8>>),
}

struct Sender {
    key: B256,
    address: Address,
    nonce: u64,
}

fn sender(n: u64) -> Sender {
    let key = keccak256([b"sender".as_slice(), &n.to_be_bytes()].concat());
    let digest = keccak256("who am I");
    let signature = sign_message(key, digest).expect("signed");
    let address = recover_signer_unchecked(&signature, digest).expect("recovered");
    Sender { key, address, nonce: 0 }
}

fn some_address(seed: &str, n: u64) -> Address {
    Address::from_word(keccak256([seed.as_bytes(), &n.to_be_bytes()].concat()))
}

/// The code that a creation code deploys, where the constructor does nothing but return it.
fn runtime(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadgen/contracts/artifacts.json");
    let artifacts: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON");
    let creation: Bytes = serde_json::from_value(artifacts["creation_code"][name].clone()).expect("code");
    let end = creation.windows(2).position(|pair| pair == [0xf3, 0xfe]).expect("return, invalid");
    creation.slice(end + 2..)
}

fn balance_slot(holder: Address) -> U256 {
    U256::from_be_bytes(keccak256([holder.into_word(), B256::with_last_byte(1)].concat()).0)
}

fn state(senders: &[Sender]) -> PreState {
    let mut state = PreState::new();
    let ether = U256::from(10).pow(U256::from(18));
    for n in 0..20_000 {
        let account =
            PreStateAccount { nonce: n % 7, balance: U256::from(n + 1) * ether, ..Default::default() };
        state.insert(some_address("account", n), account);
    }
    let mut token = PreStateAccount { nonce: 1, code: runtime("Token"), ..Default::default() };
    for sender in senders {
        let account = PreStateAccount { balance: U256::from(1000) * ether, ..Default::default() };
        state.insert(sender.address, account);
        token.storage.insert(balance_slot(sender.address), U256::from(1_000_000) * ether);
    }
    for n in 0..5_000 {
        token.storage.insert(balance_slot(some_address("account", n)), U256::from(n + 1) * ether);
    }
    state.insert(TOKEN, token);
    let mut storage = PreStateAccount { nonce: 1, code: runtime("Storage"), ..Default::default() };
    storage.storage.insert(U256::from(1), U256::from(2_000));
    for n in 0..2_000u64 {
        let slot = keccak256([U256::from(n).to_be_bytes::<32>(), U256::ZERO.to_be_bytes::<32>()].concat());
        storage.storage.insert(U256::from_be_bytes(slot.0), U256::from(n + 1));
    }
    state.insert(STORAGE, storage);
    state
}

fn call(selector: &str, words: &[U256]) -> Bytes {
    let mut data = keccak256(selector)[..4].to_vec();
    data.extend(words.iter().flat_map(|word| word.to_be_bytes::<32>()));
    data.into()
}

fn make(kind: &Kind, blocks: u64, transactions: u64) -> StatelessInput {
    let mut senders: Vec<Sender> = (0..SENDERS).map(sender).collect();
    let mut state = state(&senders);
    let mut fork = Fork::Prague;
    if let Kind::Attack(attack) = kind {
        fork = attack.fork;
        let storage = attack.slots.iter().map(|slot| (*slot, U256::from(1))).collect();
        let account = PreStateAccount { nonce: 1, code: attack.code.clone(), storage, ..Default::default() };
        state.insert(ATTACKED, account);
    }
    if matches!(kind, Kind::Vectors(_)) {
        // With all precompiles.
        fork = Fork::Osaka;
        let account = PreStateAccount { nonce: 1, code: RECORDER.into(), ..Default::default() };
        state.insert(ATTACKED, account);
    }
    let state = state;
    let mut chain = ChainSpec::for_fork(CHAIN, fork);
    chain.base_fee = proofmill_stateless::BaseFeeRule::SequencerSets;
    let parent = Header {
        number: 1_000_000,
        state_root: PreStateAccount::state_root(&state),
        gas_limit: 60_000_000,
        base_fee_per_gas: Some(1_000_000_000),
        ..template()
    };
    let mut done: Vec<Block> = Vec::new();
    let mut n = 0;
    for _ in 0..blocks {
        let before = done.last().map_or(&parent, |block| &block.header);
        let mut bloom = Bloom::ZERO;
        let mut raw: Vec<Bytes> = Vec::new();
        for _ in 0..transactions {
            let at = n as usize % senders.len();
            let (to, value, input, gas_limit) = match kind {
                // One in four goes to an account that does not exist yet.
                Kind::Transfers if n % 4 == 3 => {
                    (some_address("new", n), U256::from(1), Bytes::new(), 21_000)
                }
                Kind::Transfers => (some_address("account", n * 37), U256::from(1), Bytes::new(), 21_000),
                Kind::Erc20 => {
                    // One in four goes to an account that holds none yet.
                    let to = some_address("account", if n % 4 == 3 { 6_000 + n } else { n * 37 % 5_000 });
                    for input in [
                        TOKEN.as_slice(),
                        TRANSFER.as_slice(),
                        senders[at].address.into_word().as_slice(),
                        to.into_word().as_slice(),
                    ] {
                        bloom.accrue(BloomInput::Raw(input));
                    }
                    let words = [U256::from_be_bytes(to.into_word().0), U256::from(5)];
                    (TOKEN, U256::ZERO, call("transfer(address,uint256)", &words), 100_000)
                }
                // A transaction of Osaka may have no more than 2²⁴ gas.
                Kind::Attack(attack) => {
                    let limit = if attack.fork == Fork::Osaka { 1 << 24 } else { 59_000_000 };
                    (ATTACKED, U256::ZERO, attack.calldata.clone(), limit)
                }
                Kind::Vectors(vectors) => (ATTACKED, U256::ZERO, vectors[n as usize].clone().into(), 400_000),
                Kind::Storage => {
                    (STORAGE, U256::ZERO, call("fill(uint256)", &[U256::from(SLOTS_PER_CALL)]), 2_000_000)
                }
            };
            raw.push(sign(&mut senders[at], to, value, input, gas_limit));
            n += 1;
        }
        let header = Header {
            number: before.number + 1,
            timestamp: before.timestamp + 2,
            parent_hash: before.hash_slow(),
            transactions_root: ordered_trie_root_encoded(&raw),
            logs_bloom: bloom,
            gas_limit: before.gas_limit,
            base_fee_per_gas: Some(1_000_000_000),
            ..template()
        };
        done.push(Block { header, transactions: raw, withdrawals: Some(Vec::new()) });
        seal(&chain, &parent, &mut done, &state);
    }
    witness_from_state(chain, parent, Vec::new(), done, &state).expect("sealed").1
}

/// Puts into the last block's header what execution says should be there.
fn seal(chain: &ChainSpec, parent: &Header, blocks: &mut [Block], state: &PreState) {
    loop {
        let found = witness_from_state(chain.clone(), parent.clone(), Vec::new(), blocks.to_vec(), state);
        let header = &mut blocks.last_mut().expect("a block").header;
        match found {
            Ok(_) => return,
            Err(StatelessError::GasUsedMismatch { got, .. }) => header.gas_used = got,
            Err(StatelessError::ReceiptsRootMismatch { got, .. }) => header.receipts_root = got,
            Err(StatelessError::RequestsHashMismatch { got, .. }) => header.requests_hash = Some(got),
            Err(StatelessError::StateRootMismatch { got, .. }) => header.state_root = got,
            Err(error) => panic!("the block cannot be made: {error}"),
        }
    }
}

fn template() -> Header {
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: some_address("beneficiary", 0),
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        withdrawals_root: Some(calculate_withdrawals_root(&[])),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        parent_beacon_block_root: Some(B256::ZERO),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        nonce: B64::ZERO,
        timestamp: 1_700_000_000,
        ..Default::default()
    }
}

fn sign(from: &mut Sender, to: Address, value: U256, input: Bytes, gas_limit: u64) -> Bytes {
    let tx = TxEip1559 {
        chain_id: CHAIN,
        nonce: from.nonce,
        gas_limit,
        max_fee_per_gas: 3_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        value,
        input,
        access_list: Default::default(),
    };
    from.nonce += 1;
    let signature = sign_message(from.key, tx.signature_hash()).expect("signed");
    let signed: EthereumTxEnvelope<TxEip4844> = tx.into_signed(signature).into();
    signed.encoded_2718().into()
}
