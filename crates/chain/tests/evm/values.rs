//! Every public value changed in every way is refused.

use crate::{
    machine::{Machine, Rollup},
    model::{Model, NOBODY, SLOT, START, STRANGER},
    settled::propose,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolInterface};
use proofmill_chain::Refusal;
use proofmill_program::PublicValues;

/// What an epoch's proof says, word by word.
pub(crate) const NAMES: [&str; 14] = [
    "chainId",
    "configHash",
    "rollup",
    "prover",
    "firstBlock",
    "lastBlock",
    "parentHash",
    "lastHash",
    "preStateRoot",
    "postStateRoot",
    "lastTimestamp",
    "rangeKey",
    "fromCommitment",
    "toCommitment",
];

/// An epoch of three checkpoints, of which nothing is proven.
struct Epoch {
    machine: Machine,
    rollup: Address,
    model: Model,
}

fn epoch() -> Epoch {
    let mut machine = Machine::new(START);
    let mut model = Model::new();
    let rollup = machine.deploy(STRANGER, &model.creation()).unwrap();
    for slot in [3, 4, 5] {
        (model.now, ()) = (START + slot * SLOT, machine.set_time(START + slot * SLOT));
        propose(&mut machine, rollup, &mut model).unwrap();
    }
    Epoch { machine, rollup, model }
}

impl Epoch {
    /// Shows public values with a valid proof, by an epoch proof or by the last of two batches.
    fn show(&mut self, aggregated: bool, values: &[u8]) -> Result<(), Refusal> {
        let rules = &self.model.rules[0];
        let proof = |values: &[u8]| Rollup::Proof {
            publicValues: Bytes::copy_from_slice(values),
            proof: rules.key(0, aggregated).into(),
        };
        let data = if aggregated {
            let proofs = vec![proof(values)];
            Rollup::submitEpochProofCall { first: 1, last: 3, prover: STRANGER, proofs }.abi_encode()
        } else {
            let first = self.model.range(self.rollup, 1, STRANGER).to_bytes();
            let batches = [first.as_slice(), values]
                .map(|values| Rollup::BatchProof { proofs: vec![proof(values)] })
                .to_vec();
            Rollup::verifyBatchesCall { first: 1, prover: STRANGER, batches }.abi_encode()
        };
        let (outcome, _) = self.machine.send(NOBODY, self.rollup, data);
        outcome.map(drop).map_err(|data| Refusal::decode(&data))
    }

    fn honest(&self, aggregated: bool) -> Vec<u8> {
        if aggregated {
            self.model.epoch(self.rollup, (1, 3), STRANGER, 0).to_bytes()
        } else {
            self.model.range(self.rollup, 2, STRANGER).to_bytes()
        }
    }

    fn refuses(&mut self, aggregated: bool, values: &[u8], word: usize) {
        match self.show(aggregated, values) {
            Err(Refusal::StatementMismatch { field, .. }) => assert_eq!(field, NAMES[word]),
            other => panic!("word {word}: {other:?}"),
        }
    }
}

#[test]
fn every_bit_of_every_word_is_compared() {
    for aggregated in [true, false] {
        let mut epoch = epoch();
        let honest = epoch.honest(aggregated);
        assert_eq!(honest.len(), if aggregated { 14 } else { 11 } * 32);
        for bit in 0..honest.len() * 8 {
            let mut values = honest.clone();
            values[bit / 8] ^= 1 << (bit % 8);
            epoch.refuses(aggregated, &values, bit / 256);
        }
        epoch.show(aggregated, &honest).unwrap();
    }
}

#[test]
fn every_word_replaced_by_any_other_value_is_refused() {
    for aggregated in [true, false] {
        let mut epoch = epoch();
        let honest = epoch.honest(aggregated);
        let words: Vec<[u8; 32]> = honest.as_chunks().0.to_vec();
        for at in 0..words.len() {
            let number = U256::from_be_bytes(words[at]);
            let mut others = words.clone();
            // What the other kind of proof says, of each checkpoint.
            for checkpoint in 1..=3 {
                let range = epoch.model.range(epoch.rollup, checkpoint, STRANGER).to_bytes();
                others.extend(range.as_chunks().0);
            }
            others.extend(epoch.model.checkpoints.iter().map(|checkpoint| checkpoint.commitment.0));
            others.extend([
                [0; 32],
                [0xff; 32],
                B256::from(number.wrapping_add(U256::ONE)).0,
                B256::from(number.wrapping_sub(U256::ONE)).0,
                B256::from(number << 64).0,
                B256::from(number | (U256::ONE << 64)).0,
                B256::from(number | (U256::ONE << 160)).0,
                B256::from(number.reverse_bits()).0,
            ]);
            for other in others.into_iter().filter(|other| *other != words[at]) {
                let mut values = honest.clone();
                values[at * 32..][..32].copy_from_slice(&other);
                epoch.refuses(aggregated, &values, at);
            }
        }
        epoch.show(aggregated, &honest).unwrap();
    }
}

#[test]
fn any_other_length_is_refused() {
    for aggregated in [true, false] {
        let mut epoch = epoch();
        let honest = epoch.honest(aggregated);
        for length in (0..honest.len() + 64).filter(|length| *length != honest.len()) {
            let mut values = honest.clone();
            values.resize(length, 0);
            let refusal = epoch.show(aggregated, &values).unwrap_err();
            assert!(matches!(refusal, Refusal::WrongPublicValuesLength { .. }), "{length}: {refusal}");
        }
        // Each kind of proof in the other's place.
        let other = epoch.honest(!aggregated);
        let refusal = epoch.show(aggregated, &other).unwrap_err();
        assert!(matches!(refusal, Refusal::WrongPublicValuesLength { .. }), "{refusal}");
    }
}

#[test]
fn every_error_of_the_contract_is_known_to_the_client() {
    // All of them with zeros for values: none is the catch-all.
    for selector in Rollup::RollupErrors::SELECTORS {
        // Room for the longest, and offsets that point behind the head.
        for words in 0..4 {
            let mut data = selector.to_vec();
            data.resize(4 + words * 32, 0);
            if Rollup::RollupErrors::abi_decode_validate(&data).is_ok() {
                let refusal = Refusal::decode(&data.clone().into());
                assert!(!matches!(refusal, Refusal::Other { .. }), "{selector:02x?}");
                assert!(!refusal.to_string().is_empty());
            }
        }
    }
}
