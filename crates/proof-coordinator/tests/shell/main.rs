//! The coordinator over gRPC, with a real ledger and a real artifact store.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod checks;
mod scene;

use proofmill_backends::Proof;
use proofmill_fault::Code;
use proofmill_localstore::LocalPostgres;
use proofmill_primitives::{CheckpointNumber, ProverType};
use proofmill_proof_coordinator::rules::{BatchId, SlotShown};
use proofmill_service::{FoundProof, JobError, Pullers, Sought};
use proofmill_wire::prover::{assign_response::Outcome, proof_refused, retry_later::Reason, submit_response};
use scene::{PATIENCE, Scene, batch_of, may_be_over, proof, wanted};
use sqlx::{Connection, PgConnection};
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_to_one_prover_of_each_type() {
    let scene = Scene::new().await;
    let exec = scene.want(wanted(1, ProverType::Exec)).await;
    let openvm = scene.want(wanted(1, ProverType::OpenVm)).await;
    let Outcome::Assigned(first) = scene.assign("a", "exec").await else { panic!() };
    let Outcome::Assigned(second) = scene.assign("b", "openvm").await else { panic!() };
    assert_eq!(first.batch, second.batch, "both types are needed");
    let Outcome::RetryLater(later) = scene.assign("c", "exec").await else { panic!() };
    assert_eq!(later.reason(), Reason::NoWork);
    let batch = batch_of(first.batch.unwrap());
    // By somebody who was never given it, and who is first.
    let made = proof(&wanted(1, ProverType::Exec));
    let submit_response::Outcome::Accepted(accepted) = scene.submit("d", "exec", &batch, &made).await else {
        panic!()
    };
    assert!(!accepted.dropped);
    assert_eq!(exec.await.unwrap().unwrap().proof, made);
    // The one that had it is late, and did nothing wrong; also when nobody waits for the batch any more.
    let submit_response::Outcome::Accepted(late) = scene.submit("a", "exec", &batch, &made).await else {
        panic!()
    };
    assert!(late.dropped);
    let submit_response::Outcome::Accepted(_) =
        scene.submit("b", "openvm", &batch, &proof(&wanted(1, ProverType::OpenVm))).await
    else {
        panic!()
    };
    assert_eq!(openvm.await.unwrap().unwrap().proof.prover, ProverType::OpenVm);
    assert_eq!(scene.coordinator.shown(), []);
    // Who wants it again gets what is there.
    let again = scene.want(wanted(1, ProverType::Exec)).await;
    assert_eq!(again.await.unwrap().unwrap().proof, made);
}

/// A prover that is not set up for it, say: that is no try, and goes on until somebody sees to it.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_why_a_batch_comes_back() {
    let scene = Scene::new().await;
    let batch = wanted(1, ProverType::Exec);
    let (waits, notes) = scene.want_and_hear(batch.clone()).await;
    let Outcome::Assigned(given) = scene.assign("a", "exec").await else { panic!() };
    let id = batch_of(given.batch.unwrap());
    scene.give_back("a", &id, Some((Code::NotSetUp, "its keys are not there"))).await;
    is_told(&notes, "its keys are not there").await;
    let outcome = scene.submit("b", "exec", &id, &proof(&batch)).await;
    assert!(matches!(outcome, submit_response::Outcome::Accepted(_)), "{outcome:?}");
    waits.await.unwrap().unwrap();
}

/// A batch that takes one prover after the other down is proven by none of them, however long it is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_that_provers_come_to_nothing() {
    let scene = Scene::with_timeout(Duration::from_secs(1)).await;
    let batch = wanted(1, ProverType::Exec);
    let (waits, notes) = scene.want_and_hear(batch.clone()).await;
    let mut last = None;
    for name in ["a", "b", "c"] {
        let Outcome::Assigned(given) = scene.assign(name, "exec").await else { panic!("{name}") };
        last = given.batch.map(batch_of);
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    is_told(&notes, "2 exec provers had it for 1 s").await;
    let outcome = scene.submit("c", "exec", &last.unwrap(), &proof(&batch)).await;
    assert!(matches!(outcome, submit_response::Outcome::Accepted(_)), "{outcome:?}");
    waits.await.unwrap().unwrap();
}

