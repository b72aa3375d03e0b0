//! A prover hands in a proof, or gives a batch back.

use super::{
    coordinator::Inner,
    counted,
    guards::{Checking, Storing, Submitting},
    jobs::{Job, Key},
    shelf::ProofKey,
};
use crate::rules::{
    AskedType, BatchId, GivenBack, Line, ProverName, Received, RefusedFor, RetryReason, Submission,
    SubmitOutcome,
};
use bytes::Bytes;
use proofmill_backends::{Backend, Proof};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{ProofMode, ProverType};
use proofmill_service::{JobError, Pulled};
use std::{sync::Arc, time::Duration};

/// How long a proof may wait until others are verified.
const CHECK_WAIT: Duration = Duration::from_secs(60);

/// Why a proof is not taken.
enum Flaw {
    /// It is of no use.
    Refused(RefusedFor, String),
    /// It could not be verified now.
    Unchecked(String),
    /// So many are being verified that this one has to wait.
    Busy,
}

/// Takes a proof: it is verified, then stored, then acknowledged.
pub(super) async fn submit(
    inner: &Arc<Inner>,
    by: &ProverName,
    batch: BatchId,
    prover: &AskedType,
    bytes: Bytes,
) -> SubmitOutcome {
    let received = inner.lock().desk.receive(inner.clock.now(), by, batch, prover);
    let AskedType::Known(prover) = *prover else {
        return match received {
            Received::Answer(outcome) => outcome,
            _ => RetryReason::Starting.submit(),
        };
    };
    let submission = Submission { by: by.clone(), batch, prover };
    match received {
        Received::Answer(outcome) => outcome,
        Received::Unknown => unknown(inner, &submission, &bytes).await,
        Received::Check => {
            let Some(_alone) = Submitting::begin(inner, by) else { return RetryReason::Busy.submit() };
            check(inner, &submission, bytes).await
        }
    }
}

/// Nobody waits for the batch: it is proven, or not known yet, or nothing.
async fn unknown(inner: &Arc<Inner>, submission: &Submission, bytes: &[u8]) -> SubmitOutcome {
    let Submission { batch, prover, .. } = *submission;
    let proof = match Proof::decode(bytes) {
        Ok(proof) => proof,
        Err(error) => return refuse(inner, submission, RefusedFor::Unreadable, error.to_string()),
    };
    match inner.shelf.has_proof(&ProofKey { batch, prover, program: proof.program }).await {
        Ok(true) => return SubmitOutcome::Dropped,
        Ok(false) => {}
        Err(_) => return RetryReason::StoreAway.submit(),
    }
    // Somebody else had it settled, with a proof of their own: its prover did nothing wrong.
    if inner.lock().verified.is_some_and(|through| batch.number <= through) {
        return SubmitOutcome::Dropped;
    }
    // After a restart its batch comes back once the witness is built again.
    if inner.clock.now().since(inner.began) < inner.config.timeout {
        return RetryReason::Starting.submit();
    }
    let cause = "nobody waits for a proof of such a batch: it was settled, or its blocks are gone".to_owned();
    // An honest prover that is late waits a second for it; whoever goes on with such proofs waits longer and longer.
    refuse(inner, submission, RefusedFor::UnknownBatch, cause)
}

async fn check(inner: &Arc<Inner>, submission: &Submission, bytes: Bytes) -> SubmitOutcome {
    let key: Key = (submission.batch, submission.prover);
    let Some(job) = inner.lock().jobs.get(&key).cloned() else { return SubmitOutcome::Dropped };
    let Some(backend) = inner.backends.get(&submission.prover) else { return RetryReason::Starting.submit() };
    let proof = match judge(inner, backend, &job, submission.prover, &bytes).await {
        Ok(proof) => proof,
        Err(Flaw::Refused(reason, cause)) => return refuse(inner, submission, reason, cause),
        Err(Flaw::Unchecked(cause)) => {
            if let Some(Line { times, of_others }) = unable(inner, submission) {
                let batch = &submission.batch;
                tracing::error!(cause, %batch, times, of_others, "a proof could not be verified");
            }
            return RetryReason::Busy.submit();
        }
        Err(Flaw::Busy) => {
            if let Some(Line { times, of_others }) = unable(inner, submission) {
                let (batch, waited_s) = (&submission.batch, CHECK_WAIT.as_secs());
                tracing::warn!(%batch, waited_s, times, of_others, "a proof waits: too many are being verified");
            }
            return RetryReason::Busy.submit();
        }
    };
    if let Some(outcome) = inner.lock().desk.claim(submission) {
        return outcome;
    }
    let storing = Storing::new(inner, submission);
    let place = ProofKey { batch: submission.batch, prover: submission.prover, program: job.program };
    if let Err(error) = inner.shelf.put_proof(&place, bytes, job.note).await {
        if let Some(Line { times, of_others }) = unable(inner, submission) {
            let batch = &submission.batch;
            tracing::error!(%error, %batch, times, of_others, "a finished proof cannot be stored");
        }
        return RetryReason::StoreAway.submit();
    }
    storing.stored();
    let mut state = inner.lock();
    state.desk.stored(submission);
    drop(state.keep());
    let given_at = state.jobs.get(&key).and_then(|job| job.given_at).unwrap_or(inner.began);
    let took = inner.clock.now().as_millis().saturating_sub(given_at.as_millis());
    state.jobs.end(&key, Ok(Pulled { proof, took: Duration::from_millis(took) }));
    drop(state);
    tracing::info!(
        batch = submission.batch.number.0,
        level = submission.batch.level.name(),
        prover = %submission.prover,
        proves_nothing = !submission.prover.proves(),
        by = %submission.by,
        took_ms = took,
        "a proof was verified and stored"
    );
    SubmitOutcome::Stored
}

