//! For measuring and tests: blocks made to order.
//!
//! Ordinary ones ([`Kind::Transfers`], [`Kind::Erc20`], [`Kind::Storage`]) follow one another on a state of 20,000 other accounts and
//! 5,000 token holders, so that paths through the tries are as long as on a small real chain. An attack ([`ATTACKS`]) is one
//! transaction that spends its gas where proving costs most.
#![expect(clippy::expect_used, reason = "for tests: a panic says what is wrong")]

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, EthereumTxEnvelope, Header, SignableTransaction, Signed, TxEip1559, TxEip4844,
    TxEip7702,
    crypto::secp256k1::{recover_signer_unchecked, sign_message},
    proofs::calculate_withdrawals_root,
};
use alloy_eips::{
    Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7685::EMPTY_REQUESTS_HASH,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{
    Address, B64, B256, Bloom, BloomInput, Bytes, Signature, TxKind, U256, address, b256, keccak256,
};
use alloy_trie::{EMPTY_ROOT_HASH, root::ordered_trie_root_encoded};
use attacks::RECORDER;
use proofmill_program::ProvenFor;
use proofmill_stateless::{
    Block, ChainSpec, Fork, PreState, PreStateAccount, StatelessError, StatelessInput, witness_from_state,
};
use std::path::Path;

mod attacks;
mod limits;

pub use attacks::{ATTACKS, Attack};
pub use limits::Machine;

const CHAIN: u64 = 31337;
const SENDERS: u64 = 50;
const TOKEN: Address = address!("0x00000000000000000000000000000000000070c3");
const STORAGE: Address = address!("0x0000000000000000000000000000000000005702");
const ATTACKED: Address = address!("0x000000000000000000000000000000000000a77a");
const ROLLUP: Address = address!("0x0000000000000000000000000000000000000a11");
/// keccak256 of `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
const SLOTS_PER_CALL: u64 = 20;

/// What a block's transactions do.
pub enum Kind {
    /// Transfers of ether, to accounts old and new.
    Transfers,
    /// Transfers between holders of one token.
    Erc20,
    /// Calls that write 20 new slots each.
    Storage,
    /// One transaction that runs one thing in a loop.
    Attack(Attack),
    /// Calls of precompiles with good and bad arguments, whose answers are stored.
    Vectors(Vec<Vec<u8>>),
}

impl Kind {
    /// The kind of this name: `transfers`, `erc20`, `storage`, `precompiles`, or an attack. `percent` is an attack's length: a
    /// hundred for about 3 million gas.
    pub fn named(name: &str, percent: u32) -> Option<Self> {
        Some(match name {
            "transfers" => Self::Transfers,
            "erc20" => Self::Erc20,
            "storage" => Self::Storage,
            "precompiles" => Self::Vectors(attacks::vectors()),
            other => Self::Attack(attacks::attack(other, percent)?),
        })
    }

    /// How many transactions a block has, of which the caller wants so many: an attack is one.
    fn transactions(&self, wanted: u64) -> u64 {
        match self {
            Self::Attack(_) => 1,
            Self::Vectors(vectors) => vectors.len() as u64,
            Self::Transfers | Self::Erc20 | Self::Storage => wanted,
        }
    }
}

/// Blocks, as the range program takes them.
pub struct Made {
    /// The program's input.
    pub input: Vec<u8>,
    /// How many blocks there are.
    pub blocks: usize,
    /// How many transactions they have.
    pub transactions: usize,
    /// What they use.
    pub gas: u64,
    /// How many nodes of tries their witness has.
    pub nodes: usize,
}

/// Makes so many blocks of a kind, with so many transactions each; an attack is one transaction.
///
/// # Panics
/// A block cannot be executed, or an attack fails.
pub fn make(kind: &Kind, blocks: u64, transactions: u64) -> Made {
    let made = blocks_of(kind, blocks, kind.transactions(transactions));
    Made {
        input: proofmill_program::range::encode_input(ProvenFor { rollup: ROLLUP, prover: ROLLUP }, &made),
        blocks: made.blocks.len(),
        transactions: made.blocks.iter().map(|block| block.transactions.len()).sum(),
        gas: made.blocks.iter().map(|block| block.header.gas_used).sum(),
        nodes: made.witness.state.len(),
    }
}

/// An attack in a block of its own, of so many percent of its length.
///
/// # Panics
/// There is none of this name.
pub fn attacked(name: &str, percent: u32) -> Made {
    make(&Kind::named(name, percent).expect("an attack's name"), 1, 1)
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

fn blocks_of(kind: &Kind, blocks: u64, transactions: u64) -> StatelessInput {
    let mut senders: Vec<Sender> = (0..SENDERS).map(sender).collect();
    let mut state = state(&senders);
    let mut fork = Fork::Prague;
    if let Kind::Attack(attack) = kind {
        fork = attack.fork;
        let storage = attack.slots.iter().map(|slot| (*slot, U256::from(1))).collect();
        let account = PreStateAccount { nonce: 1, code: attack.code.clone(), storage, ..Default::default() };
        state.insert(ATTACKED, account);
        for (n, code) in (1..).zip(&attack.targets) {
            let account = PreStateAccount { nonce: 1, code: code.clone(), ..Default::default() };
            state.insert(attacks::target(n), account);
        }
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
                Kind::Attack(attack) => (ATTACKED, U256::ZERO, attack.calldata.clone(), gas_limit(attack)),
                Kind::Vectors(vectors) => (ATTACKED, U256::ZERO, vectors[n as usize].clone().into(), 400_000),
                Kind::Storage => {
                    (STORAGE, U256::ZERO, call("fill(uint256)", &[U256::from(SLOTS_PER_CALL)]), 2_000_000)
                }
            };
            let tx = TxEip1559 {
                chain_id: CHAIN,
                nonce: senders[at].nonce,
                gas_limit,
                max_fee_per_gas: 3_000_000_000,
                max_priority_fee_per_gas: 1_000_000_000,
                to: TxKind::Call(to),
                value,
                input,
                access_list: Default::default(),
            };
            raw.push(match kind {
                Kind::Attack(attack) => attack_of(attack, tx, senders[at].key),
                _ => sign(tx, senders[at].key),
            });
            senders[at].nonce += 1;
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
        // Who fails in the EVM loses all gas, and would measure nothing.
        if let (Kind::Attack(attack), Some(block)) = (kind, done.last()) {
            assert!(block.header.gas_used < gas_limit(attack), "the attack fails");
        }
    }
    witness_from_state(chain, parent, Vec::new(), done, &state).expect("sealed").1
}

/// A transaction of Osaka may have no more than 2²⁴ gas.
fn gas_limit(attack: &Attack) -> u64 {
    if attack.fork == Fork::Osaka { 1 << 24 } else { 59_000_000 }
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
            Err(StatelessError::LogsBloomMismatch { got, .. }) => header.logs_bloom = *got,
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

/// An attack's transaction, with the access list and authorizations that it has.
fn attack_of(attack: &Attack, tx: TxEip1559, key: B256) -> Bytes {
    let access_list = if attack.listed {
        let storage_keys = attack.slots.iter().map(|slot| B256::from(*slot)).collect();
        AccessList(vec![AccessListItem { address: ATTACKED, storage_keys }])
    } else {
        AccessList::default()
    };
    if attack.authorizations == 0 {
        return sign(TxEip1559 { access_list, ..tx }, key);
    }
    let authorization_list = (0..attack.authorizations).map(authorization).collect();
    sign(
        TxEip7702 {
            chain_id: tx.chain_id,
            nonce: tx.nonce,
            gas_limit: tx.gas_limit,
            max_fee_per_gas: tx.max_fee_per_gas,
            max_priority_fee_per_gas: tx.max_priority_fee_per_gas,
            to: ATTACKED,
            value: tx.value,
            input: tx.input,
            access_list,
            authorization_list,
        },
        key,
    )
}

/// Of an account that is not there yet.
fn authorization(n: u32) -> SignedAuthorization {
    let key = keccak256([b"authority".as_slice(), &n.to_be_bytes()].concat());
    let authorization = Authorization { chain_id: U256::from(CHAIN), address: ATTACKED, nonce: 0 };
    let signature = sign_message(key, authorization.signature_hash()).expect("signed");
    authorization.into_signed(signature)
}

fn sign<T>(tx: T, key: B256) -> Bytes
where
    T: SignableTransaction<Signature>,
    EthereumTxEnvelope<TxEip4844>: From<Signed<T>>,
{
    let signature = sign_message(key, tx.signature_hash()).expect("signed");
    EthereumTxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
}

#[cfg(test)]
mod tests {
    use super::{ATTACKS, Kind, attacked};
    use std::collections::BTreeSet;

    #[test]
    fn every_attack_can_be_made() {
        let names: BTreeSet<_> = ATTACKS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), ATTACKS.len(), "no name is there twice");
        for (name, percent) in ATTACKS {
            assert!(matches!(Kind::named(name, *percent), Some(Kind::Attack(_))), "{name}");
        }
        assert!(Kind::named("op-nothing", 10).is_none());
    }

    #[test]
    fn an_attack_spends_its_gas_in_its_loop() {
        for name in ["op-jumpi", "create2-48k"] {
            let gas = attacked(name, 10).gas;
            assert!((200_000..500_000).contains(&gas), "{name}: {gas}");
        }
    }
}
