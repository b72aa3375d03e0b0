//! Epoch proofs: found, or made and kept.

use super::context::{Context, Prover, keep, until_cancelled};
use crate::{
    parts::{AggregationRequest, EpochProof, RangeProof, StoredRange, Work},
    rules::{Event, JobError, JobId, Origin, RangeSpec, RootDone, RootError},
};
use proofmill_primitives::ProverType;
use proofmill_program::aggregation;

/// Carries out [`Action::Aggregate`](crate::rules::Action::Aggregate). Nothing where it was cancelled.
pub(super) async fn aggregate(
    context: &Context,
    job: JobId,
    kind: ProverType,
    span: RangeSpec,
    ranges: Vec<RangeSpec>,
    work: Work,
) -> Option<Event> {
    let prover = context.provers.get(&kind)?;
    let result = find_or_make(context, kind, prover, span, &ranges, &work).await?;
    Some(Event::RootEnded { job, result })
}

async fn find_or_make(
    context: &Context,
    kind: ProverType,
    prover: &Prover,
    span: RangeSpec,
    ranges: &[RangeSpec],
    work: &Work,
) -> Option<Result<RootDone, RootError>> {
    let key = context.epoch_key(kind, prover, span);
    let _alone = tokio::select! {
        guard = context.locks.lock(key.content()) => guard,
        () = work.cancel().cancelled() => return None,
    };
    match context.proofs.epoch(&key).await {
        Ok(Some(proof)) if prover.service.reads_epoch(&proof) => {
            return Some(Ok(done(&proof, Origin::Reused)));
        }
        Ok(Some(_)) => tracing::warn!(%span, "a stored epoch proof cannot be read, and is made again"),
        Ok(None) => {}
        Err(error) => return Some(Err(away(error))),
    }
    let mut parts = Vec::with_capacity(ranges.len());
    for range in ranges {
        match part(context, kind, prover, *range).await {
            Ok(proof) => parts.push(proof),
            Err(error) => return Some(Err(error)),
        }
    }
    let by = context.aggregation(prover);
    let values: Vec<_> = parts.iter().map(|part| part.values.clone()).collect();
    let expected = match aggregation::fold(by, &values) {
        Ok(expected) => expected,
        Err(error) => return Some(Err(failed(format!("the ranges do not fit together: {error}")))),
    };
    if work.cancel().is_cancelled() {
        return None;
    }
    let request = AggregationRequest { span, by, ranges: parts, expected };
    let proof = match until_cancelled(work, prover.service.aggregate(&request, work)).await? {
        Ok(proof) => proof,
        Err(error) => return Some(Err(error.into())),
    };
    if proof.values != request.expected {
        return Some(Err(failed("the epoch proof says something else than its ranges".into())));
    }
    let done = done(&proof, Origin::Made);
    keep(work, || context.proofs.put_epoch(&key, &proof)).await.then_some(Ok(done))
}

async fn part(
    context: &Context,
    kind: ProverType,
    prover: &Prover,
    range: RangeSpec,
) -> Result<RangeProof, RootError> {
    match context.proofs.range(&context.range_key(kind, prover, range)).await {
        Ok(Some(StoredRange::Proof(proof))) if prover.service.reads_range(&proof) => Ok(*proof),
        Ok(_) => Err(RootError::PartLost { range }),
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
    RootDone {
        gas_used: proof.values.gasUsed,
        transactions: proof.values.transactions,
        ranges: proof.values.ranges,
        proof_bytes: proof.proof.len() as u64,
        cost: proof.cost,
        origin,
    }
}
