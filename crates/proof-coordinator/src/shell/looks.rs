//! A prover asks for work.

use super::{coordinator::Inner, counted, guards::Looking, shelf::ProofKey};
use crate::rules::{Ask, Asked, AskedType, AssignOutcome, BatchId, Found, Hold, Line, RetryReason, Taken};
use proofmill_artifacts::ArtifactError;
use std::{num::NonZeroU64, sync::Arc};

/// What a prover is given with a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) input_bytes: u64,
    pub(super) input_hash: [u8; 32],
    pub(super) cycle_limit: Option<NonZeroU64>,
}

/// Decides what a prover is told. What is [given](Given) comes with an assignment.
pub(super) async fn assign(inner: &Arc<Inner>, ask: &Ask) -> (AssignOutcome, Option<Given>) {
    let asked = {
        let (mut state, now) = (inner.lock(), inner.clock.now());
        if let AskedType::Known(prover) = ask.prover {
            state.asked.insert(prover, now);
        }
        let asked = state.desk.ask(now, ask);
        // That a batch was taken back need not be durable: it is stale after a restart, too.
        drop(state.keep());
        asked
    };
    let hold = match asked {
        Asked::Answer(outcome) => return (outcome, None),
        Asked::Look(hold) => hold,
    };
    if let Some(Taken { from, after }) = &hold.taken {
        counted::taken_back(hold.prover);
        tracing::warn!(
            event = "proof_timed_out",
            batch = hold.batch.number.0,
            level = hold.batch.level.name(),
            prover = %hold.prover,
            from = %from,
            after_s = after.as_secs(),
            "a batch is taken back: its prover is late"
        );
        if let Some(job) = inner.lock().jobs.get_mut(&(hold.batch, hold.prover)) {
            job.late = job.late.saturating_add(1);
        }
    }
    let looking = Looking::new(Arc::clone(inner), hold.clone());
    let found = match look(inner, &hold).await {
        Ok(found) => found,
        Err(error) => {
            let line = inner.lock().unable.line(inner.clock.now(), &ask.by);
            if let Some(Line { times, of_others }) = line {
                tracing::error!(
                    %error, batch = %hold.batch, times, of_others,
                    "a batch is not given out: the artifact store is away"
                );
            }
            return (RetryReason::StoreAway.assign(), None);
        }
    };
    let (outcome, given, receipt) = {
        let (mut state, now) = (inner.lock(), inner.clock.now());
        let outcome = state.desk.decide(now, ask, &hold, &found);
        looking.decided();
        let mut given = None;
        if let (AssignOutcome::Assigned { .. }, Some(job)) =
            (&outcome, state.jobs.get_mut(&(hold.batch, hold.prover)))
        {
            if !hold.again {
                job.given_at = Some(now);
            }
            let (input_bytes, input_hash) = (job.input.len() as u64, job.input_hash);
            given = Some(Given { input_bytes, input_hash, cycle_limit: job.cycle_limit });
        }
        (outcome, given, state.keep())
    };
    let AssignOutcome::Assigned { batch, .. } = outcome else { return (outcome, None) };
    // Who asks again was told before: that is durable.
    if !hold.again && !receipt.kept().await {
        let mut state = inner.lock();
        state.desk.take_back(batch, hold.prover, &ask.by);
        drop(state.keep());
        return (RetryReason::StoreAway.assign(), None);
    }
    told(&batch, &hold, ask);
    (outcome, given)
}

fn told(batch: &BatchId, hold: &Hold, ask: &Ask) {
    tracing::info!(
        batch = batch.number.0,
        level = batch.level.name(),
        prover = %hold.prover,
        to = %ask.by,
        again = hold.again,
        "a batch is given out"
    );
}

/// What storage says, and what is waited for.
async fn look(inner: &Inner, hold: &Hold) -> Result<Found, ArtifactError> {
    let Hold { batch, prover, .. } = *hold;
    let program = inner.lock().jobs.get(&(batch, prover)).map(|job| job.program);
    let Some(program) = program else { return Ok(Found::default()) };
    let proof = inner.shelf.has_proof(&ProofKey { batch, prover, program }).await?;
    // The input came with the batch.
    Ok(Found { proof, version: Some(program), inputs: [program].into() })
}
