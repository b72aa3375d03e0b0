//! A small chain of valid blocks, made by asking `minimise` what each header should say.

use alloy_consensus::{
    EthereumTxEnvelope, Header, SignableTransaction, Signed, TxEip1559, TxEip4844, TxEip7702, TxLegacy,
    crypto::secp256k1::sign_message, transaction::SignerRecoverable,
};
use alloy_eips::{Encodable2718, eip4895::Withdrawal, eip7702::Authorization};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes};
use proofmill_stateless::{
    Block, ChainSpec, Consensus, Fork, PreState, PreStateAccount, RangeOutcome, StatelessError,
    StatelessInput, full_witness, minimise,
};

/// `SSTORE(calldata[0], calldata[1])`, then a log, then `SSTORE(0xff, BLOCKHASH(NUMBER - 3))`.
pub(crate) const STORE_CODE: Bytes = bytes!("6020355f3555602a5f5fa1600343034060ff5500");
/// An account with [`STORE_CODE`] and storage.
pub(crate) const STORE: Address = address!("0x00000000000000000000000000000000000057a6");
/// Destroys itself in favour of the caller.
pub(crate) const DESTROY_CODE: Bytes = bytes!("33ff");
/// An account with [`DESTROY_CODE`].
pub(crate) const DESTROY: Address = address!("0x000000000000000000000000000000000000dead");
pub(crate) const KEY: B256 = B256::repeat_byte(0x42);
pub(crate) const CHAIN_ID: u64 = 4242;
pub(crate) const COINBASE: Address = address!("0x00000000000000000000000000000000c01bba5e");

pub(crate) type Transaction = EthereumTxEnvelope<TxEip4844>;

pub(crate) fn sign<T: SignableTransaction<alloy_primitives::Signature>>(tx: T) -> Signed<T> {
    let signature = sign_message(KEY, tx.signature_hash()).unwrap();
    tx.into_signed(signature)
}

pub(crate) fn sender() -> Address {
    Transaction::from(sign(TxLegacy::default())).recover_signer().unwrap()
}

fn fee() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 200_000,
        max_fee_per_gas: 3_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        ..Default::default()
    }
}

pub(crate) fn transfer(nonce: u64, to: Address, wei: u64) -> Transaction {
    sign(TxEip1559 { nonce, to: TxKind::Call(to), value: U256::from(wei), ..fee() }).into()
}

pub(crate) fn legacy_transfer(nonce: u64, to: Address) -> Transaction {
    let tx = TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: 3_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(to),
        value: U256::from(7),
        input: Bytes::new(),
    };
    sign(tx).into()
}

pub(crate) fn store(nonce: u64, slot: u64, value: u64) -> Transaction {
    let input = [U256::from(slot).to_be_bytes::<32>(), U256::from(value).to_be_bytes::<32>()].concat();
    sign(TxEip1559 { nonce, to: TxKind::Call(STORE), input: input.into(), ..fee() }).into()
}

pub(crate) fn call(nonce: u64, to: Address) -> Transaction {
    sign(TxEip1559 { nonce, to: TxKind::Call(to), ..fee() }).into()
}

/// Deploys a contract whose code is two bytes.
pub(crate) fn create(nonce: u64) -> Transaction {
    let input = bytes!("6133005f526002601ef3");
    sign(TxEip1559 { nonce, to: TxKind::Create, input, ..fee() }).into()
}

/// Delegates the sender's account to [`STORE`] (EIP-7702) and calls it.
pub(crate) fn delegate(nonce: u64) -> Transaction {
    let authorization = Authorization { chain_id: U256::from(CHAIN_ID), address: STORE, nonce: nonce + 1 };
    let signature = sign_message(KEY, authorization.signature_hash()).unwrap();
    let tx = TxEip7702 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 300_000,
        max_fee_per_gas: 3_000_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to: sender(),
        input: [[0x77; 32], [0x01; 32]].concat().into(),
        authorization_list: vec![authorization.into_signed(signature)],
        ..Default::default()
    };
    sign(tx).into()
}

pub(crate) fn pre_state() -> PreState {
    let ether = U256::from(10).pow(U256::from(18));
    let slots = (1..=6_u64).map(|slot| (U256::from(slot), U256::from(slot * 100)));
    let mut state = PreState::from([
        (sender(), PreStateAccount { balance: ether * U256::from(100), ..Default::default() }),
        (
            STORE,
            PreStateAccount { nonce: 1, code: STORE_CODE, storage: slots.collect(), ..Default::default() },
        ),
        (
            DESTROY,
            PreStateAccount {
                nonce: 1,
                balance: ether,
                code: DESTROY_CODE,
                storage: [(U256::from(1), U256::from(1))].into(),
            },
        ),
    ]);
    for other in 1..=40_u8 {
        state.insert(Address::repeat_byte(other), PreStateAccount { balance: ether, ..Default::default() });
    }
    state
}

