//! The policy, rule by rule, and over long random lives.
#![allow(clippy::unwrap_used, reason = "tests")]

use proofmill_fault::{At, Code, Decision, Event, Fault, History, Jitter, Patience};
use proptest::prelude::*;
use std::time::Duration;

struct Life {
    patience: Patience,
    history: History,
    now_ms: u64,
    others: bool,
}

impl Life {
    fn new() -> Self {
        Self { patience: Patience::default(), history: History::default(), now_ms: 1_000, others: true }
    }

    /// The fault happens on a worker, and time passes until the next try.
    fn meets(&mut self, code: Code, worker: &str) -> Decision {
        let fault = Fault::new(code, "x");
        let Self { now_ms, others, .. } = *self;
        let event = Event { fault: &fault, worker: Some(worker), now_ms, others, jitter: Jitter::NONE };
        let decision = self.patience.decide(&mut self.history, event);
        if let Decision::Again { after, .. } = decision {
            self.now_ms += u64::try_from(after.as_millis()).unwrap();
        }
        decision
    }
}

fn seconds(decision: Decision) -> u64 {
    match decision {
        Decision::Again { after, .. } => after.as_secs_f64().round() as u64,
        Decision::GiveUp => panic!("given up"),
    }
}

#[test]
fn a_task_that_fails_waits_longer_each_time_and_is_given_up_at_the_fourth() {
    let mut life = Life::new();
    let pauses: Vec<_> =
        ["a", "b", "a"].map(|worker| seconds(life.meets(Code::ProverFailed, worker))).to_vec();
    assert_eq!(pauses, [1, 4, 16]);
    assert_eq!(life.meets(Code::ProverFailed, "b"), Decision::GiveUp);
}

#[test]
fn one_broken_worker_does_not_end_a_proof_where_there_is_another() {
    let mut life = Life::new();
    for _ in 0..20 {
        assert_ne!(life.meets(Code::ProverFailed, "a"), Decision::GiveUp);
    }
    assert_eq!(life.meets(Code::ProverFailed, "b"), Decision::GiveUp);
    // The only worker is enough.
    let mut life = Life { others: false, ..Life::new() };
    for _ in 0..3 {
        assert_ne!(life.meets(Code::ProverFailed, "a"), Decision::GiveUp);
    }
    assert_eq!(life.meets(Code::ProverFailed, "a"), Decision::GiveUp);
}

#[test]
fn what_is_away_is_waited_for_however_long() {
    for code in [Code::StoreAway, Code::StoreFull, Code::ClusterAway, Code::ChainAway, Code::Other(At::Store)]
    {
        let mut life = Life::new();
        let mut longest = Duration::ZERO;
        for _ in 0..10_000 {
            let Decision::Again { after, counts: false, .. } = life.meets(code, "a") else {
                panic!("{code} cost a try")
            };
            longest = longest.max(after);
        }
        assert_eq!(longest.as_secs_f64().round() as u64, 30, "{code}");
        // Nothing of it is held against the task afterwards.
        assert_eq!(life.history.tries(), 0);
        assert_eq!(seconds(life.meets(Code::ProverFailed, "a")), 1);
    }
}

#[test]
fn what_a_client_stored_is_missed_for_ten_minutes() {
    let mut life = Life::new();
    let began = life.now_ms;
    while life.meets(Code::Missing, "a") != Decision::GiveUp {}
    let waited = Duration::from_millis(life.now_ms - began);
    assert!((600..=700).contains(&waited.as_secs()), "{waited:?}");
    // What a task failed at by its own fault was there.
    let mut life =
        Life { others: false, patience: Patience { tries: u32::MAX, ..Patience::default() }, ..Life::new() };
    for _ in 0..200 {
        assert_ne!(life.meets(Code::Missing, "a"), Decision::GiveUp);
        assert_ne!(life.meets(Code::ProverFailed, "a"), Decision::GiveUp);
        life.now_ms += 60_000;
    }
}

/// Whatever else happens while it is missing, the ten minutes go on; and they begin with what is missing, not with a store
/// that is away.
#[test]
fn what_is_missing_stays_missing_while_other_things_happen() {
    // Evictions of a whole rack would end it by themselves.
    let patience = Patience { free_losses: u32::MAX, ..Patience::default() };
    let mut life = Life { patience, ..Life::new() };
    for _ in 0..100 {
        life.meets(Code::StoreAway, "a");
    }
    let began = life.now_ms;
    let others =
        [Code::WorkerLost, Code::StoreAway, Code::Unfit, Code::Stopping, Code::PutBack, Code::Withdrawn];
    let mut others = others.into_iter().cycle();
    while life.meets(Code::Missing, "a") != Decision::GiveUp {
        assert_ne!(life.meets(others.next().unwrap(), "b"), Decision::GiveUp);
    }
    let waited = Duration::from_millis(life.now_ms - began);
    assert!((600..=700).contains(&waited.as_secs()), "{waited:?}");
}

