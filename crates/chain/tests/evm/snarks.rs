//! A SNARK of a real epoch's proof, and everything that is none. The fixture was made by `benches/snark.sh` on the setup for
//! development.

use crate::{
    machine::{Machine, Outcome},
    model::STRANGER,
};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};
use proofmill_chain::{DELEGATES, Refusal, SnarkRefusal};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use revm::primitives::eip170::MAX_CODE_SIZE;
use std::env;

alloy_sol_types::sol! {
    SnarkVerifier,
    "../../contracts/artifacts/SnarkVerifier.json"
}

alloy_sol_types::sol! {
    InsecureDevelopmentSnarkVerifier,
    "../../contracts/artifacts/InsecureDevelopmentSnarkVerifier.json"
}

alloy_sol_types::sol! {
    InsecureDevelopmentHalo2Verifier,
    "../../contracts/artifacts/InsecureDevelopmentHalo2Verifier.json"
}

alloy_sol_types::sol! {
    AllOfVerifier,
    "../../contracts/artifacts/AllOfVerifier.json"
}

/// How many random changes are tried; `make test-long` tries 10,000.
const CASES: &str = "SNARK_CASES";

/// What the contract is asked.
#[derive(Clone)]
struct Asked {
    program: B256,
    public_values: Vec<u8>,
    proof: Vec<u8>,
}

/// The fixture: the program's key, the length of the public values, they, and the proof as the contract takes it.
fn fixture() -> Asked {
    let bytes = include_bytes!("../../fixtures/epoch-snark.bin");
    let (program, rest) = bytes.split_first_chunk::<32>().unwrap();
    let (length, rest) = rest.split_first_chunk::<4>().unwrap();
    let (public_values, proof) = rest.split_at(u32::from_le_bytes(*length) as usize);
    Asked { program: program.into(), public_values: public_values.to_vec(), proof: proof.to_vec() }
}

struct Scene {
    machine: Machine,
    halo2: Address,
    verifier: Address,
}

impl Scene {
    fn new() -> Self {
        let mut machine = Machine::new(crate::model::START);
        let halo2 = machine.create(STRANGER, &InsecureDevelopmentHalo2Verifier::BYTECODE, &[]).unwrap();
        let constructor = InsecureDevelopmentSnarkVerifier::constructorCall { halo2Verifier_: halo2 };
        let code = &InsecureDevelopmentSnarkVerifier::BYTECODE;
        let verifier = machine.create(STRANGER, code, &constructor.abi_encode()).unwrap();
        Self { machine, halo2, verifier }
    }

    fn ask(&mut self, asked: &Asked) -> (Outcome, u64) {
        self.ask_at(self.verifier, asked)
    }

    fn ask_at(&mut self, verifier: Address, asked: &Asked) -> (Outcome, u64) {
        let call = SnarkVerifier::verifyProofCall {
            programVKey: asked.program,
            publicValues: asked.public_values.clone().into(),
            proofBytes: asked.proof.clone().into(),
        };
        self.machine.send(STRANGER, verifier, call.abi_encode())
    }

    fn refusal(&mut self, asked: &Asked) -> Refusal {
        Refusal::decode(&self.ask(asked).0.unwrap_err())
    }
}

#[test]
fn a_real_epochs_snark_is_taken_for_less_gas_than_the_goal() {
    let mut scene = Scene::new();
    let (taken, gas) = scene.ask(&fixture());
    taken.unwrap();
    println!("verification: {gas} gas");
    // Settlement takes 40,000 besides: together they are to stay below 420,000.
    assert!(gas < 380_000, "{gas}");
    for contract in [scene.halo2, scene.verifier] {
        let size = scene.machine.code_size(contract);
        assert!(size > 500 && size + 4_096 <= MAX_CODE_SIZE, "{size}");
    }
}

