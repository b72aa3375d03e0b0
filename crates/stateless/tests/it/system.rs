//! System contracts, deposits, creation on accounts with storage, and codes that are created twice: rules that the EVM's
//! library leaves to its caller, or leaves out.

use crate::common::{
    CHAIN_ID, Transaction, call, complete, create, extend, pre_state, sender, sign, start, transfer,
};
use crate::record::InMemory;
use alloy_consensus::TxEip1559;
use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    eip7685::Requests,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, b256, bytes, keccak256};
use proofmill_stateless::{
    ChainSpec, Fork, PreState, PreStateAccount, RequestContracts, StatelessError, StatelessInput,
    StatelessInputRef, WitnessError, execute, minimise, record,
};

const WITHDRAWALS: Address = WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
const CONSOLIDATIONS: Address = CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
const STOP: Bytes = bytes!("00");
const REVERT: Bytes = bytes!("5f5ffd");
const INVALID: Bytes = bytes!("fe");
/// Returns the gas that is left.
const GAS_LEFT: Bytes = bytes!("5a5f5260205ff3");

fn chain(request_contracts: RequestContracts) -> ChainSpec {
    ChainSpec { request_contracts, ..ChainSpec::for_fork(CHAIN_ID, Fork::Prague) }
}

fn with_code(state: &mut PreState, address: Address, code: Bytes) {
    state.insert(address, PreStateAccount { nonce: 1, code, ..Default::default() });
}

/// A block with these transactions by a rollup's rules; its header is not completed.
fn block(chain: ChainSpec, state: &PreState, transactions: &[Transaction]) -> StatelessInput {
    let (consensus, fork) = (chain.consensus, Fork::Prague);
    let mut input = start(chain, fork, state);
    // `extend` completes the block, which these rules may not let it.
    input.chain.request_contracts = RequestContracts::Optional;
    input.chain.consensus = proofmill_stateless::Consensus::Ethereum;
    extend(&mut input, fork, transactions, vec![]);
    input.chain.consensus = consensus;
    input.blocks[0].header.parent_beacon_block_root = Some(B256::ZERO);
    input
}

fn refusal(input: &StatelessInput) -> StatelessError {
    minimise(input).unwrap_err()
}

fn passes(input: &mut StatelessInput) -> StatelessInput {
    complete(input);
    let (outcome, smallest) = minimise(input).unwrap();
    let bytes = smallest.encode();
    assert_eq!(execute(&StatelessInputRef::decode(&bytes).unwrap()), Ok(outcome));
    assert_eq!(minimise(&smallest).unwrap().1, smallest, "the smallest witness is another one");
    smallest
}

#[test]
fn prague_without_system_contracts_is_refused_where_they_are_required() {
    let contracts = [&[][..], &[CONSOLIDATIONS], &[WITHDRAWALS], &[WITHDRAWALS, CONSOLIDATIONS]];
    for (there, missing) in
        contracts.into_iter().zip([Some(WITHDRAWALS), Some(WITHDRAWALS), Some(CONSOLIDATIONS), None])
    {
        let mut state = pre_state();
        for contract in there {
            with_code(&mut state, *contract, STOP);
        }
        let mut input = block(chain(RequestContracts::Optional), &state, &[]);
        passes(&mut input);
        input.chain = chain(RequestContracts::Required);
        match missing {
            Some(contract) => {
                assert_eq!(refusal(&input), StatelessError::SystemContractMissing { block: 11, contract });
            }
            None => drop(passes(&mut input)),
        }
    }
    // An account with ether has no code either.
    let mut state = pre_state();
    state.insert(WITHDRAWALS, PreStateAccount { balance: U256::from(1), ..Default::default() });
    with_code(&mut state, CONSOLIDATIONS, STOP);
    let mut input = block(chain(RequestContracts::Optional), &state, &[]);
    passes(&mut input);
    input.chain = chain(RequestContracts::Required);
    let refused = StatelessError::SystemContractMissing { block: 11, contract: WITHDRAWALS };
    assert_eq!(refusal(&input), refused);
}

#[test]
fn a_request_contract_that_fails_makes_the_block_invalid() {
    for rule in [RequestContracts::Optional, RequestContracts::Required] {
        for (failing, other) in [(WITHDRAWALS, CONSOLIDATIONS), (CONSOLIDATIONS, WITHDRAWALS)] {
            for code in [REVERT, INVALID] {
                let mut state = pre_state();
                with_code(&mut state, other, STOP);
                let mut input = block(chain(rule), &state, &[]);
                with_code(&mut state, failing, code);
                input.parent = start(chain(rule), Fork::Prague, &state).parent;
                input.witness = start(chain(rule), Fork::Prague, &state).witness;
                input.blocks[0].header.parent_hash = input.parent.hash_slow();
                input.chain = chain(rule);
                let refused = refusal(&input);
                assert!(
                    matches!(refused, StatelessError::SystemCall { contract, .. } if contract == failing),
                    "{refused:?}"
                );
            }
        }
    }
}

