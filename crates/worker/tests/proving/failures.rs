//! Provers that fail.

use crate::{
    backend::{Fault, Slow},
    harness::{PATIENCE, Site, impatient},
};
use proofmill_primitives::WorkerKind;
use proofmill_scheduler::Config;
use proofmill_wire::operator::ProofPhase;

async fn cause_of_end(backend: Slow) -> (ProofPhase, String) {
    let site = Site::new(backend).await;
    let _workers = [site.worker("a", WorkerKind::All, 2), site.worker("b", WorkerKind::All, 2)];
    site.request("p", 4, 2).await;
    let progress = site.ended("p").await;
    (progress.phase(), progress.cause)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_may_pass_is_tried_again() {
    let faults = [Fault::Retryable, Fault::Panic, Fault::Retryable];
    // A try that is lost on the way would be waited for in vain.
    let scheduler = Config { delivery_grace: 2 * PATIENCE, ..impatient() };
    let site = Site::with(Slow::new(20).failing(2, &faults), scheduler).await;
    // Alone, it is given the task again while it is still handing in the failure.
    let _worker = site.worker("w", WorkerKind::All, 3);
    site.request("p", 4, 2).await;
    site.proof("p", 4).await;
    assert_eq!(site.backend.proven(), Slow::once(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_pass_fails_the_proof_with_its_cause() {
    let (phase, cause) = cause_of_end(Slow::new(20).failing(2, &[Fault::Retryable; 4])).await;
    assert_eq!(phase, ProofPhase::Failed);
    assert!(cause.contains("4 times") && cause.contains("cosmic rays"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_failure_with_its_text() {
    let (phase, cause) = cause_of_end(Slow::new(20).failing(3, &[Fault::Panic; 4])).await;
    assert_eq!(phase, ProofPhase::Failed);
    assert!(cause.contains("the prover panicked: index out of 3"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_program_is_not_tried_again() {
    let (phase, cause) = cause_of_end(Slow::new(20).failing(1, &[Fault::Fatal])).await;
    assert_eq!(phase, ProofPhase::Failed);
    assert!(cause.contains("another try cannot help") && cause.contains("exit code 7"), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_segments_is_no_plan() {
    let site = Site::new(Slow::new(1)).await;
    let _worker = site.worker("w", WorkerKind::All, 3);
    site.request("empty", 0, 2).await;
    let progress = site.ended("empty").await;
    assert_eq!(progress.phase(), ProofPhase::Failed);
    assert!(progress.cause.contains("no segments"), "{}", progress.cause);
}
