//! What proofs of the real statement settle, and what they do not.

use crate::{
    machine::{Machine, Rollup},
    model::{Model, PROPOSERS, SLOT, START, STRANGER},
};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolCall;
use proofmill_chain::Refusal;
use proofmill_program::{Aggregation, PublicValues, aggregation::fold};

/// Proposes two honest blocks, on both.
pub(crate) fn propose(machine: &mut Machine, rollup: Address, model: &mut Model) -> Result<(), Refusal> {
    let last = model.last().end;
    let last_block = last.last_block + 2;
    let proposal = Rollup::Proposal {
        firstBlock: last.last_block + 1,
        lastBlock: last_block,
        parentHash: last.last_hash,
        lastHash: keccak256(format!("block {last_block}")),
        stateRoot: keccak256(format!("state {last_block}")),
        lastTimestamp: model.now,
    };
    propose_this(machine, rollup, model, proposal)
}

fn propose_this(
    machine: &mut Machine,
    rollup: Address,
    model: &mut Model,
    proposal: Rollup::Proposal,
) -> Result<(), Refusal> {
    model.propose(PROPOSERS[0], &proposal).unwrap();
    let data = Rollup::proposeCall { proposal }.abi_encode();
    machine.send(PROPOSERS[0], rollup, data).0.map(drop).map_err(|data| Refusal::decode(&data))
}

fn submit(
    machine: &mut Machine,
    rollup: Address,
    model: &Model,
    values: &impl PublicValues,
) -> Result<(), Refusal> {
    let proofs = vec![Rollup::Proof {
        publicValues: values.to_bytes().into(),
        proof: Bytes::from(model.rules[0].key(0, true)),
    }];
    let last = model.pending() as u64;
    let data = Rollup::submitEpochProofCall { first: 1, last, prover: STRANGER, proofs }.abi_encode();
    machine.send(STRANGER, rollup, data).0.map(drop).map_err(|data| Refusal::decode(&data))
}

#[test]
fn a_lying_middle_checkpoint_is_not_proven_by_a_valid_epoch_proof() {
    // What a liar claims of the checkpoint in the middle: its hash and the next one's parent, its state root, its time, and
    // where it ends.
    type Lie = fn(&mut Rollup::Proposal);
    let lies: [Lie; 4] = [
        |proposal| proposal.lastHash = B256::repeat_byte(0xde),
        |proposal| proposal.stateRoot = B256::repeat_byte(0xf0),
        |proposal| proposal.lastTimestamp -= 1,
        |proposal| proposal.lastBlock += 1,
    ];
    for (at, lie) in lies.into_iter().enumerate() {
        let mut machine = Machine::new(START);
        let mut model = Model::new();
        let rollup = machine.deploy(STRANGER, &model.creation()).unwrap();
        let mut honest = model.clone();
        for (slot, lies) in [(3, false), (4, true), (5, false)] {
            model.now = START + slot * SLOT;
            honest.now = model.now;
            machine.set_time(model.now);
            let end = honest.last().end;
            let last_block = end.last_block + 3;
            let mut proposal = Rollup::Proposal {
                firstBlock: end.last_block + 1,
                lastBlock: last_block,
                parentHash: end.last_hash,
                lastHash: keccak256(format!("block {last_block}")),
                stateRoot: keccak256(format!("state {last_block}")),
                lastTimestamp: model.now,
            };
            honest.propose(PROPOSERS[0], &proposal).unwrap();
            // On L1 the next one follows on the lie.
            proposal.firstBlock = model.last().end.last_block + 1;
            proposal.parentHash = model.last().end.last_hash;
            if lies {
                lie(&mut proposal);
            }
            propose_this(&mut machine, rollup, &mut model, proposal).unwrap();
        }
        // The aggregation program over honest ranges: a valid proof from the genesis to the true last block.
        let ranges: Vec<_> = (1..=3).map(|number| honest.range(rollup, number, STRANGER)).collect();
        let by = Aggregation {
            range_key: model.rules[0].key(0, false),
            from_commitment: model.checkpoints[0].commitment,
            checkpoints: vec![1, 1, 1],
        };
        let values = fold(&by, &ranges).unwrap();
        assert_eq!(values.lastHash, model.last().end.last_hash, "the ends are the same");
        let refusal = submit(&mut machine, rollup, &model, &values).unwrap_err();
        assert!(
            matches!(&refusal, Refusal::StatementMismatch { field, .. } if field == "toCommitment"),
            "lie {at}: {refusal}"
        );
        // Nor with other cuts of the same ranges.
        for checkpoints in [vec![3], vec![1, 2], vec![2, 1]] {
            let values = fold(&Aggregation { checkpoints, ..by.clone() }, &ranges).unwrap();
            let refusal = submit(&mut machine, rollup, &model, &values).unwrap_err();
            assert!(matches!(refusal, Refusal::StatementMismatch { .. }), "lie {at}: {refusal}");
        }
        assert_eq!(machine.read(rollup, &Rollup::tipsCall {}).unwrap().proven, 0);
        let unproven = machine.read(rollup, &Rollup::provenCheckpointCall { number: 2 }).unwrap_err();
        assert!(matches!(Refusal::decode(&unproven), Refusal::NotProven { .. }));
    }
}

#[test]
fn an_honest_epoch_is_proven_with_every_checkpoint_in_it() {
    let mut machine = Machine::new(START);
    let mut model = Model::new();
    let rollup = machine.deploy(STRANGER, &model.creation()).unwrap();
    for slot in [3, 4, 5] {
        model.now = START + slot * SLOT;
        machine.set_time(model.now);
        propose(&mut machine, rollup, &mut model).unwrap();
    }
    let values = model.epoch(rollup, (1, 3), STRANGER, 0);
    submit(&mut machine, rollup, &model, &values).unwrap();
    for number in 1..=3_usize {
        let call = Rollup::provenCheckpointCall { number: number as u64 };
        let proven = machine.read(rollup, &call).unwrap();
        let end = model.checkpoints[number].end;
        assert_eq!((proven.lastHash, proven.stateRoot), (end.last_hash, end.state_root));
        assert_eq!((proven.lastBlock, proven.lastTimestamp), (end.last_block, end.last_timestamp));
    }
}
