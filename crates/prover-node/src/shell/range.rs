//! Range proofs: found, or made and kept.

use super::{
    context::{Context, Prover, keep, until_cancelled},
    stored::Stored,
};
use crate::{
    parts::{RangeProof, RangeRequest, StoredRange, Work},
    rules::{Event, JobError, JobId, Origin, RangeDone, RangeSpec, SplitPoint},
};
use proofmill_primitives::ProverType;

/// Carries out [`Action::Prove`](crate::rules::Action::Prove). Nothing where it was cancelled.
pub(super) async fn prove(
    context: &Context,
    job: JobId,
    kind: ProverType,
    request: RangeRequest,
    work: Work,
) -> Option<Event> {
    let prover = context.provers.get(&kind)?;
    let result = match find_or_make(context, kind, prover, &request, &work).await? {
        Ok(Found::Proof(done)) => Ok(done),
        Ok(Found::Split(split)) => return Some(Event::RangeSplit { job, split }),
        Err(error) => Err(error),
    };
    Some(Event::RangeEnded { job, result })
}

enum Found {
    Proof(RangeDone),
    Split(SplitPoint),
}

async fn find_or_make(
    context: &Context,
    kind: ProverType,
    prover: &Prover,
    request: &RangeRequest,
    work: &Work,
) -> Option<Result<Found, JobError>> {
    let key = context.range_key(kind, prover, request.range);
    let _alone = tokio::select! {
        guard = context.locks.lock(key.content()) => guard,
        () = work.cancel().cancelled() => return None,
    };
    match context.stored_range(prover, &key).await {
        Ok(Stored::Good(StoredRange::Proof(proof))) => match request.check(&proof.values) {
            Ok(()) => return Some(Ok(Found::Proof(done(&proof, Origin::Reused)))),
            // A checkpoint that claims another state for the same blocks.
            Err(error @ JobError::Refuted { .. }) => return Some(Err(error)),
            Err(error) => tracing::warn!(%error, range = %request.range, "a stored proof is made again"),
        },
        Ok(Stored::Good(StoredRange::Split(point))) if request.range.split(point).is_some() => {
            return Some(Ok(Found::Split(point)));
        }
        Ok(Stored::Bad { cause }) => work.discarded(&cause),
        Ok(_) => {}
        Err(cause) => return Some(Err(JobError::Unavailable { cause })),
    }
    if work.cancel().is_cancelled() {
        return None;
    }
    let proof = match until_cancelled(work, prover.service.prove_range(request, work)).await? {
        Ok(proof) => proof,
        Err(error) => return Some(Err(error)),
    };
    if let Err(error) = request.check(&proof.values) {
        return Some(Err(error));
    }
    let done = done(&proof, Origin::Made);
    context.holds(kind, &proof.values, &proof.proof);
    let (block, bytes) = (key.range.blocks.last(), proof.proof.clone());
    let stored = StoredRange::Proof(Box::new(proof));
    let put = || async {
        context.forget_refused(block, &bytes).await?;
        context.proofs.put_range(&key, &stored).await.map_err(|error| error.to_string())
    };
    keep(work, put).await.then_some(Ok(Found::Proof(done)))
}

fn done(proof: &RangeProof, origin: Origin) -> RangeDone {
    RangeDone { executed: proof.executed, proof_bytes: proof.proof.len() as u64, cost: proof.cost, origin }
}

/// Carries out [`Action::FindSplit`](crate::rules::Action::FindSplit).
pub(super) async fn find_split(
    context: &Context,
    job: JobId,
    range: RangeSpec,
    at: u64,
    work: Work,
) -> Option<Event> {
    let result = tokio::select! {
        result = split_point(context, range, at) => result,
        () = work.cancel().cancelled() => return None,
    };
    Some(match result {
        Ok(split) => Event::RangeSplit { job, split },
        Err(cause) => Event::RangeEnded { job, result: Err(JobError::Unavailable { cause }) },
    })
}

/// Carries out [`Action::KeepSplit`](crate::rules::Action::KeepSplit). A split that is not kept is found out again after a
/// restart.
pub(super) async fn keep_split(context: &Context, kind: ProverType, range: RangeSpec, split: SplitPoint) {
    let Some(prover) = context.provers.get(&kind) else { return };
    let key = context.range_key(kind, prover, range);
    if let Err(error) = context.proofs.put_range(&key, &StoredRange::Split(split)).await {
        tracing::warn!(%error, %range, "the split of a range cannot be stored");
    }
}

/// The hash of a block on the branch of a range. L2 may leave that branch at any time: it is looked at before and after.
async fn split_point(context: &Context, range: RangeSpec, at: u64) -> Result<SplitPoint, String> {
    let hash = async |number: u64| {
        let hash = context.blocks.hash(number).await.map_err(|away| away.cause)?;
        hash.ok_or_else(|| format!("L2 has no block {number}: its node is behind, or on another branch"))
    };
    let is_there = async || {
        let last = range.blocks.last();
        let got = hash(last).await?;
        let expected = range.last_hash;
        let other = || {
            format!(
                "L2 has another branch than L1: block {last} has hash {got} there, and {expected} in its checkpoint"
            )
        };
        if got == expected { Ok(()) } else { Err(other()) }
    };
    is_there().await?;
    let point = SplitPoint { at, hash: hash(at).await? };
    is_there().await?;
    Ok(point)
}
