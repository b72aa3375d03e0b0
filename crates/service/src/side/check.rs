//! What is looked at before a proof is asked for.

use super::proven_for;
use crate::{BlockHashes, JobError, RangeRequest};
use alloy_primitives::B256;
use proofmill_chain::{ProofTypeConfig, Rules};
use proofmill_primitives::CheckpointNumber;
use proofmill_program::range;
use proofmill_witness::{Node, Witnessed};

/// Whether a checkpoint is proven under the rules that this node has. Those of a rollup may change; the node goes on with the
/// checkpoints before, and another one has to prove those after.
pub(super) fn check_rules(
    checkpoint: CheckpointNumber,
    rules: &Rules,
    config_hash: B256,
    programs: &ProofTypeConfig,
) -> Result<(), JobError> {
    let held_up = |what: String| {
        let cause =
            format!("checkpoint {checkpoint} is to be proven under other rules than this node has: {what}");
        Err(JobError::Unavailable { cause })
    };
    if rules.config_hash != config_hash {
        return held_up(format!(
            "its blocks are of the chain rules {}, not {config_hash}; run a node with the genesis file of those (--genesis)",
            rules.config_hash
        ));
    }
    let prover = programs.prover;
    let Some(wanted) = rules.proof_type(prover) else {
        return held_up(format!("L1 asks for no {prover} proof of it; start this node again"));
    };
    if (wanted.range_key, wanted.aggregation_key) != (programs.range_key, programs.aggregation_key) {
        return held_up(format!(
            "L1 wants {prover} proofs of the range program {}, not {}; run a node of the release that has it",
            wanted.range_key, programs.range_key
        ));
    }
    Ok(())
}

/// Executes the blocks of a request, which are to be those that L1 names.
pub(super) async fn witness(
    l2: &Node,
    blocks: &dyn BlockHashes,
    request: &RangeRequest,
) -> Result<Witnessed, JobError> {
    // Not to execute what would not be what L1 names.
    check_branch(blocks, request).await?;
    let witnessed = match l2.witness(request.range.blocks, &|_| {}).await {
        Ok(witnessed) => witnessed,
        Err(error) => {
            let error = JobError::from(error);
            if matches!(error, JobError::Refuted { .. }) {
                check_branch(blocks, request).await?;
            }
            return Err(error);
        }
    };
    request.check(&range::public_values(proven_for(request), &witnessed.outcome))?;
    Ok(witnessed)
}

/// The witness of a request's blocks for the record of a failure: of those that L1 names, whatever it claims of them.
pub(super) async fn evidence(l2: &Node, request: &RangeRequest) -> Result<Witnessed, String> {
    let witnessed = l2.witness(request.range.blocks, &|_| {}).await.map_err(|error| error.to_string())?;
    match request.check(&range::public_values(proven_for(request), &witnessed.outcome)) {
        Ok(()) | Err(JobError::Refuted { .. }) => Ok(witnessed),
        Err(error) => Err(error.to_string()),
    }
}

/// Makes sure that L2 has the blocks that L1 names: what is wrong with others refutes nothing.
async fn check_branch(blocks: &dyn BlockHashes, request: &RangeRequest) -> Result<(), JobError> {
    let range = &request.range;
    for (number, expected) in
        [(range.blocks.first().saturating_sub(1), range.parent_hash), (range.blocks.last(), range.last_hash)]
    {
        let unavailable = |cause: String| Err(JobError::Unavailable { cause });
        match blocks.hash(number).await {
            Ok(Some(got)) if got == expected => {}
            Ok(Some(got)) => {
                return unavailable(format!(
                    "L2 has another branch than L1: block {number} has hash {got} there, and {expected} in checkpoint {}",
                    request.checkpoint.number
                ));
            }
            Ok(None) => return unavailable(format!("L2 has no block {number}: its node is behind")),
            Err(away) => return unavailable(away.cause),
        }
    }
    Ok(())
}
