//! What transactions spend their gas on.

use crate::common::{CHAIN_ID, call, extend, pre_state, range, start, transfer};
use alloy_primitives::{Address, Bytes, bytes, keccak256};
use proofmill_stateless::{
    ChainSpec, Consensus, Fork, PreStateAccount, Spender, Spent, StatelessInput, StatelessInputRef, minimise,
    profile,
};

/// SHA-256 (the precompile 2) of 4096 bytes, until no gas is left.
const SHA256: Bytes = bytes!("5b5f5f6110005f60025afa505f56");
/// Keccak-256 of 1024 bytes, until no gas is left.
const KECCAK: Bytes = bytes!("5b6104005f20505f56");

fn profiled(input: &StatelessInput) -> Vec<Spent> {
    let bytes = input.encode();
    profile(&StatelessInputRef::decode(&bytes).unwrap()).unwrap()
}

#[test]
fn the_transaction_that_makes_a_block_dear_is_named_with_what_it_spends_on() {
    let (hashes, digests) = (Address::repeat_byte(0xf1), Address::repeat_byte(0xf2));
    let mut state = pre_state();
    for (address, code) in [(hashes, SHA256), (digests, KECCAK)] {
        state.insert(address, PreStateAccount { nonce: 1, code, ..Default::default() });
    }
    let fork = Fork::Prague;
    let chain = ChainSpec { consensus: Consensus::Ethereum, ..ChainSpec::for_fork(CHAIN_ID, fork) };
    let mut input = start(chain, fork, &state);
    let transactions = [transfer(0, Address::repeat_byte(3), 1), call(1, hashes), call(2, digests)];
    extend(&mut input, fork, &transactions, vec![]);
    let (outcome, input) = minimise(&input).unwrap();
    let spent = profiled(&input);
    let precompile = Spender::Precompile(Address::with_last_byte(2));
    let most: Vec<_> = spent.iter().map(|spent| spent.most.0).collect();
    assert_eq!(most, [Spender::Transaction, precompile, Spender::Opcode(0x20)]);
    assert_eq!((spent[0].gas, spent[0].most.1), (21_000, 21_000));
    assert!(spent[1..].iter().all(|spent| spent.gas == 200_000 && spent.most.1 > 150_000), "{spent:?}");
    assert_eq!(spent.iter().map(|spent| spent.gas).sum::<u64>(), outcome.gas_used);
    let (raw, dear) = (&input.blocks[0].transactions[1], &spent[1]);
    assert_eq!((dear.block, dear.tx, dear.hash), (11, 1, keccak256(raw)));
    let said = dear.to_string();
    assert!(said.contains("transaction 1 of block 11") && said.contains("on the precompile 0x2"), "{said}");
    assert!(spent[2].to_string().ends_with("on KECCAK256"), "{}", spent[2]);
}

#[test]
fn blocks_follow_on_each_other_and_all_gas_is_accounted_for() {
    let (outcome, input) = range(Fork::Prague);
    let spent = profiled(&input);
    assert_eq!(spent.len() as u64, outcome.transactions);
    assert_eq!(spent.iter().map(|spent| spent.gas).sum::<u64>(), outcome.gas_used);
    let blocks: Vec<_> = spent.iter().map(|spent| spent.block).collect();
    assert!(blocks.is_sorted() && blocks.first() == Some(&11) && blocks.last() == Some(&13));
}