/// The parent, number 10, and its ancestors down to 6, newest first.
pub(crate) fn ancestors(fork: Fork, state: &PreState) -> (Header, Vec<Header>) {
    let mut chain: Vec<Header> = Vec::new();
    for number in 6..=10 {
        let parent_hash = chain.first().map(Header::hash_slow).unwrap_or_default();
        let header = Header {
            parent_hash,
            number,
            timestamp: number * 12,
            gas_limit: 30_000_000,
            gas_used: 15_000_000,
            base_fee_per_gas: Some(1_000_000_000),
            state_root: PreStateAccount::state_root(state),
            ..empty_header(fork)
        };
        chain.insert(0, header);
    }
    let parent = chain.remove(0);
    (parent, chain)
}

fn empty_header(fork: Fork) -> Header {
    Header {
        withdrawals_root: Some(alloy_trie::EMPTY_ROOT_HASH),
        blob_gas_used: (fork >= Fork::Cancun).then_some(0),
        excess_blob_gas: (fork >= Fork::Cancun).then_some(0),
        parent_beacon_block_root: (fork >= Fork::Cancun).then_some(B256::repeat_byte(9)),
        requests_hash: (fork >= Fork::Prague).then_some(B256::ZERO),
        ..Default::default()
    }
}

/// Adds a block to an input: its header is corrected until execution agrees with it.
pub(crate) fn extend(
    input: &mut StatelessInput,
    fork: Fork,
    transactions: &[Transaction],
    withdrawals: Vec<Withdrawal>,
) {
    let parent = input.blocks.last().map_or(&input.parent, |block| &block.header).clone();
    let header = Header {
        parent_hash: parent.hash_slow(),
        number: parent.number + 1,
        timestamp: parent.timestamp + 12,
        gas_limit: 30_000_000,
        beneficiary: COINBASE,
        base_fee_per_gas: Some(0),
        extra_data: bytes!("70726f6f666d696c6c"),
        ..empty_header(fork)
    };
    let transactions = transactions.iter().map(|tx| tx.encoded_2718().into()).collect();
    input.blocks.push(Block { header, transactions, withdrawals: Some(withdrawals) });
    complete(input);
}

/// Corrects the last header until execution agrees with it.
pub(crate) fn complete(input: &mut StatelessInput) {
    while let Err(error) = minimise(input) {
        let header = &mut input.blocks.last_mut().unwrap().header;
        match error {
            StatelessError::BaseFeeMismatch { expected, .. } => header.base_fee_per_gas = Some(expected),
            StatelessError::TransactionsRootMismatch { got, .. } => header.transactions_root = got,
            StatelessError::WithdrawalsRootMismatch { got, .. } => header.withdrawals_root = Some(got),
            StatelessError::GasUsedMismatch { got, .. } => header.gas_used = got,
            StatelessError::LogsBloomMismatch { got, .. } => header.logs_bloom = *got,
            StatelessError::ReceiptsRootMismatch { got, .. } => header.receipts_root = got,
            StatelessError::RequestsHashMismatch { got, .. } => header.requests_hash = Some(got),
            StatelessError::StateRootMismatch { got, .. } => header.state_root = got,
            other => panic!("the block cannot be completed: {other}: {other:?}"),
        }
    }
}

/// The parent of a chain that starts with this state, and everything of it.
pub(crate) fn start(chain: ChainSpec, fork: Fork, state: &PreState) -> StatelessInput {
    let (parent, ancestors) = ancestors(fork, state);
    StatelessInput { chain, parent, blocks: Vec::new(), witness: full_witness(state, ancestors) }
}

/// Rules that leave withdrawals and beacon roots to a beacon chain.
pub(crate) fn with_beacon_chain(fork: Fork) -> ChainSpec {
    ChainSpec { consensus: Consensus::Ethereum, ..ChainSpec::for_fork(CHAIN_ID, fork) }
}

/// Three blocks that transfer, create, log, set and clear storage, destroy, ask for block hashes and withdraw; with the
/// smallest witness.
pub(crate) fn range(fork: Fork) -> (RangeOutcome, StatelessInput) {
    let mut input = start(with_beacon_chain(fork), fork, &pre_state());
    let to = Address::repeat_byte(3);
    extend(
        &mut input,
        fork,
        &[transfer(0, to, 5), store(1, 1, 0), store(2, 50, 9), legacy_transfer(3, to)],
        vec![],
    );
    let withdrawal =
        Withdrawal { index: 1, validator_index: 2, address: Address::repeat_byte(0xee), amount: 3 };
    extend(
        &mut input,
        fork,
        &[store(4, 2, 0), store(5, 3, 0), create(6), call(7, DESTROY)],
        vec![withdrawal],
    );
    let mut last = vec![store(8, 50, 0), store(9, 4, 1), transfer(10, Address::repeat_byte(0xab), 1)];
    if fork >= Fork::Prague {
        last.push(delegate(11));
    }
    extend(&mut input, fork, &last, vec![]);
    minimise(&input).unwrap()
}