/// A clock that was wrong by a day, and is set right: it is no day longer that something may be missing.
#[test]
fn what_is_missing_since_a_moment_to_come_is_missing_since_now() {
    let mut life = Life { now_ms: 86_400_000, ..Life::new() };
    life.meets(Code::Missing, "a");
    life.now_ms = 1_000;
    while life.meets(Code::Missing, "a") != Decision::GiveUp {
        assert!(life.now_ms < 1_000_000, "{}", life.now_ms);
    }
    assert!(life.now_ms > 600_000);
}

/// What is written down and read again decides the same.
#[test]
fn a_history_goes_on_where_it_was_written_down() {
    let meet = |restarts: bool| {
        let (mut life, mut decisions) = (Life::new(), Vec::new());
        let codes =
            [Code::WorkerLost, Code::ProverFailed, Code::StoreAway, Code::Missing, Code::KilledAmongOthers];
        for (at, code) in codes.into_iter().cycle().enumerate().take(30) {
            if restarts {
                life.history = serde_json::from_str(&serde_json::to_string(&life.history).unwrap()).unwrap();
            }
            decisions.push(life.meets(code, ["a", "b"][at % 2]));
        }
        (decisions, life.history)
    };
    assert_eq!(meet(true), meet(false));
    // An older version knew less.
    let known: History =
        serde_json::from_str(r#"{"tries":2,"failed_on":["a"],"losses":1,"waits":0}"#).unwrap();
    assert_eq!((known.tries(), known.losses(), known.is_suspected()), (2, 1, false));
}

#[test]
fn what_one_worker_cannot_read_another_one_may() {
    for code in [Code::StoreAway, Code::StoreFull, Code::Missing, Code::Damaged, Code::Other(At::Store)] {
        let decision = Life::new().meets(code, "a");
        assert!(
            matches!(decision, Decision::Again { elsewhere: true, counts: false, .. }),
            "{code}: {decision:?}"
        );
    }
    for code in [Code::ClusterAway, Code::ChainAway, Code::ChainBehind] {
        let decision = Life::new().meets(code, "a");
        assert!(matches!(decision, Decision::Again { elsewhere: false, .. }), "{code}: {decision:?}");
    }
}

/// One worker's verdict without a reason is a word; that of another one settles it.
#[test]
fn a_verdict_without_a_reason_needs_two_workers() {
    let mut life = Life::new();
    life.meets(Code::ProverFailed, "a");
    let decision = life.meets(Code::Dismissed, "b");
    assert!(matches!(decision, Decision::Again { elsewhere: true, counts: true, .. }), "{decision:?}");
    assert_ne!(life.meets(Code::Dismissed, "b"), Decision::GiveUp);
    assert_eq!(life.meets(Code::Dismissed, "a"), Decision::GiveUp);
    let mut alone = Life { others: false, ..Life::new() };
    assert_eq!(alone.meets(Code::Dismissed, "a"), Decision::GiveUp);
}

/// What nobody is at fault for is handed back with a pause, however often: only what was put back goes on at once.
#[test]
fn what_nobody_is_at_fault_for_is_no_hot_loop() {
    for code in [Code::Withdrawn, Code::Late, Code::Other(At::Nobody)] {
        let mut life = Life::new();
        let pauses: Vec<_> = (0..7).map(|_| seconds(life.meets(code, "a"))).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30], "{code}");
        assert_eq!(life.history.tries(), 0);
    }
    let free = Decision::Again { after: Duration::ZERO, elsewhere: false, counts: false };
    assert_eq!(Life::new().meets(Code::PutBack, "a"), free);
}

/// A controller outlives its workers as long as its proof goes on.
#[test]
fn evictions_are_forgotten_when_the_work_goes_on() {
    let mut life = Life::new();
    for at in 0..100 {
        let decision = life.meets(Code::WorkerLost, &format!("w{at}"));
        assert!(matches!(decision, Decision::Again { counts: false, .. }), "{decision:?}");
        life.history.came_to(at / 5);
    }
    // And not when it stands still.
    let more = (100..).take_while(|at| {
        life.history.came_to(19);
        life.meets(Code::WorkerLost, &format!("w{at}")) != Decision::GiveUp
    });
    assert_eq!(more.take(20).count(), 5);
}

