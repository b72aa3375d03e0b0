//! A proposer that leaves it to others to give up what was not proven in time.

use crate::{
    chain::SLOT,
    scene::{Scene, problems, until},
};
use proofmill_prover_node::{NodeConfig, ProverNode, parts::Settlement, rules::PruneOutcome};
use std::time::Duration;
use tokio::time::sleep;

/// The window of the first epoch (4 slots of 12 s, 3 more epochs) closes.
const CLOSES: u64 = 16;

/// The rollup goes on: an epoch is proposed, and proven.
async fn an_epoch_is_proven(scene: &Scene, epoch: u64) {
    scene.fill_epoch(epoch).await;
    scene.chains.until_proven(4).await;
}

#[tokio::test(start_paused = true)]
async fn the_node_gives_up_what_nobody_else_does_and_goes_on() {
    let scene = Scene::new();
    // Nothing is told of the checkpoints: the node never hears of what it gives up.
    scene.chains.state().l2_away = Some("L2 is behind".into());
    scene.chains.state().cannot_prune = Some("the account has no funds".into());
    let node = scene.start();
    scene.fill_epoch(0).await;
    scene.chains.slot(CLOSES).await;
    sleep(Duration::from_secs(SLOT - 1)).await;
    assert_eq!(scene.chains.state().prunes, 0);
    let held_up = |text: &str| {
        text.contains(
            "cannot be given up on L1 now, so no proof of what follows is taken: the account has no funds",
        )
    };
    until(&node, "it cannot prune", |snapshot| held_up(&problems(snapshot))).await;
    scene.chains.state().cannot_prune = None;
    until(&node, "it has pruned", |snapshot| snapshot.l1.is_some_and(|l1| l1.pending.0 == 0)).await;
    assert_eq!(scene.chains.state().prunes, 1);
    until(&node, "all is well", |snapshot| !problems(snapshot).contains("given up")).await;
    scene.chains.state().l2_away = None;
    an_epoch_is_proven(&scene, 6).await;
    assert_eq!(scene.chains.state().prunes, 1);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_window_whose_checkpoints_are_given_up_before_the_node_sees_it_close_leaves_a_record() {
    let scene = Scene::new();
    scene.service().log().range_takes = Duration::from_secs(1_000_000);
    // A proposer is faster than the next look at L1.
    let config = NodeConfig { look_every: Duration::from_secs(1_000_000), ..scene.config() };
    let node = ProverNode::start(config, scene.parts()).unwrap();
    scene.fill_epoch(0).await;
    scene.chains.slot(CLOSES).await;
    assert!(matches!(scene.chains.prune().await, PruneOutcome::Pruned(_)));
    until(&node, "they are gone", |snapshot| snapshot.checkpoints.is_empty()).await;
    let mut looks = 0;
    while scene.failures().list().await.unwrap().is_empty() {
        looks += 1;
        assert!(looks < 1_000, "nothing was recorded");
        sleep(Duration::from_millis(100)).await;
    }
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_nodes_prune_once() {
    let scenes = [Scene::new(), Scene::new()];
    let chains = scenes[0].chains.clone();
    let nodes: Vec<ProverNode> = scenes
        .iter()
        .map(|scene| {
            // On the same chains, each with its own store.
            let parts = proofmill_prover_node::Parts {
                settlement: std::sync::Arc::new(chains.clone()),
                chain: Box::new(crate::chain::Stream::new(chains.clone())),
                ..scene.parts()
            };
            ProverNode::start(scene.config(), parts).unwrap()
        })
        .collect();
    chains.state().l2_away = Some("L2 is behind".into());
    scenes[0].fill_epoch(0).await;
    chains.slot(CLOSES + 4).await;
    assert_eq!(chains.state().prunes, 1);
    for node in nodes {
        assert_eq!(
            problems(&node.handle().snapshots().borrow()),
            "the chain cannot be followed: L2 is behind"
        );
        node.stop().await.unwrap();
    }
}
