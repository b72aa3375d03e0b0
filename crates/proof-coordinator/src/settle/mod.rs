//! Batches that have every proof go to L1: the async around the rules of [`Settling`](crate::rules::Settling).

mod metrics;
mod offers;
mod parts;
mod remembered;
mod settler;
mod status;
mod tell;
#[cfg(test)]
mod tests;
mod unready;

pub use parts::{BatchCall, BatchSettlement, Evidence, NotReady, RefusedProof};
pub use remembered::Remembered;
pub use settler::Settler;
pub use status::{BatchGas, QuotedCall, SettledCall, SettlingStatus};
