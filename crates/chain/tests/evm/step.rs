//! One call by somebody, or some time that passes: the same on the contract and on the model.

use crate::{
    machine::{Machine, Outcome, Rollup},
    model::{GUARDIAN, Model, NOBODY, OWNER, PROPOSERS, Refused, Rules, STRANGER},
};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolCall;
use proofmill_program::PublicValues;
use proptest::prelude::*;

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    /// Whoever may.
    Rightly,
    Actor(usize),
}

pub(crate) const ACTORS: [Address; 5] = [OWNER, GUARDIAN, PROPOSERS[0], PROPOSERS[1], STRANGER];

/// What is wrong with a proposal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Twist {
    Honest,
    SkipsABlock,
    RepeatsABlock,
    Empty,
    OtherBranch,
    StandsStill,
    Ahead,
    Stalled,
}

/// What is wrong with proofs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lie {
    Honest,
    /// One bit of the public values.
    Bit(usize),
    Longer,
    /// A proof of another program.
    OtherProgram,
    /// A type is left out.
    OneTypeFewer,
    /// It names another prover than the call.
    OtherProver,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Wait(u64),
    Propose {
        by: Who,
        blocks: u64,
        twist: Twist,
    },
    Prune {
        by: Who,
    },
    /// From the first checkpoint of the epoch of the next unproven one, moved by so many.
    Submit {
        by: Who,
        first: i64,
        checkpoints: u64,
        prover: usize,
        lie: Lie,
    },
    Batches {
        by: Who,
        first: i64,
        count: u64,
        prover: usize,
        lie: Lie,
    },
    Schedule {
        by: Who,
        proposer: usize,
        types: usize,
        from: i64,
    },
    Cancel {
        by: Who,
    },
    Pause {
        by: Who,
    },
    Resume {
        by: Who,
    },
    SetGuardian {
        by: Who,
        to: usize,
    },
    Transfer {
        by: Who,
        to: usize,
    },
    Accept {
        by: Who,
    },
    Renounce {
        by: Who,
    },
    /// Calls in one transaction, all by whoever makes the first of them.
    Together(Vec<Step>),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        11 => prop_oneof![6 => 1_u64..13, 3 => 10_u64..40, 1 => 40_u64..180].prop_map(Step::Wait),
        33 => call(),
        6 => together().prop_map(Step::Together),
    ]
}

/// Calls for one transaction: a proposal with its proof mostly, and else any, among them such transactions again.
fn together() -> impl Strategy<Value = Vec<Step>> {
    let who = prop_oneof![1 => Just(Who::Rightly), 1 => (0..ACTORS.len()).prop_map(Who::Actor)];
    let any = prop_oneof![8 => call(), 1 => prop::collection::vec(call(), 0..3).prop_map(Step::Together)];
    prop_oneof![
        3 => (propose(who), prove(1..3)).prop_map(|(propose, prove)| vec![propose, prove]),
        2 => prop::collection::vec(any, 0..4),
    ]
}

fn propose(who: impl Strategy<Value = Who>) -> impl Strategy<Value = Step> {
    let twist = prop_oneof![
        12 => Just(Twist::Honest),
        1 => prop::sample::select(vec![
            Twist::SkipsABlock, Twist::RepeatsABlock, Twist::Empty, Twist::OtherBranch, Twist::StandsStill,
            Twist::Ahead, Twist::Stalled,
        ]),
    ];
    (who, 1_u64..4, twist).prop_map(|(by, blocks, twist)| Step::Propose { by, blocks, twist })
}

/// Proofs of so many checkpoints.
fn prove(count: std::ops::Range<u64>) -> impl Strategy<Value = Step> {
    let lie = || {
        prop_oneof![
            8 => Just(Lie::Honest),
            1 => (0_usize..14 * 256).prop_map(Lie::Bit),
            1 => prop::sample::select(vec![Lie::Longer, Lie::OtherProgram, Lie::OneTypeFewer, Lie::OtherProver]),
        ]
    };
    let offset = || prop_oneof![6 => Just(0_i64), 1 => -2_i64..3];
    prop_oneof![
        6 => (who(), offset(), count.clone(), 0..ACTORS.len(), lie())
            .prop_map(|(by, first, checkpoints, prover, lie)| Step::Submit { by, first, checkpoints, prover, lie }),
        4 => (who(), offset(), count, 0..ACTORS.len(), lie())
            .prop_map(|(by, first, count, prover, lie)| Step::Batches { by, first, count, prover, lie }),
    ]
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![5 => Just(Who::Rightly), 1 => (0..ACTORS.len()).prop_map(Who::Actor)]
}

