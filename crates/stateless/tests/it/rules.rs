//! Rules that Ethereum leaves to its consensus layer, limits of headers, and what of it stands in the rules' hash.

use crate::common::{CHAIN_ID, complete, extend, pre_state, start, transfer, with_beacon_chain};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256};
use proofmill_stateless::{
    BaseFeeRule, ChainSpec, ChainSpecError, Consensus, DecodeError, Fork, GasLimitRule, MAX_GAS_LIMIT,
    OpFork, OpRules, RangeOutcome, RequestContracts, StatelessError, StatelessInput, StatelessInputRef,
    execute, minimise,
};
use std::collections::BTreeSet;

fn run(input: &StatelessInput) -> Result<RangeOutcome, StatelessError> {
    let (_, input) = minimise(input)?;
    execute(&StatelessInputRef::decode(&input.encode())?)
}

fn rollup(fork: Fork) -> ChainSpec {
    ChainSpec::for_fork(CHAIN_ID, fork)
}

/// A block with a transfer and what Ethereum's beacon chain would have to check.
fn block(fork: Fork, withdrawals: Vec<Withdrawal>, beacon_root: B256) -> StatelessInput {
    let mut input = start(with_beacon_chain(fork), fork, &pre_state());
    extend(&mut input, fork, &[transfer(0, Address::repeat_byte(3), 5)], withdrawals);
    if fork >= Fork::Cancun {
        input.blocks[0].header.parent_beacon_block_root = Some(beacon_root);
        complete(&mut input);
    }
    input
}

#[test]
fn minting_by_withdrawals_is_refused() {
    let mint =
        Withdrawal { index: 0, validator_index: 0, address: Address::repeat_byte(0xad), amount: u64::MAX };
    for fork in Fork::ALL {
        let mut input = block(fork, vec![mint], B256::ZERO);
        assert!(run(&input).is_ok(), "the beacon chain is taken to have checked it");
        input.chain = rollup(fork);
        let refused = StatelessError::WithdrawalsOfRollup { block: 11, count: 1 };
        assert_eq!(run(&input), Err(refused), "{fork:?}");
        // Nor with no ether at all: the list is to be empty.
        let mut input = block(fork, vec![Withdrawal { amount: 0, ..mint }], B256::ZERO);
        input.chain = rollup(fork);
        assert!(matches!(run(&input), Err(StatelessError::WithdrawalsOfRollup { .. })));
    }
}

#[test]
fn a_beacon_root_made_up_is_refused() {
    for fork in [Fork::Cancun, Fork::Prague, Fork::Osaka] {
        for got in [B256::with_last_byte(1), B256::repeat_byte(9), B256::repeat_byte(0xff)] {
            let mut input = block(fork, vec![], got);
            assert!(run(&input).is_ok());
            input.chain = rollup(fork);
            let refused = StatelessError::BeaconRootOfRollup { block: 11, got };
            assert_eq!(run(&input), Err(refused), "{fork:?}");
        }
    }
}

#[test]
fn a_rollup_block_without_both_passes() {
    for fork in Fork::ALL {
        let mut input = block(fork, vec![], B256::ZERO);
        let with_beacon_chain = run(&input).unwrap();
        input.chain = rollup(fork);
        let outcome = run(&input).unwrap();
        assert_eq!(outcome.last_hash, with_beacon_chain.last_hash);
        assert_ne!(outcome.config_hash, with_beacon_chain.config_hash);
    }
}

/// Nothing in the range program bounds a time from above. It is reported, for who can compare it with a clock.
#[test]
fn the_last_timestamp_is_reported() {
    for fork in Fork::ALL {
        for timestamp in [11 * 12, 4_102_444_800, u64::MAX] {
            let mut input = block(fork, vec![], B256::ZERO);
            input.chain = rollup(fork);
            input.blocks[0].header.timestamp = timestamp;
            complete(&mut input);
            assert_eq!(run(&input).unwrap().last_timestamp, timestamp);
        }
    }
}

#[test]
fn a_gas_limit_above_the_maximum_is_refused() {
    assert_eq!(MAX_GAS_LIMIT, (1 << 63) - 1);
    for rule in [GasLimitRule::Bounded, GasLimitRule::SequencerSets] {
        let mut input = block(Fork::Prague, vec![], B256::ZERO);
        input.chain = ChainSpec { gas_limit: rule, ..rollup(Fork::Prague) };
        input.parent.gas_limit = MAX_GAS_LIMIT;
        let parent_hash = input.parent.hash_slow();
        input.witness.headers.clear();
        let header = &mut input.blocks[0].header;
        header.parent_hash = parent_hash;
        header.gas_limit = 1 << 63;
        let refused = StatelessError::GasLimitAboveMaximum { block: 11, max: MAX_GAS_LIMIT, got: 1 << 63 };
        assert_eq!(run(&input), Err(refused));
        input.blocks[0].header.gas_limit = MAX_GAS_LIMIT;
        complete(&mut input);
        assert!(run(&input).is_ok());
    }
    let mut input = block(Fork::Prague, vec![], B256::ZERO);
    input.chain = ChainSpec { max_gas_limit: 29_999_999, ..rollup(Fork::Prague) };
    let refused = StatelessError::GasLimitAboveMaximum { block: 11, max: 29_999_999, got: 30_000_000 };
    assert_eq!(run(&input), Err(refused));
}

