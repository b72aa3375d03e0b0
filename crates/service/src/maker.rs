//! What the services share: each builds the witness here, and has the proof made somewhere else.

use crate::{
    AggregationRequest, EpochProof, Flaw, JobError, NodeSide, ProofService, RangeProof, RangeRequest, Work,
    side::{flaw, stated},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_backends::Proof;
use proofmill_client::{StatedProof, Statement, VerifyError};
use proofmill_program::AggregationPublicValues;
use std::fmt;

/// How a service has proofs made. The rest of a [`ProofService`] follows from it.
pub(crate) trait Maker: fmt::Debug + Send + Sync {
    /// The chain, and the copies.
    fn side(&self) -> &NodeSide;

    fn range(
        &self,
        request: &RangeRequest,
        work: &Work,
    ) -> impl Future<Output = Result<RangeProof, JobError>> + Send;

    fn epoch(
        &self,
        request: &AggregationRequest,
        work: &Work,
    ) -> impl Future<Output = Result<EpochProof, JobError>> + Send;

    fn verify<S: Statement>(
        &self,
        proof: &StatedProof<S>,
    ) -> impl Future<Output = Result<(), VerifyError>> + Send;

    /// The same of an epoch proof, which must be carried as far as L1 wants it.
    fn verify_epoch(
        &self,
        proof: &StatedProof<AggregationPublicValues>,
    ) -> impl Future<Output = Result<(), Flaw>> + Send;

    /// Whoever made it must not hand it out again; whether that is known there now.
    fn refused(&self, proof: &Proof, cause: &str) -> impl Future<Output = bool> + Send;
}

async fn check<S: Statement>(maker: &impl Maker, bytes: &Bytes, values: &S) -> Result<(), Flaw> {
    maker.verify(&stated(bytes, values)?).await.map_err(flaw)
}

async fn check_epoch(
    maker: &impl Maker,
    bytes: &Bytes,
    values: &AggregationPublicValues,
) -> Result<(), Flaw> {
    maker.verify_epoch(&stated(bytes, values)?).await
}

impl<M: Maker> ProofService for M {
    fn prove_range<'a>(
        &'a self,
        request: &'a RangeRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<RangeProof, JobError>> {
        Box::pin(self.side().until_ending(self.range(request, work)))
    }

    fn aggregate<'a>(
        &'a self,
        request: &'a AggregationRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<EpochProof, JobError>> {
        Box::pin(self.side().until_ending(async move {
            self.side().check_epoch_rules(request).await?;
            self.epoch(request, work).await
        }))
    }

    fn check_range<'a>(&'a self, proof: &'a RangeProof) -> BoxFuture<'a, Result<(), Flaw>> {
        Box::pin(check(self, &proof.proof, &proof.values))
    }

    fn check_epoch<'a>(&'a self, proof: &'a EpochProof) -> BoxFuture<'a, Result<(), Flaw>> {
        Box::pin(check_epoch(self, &proof.proof, &proof.values))
    }

    fn refuse<'a>(&'a self, proof: &'a Bytes, cause: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            match self.side().withdraw(proof).await {
                Some(inner) => self.refused(&inner, cause).await,
                None => true,
            }
        })
    }

    fn input<'a>(&'a self, request: &'a RangeRequest) -> BoxFuture<'a, Result<Bytes, String>> {
        Box::pin(self.side().input(request))
    }
}