/// EIP-4788 and EIP-2935: a call that fails, or finds no code, changes nothing.
#[test]
fn the_contracts_of_beacon_roots_and_block_hashes_may_fail() {
    for code in [REVERT, INVALID] {
        let mut state = pre_state();
        with_code(&mut state, BEACON_ROOTS_ADDRESS, code.clone());
        with_code(&mut state, HISTORY_STORAGE_ADDRESS, code);
        passes(&mut block(chain(RequestContracts::Optional), &state, &[]));
    }
    passes(&mut block(chain(RequestContracts::Optional), &pre_state(), &[]));
}

#[test]
fn a_system_call_has_30_million_gas() {
    let mut state = pre_state();
    with_code(&mut state, WITHDRAWALS, GAS_LEFT);
    with_code(&mut state, CONSOLIDATIONS, STOP);
    let mut input = block(chain(RequestContracts::Required), &state, &[]);
    passes(&mut input);
    // The instruction that asks costs 2 gas.
    let left = U256::from(30_000_000 - 2).to_be_bytes::<32>();
    let mut requests = Requests::default();
    requests.push_request_with_type(1, left);
    assert_eq!(input.blocks[0].header.requests_hash, Some(requests.requests_hash()));
}

const DEPOSITS: Address = address!("0x000000000000000000000000000000000000d0d0");
const DEPOSIT_EVENT: B256 = b256!("0x649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5");

/// Logs what it is called with, under a topic.
fn logger(topic: B256) -> Bytes {
    [&bytes!("365f5f377f")[..], topic.as_slice(), &bytes!("365fa100")].concat().into()
}

/// A deposit's log, and the request that it makes.
fn deposit() -> (Vec<u8>, Vec<u8>) {
    let word = |number: usize| U256::from(number).to_be_bytes::<32>();
    let parts: Vec<Vec<u8>> =
        [48, 32, 8, 96, 8].iter().enumerate().map(|(at, len)| vec![at as u8 + 1; *len]).collect();
    let mut log: Vec<u8> = [160, 256, 320, 384, 512].into_iter().flat_map(word).collect();
    for part in &parts {
        log.extend(word(part.len()));
        log.extend(part);
        log.resize(log.len().next_multiple_of(32), 0);
    }
    (log, parts.concat())
}

fn deposits(logs: &[Vec<u8>], topic: B256) -> StatelessInput {
    let mut state = pre_state();
    with_code(&mut state, DEPOSITS, logger(topic));
    let calls = logs.iter().enumerate().map(|(nonce, log)| {
        sign(TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: nonce as u64,
            gas_limit: 200_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(DEPOSITS),
            input: log.clone().into(),
            ..Default::default()
        })
        .into()
    });
    let calls: Vec<Transaction> = calls.collect();
    // Completed where nothing is a deposit.
    let mut input = block(chain(RequestContracts::Optional), &state, &calls);
    complete(&mut input);
    input.chain.deposit_contract = DEPOSITS;
    input
}

#[test]
fn deposits_become_requests() {
    let (log, request) = deposit();
    assert_eq!(log.len(), 576);
    let mut input = deposits(&[log.clone(), log.clone()], DEPOSIT_EVENT);
    passes(&mut input);
    let mut requests = Requests::default();
    requests.push_request_with_type(0, [request.clone(), request].concat());
    assert_eq!(input.blocks[0].header.requests_hash, Some(requests.requests_hash()));
    // Another event of the same contract is no deposit, whatever it says.
    let mut input = deposits(&[log, vec![1, 2, 3]], B256::repeat_byte(1));
    passes(&mut input);
    assert_eq!(input.blocks[0].header.requests_hash, Some(Requests::default().requests_hash()));
}

#[test]
fn a_malformed_deposit_makes_the_block_invalid() {
    let (honest, _) = deposit();
    let mut wrong = vec![Vec::new(), honest[..575].to_vec(), [&honest[..], &[0; 32]].concat(), vec![0; 576]];
    // Each offset and each length, off by one in its lowest and in its highest byte.
    for word in (0..5).map(|part| 32 * part).chain([160, 256, 320, 384, 512]) {
        for at in [word, word + 31] {
            let mut log = honest.clone();
            log[at] ^= 1;
            wrong.push(log);
        }
    }
    for log in wrong {
        let input = deposits(&[honest.clone(), log], DEPOSIT_EVENT);
        assert_eq!(refusal(&input), StatelessError::MalformedDeposit { block: 11, tx: 1 });
    }
    // What pads a part says nothing.
    let mut padded = honest;
    padded[575] = 1;
    passes(&mut deposits(&[padded], DEPOSIT_EVENT));
}