#[test]
fn whatever_is_altered_is_refused_by_name() {
    let (mut scene, good) = (Scene::new(), fixture());
    let with = |change: &dyn Fn(&mut Asked)| {
        let mut asked = good.clone();
        change(&mut asked);
        asked
    };
    let refused = |refusal: SnarkRefusal| Refusal::Snark(refusal);
    let other = B256::repeat_byte(7);
    let given = good.program;
    assert_eq!(
        scene.refusal(&with(&|asked| asked.program = other)),
        refused(SnarkRefusal::WrongProgram { expected: other, given })
    );
    // The program's commitment, and the machine's.
    for byte in [31, 63] {
        let altered = with(&|asked| asked.proof[byte] ^= 1);
        let found = keccak256(&altered.proof[..64]);
        assert_eq!(
            scene.refusal(&altered),
            refused(SnarkRefusal::WrongProgram { expected: given, given: found })
        );
        // A rollup that asks for just that program.
        assert_eq!(
            scene.refusal(&Asked { program: found, ..altered }),
            refused(SnarkRefusal::ProofDoesNotHold)
        );
    }
    let expected = U256::from(good.proof.len());
    for length in [0, 31, 64, 448, good.proof.len() - 1, good.proof.len() + 1, good.proof.len() + 32] {
        let cut = with(&|asked| asked.proof.resize(length, 0));
        let given = U256::from(length);
        assert_eq!(scene.refusal(&cut), refused(SnarkRefusal::WrongProofLength { expected, given }));
    }
    // Each word of what is stated: chain, rollup, blocks, states and all.
    for word in good.public_values.chunks_exact(32).enumerate().map(|(index, _)| index) {
        let says = with(&|asked| asked.public_values[word * 32 + 31] ^= 1);
        assert_eq!(scene.refusal(&says), refused(SnarkRefusal::ProofDoesNotHold), "word {word}");
    }
    let longer = with(&|asked| asked.public_values.push(0));
    assert_eq!(scene.refusal(&longer), refused(SnarkRefusal::ProofDoesNotHold));
    // The same scalar in another form.
    let order = U256::from_be_bytes(hex!("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001"));
    for index in 2..14 {
        let beyond = with(&|asked| {
            let word = &mut asked.proof[index * 32..][..32];
            let scalar = U256::from_be_slice(word) + order;
            word.copy_from_slice(&scalar.to_be_bytes::<32>());
        });
        let index = U256::from(index);
        assert_eq!(scene.refusal(&beyond), refused(SnarkRefusal::NotCanonical { index }));
    }
    // Each word of the accumulator and of the proof.
    for word in 2..good.proof.len() / 32 {
        let altered = with(&|asked| asked.proof[word * 32 + 31] ^= 1);
        assert_eq!(scene.refusal(&altered), refused(SnarkRefusal::ProofDoesNotHold), "word {word}");
    }
}

#[test]
fn whatever_is_changed_at_random_is_refused() {
    let (mut scene, good) = (Scene::new(), fixture());
    let cases: u32 = env::var(CASES).map_or(150, |cases| cases.parse().unwrap());
    let mut random = StdRng::seed_from_u64(16);
    for case in 0..cases {
        let mut asked = good.clone();
        let of = random.random_range(0..10);
        let bytes = match of {
            0 => &mut asked.program.0[..],
            1 | 2 => &mut asked.public_values[..],
            _ => &mut asked.proof[..],
        };
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..4) {
            // A bit, a byte, a word of another place, a word of zeros.
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = bytes[at].wrapping_add(random.random_range(1..=255)),
            2 => {
                let (to, from) = (at / 32 * 32, random.random_range(0..bytes.len() / 32) * 32);
                bytes.copy_within(from..from + 32, to);
            }
            _ => bytes[at / 32 * 32..][..32].fill(0),
        }
        let same = asked.program == good.program
            && asked.public_values == good.public_values
            && asked.proof == good.proof;
        assert_eq!(scene.ask(&asked).0.is_ok(), same, "case {case}");
    }
}

