//! What strangers can do after a silence, and what they cannot.

use crate::{
    machine::{Machine, Rollup, VERIFIER},
    model::{DELAY, GUARDIAN, Model, PROPOSERS, SILENCE, SLOT, START, STRANGER},
};
use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use proofmill_chain::Refusal;
use proofmill_program::PublicValues;
use std::slice;

/// Whose checkpoints cannot be proven.
const ATTACKER: Address = Address::repeat_byte(0xee);
/// An account that makes two calls in one transaction: of the first word's contract, with as many bytes as the second word says, and
/// with the rest. It reverts with what either reverts with.
const BOTH: Address = Address::repeat_byte(0xb0);
const BOTH_CODE: [u8; 50] = hex!(
    "365f5f37"
    "5f5f60205160405f5f515af115602a57"
    "5f5f602051604001803603905f5f515af115602a57"
    "00"
    "5b3d5f5f3e3d5ffd"
);
/// A verifier that calls the contract back, with the proof as calldata, and takes the proof if that call comes to a good end.
const CALLS_BACK: [u8; 32] = hex!(
    "60443560040180359060200181905f37"
    "5f5f825f5f335af1601e57"
    "5f5ffd"
    "5b00"
);

struct Scene {
    machine: Machine,
    model: Model,
    rollup: Address,
}

impl Scene {
    /// The proposer's last checkpoint is proven, and then it is silent until anybody may propose.
    fn silent() -> Self {
        let (mut machine, model) = (Machine::new(START), Model::new());
        machine.put(BOTH, &BOTH_CODE);
        let rollup = machine.deploy(STRANGER, &model.creation()).unwrap();
        let mut scene = Self { machine, model, rollup };
        scene.at(START + SLOT);
        scene.propose(PROPOSERS[0], true).unwrap();
        scene.prove(STRANGER).unwrap();
        scene.at(scene.model.open_from());
        scene
    }

    fn at(&mut self, time: u64) {
        self.model.now = time;
        self.machine.set_time(time);
    }

    /// A proposal on what is proven if anybody may propose, and on the last checkpoint else.
    fn next(&self, honest: bool) -> Rollup::Proposal {
        let mut pruned = self.model.clone();
        let _ = pruned.prune();
        let last = &pruned.last().end;
        let last_block = last.last_block + 2;
        Rollup::Proposal {
            firstBlock: last.last_block + 1,
            lastBlock: last_block,
            parentHash: last.last_hash,
            lastHash: keccak256(format!("block {last_block} {honest}")),
            stateRoot: keccak256(format!("state {last_block} {honest}")),
            lastTimestamp: self.model.now,
        }
    }

    fn propose(&mut self, by: Address, honest: bool) -> Result<(), Refusal> {
        let proposal = self.next(honest);
        let expected = self.model.propose(by, &proposal);
        let got = self.send(by, self.rollup, Rollup::proposeCall { proposal }.abi_encode());
        assert_eq!(expected.is_ok(), got.is_ok(), "{got:?}");
        got
    }

    /// What proves the last checkpoint.
    fn proofs(&self, model: &Model, prover: Address) -> Vec<u8> {
        let number = model.pending();
        let proof = Rollup::Proof {
            publicValues: model.range(self.rollup, number, prover).to_bytes().into(),
            proof: model.rules[0].key(0, false).into(),
        };
        let batches = vec![Rollup::BatchProof { proofs: vec![proof] }];
        Rollup::verifyBatchesCall { first: number as u64, prover, batches }.abi_encode()
    }

    fn prove(&mut self, prover: Address) -> Result<(), Refusal> {
        let data = self.proofs(&self.model, prover);
        let first = self.model.pending() as u64;
        self.model.verify_batches(first, 1, true).unwrap();
        self.send(prover, self.rollup, data)
    }

    /// A call that proposes and proves at once, and the model after it.
    fn at_once(&self, by: Address) -> (Vec<u8>, Model) {
        let proposal = self.next(true);
        let mut after = self.model.clone();
        after.propose(by, &proposal).unwrap();
        let prove = self.proofs(&after, by);
        let number = after.pending() as u64;
        after.verify_batches(number, 1, true).unwrap();
        (together(&[Rollup::proposeCall { proposal }.abi_encode(), prove]), after)
    }

