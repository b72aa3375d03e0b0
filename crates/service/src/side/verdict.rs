//! What a witness that is not built says of the range.

use crate::JobError;
use proofmill_witness::BuildError;
use std::{error::Error, time::Duration};

pub(super) fn no_witness(error: BuildError) -> JobError {
    let cause = error.to_string();
    match error {
        // What has a cause of its own is a fault of the witness that the blocks were executed from, not of the blocks.
        BuildError::Execution(fault) if fault.source().is_some() => JobError::Failed { cause },
        BuildError::Execution(_) => JobError::Refuted {
            cause: format!(
                "{cause}; L1 names these very blocks, so the node that made them does not follow the chain's rules \
                 (anvil's state roots are not Ethereum's: use another node for L2)"
            ),
        },
        BuildError::Unreachable { .. }
        | BuildError::Refused { .. }
        | BuildError::MethodMissing { .. }
        | BuildError::Malformed { .. }
        | BuildError::ChainId { .. }
        | BuildError::BeyondHead { .. }
        | BuildError::Lags { .. }
        | BuildError::BlockGone { .. }
        | BuildError::Reorg { .. }
        | BuildError::NoHistory { .. }
        | BuildError::Expired { .. }
        // A node that answers falsely: another one, or the same when it is mended, may do better.
        | BuildError::FalseHeader { .. }
        | BuildError::OtherBlock { .. }
        | BuildError::FalseBody { .. }
        | BuildError::FalseProof { .. }
        | BuildError::FalseCode { .. } => JobError::Unavailable { cause },
        _ => JobError::Failed { cause },
    }
}

/// The nodes took too long.
pub(super) fn not_gathered(within: Duration) -> JobError {
    let cause = format!(
        "its witness was not gathered within {} s: L2's nodes are slow or overloaded; give them time (--gather-timeout), \
         ask for fewer ranges at the same time (--max-range-jobs), or name more nodes",
        within.as_secs()
    );
    JobError::Unavailable { cause }
}