#[test]
fn the_setup_for_development_is_for_its_chain_alone() {
    let mut scene = Scene::new();
    let constructor = InsecureDevelopmentSnarkVerifier::constructorCall { halo2Verifier_: scene.halo2 };
    let code = &InsecureDevelopmentSnarkVerifier::BYTECODE;
    scene.machine.set_chain(1);
    let refused = Refusal::NotADevelopmentChain { chain_id: U256::ONE };
    let created = scene.machine.create(STRANGER, code, &constructor.abi_encode());
    assert_eq!(Refusal::decode(&created.unwrap_err()), refused);
    // Nor where a development chain's state was loaded under another id.
    assert_eq!(scene.refusal(&fixture()), refused);
}

#[test]
fn a_verifier_that_asks_several_wants_what_each_wants() {
    let (mut scene, good) = (Scene::new(), fixture());
    let snark = SnarkVerifier::constructorCall { halo2Verifier_: scene.halo2 }.abi_encode();
    let other = scene.machine.create(STRANGER, &SnarkVerifier::BYTECODE, &snark).unwrap();
    let create = |machine: &mut Machine, verifiers: &[Address]| {
        let constructor = AllOfVerifier::constructorCall { verifiers_: verifiers.to_vec() };
        machine.create(STRANGER, &AllOfVerifier::BYTECODE, &constructor.abi_encode())
    };
    let (one, nobody) = (scene.verifier, Address::repeat_byte(9));
    let delegating = delegating(&mut scene.machine, other);
    for (verifiers, refusal) in [
        (vec![one], SnarkRefusal::WrongNumberOfVerifiers { given: U256::ONE }),
        (vec![one, nobody], SnarkRefusal::NoVerifier { given: nobody }),
        (vec![one, delegating], SnarkRefusal::NoVerifier { given: delegating }),
        (vec![one, other, one], SnarkRefusal::TheSameVerifier { given: one }),
        (vec![one; 9], SnarkRefusal::WrongNumberOfVerifiers { given: U256::from(9) }),
    ] {
        let refused = create(&mut scene.machine, &verifiers).unwrap_err();
        assert_eq!(Refusal::decode(&refused), Refusal::Snark(refusal));
    }
    let both = create(&mut scene.machine, &[one, other]).unwrap();
    let with = |proofs: Vec<Vec<u8>>| {
        let proofs: Vec<Bytes> = proofs.into_iter().map(Bytes::from).collect();
        Asked { proof: proofs.abi_encode(), ..good.clone() }
    };
    let proof = || good.proof.clone();
    scene.ask_at(both, &with(vec![proof(), proof()])).0.unwrap();
    let mut wrong = proof();
    wrong[600] ^= 1;
    for proofs in [vec![wrong.clone(), proof()], vec![proof(), wrong]] {
        let refused = scene.ask_at(both, &with(proofs)).0.unwrap_err();
        assert_eq!(Refusal::decode(&refused), Refusal::Snark(SnarkRefusal::ProofDoesNotHold));
    }
    let mut padded = with(vec![proof(), proof()]);
    padded.proof.extend([0; 32]);
    for asked in [with(vec![proof()]), with(vec![proof(), proof(), proof()]), padded] {
        assert_eq!(Refusal::decode(&scene.ask_at(both, &asked).0.unwrap_err()), Refusal::NotCanonical);
    }
}

#[test]
fn there_is_a_halo2_verifier_before_there_is_one_of_snarks() {
    let mut scene = Scene::new();
    let delegating = delegating(&mut scene.machine, scene.halo2);
    for given in [Address::repeat_byte(9), delegating] {
        let constructor = SnarkVerifier::constructorCall { halo2Verifier_: given }.abi_encode();
        let refused = scene.machine.create(STRANGER, &SnarkVerifier::BYTECODE, &constructor).unwrap_err();
        assert_eq!(Refusal::decode(&refused), Refusal::Snark(SnarkRefusal::NoHalo2Verifier { given }));
    }
}

/// An account that delegates to a contract (EIP-7702).
fn delegating(machine: &mut Machine, to: Address) -> Address {
    let account = Address::repeat_byte(0xde);
    machine.put(account, &[&DELEGATES[..], to.as_slice()].concat());
    account
}
