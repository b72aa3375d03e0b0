//! Lists of byte strings in the place of proofs: signatures, and what several verifiers want. Each list has one form, and what has another,
//! or none, is refused by name.

use crate::{
    machine::{AcceptsAnythingVerifier, AttestedVerifier, Machine},
    model::{START, STRANGER},
    snarks::AllOfVerifier,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolConstructor, SolValue};
use proofmill_chain::{Attestation, DEVELOPMENT_CHAIN, Refusal, SigningKey};
use proofmill_primitives::ProgramVersion;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

/// How many lists are tried.
const CASES: usize = 10_000;
const PROGRAM: B256 = B256::repeat_byte(0x11);
const VALUES: [u8; 3] = [1, 2, 3];

/// The contracts that read such lists.
struct Scene {
    machine: Machine,
    /// Takes any two proofs.
    both: Address,
    /// Takes the signatures of one of two attestors, or of both.
    attested: Address,
    /// Theirs, by their addresses.
    signatures: Vec<Bytes>,
}

impl Scene {
    fn new() -> Self {
        let mut machine = Machine::new(START);
        let mut anything = || machine.create(STRANGER, &AcceptsAnythingVerifier::BYTECODE, &[]).unwrap();
        let constructor = AllOfVerifier::constructorCall { verifiers_: vec![anything(), anything()] };
        let both = machine.create(STRANGER, &AllOfVerifier::BYTECODE, &constructor.abi_encode()).unwrap();
        let mut keys = [1, 2].map(|byte| SigningKey::try_from(B256::repeat_byte(byte)).unwrap());
        keys.sort_by_key(SigningKey::address);
        let constructor = AttestedVerifier::constructorCall {
            attestors_: keys.iter().map(SigningKey::address).collect(),
            threshold_: U256::ONE,
        };
        let code = &AttestedVerifier::BYTECODE;
        let attested = machine.create(STRANGER, code, &constructor.abi_encode()).unwrap();
        let signed = Attestation::new(DEVELOPMENT_CHAIN, attested, ProgramVersion(PROGRAM), &VALUES);
        let signatures = keys.iter().map(|key| signed.sign(key).unwrap().to_bytes().into()).collect();
        Self { machine, both, attested, signatures }
    }

    /// Nothing, or why a contract refuses these bytes.
    fn refusal(&mut self, verifier: Address, bytes: &[u8]) -> Option<Refusal> {
        let call = AllOfVerifier::verifyProofCall {
            programVKey: PROGRAM,
            publicValues: VALUES.into(),
            proofBytes: Bytes::copy_from_slice(bytes),
        };
        let (outcome, _) = self.machine.send(STRANGER, verifier, call.abi_encode());
        outcome.err().map(|data| Refusal::decode(&data))
    }

    /// Compares what both contracts say of these bytes with what they are.
    fn judge(&mut self, bytes: &[u8]) -> Option<Vec<Bytes>> {
        let list = canonical(bytes);
        let (both, attested) = (self.refusal(self.both, bytes), self.refusal(self.attested, bytes));
        let told = format!("{}: {both:?}, {attested:?}", Bytes::copy_from_slice(bytes));
        let two = list.as_ref().is_some_and(|list| list.len() == 2);
        assert_eq!(both, (!two).then_some(Refusal::NotCanonical), "{told}");
        assert_eq!(attested == Some(Refusal::NotCanonical), list.is_none(), "{told}");
        assert!(!matches!(attested, Some(Refusal::Other { .. })), "without a name: {told}");
        let valid = list.as_ref().is_some_and(|list| {
            !list.is_empty() && self.signatures.iter().filter(|one| list.contains(one)).eq(list)
        });
        assert_eq!(attested.is_none(), valid, "{told}");
        list
    }
}

/// The list, where the bytes are its one form: what alloy decodes, and encodes again to the same.
fn canonical(bytes: &[u8]) -> Option<Vec<Bytes>> {
    let list = Vec::<Bytes>::abi_decode(bytes).ok()?;
    (list.abi_encode() == bytes).then_some(list)
}

/// A word that may be a place or a length, or is far beyond.
fn word(random: &mut StdRng, length: usize) -> U256 {
    let near = U256::from(length);
    *[
        U256::from(random.random_range(0..=12_u64) * 32),
        U256::from(random.random_range(0..=300_u64)),
        near,
        near.saturating_sub(U256::from(64)),
        U256::from(u64::MAX),
        U256::from(u128::MAX),
        U256::MAX,
        // 32 times this is nothing, as is the sum of the other and a word.
        U256::ONE << 251,
        U256::MAX - U256::from(31),
    ]
    .choose(random)
    .unwrap()
}

#[test]
fn a_list_has_one_form_and_what_is_another_is_refused_by_name() {
    let (mut scene, mut random) = (Scene::new(), StdRng::seed_from_u64(16));
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..CASES {
        let count = random.random_range(0..5);
        let list = (0..count).map(|_| match random.random_range(0..4) {
            0 => scene.signatures[0].clone(),
            1 => scene.signatures[1].clone(),
            _ => {
                let length = random.random_range(0..100);
                (0..length).map(|_| random.random::<u8>()).collect()
            }
        });
        let mut bytes = list.collect::<Vec<Bytes>>().abi_encode();
        for _ in 0..random.random_range(0..3) {
            let words = bytes.len() / 32;
            match random.random_range(0..6) {
                0 => bytes.truncate(random.random_range(0..=bytes.len())),
                1 => bytes.extend(vec![0; random.random_range(1..=64)]),
                2 if !bytes.is_empty() => {
                    let at = random.random_range(0..bytes.len());
                    bytes[at] ^= 1 << random.random_range(0..8);
                }
                // A word more, with which all behind it moves.
                3 => {
                    let at = 32 * random.random_range(0..=words);
                    bytes.splice(at..at, [0; 32]);
                }
                _ if words > 0 => {
                    let at = 32 * random.random_range(0..words);
                    let word = word(&mut random, bytes.len());
                    bytes[at..at + 32].copy_from_slice(&word.to_be_bytes::<32>());
                }
                _ => {}
            }
        }
        match scene.judge(&bytes) {
            Some(_) => taken += 1,
            None => refused += 1,
        }
    }
    println!("{taken} in their one form, {refused} in another, or none");
    assert!(taken > CASES / 5 && refused > CASES / 5);
}

#[test]
fn each_end_and_each_word_of_two_signatures_counts() {
    let mut scene = Scene::new();
    let good = scene.signatures.abi_encode();
    assert_eq!(scene.judge(&good).as_ref(), Some(&scene.signatures));
    for length in 0..good.len() {
        assert_eq!(scene.judge(&good[..length]), None, "{length} bytes");
    }
    let mut random = StdRng::seed_from_u64(1);
    for at in (0..good.len()).step_by(32) {
        for _ in 0..20 {
            let mut altered = good.clone();
            altered[at..at + 32].copy_from_slice(&word(&mut random, good.len()).to_be_bytes::<32>());
            scene.judge(&altered);
        }
    }
}
