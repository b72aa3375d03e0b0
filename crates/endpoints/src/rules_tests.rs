//! The rules by themselves, with a clock of our own.

use super::*;

struct Table {
    rules: Rules,
    now: Instant,
}

/// A block of a branch: its hash says both.
fn hash(branch: u8, number: u64) -> B256 {
    let mut hash = B256::repeat_byte(branch);
    hash[24..].copy_from_slice(&number.to_be_bytes());
    hash
}

fn head(branch: u8, number: u64) -> Header {
    Header {
        number,
        hash: hash(branch, number),
        parent_hash: hash(branch, number.saturating_sub(1)),
        state_root: B256::ZERO,
        timestamp: number,
        base_fee_per_gas: None,
    }
}

impl Table {
    fn new(endpoints: usize) -> Self {
        let mut rules = Rules::new(endpoints);
        for at in 0..endpoints {
            rules.is_of_chain(at, 1, 1);
        }
        Self { rules, now: Instant::now() }
    }

    fn after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn sees(&mut self, at: usize, head: Header) {
        self.rules.answered(at, "eth_getBlockByNumber", self.now);
        self.rules.saw(at, head, self.now);
    }

    fn choice(&mut self) -> Choice {
        self.rules.choose(self.now)
    }

    fn fails(&mut self, at: usize, kind: FaultKind, need: Need) {
        self.rules.failed(at, need, "eth_x", &Fault::new(kind, "said"), self.now, self.now);
    }

    fn order(&self, need: Need) -> Vec<usize> {
        self.rules.order(need, "eth_x", self.now).ask
    }
}

#[test]
fn the_newest_head_is_followed_and_a_tie_changes_nothing() {
    let mut table = Table::new(3);
    table.sees(0, head(1, 5));
    table.sees(1, head(1, 7));
    table.sees(2, head(1, 7));
    assert_eq!(table.choice(), Choice::Follow(1));
    table.sees(0, head(1, 7));
    assert_eq!(table.choice(), Choice::Follow(1));
    table.sees(2, head(1, 8));
    assert_eq!(table.choice(), Choice::Follow(2));
    assert_eq!(table.order(Need::Head), [2, 0, 1]);
}

#[test]
fn one_that_stands_still_is_left_and_said_to_lag() {
    let mut table = Table::new(2);
    table.sees(0, head(1, 5));
    table.sees(1, head(1, 5));
    assert_eq!(table.choice(), Choice::Follow(0));
    for number in 6..20 {
        table.after(12);
        table.sees(0, head(1, 5));
        table.sees(1, head(1, number));
        assert_eq!(table.choice(), Choice::Follow(1), "{number}");
    }
    let (blocks, since) = table.rules.lag(0).unwrap();
    assert_eq!(blocks, 14);
    assert_eq!(table.now.duration_since(since), Duration::from_secs(12 * 13));
    assert_eq!(table.order(Need::Block(19)), [1, 0]);
    assert_eq!(table.order(Need::Block(5)), [1, 0], "the followed one first");
}

#[test]
fn one_that_is_far_ahead_is_compared_first() {
    let mut table = Table::new(2);
    table.sees(0, head(1, 5));
    assert_eq!(table.choice(), Choice::Follow(0));
    table.sees(1, head(1, 50));
    assert_eq!(table.choice(), Choice::Compare { endpoint: 1, number: 5 });
    table.rules.compared(1, 5, Some(hash(1, 5)), table.now);
    assert_eq!(table.choice(), Choice::Follow(1));
}

