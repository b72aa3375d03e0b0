//! Epoch proofs: found, or made and kept.

use super::{
    context::{Context, Prover, keep, until_cancelled},
    stored::Stored,
};
use crate::{
    parts::{AggregationRequest, EpochProof, RangeProof, StoredRange, Work},
    rerun::expected,
    rules::{EpochSpec, Event, JobError, JobId, Origin, RangeSpec, RootDone, RootError},
};
use proofmill_primitives::ProverType;
use proofmill_program::Aggregation;

/// What an epoch proof is made of.
pub(super) struct EpochParts {
    pub(super) span: EpochSpec,
    pub(super) ranges: Vec<RangeSpec>,
    pub(super) checkpoints: Vec<u32>,
}

/// Carries out [`Action::Aggregate`](crate::rules::Action::Aggregate). Nothing where it was cancelled.
pub(super) async fn aggregate(
    context: &Context,
    job: JobId,
    kind: ProverType,
    parts: EpochParts,
    work: Work,
) -> Option<Event> {
    let prover = context.provers.get(&kind)?;
    let result = find_or_make(context, kind, prover, parts, &work).await?;
    Some(Event::RootEnded { job, result })
}

async fn find_or_make(
    context: &Context,
    kind: ProverType,
    prover: &Prover,
    EpochParts { span, ranges: specs, checkpoints }: EpochParts,
    work: &Work,
) -> Option<Result<RootDone, RootError>> {
    let key = context.epoch_key(kind, prover, span);
    let _alone = tokio::select! {
        guard = context.locks.lock(key.content()) => guard,
        () = work.cancel().cancelled() => return None,
    };
    match context.stored_epoch(prover, &key).await {
        Ok(Stored::Good(proof)) => return Some(Ok(done(&proof, Origin::Reused))),
        Ok(Stored::Bad { cause }) => work.discarded(&cause),
        Ok(Stored::Nothing) => {}
        Err(error) => return Some(Err(away(error))),
    }
    let mut ranges = Vec::with_capacity(specs.len());
    for range in &specs {
        match part(context, kind, prover, *range).await {
            Ok(proof) => ranges.push(proof),
            Err(error) => return Some(Err(error)),
        }
    }
    let by =
        Aggregation { range_key: prover.range_program.0, from_commitment: span.from_commitment, checkpoints };
    let values: Vec<_> = ranges.iter().map(|range| range.values.clone()).collect();
    let expected = match expected(&by, &values, &span) {
        Ok(expected) => expected,
        Err(cause) => return Some(Err(failed(cause))),
    };
    if work.cancel().is_cancelled() {
        return None;
    }
    let request = AggregationRequest { span, by, ranges, expected };
    let proof = match until_cancelled(work, prover.service.aggregate(&request, work)).await? {
        Ok(proof) => proof,
        Err(error) => return Some(Err(error.into())),
    };
    if proof.values != request.expected {
        return Some(Err(failed("the epoch proof says something else than its ranges".into())));
    }
    let done = done(&proof, Origin::Made);
    context.holds(kind, &proof.values, &proof.proof);
    let block = key.span.range.blocks.last();
    let put = || async {
        context.forget_refused(block, &proof.proof).await?;
        context.proofs.put_epoch(&key, &proof).await.map_err(|error| error.to_string())
    };
    keep(work, put).await.then_some(Ok(done))
}

async fn part(
    context: &Context,
    kind: ProverType,
    prover: &Prover,
    range: RangeSpec,
) -> Result<RangeProof, RootError> {
    match context.stored_range(prover, &context.range_key(kind, prover, range)).await {
        Ok(Stored::Good(StoredRange::Proof(proof))) => Ok(*proof),
        Ok(Stored::Bad { cause }) => Err(RootError::BadPart { range, cause }),
        Ok(_) => {
            tracing::warn!(prover = %kind, %range, "a range proof is not in the store any more: it is made again");
            Err(RootError::PartLost { range })
        }
        Err(error) => Err(away(error)),
    }
}

fn away(error: impl std::fmt::Display) -> RootError {
    JobError::Unavailable { cause: error.to_string() }.into()
}

fn failed(cause: String) -> RootError {
    JobError::Failed { cause }.into()
}

fn done(proof: &EpochProof, origin: Origin) -> RootDone {
    RootDone { proof_bytes: proof.proof.len() as u64, cost: proof.cost, origin }
}
