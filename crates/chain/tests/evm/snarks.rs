//! A SNARK of a real epoch's proof, and everything that is none. The fixture was made by `benches/snark.sh` on the setup for
//! development.

use crate::{
    machine::{Machine, Outcome},
    model::STRANGER,
};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};
use proofmill_chain::{DELEGATES, Refusal, SnarkRefusal};
use revm::primitives::eip170::MAX_CODE_SIZE;

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

/// What verification may take as a transaction of its own: 347,295 were measured.
const VERIFICATION: u64 = 350_000;
/// What it may take to verify and settle an epoch in one transaction.
pub(crate) const GOAL: u64 = 420_000;
/// What every transaction takes, whatever it does.
const TRANSACTION: u64 = 21_000;

/// The order of BN254's groups, which is that of the scalars' field.
pub(crate) const ORDER: U256 =
    U256::from_be_bytes(hex!("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001"));
/// The order of the field in which BN254's points have their coordinates.
pub(crate) const COORDINATES: U256 =
    U256::from_be_bytes(hex!("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47"));
/// Words before the proof of 43 words: the commitments, and the accumulator.
pub(crate) const HEAD: usize = 2 + 12;

/// What the contract is asked.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) program: B256,
    pub(crate) public_values: Vec<u8>,
    pub(crate) proof: Vec<u8>,
}

/// The fixture: the program's key, the length of the public values, they, and the proof as the contract takes it.
pub(crate) fn fixture() -> Asked {
    let bytes = include_bytes!("../../fixtures/epoch-snark.bin");
    let (program, rest) = bytes.split_first_chunk::<32>().unwrap();
    let (length, rest) = rest.split_first_chunk::<4>().unwrap();
    let (public_values, proof) = rest.split_at(u32::from_le_bytes(*length) as usize);
    Asked { program: program.into(), public_values: public_values.to_vec(), proof: proof.to_vec() }
}

/// The proof bytes with a number added to one of their words. Nothing where the sum is no word.
pub(crate) fn plus(proof: &[u8], word: usize, added: U256) -> Option<Vec<u8>> {
    let mut proof = proof.to_vec();
    let bytes = &mut proof[word * 32..][..32];
    let sum = U256::from_be_slice(bytes).checked_add(added)?;
    bytes.copy_from_slice(&sum.to_be_bytes::<32>());
    Some(proof)
}

pub(crate) struct Scene {
    pub(crate) machine: Machine,
    pub(crate) halo2: Address,
    pub(crate) verifier: Address,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(&InsecureDevelopmentHalo2Verifier::BYTECODE)
    }

    /// Behind the contract for development is a Halo2 verifier of this creation code.
    pub(crate) fn with(halo2: &Bytes) -> Self {
        let mut machine = Machine::new(crate::model::START);
        let halo2 = machine.create(STRANGER, halo2, &[]).unwrap();
        let constructor = InsecureDevelopmentSnarkVerifier::constructorCall { halo2Verifier_: halo2 };
        let code = &InsecureDevelopmentSnarkVerifier::BYTECODE;
        let verifier = machine.create(STRANGER, code, &constructor.abi_encode()).unwrap();
        Self { machine, halo2, verifier }
    }

    pub(crate) fn ask(&mut self, asked: &Asked) -> (Outcome, u64) {
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

    pub(crate) fn refusal(&mut self, asked: &Asked) -> Refusal {
        Refusal::decode(&self.ask(asked).0.unwrap_err())
    }
}

#[test]
fn a_real_epochs_snark_is_taken_for_less_gas_than_the_goal() {
    let mut scene = Scene::new();
    let (taken, gas) = scene.ask(&fixture());
    taken.unwrap();
    println!("verification: {gas} gas");
    assert!(gas <= VERIFICATION, "{gas}");
    // What settlement takes besides is measured where nothing is verified. The transaction itself is in both.
    let settled = include_str!("../../../../contracts/gas.snap")
        .lines()
        .filter(|line| line.starts_with("submitEpochProof(") && line.contains("accepts anything"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap() - TRANSACTION);
    let most = settled.max().unwrap();
    println!("verification and settlement: {} gas", gas + most);
    assert!(gas + most <= GOAL, "{gas} + {most}");
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
    // The same scalar in another form: of the accumulator and of the evaluations each has but one.
    for index in (2..HEAD).chain(HEAD + 20..HEAD + 39) {
        for times in 1..=4_u64 {
            let proof = plus(&good.proof, index, ORDER * U256::from(times)).unwrap();
            let given = U256::from(index);
            let refusal = scene.refusal(&Asked { proof, ..good.clone() });
            assert_eq!(refusal, refused(SnarkRefusal::NotCanonical { index: given }), "{times} times");
        }
    }
    // Coordinates are none of that field: neither its order nor that of their own leaves them as they are.
    for index in (HEAD..HEAD + 20).chain(HEAD + 39..HEAD + 43) {
        for added in [ORDER, COORDINATES] {
            let proof = plus(&good.proof, index, added).unwrap();
            let refusal = scene.refusal(&Asked { proof, ..good.clone() });
            assert_eq!(refusal, refused(SnarkRefusal::ProofDoesNotHold), "word {index}");
        }
    }
    // Nor has the program another key.
    for index in 0..2 {
        let proof = plus(&good.proof, index, ORDER).unwrap();
        let given = keccak256(&proof[..64]);
        let refusal = scene.refusal(&Asked { proof, ..good.clone() });
        assert_eq!(refusal, refused(SnarkRefusal::WrongProgram { expected: good.program, given }));
    }
    // Each word of the accumulator and of the proof.
    for word in 2..good.proof.len() / 32 {
        let altered = with(&|asked| asked.proof[word * 32 + 31] ^= 1);
        assert_eq!(scene.refusal(&altered), refused(SnarkRefusal::ProofDoesNotHold), "word {word}");
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
