#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::rules::{GivenBack, ProofLevel, Received};
use proofmill_fault::{Code, Fault};

const EXEC: ProverType = ProverType::Exec;

fn version() -> ProgramVersion {
    ProgramVersion([7; 32].into())
}

fn ask(by: &str) -> Ask {
    let programs = Programs { range: version(), aggregation: version() };
    Ask { by: ProverName::new(by).unwrap(), prover: AskedType::Known(EXEC), programs }
}

fn batch(number: u64) -> BatchId {
    BatchId { number: CheckpointNumber(number), level: ProofLevel::Range, content: [number as u8; 32] }
}

/// A desk with two batches.
fn desk(now: Timestamp) -> Desk {
    let config = DeskConfig { needed: [EXEC].into(), timeout: Duration::from_secs(600) };
    let mut desk = Desk::new(config);
    desk.add(now, batch(1), EXEC);
    desk.add(now, batch(2), EXEC);
    desk
}

/// Which batch a prover is given, where the inputs of some are there.
fn given(desk: &mut Desk, now: Timestamp, by: &str, inputs: &[u64]) -> Option<u64> {
    let Asked::Look(hold) = desk.ask(now, &ask(by)) else { return None };
    let has_input = inputs.contains(&hold.batch.number.0);
    let inputs = has_input.then(version).into_iter().collect();
    let found = Found { proof: false, version: Some(version()), inputs };
    match desk.decide(now, &ask(by), &hold, &found) {
        AssignOutcome::Assigned { batch, .. } => Some(batch.number.0),
        _ => None,
    }
}

#[test]
fn a_batch_without_its_input_lets_the_others_pass() {
    let mut now = Timestamp::from_secs(1_000);
    let mut desk = desk(now);
    assert_eq!(given(&mut desk, now, "a", &[2]), None);
    assert_eq!(given(&mut desk, now, "a", &[2]), Some(2), "the first one blocks it");
    assert_eq!(desk.standing(), BTreeMap::from([(EXEC, (1, 1))]));
    // The pauses grow, and end once it is there.
    let mut looks = 0;
    for _ in 0..500 {
        now = Timestamp::from_secs(now.as_secs() + 1);
        looks += u32::from(!desk.slot(batch(1), EXEC).unwrap().is_aside(now));
        assert_eq!(given(&mut desk, now, "b", &[2]), None);
    }
    assert!((5..20).contains(&looks), "it was looked at {looks} times");
    now = Timestamp::from_secs(now.as_secs() + 76);
    assert_eq!(given(&mut desk, now, "b", &[1, 2]), Some(1));
}

#[test]
fn what_is_asked_for_again_is_made_durable_until_it_is() {
    let (now, by) = (Timestamp::from_secs(1_000), ask("a").by);
    let mut desk = desk(now);
    let record = || Record::Held(batch(1), EXEC, Held { by: by.clone(), since: now });
    for later in [0, 5, 9] {
        assert_eq!(given(&mut desk, Timestamp::from_secs(1_000 + later), "a", &[1, 2]), Some(1));
        assert_eq!((desk.take_records(), desk.is_kept(batch(1), EXEC)), (vec![record()], false));
    }
    desk.kept(batch(1), EXEC, &ask("b").by);
    assert!(!desk.is_kept(batch(1), EXEC), "it is not that one's");
    desk.kept(batch(1), EXEC, &by);
    assert_eq!(given(&mut desk, Timestamp::from_secs(1_010), "a", &[1, 2]), Some(1));
    assert_eq!((desk.take_records(), desk.is_kept(batch(1), EXEC)), (vec![], true));
    // What another one is given is another thing.
    let late = Timestamp::from_secs(1_600);
    assert_eq!(given(&mut desk, late, "b", &[1, 2]), Some(1));
    assert!(!desk.is_kept(batch(1), EXEC));
    // What an earlier process had given out is in the ledger.
    let mut next = Desk::new(desk.config.clone());
    next.restore(late, [(batch(1), EXEC, Held { by, since: late })]);
    next.add(late, batch(1), EXEC);
    assert!(next.is_kept(batch(1), EXEC));
}