/// Looks at a proof, the cheap things first.
async fn judge(
    inner: &Arc<Inner>,
    backend: &Arc<dyn Backend>,
    job: &Job,
    prover: ProverType,
    bytes: &[u8],
) -> Result<Proof, Flaw> {
    let refused = |reason, cause: String| Err(Flaw::Refused(reason, cause));
    let proof = match Proof::decode(bytes) {
        Ok(proof) => proof,
        Err(error) => return refused(RefusedFor::Unreadable, error.to_string()),
    };
    if proof.prover != prover || proof.mode != ProofMode::Compressed {
        let cause = format!(
            "it is a {} proof of {}, and one of {prover}, compressed, is wanted",
            proof.mode, proof.prover
        );
        return refused(RefusedFor::Unreadable, cause);
    }
    if proof.program != job.program {
        let cause = format!("it is of the program {}, and {} is wanted", proof.program, job.program);
        return refused(RefusedFor::OtherProgram, cause);
    }
    if !job.says.contains(&proof.public_values) {
        return refused(RefusedFor::OtherStatement, "it says something else than the batch".to_owned());
    }
    let waiting = tokio::time::timeout(CHECK_WAIT, Arc::clone(&inner.checks).acquire_owned());
    let Ok(Ok(turn)) = waiting.await else { return Err(Flaw::Busy) };
    let (backend, checked, expected) = (Arc::clone(backend), proof.clone(), job.program);
    let checking = Checking::begin(inner, turn);
    let verified = tokio::task::spawn_blocking(move || {
        let verified = backend.verify(&checked, expected);
        // Not before: it goes on where whoever handed the proof in has gone.
        drop(checking);
        verified
    });
    match verified.await {
        Ok(Ok(())) => Ok(proof),
        Ok(Err(error)) if error.is_of_this_process() => Err(Flaw::Unchecked(error.to_string())),
        Ok(Err(error)) => refused(RefusedFor::DoesNotHold, error.to_string()),
        Err(_) => Err(Flaw::Unchecked("the check broke off; please report it".to_owned())),
    }
}

/// The line to write of what this process cannot do with a proof, if one is due.
fn unable(inner: &Inner, submission: &Submission) -> Option<Line> {
    inner.lock().unable.line(inner.clock.now(), &submission.by)
}

fn refuse(inner: &Inner, submission: &Submission, reason: RefusedFor, cause: String) -> SubmitOutcome {
    log_refused(inner, submission, reason, &cause);
    let mut state = inner.lock();
    let outcome = state.desk.refuse(inner.clock.now(), submission, reason, cause);
    drop(state.keep());
    outcome
}

fn log_refused(inner: &Inner, submission: &Submission, reason: RefusedFor, cause: &str) {
    let line = inner.lock().quiet.line(inner.clock.now(), &submission.by);
    let Some(line) = line else { return };
    tracing::warn!(
        event = "proof_refused",
        batch = submission.batch.number.0,
        prover = %submission.prover,
        by = %submission.by,
        reason = reason.name(),
        cause,
        times = line.times,
        of_others = line.of_others,
        "a proof was refused"
    );
}

/// A prover gives a batch back.
pub(super) fn give_back(
    inner: &Inner,
    by: &ProverName,
    batch: BatchId,
    prover: ProverType,
    fault: Option<&Fault>,
) {
    let mut state = inner.lock();
    let given_back = state.desk.give_back(inner.clock.now(), by, batch, prover, fault);
    drop(state.keep());
    match (&given_back, fault) {
        (GivenBack::GivenUp, Some(fault)) => state.jobs.end(&(batch, prover), Err(job_error(fault))),
        (GivenBack::Open, Some(fault)) => {
            if let Some(job) = state.jobs.get_mut(&(batch, prover)) {
                job.given_back = Some(fault.text.clone());
            }
        }
        _ => {}
    }
    drop(state);
    let (code, cause) =
        fault.map_or_else(Default::default, |fault| (fault.code.to_string(), fault.text.clone()));
    if given_back != GivenBack::NotHeld {
        counted::given_back(prover, fault);
        let given_up = given_back == GivenBack::GivenUp;
        let level = batch.level.name();
        tracing::info!(batch = batch.number.0, level, %prover, by = %by, code, cause, given_up, "a batch was given back");
    }
}

/// What provers failed at, as whoever waits for the proof understands it.
fn job_error(fault: &Fault) -> JobError {
    let cause = fault.text.clone();
    match fault.code {
        Code::TooSmall => JobError::CannotExecute { cause },
        code if code.is_of_memory() || code.is_of_execution() => JobError::CannotExecute { cause },
        _ => JobError::Failed { cause },
    }
}
