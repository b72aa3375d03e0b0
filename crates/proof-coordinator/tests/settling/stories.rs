//! Single stories, as an operator would tell them.

use crate::noted;
use alloy_primitives::B256;
use proofmill_chain::{BATCH_BYTES, CALL_BYTES};
use proofmill_fault::Jitter;
use proofmill_ledger::Timestamp;
use proofmill_primitives::{CheckpointNumber, ProverType};
use proofmill_proof_coordinator::rules::{
    Call, CallCaps, CallEnded, CallReceipt, Consequence, NextCall, ProofOf, Settling, SettlingConfig, Why,
};
use std::{collections::BTreeMap, time::Duration};

const TYPES: [ProverType; 2] = [ProverType::Exec, ProverType::Sp1];

/// Batches that all have both proofs, of this many bytes each.
fn ready(batches: u64, bytes: u64) -> Settling {
    let config = SettlingConfig { needed: TYPES.into(), caps: CallCaps::default() };
    let mut rules = Settling::new(config, CheckpointNumber(0));
    for number in 1..=batches {
        rules.add(CheckpointNumber(number), B256::with_last_byte(number as u8));
        prove(&mut rules, number, bytes);
    }
    rules
}

fn prove(rules: &mut Settling, number: u64, bytes: u64) {
    for prover in TYPES {
        rules.proven(CheckpointNumber(number), B256::with_last_byte(number as u8), prover, bytes);
    }
}

fn call(first: u64, last: u64) -> NextCall {
    NextCall::Make(Call { first: CheckpointNumber(first), last: CheckpointNumber(last) })
}

fn failed(why: Why) -> CallEnded {
    CallEnded::Failed { why, cause: why.name().to_owned(), spent: None }
}

fn settled() -> CallEnded {
    CallEnded::Settled(CallReceipt { transaction: B256::ZERO, block: 1, gas_used: 100_000, fee: 1 })
}

/// The story of a settler, and its clock.
struct Story(Settling, u64);

impl Story {
    fn next(&mut self) -> NextCall {
        self.1 += 120_000;
        self.0.next(Timestamp::from_millis(self.1))
    }

    /// Before what the contract said of its next batch is doubted.
    fn soon(&mut self) -> NextCall {
        self.1 += 10_000;
        self.0.next(Timestamp::from_millis(self.1))
    }

    fn ends(&mut self, ended: CallEnded) -> Vec<Consequence> {
        self.0.ended(Timestamp::from_millis(self.1), ended, Jitter::NONE)
    }
}

#[test]
fn sixteen_go_together_and_a_gap_ends_a_call() {
    let mut story = Story(ready(16, 800), 0);
    assert_eq!(story.next(), call(1, 16));
    let mut story = Story(ready(3, 800), 0);
    story.0.add(CheckpointNumber(4), B256::with_last_byte(4));
    story.0.proven(CheckpointNumber(4), B256::with_last_byte(4), ProverType::Exec, 800);
    story.0.add(CheckpointNumber(5), B256::with_last_byte(5));
    prove(&mut story.0, 5, 800);
    assert_eq!(story.next(), call(1, 3), "batch 4 lacks a proof");
    assert_eq!(story.next(), NextCall::Wait(None));
    story.ends(settled());
    assert_eq!((story.0.settled(), story.0.ready(), story.0.open()), (CheckpointNumber(3), 0, 2));
}

#[test]
fn one_that_is_too_large_goes_alone_and_not_never() {
    let mut story = Story(ready(2, 100_000), 0);
    assert_eq!(story.next(), call(1, 1));
}

#[test]
fn caps_count_to_the_byte_and_to_the_unit_of_gas() {
    // Two proofs of 800 bytes; what verifying them takes is guessed until it was measured.
    let bytes = |batches: u64| CALL_BYTES + batches * (BATCH_BYTES + 1_600);
    let gas = |batches: u64| 21_000 + batches * (2 * 350_000 + 60_000);
    let wide = CallCaps { gas: u64::MAX, bytes: u64::MAX };
    for (caps, last) in [
        (wide, 9),
        (CallCaps { bytes: bytes(3), ..wide }, 3),
        (CallCaps { bytes: bytes(3) - 1, ..wide }, 2),
        (CallCaps { gas: gas(3), ..wide }, 3),
        (CallCaps { gas: gas(3) - 1, ..wide }, 2),
        // One goes alone, whatever it takes.
        (CallCaps { bytes: 1, ..wide }, 1),
        (CallCaps { gas: 0, bytes: 0 }, 1),
    ] {
        let mut rules = Settling::new(SettlingConfig { needed: TYPES.into(), caps }, CheckpointNumber(0));
        for number in 1..=9 {
            rules.add(CheckpointNumber(number), B256::with_last_byte(number as u8));
            prove(&mut rules, number, 800);
        }
        assert_eq!(Story(rules, 0).next(), call(1, last), "{caps:?}");
    }
}

