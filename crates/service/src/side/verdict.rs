//! What a witness that is not built in time says of the range.

use crate::JobError;
use std::time::Duration;

/// The nodes took too long.
pub(super) fn not_gathered(within: Duration) -> JobError {
    let cause = format!(
        "its witness was not gathered within {} s: L2's nodes are slow or overloaded; give them time (--gather-timeout), \
         ask for fewer ranges at the same time (--max-range-jobs), or name more nodes",
        within.as_secs()
    );
    JobError::Unavailable { cause }
}