    fn send(&mut self, from: Address, to: Address, data: Vec<u8>) -> Result<(), Refusal> {
        self.machine.send(from, to, data).0.map(drop).map_err(|data| Refusal::decode(&data))
    }

    fn tips(&mut self) -> (u64, u64) {
        let tips = self.machine.read(self.rollup, &Rollup::tipsCall {}).unwrap();
        (tips.proven, tips.pending)
    }
}

/// Several calls as one.
fn together(calls: &[Vec<u8>]) -> Vec<u8> {
    let calls = calls.iter().map(|call| Bytes::copy_from_slice(call)).collect();
    Rollup::multicallCall { calls }.abi_encode()
}

#[test]
fn an_open_rollup_cannot_be_held_by_what_cannot_be_proven() {
    let mut scene = Scene::silent();
    // Nobody waits for a window or for another silence: round after round, in one and the same second.
    for round in 1..=5 {
        scene.propose(ATTACKER, false).unwrap();
        assert_eq!(scene.tips(), (round, round + 1));
        scene.propose(ATTACKER, false).unwrap();
        assert_eq!(scene.tips(), (round, round + 1), "the second one took the first one's place");
        // Proposed and proven in one transaction: there is nothing to come between.
        let proposal = scene.next(true);
        let mut after = scene.model.clone();
        after.propose(BOTH, &proposal).unwrap();
        let proofs = scene.proofs(&after, BOTH);
        let propose = Rollup::proposeCall { proposal }.abi_encode();
        let head = (scene.rollup, U256::from(propose.len())).abi_encode();
        scene.send(STRANGER, BOTH, [head, propose, proofs].concat()).unwrap();
        after.verify_batches(round + 1, 1, true).unwrap();
        scene.model = after;
        assert_eq!(scene.tips(), (round + 1, round + 1));
        scene.at(scene.model.now + SLOT);
    }
}

#[test]
fn the_proposer_has_the_first_word_again_as_soon_as_it_speaks() {
    let mut scene = Scene::silent();
    let open = scene.model.open_from();
    scene.propose(ATTACKER, false).unwrap();
    scene.at(open + SLOT);
    // The stranger's checkpoint has changed nothing.
    let read: U256 = scene.machine.read(scene.rollup, &Rollup::openFromCall {}).unwrap();
    assert_eq!(read, U256::from(open));
    scene.propose(PROPOSERS[0], true).unwrap();
    let checkpoint = Rollup::checkpointsCall { first: 2, last: 2 };
    let there = scene.machine.read(scene.rollup, &checkpoint).unwrap();
    assert_eq!(
        there[0].lastHash,
        scene.model.last().end.last_hash,
        "it is on the proven checkpoint, not on the stranger's"
    );
    let read: U256 = scene.machine.read(scene.rollup, &Rollup::openFromCall {}).unwrap();
    assert_eq!(read, U256::from(scene.model.now + SILENCE));
    // What it proposed stands for its whole window, and nobody else proposes.
    scene.at(scene.model.now + SLOT);
    let refusal = scene.propose(ATTACKER, false).unwrap_err();
    assert!(matches!(refusal, Refusal::WrongProposer { .. }), "{refusal}");
    let refusal = scene.send(ATTACKER, scene.rollup, Rollup::pruneCall {}.abi_encode()).unwrap_err();
    assert_eq!(refusal, Refusal::NothingToPrune);
    scene.prove(STRANGER).unwrap();
    assert_eq!(scene.tips(), (2, 2));
}

