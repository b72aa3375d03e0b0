//! Ranges that L1 does not give: fewer blocks are no help, earlier ones may be.

#![allow(clippy::unwrap_used)]

use proofmill_op_proposer::rules::{Action, BlockGas, Config, Event, Plan, RangeState, Seen};
use proofmill_primitives::BlockRange;
use proofmill_service::JobError;

const CONFIG: Config = Config { range_blocks: 10, range_gas: None, submission_blocks: 1_000, at_once: 3 };
/// Longer than any pause.
const LATER_MS: u64 = 60 * 60 * 1_000;

fn range(first: u64, last: u64) -> BlockRange {
    BlockRange::new(first, last).unwrap()
}

/// Three ranges, all of which are being proven.
fn three() -> Plan {
    let mut plan = Plan::new(CONFIG);
    let seen = Seen { l1_block: 7, l2_output: 100, next_output: 1_000, l2_finalized: 130 };
    let asked = plan.handle(0, Event::Seen(seen, BlockGas::default()));
    let all = [range(101, 110), range(111, 120), range(121, 130)];
    assert_eq!(asked, all.map(Action::ProveRange));
    plan
}

/// Fails until it is given up, and what is asked for an hour later.
fn refused(plan: &mut Plan, blocks: BlockRange, earlier: bool) -> Vec<Action> {
    let mut asked = Vec::new();
    for time in 1..=2 {
        let error = JobError::Underived { cause: "its parent is posted later".into(), earlier };
        let at_once = plan.handle(time * LATER_MS, Event::Range(blocks, Err(error)));
        asked = [at_once, plan.handle(time * LATER_MS + LATER_MS / 2 + 1, Event::Tick)].concat();
        if time == 1 {
            assert_eq!(asked, [Action::ProveRange(blocks)], "once more as it is");
        }
    }
    asked
}

#[test]
fn what_l1_gives_with_the_blocks_before_alone_is_joined_with_them() {
    let mut plan = three();
    plan.handle(1, Event::Range(range(101, 110), Ok(9)));
    let asked = refused(&mut plan, range(111, 120), true);
    assert_eq!(asked, [Action::ProveRange(range(101, 120))]);
    // It is not taken apart: the halves would come to where it was before.
    for time in 10..14 {
        let limit = JobError::CannotExecute { cause: "memory".into() };
        plan.handle(time * LATER_MS, Event::Range(range(101, 120), Err(limit)));
        plan.handle(time * LATER_MS + LATER_MS / 2 + 1, Event::Tick);
    }
    let views: Vec<_> = plan.ranges().map(|view| view.blocks).collect();
    assert_eq!(views, [range(101, 120), range(121, 130)]);
}

#[test]
fn it_waits_for_the_range_before_and_where_there_is_none() {
    let mut plan = three();
    let asked = refused(&mut plan, range(111, 120), true);
    assert_eq!(asked, [Action::ProveRange(range(111, 120))], "the one before is being proven");
    let mut plan = three();
    let asked = refused(&mut plan, range(101, 110), true);
    assert_eq!(asked, [Action::ProveRange(range(101, 110))], "it is the first");
}

#[test]
fn what_l1_does_not_give_is_not_halved() {
    let mut plan = three();
    let asked = refused(&mut plan, range(111, 120), false);
    assert_eq!(asked, [Action::ProveRange(range(111, 120))], "half an hour later as it is");
    assert!(plan.ranges().all(|view| view.state == RangeState::Proving && view.blocks.len() == 10));
}
