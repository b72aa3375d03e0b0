//! A small chain to make blocks on.

use crate::common::{decoded, input};
use crate::contracts::{self, DEPOSITOR, L1_BLOCK, L1Attributes};
use alloy_consensus::{Header, SignableTransaction, TxEip1559, constants::EMPTY_OMMER_ROOT_HASH};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};
use proofmill_optimism::{OpAttributes, OpError, OpFork, OpRules, build};
use proofmill_stateless::{Block, PreState, PreStateAccount, Witness, full_witness};

pub(crate) const CHAIN_ID: u64 = 901;
pub(crate) const GAS_LIMIT: u64 = 60_000_000;
const ETHER: u128 = 1_000_000_000_000_000_000;

pub(crate) struct World {
    pub(crate) fork: OpFork,
    pub(crate) rules: OpRules,
    pub(crate) state: PreState,
    pub(crate) parent: Header,
}

impl World {
    /// With every contract, four rich accounts, and a parent that leaves the base fee as it is.
    pub(crate) fn new(fork: OpFork) -> Self {
        let mut state = contracts::state(fork);
        for at in 0..4 {
            let account = PreStateAccount { balance: U256::from(100 * ETHER), ..Default::default() };
            state.insert(key(at).address(), account);
        }
        let ecotone = (fork >= OpFork::Ecotone).then_some(0);
        let parent = Header {
            number: 1000,
            timestamp: 1_000_000,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            gas_limit: GAS_LIMIT,
            gas_used: GAS_LIMIT / 6,
            base_fee_per_gas: Some(1_000_000),
            withdrawals_root: Some(B256::ZERO),
            blob_gas_used: ecotone,
            excess_blob_gas: ecotone,
            parent_beacon_block_root: ecotone.map(|_| B256::ZERO),
            requests_hash: (fork >= OpFork::Isthmus).then_some(B256::ZERO),
            extra_data: extra_data(fork, 250, 6, 0),
            ..Default::default()
        };
        let mut world = Self { fork, rules: OpRules::for_fork(CHAIN_ID, fork), state, parent };
        world.settle();
        world
    }

    /// Puts the state's root into the parent.
    pub(crate) fn settle(&mut self) {
        self.parent.state_root = PreStateAccount::state_root(&self.state);
    }

    /// The transaction of L1's attributes, then others.
    pub(crate) fn attributes(&self, l1: L1Attributes, transactions: Vec<Bytes>) -> OpAttributes {
        let first = deposit(l1_attributes(self.fork, l1));
        OpAttributes {
            prev_randao: B256::repeat_byte(7),
            parent_beacon_block_root: (self.fork >= OpFork::Ecotone).then_some(B256::repeat_byte(8)),
            gas_limit: GAS_LIMIT,
            extra_data: extra_data(self.fork, 250, 6, 0),
            transactions: [vec![first], transactions].concat(),
        }
    }

    pub(crate) fn witness(&self) -> Witness {
        full_witness(&self.state, Vec::new())
    }

    pub(crate) fn build(&self, attributes: OpAttributes) -> Result<Block, OpError> {
        let input = input(&self.rules, &self.parent, Vec::new(), self.witness());
        decoded(&input, |input| build(&self.rules, &input.parent, attributes, &input.witness))
    }
}

pub(crate) fn extra_data(fork: OpFork, denominator: u32, elasticity: u32, min_base_fee: u64) -> Bytes {
    let params = [denominator.to_be_bytes(), elasticity.to_be_bytes()].concat();
    if fork < OpFork::Holocene {
        Bytes::new()
    } else if fork < OpFork::Jovian {
        [&[0][..], &params].concat().into()
    } else {
        [&[1][..], &params, &min_base_fee.to_be_bytes()].concat().into()
    }
}

pub(crate) fn key(at: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(at + 1)).unwrap()
}

pub(crate) fn l1_attributes(fork: OpFork, l1: L1Attributes) -> TxDeposit {
    TxDeposit {
        source_hash: B256::repeat_byte(1),
        from: DEPOSITOR,
        to: TxKind::Call(L1_BLOCK),
        gas_limit: 1_000_000,
        input: l1.call(fork),
        ..Default::default()
    }
}

pub(crate) fn deposit(deposit: TxDeposit) -> Bytes {
    OpTxEnvelope::from(deposit).encoded_2718().into()
}

/// A deposit from somebody on L1.
pub(crate) fn deposit_to(to: TxKind, gas_limit: u64, input: Bytes) -> TxDeposit {
    let from = Address::repeat_byte(0x11);
    TxDeposit { source_hash: B256::repeat_byte(2), from, to, gas_limit, input, ..Default::default() }
}

/// A transaction that pays enough.
pub(crate) fn usual(nonce: u64, to: TxKind, gas_limit: u64, input: Bytes) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        max_fee_per_gas: 100_000_000,
        max_priority_fee_per_gas: 1_000_000,
        to,
        input,
        ..Default::default()
    }
}

pub(crate) fn sign<T: SignableTransaction<Signature>>(tx: T, key: &PrivateKeySigner) -> OpTxEnvelope
where
    OpTxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signature = key.sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

pub(crate) fn signed<T: SignableTransaction<Signature>>(tx: T, key: &PrivateKeySigner) -> Bytes
where
    OpTxEnvelope: From<alloy_consensus::Signed<T>>,
{
    sign(tx, key).encoded_2718().into()
}
