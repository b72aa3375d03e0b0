//! A wrong block, and a witness that lacks or adds something, is refused with the error that names it.

use crate::common::{CHAIN_ID, range, with_beacon_chain};
use alloy_primitives::{B64, B256, Bloom, Bytes, U256, keccak256};
use proofmill_stateless::{
    BaseFeeRule, Block, DecodeError, Fork, GasLimitRule, StatelessError, StatelessInput, StatelessInputRef,
    WitnessError, execute, minimise,
};

fn run(input: &StatelessInput) -> Result<proofmill_stateless::RangeOutcome, StatelessError> {
    let bytes = input.encode();
    execute(&StatelessInputRef::decode(&bytes)?)
}

/// Changes the last block of an honest range and returns what comes of it.
fn tamper(change: impl FnOnce(&mut Block)) -> StatelessError {
    let (_, mut input) = range(Fork::Prague);
    change(input.blocks.last_mut().unwrap());
    run(&input).unwrap_err()
}

fn witness_error(error: StatelessError) -> WitnessError {
    match error {
        StatelessError::Witness { error, .. } => *error,
        other => panic!("not an error of the witness: {other}"),
    }
}

#[test]
fn honest_ranges_of_every_fork_pass() {
    for fork in Fork::ALL {
        let (outcome, input) = range(fork);
        assert_eq!(run(&input).unwrap(), outcome, "{fork:?}");
        assert_eq!((outcome.first, outcome.last), (11, 13));
        assert_eq!(outcome.transactions, if fork >= Fork::Prague { 12 } else { 11 });
        assert_eq!(outcome.parent_hash, input.parent.hash_slow());
        assert_eq!(outcome.pre_state_root, input.parent.state_root);
        let last = &input.blocks.last().unwrap().header;
        assert_eq!((outcome.last_hash, outcome.post_state_root), (last.hash_slow(), last.state_root));
        assert_eq!(outcome.last_timestamp, last.timestamp);
        let hashes: Vec<B256> = input.blocks.iter().map(|block| block.header.hash_slow()).collect();
        assert_eq!(outcome.block_hashes, hashes);
        assert_eq!(outcome.gas_used, input.blocks.iter().map(|block| block.header.gas_used).sum::<u64>());
        assert_eq!(outcome.chain_id, CHAIN_ID);
        assert_eq!(outcome.config_hash, input.chain.hash());
    }
}

#[test]
fn the_order_of_a_witness_changes_nothing_but_its_bytes() {
    for fork in Fork::ALL {
        let (outcome, mut input) = range(fork);
        input.witness.state.reverse();
        input.witness.codes.reverse();
        assert_eq!(run(&input).unwrap(), outcome, "{fork:?}");
        // And so an input is the same, whatever order a node answers in.
        assert_eq!(minimise(&input).unwrap().1, range(fork).1, "{fork:?}");
    }
}

/// One row: a change of the last block, and the pattern of the error that it must give.
macro_rules! refused {
    ($($name:ident: $change:expr => $pattern:pat),* $(,)?) => {$(
        #[test]
        fn $name() {
            let change: fn(&mut Block) = $change;
            let error = tamper(change);
            assert!(matches!(&error, $pattern), "{error:?}");
        }
    )*};
}

