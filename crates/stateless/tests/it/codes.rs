//! Codes that are read, run, or given back.

use crate::common::{call, extend, pre_state, start, with_beacon_chain};
use alloy_primitives::{Address, B256, Bytes, address, hex, keccak256};
use proofmill_stateless::{
    Fork, PreStateAccount, StateDatabase, StatelessError, StatelessInput, StatelessInputRef, WitnessError,
    execute, minimise, parts::WitnessState,
};
use revm::{Database, DatabaseCommit};

/// The greatest length of a code.
const LENGTH: usize = 24_576;
const LARGE: Address = address!("0x000000000000000000000000000000000000c0de");
const READER: Address = address!("0x0000000000000000000000000000000000000ead");

/// Takes all gas unless [`LARGE`] has [`LENGTH`] bytes, of which the last 16, and zeros behind, are what EXTCODECOPY puts into
/// memory.
const READS: &[u8] = &hex!(
    "61c0de3b61600014600c57fe5b6020615ff05f61c0de3c5f516f5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b60801b14603257fe5b00"
);

/// A block that reads a code, runs it, and reads it again.
fn block(fork: Fork) -> StatelessInput {
    let mut state = pre_state();
    for (address, code) in [(LARGE, vec![0x5b; LENGTH]), (READER, READS.to_vec())] {
        state.insert(address, PreStateAccount { nonce: 1, code: code.into(), ..Default::default() });
    }
    let mut input = start(with_beacon_chain(fork), fork, &state);
    extend(&mut input, fork, &[call(0, READER), call(1, LARGE), call(2, READER)], vec![]);
    input
}

fn run(input: &StatelessInput) -> Result<u64, StatelessError> {
    execute(&StatelessInputRef::decode(&input.encode()).unwrap()).map(|outcome| outcome.gas_used)
}

#[test]
fn code_is_read_as_it_is_run() {
    for fork in Fork::ALL {
        let (outcome, input) = minimise(&block(fork)).unwrap();
        // With 200,000 gas for each transaction, one that fails would show.
        assert!(outcome.gas_used < 3 * 21_000 + 24_576 + 2 * 3_500, "{fork:?}: {}", outcome.gas_used);
        assert_eq!(run(&input), Ok(outcome.gas_used));
    }
}

#[test]
fn code_that_is_only_read_is_needed_and_counts_as_used() {
    let fork = Fork::Prague;
    let mut input = block(fork);
    input.blocks.clear();
    extend(&mut input, fork, &[call(0, READER)], vec![]);
    let (outcome, input) = minimise(&input).unwrap();
    assert_eq!(run(&input), Ok(outcome.gas_used));
    let mut less = input.clone();
    less.witness.codes.retain(|code| code.len() != LENGTH);
    assert_eq!(less.witness.codes.len() + 1, input.witness.codes.len());
    let hash = keccak256([0x5b; LENGTH]);
    let missing = WitnessError::MissingCode { hash };
    let refused = run(&less);
    assert!(
        matches!(&refused, Err(StatelessError::Witness { error, .. }) if **error == missing),
        "{refused:?}"
    );
}

/// More codes than stay ready to run, in a state of their own.
#[test]
fn codes_that_are_given_back_are_there_again() {
    let codes: Vec<Bytes> =
        (0..1_400_u32).map(|n| [&n.to_be_bytes()[..], &[0x5b; LENGTH - 4]].concat().into()).collect();
    let mut input = block(Fork::Prague);
    input.witness.codes = codes.clone();
    let bytes = input.encode();
    let input = StatelessInputRef::decode(&bytes).unwrap();
    let mut state = WitnessState::open_any(&input.parent, &input.witness).unwrap();
    let hashes: Vec<B256> = codes.iter().map(keccak256).collect();
    for _ in 0..2 {
        for (code, hash) in codes.iter().zip(&hashes) {
            assert_eq!(state.code_by_hash(*hash).unwrap().original_bytes(), *code);
            assert_eq!(state.read_code(*hash, <[u8]>::to_vec).unwrap(), code.to_vec());
        }
        state.commit(Default::default());
    }
    assert_eq!(state.used(&input.witness).codes.len(), codes.len());
    let hash = B256::repeat_byte(7);
    assert_eq!(state.read_code(hash, <[u8]>::len), Err(WitnessError::MissingCode { hash }));
}
