//! A prover asks for work.

use super::{
    coordinator::Inner,
    counted,
    guards::{Giving, Looking},
    pullers,
    shelf::ProofKey,
};
use crate::rules::{Ask, Asked, AskedType, AssignOutcome, BatchId, Found, Hold, Line, RetryReason, Taken};
use proofmill_artifacts::ArtifactError;
use proofmill_backends::Proof;
use proofmill_service::Pulled;
use std::{num::NonZeroU64, sync::Arc, time::Duration};

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
    let (found, proof) = match look(inner, &hold).await {
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
    let (outcome, given, is_kept, receipt) = {
        let (mut state, now) = (inner.lock(), inner.clock.now());
        let outcome = state.desk.decide(now, ask, &hold, &found);
        looking.decided();
        // Whoever handed it in has gone before it was known here: nobody else tells who waits for it.
        if let Some(proof) = proof {
            state.jobs.end(&(hold.batch, hold.prover), Ok(Pulled { proof, took: Duration::ZERO }));
        }
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
        let is_kept = state.desk.is_kept(hold.batch, hold.prover);
        (outcome, given, is_kept, state.keep())
    };
    let AssignOutcome::Assigned { batch, .. } = outcome else { return (outcome, None) };
    if !is_kept {
        let giving = Giving::new(inner, (batch, hold.prover), &ask.by);
        if !receipt.kept().await {
            return (RetryReason::StoreAway.assign(), None);
        }
        if !giving.kept() {
            return (RetryReason::NoWork.assign(), None);
        }
    }
    told(&batch, &hold, ask);
    (outcome, given)
}

fn told(batch: &BatchId, hold: &Hold, ask: &Ask) {
    let (number, level, prover, to) = (batch.number.0, batch.level.name(), hold.prover, &ask.by);
    // Whoever asks again and again fills no disk.
    if hold.again {
        tracing::debug!(batch = number, level, %prover, %to, "a batch is given out again, to who holds it");
    } else {
        tracing::info!(batch = number, level, %prover, %to, "a batch is given out");
    }
}

/// What storage says, and what is waited for; and the proof, if it is there.
async fn look(inner: &Inner, hold: &Hold) -> Result<(Found, Option<Proof>), ArtifactError> {
    let Hold { batch, prover, .. } = *hold;
    let wanted = inner.lock().jobs.get(&(batch, prover)).map(|job| (job.program, job.says.clone()));
    let Some((program, says)) = wanted else { return Ok((Found::default(), None)) };
    let key = ProofKey { batch, prover, program };
    let proof = inner.shelf.look(&key).await?.and_then(|bytes| pullers::read(&bytes, program));
    let proof = proof.filter(|proof| says.contains(&proof.public_values));
    // The input came with the batch.
    Ok((Found { proof: proof.is_some(), version: Some(program), inputs: [program].into() }, proof))
}
