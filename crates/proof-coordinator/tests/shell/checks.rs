//! Proofs whose check takes long, or cannot be made.

use crate::scene::{Scene, batch_of, proof, wanted};
use proofmill_backends::{Backend, BackendError, ExecBackend, Proof};
use proofmill_primitives::{ProgramVersion, ProverType};
use proofmill_proof_coordinator::rules::BatchId;
use proofmill_service::Sought;
use proofmill_stand_in::forward;
use proofmill_wire::prover::{
    assign_response::Outcome as AssignOutcome, retry_later::Reason, submit_response::Outcome,
};
use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

/// `exec`, whose checks take until a test lets them end.
struct Slow(ExecBackend, Arc<Checks>);

#[derive(Default)]
struct Checks {
    state: Mutex<State>,
    ends: Condvar,
}

#[derive(Clone, Copy, Default)]
struct State {
    running: usize,
    most: usize,
    may_end: bool,
}

impl Backend for Slow {
    forward! { 0: prover_type weight budget_for program_version encode_input execute plan prove_segment tree node_weight reduce finish }
    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        let mut state = self.1.state.lock().unwrap();
        state.running += 1;
        state.most = state.most.max(state.running);
        let mut state = self.1.ends.wait_while(state, |state| !state.may_end).unwrap();
        state.running -= 1;
        drop(state);
        self.0.verify(proof, expected)
    }
}

impl Checks {
    fn seen(&self) -> State {
        *self.state.lock().unwrap()
    }

    async fn running(&self, count: usize) {
        while self.seen().running != count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// `exec`, which can check nothing here.
struct Unable(ExecBackend);

impl Backend for Unable {
    forward! { 0: prover_type weight budget_for program_version encode_input execute plan prove_segment tree node_weight reduce finish }
    fn verify(&self, _: &Proof, _: ProgramVersion) -> Result<(), BackendError> {
        Err(BackendError::NotSetUp { prover: ProverType::Exec, cause: "a file is missing".to_owned() })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_checked_here_costs_its_prover_nothing() {
    let scene = Scene::with_exec(Arc::new(Unable(ExecBackend::default()))).await;
    let wants = wanted(1, ProverType::Exec);
    let _waits = scene.want(wants.clone()).await;
    let AssignOutcome::Assigned(given) = scene.assign("a", "exec").await else { panic!() };
    let batch = batch_of(given.batch.clone().unwrap());
    for _ in 0..2 {
        let Outcome::RetryLater(later) = scene.submit("a", "exec", &batch, &proof(&wants)).await else {
            panic!("it is to blame")
        };
        assert_eq!(later.reason(), Reason::Busy);
    }
    let AssignOutcome::Assigned(again) = scene.assign("a", "exec").await else { panic!("it lost its batch") };
    assert_eq!(again.batch, given.batch);
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_are_as_few_as_they_should_be_however_many_provers_leave_in_the_middle() {
    let checks = Arc::new(Checks::default());
    let scene = Scene::with_exec(Arc::new(Slow(ExecBackend::default(), Arc::clone(&checks)))).await;
    let batches = [1, 2, 3, 4].map(|number| wanted(number, ProverType::Exec));
    let mut waiting = Vec::new();
    for batch in &batches {
        waiting.push(scene.want(batch.clone()).await);
    }
    let id = |of: &Sought| BatchId { number: of.number, level: of.level, content: of.content };
    let hand_in = |name: &str, at: usize| {
        let batch = &batches[at];
        scene.submitting(name, &id(&batch.sought), &proof(batch))
    };
    // Two proofs are being checked, and whoever handed them in leaves; the next ones leave as well.
    let leaving = [hand_in("a", 0), hand_in("b", 1)];
    checks.running(2).await;
    leaving.iter().for_each(tokio::task::JoinHandle::abort);
    let others = [hand_in("c", 2), hand_in("d", 3)];
    // For as long as more of them would take to begin.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seen = checks.seen();
    others.iter().for_each(tokio::task::JoinHandle::abort);
    checks.state.lock().unwrap().may_end = true;
    checks.ends.notify_all();
    assert_eq!((seen.running, seen.most), (2, 2), "the machine is given more than it should");
    // Everything goes on.
    checks.running(0).await;
    for (name, batch) in ["e", "f", "g", "h"].into_iter().zip(&batches) {
        let outcome = scene.submit(name, "exec", &id(&batch.sought), &proof(batch)).await;
        assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    }
    for waits in waiting {
        waits.await.unwrap().unwrap();
    }
}
