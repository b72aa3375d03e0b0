//! Why a cluster cannot run, and how refusals look on the wire.

use proofmill_ledger::LedgerError;
use proofmill_scheduler::Refused;
use proofmill_wire::text;
use tonic::Status;

/// Why a cluster cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The ledger cannot be read.
    #[error("cannot bring back what was going on: {0}")]
    Restore(#[source] LedgerError),
    /// The ledger refuses a change, so that state and ledger would differ: the process must end.
    #[error("the ledger refused a change; restart to go on from what is durable: {0}")]
    Diverged(#[source] LedgerError),
    /// The task that owns the state panicked: a defect. What was acknowledged is durable.
    #[error(
        "the coordinator's state was lost by a defect ({cause}); restart to go on from what is durable, and report it"
    )]
    Panicked {
        /// Where and why.
        cause: String,
    },
    /// The server ended.
    #[error("the gRPC server ended: {0}")]
    Server(#[from] tonic::transport::Error),
}

/// The most bytes of a status's text. It travels in a header, of which peers take 16 KiB in all, and may name what a client chose.
const LONGEST: usize = 1024;

/// A text that travels in a header, whatever it names.
pub(crate) fn brief(text: impl Into<String>) -> String {
    text::brief(text, LONGEST)
}

/// The gRPC status that says the same.
pub(crate) fn status(refused: &Refused) -> Status {
    let text = brief(refused.to_string());
    match refused {
        Refused::ProofExists(_) | Refused::TaskExists(_) => Status::already_exists(text),
        Refused::NoSuchProof(_) | Refused::NoSuchTask(_) | Refused::NoSuchWorker(_) => {
            Status::not_found(text)
        }
        Refused::UselessWorker { .. } => Status::invalid_argument(text),
    }
}