#[test]
fn what_a_proposer_proposed_is_never_a_stranger_s_to_take_away() {
    // A silence that was over before the window would leave strangers its unproven checkpoints.
    let (mut machine, model) = (Machine::new(START), Model::new());
    let mut creation = model.creation();
    for (silence, good) in [(0, true), (1, false), (DELAY - 1, false), (DELAY, true)] {
        creation.constants_.silence = silence;
        let deployed = machine.deploy(STRANGER, &creation).map_err(|data: Bytes| Refusal::decode(&data));
        match deployed {
            Ok(_) => assert!(good, "{silence}"),
            Err(refusal) => {
                assert!(!good, "{silence}");
                assert_eq!(refusal, Refusal::InvalidConfig { field: "silence".to_owned() });
            }
        }
    }
    // The shortest one, to the second, for a checkpoint at the beginning of its epoch.
    creation.constants_.silence = DELAY;
    let rollup = machine.deploy(STRANGER, &creation).unwrap();
    let mut scene = Scene { machine, model, rollup };
    scene.at(START + 3 * SLOT);
    let proposal = scene.next(true);
    scene.send(PROPOSERS[0], rollup, Rollup::proposeCall { proposal }.abi_encode()).unwrap();
    let prune = Rollup::pruneCall {}.abi_encode();
    scene.at(START + 3 * SLOT + DELAY - 1);
    assert_eq!(scene.send(ATTACKER, rollup, prune.clone()).unwrap_err(), Refusal::NothingToPrune);
    scene.at(START + 3 * SLOT + DELAY);
    let deadline: U256 = scene.machine.read(rollup, &Rollup::deadlineCall { epoch: 1 }).unwrap();
    assert_eq!(deadline, U256::from(scene.model.now));
    scene.send(ATTACKER, rollup, prune).unwrap();
}

#[test]
fn a_guardian_whom_no_owner_can_stop_has_short_pauses() {
    let (mut machine, model) = (Machine::new(START), Model::new());
    let mut creation = model.creation();
    let refused = Err(Refusal::InvalidConfig { field: "maxPause".to_owned() });
    let owner = creation.roles.owner;
    for (max_pause, of) in [(DELAY, Address::ZERO), (DELAY + 1, owner), (DELAY + 1, Address::ZERO)] {
        creation.constants_.maxPause = max_pause;
        creation.roles.owner = of;
        let deployed = machine.deploy(STRANGER, &creation).map_err(|data: Bytes| Refusal::decode(&data));
        let good = max_pause == DELAY || of == owner;
        assert_eq!(deployed.clone().map(drop), if good { Ok(()) } else { refused.clone() }, "{max_pause}");
        // Nor can an owner leave who has named one, but for short pauses.
        let Ok(rollup) = deployed else { continue };
        let renounce = Rollup::renounceOwnershipCall {}.abi_encode();
        let mut scene = Scene { machine: machine.fork(), model: model.clone(), rollup };
        if of == owner {
            assert_eq!(scene.send(owner, rollup, renounce.clone()), refused);
            let nobody = Rollup::setGuardianCall { guardian_: Address::ZERO }.abi_encode();
            scene.send(owner, rollup, nobody).unwrap();
            scene.send(owner, rollup, renounce).unwrap();
            assert_eq!(scene.machine.read(rollup, &Rollup::ownerCall {}).unwrap(), Address::ZERO);
        }
    }
    // Without a guardian they are nobody's.
    creation.roles.guardian = Address::ZERO;
    machine.deploy(STRANGER, &creation).unwrap();
}

#[test]
fn an_account_proposes_and_proves_at_once() {
    let mut scene = Scene::silent();
    // Not before the silence is over, whoever makes the calls together.
    let open = scene.model.now;
    let (both, _) = scene.at_once(STRANGER);
    scene.at(open - 1);
    let refusal = scene.send(STRANGER, scene.rollup, both).unwrap_err();
    assert!(matches!(refusal, Refusal::WrongProposer { sender: STRANGER, .. }), "{refusal}");
    scene.at(open);
    for round in 1..=3 {
        scene.propose(ATTACKER, false).unwrap();
        let (both, after) = scene.at_once(STRANGER);
        scene.send(STRANGER, scene.rollup, both).unwrap();
        scene.model = after;
        assert_eq!(scene.tips(), (round + 1, round + 1));
        scene.at(scene.model.now + SLOT);
    }
}

#[test]
fn what_is_not_proven_at_once_is_not_proposed() {
    let mut scene = Scene::silent();
    let mut honest = scene.model.clone();
    honest.propose(STRANGER, &scene.next(true)).unwrap();
    let lie = Rollup::proposeCall { proposal: scene.next(false) }.abi_encode();
    let both = together(&[lie, scene.proofs(&honest, STRANGER)]);
    let refusal = scene.send(STRANGER, scene.rollup, both).unwrap_err();
    assert!(matches!(refusal, Refusal::StatementMismatch { .. }), "{refusal}");
    assert_eq!(scene.tips(), (1, 1));
}