/// Of several tasks one was too much for the worker. It is found when it is alone; that they meet again and again has an end.
#[test]
fn being_killed_among_others_is_no_try_until_it_happens_again_and_again() {
    let mut life = Life::new();
    for at in 0..6 {
        let decision = life.meets(Code::KilledAmongOthers, &format!("w{at}"));
        assert!(matches!(decision, Decision::Again { elsewhere: true, counts: false, .. }), "{decision:?}");
        assert!(seconds(decision) > 0);
    }
    let more =
        (6..).take_while(|at| life.meets(Code::KilledAmongOthers, &format!("w{at}")) != Decision::GiveUp);
    assert_eq!(more.count(), 3);
}

#[test]
fn four_evictions_under_one_controller_cost_no_try() {
    let mut life = Life::new();
    for worker in ["a", "b", "c", "d"] {
        let free = Decision::Again { after: Duration::ZERO, elsewhere: false, counts: false };
        assert_eq!(life.meets(Code::WorkerLost, worker), free);
    }
    assert_eq!(life.history.tries(), 0);
}

#[test]
fn a_task_that_takes_every_worker_down_is_given_up() {
    let mut life = Life::new();
    let lost = (0..).take_while(|at| life.meets(Code::WorkerLost, &format!("w{at}")) != Decision::GiveUp);
    assert_eq!(lost.count(), 9);
}

#[test]
fn a_task_that_is_killed_for_memory_goes_elsewhere_and_is_given_up() {
    let mut life = Life::new();
    for worker in ["a", "b", "a"] {
        let decision = life.meets(Code::KilledForMemory, worker);
        assert!(matches!(decision, Decision::Again { elsewhere: true, counts: true, .. }), "{decision:?}");
    }
    assert_eq!(life.meets(Code::KilledForMemory, "b"), Decision::GiveUp);
}

#[test]
fn a_worker_of_another_version_costs_no_try() {
    let mut life = Life::new();
    for at in 0..1_000 {
        let decision = life.meets(Code::Unfit, &format!("w{at}"));
        assert!(matches!(decision, Decision::Again { elsewhere: true, counts: false, .. }), "{decision:?}");
    }
}

#[test]
fn what_can_never_work_is_given_up_at_once() {
    for code in Code::ALL.iter().filter(|code| code.is_final()) {
        assert_eq!(Life::new().meets(*code, "a"), Decision::GiveUp, "{code}");
        assert_eq!(code.at(), At::Task, "{code}");
    }
}

proptest! {
    /// Whatever happens: only the task's own faults are counted, no pause is longer than allowed, and pauses are spread.
    #[test]
    fn only_its_own_faults_end_it(
        faults in prop::collection::vec((0..Code::ALL.len(), 0..5_u8, 0..700_000_u64, any::<u64>()), 1..200),
    ) {
        let mut life = Life::new();
        let mut own = 0;
        for (code, worker, passes, seed) in faults {
            let (code, worker) = (Code::ALL[code], format!("w{worker}"));
            life.now_ms += passes;
            let fault = Fault::new(code, "");
            let jitter = Jitter::of(seed);
            let (now_ms, others) = (life.now_ms, true);
            let event = Event { fault: &fault, worker: Some(&worker), now_ms, others, jitter };
            let before = life.history.clone();
            let decision = life.patience.decide(&mut life.history, event);
            own += u32::from(code.at() == At::Task || code.is_of_memory() || code == Code::WorkerLost);
            match decision {
                Decision::Again { after, counts, .. } => {
                    prop_assert!(after <= life.patience.longest_pause.mul_f64(1.25), "{after:?}");
                    prop_assert_eq!(life.history.tries(), before.tries() + u32::from(counts));
                    prop_assert!(!matches!(code.at(), At::Store | At::Cluster | At::Chain | At::Nobody) || !counts);
                }
                Decision::GiveUp => {
                    let enough = life.history.tries() >= life.patience.tries && own >= life.patience.tries;
                    let gone = code.is_of_the_input();
                    let twice = code == Code::Dismissed;
                    prop_assert!(code.is_final() || enough || gone || twice, "{:?} after {:?}", code, before);
                    return Ok(());
                }
            }
        }
    }

    #[test]
    fn a_pause_is_three_to_five_quarters_of_itself(seed in any::<u64>()) {
        let pause = Jitter::of(seed).spread(Duration::from_secs(100)).as_secs_f64();
        prop_assert!((75.0..=125.0).contains(&pause), "{}", pause);
    }
}
