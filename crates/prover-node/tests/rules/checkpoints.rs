//! The checkpoint store.

use crate::scene::{EXEC, OPENVM, Scene, branch, checkpoint, number};
use proofmill_chain::PruneCause;
use proofmill_primitives::Slot;
use proofmill_prover_node::rules::{Action, Event, L1View, Link, Refused};

#[test]
fn proving_begins_when_a_checkpoint_lands() {
    let mut scene = Scene::two_types();
    scene.lands(checkpoint(1, 0));
    assert_eq!(scene.ranges(), [(EXEC, 1, 10), (OPENVM, 1, 10)]);
    assert_eq!(scene.sessions(), [] as [&str; 0]);
}

#[test]
fn the_same_checkpoint_twice_is_one() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.tell(Event::Checkpointed(checkpoint(1, 0)));
    assert_eq!(scene.last, []);
    assert_eq!(scene.ranges().len(), 1);
}

#[test]
fn a_prune_cancels_and_removes_what_is_above() {
    let mut scene = Scene::new();
    (1..=3).for_each(|n| scene.lands(checkpoint(n, n)));
    let cancelled: Vec<_> = scene.jobs[1..].iter().map(|asked| Action::Cancel { job: asked.job() }).collect();
    scene.tell(Event::Pruned { to: number(1), cause: PruneCause::L2Reorg });
    assert!(cancelled.iter().all(|cancel| scene.last.contains(cancel)));
    assert_eq!(scene.ranges(), [(EXEC, 1, 10)]);
    assert_eq!(scene.node.snapshot().checkpoints.len(), 1);
}

#[test]
fn the_same_content_after_a_prune_is_a_fresh_prover() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    let before = scene.jobs[0].clone();
    scene.prune(0);
    scene.lands(checkpoint(1, 0));
    assert_ne!(scene.jobs[0].job(), before.job());
    // What comes of the old job means nothing to the new prover.
    scene.answer(&before, Ok(()));
    assert_eq!(scene.last, []);
    assert_eq!(scene.ranges(), [(EXEC, 1, 10)]);
}

#[test]
fn another_branch_replaces_a_checkpoint_and_all_above() {
    let mut scene = Scene::new();
    (1..=3).for_each(|n| scene.lands(checkpoint(n, n)));
    let other = branch(7, 2, 2);
    scene.tell(Event::Checkpointed(other));
    let here: Vec<_> = scene.node.snapshot().checkpoints.iter().map(|status| status.checkpoint).collect();
    assert_eq!(here, [checkpoint(1, 1), other]);
    assert_eq!(scene.ranges().len(), 2);
}

#[test]
fn a_gap_or_a_broken_link_is_refused_and_changes_nothing() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    let before = format!("{:?}", scene.node);
    let gap = Refused::Gap { expected: number(2), got: number(3) };
    assert_eq!(scene.try_tell(Event::Checkpointed(checkpoint(3, 3))), Err(gap));
    let mut next = checkpoint(2, 1);
    let broken = |what| Err(Refused::Broken { number: number(2), what });
    assert_eq!(scene.try_tell(Event::Checkpointed(next)), broken(Link::Slot { before: Slot(1) }));
    next = checkpoint(2, 2);
    next.blocks = checkpoint(3, 2).blocks;
    assert_eq!(scene.try_tell(Event::Checkpointed(next)), broken(Link::Blocks { before: 10 }));
    next = checkpoint(2, 2);
    next.parent_hash = next.last_hash;
    assert_eq!(scene.try_tell(Event::Checkpointed(next)), broken(Link::ParentHash));
    assert_eq!(format!("{:?}", scene.node), before);
}

#[test]
fn chain_events_before_the_stream_begins_are_refused() {
    let config = proofmill_prover_node::rules::Config::new(crate::scene::clock(), [EXEC]);
    let mut node = proofmill_prover_node::rules::NodeState::new(config);
    let now = proofmill_prover_node::rules::Time::from_millis(1);
    assert_eq!(node.handle(now, Event::Checkpointed(checkpoint(1, 0))), Err(Refused::NotBegun));
    assert_eq!(node.handle(now, Event::Tick), Ok(vec![]));
}

#[test]
fn a_stream_may_begin_anywhere() {
    let mut scene = Scene::new();
    let l1 = L1View { pending: number(7), proven: number(5), ..scene.l1 };
    scene.tell(Event::Began { l1 });
    // Nothing is known yet, so nothing is missing.
    scene.tell(Event::Pruned { to: number(2), cause: PruneCause::L1Reorg });
    scene.lands(checkpoint(6, 20));
    assert_eq!(scene.ranges(), [(EXEC, 51, 60)]);
    // Old news.
    scene.tell(Event::Checkpointed(checkpoint(5, 19)));
    assert_eq!(scene.ranges().len(), 1);
    let below = Refused::BelowBase { to: number(3), base: number(6) };
    let pruned = Event::Pruned { to: number(3), cause: PruneCause::L1Reorg };
    assert_eq!(scene.try_tell(pruned), Err(below));
}

#[test]
fn the_oldest_checkpoints_are_proven_first_and_so_many_at_a_time() {
    let mut config = proofmill_prover_node::rules::Config::new(crate::scene::clock(), [EXEC]);
    config.max_range_jobs = std::num::NonZeroUsize::new(2).unwrap();
    let mut scene = Scene::with(config);
    (1..=4).for_each(|n| scene.lands(checkpoint(n, n)));
    assert_eq!(scene.ranges(), [(EXEC, 1, 10), (EXEC, 11, 20)]);
    scene.answer_at(0, Ok(()));
    assert_eq!(scene.ranges(), [(EXEC, 11, 20), (EXEC, 21, 30)]);
}