/// Waits until it is told.
async fn is_told(notes: &Mutex<String>, what: &str) {
    let told = async {
        while !notes.lock().unwrap().contains(what) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await;
    assert!(told.is_ok(), "{what}: {}", notes.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_out_survives_a_restart() {
    what_was_given_out_survives(Scene::new().await).await;
    if let Some(server) = LocalPostgres::start_or_skip().unwrap() {
        what_was_given_out_survives(Scene::on_postgres(&server.url()).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_from_before_a_restart_is_found_before_its_input_is_there() {
    let mut scene = Scene::new().await;
    let (one, two) = (wanted(1, ProverType::Exec), wanted(2, ProverType::Exec));
    assert_eq!(scene.coordinator.found(&one.sought).await, Ok(None));
    for wants in [&one, &two] {
        let waits = scene.want(wants.clone()).await;
        let Outcome::Assigned(given) = scene.assign("a", "exec").await else { panic!() };
        let batch = batch_of(given.batch.unwrap());
        let submit_response::Outcome::Accepted(_) = scene.submit("a", "exec", &batch, &proof(wants)).await
        else {
            panic!()
        };
        waits.await.unwrap().unwrap();
    }
    scene = scene.restart().await;
    for wants in [&one, &two] {
        let found = FoundProof { proof: proof(wants), note: wants.note.clone() };
        assert_eq!(scene.coordinator.found(&wants.sought).await, Ok(Some(found)));
    }
    assert_eq!(scene.coordinator.shown(), [], "it is given out again");
    // Not where it is of something else, was refused, or is damaged.
    let other = Sought { prover: ProverType::OpenVm, ..one.sought };
    assert_eq!(scene.coordinator.found(&other).await, Ok(None));
    scene.hide_artifacts(true);
    assert!(!scene.coordinator.refuse(&proof(&one), "L1 does not take it").await, "it is handed out again");
    scene.hide_artifacts(false);
    assert!(scene.coordinator.found(&one.sought).await.unwrap().is_some());
    assert!(scene.coordinator.refuse(&proof(&one), "L1 does not take it").await);
    assert_eq!(scene.coordinator.found(&one.sought).await, Ok(None));
    assert!(scene.coordinator.found(&two.sought).await.unwrap().is_some(), "the other one was not refused");
    scene.lose_artifacts(false);
    assert_eq!(scene.coordinator.found(&two.sought).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_was_replaced_gives_out_nothing_and_ends() {
    let Some(server) = LocalPostgres::start_or_skip().unwrap() else { return };
    let replaced = Scene::on_postgres(&server.url()).await;
    let _waits = replaced.want(wanted(1, ProverType::Exec)).await;
    let mut person = PgConnection::connect(&server.url()).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'";
    sqlx::raw_sql(cut).execute(&mut person).await.unwrap();
    let scene = Scene::on_postgres(&server.url()).await;
    let waits = scene.want(wanted(1, ProverType::Exec)).await;
    assert!(!matches!(replaced.assign("a", "exec").await, Outcome::Assigned(_)));
    let Outcome::Assigned(_) = scene.assign("b", "exec").await else { panic!() };
    assert!(!waits.is_finished());
    let error = tokio::time::timeout(PATIENCE, replaced.ended()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("another process took it over"), "{error}");
}

async fn what_was_given_out_survives(mut scene: Scene) {
    let waits = scene.want(wanted(1, ProverType::Exec)).await;
    let Outcome::Assigned(given) = scene.assign("a", "exec").await else { panic!() };
    scene = scene.restart().await;
    assert_eq!(waits.await.unwrap().unwrap_err(), JobError::Cancelled);
    let batch = batch_of(given.batch.clone().unwrap());
    // It is not known yet what is waited for.
    let made = proof(&wanted(1, ProverType::Exec));
    let submit_response::Outcome::RetryLater(later) = scene.submit("a", "exec", &batch, &made).await else {
        panic!()
    };
    assert_eq!(later.reason(), Reason::Starting);
    let waits = scene.want(wanted(1, ProverType::Exec)).await;
    let Outcome::RetryLater(later) = scene.assign("b", "exec").await else { panic!() };
    assert_eq!(later.reason(), Reason::NoWork);
    let Outcome::Assigned(again) = scene.assign("a", "exec").await else { panic!() };
    assert_eq!(again.batch, given.batch);
    assert!(again.timeout_ms < given.timeout_ms, "its time goes on");
    let submit_response::Outcome::Accepted(_) = scene.submit("a", "exec", &batch, &made).await else {
        panic!()
    };
    assert_eq!(waits.await.unwrap().unwrap().proof, made);
    scene.has_rows(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_provers_cannot_execute_is_told_whoever_waits() {
    let scene = Scene::new().await;
    let waits = scene.want(wanted(1, ProverType::Exec)).await;
    for name in ["a", "b"] {
        let Outcome::Assigned(given) = scene.assign(name, "exec").await else {
            panic!("{name} is given nothing")
        };
        let batch = batch_of(given.batch.unwrap());
        let began = Instant::now();
        scene.give_back(name, &batch, Some((Code::CycleLimit, "it ran past 7 instructions"))).await;
        // Who failed waits a while before it is given anything.
        match scene.assign(name, "exec").await {
            Outcome::RetryLater(later) => {
                assert!(matches!(later.reason(), Reason::Paused | Reason::NoWork), "{later:?}");
            }
            outcome => {
                assert!(may_be_over(began), "{outcome:?}");
                scene.give_back(name, &batch, None).await;
            }
        }
    }
    let error = waits.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, JobError::CannotExecute { cause } if cause.contains("7 instructions")),
        "{error}"
    );
    scene.has_rows(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_given_out_that_is_not_durable() {
    let scene = Scene::new().await;
    let _waits = scene.want(wanted(1, ProverType::Exec)).await;
    let locked = scene.lock_ledger().await;
    let Outcome::RetryLater(later) = scene.assign("a", "exec").await else { panic!("it is given out") };
    assert_eq!(later.reason(), Reason::StoreAway);
    drop(locked);
    let Outcome::Assigned(_) = scene.assign("b", "exec").await else { panic!("it is lost") };
    scene.has_rows(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_and_asks_again_is_given_nothing_that_is_not_durable() {
    let scene = Scene::new().await;
    let _waits = scene.want(wanted(1, ProverType::Exec)).await;
    let locked = scene.lock_ledger().await;
    // Its first call breaks off while the ledger stands still.
    let left = tokio::time::timeout(Duration::from_millis(500), scene.assign("a", "exec")).await;
    assert!(left.is_err(), "it is given out");
    let Outcome::RetryLater(later) = scene.assign("a", "exec").await else { panic!("it is given out") };
    // It may have come just when the first call's batch was taken back.
    assert!(matches!(later.reason(), Reason::StoreAway | Reason::NoWork), "{later:?}");
    drop(locked);
    is_given(&scene, "b").await;
    scene.has_rows(1).await;
}

/// Asks until there is something: that a call broke off is noticed in a moment.
async fn is_given(scene: &Scene, name: &str) {
    let asking = async {
        while !matches!(scene.assign(name, "exec").await, Outcome::Assigned(_)) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it is held for who has gone");
}

/// It was told nobody: nobody else would be given it before the time-out of a prover that does not know of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_given_to_who_has_gone_goes_to_the_next() {
    let scene = Scene::new().await;
    let _waits = scene.want(wanted(1, ProverType::Exec)).await;
    let locked = scene.lock_ledger().await;
    let is_held = async {
        while !scene.coordinator.shown().iter().any(|shown| matches!(shown.state, SlotShown::Held(_))) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // It is killed while the ledger stands still.
    tokio::select! {
        () = is_held => {}
        _ = scene.assign("a", "exec") => {}
    }
    drop(locked);
    is_given(&scene, "b").await;
    scene.has_rows(1).await;
}

/// The coordinator was restarted, and still builds the batch's witness.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_given_back_before_it_is_waited_for_again_goes_to_the_next() {
    let mut scene = Scene::new().await;
    let _waited = scene.want(wanted(1, ProverType::Exec)).await;
    let Outcome::Assigned(given) = scene.assign("a", "exec").await else { panic!() };
    scene = scene.restart().await;
    scene.give_back("a", &batch_of(given.batch.unwrap()), None).await;
    scene.has_rows(0).await;
    let _waits = scene.want(wanted(1, ProverType::Exec)).await;
    let Outcome::Assigned(_) = scene.assign("b", "exec").await else { panic!("it is held for who stopped") };
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_goes_to_who_holds_the_batch_whole() {
    let scene = Scene::new().await;
    let mut large = wanted(1, ProverType::Exec);
    large.stdin = (0..3_500_000_u32).map(|number| number as u8).collect::<Vec<_>>().into();
    let _waits = scene.want(large.clone()).await;
    let Outcome::Assigned(given) = scene.assign("a", "exec").await else { panic!() };
    let batch = batch_of(given.batch.unwrap());
    let pieces = scene.input("a", &batch).await.unwrap();
    assert_eq!(pieces.len(), 4);
    let input = pieces.concat();
    assert_eq!((input.len() as u64, &input), (given.input_bytes, &large.stdin.to_vec()));
    assert_eq!(blake3::hash(&input).as_bytes().as_slice(), given.input_hash);
    assert_eq!(scene.input("b", &batch).await.unwrap_err().code(), tonic::Code::NotFound);
    // One that stops gives it back, and the next one has it.
    scene.give_back("a", &batch, None).await;
    assert_eq!(scene.input("a", &batch).await.unwrap_err().code(), tonic::Code::NotFound);
    let Outcome::Assigned(_) = scene.assign("b", "exec").await else { panic!() };
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_is_there_whatever_becomes_of_the_store() {
    for all in [true, false] {
        let scene = Scene::new().await;
        let wants = wanted(1, ProverType::Exec);
        let waits = scene.want(wants.clone()).await;
        scene.lose_artifacts(all);
        let Outcome::Assigned(given) = scene.assign("a", "exec").await else { panic!("{all}: no input") };
        let batch = batch_of(given.batch.unwrap());
        let input = scene.input("a", &batch).await.unwrap().concat();
        assert_eq!(input, wants.stdin, "{all}");
        let submit_response::Outcome::Accepted(_) = scene.submit("a", "exec", &batch, &proof(&wants)).await
        else {
            panic!()
        };
        assert_eq!(waits.await.unwrap().unwrap().proof, proof(&wants));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_was_stored_and_not_told_is_found_when_its_batch_is_asked_for() {
    let (wants, before, scene) = (wanted(1, ProverType::Exec), Scene::new().await, Scene::new().await);
    let made = before.want(wants.clone()).await;
    let Outcome::Assigned(given) = before.assign("a", "exec").await else { panic!() };
    let batch = batch_of(given.batch.unwrap());
    let submit_response::Outcome::Accepted(_) = before.submit("a", "exec", &batch, &proof(&wants)).await
    else {
        panic!()
    };
    made.await.unwrap().unwrap();
    // Whoever handed it in left in that moment: it is in the store, and the batch is still waited for.
    let waits = scene.want(wants.clone()).await;
    scene.take_artifacts_of(&before);
    let Outcome::RetryLater(later) = scene.assign("b", "exec").await else { panic!("it is proven twice") };
    assert_eq!(later.reason(), Reason::AlreadyProven);
    let pulled = tokio::time::timeout(PATIENCE, waits).await.expect("it is waited for in vain");
    assert_eq!(pulled.unwrap().unwrap().proof, proof(&wants));
    assert_eq!(scene.coordinator.shown(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prover_that_claims_two_types_is_given_both_and_cannot_pass_one_for_the_other() {
    let scene = Scene::new().await;
    let exec = scene.want(wanted(1, ProverType::Exec)).await;
    let openvm = scene.want(wanted(1, ProverType::OpenVm)).await;
    let (Outcome::Assigned(one), Outcome::Assigned(two)) =
        (scene.assign("a", "exec").await, scene.assign("a", "openvm").await)
    else {
        panic!("each type is given out for itself")
    };
    assert_eq!(one.batch, two.batch);
    let (batch, made) = (batch_of(one.batch.unwrap()), proof(&wanted(1, ProverType::Exec)));
    let began = Instant::now();
    let submit_response::Outcome::Refused(refused) = scene.submit("a", "openvm", &batch, &made).await else {
        panic!("an exec proof counts as one of openvm")
    };
    assert_eq!(refused.reason(), proof_refused::Reason::Unreadable);
    assert!(refused.cause.contains("proof of exec, and one of openvm"), "{refused:?}");
    // It is one prover, by its name: nothing of it is looked at for a while, whatever type it says.
    match scene.submit("a", "exec", &batch, &made).await {
        submit_response::Outcome::RetryLater(later) => assert_eq!(later.reason(), Reason::Paused),
        outcome => return assert!(may_be_over(began), "it is looked at: {outcome:?}"),
    }
    // It has lost the one, and holds the other yet.
    let Outcome::Assigned(_) = scene.assign("b", "openvm").await else { panic!("it is lost") };
    let Outcome::RetryLater(_) = scene.assign("c", "exec").await else { panic!("two hold it") };
    assert!(!exec.is_finished() && !openvm.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_input_does_not_arrive_lets_the_others_pass() {
    let scene = Scene::new().await;
    let _first = scene.want(wanted(1, ProverType::Exec)).await;
    let _second = scene.want(wanted(2, ProverType::Exec)).await;
    let Outcome::Assigned(given) = scene.assign("a", "exec").await else { panic!() };
    let batch = batch_of(given.batch.unwrap());
    assert_eq!(batch.number.0, 1);
    let began = Instant::now();
    scene.give_back("a", &batch, Some((Code::NotDelivered, "the stream broke"))).await;
    match scene.assign("a", "exec").await {
        Outcome::RetryLater(later) => assert_eq!(later.reason(), Reason::Paused),
        outcome => return assert!(may_be_over(began), "it asks at once: {outcome:?}"),
    }
    let Outcome::Assigned(given) = scene.assign("b", "exec").await else { panic!("it blocks the others") };
    assert_eq!(batch_of(given.batch.unwrap()).number.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hands_in_proofs_that_nobody_waits_for_is_heard_less_and_less() {
    let scene = Scene::with_timeout(Duration::from_secs(1)).await;
    // From then on what is not known is not waited for.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let unknown = wanted(9, ProverType::Exec);
    let Sought { number, level, content, .. } = unknown.sought;
    let batch = BatchId { number, level, content };
    let mut times = 0;
    loop {
        match scene.submit("a", "exec", &batch, &proof(&unknown)).await {
            submit_response::Outcome::Refused(refused) => {
                assert_eq!(refused.reason(), proof_refused::Reason::UnknownBatch);
                assert!(refused.paused_ms > 0, "{refused:?}");
                // A pause may be over on a machine that stands still; the next one is longer.
                times += 1;
                assert!(times < 10, "it is looked at each time");
            }
            submit_response::Outcome::RetryLater(later) => {
                assert_eq!(later.reason(), Reason::Paused);
                assert!(times > 0, "it is not looked at");
                break;
            }
            outcome => panic!("{outcome:?}"),
        }
    }
    // Where a rival has settled the batch meanwhile, an honest prover that is late is not to blame, however often.
    scene.coordinator.verified(CheckpointNumber(9));
    for _ in 0..3 {
        let outcome = scene.submit("late", "exec", &batch, &proof(&unknown)).await;
        assert!(
            matches!(&outcome, submit_response::Outcome::Accepted(accepted) if accepted.dropped),
            "{outcome:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_l1_no_longer_needs_does_not_keep_its_prover_after_a_restart() {
    let scene = Scene::new().await;
    let late = wanted(3, ProverType::Exec);
    let Sought { number, level, content, .. } = late.sought;
    let batch = BatchId { number, level, content };
    // It may be one of those that this process does not know yet,
    let outcome = scene.submit("a", "exec", &batch, &proof(&late)).await;
    assert!(
        matches!(&outcome, submit_response::Outcome::RetryLater(later) if later.reason() == Reason::Starting)
    );
    scene.coordinator.verified(CheckpointNumber(2));
    let outcome = scene.submit("a", "exec", &batch, &proof(&late)).await;
    assert!(matches!(outcome, submit_response::Outcome::RetryLater(_)), "{outcome:?}");
    // until a rival has settled it.
    scene.coordinator.verified(CheckpointNumber(3));
    let outcome = scene.submit("a", "exec", &batch, &proof(&late)).await;
    assert!(
        matches!(&outcome, submit_response::Outcome::Accepted(accepted) if accepted.dropped),
        "{outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_another_batch_is_refused_and_its_own_batch_takes_it() {
    let scene = Scene::new().await;
    let first = scene.want(wanted(1, ProverType::Exec)).await;
    let second = scene.want(wanted(2, ProverType::Exec)).await;
    let (Outcome::Assigned(one), Outcome::Assigned(two)) =
        (scene.assign("a", "exec").await, scene.assign("b", "exec").await)
    else {
        panic!()
    };
    let (one, two) = (batch_of(one.batch.unwrap()), batch_of(two.batch.unwrap()));
    // It holds, and says what the other batch says.
    let of_two = proof(&wanted(2, ProverType::Exec));
    let submit_response::Outcome::Refused(refused) = scene.submit("a", "exec", &one, &of_two).await else {
        panic!("it is taken")
    };
    assert_eq!(refused.reason(), proof_refused::Reason::OtherStatement);
    assert!(refused.cause.contains("something else than the batch"), "{refused:?}");
    let submit_response::Outcome::Accepted(_) = scene.submit("b", "exec", &two, &of_two).await else {
        panic!()
    };
    assert_eq!(second.await.unwrap().unwrap().proof, of_two);
    // The batch is there for the next prover.
    assert!(!first.is_finished());
    let Outcome::Assigned(again) = scene.assign("c", "exec").await else { panic!("it is lost") };
    assert_eq!(batch_of(again.batch.unwrap()), one);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_does_not_hold_is_not_stored_and_its_batch_goes_to_the_next() {
    let scene = Scene::new().await;
    let wants = wanted(1, ProverType::Exec);
    let waits = scene.want(wants.clone()).await;
    let Outcome::Assigned(given) = scene.assign("a", "exec").await else { panic!() };
    let batch = batch_of(given.batch.unwrap());
    // It says what it should, and there is nothing behind it.
    let forged = Proof { body: vec![7], ..proof(&wants) };
    let submit_response::Outcome::Refused(refused) = scene.submit("a", "exec", &batch, &forged).await else {
        panic!("it is taken")
    };
    assert_eq!(refused.reason(), proof_refused::Reason::DoesNotHold);
    assert!(refused.cause.contains("the proof is not valid") && refused.paused_ms > 0, "{refused:?}");
    assert_eq!(scene.coordinator.found(&wants.sought).await, Ok(None));
    scene.has_rows(0).await;
    let Outcome::Assigned(_) = scene.assign("b", "exec").await else { panic!("it is lost") };
    let submit_response::Outcome::Accepted(_) = scene.submit("b", "exec", &batch, &proof(&wants)).await
    else {
        panic!()
    };
    assert_eq!(waits.await.unwrap().unwrap().proof, proof(&wants));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_cancelled_is_given_to_nobody() {
    let scene = Scene::new().await;
    let waits = scene.want(wanted(1, ProverType::Exec)).await;
    let Outcome::Assigned(_) = scene.assign("a", "exec").await else { panic!() };
    scene.cancel.cancel();
    assert_eq!(waits.await.unwrap().unwrap_err(), JobError::Cancelled);
    scene.has_rows(0).await;
    assert_eq!(scene.coordinator.shown(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_whose_proofs_cannot_be_verified_is_found_out_at_the_start() {
    let said = scene::start_without_verifier().await.to_string();
    assert!(said.contains("sp1") && said.contains("proofmill-sp1"), "{said}");
}
