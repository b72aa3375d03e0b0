//! What the node stands on: proof services (of `proofmill-service`), L1, L2 and two stores. Each is a trait, with the
//! implementation for a folder or for the clients of `proofmill-chain` beside it.

mod failures;
mod proofs;
mod requests;
mod settlement;
mod source;

pub use failures::{
    BadProof, FailureId, FailureRecord, FailureStore, FailureStoreError, Holds, Kept, MissingFile, NewFile,
    ProgramPair, RecordFile, Subject,
};
pub use proofmill_service::{
    AggregationRequest, Away, BlockHashes, EpochProof, Flaw, ProofService, RangeProof, RangeRequest,
    Statement, Work,
};
pub use proofs::{EpochKey, FsProofs, ProofStore, RangeKey, StoredRange};
pub use requests::{FsRequests, RequestStore};
pub use settlement::{EpochSubmission, Settlement};
pub use source::{ChainFeed, ChainSource};
