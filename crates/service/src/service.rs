//! What a proof service is.

use crate::{AggregationRequest, EpochProof, JobError, RangeProof, RangeRequest, Work};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::fmt;

/// Makes proofs of one prover type.
///
/// What was asked for is asked again after a restart, unless it was finished. A service that keeps its own work (a
/// cluster does) should find it again by what is asked.
pub trait ProofService: fmt::Debug + Send + Sync {
    /// Makes a range proof. Where the witness shows that the request is not true ([`RangeRequest::check`]), it should say
    /// so before the proof is paid for.
    ///
    /// When the work is cancelled, it ends soon; a proof that is finished nevertheless is kept.
    ///
    /// # Errors
    ///
    /// [`JobError`], by which the node decides whether to try again, to split the range or to give up.
    fn prove_range<'a>(
        &'a self,
        request: &'a RangeRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<RangeProof, JobError>>;

    /// Aggregates range proofs into an epoch proof, carried as far as L1's verifier needs it.
    ///
    /// # Errors
    ///
    /// As of [`prove_range`](Self::prove_range).
    fn aggregate<'a>(
        &'a self,
        request: &'a AggregationRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<EpochProof, JobError>>;

    /// Verifies a range proof that was stored: whether it can be aggregated, and proves what it says.
    ///
    /// # Errors
    ///
    /// [`Flaw`], by which the node decides whether the proof counts as not there, or is discarded.
    fn check_range<'a>(&'a self, proof: &'a RangeProof) -> BoxFuture<'a, Result<(), Flaw>>;

    /// The same of an epoch proof, which goes to L1.
    ///
    /// # Errors
    ///
    /// As of [`check_range`](Self::check_range).
    fn check_epoch<'a>(&'a self, proof: &'a EpochProof) -> BoxFuture<'a, Result<(), Flaw>>;

    /// A proof of this service does not hold, or is refused where it goes. The service must not hand it out again from what it
    /// keeps: who asks next gets one that was made anew. False where what keeps it is away: then it is handed out again until this is
    /// asked once more.
    fn refuse<'a>(&'a self, proof: &'a Bytes, cause: &'a str) -> BoxFuture<'a, bool>;

    /// The range program's input for a request, for the record of a failure.
    ///
    /// # Errors
    ///
    /// Why it cannot be built.
    fn input<'a>(&'a self, request: &'a RangeRequest) -> BoxFuture<'a, Result<Bytes, String>>;
}

/// Why a stored proof is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It cannot be read: another version made it. It counts as not there.
    #[error("it was made by another version, and cannot be read")]
    Unreadable,
    /// It was read, and does not hold.
    #[error("{cause}")]
    Bad {
        /// What refused it, and why.
        cause: String,
    },
    /// It could not be checked now.
    #[error("it cannot be checked now: {cause}")]
    Unchecked {
        /// Why.
        cause: String,
    },
}
