//! A SNARK of a real epoch's proof, changed at random: nothing that differs from it is taken.

use crate::snarks::{Asked, COORDINATES, HEAD, ORDER, Scene, fixture};
use alloy_primitives::{B256, U256, keccak256};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::thread;

/// How many changes are tried: a few ms each.
const CASES: usize = 10_000;
/// Scalars that the Halo2 verifier is called with, before the proof.
const SCALARS: usize = 46;
/// Words of the proof.
const PROOF: usize = 43;

/// What is changed: what the contract is asked, or the calldata of the Halo2 verifier behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Program,
    Values,
    Proof,
    Calldata,
}

/// How. What changes the length comes last: the others need whole words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Bit,
    Byte,
    /// A word of zeros.
    Zeros,
    /// A multiple of the field's order is added to a word.
    OtherForm,
    /// A word of another place.
    OtherWord,
    /// A point on the other side of the curve.
    Negated,
    /// A point of another place.
    OtherPoint,
    Cut,
    Padded,
}

use Change::{Bit, Byte, Cut, Negated, OtherForm, OtherPoint, OtherWord, Padded, Zeros};

impl Part {
    const ALL: [Self; 4] = [Self::Program, Self::Values, Self::Proof, Self::Calldata];

    const fn changes(self) -> &'static [Change] {
        match self {
            Self::Program => &[Bit, Byte, Zeros, OtherForm],
            Self::Values => &[Bit, Byte, Zeros, OtherForm, OtherWord, Cut, Padded],
            Self::Proof | Self::Calldata => {
                &[Bit, Byte, Zeros, OtherForm, OtherWord, Negated, OtherPoint, Cut, Padded]
            }
        }
    }

    /// Where points begin, in words: 10 before the proof's evaluations, 2 behind.
    fn points(self) -> Vec<usize> {
        let proof = match self {
            Self::Program | Self::Values => return Vec::new(),
            Self::Proof => HEAD,
            Self::Calldata => SCALARS,
        };
        (0..20).step_by(2).chain([39, 41]).map(|word| proof + word).collect()
    }
}

impl Change {
    /// May come to nothing: a word of zeros is one already.
    fn make(self, bytes: &mut Vec<u8>, points: &[usize], random: &mut StdRng) {
        let at = random.random_range(0..bytes.len().max(1));
        let word = at / 32 * 32;
        match self {
            Bit => bytes[at] ^= 1 << random.random_range(0..8),
            Byte => bytes[at] = bytes[at].wrapping_add(random.random_range(1..=255)),
            Zeros => bytes[word..][..32].fill(0),
            OtherForm => {
                let times = U256::from(random.random_range(1..=4_u64));
                replace(bytes, word, |number| number.wrapping_add(ORDER * times));
            }
            OtherWord => {
                let from = random.random_range(0..bytes.len() / 32) * 32;
                bytes.copy_within(from..from + 32, word);
            }
            Negated => {
                let y = (points[random.random_range(0..points.len())] + 1) * 32;
                replace(bytes, y, |number| COORDINATES.wrapping_sub(number));
            }
            OtherPoint => {
                let [from, to] = [0; 2].map(|_| points[random.random_range(0..points.len())] * 32);
                bytes.copy_within(from..from + 64, to);
            }
            Cut => bytes.truncate(at),
            Padded => {
                let more = random.random_range(1..=64);
                bytes.extend((0..more).map(|_| random.random_range(0..=255_u8)));
            }
        }
    }
}

fn replace(bytes: &mut [u8], at: usize, by: impl Fn(U256) -> U256) {
    let word = &mut bytes[at..][..32];
    let number = by(U256::from_be_slice(word));
    word.copy_from_slice(&number.to_be_bytes::<32>());
}

/// The bytes of each [`Part`].
type Parts = [Vec<u8>; 4];

fn parts(asked: &Asked) -> Parts {
    let Asked { program, public_values, proof } = asked;
    let (commitments, rest) = proof.split_at(64);
    let (accumulator, rest) = rest.split_at(384);
    let mut calldata = [accumulator, commitments].concat();
    for byte in keccak256(public_values).0 {
        calldata.extend(U256::from(byte).to_be_bytes::<32>());
    }
    calldata.extend(rest);
    [program.to_vec(), public_values.clone(), proof.clone(), calldata]
}

/// These changes, each of which does change something, and so do all of them together.
fn changed(good: &Parts, changes: &[(Part, Change)], random: &mut StdRng) -> Parts {
    loop {
        let mut parts = good.clone();
        let each = changes.iter().all(|(part, change)| {
            let bytes = &mut parts[*part as usize];
            let before = bytes.clone();
            change.make(bytes, &part.points(), random);
            *bytes != before
        });
        if each && parts != *good {
            return parts;
        }
    }
}

/// What the Halo2 verifier reads: of what is not there zeros, nothing behind the proof, and scalars modulo the order. Other forms are kept
/// from it by the contract before it.
fn read(calldata: &[u8]) -> Vec<U256> {
    let mut calldata = calldata.to_vec();
    calldata.resize((SCALARS + PROOF) * 32, 0);
    let is_scalar = |word: usize| word < SCALARS || (SCALARS + 20..SCALARS + 39).contains(&word);
    let numbers = calldata.chunks_exact(32).map(U256::from_be_slice).enumerate();
    numbers.map(|(word, number)| if is_scalar(word) { number % ORDER } else { number }).collect()
}

/// Makes a change of this number, and asks the contracts.
fn try_change(scene: &mut Scene, good: &Parts, kinds: &[(Part, Change)], case: usize) {
    let mut random = StdRng::seed_from_u64(case as u64);
    // Each kind in its turn, and every other time with another one beside it.
    let (kind, twice) = (kinds[case % kinds.len()], (case / kinds.len()) % 2 == 1);
    let of_calldata = kind.0 == Part::Calldata;
    let mut changes = vec![kind];
    while changes.len() < 1 + usize::from(twice) {
        let other = kinds[random.random_range(0..kinds.len())];
        let fits = other != kind && of_calldata == (other.0 == Part::Calldata);
        changes.extend(fits.then_some(other));
    }
    changes.sort_by_key(|(_, change)| *change);
    let [program, public_values, proof, calldata] = changed(good, &changes, &mut random);
    if of_calldata {
        let same = read(&calldata) == read(&good[Part::Calldata as usize]);
        assert_eq!(scene.machine.takes(scene.halo2, calldata), same, "case {case}: {changes:?}");
    } else {
        let asked = Asked { program: B256::from_slice(&program), public_values, proof };
        assert!(scene.ask(&asked).0.is_err(), "case {case}: {changes:?}");
    }
}

#[test]
fn whatever_is_changed_at_random_is_refused() {
    let good = &parts(&fixture());
    let kinds: Vec<(Part, Change)> = Part::ALL
        .into_iter()
        .flat_map(|part| part.changes().iter().map(move |change| (part, *change)))
        .collect();
    assert!(CASES >= 2 * kinds.len(), "every kind is tried, alone and with another");
    let (kinds, threads) = (kinds.as_slice(), thread::available_parallelism().map_or(1, usize::from));
    thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                let mut scene = Scene::new();
                assert!(scene.machine.takes(scene.halo2, good[Part::Calldata as usize].clone()));
                for case in (first..CASES).step_by(threads) {
                    try_change(&mut scene, good, kinds, case);
                }
            });
        }
    });
}
