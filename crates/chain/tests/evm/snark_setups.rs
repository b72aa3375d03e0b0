//! Another setup than that of a SNARK's verifier: the same proof does not hold on it.

use crate::{
    machine::Machine,
    snarks::{COORDINATES, InsecureDevelopmentHalo2Verifier, Scene, fixture},
};
use alloy_primitives::{Address, U256, hex};
use proofmill_chain::{Refusal, SnarkRefusal};

/// `−τ·G₂` of the setup for development, as the last pairing of the generated verifier has it
/// (`contracts/generated/InsecureDevelopmentHalo2Verifier.sol`).
const DEVELOPMENT: [[u8; 32]; 4] = [
    hex!("23ac1f20056da49d6d09cb4d428c29f3f9511799d4555dae00308798072137e1"),
    hex!("2e689438aa5754c9d98132d5db9cc4b74a92e0dcf78b905f2cfff97f19917c28"),
    hex!("086b801cab4f2068de39ebcf409fc3afebac44ad9e743ba7d77d8eab14af4251"),
    hex!("1c6ab63fe3eec6886f0e8f502396b74cde452cb2ada62085ba47a24d196c685c"),
];

/// `τ·G₂` of the ceremony, after two of its contributions: `CEREMONIES` in `crates/srs`, as the EVM has coordinates.
const CEREMONIES: [[[u8; 32]; 4]; 2] = [
    [
        hex!("186282957db913abd99f91db59fe69922e95040603ef44c0bd7aa3adeef8f5ac"),
        hex!("17944351223333f260ddc3b4af45191b856689eda9eab5cbcddbbe570ce860d2"),
        hex!("298adc7396bd3865cbf6d6df91bae406694e6d2215baa893bdeadb63052895f4"),
        hex!("297772d34bc9aa8ae56162486363ffe417b02dc7e8c207fc2cc20203e67a02ad"),
    ],
    [
        hex!("26186a2d65ee4d2f9c9a5b91f86597d35f192cd120caf7e935d8443d1938e23d"),
        hex!("30441fd1b5d3370482c42152a8899027716989a6996c2535bc9f7fee8aaef79e"),
        hex!("1970ea81dd6992adfbc571effb03503adbbb6a857f578403c6c40e22d65b3c02"),
        hex!("054793348f12c0cf5622c340573cb277586319de359ab9389778f689786b1e48"),
    ],
];

/// The words of `−τ·G₂`, of those of `τ·G₂`.
fn negated([x1, x0, y1, y0]: [[u8; 32]; 4]) -> [[u8; 32]; 4] {
    let minus = |y: [u8; 32]| (COORDINATES - U256::from_be_bytes(y)).to_be_bytes::<32>();
    [x1, x0, minus(y1), minus(y0)]
}

/// The Halo2 verifier's creation code, with another `−τ·G₂` in place of its own.
fn on(setup: [[u8; 32]; 4]) -> Vec<u8> {
    let mut code = InsecureDevelopmentHalo2Verifier::BYTECODE.to_vec();
    for (own, other) in DEVELOPMENT.iter().zip(setup) {
        let there: Vec<usize> = (0..code.len() - 31).filter(|at| code[*at..][..32] == *own).collect();
        let [at] = there[..] else { panic!("{} is in the code {} times", hex::encode(own), there.len()) };
        code[at..][..32].copy_from_slice(&other);
    }
    code
}

#[test]
fn a_snark_on_another_setup_does_not_hold() {
    for setup in CEREMONIES.map(negated) {
        // A point that the EVM pairs with: paired with nothing here, which it takes of points of the group alone.
        let pairing = Address::with_last_byte(8);
        let input = [&[0; 64][..], &setup.concat()].concat();
        assert!(Machine::new(crate::model::START).takes(pairing, input));
        let mut scene = Scene::with(&on(setup).into());
        let refusal = Refusal::Snark(SnarkRefusal::ProofDoesNotHold);
        assert_eq!(scene.refusal(&fixture()), refusal);
    }
    // What is put in its place is what makes the difference.
    Scene::with(&on(DEVELOPMENT).into()).ask(&fixture()).0.unwrap();
}