#[test]
fn where_no_type_is_named_the_proofs_of_all_types_are_made_anew() {
    for (blamed, of) in [(None, &TYPES[..]), (Some(ProverType::Sp1), &TYPES[1..])] {
        let mut story = Story(ready(1, 800), 0);
        for (times, after) in [(1, 0), (2, 60), (3, 120), (4, 240)] {
            assert_eq!(story.next(), call(1, 1));
            let consequences = story.ends(failed(Why::InvalidProof(blamed)));
            let discarded = consequences.into_iter().map(|consequence| match consequence {
                Consequence::Discard(discard) => {
                    (discard.prover, discard.times, discard.after.as_millis().div_ceil(1_000))
                }
                other => panic!("{other:?}"),
            });
            let discarded: Vec<_> = discarded.collect();
            assert_eq!(discarded, of.iter().map(|of| (*of, times, after)).collect::<Vec<_>>());
            assert!(matches!(story.next(), NextCall::Wait(_)), "it is sent without them");
            // The first time is nobody's business yet.
            let problems = story.0.problems();
            assert_eq!(problems.is_empty(), times == 1, "{problems:?}");
            let said = format!("made {times} times and refused each time");
            assert!(
                problems.iter().all(|it| it.contains("batch 1 is not settled") && it.contains(&said)),
                "{problems:?}"
            );
            prove(&mut story.0, 1, 800);
        }
        // One that L1 takes at last ends it, without a restart.
        assert_eq!(story.next(), call(1, 1));
        story.ends(settled());
        story.0.verify(CheckpointNumber(1));
        assert_eq!(story.0.problems(), Vec::<String>::new());
    }
}

#[test]
fn pauses_before_a_proof_is_made_anew_are_never_endless() {
    let mut story = Story(ready(1, 800), 0);
    let mut pauses = Vec::new();
    for _ in 0..20 {
        story.next();
        let consequences = story.ends(failed(Why::InvalidProof(Some(ProverType::Exec))));
        let [Consequence::Discard(discard)] = consequences.as_slice() else { panic!("{consequences:?}") };
        pauses.push(discard.after.as_millis().div_ceil(1_000));
        prove(&mut story.0, 1, 800);
    }
    assert!(pauses.is_sorted() && pauses.last() == Some(&1_800), "{pauses:?}");
}

#[test]
fn signatures_that_l1_does_not_take_are_asked_for_anew_and_the_proofs_stay() {
    let mut story = Story(ready(2, 800), 0);
    assert_eq!(story.next(), call(1, 2));
    story.ends(failed(Why::NotAttested));
    assert_eq!(story.next(), call(1, 1), "one by one first");
    let consequences = story.ends(failed(Why::NotAttested));
    assert!(
        matches!(consequences.as_slice(), [Consequence::Again { why: Why::NotAttested, .. }]),
        "{consequences:?}"
    );
    assert!(matches!(story.next(), NextCall::Wait(_)), "the same signatures are shown again");
    prove(&mut story.0, 1, 800);
    assert_eq!(story.next(), call(1, 1));
}

#[test]
fn a_proof_that_was_not_given_cannot_be_blamed() {
    let mut story = Story(ready(1, 800), 0);
    story.next();
    let consequences = story.ends(failed(Why::InvalidProof(Some(ProverType::OpenVm))));
    assert!(
        matches!(consequences.as_slice(), [Consequence::Again { why: Why::Refused, .. }]),
        "{consequences:?}"
    );
    assert_eq!(story.next(), call(1, 1));
}

#[test]
fn what_fails_again_and_again_is_shown_until_it_goes_well() {
    let mut story = Story(ready(5, 800), 0);
    for shown in [0, 0, 1] {
        // Nobody was asked: they stay together.
        assert_eq!(story.next(), call(1, 5));
        story.ends(failed(Why::NotMade));
        assert_eq!(story.0.problems().len(), shown);
    }
    assert_eq!(story.next(), call(1, 5));
    story.ends(settled());
    assert_eq!(story.0.problems(), Vec::<String>::new());
}

#[test]
fn where_nobody_can_pay_for_all_as_many_go_as_somebody_can_pay_for() {
    let mut story = Story(ready(9, 800), 0);
    assert_eq!(story.next(), call(1, 9));
    let consequences = story.ends(failed(Why::TooDear { payable: 4 }));
    assert!(
        matches!(consequences.as_slice(), [Consequence::Again { after, .. }] if after.is_zero()),
        "{consequences:?}"
    );
    assert_eq!(story.next(), call(1, 4));
    story.ends(settled());
    story.0.verify(CheckpointNumber(4));
    // Somebody may have sent more.
    assert_eq!(story.next(), call(5, 9));
    story.ends(failed(Why::TooDear { payable: 1 }));
    assert_eq!(story.next(), call(5, 5));
    for _ in 0..2 {
        // Not even for one, and for none of several: that is waited for.
        let consequences = story.ends(failed(Why::TooDear { payable: 0 }));
        assert!(
            matches!(consequences.as_slice(), [Consequence::Again { after, .. }] if !after.is_zero()),
            "{consequences:?}"
        );
        assert_eq!(story.next(), call(5, 9));
    }
}

