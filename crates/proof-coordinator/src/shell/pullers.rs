//! Somebody wants a proof: the batch is laid on the desk, until a prover has handed the proof in.

use super::{
    coordinator::{Coordinator, Inner},
    guards::{Waiting, slow_check},
    jobs::{Job, Key},
    shelf::ProofKey,
};
use crate::rules::{BatchId, SlotShown};
use futures::future::BoxFuture;
use proofmill_artifacts::ArtifactError;
use proofmill_backends::Proof;
use proofmill_ledger::Timestamp;
use proofmill_primitives::{ProgramVersion, ProofMode, ProverType};
use proofmill_service::{FoundProof, JobError, Progress, Pulled, Pullers, Sought, Wanted, Work};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::watch;

/// How often it is looked how far a batch is.
const LOOK: Duration = Duration::from_secs(5);
/// A type of which no prover asks for so long is said to have none.
const SILENCE: Duration = Duration::from_secs(60);
/// So many provers that are late with the same batch are no accident.
const LATE: u32 = 2;

impl Pullers for Coordinator {
    fn found<'a>(&'a self, sought: &'a Sought) -> BoxFuture<'a, Result<Option<FoundProof>, JobError>> {
        Box::pin(async move { found(&self.0, sought).await.map_err(|error| unavailable(&error)) })
    }

    fn prove<'a>(&'a self, wanted: Wanted, work: &'a Work) -> BoxFuture<'a, Result<Pulled, JobError>> {
        Box::pin(prove(&self.0, wanted, work))
    }

    fn refuse<'a>(&'a self, proof: &'a Proof, cause: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let marked = self.0.shelf.refuse(&proof.encode(), cause).await;
            if let Err(error) = &marked {
                tracing::error!(%error, "a refused proof cannot be marked as such");
            }
            marked.is_ok()
        })
    }
}

impl Coordinator {
    /// What keeps batches from being proven, for an operator.
    pub fn problems(&self) -> Vec<String> {
        let inner = &self.0;
        let (state, now) = (inner.lock(), inner.clock.now());
        let waiting = state.desk.shown().into_iter().filter(|shown| shown.state == SlotShown::Waiting);
        let types: BTreeSet<_> = waiting.map(|shown| shown.prover).collect();
        let silent = |of: &ProverType| is_silent(state.asked.get(of).copied(), inner.began, now);
        let slow = slow_check(state.checking.values(), now);
        let cannot_follow =
            |cause: &String| format!("the rollup cannot be followed, and new batches wait: {cause}");
        let cannot_follow = state.cannot_follow.as_ref().map(cannot_follow);
        let silent = types.into_iter().filter(silent).map(no_prover);
        cannot_follow.into_iter().chain(silent).chain(state.board.problem()).chain(slow).collect()
    }
}

async fn prove(inner: &Arc<Inner>, wanted: Wanted, work: &Work) -> Result<Pulled, JobError> {
    let batch = batch_of(&wanted.sought);
    let key: Key = (batch, wanted.sought.prover);
    if let Some(proof) = stored(inner, &wanted).await.map_err(|error| unavailable(&error))? {
        return Ok(Pulled { proof, took: Duration::ZERO });
    }
    let (ended, _) = watch::channel(None);
    let job = Job {
        program: wanted.sought.program,
        says: wanted.says,
        input_hash: *blake3::hash(&wanted.stdin).as_bytes(),
        input: wanted.stdin,
        note: wanted.note,
        cycle_limit: wanted.cycle_limit,
        given_at: None,
        given_back: None,
        late: 0,
        ended,
        waiting: 0,
    };
    tracing::info!(
        batch = batch.number.0,
        level = batch.level.name(),
        prover = %key.1,
        input_bytes = job.input.len(),
        "a batch is ready for provers"
    );
    let (mut ended, _waiting) = {
        let mut state = inner.lock();
        let ended = state.jobs.join(key, job);
        state.desk.add(inner.clock.now(), batch, key.1);
        drop(state.keep());
        (ended, Waiting { inner: Arc::clone(inner), key })
    };
    loop {
        // It may have ended before this one came.
        if let Some(how) = ended.borrow_and_update().clone() {
            return how;
        }
        tell(inner, &key, work);
        tokio::select! {
            () = work.cancel().cancelled() => return Err(JobError::Cancelled),
            () = tokio::time::sleep(LOOK) => {}
            changed = ended.changed() => if changed.is_err() {
                return Err(JobError::Cancelled);
            },
        }
    }
}

