//! What proofs of the real statement settle, and what they do not.

use crate::{
    machine::{AcceptsAnythingVerifier, Machine, Rollup},
    model::{Model, PROPOSERS, SLOT, START, STRANGER},
};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolCall;
use proofmill_backends::{Backend, ExecBackend, Job, Proof, SegmentBudget};
use proofmill_chain::Refusal;
use proofmill_primitives::{ProofMode, ProverType};
use proofmill_program::{
    Aggregation, AggregationPublicValues, PublicValues, RangePublicValues, aggregation::encode_input,
};

/// The programs of `exec`, by their names.
const RANGE: &[u8] = b"proofmill-exec:range";
const AGGREGATION: &[u8] = b"proofmill-exec:aggregation";

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

/// A rollup of the model's that takes proofs by `exec`.
fn deploy(machine: &mut Machine, model: &Model) -> Address {
    let mut creation = model.creation();
    let exec = ExecBackend::default();
    creation.first.proofTypes = vec![Rollup::ProofType {
        name: B256::right_padding_from(b"exec"),
        verifier: machine.create(STRANGER, &AcceptsAnythingVerifier::BYTECODE, &[]).unwrap(),
        rangeKey: exec.program_version(RANGE).unwrap().0,
        aggregationKey: exec.program_version(AGGREGATION).unwrap().0,
    }];
    machine.deploy(STRANGER, &creation).unwrap()
}

/// What `exec`'s aggregation program makes of range proofs that say this, with so many of them in each checkpoint.
fn epoch_proof(from_commitment: B256, checkpoints: &[u32], ranges: &[RangePublicValues]) -> Proof {
    let exec = ExecBackend::default();
    let program = exec.program_version(RANGE).unwrap();
    let range = |values: &RangePublicValues| Proof {
        prover: ProverType::Exec,
        mode: ProofMode::Compressed,
        program,
        public_values: values.to_bytes(),
        body: Vec::new(),
    };
    let proofs: Vec<_> = ranges.iter().map(range).collect();
    let by = Aggregation { range_key: program.0, from_commitment, checkpoints: checkpoints.to_vec() };
    let input = exec.encode_input(&[&encode_input(&by, ranges)], &proofs).unwrap();
    let job = Job { program: AGGREGATION, input: &input, cycle_limit: None };
    let plan = exec.plan(&job, SegmentBudget(0)).unwrap();
    let part = exec.prove_segment(&job, &plan, 0).unwrap();
    let proof = exec.finish(&job, &plan, ProofMode::Compressed, &[part]).unwrap();
    exec.verify(&proof, exec.program_version(AGGREGATION).unwrap()).unwrap();
    proof
}

fn submit(machine: &mut Machine, rollup: Address, model: &Model, proof: Proof) -> Result<(), Refusal> {
    let proofs =
        vec![Rollup::Proof { publicValues: proof.public_values.into(), proof: Bytes::from(proof.body) }];
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
        let rollup = deploy(&mut machine, &model);
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
        let from = model.checkpoints[0].commitment;
        let proof = epoch_proof(from, &[1, 1, 1], &ranges);
        let values = AggregationPublicValues::from_bytes(&proof.public_values).unwrap();
        assert_eq!(values.lastHash, model.last().end.last_hash, "the ends are the same");
        let refusal = submit(&mut machine, rollup, &model, proof).unwrap_err();
        assert!(
            matches!(&refusal, Refusal::StatementMismatch { field, .. } if field == "toCommitment"),
            "lie {at}: {refusal}"
        );
        // Nor with other cuts of the same ranges.
        for checkpoints in [&[3][..], &[1, 2], &[2, 1]] {
            let proof = epoch_proof(from, checkpoints, &ranges);
            let refusal = submit(&mut machine, rollup, &model, proof).unwrap_err();
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
    let rollup = deploy(&mut machine, &model);
    for slot in [3, 4, 5] {
        model.now = START + slot * SLOT;
        machine.set_time(model.now);
        propose(&mut machine, rollup, &mut model).unwrap();
    }
    let ranges: Vec<_> = (1..=3).map(|number| model.range(rollup, number, STRANGER)).collect();
    let proof = epoch_proof(model.checkpoints[0].commitment, &[1, 1, 1], &ranges);
    submit(&mut machine, rollup, &model, proof).unwrap();
    for number in 1..=3_usize {
        let call = Rollup::provenCheckpointCall { number: number as u64 };
        let proven = machine.read(rollup, &call).unwrap();
        let end = model.checkpoints[number].end;
        assert_eq!((proven.lastHash, proven.stateRoot), (end.last_hash, end.state_root));
        assert_eq!((proven.lastBlock, proven.lastTimestamp), (end.last_block, end.last_timestamp));
    }
}
