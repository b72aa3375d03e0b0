//! Blocks that do not follow from their parent: a lie of each kind is refused for what it is.

use crate::{
    common::{decoded, input, run},
    contracts::{Contract, L1Attributes, MESSAGE_PASSER},
    world::{CHAIN_ID, GAS_LIMIT, World, deposit, deposit_to, key, l1_attributes, signed, usual},
};
use alloy_consensus::{Header, TxEip4844};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, TxKind, U256, keccak256};
use op_alloy_consensus::{OpTxEnvelope, SDMGasEntry, TxDeposit, build_post_exec_tx};
use proofmill_optimism::{
    OpActivation, OpAttributes, OpError, OpFork, OpRules, OpRulesError, OutputRoots, execute,
};
use proofmill_program::{ProgramError, ProvenFor, range};
use proofmill_stateless::{
    Block, ChainSpec, ChainSpecError, DecodeError, Fork, StatelessError, StatelessInput, StatelessInputRef,
    WitnessError,
};
use revm::context::result::InvalidTransaction;
use std::ops::Range;

/// A block with a deposit and a user's transaction that writes to the message passer.
fn honest(world: &World) -> Block {
    let word = |value: u64| U256::from(value).to_be_bytes::<32>();
    let transactions = vec![
        deposit(TxDeposit {
            mint: 5,
            ..deposit_to(TxKind::Call(Contract::Store.address()), 100_000, [word(1), word(2)].concat().into())
        }),
        signed(usual(0, TxKind::Call(MESSAGE_PASSER), 100_000, [word(3), word(4)].concat().into()), &key(0)),
    ];
    world.build(world.attributes(L1Attributes::USUAL, transactions)).unwrap()
}

fn refusal(world: &World, block: Block) -> OpError {
    run(&world.rules, &world.parent, vec![block], world.witness()).unwrap_err()
}