#[test]
fn calls_made_together_may_no_more_than_each_alone() {
    let mut scene = Scene::silent();
    let (both, _) = scene.at_once(STRANGER);
    let (pause, resume) = (Rollup::pauseCall {}.abi_encode(), Rollup::resumeCall {}.abi_encode());
    let alone = together(slice::from_ref(&pause));
    for calls in [alone.clone(), together(slice::from_ref(&alone))] {
        let refusal = scene.send(STRANGER, scene.rollup, calls).unwrap_err();
        assert_eq!(refusal, Refusal::NotTheGuardian { guardian: GUARDIAN, sender: STRANGER });
    }
    // The guardian may pause, and not resume: nothing is left of the first call.
    let refusal = scene.send(GUARDIAN, scene.rollup, together(&[pause, resume])).unwrap_err();
    assert_eq!(refusal, Refusal::NotTheOwner { sender: GUARDIAN });
    let until: u64 = scene.machine.read(scene.rollup, &Rollup::pausedUntilCall {}).unwrap();
    assert_eq!(until, 0);
    // None, and one that is no function's.
    scene.send(STRANGER, scene.rollup, together(&[])).unwrap();
    let refusal = scene.send(STRANGER, scene.rollup, together(&[vec![1, 2, 3, 4]])).unwrap_err();
    assert_eq!(refusal, Refusal::Other { data: Bytes::new() });
    // A pause is one for calls that are made together too.
    scene.send(GUARDIAN, scene.rollup, alone).unwrap();
    let refusal = scene.send(STRANGER, scene.rollup, both).unwrap_err();
    assert!(matches!(refusal, Refusal::ContractPaused { .. }), "{refusal}");
    assert_eq!(scene.tips(), (1, 1));
}

#[test]
fn a_verifier_that_calls_back_changes_nothing() {
    let mut scene = Scene::silent();
    scene.machine.put(VERIFIER, &CALLS_BACK);
    let proposal = scene.next(true);
    let mut after = scene.model.clone();
    after.propose(STRANGER, &proposal).unwrap();
    let values = after.range(scene.rollup, 2, STRANGER).to_bytes();
    let propose = Rollup::proposeCall { proposal }.abi_encode();
    let (prune, tips) = (Rollup::pruneCall {}.abi_encode(), Rollup::tipsCall {}.abi_encode());
    for (back, good) in [
        // Open to anybody now: it would take the checkpoint away that is being proven.
        (prune.clone(), false),
        (together(&[prune]), false),
        (propose.clone(), false),
        // What changes nothing is no harm, and shows that the verifier does call.
        (tips.clone(), true),
        (together(&[tips]), true),
    ] {
        let mut machine = scene.machine.fork();
        let proof = Rollup::Proof { publicValues: values.clone().into(), proof: back.into() };
        let batches = vec![Rollup::BatchProof { proofs: vec![proof] }];
        let prove = Rollup::verifyBatchesCall { first: 2, prover: STRANGER, batches }.abi_encode();
        let (outcome, _) = machine.send(STRANGER, scene.rollup, together(&[propose.clone(), prove]));
        let refusal = outcome.err().map(|data| Refusal::decode(&data));
        let tips = machine.read(scene.rollup, &Rollup::tipsCall {}).unwrap();
        if good {
            assert_eq!((refusal, tips.proven, tips.pending), (None, 2, 2));
        } else {
            assert!(matches!(refusal, Some(Refusal::ProofRejected { .. })), "{refusal:?}");
            assert_eq!((tips.proven, tips.pending), (1, 1));
        }
    }
}

#[test]
fn two_calls_are_one_or_none() {
    let mut scene = Scene::silent();
    let propose = Rollup::proposeCall { proposal: scene.next(true) }.abi_encode();
    let head = (scene.rollup, U256::from(propose.len())).abi_encode();
    let wrong = Rollup::verifyBatchesCall { first: 7, prover: BOTH, batches: Vec::new() }.abi_encode();
    let refusal = scene.send(STRANGER, BOTH, [head, propose, wrong].concat()).unwrap_err();
    assert!(matches!(refusal, Refusal::NotNextBatch { .. }), "{refusal}");
    assert_eq!(scene.tips(), (1, 1));
    let commitment = scene.model.last().commitment;
    let call = Rollup::checkpointsCall { first: 1, last: 1 };
    assert_eq!(scene.machine.read(scene.rollup, &call).unwrap()[0].commitment, commitment);
    assert_ne!(commitment, B256::ZERO);
}