#[test]
fn what_an_earlier_process_gave_out_is_not_expected_back_for_ever() {
    let (now, by) = (Timestamp::from_secs(1_000), ask("a").by);
    let mut desk = desk(now);
    let held = Held { by: by.clone(), since: now };
    desk.restore(now, [(batch(7), EXEC, held)]);
    let mut receive =
        |secs: u64| desk.receive(Timestamp::from_secs(1_000 + secs), &by, batch(7), &AskedType::Known(EXEC));
    assert_eq!(receive(599), Received::Answer(RetryReason::Starting.submit()));
    assert_eq!(receive(600), Received::Unknown, "its prover is to hand it in again and again");
}

/// Its prover stops while the coordinator, which was restarted, still builds the batch's witness.
#[test]
fn what_an_earlier_process_gave_out_can_be_given_back_before_it_is_waited_for() {
    let now = Timestamp::from_secs(1_000);
    let (by, fault) = (ask("a").by, Fault::new(Code::ProverFailed, "it says so"));
    for fault in [None, Some(&fault)] {
        let mut desk = desk(now);
        desk.restore(now, [(batch(7), EXEC, Held { by: by.clone(), since: now })]);
        assert_eq!(desk.give_back(now, &ask("b").by, batch(7), EXEC, None), GivenBack::NotHeld);
        assert_eq!(desk.take_records(), [], "it is another's");
        assert_eq!(desk.give_back(now, &by, batch(7), EXEC, fault), GivenBack::Open);
        assert_eq!(desk.take_records(), [Record::Ended(batch(7), EXEC)]);
        assert_eq!(desk.give_back(now, &by, batch(7), EXEC, fault), GivenBack::NotHeld);
        desk.add(now, batch(7), EXEC);
        let to = ["c", "d", "e"].map(|to| given(&mut desk, now, to, &[1, 2, 7]));
        assert_eq!(to, [Some(1), Some(2), Some(7)], "it is held for who has given it back");
    }
}

#[test]
fn a_batch_whose_input_does_not_arrive_lets_the_others_pass() {
    let now = Timestamp::from_secs(1_000);
    let mut desk = desk(now);
    assert_eq!(given(&mut desk, now, "a", &[1, 2]), Some(1));
    let fault = Fault::new(Code::NotDelivered, "the stream broke");
    let back = desk.give_back(now, &ask("a").by, batch(1), EXEC, Some(&fault));
    assert_eq!(back, crate::rules::GivenBack::Open);
    assert_eq!(given(&mut desk, now, "b", &[1, 2]), Some(2));
    // However often, it is nobody's word that it cannot be proven.
    let mut now = now;
    for _ in 0..20 {
        now = Timestamp::from_secs(now.as_secs() + 76);
        assert_eq!(given(&mut desk, now, "a", &[1, 2]), Some(1));
        let back = desk.give_back(now, &ask("a").by, batch(1), EXEC, Some(&fault));
        assert_eq!(back, crate::rules::GivenBack::Open);
    }
    // A clock that goes back sets it aside for no longer.
    let now = Timestamp::from_secs(10);
    desk.pass(now);
    assert_eq!(given(&mut desk, Timestamp::from_secs(86), "c", &[1, 2]), Some(1));
}

#[test]
fn a_batch_that_is_taken_and_given_back_again_and_again_lets_the_others_pass() {
    let now = Timestamp::from_secs(1_000);
    let mut desk = desk(now);
    // A fleet is ended, prover by prover.
    for prover in ["a", "b", "c", "d"] {
        assert_eq!(given(&mut desk, now, prover, &[1, 2]), Some(1));
        desk.give_back(now, &ask(prover).by, batch(1), EXEC, None);
    }
    // One that is broken, or means it ill, under names of its own.
    let mut taken = 0;
    for number in 0..36_000_u64 {
        let (now, name) = (Timestamp::from_millis(1_000_000 + number * 100), format!("p{number}"));
        if let Some(of) = given(&mut desk, now, &name, &[1, 2]) {
            desk.give_back(now, &ask(&name).by, batch(of), EXEC, None);
            taken += 1;
        }
    }
    assert!((60..200).contains(&taken), "{taken} times in an hour");
}