#[test]
fn any_failure_of_several_has_them_go_one_by_one_until_the_last_of_them() {
    for why in [Why::Refused, Why::TooLarge, Why::NotIncluded, Why::Paused, Why::InvalidProof(None)] {
        let mut story = Story(ready(3, 800), 0);
        assert_eq!(story.next(), call(1, 3));
        story.ends(failed(why));
        prove_more(&mut story.0);
        for alone in 1..=3 {
            assert_eq!(story.next(), call(alone, alone), "{why:?}");
            story.ends(settled());
            story.0.verify(CheckpointNumber(alone));
        }
        assert_eq!(story.next(), call(4, 6), "{why:?}");
    }
}

#[test]
fn batches_stay_together_where_another_one_is_next() {
    let not_next = |expected| failed(Why::NotNext { expected: CheckpointNumber(expected) });
    let mut story = Story(ready(9, 800), 0);
    assert_eq!(story.next(), call(1, 9));
    // A rival was first: the others are as they were.
    assert_eq!(story.ends(not_next(4)), [Consequence::SettledBefore(CheckpointNumber(3))]);
    assert_eq!(story.soon(), call(4, 9));
    // A reorg took the rival's proofs back, or a node of L1 lags: that is waited for.
    let consequences = story.ends(not_next(2));
    assert!(
        matches!(consequences.as_slice(), [Consequence::Again { after, .. }] if !after.is_zero()),
        "{consequences:?}"
    );
    assert_eq!(story.soon(), call(2, 9));
    story.ends(settled());
    // A batch that failed beside others goes alone also where another one is next meanwhile.
    let mut story = Story(ready(9, 800), 0);
    assert_eq!(story.next(), call(1, 9));
    story.ends(failed(Why::Refused));
    assert_eq!(story.next(), call(1, 1));
    story.ends(not_next(3));
    assert_eq!(story.soon(), call(3, 3));
}

fn prove_more(rules: &mut Settling) {
    for number in 4..=6 {
        rules.add(CheckpointNumber(number), B256::with_last_byte(number as u8));
        prove(rules, number, 800);
    }
}

#[test]
fn a_restart_does_not_begin_the_pauses_anew() {
    let (mut story, mut rows) = (Story(ready(1, 800), 0), BTreeMap::new());
    for _ in 0..3 {
        assert_eq!(story.next(), call(1, 1));
        story.ends(failed(Why::InvalidProof(Some(ProverType::Exec))));
        prove(&mut story.0, 1, 800);
        noted(&mut story.0, &mut rows);
    }
    let of = |number: u64, content: u8| {
        let (number, content) = (CheckpointNumber(number), B256::with_last_byte(content));
        ProofOf { number, content, prover: ProverType::Exec }
    };
    let now = Timestamp::from_millis(story.1);
    assert_eq!(story.0.pause(now, &of(1, 1)).as_millis().div_ceil(1_000), 120);
    // Of one that was settled meanwhile nothing is kept, and of another batch with the same number neither.
    rows.insert(of(0, 7), rows[&of(1, 1)].clone());
    rows.insert(of(1, 9), rows[&of(1, 1)].clone());
    let mut next = ready(0, 0);
    next.restore(rows.clone());
    assert_eq!(next.problems(), Vec::<String>::new(), "it is not known yet whether L1 still has it");
    next.add(CheckpointNumber(1), B256::with_last_byte(1));
    noted(&mut next, &mut rows);
    assert_eq!(rows.keys().collect::<Vec<_>>(), [&of(1, 1)]);
    assert_eq!(next.problems().len(), 1);
    assert_eq!(next.pause(now, &of(1, 1)).as_millis().div_ceil(1_000), 120);
    // A clock that went back holds nothing up for longer than the longest pause.
    assert!(next.pause(Timestamp::default(), &of(1, 1)) <= Duration::from_secs(2_250));
    prove(&mut next, 1, 800);
    let mut story = Story(next, story.1);
    assert_eq!(story.next(), call(1, 1));
    let consequences = story.ends(failed(Why::InvalidProof(Some(ProverType::Exec))));
    assert!(
        matches!(consequences.as_slice(), [Consequence::Discard(discard)] if discard.times == 4),
        "{consequences:?}"
    );
    // It is forgotten with its batch, however that goes.
    let ways: [fn(&mut Settling); 2] =
        [|rules| rules.verify(CheckpointNumber(1)), |rules| rules.prune(CheckpointNumber(0))];
    for ends in ways {
        let (mut rules, mut rows) = (story.0.clone(), rows.clone());
        ends(&mut rules);
        noted(&mut rules, &mut rows);
        assert_eq!(rows, BTreeMap::new());
    }
}