#[test]
fn ethereums_rules_are_no_rollups() {
    for chain_id in [1, 11_155_111, 17_000, 560_048] {
        let chain = ChainSpec::for_fork(chain_id, Fork::Osaka);
        assert_eq!(chain.consensus, Consensus::Ethereum);
        assert_eq!(chain.request_contracts, RequestContracts::Required);
        let refused = chain.require_rollup().unwrap_err();
        assert_eq!(refused, ChainSpecError::NotARollup { chain_id });
        assert!(refused.to_string().contains("could mint"), "{refused}");
    }
    for chain_id in [0, 10, 901, 31_337, CHAIN_ID, u64::MAX] {
        assert_eq!(ChainSpec::for_fork(chain_id, Fork::Osaka).require_rollup(), Ok(()));
    }
    // A chain with an id of its own and a beacon chain of its own, which somebody says it has.
    assert!(with_beacon_chain(Fork::Cancun).require_rollup().is_err());
}

#[test]
fn every_rule_is_in_the_hash() {
    let honest = rollup(Fork::Osaka);
    let changes: [fn(&mut ChainSpec); 13] = [
        |_| {},
        |chain| chain.chain_id += 1,
        |chain| _ = chain.forks.pop(),
        |chain| chain.forks[3].timestamp += 1,
        |chain| chain.blobs[0].params.max_blob_count += 1,
        |chain| chain.deposit_contract = Address::ZERO,
        |chain| chain.base_fee = BaseFeeRule::SequencerSets,
        |chain| chain.base_fee = BaseFeeRule::Eip1559 { max_change_denominator: 8, elasticity: 3 },
        |chain| chain.gas_limit = GasLimitRule::SequencerSets,
        |chain| chain.max_gas_limit -= 1,
        |chain| chain.consensus = Consensus::Ethereum,
        |chain| chain.request_contracts = RequestContracts::Required,
        |chain| chain.blobs[0].params.blob_base_cost = 0,
    ];
    let mut hashes = Vec::new();
    for change in changes {
        let mut chain = honest.clone();
        change(&mut chain);
        assert_eq!(ChainSpec::decode(&chain.encode()), Ok(chain.clone()));
        hashes.push(chain.hash());
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), changes.len());
}

#[test]
fn rules_without_a_meaning_are_not_read() {
    let bytes = rollup(Fork::Osaka).encode();
    let end = bytes.len();
    // The last words: the maximum of the gas limit (two), consensus, request contracts, whose rules.
    for (at, what) in
        [(end - 12, "consensus rule"), (end - 8, "rule for request contracts"), (end - 4, "rules of a chain")]
    {
        for tag in [2_u32, 256, u32::MAX] {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&tag.to_le_bytes());
            assert_eq!(ChainSpec::decode(&bytes), Err(DecodeError::UnknownTag { what, tag }));
        }
    }
    for gas in [0, 4999, MAX_GAS_LIMIT + 1, u64::MAX] {
        let mut bytes = bytes.clone();
        bytes[end - 20..end - 12].copy_from_slice(&gas.to_le_bytes());
        let refused = DecodeError::Chain(ChainSpecError::MaxGasLimit { gas });
        assert_eq!(ChainSpec::decode(&bytes), Err(refused));
    }
}

#[test]
fn rules_of_the_op_stack_come_back_from_their_encoding() {
    let mut hashes = BTreeSet::new();
    for fork in OpFork::ALL {
        let chain = ChainSpec::optimism(OpRules::for_fork(10, fork));
        let bytes = chain.encode();
        assert_eq!(ChainSpec::decode(&bytes), Ok(chain.clone()));
        assert!(hashes.insert(chain.hash()), "{fork} has a hash of its own");
        // The last fork's number stands before its time.
        let (at, mut unknown) = (bytes.len() - 12, bytes);
        unknown[at..at + 4].copy_from_slice(&9_u32.to_le_bytes());
        let refused = DecodeError::UnknownTag { what: "fork of the OP Stack", tag: 9 };
        assert_eq!(ChainSpec::decode(&unknown), Err(refused));
    }
    let rules = OpRules { block_time: 1, ..OpRules::for_fork(10, OpFork::Karst) };
    assert!(hashes.insert(ChainSpec::optimism(rules).hash()));
    assert_eq!(ChainSpec::for_fork(10, Fork::Osaka).require_rollup(), Ok(()));
}
