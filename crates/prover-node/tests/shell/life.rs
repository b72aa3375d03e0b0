//! Epochs that settle, restarts, stops.

use crate::{
    chain::Chains,
    scene::{Scene, until},
};
use futures::future::BoxFuture;
use proofmill_chain::ChainEvent;
use proofmill_primitives::{CheckpointNumber, Epoch, ProverType};
use proofmill_prover_node::{
    NodeError, Parts, ProverNode,
    parts::{Away, ChainSource, RequestStore},
    rules::{
        Change, CheckpointState, Origin, Piece, PieceState, Refused, SessionKind, SessionSpec, SessionState,
        Started,
    },
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{runtime::Builder, sync::Notify, time::sleep};

#[tokio::test(start_paused = true)]
async fn epochs_settle_one_after_another_and_proving_starts_when_a_checkpoint_lands() {
    let scene = Scene::new();
    let node = scene.start();
    scene.chains.propose_in(0, 3).await;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(scene.service().made(), ["1-3"], "the epoch has just begun");
    for slot in 1..12 {
        scene.chains.propose_in(slot, 3).await;
    }
    scene.chains.until_proven(12).await;
    let submitted: Vec<_> =
        scene.chains.state().submissions.iter().map(|one| (one.epoch, one.first.0, one.last.0)).collect();
    assert_eq!(submitted, [(Epoch(0), 1, 4), (Epoch(1), 5, 8), (Epoch(2), 9, 12)]);
    assert_eq!(scene.service().log().ranges.len(), 12);
    assert_eq!(scene.service().log().roots.len(), 3);
    let snapshot = until(&node, "three are completed", |snapshot| {
        let completed = |state: &SessionState| matches!(state, SessionState::Completed { receipt: Some(_) });
        snapshot.sessions.iter().filter(|session| completed(&session.state)).count() == 3
    })
    .await;
    assert_eq!(snapshot.problems, []);
    let json = serde_json::to_string(&*snapshot).unwrap();
    assert_eq!(*snapshot, serde_json::from_str(&json).unwrap());
    node.stop().await.unwrap();
}

/// A life of the process: everything in it is gone at its end, in the middle of what it was doing.
fn live<T>(chains: &Chains, life: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let result = runtime.block_on(async {
        chains.go_on();
        let result = life.await;
        chains.pause();
        result
    });
    runtime.shutdown_background();
    result
}

#[test]
fn the_epoch_settles_and_nothing_is_proven_twice_however_often_the_node_is_killed() {
    let scene = Builder::new_current_thread().build().unwrap().block_on(async {
        let scene = Scene::of(&[ProverType::Exec, ProverType::OpenVm]);
        scene.chains.pause();
        scene
    });
    for service in scene.services.values() {
        service.log().root_takes = Duration::from_secs(9);
    }
    for slot in 0..4 {
        live(&scene.chains, async {
            scene.chains.propose_in(slot, 3).await;
            let _node = scene.start();
            sleep(Duration::from_millis(2_000 + 700 * slot)).await;
        });
    }
    for seconds in [1, 4, 2, 6, 3, 11] {
        live(&scene.chains, async {
            let _node = scene.start();
            sleep(Duration::from_secs(seconds)).await;
        });
    }
    live(&scene.chains, async {
        let _node = scene.start();
        scene.chains.until_proven(4).await;
    });
    for service in scene.services.values() {
        let log = service.log();
        let different: BTreeSet<_> = log.ranges.iter().collect();
        assert_eq!((log.ranges.len(), different.len(), log.roots.len()), (4, 4, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_a_partly_proven_epoch_is_taken_in_whole() {
    let scene = Scene::new();
    let node = scene.start();
    scene.chains.propose_in(0, 3).await;
    scene.chains.propose_in(1, 3).await;
    sleep(Duration::from_secs(1)).await;
    let started = node.handle().start_proof(Epoch(0)).await.unwrap();
    assert!(matches!(started, Started::Opened(_)));
    scene.chains.until_proven(2).await;
    node.stop().await.unwrap();
    let node = scene.start();
    scene.chains.propose_in(3, 3).await;
    scene.chains.until_proven(3).await;
    let submissions: Vec<_> =
        scene.chains.state().submissions.iter().map(|one| (one.first.0, one.last.0)).collect();
    assert_eq!(submissions, [(1, 2), (1, 3)]);
    assert_eq!(scene.service().made(), ["1-3", "4-6", "7-9"]);
    node.stop().await.unwrap();
    // Fully proven: nothing is taken in again.
    scene.chains.slot(4).await;
    let node = scene.start();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(node.handle().snapshots().borrow().checkpoints, []);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reorg_of_l1_reuses_the_proofs_that_still_hold() {
    let scene = Scene::new();
    let node = scene.start();
    let mut changes = node.handle().changes();
    for slot in 0..3 {
        scene.chains.propose_in(slot, 3).await;
    }
    sleep(Duration::from_secs(5)).await;
    // The same blocks, one slot later.
    scene.chains.drop_above(1);
    scene.chains.propose_in(3, 3).await;
    scene.chains.propose_in(4, 3).await;
    scene.chains.until_proven(2).await;
    assert_eq!(scene.service().made(), ["1-3", "4-6", "7-9"]);
    let mut reused = 0;
    while let Ok(entry) = changes.try_recv() {
        reused += usize::from(matches!(entry.change, Change::RangeProven { origin: Origin::Reused, .. }));
    }
    assert_eq!(reused, 2);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reorg_of_l2_settles_the_right_chain_and_stops_the_work_for_the_wrong_one() {
    let scene = Scene::new();
    scene.service().log().range_takes = Duration::from_secs(8);
    let node = scene.start();
    scene.chains.propose_in(0, 3).await;
    scene.chains.propose_in(1, 3).await;
    // Before the second one is proven.
    sleep(Duration::from_secs(4)).await;
    scene.chains.drop_above(1);
    scene.chains.state().branch = crate::chain::Branch { fork: 5, name: 1 };
    scene.chains.slot(2).await;
    let right = scene.chains.propose(3);
    // After this one is proven.
    sleep(Duration::from_secs(10)).await;
    assert_eq!(scene.service().made(), ["1-3", "4-6"]);
    assert_eq!(scene.service().log().ranges[1].last_hash, right.last_hash);
    assert_eq!(scene.service().log().cancelled, 1);
    scene.chains.drop_above(1);
    scene.chains.state().branch = crate::chain::Branch { fork: 6, name: 2 };
    scene.chains.slot(3).await;
    let right = scene.chains.propose(3);
    scene.chains.until_proven(2).await;
    let last = scene.chains.state().submissions.last().unwrap().proofs[&ProverType::Exec].values.lastHash;
    assert_eq!(last, right.last_hash);
    assert_eq!(scene.service().made(), ["1-3", "4-6", "4-6"]);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_prover_type_goes_its_own_way() {
    let scene = Scene::of(&[ProverType::Exec, ProverType::OpenVm]);
    scene.services[&ProverType::OpenVm].log().range_takes = Duration::from_secs(60);
    scene.services[&ProverType::OpenVm].log().most_blocks = Some(2);
    let node = scene.start();
    scene.fill_epoch(0).await;
    scene.chains.slot(5).await;
    assert_eq!(scene.services[&ProverType::Exec].log().roots.len(), 1);
    assert_eq!(scene.services[&ProverType::OpenVm].log().roots.len(), 0);
    scene.chains.until_proven(4).await;
    // What was too much at once is proven in halves.
    assert_eq!(scene.services[&ProverType::OpenVm].log().ranges.len(), 8);
    let submission = scene.chains.state().submissions[0].clone();
    assert_eq!(submission.proofs.keys().collect::<Vec<_>>(), [&ProverType::Exec, &ProverType::OpenVm]);
    assert_eq!(scene.services[&ProverType::OpenVm].log().checkpoints, [[2, 2, 2, 2]]);
    assert_eq!(scene.services[&ProverType::Exec].log().checkpoints, [[1, 1, 1, 1]]);
    let [openvm, exec] = [ProverType::OpenVm, ProverType::Exec].map(|of| &submission.proofs[&of]);
    assert_eq!(
        openvm.values.toCommitment, exec.values.toCommitment,
        "cut otherwise, of the same checkpoints"
    );
    assert_eq!(openvm.executed, exec.executed);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_split_is_remembered_over_a_restart() {
    let scene = Scene::new();
    scene.service().log().most_blocks = Some(2);
    let node = scene.start();
    scene.chains.propose_in(0, 3).await;
    let half = |piece: &Piece| matches!(piece.state, PieceState::Proven(_)) && piece.range.blocks.len() < 3;
    until(&node, "a part is proven", |snapshot| {
        let tracks = snapshot.checkpoints.iter().flat_map(|status| status.tracks.values());
        tracks.flat_map(|track| &track.pieces).any(half)
    })
    .await;
    sleep(Duration::from_millis(100)).await;
    drop(node);
    // Had it forgotten, it would now prove the whole.
    scene.service().log().most_blocks = None;
    let node = scene.start();
    scene.chains.until_proven(1).await;
    assert_eq!(scene.service().made(), ["1-1", "2-3"]);
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_a_publish_in_flight() {
    let scene = Scene::new();
    scene.chains.state().submitting_takes = Duration::from_secs(20);
    let node = scene.start();
    scene.fill_epoch(0).await;
    until(&node, "a publish is in flight", |snapshot| {
        format!("{:?}", snapshot.publishing).starts_with("Publishing")
    })
    .await;
    let snapshots = node.handle().snapshots();
    node.stop().await.unwrap();
    assert_eq!(scene.chains.proven(), 4);
    assert!(matches!(snapshots.borrow().sessions[0].state, SessionState::Completed { .. }));
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_ever() {
    let scene = Scene::new();
    scene.chains.state().submitting_takes = Duration::from_secs(3_600);
    scene.service().log().range_takes = Duration::from_secs(2);
    let node = scene.start();
    scene.fill_epoch(0).await;
    until(&node, "a publish is in flight", |snapshot| {
        format!("{:?}", snapshot.publishing).starts_with("Publishing")
    })
    .await;
    scene.service().log().range_takes = Duration::from_secs(3_600);
    scene.chains.propose_in(5, 3).await;
    sleep(Duration::from_secs(2)).await;
    let handle = node.handle();
    let began = tokio::time::Instant::now();
    node.stop().await.unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(30) && took < Duration::from_secs(45), "{took:?}");
    assert_eq!(scene.service().log().cancelled, 1, "provers are told to stop");
    assert!(matches!(handle.start_proof(Epoch(0)).await, Err(NodeError::Stopped)));
}

/// A chain stream with a bug.
struct Broken;

impl ChainSource for Broken {
    fn begin(&mut self) -> Result<(), Away> {
        panic!("the stream has a bug")
    }

    fn next(&mut self) -> BoxFuture<'_, ChainEvent> {
        Box::pin(std::future::pending())
    }

    fn acknowledge(&mut self) {}
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_seen_to_end_can_be_stopped() {
    let scene = Scene::new();
    let parts = Parts { chain: Box::new(Broken), ..scene.parts() };
    let mut node = ProverNode::start(scene.config(), parts).unwrap();
    let ended = node.ended().await;
    assert!(matches!(ended, Err(NodeError::Panicked { .. })), "{ended:?}");
    let handle = node.handle();
    node.stop().await.unwrap();
    assert!(matches!(handle.start_proof(Epoch(0)).await, Err(NodeError::Stopped)), "all of it has stopped");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_is_refused_with_the_reason() {
    let scene = Scene::new();
    let node = scene.start();
    sleep(Duration::from_secs(2)).await;
    let refused = node.handle().start_proof(Epoch(7)).await.unwrap_err();
    assert!(matches!(refused, NodeError::Refused(Refused::NoCheckpoints { epoch: Epoch(7) })), "{refused}");
    scene.chains.propose(2);
    sleep(Duration::from_secs(1)).await;
    let first = node.handle().start_proof(Epoch(0)).await.unwrap();
    let Started::Opened(session) = first else { panic!("{first:?}") };
    assert_eq!(node.handle().start_proof(Epoch(0)).await.unwrap(), Started::Joined(session));
    let snapshot = until(&node, "it is there", |snapshot| !snapshot.sessions.is_empty()).await;
    assert_eq!(snapshot.sessions[0].spec.kind, SessionKind::Partial);
    assert!(matches!(snapshot.checkpoints[0].state, CheckpointState::Proving));
    assert_eq!(snapshot.sessions[0].span.last, CheckpointNumber(1));
    node.stop().await.unwrap();
}

/// A store of requests on a disk that stands still until it is told otherwise.
#[derive(Debug, Default)]
struct SlowRequests(Notify);

impl RequestStore for SlowRequests {
    fn wanted(&self) -> Result<Vec<SessionSpec>, NodeError> {
        Ok(Vec::new())
    }

    fn keep(&self, _: Vec<SessionSpec>) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(async {
            self.0.notified().await;
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_when_a_restart_would_not_forget_it() {
    let scene = Scene::new();
    let requests = Arc::new(SlowRequests::default());
    let parts = Parts { requests: requests.clone(), ..scene.parts() };
    let node = ProverNode::start(scene.config(), parts).unwrap();
    scene.chains.propose(2);
    sleep(Duration::from_secs(2)).await;
    let handle = node.handle();
    let asked = tokio::spawn(async move { handle.start_proof(Epoch(0)).await });
    sleep(Duration::from_secs(20)).await;
    assert!(!asked.is_finished(), "answered before it was kept");
    requests.0.notify_one();
    assert!(matches!(asked.await.unwrap(), Ok(Started::Opened(_))));
    node.stop().await.unwrap();
}

/// A store of requests on a disk that is full.
#[derive(Debug)]
struct NoRequests;

impl RequestStore for NoRequests {
    fn wanted(&self) -> Result<Vec<SessionSpec>, NodeError> {
        Ok(Vec::new())
    }

    fn keep(&self, _: Vec<SessionSpec>) -> BoxFuture<'_, Result<(), NodeError>> {
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let full = NodeError::RequestStore { doing: "write", path: "requests.json".into(), source };
        Box::pin(std::future::ready(Err(full)))
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_is_told_why_a_restart_would_forget_it() {
    let scene = Scene::new();
    let node =
        ProverNode::start(scene.config(), Parts { requests: Arc::new(NoRequests), ..scene.parts() }).unwrap();
    scene.chains.propose(2);
    sleep(Duration::from_secs(2)).await;
    // The second joins the first, which is not kept either.
    for _ in 0..2 {
        let asked = node.handle().start_proof(Epoch(0)).await.unwrap_err();
        let said = asked.to_string();
        assert!(matches!(asked, NodeError::NotKept { .. }) && said.contains("requests.json"), "{said}");
    }
    until(&node, "it is begun", |snapshot| !snapshot.sessions.is_empty()).await;
    node.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_without_provers_does_not_start() {
    let scene = Scene::of(&[]);
    let started = proofmill_prover_node::ProverNode::start(scene.config(), scene.parts());
    assert!(matches!(started, Err(NodeError::NoProverTypes)));
    let scene = Scene::new();
    let mut config = scene.config();
    config.rules.provers.insert(ProverType::Sp1);
    let started = proofmill_prover_node::ProverNode::start(config, scene.parts());
    assert!(matches!(started, Err(NodeError::NoProofService { prover: ProverType::Sp1 })));
}