refused! {
    state_root: |block| block.header.state_root.0[0] ^= 1 => StatelessError::StateRootMismatch { block: 13, .. },
    receipts_root: |block| block.header.receipts_root.0[0] ^= 1 => StatelessError::ReceiptsRootMismatch { block: 13, .. },
    transactions_root: |block| block.header.transactions_root.0[0] ^= 1
        => StatelessError::TransactionsRootMismatch { block: 13, .. },
    withdrawals_root: |block| block.header.withdrawals_root = Some(B256::ZERO)
        => StatelessError::WithdrawalsRootMismatch { block: 13, .. },
    withdrawals_missing: |block| block.withdrawals = None => StatelessError::WithdrawalsMissing { block: 13 },
    requests_hash: |block| block.header.requests_hash = Some(B256::ZERO)
        => StatelessError::RequestsHashMismatch { block: 13, .. },
    logs_bloom: |block| block.header.logs_bloom = Bloom::ZERO => StatelessError::LogsBloomMismatch { block: 13, .. },
    gas_used: |block| block.header.gas_used += 1 => StatelessError::GasUsedMismatch { block: 13, .. },
    gas_used_above_limit: |block| block.header.gas_used = 30_000_001
        => StatelessError::GasUsedAboveLimit { block: 13, .. },
    gas_limit_up: |block| block.header.gas_limit += 30_000_000 / 1024
        => StatelessError::GasLimitOutOfBounds { block: 13, .. },
    gas_limit_down: |block| block.header.gas_limit -= 30_000_000 / 1024
        => StatelessError::GasLimitOutOfBounds { block: 13, .. },
    base_fee: |block| block.header.base_fee_per_gas = Some(7) => StatelessError::BaseFeeMismatch { block: 13, got: 7, .. },
    base_fee_missing: |block| {
        let header = &mut block.header;
        header.base_fee_per_gas = None;
        header.withdrawals_root = None;
        header.blob_gas_used = None;
        header.excess_blob_gas = None;
        header.parent_beacon_block_root = None;
        header.requests_hash = None;
    } => StatelessError::FieldMissing { block: 13, field: "baseFeePerGas", .. },
    requests_hash_missing: |block| block.header.requests_hash = None
        => StatelessError::FieldMissing { block: 13, field: "requestsHash", .. },
    blob_gas_used: |block| block.header.blob_gas_used = Some(131_072)
        => StatelessError::BlobGasUsedMismatch { block: 13, expected: 131_072, got: 0 },
    blob_gas_above_limit: |block| block.header.blob_gas_used = Some(10 * 131_072)
        => StatelessError::BlobGasAboveLimit { block: 13, .. },
    excess_blob_gas: |block| block.header.excess_blob_gas = Some(1)
        => StatelessError::ExcessBlobGasMismatch { block: 13, expected: 0, got: 1 },
    parent_hash: |block| block.header.parent_hash.0[31] ^= 1 => StatelessError::ParentHashMismatch { block: 13, .. },
    number: |block| block.header.number = 14 => StatelessError::NumberMismatch { expected: 13, got: 14 },
    timestamp: |block| block.header.timestamp = 12 * 12 => StatelessError::TimestampNotAfterParent { block: 13, .. },
    extra_data: |block| block.header.extra_data = Bytes::from_static(&[0; 33])
        => StatelessError::ExtraDataTooLong { block: 13, len: 33 },
    difficulty: |block| block.header.difficulty = U256::from(1)
        => StatelessError::NotProofOfStake { block: 13, field: "difficulty" },
    nonce: |block| block.header.nonce = B64::with_last_byte(1)
        => StatelessError::NotProofOfStake { block: 13, field: "nonce" },
    ommers: |block| block.header.ommers_hash = B256::ZERO
        => StatelessError::NotProofOfStake { block: 13, field: "list of ommers" },
    beacon_root: |block| block.header.parent_beacon_block_root = None
        => StatelessError::Decode(DecodeError::Header { .. }) | StatelessError::FieldMissing { block: 13, .. },
    transaction_left_out: |block| { block.transactions.pop(); }
        => StatelessError::TransactionsRootMismatch { block: 13, .. },
    beneficiary: |block| block.header.beneficiary = crate::common::STORE
        => StatelessError::StateRootMismatch { block: 13, .. },
}

/// Gives the block the transactions root of its transactions, so that what is wrong with them is met.
fn reroot(block: &mut Block) {
    block.header.transactions_root = alloy_trie::root::ordered_trie_root_encoded(&block.transactions);
}

#[test]
fn transactions_that_are_not() {
    let error = tamper(|block| {
        block.transactions[0] = Bytes::from_static(&[2, 0xc0]);
        reroot(block);
    });
    assert!(matches!(error, StatelessError::MalformedTransaction { block: 13, tx: 0, .. }), "{error:?}");
    let error = tamper(|block| {
        block.transactions.swap(0, 1);
        reroot(block);
    });
    assert!(matches!(error, StatelessError::InvalidTransaction { block: 13, tx: 0, .. }), "{error:?}");
    let error = tamper(|block| {
        // The last 32 bytes are the signature's `s`: an `s` of all ones is above the curve's order.
        let mut raw = block.transactions[1].to_vec();
        let len = raw.len();
        raw[len - 32..].fill(0xff);
        block.transactions[1] = raw.into();
        reroot(block);
    });
    assert!(matches!(error, StatelessError::BadSignature { block: 13, tx: 1 }), "{error:?}");
}

#[test]
fn a_skipped_block() {
    let (_, mut input) = range(Fork::Cancun);
    input.blocks.remove(1);
    assert_eq!(run(&input), Err(StatelessError::NumberMismatch { expected: 12, got: 13 }));
}

#[test]
fn another_parent() {
    let (_, mut input) = range(Fork::Cancun);
    input.parent.extra_data = Bytes::from_static(b"other");
    assert!(matches!(
        run(&input),
        Err(StatelessError::Witness { .. } | StatelessError::ParentHashMismatch { block: 11, .. })
    ));
    input.witness.headers.clear();
    assert!(matches!(run(&input), Err(StatelessError::ParentHashMismatch { block: 11, .. })));
}

#[test]
fn another_chain_id() {
    let (_, mut input) = range(Fork::Cancun);
    input.chain.chain_id = 1;
    let expected = StatelessError::ChainIdMismatch { block: 11, tx: 0, expected: 1, got: CHAIN_ID };
    assert_eq!(run(&input), Err(expected));
}

