//! Proofs whose check takes long, or cannot be made.

use crate::scene::{PATIENCE, Scene, proof, wanted};
use proofmill_backends::{Backend, BackendError, ExecBackend, Proof};
use proofmill_primitives::{ProgramVersion, ProverType};
use proofmill_proof_coordinator::rules::BatchId;
use proofmill_service::Sought;
use proofmill_stand_in::forward;
use proofmill_wire::prover::{retry_later::Reason, submit_response::Outcome};
use std::{
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
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
        let end = Instant::now() + PATIENCE;
        while self.seen().running != count {
            assert!(Instant::now() < end, "{} checks run, and not {count}", self.seen().running);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// `exec` in a process that has not all that it takes to verify, until somebody sees to it.
struct Lacking(ExecBackend, Mutex<Vec<BackendError>>);

impl Backend for Lacking {
    forward! { 0: prover_type weight budget_for program_version encode_input execute plan prove_segment tree node_weight reduce finish }
    fn verify(&self, proof: &Proof, expected: ProgramVersion) -> Result<(), BackendError> {
        let lacks = self.1.lock().unwrap().pop();
        lacks.map_or_else(|| self.0.verify(proof, expected), Err)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_coordinator_lacks_is_not_held_against_a_proof() {
    let (prover, cause) = (ProverType::Exec, || "its keys are not there".to_owned());
    let lacks = vec![
        BackendError::NotCompiledIn { prover, remedy: "take another binary" },
        BackendError::NotSetUp { prover, cause: cause() },
        BackendError::Prover { prover, doing: "making keys", cause: cause() },
    ];
    let scene = Scene::with_exec(Arc::new(Lacking(ExecBackend::default(), Mutex::new(lacks)))).await;
    let batch = wanted(1, prover);
    let waits = scene.want(batch.clone()).await;
    let id =
        BatchId { number: batch.sought.number, level: batch.sought.level, content: batch.sought.content };
    for _ in 0..3 {
        let outcome = scene.submit("a", "exec", &id, &proof(&batch)).await;
        let Outcome::RetryLater(later) = outcome else { panic!("{outcome:?}") };
        assert_eq!(later.reason(), Reason::Busy);
    }
    let outcome = scene.submit("a", "exec", &id, &proof(&batch)).await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    waits.await.unwrap().unwrap();
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