/// One call.
fn call() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => propose(who()),
        1 => who().prop_map(|by| Step::Prune { by }),
        10 => prove(0..4),
        3 => (
            who(),
            prop_oneof![8 => 0_usize..2, 1 => Just(2)],
            prop_oneof![1 => Just(0), 10 => 1_usize..3],
            prop_oneof![4 => Just(0_i64), 1 => -2_i64..4],
        )
            .prop_map(|(by, proposer, types, from)| Step::Schedule { by, proposer, types, from }),
        1 => who().prop_map(|by| Step::Cancel { by }),
        1 => who().prop_map(|by| Step::Pause { by }),
        1 => who().prop_map(|by| Step::Resume { by }),
        1 => (who(), 0..=ACTORS.len()).prop_map(|(by, to)| Step::SetGuardian { by, to }),
        1 => (who(), 0..=ACTORS.len()).prop_map(|(by, to)| Step::Transfer { by, to }),
        1 => who().prop_map(|by| Step::Accept { by }),
        1 => prop_oneof![1 => Just(Who::Rightly), 9 => (0..ACTORS.len()).prop_map(Who::Actor)]
            .prop_map(|by| Step::Renounce { by }),
    ]
}

impl Step {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Wait(_) => "wait",
            Self::Propose { .. } => "propose",
            Self::Prune { .. } => "prune",
            Self::Submit { .. } => "submitEpochProof",
            Self::Batches { .. } => "verifyBatches",
            Self::Schedule { .. } => "scheduleRules",
            Self::Cancel { .. } => "cancelScheduledRules",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::SetGuardian { .. } => "setGuardian",
            Self::Transfer { .. } => "transferOwnership",
            Self::Accept { .. } => "acceptOwnership",
            Self::Renounce { .. } => "renounceOwnership",
            Self::Together(_) => "multicall",
        }
    }

    /// Whether it may move a deadline.
    pub(crate) fn is_pause(&self) -> bool {
        self.any(|step| matches!(step, Self::Pause { .. } | Self::Resume { .. }))
    }

    /// Whether it may raise the proven tip.
    pub(crate) fn is_proof(&self) -> bool {
        self.any(|step| matches!(step, Self::Submit { .. } | Self::Batches { .. }))
    }

    pub(crate) const fn is_together(&self) -> bool {
        matches!(self, Self::Together(_))
    }

    /// Whether it is a transaction that proposes, and then proves what it proposed.
    pub(crate) fn proposes_and_proves(&self) -> bool {
        match self {
            Self::Together(calls) => match calls.as_slice() {
                [Self::Propose { .. }, proof] => proof.is_proof(),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether it is such a call, or makes one.
    fn any(&self, is: fn(&Self) -> bool) -> bool {
        match self {
            Self::Together(calls) => calls.iter().any(|call| call.any(is)),
            one => is(one),
        }
    }

    /// Does it, on both.
    pub(crate) fn apply(
        &self,
        machine: &mut Machine,
        rollup: Address,
        model: &mut Model,
    ) -> (Result<(), Refused>, Outcome) {
        if let Self::Wait(seconds) = self {
            model.now += seconds;
            machine.set_time(model.now);
            return (Ok(()), Ok(Bytes::new()));
        }
        let (from, data, expected, after) = self.call(rollup, model, None);
        if expected.is_ok() {
            let paid = machine.with_a_wei(from, rollup, data.clone());
            assert_eq!(paid, Err(Bytes::new()), "no call takes ether: {self:?}");
            *model = after;
        }
        let (outcome, _) = machine.send(from, rollup, data);
        (expected, outcome)
    }

    /// Who calls with what, what should come of it, and the model after that. `sender` is who calls where that is settled already.
    fn call(
        &self,
        rollup: Address,
        model: &Model,
        sender: Option<Address>,
    ) -> (Address, Vec<u8>, Result<(), Refused>, Model) {
        let mut after = model.clone();
        let somebody = |at: usize| ACTORS.get(at).copied().unwrap_or(NOBODY);
        let who = |by: Who, rightly: Address| sender.unwrap_or_else(|| caller(by, rightly));
        let owner = |by: Who| who(by, model.owner);
        let (from, data, expected) = match self.clone() {
            Self::Wait(_) => unreachable!("no call"),
            Self::Propose { by, blocks, twist } => {
                let from = who(by, model.rules[model.rules.len() - 1].proposer);
                let proposal = proposal(model, blocks, twist);
                let expected = after.propose(from, &proposal);
                (from, Rollup::proposeCall { proposal }.abi_encode(), expected)
            }
            Self::Prune { by } => (who(by, STRANGER), Rollup::pruneCall {}.abi_encode(), after.prune()),
            Self::Submit { by, first, checkpoints, prover, lie } => {
                let prover = somebody(prover);
                let epoch_of = |number: usize| Model::epoch_of(model.checkpoints[number].slot);
                let next = (model.proven + 1).min(model.pending());
                let begins = (1..=next).rev().take_while(|at| epoch_of(*at) == epoch_of(next)).last();
                let first = (begins.unwrap_or(1) as u64).saturating_add_signed(first);
                let last = (first + checkpoints).saturating_sub(1);
                let there = 1 <= first && first <= last && last <= model.pending() as u64;
                let (proofs, honest) = if there {
                    epoch_proofs(model, rollup, (first as usize, last as usize), prover, lie)
                } else {
                    (Vec::new(), false)
                };
                let expected = after.submit(first, last, prover, honest);
                (
                    who(by, STRANGER),
                    Rollup::submitEpochProofCall { first, last, prover, proofs }.abi_encode(),
                    expected,
                )
            }
            Self::Batches { by, first, count, prover, lie } => {
                let prover = somebody(prover);
                let first = (model.proven as u64 + 1).saturating_add_signed(first);
                let mut honest = true;
                let mut batches = Vec::new();
                for number in first..first + count {
                    let there = 1 <= number && number <= model.pending() as u64;
                    let lie = if number + 1 == first + count { lie } else { Lie::Honest };
                    let (proofs, good) = if there {
                        range_proofs(model, rollup, number as usize, prover, lie)
                    } else {
                        (Vec::new(), false)
                    };
                    honest &= good;
                    batches.push(Rollup::BatchProof { proofs });
                }
                let expected = after.verify_batches(first, count, honest);
                (
                    who(by, STRANGER),
                    Rollup::verifyBatchesCall { first, prover, batches }.abi_encode(),
                    expected,
                )
            }
            Self::Schedule { by, proposer, types, from } => {
                let rules = Rules {
                    number: model.rules.len() as u8,
                    proposer: PROPOSERS.get(proposer).copied().unwrap_or(NOBODY),
                    types,
                };
                let from = (model.pending() as u64 + 1).saturating_add_signed(from);
                let data =
                    Rollup::scheduleRulesCall { next: rules.to_abi(), fromCheckpoint: from }.abi_encode();
                (owner(by), data, after.schedule(owner(by), rules, from))
            }
            Self::Cancel { by } => {
                (owner(by), Rollup::cancelScheduledRulesCall {}.abi_encode(), after.cancel(owner(by)))
            }
            Self::Pause { by } => {
                let from = who(by, model.guardian);
                (from, Rollup::pauseCall {}.abi_encode(), after.pause(from))
            }
            Self::Resume { by } => (owner(by), Rollup::resumeCall {}.abi_encode(), after.resume(owner(by))),
            Self::SetGuardian { by, to } => {
                let data = Rollup::setGuardianCall { guardian_: somebody(to) }.abi_encode();
                (owner(by), data, after.set_guardian(owner(by), somebody(to)))
            }
            Self::Transfer { by, to } => {
                let data = Rollup::transferOwnershipCall { newOwner: somebody(to) }.abi_encode();
                (owner(by), data, after.transfer(owner(by), somebody(to)))
            }
            Self::Accept { by } => {
                let from = who(by, model.next_owner);
                (from, Rollup::acceptOwnershipCall {}.abi_encode(), after.accept(from))
            }
            Self::Renounce { by } => {
                (owner(by), Rollup::renounceOwnershipCall {}.abi_encode(), after.renounce(owner(by)))
            }
            Self::Together(steps) => {
                let first = steps.first().map(|step| step.call(rollup, model, sender).0);
                let from = sender.or(first).unwrap_or(STRANGER);
                // The first that is refused says why, and none of those before it happened. Those behind it are there, too.
                let mut expected = Ok(());
                let mut calls = Vec::new();
                for step in steps {
                    let (_, data, one, then) = step.call(rollup, &after, Some(from));
                    calls.push(Bytes::from(data));
                    expected = expected.and(one);
                    if one.is_ok() {
                        after = then;
                    }
                }
                (from, Rollup::multicallCall { calls }.abi_encode(), expected)
            }
        };
        (from, data, expected, after)
    }
}

/// Whoever has the role, where somebody has it.
fn caller(by: Who, rightly: Address) -> Address {
    match by {
        Who::Rightly if rightly == NOBODY => STRANGER,
        Who::Rightly => rightly,
        Who::Actor(at) => ACTORS[at],
    }
}

fn proposal(model: &Model, blocks: u64, twist: Twist) -> Rollup::Proposal {
    // What is due is given up first.
    let mut pruned = model.clone();
    let _ = pruned.prune();
    let last = &pruned.last().end;
    let last_block = last.last_block + blocks;
    let mut proposal = Rollup::Proposal {
        firstBlock: last.last_block + 1,
        lastBlock: last_block,
        parentHash: last.last_hash,
        lastHash: keccak256(
            [last.last_hash.0, B256::from(alloy_primitives::U256::from(last_block)).0].concat(),
        ),
        stateRoot: keccak256(last.state_root),
        lastTimestamp: model.now - model.now % 3,
    };
    match twist {
        Twist::Honest => {}
        Twist::SkipsABlock => proposal.firstBlock += 1,
        Twist::RepeatsABlock => proposal.firstBlock -= 1,
        Twist::Empty => proposal.lastBlock = proposal.firstBlock - 1,
        Twist::OtherBranch => proposal.parentHash.0[31] ^= 1,
        Twist::StandsStill => proposal.lastTimestamp = last.last_timestamp,
        Twist::Ahead => proposal.lastTimestamp = model.now + 1,
        Twist::Stalled => proposal.lastTimestamp = model.now - crate::model::MAX_LAG - 1,
    }
    proposal
}

fn epoch_proofs(
    model: &Model,
    rollup: Address,
    which: (usize, usize),
    prover: Address,
    lie: Lie,
) -> (Vec<Rollup::Proof>, bool) {
    // Ranges under other rules cannot be aggregated: whoever asks for such gets proofs of the last one alone.
    let same = (which.0..=which.1).all(|at| model.checkpoints[at].rules == model.checkpoints[which.1].rules);
    let of = if same { which } else { (which.1, which.1) };
    let rules = &model.rules[model.checkpoints[which.1].rules];
    let said = if matches!(lie, Lie::OtherProver) { Address::repeat_byte(9) } else { prover };
    let proofs = (0..rules.types)
        .map(|at| (model.epoch(rollup, of, said, at).to_bytes(), rules.key(at, true)))
        .collect();
    let (proofs, honest) = twisted(proofs, lie);
    (proofs, honest && same)
}

fn range_proofs(
    model: &Model,
    rollup: Address,
    number: usize,
    prover: Address,
    lie: Lie,
) -> (Vec<Rollup::Proof>, bool) {
    let rules = &model.rules[model.checkpoints[number].rules];
    let said = if matches!(lie, Lie::OtherProver) { Address::repeat_byte(9) } else { prover };
    let values = model.range(rollup, number, said).to_bytes();
    let proofs = (0..rules.types).map(|at| (values.clone(), rules.key(at, false))).collect();
    twisted(proofs, lie)
}

/// The proofs with a lie in the last of them, and whether they are still right.
fn twisted(mut proofs: Vec<(Vec<u8>, B256)>, lie: Lie) -> (Vec<Rollup::Proof>, bool) {
    if let Some((values, proof)) = proofs.last_mut() {
        match lie {
            Lie::Honest | Lie::OtherProver => {}
            Lie::Bit(bit) => {
                let at = bit / 8 % values.len();
                values[at] ^= 1 << (bit % 8);
            }
            Lie::Longer => values.extend([0; 32]),
            Lie::OtherProgram => proof.0[0] ^= 1,
            Lie::OneTypeFewer => {
                proofs.pop();
            }
        }
    }
    let proofs = proofs
        .into_iter()
        .map(|(values, proof)| Rollup::Proof { publicValues: values.into(), proof: proof.into() })
        .collect();
    (proofs, matches!(lie, Lie::Honest))
}