const fn batch_of(sought: &Sought) -> BatchId {
    BatchId { number: sought.number, level: sought.level, content: sought.content }
}

const fn place_of(sought: &Sought) -> ProofKey {
    ProofKey { batch: batch_of(sought), prover: sought.prover, program: sought.program }
}

fn unavailable(error: &ArtifactError) -> JobError {
    JobError::Unavailable { cause: error.to_string() }
}

/// A proof in its form on the shelf, if it is one of this program.
pub(super) fn read(bytes: &[u8], program: ProgramVersion) -> Option<Proof> {
    let proof = Proof::decode(bytes).ok()?;
    (proof.mode == ProofMode::Compressed && proof.program == program).then_some(proof)
}

/// What is known of a proof before its input is: what was kept with it tells whoever wants it the rest.
async fn found(inner: &Inner, sought: &Sought) -> Result<Option<FoundProof>, ArtifactError> {
    let key = place_of(sought);
    let Some(note) = inner.shelf.note(&key).await? else { return Ok(None) };
    let Some(bytes) = inner.shelf.proof(&key).await? else { return Ok(None) };
    Ok(read(&bytes, sought.program).map(|proof| FoundProof { proof, note }))
}

/// A proof that was handed in before a restart. What is on the shelf was verified before it came there.
async fn stored(inner: &Inner, wanted: &Wanted) -> Result<Option<Proof>, ArtifactError> {
    let key = place_of(&wanted.sought);
    let Some(bytes) = inner.shelf.proof(&key).await? else { return Ok(None) };
    let proof = read(&bytes, key.program).filter(|proof| wanted.says.contains(&proof.public_values));
    if proof.is_none() {
        tracing::warn!(batch = %key.batch, "a stored proof is of something else, and is made again");
        inner.shelf.remove(&key).await?;
    }
    Ok(proof)
}

/// Says how far a batch is.
fn tell(inner: &Inner, key: &Key, work: &Work) {
    let (held, silent, given_back, late) = {
        let (state, now) = (inner.lock(), inner.clock.now());
        let of_it = |shown: &crate::rules::Shown| (shown.batch, shown.prover) == *key;
        let shown = state.desk.shown().into_iter().find(of_it);
        let held = shown.is_some_and(|shown| matches!(shown.state, SlotShown::Held(_)));
        let last = state.asked.get(&key.1).copied();
        let (given_back, late) =
            state.jobs.get(key).map_or((None, 0), |job| (job.given_back.clone(), job.late));
        (held, is_silent(last, inner.began, now), given_back, late)
    };
    let held_up = match given_back {
        _ if silent && !held => no_prover(key.1),
        // One may have been stopped. More of them are too slow, or go down over it.
        _ if late >= LATE => too_late(key.1, late, inner.config.timeout),
        _ if held => String::new(),
        // What does not count as a try goes on like that until somebody does something about it.
        Some(cause) => format!("a {} prover gave it back, and it is given to others: {cause}", key.1),
        None => String::new(),
    };
    work.stands(Progress { done: 0, total: 1, running: held }, &held_up);
}

fn too_late(prover: ProverType, late: u32, timeout: Duration) -> String {
    format!(
        "{late} {prover} provers had it for {} s and handed nothing in: see in their logs whether they are killed over it, for want of \
         memory say, or give them longer (--prover-timeout)",
        timeout.as_secs()
    )
}

fn is_silent(last: Option<Timestamp>, began: Timestamp, now: Timestamp) -> bool {
    now.since(last.unwrap_or(began)) >= SILENCE
}

fn no_prover(prover: ProverType) -> String {
    format!(
        "no {prover} prover has asked for work for {} s: start one with `proofmill prover --prover-type {prover} \
         --coordinator` and this coordinator's address",
        SILENCE.as_secs()
    )
}