/// Creates, with the code that it is called with, by CREATE2 with salt 0, and stores the address in slot 0.
const FACTORY_CODE: Bytes = bytes!("365f5f375f365f5ff55f5500");
const FACTORY: Address = address!("0x000000000000000000000000000000000000fac0");

/// An account that has storage, but neither code nor a nonce.
fn storage_only(wei: u64) -> PreStateAccount {
    PreStateAccount {
        balance: U256::from(wei),
        storage: [(U256::from(1), U256::from(7))].into(),
        ..Default::default()
    }
}

#[test]
fn creation_on_storage_fails() {
    for wei in [0, 5] {
        let mut state = pre_state();
        let target = sender().create(0);
        state.insert(target, storage_only(wei));
        let mut input = block(chain(RequestContracts::Optional), &state, &[create(0), call(1, target)]);
        let smallest = passes(&mut input);
        // All of the creation's gas is gone (200,000), then a plain call is made.
        assert!(input.blocks[0].header.gas_used > 221_000 - 1, "{}", input.blocks[0].header.gas_used);
        // Recording reads just what the witness holds: the same gas, and the same roots.
        let db = InMemory { state, reachable: true };
        let recorded = record(&smallest.chain, &smallest.blocks[0], db).unwrap();
        assert_eq!(recorded.gas_used, input.blocks[0].header.gas_used);
        assert!(recorded.touched.accounts.contains_key(&target));
    }
}

#[test]
fn creation_on_storage_fails_within_a_transaction() {
    let init = bytes!("6133005f526002601ef3");
    let target = FACTORY.create2(B256::ZERO, keccak256(&init));
    let factory = |nonce| -> Transaction {
        sign(TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            // A 64th of it is left when the creation took the rest.
            gas_limit: 2_000_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(FACTORY),
            input: init.clone(),
            ..Default::default()
        })
        .into()
    };
    let made = |blocked: bool| {
        let mut state = pre_state();
        with_code(&mut state, FACTORY, FACTORY_CODE);
        if blocked {
            state.insert(target, storage_only(0));
        }
        let mut input = block(chain(RequestContracts::Optional), &state, &[factory(0)]);
        passes(&mut input);
        // The state that the block should lead to: the factory's slot 0 tells whether it created.
        let mut after = state;
        let factory = after.get_mut(&FACTORY).unwrap();
        factory.nonce += 1;
        if !blocked {
            factory.storage.insert(U256::ZERO, U256::from_be_bytes(target.into_word().0));
            with_code(&mut after, target, bytes!("3300"));
        }
        let gas = input.blocks[0].header.gas_used;
        let price = u128::from(input.blocks[0].header.base_fee_per_gas.unwrap()) + 1_000_000;
        let from = after.get_mut(&sender()).unwrap();
        from.nonce += 1;
        from.balance -= U256::from(price * u128::from(gas));
        let tip = U256::from(1_000_000 * u128::from(gas));
        let coinbase = PreStateAccount { balance: tip, ..Default::default() };
        after.insert(crate::common::COINBASE, coinbase);
        assert_eq!(PreStateAccount::state_root(&after), input.blocks[0].header.state_root, "{blocked}");
    };
    made(false);
    made(true);
}

/// Since EIP-161 an account without ether goes when it is touched, and takes its storage along.
#[test]
fn storage_that_went_is_no_obstacle() {
    let mut state = pre_state();
    let target = sender().create(1);
    state.insert(target, storage_only(0));
    let mut input = block(chain(RequestContracts::Optional), &state, &[transfer(0, target, 0), create(1)]);
    passes(&mut input);
    assert!(input.blocks[0].header.gas_used < 150_000);
}

/// A code of the pre-state that a block creates anew is not needed of the witness.
#[test]
fn a_code_that_is_created_again_is_not_in_the_witness() {
    let code = bytes!("3300");
    let old = address!("0x000000000000000000000000000000000000c0de");
    let mut state = pre_state();
    with_code(&mut state, old, code.clone());
    let mut input = block(chain(RequestContracts::Optional), &state, &[create(0), call(1, old)]);
    let smallest = passes(&mut input);
    assert!(!smallest.witness.codes.contains(&code));
    let mut surplus = smallest;
    surplus.witness.codes.push(code.clone());
    let refused = execute(&StatelessInputRef::decode(&surplus.encode()).unwrap()).unwrap_err();
    let StatelessError::Witness { error, .. } = refused else { panic!("{refused}") };
    assert_eq!(*error, WitnessError::UnusedCode { hash: keccak256(&code) });
    // It is where it is called first.
    let mut input = block(chain(RequestContracts::Optional), &state, &[call(0, old), create(1)]);
    assert!(passes(&mut input).witness.codes.contains(&code));
}
