//! Random blocks, beside another implementation: every field that execution makes must be the same.
//!
//! `OP_BLOCKS` is the number of blocks (300), `OP_SEED` the first seed (1). A difference names its seed.

use crate::{
    contracts::{Contract, L1Attributes, MESSAGE_PASSER, VAULTS},
    oracle::{self, Outcome},
    world::{CHAIN_ID, World, deposit_to, extra_data, key, l1_attributes, sign, usual},
};
use alloy_consensus::{Header, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::{
    Decodable2718, Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7702::Authorization,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_signer::SignerSync;
use alloy_trie::root::storage_root_unhashed;
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};
use proofmill_optimism::{OpAttributes, OpError, OpFork};
use proofmill_stateless::PreStateAccount;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::{collections::BTreeMap, ops::AddAssign};

/// Initialisation codes: an empty contract, one of a byte, one that begins as none may, a revert, a halt, one that
/// stores.
const INIT: [&[u8]; 6] = [
    &[],
    &hex!("60016000536001" "6000f3"),
    &hex!("60ef6000536001" "6000f3"),
    &hex!("60006000fd"),
    &hex!("fe"),
    &hex!("602a600155600160005360016000f3"),
];

/// Precompiles whose input has a limit, with lengths at it and above it, of any fork.
const LIMITS: [(u8, [usize; 6]); 4] = [
    (0x08, [57_600, 81_984, 82_176, 112_512, 112_687, 112_704]),
    (0x0c, [160, 288_960, 289_120, 513_760, 513_920, 320]),
    (0x0e, [288, 278_784, 279_072, 488_448, 488_736, 576]),
    (0x0f, [384, 156_672, 157_056, 235_008, 235_392, 768]),
];

struct Generator {
    rng: StdRng,
    fork: OpFork,
    base_fee: u64,
    /// How many more transactions.
    left: usize,
    /// No deposit stands behind a user's transaction.
    deposits: usize,
    attributes: Option<L1Attributes>,
}

impl Generator {
    fn word(&mut self) -> [u8; 32] {
        U256::from(self.rng.random_range(0..6_u64)).to_be_bytes()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let (len, repeat) = (self.rng.random_range(0..=most), self.rng.random_range(1..200));
        let noise: Vec<u8> =
            (0..repeat).map(|_| if self.rng.random_bool(0.4) { 0 } else { self.rng.random() }).collect();
        (0..len).map(|at| noise[at % repeat]).collect()
    }

    fn address(&mut self) -> Address {
        match self.rng.random_range(0..12) {
            0 => key(self.rng.random_range(0..4)).address(),
            1 => Address::with_last_byte(self.rng.random_range(0..0x13)),
            2 => MESSAGE_PASSER,
            3 => *VAULTS.choose(&mut self.rng).unwrap(),
            4 => Address::new(self.rng.random()),
            5 | 6 => Contract::Probe.address(),
            _ => Contract::ALL.choose(&mut self.rng).unwrap().address(),
        }
    }

    /// A call that means something to a contract, or none.
    fn call(&mut self) -> (TxKind, Bytes) {
        if self.rng.random_bool(0.1) {
            return (TxKind::Create, INIT.choose(&mut self.rng).unwrap().to_vec().into());
        }
        let to = self.address();
        let Some(contract) = Contract::ALL.into_iter().find(|contract| contract.address() == to) else {
            return (TxKind::Call(to), self.bytes(400).into());
        };
        let input = match contract {
            Contract::Create | Contract::Create2 => INIT.choose(&mut self.rng).unwrap().to_vec(),
            Contract::Forward => {
                let target = self.address();
                [&[0; 12][..], target.as_slice(), &self.word(), &self.word(), &self.bytes(40)].concat()
            }
            Contract::Probe => {
                let (address, lengths) = *LIMITS.choose(&mut self.rng).unwrap();
                let mut target = U256::from(address);
                let mut length = *lengths.choose(&mut self.rng).unwrap();
                if self.rng.random_bool(0.3) {
                    target = U256::from(
                        *[1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13, 16, 17, 256].choose(&mut self.rng).unwrap(),
                    );
                    length = *[0, 32, 64, 96, 128, 160, 192, 213, 256].choose(&mut self.rng).unwrap();
                }
                // The other implementation does not have Karst's limit yet.
                if self.fork == OpFork::Karst && address == 8 {
                    length = length.min(57_600);
                }
                [target.to_be_bytes::<32>(), U256::from(length).to_be_bytes(), self.word()].concat()
            }
            Contract::Count => U256::from(self.rng.random_range(1..3000)).to_be_bytes::<32>().to_vec(),
            _ => [self.word(), self.word()].concat(),
        };
        (TxKind::Call(to), input.into())
    }

    fn gas(&mut self, to: TxKind) -> u64 {
        let probe = to == TxKind::Call(Contract::Probe.address());
        match self.rng.random_range(0..10) {
            0 => self.rng.random_range(0..60_000),
            1 => 21_000,
            2 if self.fork < OpFork::Karst => self.rng.random_range(0..40_000_000),
            // Enough for the longest input before Karst, whose cap is lower.
            _ if probe && self.fork < OpFork::Karst => self.rng.random_range(2_000_000..26_000_000),
            _ if probe => self.rng.random_range(2_000_000..16_000_000),
            _ => self.rng.random_range(50_000..600_000),
        }
    }

    fn deposit(&mut self) -> TxDeposit {
        let (to, input) = self.call();
        let mut deposit = deposit_to(to, self.gas(to), input);
        if self.rng.random_bool(0.5) {
            deposit.from = self.address();
        }
        if self.rng.random_bool(0.5) {
            deposit.mint = self.rng.random_range(0..1_u128 << 70);
        }
        match self.rng.random_range(0..4) {
            0 => deposit.value = U256::from(deposit.mint / 2),
            1 => deposit.value = U256::from(self.rng.random_range(0..1_u128 << 72)),
            _ => {}
        }
        deposit
    }

    fn user(&mut self, ask: &mut dyn FnMut(Address) -> (u64, U256)) -> OpTxEnvelope {
        let key = key(self.rng.random_range(0..5));
        let (mut nonce, balance) = ask(key.address());
        if self.rng.random_bool(0.04) {
            nonce = nonce.wrapping_add(self.rng.random_range(0..3)).saturating_sub(1);
        }
        let (to, input) = self.call();
        let mut tx = usual(nonce, to, self.gas(to), input);
        let tip = self.rng.random_range(0..2_000_000);
        tx.max_priority_fee_per_gas = tip;
        tx.max_fee_per_gas = u128::from(self.base_fee) + self.rng.random_range(0..=tip * 2);
        if self.rng.random_bool(0.03) {
            tx.max_fee_per_gas = u128::from(self.base_fee).saturating_sub(1);
        }
        match self.rng.random_range(0..6) {
            0 => tx.value = U256::from(self.rng.random_range(0..1_u64 << 40)),
            1 => tx.value = balance / U256::from(self.rng.random_range(1..4)),
            // About all that there is, but for fees: whether they fit is the question.
            2 => {
                let fees = U256::from(u128::from(tx.gas_limit) * tx.max_fee_per_gas);
                let bits = self.rng.random_range(1..50);
                let spare = U256::from(self.rng.random_range(0..1_u64 << bits));
                tx.value = balance.saturating_sub(fees).saturating_sub(spare);
            }
            _ => {}
        }
        let access_list = AccessList(vec![AccessListItem {
            address: self.address(),
            storage_keys: vec![B256::with_last_byte(self.rng.random_range(0..6))],
        }]);
        let chain_id = if self.rng.random_bool(0.01) { CHAIN_ID + 1 } else { CHAIN_ID };
        tx.chain_id = chain_id;
        match self.rng.random_range(0..6) {
            0 => sign(
                TxLegacy {
                    chain_id: self.rng.random_bool(0.8).then_some(chain_id),
                    nonce,
                    gas_price: tx.max_fee_per_gas,
                    gas_limit: tx.gas_limit,
                    to,
                    value: tx.value,
                    input: tx.input,
                },
                &key,
            ),
            1 => sign(
                TxEip2930 {
                    chain_id,
                    nonce,
                    gas_price: tx.max_fee_per_gas,
                    gas_limit: tx.gas_limit,
                    to,
                    value: tx.value,
                    access_list,
                    input: tx.input,
                },
                &key,
            ),
            2 => {
                let authorizations = (0..self.rng.random_range(0..3)).map(|_| {
                    let signer = crate::world::key(self.rng.random_range(0..5));
                    let authorization = Authorization {
                        chain_id: U256::from(*[0, CHAIN_ID, 5].choose(&mut self.rng).unwrap()),
                        address: self.address(),
                        nonce: ask(signer.address()).0 + self.rng.random_range(0..2),
                    };
                    let signature = signer.sign_hash_sync(&authorization.signature_hash()).unwrap();
                    authorization.into_signed(signature)
                });
                let authorization_list = authorizations.collect();
                sign(
                    TxEip7702 {
                        chain_id,
                        nonce,
                        gas_limit: tx.gas_limit,
                        max_fee_per_gas: tx.max_fee_per_gas,
                        max_priority_fee_per_gas: tx.max_priority_fee_per_gas,
                        to: to.to().copied().unwrap_or_default(),
                        value: tx.value,
                        access_list,
                        authorization_list,
                        input: tx.input,
                    },
                    &key,
                )
            }
            3 => {
                tx.access_list = access_list;
                sign(tx, &key)
            }
            _ => sign(tx, &key),
        }
    }

    fn next(&mut self, ask: &mut dyn FnMut(Address) -> (u64, U256)) -> Option<OpTxEnvelope> {
        if let Some(l1) = self.attributes.take() {
            return Some(l1_attributes(self.fork, l1).into());
        }
        if self.deposits > 0 {
            self.deposits -= 1;
            return Some(self.deposit().into());
        }
        self.left = self.left.checked_sub(1)?;
        Some(self.user(ask))
    }
}

fn l1(rng: &mut StdRng) -> L1Attributes {
    let mut l1 = L1Attributes::USUAL;
    if rng.random_bool(0.7) {
        l1.base_fee = rng.random_range(0..1 << 40);
        l1.blob_base_fee = rng.random_range(1..1 << 40);
        l1.base_fee_scalar = rng.random_range(1..1 << 20);
        l1.blob_base_fee_scalar = rng.random_range(0..1 << 20);
        l1.overhead = rng.random_range(0..5000);
        l1.operator_scalar = rng.random_range(0..1 << 20);
        l1.operator_constant = rng.random_range(0..1 << 50);
    }
    if rng.random_bool(0.3) {
        // So that blocks fill up.
        l1.footprint_scalar = rng.random_range(0..u16::MAX);
    }
    l1
}

/// What was met, so that a run can show that it met everything.
#[derive(Default, Debug)]
struct Met(BTreeMap<&'static str, usize>);

impl Met {
    fn count(&mut self, what: &'static str, times: usize) {
        self.0.entry(what).or_default().add_assign(times);
    }
}

fn block(seed: u64, fork: OpFork, met: &mut Met) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new(fork);
    // A poor one, and one that is no account yet.
    let balance = U256::from(rng.random_range(0..1_u64 << 52));
    world.state.insert(key(4).address(), PreStateAccount { balance, ..Default::default() });
    for vault in VAULTS {
        if rng.random_bool(0.5) {
            world.state.insert(vault, PreStateAccount { balance: U256::from(1), ..Default::default() });
        }
    }
    world.settle();
    let parent = &mut world.parent;
    parent.base_fee_per_gas = Some(rng.random_range(0..10_000_000));
    parent.gas_used = rng.random_range(0..=parent.gas_limit);
    if fork >= OpFork::Jovian {
        parent.blob_gas_used = Some(rng.random_range(0..=parent.gas_limit));
    }
    let (denominator, elasticity) = (rng.random_range(1..500), rng.random_range(1..20));
    parent.extra_data = extra_data(fork, denominator, elasticity, rng.random_range(0..20_000_000));
    let attributes = OpAttributes {
        gas_limit: *[3_000_000, 30_000_000, 60_000_000, 200_000_000].choose(&mut rng).unwrap(),
        ..world.attributes(L1Attributes::USUAL, Vec::new())
    };
    // The base fee is that of a block with the first transaction alone.
    let first =
        world.build(attributes.clone()).unwrap_or_else(|error| panic!("seed {seed}, {fork}: {error}")).header;
    let base_fee = first.base_fee_per_gas.unwrap();
    assert_eq!(base_fee, expected_base_fee(&world, denominator, elasticity), "seed {seed}, {fork}");
    let mut generator = Generator {
        fork,
        base_fee,
        left: rng.random_range(0..8),
        deposits: rng.random_range(0..4),
        attributes: Some(l1(&mut rng)),
        rng,
    };
    let (mut taken, mut refused): (Vec<Bytes>, Vec<(usize, Bytes, String)>) = Default::default();
    let outcome = {
        let pending = std::cell::RefCell::new((&mut taken, &mut refused));
        oracle::execute(
            fork,
            CHAIN_ID,
            world.parent.hash_slow(),
            &first,
            &world.state,
            |ask| {
                let tx = generator.next(ask)?;
                pending.borrow_mut().0.push(tx.encoded_2718().into());
                Some(tx)
            },
            |tx, error| {
                let mut pending = pending.borrow_mut();
                let tx_bytes = pending.0.pop().unwrap();
                assert_eq!(tx.encoded_2718(), tx_bytes);
                let at = pending.0.len();
                pending.1.push((at, tx_bytes, error));
            },
        )
    };
    for (at, tx, theirs) in refused {
        let transactions = [&taken[..at], std::slice::from_ref(&tx)].concat();
        let error = world.build(OpAttributes { transactions, ..attributes.clone() }).err();
        let told = matches!(
            error,
            Some(
                OpError::InvalidTransaction { tx, .. } | OpError::AboveBlock { tx, .. } | OpError::ChainId { tx, .. }
            ) if tx == at
        );
        assert!(
            told,
            "seed {seed}, {fork}: transaction {at} ({tx}) is refused by the other ({theirs}), here {error:?}"
        );
        met.count("refused", 1);
        if theirs.contains("DA footprint") {
            met.count("above the footprint", 1);
        }
    }
    let built = world.build(OpAttributes { transactions: taken.clone(), ..attributes });
    let built = built.unwrap_or_else(|error| panic!("seed {seed}, {fork}: {error}"));
    compare(seed, fork, &built.header, &outcome);
    tally(&taken, &outcome, met);
}

/// EIP-1559 in another hand (alloy's), with what Holocene and Jovian change.
fn expected_base_fee(world: &World, denominator: u32, elasticity: u32) -> u64 {
    let parent = &world.parent;
    let mut metered = parent.clone();
    let (mut params, mut least) = ((250, 6), 0);
    if world.fork >= OpFork::Holocene {
        params = (denominator.into(), elasticity.into());
    }
    if world.fork >= OpFork::Jovian {
        metered.gas_used = parent.gas_used.max(parent.blob_gas_used.unwrap());
        least = u64::from_be_bytes(parent.extra_data[9..].try_into().unwrap());
    }
    let params = alloy_eips::eip1559::BaseFeeParams::new(params.0, params.1);
    metered.next_block_base_fee(params).unwrap().max(least)
}

fn compare(seed: u64, fork: OpFork, header: &Header, theirs: &Outcome) {
    let ours =
        (header.gas_used, header.receipts_root, header.logs_bloom, header.state_root, header.blob_gas_used);
    let footprint = (fork >= OpFork::Ecotone).then_some(theirs.footprint);
    let due = (theirs.gas_used, theirs.receipts_root, theirs.bloom, theirs.state_root, footprint);
    assert_eq!(ours, due, "seed {seed}, {fork}");
    if fork >= OpFork::Isthmus {
        let passer = theirs.state[&MESSAGE_PASSER].storage.iter().filter(|(_, value)| !value.is_zero());
        let root = storage_root_unhashed(passer.map(|(slot, value)| (B256::from(*slot), *value)));
        assert_eq!(header.withdrawals_root, Some(root), "seed {seed}, {fork}");
    }
}

fn tally(taken: &[Bytes], outcome: &Outcome, met: &mut Met) {
    for (raw, success) in taken.iter().zip(&outcome.statuses).skip(1) {
        let kind = match (OpTxEnvelope::decode_2718_exact(raw).unwrap(), success) {
            (OpTxEnvelope::Deposit(tx), true) if tx.to.is_create() => "deposits that create",
            (OpTxEnvelope::Deposit(tx), true) if tx.mint > 0 => "deposits that mint",
            (OpTxEnvelope::Deposit(_), true) => "other deposits",
            (OpTxEnvelope::Deposit(tx), false) if tx.mint > 0 => "deposits that mint and fail",
            (OpTxEnvelope::Deposit(_), false) => "other deposits that fail",
            (OpTxEnvelope::Eip7702(_), _) => "delegations",
            (_, true) => "other transactions",
            (_, false) => "other transactions that fail",
        };
        met.count(kind, 1);
    }
    let probe = Contract::Probe.address();
    let probed = outcome
        .state
        .get(&probe)
        .is_some_and(|account| account.storage.values().any(|value| *value == U256::ONE));
    met.count("precompiles that fail", probed.into());
    met.count("blocks", 1);
}

fn run(blocks: u64) {
    let first = std::env::var("OP_SEED").map_or(1, |seed| seed.parse().unwrap());
    let threads = std::thread::available_parallelism().map_or(2, usize::from) as u64;
    let met = std::sync::Mutex::new(Met::default());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let met = &met;
            // Deep recursion of the EVM in unoptimised builds.
            let worker = std::thread::Builder::new().stack_size(256 << 20);
            let work = move || {
                let mut mine = Met::default();
                for seed in (first + thread..first + blocks).step_by(threads as usize) {
                    block(seed, OpFork::ALL[seed as usize % OpFork::ALL.len()], &mut mine);
                }
                mine.0.into_iter().for_each(|(what, times)| met.lock().unwrap().count(what, times));
            };
            worker.spawn_scoped(scope, work).unwrap();
        }
    });
    let met = met.into_inner().unwrap();
    println!("{met:#?}");
    assert_eq!(met.0["blocks"], blocks as usize);
    for what in [
        "refused",
        "above the footprint",
        "deposits that create",
        "deposits that mint",
        "deposits that mint and fail",
        "other deposits that fail",
        "delegations",
        "other transactions that fail",
        "precompiles that fail",
    ] {
        assert!(met.0.get(what).is_some_and(|times| *times > 0), "no block met {what}");
    }
}

#[test]
fn random_blocks_are_those_of_another_implementation() {
    run(std::env::var("OP_BLOCKS").map_or(300, |blocks| blocks.parse().unwrap()));
}

/// Two minutes; `make test-long` runs it.
#[test]
#[ignore = "long: 10,000 blocks"]
fn ten_thousand_random_blocks() {
    run(10_000);
}