#[test]
fn another_branch_is_not_followed_while_the_followed_one_moves() {
    let mut table = Table::new(2);
    table.sees(0, head(1, 5));
    assert_eq!(table.choice(), Choice::Follow(0));
    for number in 6..30 {
        table.after(12);
        table.sees(0, head(1, number));
        table.sees(1, head(2, number + 20));
        match table.choice() {
            Choice::Compare { endpoint: 1, number } => {
                table.rules.compared(1, number, Some(hash(2, number)), table.now)
            }
            other => assert_eq!(other, Choice::Follow(0)),
        }
        assert_eq!(table.choice(), Choice::Follow(0), "{number}");
    }
    assert!(table.rules.endpoints[1].is_astray(table.now));
    assert_eq!(table.order(Need::Head), [0], "nobody asks it");
    // The one that was followed stops: the other is the chain now.
    table.after(44);
    table.sees(0, head(1, 29));
    table.sees(1, head(2, 60));
    assert!(matches!(table.choice(), Choice::Follow(0) | Choice::Compare { .. }));
    table.after(2);
    table.sees(0, head(1, 29));
    table.sees(1, head(2, 61));
    if let Choice::Compare { number, .. } = table.choice() {
        table.rules.compared(1, number, Some(hash(2, number)), table.now);
    }
    assert_eq!(table.choice(), Choice::Follow(1));
    assert!(!table.rules.endpoints[1].is_astray(table.now));
}

#[test]
fn a_reorg_of_the_followed_one_is_followed() {
    let mut table = Table::new(2);
    for number in 1..9 {
        table.sees(0, head(1, number));
        table.sees(1, head(1, number));
        table.choice();
    }
    // It reaches one before the other.
    let mut fork = head(2, 9);
    fork.parent_hash = hash(2, 8);
    table.sees(0, fork);
    assert_eq!(table.choice(), Choice::Follow(0));
    assert!(!table.rules.endpoints[1].is_astray(table.now));
    table.after(2);
    table.sees(1, fork);
    assert_eq!(table.rules.endpoints[1].astray, None);
}

#[test]
fn with_the_followed_one_gone_another_branch_is_taken_after_a_while() {
    let mut table = Table::new(2);
    table.sees(0, head(1, 9));
    assert_eq!(table.choice(), Choice::Follow(0));
    table.fails(0, FaultKind::Away, Need::Head);
    table.sees(1, head(2, 9));
    assert_eq!(table.choice(), Choice::Nobody);
    table.after(16);
    table.sees(1, head(2, 10));
    assert_eq!(table.choice(), Choice::Follow(1));
}

#[test]
fn a_head_of_any_number_breaks_nothing() {
    let mut alone = Table::new(1);
    alone.sees(0, head(1, u64::MAX));
    assert_eq!(alone.choice(), Choice::Follow(0));
    alone.sees(0, head(1, 0));
    assert_eq!(alone.choice(), Choice::Follow(0));
}

/// One that was down for hours, and catches up, does not keep the others out.
#[test]
fn one_that_syncs_is_left_for_one_that_is_far_ahead() {
    let mut table = Table::new(2);
    table.sees(0, head(1, 100));
    assert_eq!(table.choice(), Choice::Follow(0));
    table.sees(1, head(1, 50_000));
    assert_eq!(table.choice(), Choice::Compare { endpoint: 1, number: 100 });
    table.rules.compared(1, 100, Some(hash(1, 100)), table.now);
    assert_eq!(table.choice(), Choice::Follow(1));
}

/// Another chain's old node, or one that makes its head up, stands above the real one.
#[test]
fn one_that_is_higher_and_stands_still_is_left_for_one_that_moves() {
    let mut table = Table::new(2);
    table.sees(0, head(2, 5_000));
    table.sees(1, head(1, 100));
    assert_eq!(table.choice(), Choice::Follow(0));
    for number in 101..105 {
        table.after(12);
        table.sees(0, head(2, 5_000));
        table.sees(1, head(1, number));
        table.choice();
    }
    assert_eq!(table.choice(), Choice::Follow(1));
    assert_eq!(table.rules.head().map(|(number, _)| number), Some(104));
}

