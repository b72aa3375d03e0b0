//! SNARKs that SP1 made, as Proofmill reads their files, against SP1's own types and its verifier.

use proofmill_client::{Sp1Circuit, Sp1Snark};
use sp1_primitives::io::SP1PublicValues;
use sp1_verifier::{
    GROTH16_VK_BYTES, Groth16Bn254Proof, Groth16Verifier, PlonkBn254Proof, ProofFromNetwork, SP1Proof,
};

/// A real Groth16 proof of SP1 6, in the form of sp1-contracts' fixtures.
const FIXTURE: &[u8] = include_bytes!("../../../../crates/client/tests/fixtures/sp1-groth16.json");

#[test]
fn what_we_show_to_a_contract_is_what_sp1s_verifier_takes() {
    let snark = Sp1Snark::read(FIXTURE).unwrap();
    let vkey = snark.program.unwrap().0.to_string();
    let verify =
        |proof: &[u8]| Groth16Verifier::verify(proof, &snark.public_values, &vkey, &GROTH16_VK_BYTES);
    assert_eq!(snark.circuit(), Ok(Sp1Circuit::Groth16));
    verify(&snark.proof).unwrap();
    for at in [0, 4, 40, 80, 100, snark.proof.len() - 1] {
        let mut altered = snark.proof.to_vec();
        altered[at] ^= 1;
        assert!(verify(&altered).is_err(), "byte {at}");
    }
}

#[test]
fn files_that_sp1_writes_are_read() {
    let snark = Sp1Snark::read(FIXTURE).unwrap();
    let (selector, points) = snark.proof.split_at(4);
    let mut key_hash = [9; 32];
    key_hash[..4].copy_from_slice(selector);
    let encoded_proof: String = points.iter().map(|byte| format!("{byte:02x}")).collect();
    let (public_inputs, raw_proof) = (["1", "22", "0", "333", "4"].map(str::to_owned), "ab".to_owned());
    let proofs = [
        SP1Proof::Groth16(Groth16Bn254Proof {
            public_inputs: public_inputs.clone(),
            encoded_proof: encoded_proof.clone(),
            raw_proof: raw_proof.clone(),
            groth16_vkey_hash: key_hash,
        }),
        SP1Proof::Plonk(PlonkBn254Proof {
            public_inputs,
            encoded_proof,
            raw_proof,
            plonk_vkey_hash: key_hash,
        }),
    ];
    for proof in proofs {
        let file = bincode::serialize(&ProofFromNetwork {
            proof,
            public_values: SP1PublicValues::from(&snark.public_values),
            sp1_version: "v6.1.0".to_owned(),
        })
        .unwrap();
        // The SDK's own file has one field more: none, or the signature of a TEE.
        for file in [file.clone(), [file, vec![0]].concat()] {
            assert!(Sp1Snark::is(&file));
            let read = Sp1Snark::read(&file).unwrap();
            assert_eq!((&read.proof, &read.public_values), (&snark.proof, &snark.public_values));
        }
    }
}