/// A change of a header, and what the refusal says of it.
type Lie = (fn(&mut Header), &'static str);

const fn lie(change: fn(&mut Header), refusal: &'static str) -> Lie {
    (change, refusal)
}

/// What a header may say falsely, and what the refusal then says. (A field that others follow cannot be left out:
/// then it is no header.)
fn lies(fork: OpFork) -> Vec<Lie> {
    let mut lies: Vec<Lie> = vec![
        lie(|h| h.parent_hash = B256::ZERO, "has parentHash"),
        lie(|h| h.number += 1, "has number"),
        lie(|h| h.timestamp -= 1, "has timestamp"),
        lie(|h| h.timestamp += 1, "has timestamp"),
        lie(|h| h.ommers_hash = B256::ZERO, "has a list of ommers"),
        lie(|h| h.difficulty = U256::ONE, "has a difficulty"),
        lie(|h| h.nonce = B64::with_last_byte(1), "has a nonce"),
        lie(|h| h.beneficiary = Address::ZERO, "pays its fees to"),
        lie(|h| h.extra_data = Bytes::from_static(b"made up"), "has the extra data"),
        lie(|h| h.gas_limit = u64::MAX, "has gasLimit 18446744073709551615, above"),
        lie(|h| h.gas_used = h.gas_limit + 1, "has gasUsed 60000001, above"),
        lie(|h| h.gas_used += 1, "has gasUsed"),
        lie(|h| h.base_fee_per_gas = Some(1), "has baseFeePerGas"),
        lie(|h| h.transactions_root = B256::ZERO, "has transactionsRoot"),
        lie(|h| h.receipts_root = B256::ZERO, "has receiptsRoot"),
        lie(|h| h.logs_bloom = Bloom::repeat_byte(1), "has a logs bloom"),
        lie(|h| h.state_root = B256::ZERO, "has stateRoot"),
        // From Isthmus on the message passer's root, before the root of an empty list.
        lie(|h| h.withdrawals_root = Some(B256::ZERO), "has withdrawalsRoot"),
    ];
    lies.extend(match fork.ethereum() {
        Fork::Shanghai => [
            lie(|h| h.withdrawals_root = None, "lacks the header field withdrawalsRoot"),
            lie(|h| h.blob_gas_used = Some(0), "has the header field blobGasUsed"),
        ],
        Fork::Cancun => [
            lie(|h| h.parent_beacon_block_root = None, "lacks the header field parentBeaconBlockRoot"),
            lie(|h| h.requests_hash = Some(B256::ZERO), "has the header field requestsHash"),
        ],
        Fork::Prague | Fork::Osaka => [
            lie(|h| h.requests_hash = None, "lacks the header field requestsHash"),
            lie(|h| h.block_access_list_hash = Some(B256::ZERO), "has the header field blockAccessListHash"),
        ],
    });
    if fork >= OpFork::Ecotone {
        lies.extend([
            lie(|h| h.blob_gas_used = h.blob_gas_used.map(|gas| gas + 1), "has blobGasUsed"),
            lie(|h| h.blob_gas_used = Some(h.gas_limit + 1), "has blobGasUsed 60000001, above"),
            lie(|h| h.excess_blob_gas = Some(1), "has excessBlobGas"),
            // The contract of EIP-4788 keeps it.
            lie(|h| h.parent_beacon_block_root = Some(B256::ZERO), "has stateRoot"),
        ]);
    }
    if fork >= OpFork::Isthmus {
        lies.push(lie(|h| h.requests_hash = Some(B256::ZERO), "has requestsHash"));
    }
    if fork >= OpFork::Holocene {
        lies.extend([
            lie(|h| h.extra_data = Bytes::new(), "has the extra data 0x"),
            lie(|h| extra(h, 0..1, 9), "has the extra data 0x09"),
            lie(|h| extra(h, 1..5, 0), "denominator and elasticity must not be 0"),
            lie(|h| extra(h, 5..9, 0), "denominator and elasticity must not be 0"),
        ]);
    }
    lies
}

fn extra(header: &mut Header, at: Range<usize>, byte: u8) {
    let mut extra = header.extra_data.to_vec();
    extra[at].fill(byte);
    header.extra_data = extra.into();
}

#[test]
fn a_header_cannot_lie() {
    for fork in OpFork::ALL {
        let world = World::new(fork);
        let block = honest(&world);
        let outcome = run(&world.rules, &world.parent, vec![block.clone()], world.witness()).unwrap();
        let output = |header: &Header| {
            let passer = header.withdrawals_root.unwrap();
            keccak256([B256::ZERO, header.state_root, passer, header.hash_slow()].concat())
        };
        let roots = OutputRoots { before: output(&world.parent), after: output(&block.header) };
        assert_eq!(outcome.output_roots, (fork >= OpFork::Isthmus).then_some(roots), "{fork}");
        for (change, refusal) in lies(fork) {
            let mut block = block.clone();
            change(&mut block.header);
            let error = self::refusal(&world, block).to_string();
            assert!(error.contains(refusal), "{fork}: {error}");
        }
        let lists = [None, Some(vec![Default::default()])];
        for withdrawals in lists {
            let error = refusal(&world, Block { withdrawals, ..block.clone() });
            assert_eq!(error, OpError::Withdrawals { block: 1001 }, "{fork}");
        }
    }
}

/// A block that charges by the rules of another fork.
#[test]
fn fees_cannot_lie() {
    for (fork, others) in [(OpFork::Fjord, OpFork::Ecotone), (OpFork::Ecotone, OpFork::Fjord)] {
        let (world, other) = (World::new(fork), World::new(others));
        // The only difference between the two is the data fee.
        let error = refusal(&world, honest(&other));
        assert!(matches!(error, OpError::Hash { field: "parentHash" | "stateRoot", .. }), "{error}");
        let block = honest(&World {
            fork: others,
            rules: OpRules::for_fork(CHAIN_ID, others),
            state: world.state.clone(),
            parent: world.parent.clone(),
        });
        let error = refusal(&world, block);
        assert!(matches!(error, OpError::Hash { field: "stateRoot", .. }), "{error}");
    }
}

/// A block that charges the operator's fee, or counts its data, by other numbers than its attributes say.
#[test]
fn what_the_operator_gets_and_the_footprint_cannot_lie() {
    let attributes = L1Attributes::USUAL;
    for fork in OpFork::ALL.into_iter().filter(|fork| *fork >= OpFork::Isthmus) {
        let world = World::new(fork);
        let block = |l1: L1Attributes| {
            let data =
                (0..2_000_u64).flat_map(|at| (at * at * 2_654_435_769).to_le_bytes()).collect::<Vec<_>>();
            let user = signed(usual(0, TxKind::Call(Address::ZERO), 900_000, data.into()), &key(0));
            world.build(world.attributes(l1, vec![user])).unwrap()
        };
        let right = block(attributes);
        let refusals = [
            (L1Attributes { operator_scalar: attributes.operator_scalar + 1, ..attributes }, "stateRoot"),
            (L1Attributes { operator_constant: attributes.operator_constant + 1, ..attributes }, "stateRoot"),
            (L1Attributes { footprint_scalar: attributes.footprint_scalar + 1, ..attributes }, "blobGasUsed"),
        ];
        let known = if fork >= OpFork::Jovian { 3 } else { 2 };
        for (others, field) in refusals.into_iter().take(known) {
            let mut lie = block(others);
            lie.transactions[0] = right.transactions[0].clone();
            lie.header.transactions_root = right.header.transactions_root;
            let error = refusal(&world, lie).to_string();
            assert!(error.contains(field), "{fork}: {error}");
        }
    }
}

#[test]
fn a_body_cannot_lie() {
    for fork in OpFork::ALL {
        let world = World::new(fork);
        let build = |transactions: Vec<Bytes>| {
            let attributes =
                OpAttributes { transactions, ..world.attributes(L1Attributes::USUAL, Vec::new()) };
            world.build(attributes).unwrap_err()
        };
        let first = l1_attributes(fork, L1Attributes::USUAL);
        let user = || signed(usual(0, TxKind::Call(Address::ZERO), 30_000, Bytes::new()), &key(0));
        let two = |tx: Bytes| build(vec![deposit(first.clone()), tx]);
        let reason = |error: OpError| match error {
            OpError::L1Attributes { block: 1001, reason } => reason,
            error => panic!("{fork}: {error}"),
        };
        assert_eq!(reason(build(Vec::new())), "there is none");
        assert_eq!(reason(build(vec![user()])), "it is a user's transaction");
        let other = if fork == OpFork::Isthmus { OpFork::Jovian } else { OpFork::Isthmus };
        for (change, why) in [
            (TxDeposit { from: Address::ZERO, ..first.clone() }, "its sender is another"),
            (TxDeposit { to: TxKind::Create, ..first.clone() }, "it calls another contract"),
            (TxDeposit { mint: 1, ..first.clone() }, "it mints or carries ether"),
            (TxDeposit { value: U256::ONE, ..first.clone() }, "it mints or carries ether"),
            (TxDeposit { gas_limit: 1_000_001, ..first.clone() }, "its gas is not 1,000,000"),
            (l1_attributes(other, L1Attributes::USUAL), "its call is not that of the fork"),
        ] {
            assert_eq!(reason(build(vec![deposit(change)])), why, "{fork}");
        }
        let mint = deposit(TxDeposit {
            mint: 1 << 80,
            ..deposit_to(TxKind::Call(Address::ZERO), 30_000, Bytes::new())
        });
        let error = build(vec![deposit(first.clone()), user(), mint]);
        assert_eq!(error, OpError::DepositAfterUser { block: 1001, tx: 2 }, "{fork}");
        let system =
            TxDeposit { is_system_transaction: true, ..deposit_to(TxKind::Create, 90_000, Bytes::new()) };
        assert_eq!(two(deposit(system)), OpError::SystemDeposit { block: 1001, tx: 1 }, "{fork}");
        let blobs = TxEip4844 {
            chain_id: CHAIN_ID,
            blob_versioned_hashes: vec![B256::with_last_byte(1)],
            ..Default::default()
        };
        let blobs: Bytes = blob_transaction(blobs);
        assert_eq!(two(blobs), OpError::UnknownTransaction { block: 1001, tx: 1, kind: 3 }, "{fork}");
        let refund = build_post_exec_tx(1001, vec![SDMGasEntry { index: 1, gas_refund: 1 }]);
        let refund: Bytes = OpTxEnvelope::from(refund).encoded_2718().into();
        assert_eq!(two(refund), OpError::UnknownTransaction { block: 1001, tx: 1, kind: 0x7d }, "{fork}");
        let mut tx = usual(0, TxKind::Call(Address::ZERO), 30_000, Bytes::new());
        tx.chain_id += 1;
        let error = two(signed(tx, &key(0)));
        assert_eq!(error, OpError::ChainId { block: 1001, tx: 1, expected: CHAIN_ID, got: CHAIN_ID + 1 });
        assert!(matches!(two(Bytes::from_static(&[2, 0xc0])), OpError::MalformedTransaction { tx: 1, .. }));
        let more = usual(0, TxKind::Call(Address::ZERO), GAS_LIMIT, Bytes::new());
        let error = two(signed(more, &key(0)));
        assert!(
            matches!(error, OpError::AboveBlock { tx: 1, what: "gas", wanted: GAS_LIMIT, .. }),
            "{error}"
        );
        let more = deposit(deposit_to(TxKind::Create, GAS_LIMIT, Bytes::new()));
        assert!(matches!(two(more), OpError::AboveBlock { tx: 1, what: "gas", .. }), "{fork}");
    }
}

fn blob_transaction(tx: TxEip4844) -> Bytes {
    use alloy_consensus::{EthereumTxEnvelope, SignableTransaction};
    use alloy_signer::SignerSync;
    let signature = key(0).sign_hash_sync(&tx.signature_hash()).unwrap();
    EthereumTxEnvelope::Eip4844(tx.into_signed(signature)).encoded_2718().into()
}

/// Whoever cannot pay for his data on L1 has no transaction, though he could pay for its gas.
#[test]
fn fees_must_be_paid() {
    for fork in OpFork::ALL {
        let mut world = World::new(fork);
        let gas = U256::from(30_000_u64) * U256::from(100_000_000_u64);
        world.state.get_mut(&key(0).address()).unwrap().balance = gas;
        world.settle();
        let tx = signed(usual(0, TxKind::Call(Address::ZERO), 30_000, Bytes::new()), &key(0));
        let error = world.build(world.attributes(L1Attributes::USUAL, vec![tx])).unwrap_err();
        let OpError::InvalidTransaction { tx: 1, reason, .. } = &error else { panic!("{fork}: {error}") };
        assert!(matches!(**reason, InvalidTransaction::LackOfFundForMaxFee { .. }), "{fork}: {error}");
    }
}

#[test]
fn fees_that_nodes_read_differently_are_refused() {
    let unset = L1Attributes { base_fee_scalar: 0, blob_base_fee_scalar: 0, ..L1Attributes::USUAL };
    let tx = || signed(usual(0, TxKind::Call(Address::ZERO), 30_000, Bytes::new()), &key(0));
    for (fork, l1, refused) in [
        (OpFork::Ecotone, unset, true),
        (OpFork::Fjord, unset, false),
        (OpFork::Fjord, L1Attributes { blob_base_fee: 0, ..unset }, true),
    ] {
        let world = World::new(fork);
        let error = world.build(world.attributes(l1, vec![tx()])).err();
        assert_eq!(matches!(error, Some(OpError::L1Fees { .. })), refused, "{fork}: {error:?}");
        // Without a user's transaction nobody asks.
        world.build(world.attributes(l1, Vec::new())).unwrap();
    }
}

/// From Jovian on a block is full when its data is.
#[test]
fn data_cannot_be_more_than_the_gas_limit() {
    let l1 = L1Attributes { footprint_scalar: u16::MAX, ..L1Attributes::USUAL };
    let noise: Bytes =
        (0..2000_u64).flat_map(|at| (at * at * 2_654_435_769).to_le_bytes()).collect::<Vec<_>>().into();
    let tx = || signed(usual(0, TxKind::Call(Address::ZERO), 900_000, noise.clone()), &key(0));
    for fork in OpFork::ALL {
        let world = World::new(fork);
        let error = world.build(world.attributes(l1, vec![tx()])).err();
        let above =
            matches!(error, Some(OpError::AboveBlock { tx: 1, what: "footprint of data availability", .. }));
        assert_eq!(above, fork >= OpFork::Jovian, "{fork}: {error:?}");
    }
}

#[test]
fn the_first_block_of_a_fork_is_refused() {
    for pair in OpFork::ALL.windows(2) {
        let mut world = World::new(pair[0]);
        let timestamp = world.parent.timestamp + 2;
        world.rules.forks.push(OpActivation { fork: pair[1], timestamp });
        let user = signed(usual(0, TxKind::Call(Address::ZERO), 30_000, Bytes::new()), &key(0));
        for transactions in [Vec::new(), vec![user]] {
            let error = world.build(world.attributes(L1Attributes::USUAL, transactions)).unwrap_err();
            assert_eq!(error, OpError::Activation { block: 1001, fork: pair[1] });
        }
    }
    let mut world = World::new(OpFork::Canyon);
    world.rules.forks[0].timestamp = u64::MAX;
    let error = world.build(world.attributes(L1Attributes::USUAL, Vec::new())).unwrap_err();
    assert!(matches!(error, OpError::BeforeCanyon { block: 1001, .. }), "{error}");
}

#[test]
fn a_parent_must_have_a_base_fee_to_go_on_from() {
    for extra in [Bytes::new(), Bytes::from(vec![0; 9]), Bytes::from(vec![0; 17])] {
        let mut world = World::new(OpFork::Holocene);
        let block = honest(&world);
        world.parent.extra_data = extra;
        let error = world.build(world.attributes(L1Attributes::USUAL, Vec::new())).unwrap_err();
        assert_eq!(error, OpError::ParentOutOfRange { block: 1001 });
        let parent_hash = world.parent.hash_slow();
        let error = refusal(&world, Block { header: Header { parent_hash, ..block.header }, ..block });
        assert_eq!(error, OpError::ParentOutOfRange { block: 1001 });
    }
}

#[test]
fn a_witness_holds_what_is_needed_and_no_more() {
    let world = World::new(OpFork::Jovian);
    let block = honest(&world);
    let whole = input(&world.rules, &world.parent, vec![block.clone()], world.witness());
    let error = decoded(&whole, execute).unwrap_err();
    let OpError::Witness { error, .. } = error else { panic!("{error}") };
    assert!(matches!(*error, WitnessError::UnusedNode { .. } | WitnessError::UnusedCode { .. }), "{error}");
    let mut less = world.witness();
    less.codes.clear();
    let error = run(&world.rules, &world.parent, vec![block], less).unwrap_err();
    let OpError::Witness { block: 1001, error } = error else { panic!("{error}") };
    assert!(matches!(*error, WitnessError::MissingCode { .. }), "{error}");
    assert_eq!(run(&world.rules, &world.parent, Vec::new(), world.witness()), Err(OpError::NoBlocks));
}

#[test]
fn rules_must_make_sense() {
    let mut world = World::new(OpFork::Jovian);
    let block = honest(&world);
    let mut whole = input(&world.rules, &world.parent, vec![block.clone()], world.witness());
    let hash = whole.chain.hash();
    world.rules.forks.remove(3);
    let refused = |input: &StatelessInput| StatelessInputRef::decode(&input.encode()).unwrap_err();
    let order = OpRulesError::ForkOrder { fork: OpFork::Holocene };
    let gap = input(&world.rules, &world.parent, vec![block], world.witness());
    assert_eq!(refused(&gap), DecodeError::Chain(order.into()));
    // What Ethereum's rules would take says nothing here, so it must not be there.
    whole.chain.max_gas_limit = 30_000_000;
    assert_eq!(refused(&whole), DecodeError::Chain(ChainSpecError::RulesMixed));
    assert_ne!(whole.chain.hash(), hash);
}

/// Each kind of rules takes its own chains only.
#[test]
fn rules_are_not_mixed_up() {
    let world = World::new(OpFork::Isthmus);
    let mut whole = input(&world.rules, &world.parent, vec![honest(&world)], world.witness());
    let error = decoded(&whole, proofmill_stateless::execute).unwrap_err();
    assert_eq!(error, StatelessError::RulesOfOptimism { chain_id: CHAIN_ID });
    let chain = whole.chain.clone();
    assert_eq!(chain.require_rollup(), Err(ChainSpecError::NotDerived { chain_id: CHAIN_ID }));
    let none = StatelessInput { blocks: Vec::new(), ..whole.clone() };
    let refused = range::run(&range::encode_input(ProvenFor::default(), &none));
    assert_eq!(refused, Err(ProgramError::OptimismBlocks(OpError::NoBlocks)));
    whole.chain = ChainSpec::for_fork(CHAIN_ID, Fork::Prague);
    assert_eq!(decoded(&whole, execute), Err(OpError::RulesOfEthereum { chain_id: CHAIN_ID }));
}