/// A comparison without an answer says nothing, and is made again.
#[test]
fn a_comparison_that_fails_is_made_again() {
    let mut table = Table::new(2);
    table.sees(0, head(1, 5));
    table.choice();
    table.sees(1, head(1, 50));
    assert_eq!(table.choice(), Choice::Compare { endpoint: 1, number: 5 });
    table.rules.compared(1, 5, None, table.now);
    assert_eq!(table.choice(), Choice::Follow(0));
    assert_eq!(table.rules.endpoints[1].astray, None);
    table.after(2);
    table.sees(1, head(1, 51));
    assert_eq!(table.choice(), Choice::Compare { endpoint: 1, number: 5 });
    table.rules.compared(1, 5, Some(hash(1, 5)), table.now);
    assert_eq!(table.choice(), Choice::Follow(1));
}

/// One that answers everything but one method is asked for that one after the others.
#[test]
fn a_method_that_fails_is_asked_of_the_others_first() {
    let mut table = Table::new(2);
    for _ in 0..4 {
        table.fails(0, FaultKind::Away, Need::Head);
        table.rules.is_of_chain(0, 1, 1);
        table.sees(0, head(1, 5));
        table.sees(1, head(1, 5));
        assert_eq!(table.order(Need::Head), [1, 0]);
        assert_eq!(table.rules.order(Need::Head, "eth_y", table.now).ask, [0, 1]);
        table.after(4);
    }
    table.after(26);
    table.sees(0, head(1, 5));
    table.sees(1, head(1, 5));
    assert_eq!(table.order(Need::Head), [0, 1]);
    table.rules.answered(0, "eth_x", table.now);
    assert!(table.rules.endpoints[0].failing_methods.is_empty());
}

/// Sixteen requests that fail together are one failure.
#[test]
fn a_burst_of_failures_is_one() {
    for kind in [FaultKind::Away, FaultKind::Limited] {
        let mut table = Table::new(1);
        let began = table.now;
        table.after(1);
        for _ in 0..16 {
            table.rules.failed(0, Need::Head, "eth_x", &Fault::new(kind, "said"), began, table.now);
        }
        let rest = table.rules.endpoints[0].rest.as_ref().unwrap().until.duration_since(table.now);
        assert!(rest <= Duration::from_secs(1), "{kind:?}: {rest:?}");
    }
}

/// `Retry-After: 0` is no leave to ask without a pause.
#[test]
fn a_limit_without_a_wait_grows_one() {
    let mut table = Table::new(1);
    let fault = Fault::new(FaultKind::Limited, "too many").after(Some(Duration::ZERO));
    let mut waits = Vec::new();
    for _ in 0..6 {
        table.rules.failed(0, Need::Head, "eth_x", &fault, table.now, table.now);
        let until = table.rules.endpoints[0].rest.as_ref().unwrap().until;
        waits.push(until.duration_since(table.now).as_millis());
        table.now = until + Duration::from_millis(1);
    }
    assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000]);
}

#[test]
fn what_an_endpoint_lacks_is_remembered_for_that_alone() {
    let mut table = Table::new(2);
    table.sees(0, head(1, 100));
    table.sees(1, head(1, 100));
    table.choice();
    table.fails(0, FaultKind::NoState, Need::State(40));
    assert_eq!(table.order(Need::State(40)), [1, 0]);
    assert_eq!(table.order(Need::State(30)), [1, 0]);
    assert_eq!(table.order(Need::State(41)), [0, 1]);
    assert_eq!(table.order(Need::Block(30)), [0, 1]);
    table.fails(0, FaultKind::NoState, Need::State(35));
    assert_eq!(table.order(Need::State(40)), [1, 0], "the newest of them counts");
    table.fails(0, FaultKind::NoHistory, Need::Block(7));
    assert_eq!(table.order(Need::Block(7)), [1, 0]);
    table.fails(0, FaultKind::NoMethod, Need::Head);
    assert_eq!(table.order(Need::Head), [1, 0]);
    assert_eq!(table.rules.order(Need::Head, "eth_y", table.now).ask, [0, 1]);
    table.after(301);
    table.sees(0, head(1, 100));
    table.sees(1, head(1, 100));
    assert_eq!(table.order(Need::State(30)), [0, 1], "it may have got it since");
}