#[test]
fn another_fork() {
    let (_, mut input) = range(Fork::Cancun);
    input.chain = with_beacon_chain(Fork::Prague);
    assert!(matches!(run(&input), Err(StatelessError::FieldMissing { field: "requestsHash", .. })));
    input.chain = with_beacon_chain(Fork::Shanghai);
    assert!(matches!(run(&input), Err(StatelessError::FieldUnknown { field: "blobGasUsed", .. })));
}

#[test]
fn rules_are_relaxed_only_where_the_chain_says_so() {
    let (outcome, mut input) = range(Fork::Cancun);
    input.blocks.truncate(1);
    input.blocks[0].header.gas_limit *= 2;
    assert!(matches!(run(&input), Err(StatelessError::GasLimitOutOfBounds { .. })));
    input.chain.gas_limit = GasLimitRule::SequencerSets;
    // Past the bound now, and on to what only the full range's witness makes good.
    assert!(matches!(run(&input), Err(StatelessError::Witness { .. })));
    input.blocks[0].header.base_fee_per_gas = Some(999);
    assert!(matches!(run(&input), Err(StatelessError::BaseFeeMismatch { got: 999, .. })));
    input.chain.base_fee = BaseFeeRule::SequencerSets;
    assert!(!matches!(run(&input), Err(StatelessError::BaseFeeMismatch { .. })));
    assert_ne!(input.chain.hash(), outcome.config_hash);
}

#[test]
fn a_parent_with_numbers_out_of_range_does_not_panic() {
    let (_, honest) = range(Fork::Osaka);
    let changes: [fn(&mut alloy_consensus::Header); 8] = [
        |header| header.gas_limit = 0,
        |header| header.base_fee_per_gas = None,
        |header| header.base_fee_per_gas = Some(u64::MAX),
        |header| header.excess_blob_gas = Some(u64::MAX),
        |header| header.blob_gas_used = Some(u64::MAX),
        |header| header.number = u64::MAX,
        |header| header.gas_used = u64::MAX,
        |header| header.timestamp = u64::MAX,
    ];
    for change in changes {
        let mut input = honest.clone();
        input.witness.headers.clear();
        change(&mut input.parent);
        input.blocks[0].header.parent_hash = input.parent.hash_slow();
        assert!(run(&input).is_err());
    }
}

#[test]
fn every_node_code_and_header_is_needed() {
    let (_, honest) = range(Fork::Prague);
    assert!(
        honest.witness.state.len() > 10
            && honest.witness.codes.len() == 2
            && honest.witness.headers.len() == 1
    );
    for at in 0..honest.witness.state.len() {
        let mut input = honest.clone();
        let hash = keccak256(input.witness.state.remove(at));
        let error = witness_error(run(&input).unwrap_err());
        assert!(
            matches!(error, WitnessError::MissingNode { hash: missing, .. } if missing == hash),
            "{error:?}"
        );
    }
    for at in 0..honest.witness.codes.len() {
        let mut input = honest.clone();
        let hash = keccak256(input.witness.codes.remove(at));
        assert_eq!(witness_error(run(&input).unwrap_err()), WitnessError::MissingCode { hash });
    }
    let mut input = honest.clone();
    input.witness.headers.clear();
    assert_eq!(witness_error(run(&input).unwrap_err()), WitnessError::MissingAncestor { number: 8 });
}

#[test]
fn nothing_more_than_needed_is_accepted() {
    let (_, honest) = range(Fork::Prague);
    let extra = Bytes::from_static(&[1, 2, 3]);
    let hash = keccak256(&extra);
    let with = |change: &dyn Fn(&mut StatelessInput)| {
        let mut input = honest.clone();
        change(&mut input);
        witness_error(run(&input).unwrap_err())
    };
    assert_eq!(with(&|input| input.witness.state.push(extra.clone())), WitnessError::UnusedNode { hash });
    assert_eq!(with(&|input| input.witness.codes.push(extra.clone())), WitnessError::UnusedCode { hash });
    let twice = honest.witness.state[0].clone();
    let hash = keccak256(&twice);
    assert_eq!(with(&|input| input.witness.state.push(twice.clone())), WitnessError::UnusedNode { hash });
    let twice = honest.witness.codes[0].clone();
    let hash = keccak256(&twice);
    assert_eq!(with(&|input| input.witness.codes.push(twice.clone())), WitnessError::UnusedCode { hash });
    let older = crate::common::ancestors(Fork::Prague, &crate::common::pre_state()).1[1].clone();
    let unused = with(&|input| input.witness.headers.push(older.clone()));
    assert_eq!(unused, WitnessError::UnusedAncestor { number: 8 });
    let unlinked = with(&|input| input.witness.headers[0].extra_data = Bytes::from_static(b"x"));
    assert!(matches!(unlinked, WitnessError::AncestorNotLinked { number: 9, .. }));
}
