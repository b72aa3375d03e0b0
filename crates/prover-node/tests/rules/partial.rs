//! Partial sessions: `startProof`.

use crate::scene::{EXEC, Scene, cause, checkpoint, clock, number, receipt};
use proofmill_primitives::{CheckpointNumber, Epoch, Slot};
use proofmill_prover_node::rules::{
    Config, JobError, PublishOutcome, Refused, SessionId, SessionKind, SessionState, SettledEpochs, Started,
};

#[test]
fn it_goes_from_the_epochs_first_slot_to_the_last_slot_present() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    scene.lands(checkpoint(2, 2));
    assert_eq!(scene.start_proof(0), Ok(Started::Opened(SessionId(1))));
    let spec = scene.node.snapshot().sessions[0].spec;
    assert_eq!((spec.kind, spec.from, spec.to), (SessionKind::Partial, Slot(0), Slot(2)));
    scene.settle();
    assert_eq!(scene.sessions(), ["completed"]);
    assert_eq!(scene.l1.proven, number(2));
}

#[test]
fn a_later_checkpoint_outside_its_range_does_not_disturb_it() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    scene.start_proof(0).unwrap();
    scene.lands(checkpoint(2, 2));
    assert_eq!(scene.sessions(), ["awaiting checkpoints"]);
    // Asked again there is more, so that is another one.
    assert_eq!(scene.start_proof(0), Ok(Started::Opened(SessionId(2))));
    assert_eq!(scene.start_proof(0), Ok(Started::Joined(SessionId(2))));
}

#[test]
fn where_it_is_the_whole_epoch_it_joins_the_full_session() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    scene.slot(4);
    assert_eq!(scene.sessions(), ["awaiting checkpoints"]);
    assert_eq!(scene.start_proof(0), Ok(Started::Joined(SessionId(1))));
    assert_eq!(scene.sessions().len(), 1);
}

#[test]
fn the_longest_candidate_of_an_epoch_goes_first_and_supersedes_partial_ones() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 1));
    scene.start_proof(0).unwrap();
    scene.lands(checkpoint(2, 2));
    scene.slot(4);
    // Both are ready when the pass reads the tip.
    scene.prove_all();
    assert_eq!(scene.sessions(), ["publishing", "publishing"]);
    scene.read_tip();
    assert_eq!(scene.in_flight(), Some(2));
    scene.publish_ends(PublishOutcome::Published(receipt()));
    assert_eq!(scene.session(1), SessionState::Superseded { proven: number(2) });
    assert_eq!(scene.session(2), SessionState::Completed { receipt: Some(receipt()) });
    assert_eq!(scene.tip, None);
}

#[test]
fn another_provers_proof_supersedes_a_partial_session_but_not_a_full_one() {
    let settled = SettledEpochs::Submit;
    let mut scene = Scene::with(Config { settled, ..Config::new(clock(), [EXEC]) });
    scene.lands(checkpoint(1, 1));
    scene.start_proof(0).unwrap();
    scene.lands(checkpoint(2, 2));
    scene.slot(4);
    scene.proven(2);
    assert_eq!(scene.session(1), SessionState::Superseded { proven: number(2) });
    scene.settle();
    assert_eq!(scene.session(2), SessionState::Completed { receipt: Some(receipt()) });
}

#[test]
fn it_is_rebuilt_when_its_content_moved() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 1));
    scene.start_proof(0).unwrap();
    scene.prune(0);
    assert_eq!(scene.sessions(), ["cancelled"]);
    scene.lands(checkpoint(1, 0));
    scene.lands(checkpoint(2, 1));
    let live: Vec<_> = scene.node.snapshot().sessions.into_iter().filter(|s| s.state.is_live()).collect();
    assert_eq!(live.len(), 1);
    assert_eq!((live[0].spec.kind, live[0].span.last), (SessionKind::Partial, number(2)));
    scene.settle();
    assert_eq!(scene.l1.proven, number(2));
}

#[test]
fn what_cannot_be_started_is_refused_with_the_reason() {
    let mut scene = Scene::at_most(1);
    let epoch = Epoch(0);
    assert_eq!(scene.start_proof(0), Err(Refused::NoCheckpoints { epoch }));
    scene.lands(checkpoint(1, 0));
    scene.start_proof(0).unwrap();
    scene.lands(checkpoint(2, 1));
    assert_eq!(scene.start_proof(0), Err(Refused::TooManySessions { live: 1 }));
    scene.settle();
    scene.start_proof(0).unwrap();
    scene.settle();
    assert_eq!(scene.start_proof(0), Err(Refused::AlreadyProven { epoch, through: number(2) }));
    scene.lands(checkpoint(3, 2));
    scene.answer_at(0, Err(JobError::Refuted { cause: cause() }));
    let refused = scene.start_proof(0).unwrap_err();
    assert!(
        matches!(&refused, Refused::CheckpointFailed { checkpoint: CheckpointNumber(3), .. }),
        "{refused}"
    );
    scene.slot(12);
    assert_eq!(scene.start_proof(0), Err(Refused::Expired { epoch }));
}

#[test]
fn a_partly_proven_epoch_is_completed_by_a_proof_of_all_of_it() {
    let mut scene = Scene::new();
    scene.lands(checkpoint(1, 0));
    scene.start_proof(0).unwrap();
    scene.settle();
    assert_eq!(scene.l1.proven, number(1));
    scene.lands(checkpoint(2, 1));
    scene.slot(4);
    assert_eq!(scene.ranges(), [(EXEC, 11, 20)]);
    scene.prove_all();
    scene.read_tip();
    let (_, candidate) = scene.publish.clone().unwrap();
    assert_eq!((candidate.span.first, candidate.span.last), (number(1), number(2)));
}