#[test]
fn one_that_limits_is_left_alone_and_one_that_is_away_comes_last() {
    let mut table = Table::new(3);
    let fault = Fault::new(FaultKind::Limited, "too many").after(Some(Duration::from_secs(20)));
    table.rules.failed(0, Need::Head, "eth_x", &fault, table.now, table.now);
    table.fails(1, FaultKind::Away, Need::Head);
    let order = table.rules.order(Need::Head, "eth_x", table.now);
    assert_eq!(order.ask, [2, 1]);
    assert_eq!(order.left_out.len(), 1);
    assert_eq!(order.wakes, Some(table.now + Duration::from_secs(20)));
    table.after(20);
    assert_eq!(table.order(Need::Head), [0, 1, 2]);
    // Without a word of how long, the wait grows.
    let mut waits = Vec::new();
    for _ in 0..8 {
        table.fails(0, FaultKind::Limited, Need::Head);
        let until = table.rules.endpoints[0].rest.as_ref().unwrap().until;
        waits.push(until.duration_since(table.now).as_secs());
        table.now = until + Duration::from_millis(1);
    }
    assert_eq!(waits.last(), Some(&30));
    assert!(waits.is_sorted(), "{waits:?}");
}

#[test]
fn the_error_rate_is_that_of_the_last_minutes_and_counts_no_refusals() {
    let mut table = Table::new(1);
    for _ in 0..3 {
        table.fails(0, FaultKind::Away, Need::Head);
        table.rules.answered(0, "eth_y", table.now);
        table.fails(0, FaultKind::Refused, Need::Head);
        table.fails(0, FaultKind::NoMethod, Need::Head);
    }
    let rate = table.rules.endpoints[0].error_rate(table.now);
    assert!((rate - 0.25).abs() < 1e-9, "{rate}");
    table.after(400);
    assert!(table.rules.endpoints[0].error_rate(table.now).abs() < 1e-9);
}

proptest::proptest! {
    /// Whatever endpoints say: nothing overflows, and someone who serves is asked.
    #[test]
    fn anything_may_be_heard(steps in proptest::collection::vec((0usize..3, 0u8..12, proptest::num::u64::ANY, 0u64..100), 1..200)) {
        let mut table = Table::new(3);
        for (at, what, number, seconds) in steps {
            table.after(seconds);
            match what {
                0 => table.sees(at, head(1, number % 50)),
                1 => table.sees(at, head(2, number)),
                2 => table.fails(at, FaultKind::Away, Need::Head),
                3 => table.fails(at, FaultKind::Limited, Need::State(number)),
                4 => table.fails(at, FaultKind::NoState, Need::State(number)),
                5 => table.fails(at, FaultKind::NoHistory, Need::Block(number)),
                6 => table.rules.is_of_chain(at, 1, number % 2),
                7 => table.rules.is_of_chain(at, 1, 1),
                8 => table.rules.compared(at, number % 50, Some(hash(1, number % 50)), table.now),
                _ => {
                    table.rules.choose(table.now);
                }
            }
            for need in [Need::Nothing, Need::Head, Need::Block(number), Need::State(number)] {
                let order = table.rules.order(need, "eth_x", table.now);
                let mut all: Vec<_> = order.ask.iter().copied().chain(order.left_out.iter().map(|(at, _)| *at)).collect();
                all.sort_unstable();
                proptest::prop_assert_eq!(all, [0, 1, 2]);
                // Whoever serves is asked.
                for (at, health) in table.rules.endpoints.iter().enumerate() {
                    let serves = health.rests(table.now).is_none() && !health.is_astray(table.now);
                    proptest::prop_assert!(!serves || order.ask.contains(&at));
                }
            }
            for at in 0..3 {
                table.rules.lag(at);
            }
        }
    }
}
