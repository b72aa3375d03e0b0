//! The proof service `cluster`: witness here, proof there.

#[cfg(test)]
mod tests;
mod verdict;
mod watch;

use crate::{
    AggregationRequest, EpochProof, Flaw, JobError, NodeSide, ProofService, RangeProof, RangeRequest, Work,
    blame::{blamed, dearest},
    side::{Gathered, flaw, stated},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_client::{
    CheckpointProof, ClientError, ClusterProver, EpochProof as EpochProofFile, Made, Statement,
};
use verdict::no_proof;
use watch::{Watch, cost};

/// Makes the proofs of one prover type on a cluster.
#[derive(Debug)]
pub struct ClusterService {
    /// Asks the cluster.
    pub prover: ClusterProver,
    /// The chain, and the copies.
    pub side: NodeSide,
    /// A block that takes more instructions for each gas is warned of.
    pub warn_above: u64,
}

impl ClusterService {
    async fn range(&self, request: &RangeRequest, work: &Work) -> Result<RangeProof, JobError> {
        let Gathered { statement, input, witness, executed } = self.side.gather(request, work).await?;
        let mut watch = Watch::new(work);
        let prover = ClusterProver { cycle_limit: request.cycle_limit, ..self.prover.clone() };
        let proving = prover.prove_range(&input, statement, work.cancel(), |progress| watch.see(progress));
        let made: Result<Made<CheckpointProof>, ClientError> = proving.await;
        let Made { proof, progress, .. } = match made {
            Ok(made) => made,
            Err(error) => {
                return Err(blamed(no_proof(work, error), request.range.blocks, witness).await);
            }
        };
        if progress.instructions > self.warn_above.saturating_mul(executed.gas_used)
            && let Some(dearest) = dearest(witness).await
        {
            tracing::warn!(
                blocks = %request.range.blocks,
                instructions = progress.instructions,
                gas = executed.gas_used,
                dearest = %dearest,
                "blocks cost much for their gas, most likely by this transaction"
            );
        }
        let bytes: Bytes = proof.encode().into();
        self.side.save_range(&proof, &bytes).await;
        Ok(RangeProof { values: proof.statement, proof: bytes, executed, cost: cost(&progress) })
    }

    async fn epoch(&self, request: &AggregationRequest, work: &Work) -> Result<EpochProof, JobError> {
        let ranges = request.parts()?;
        let mut watch = Watch::new(work);
        let proving =
            self.prover.prove_epoch(&request.by, &ranges, work.cancel(), |progress| watch.see(progress));
        let Made { proof, progress, .. }: Made<EpochProofFile> =
            proving.await.map_err(|error| no_proof(work, error))?;
        let bytes: Bytes = proof.encode().into();
        self.side.save_epoch(&proof, &bytes).await;
        Ok(EpochProof {
            values: proof.statement,
            proof: bytes,
            executed: request.executed(),
            cost: cost(&progress),
        })
    }

    async fn check<S: Statement>(&self, bytes: &Bytes, values: &S) -> Result<(), Flaw> {
        self.prover.verify_stated(&stated(bytes, values)?).await.map_err(flaw)
    }
}

impl ProofService for ClusterService {
    fn prove_range<'a>(
        &'a self,
        request: &'a RangeRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<RangeProof, JobError>> {
        Box::pin(self.side.until_ending(self.range(request, work)))
    }

    fn aggregate<'a>(
        &'a self,
        request: &'a AggregationRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<EpochProof, JobError>> {
        Box::pin(self.side.until_ending(self.epoch(request, work)))
    }

    fn check_range<'a>(&'a self, proof: &'a RangeProof) -> BoxFuture<'a, Result<(), Flaw>> {
        Box::pin(self.check(&proof.proof, &proof.values))
    }

    fn check_epoch<'a>(&'a self, proof: &'a EpochProof) -> BoxFuture<'a, Result<(), Flaw>> {
        Box::pin(self.check(&proof.proof, &proof.values))
    }

    fn refuse<'a>(&'a self, proof: &'a Bytes, cause: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Some(inner) = self.side.withdraw(proof).await else { return };
            if let Err(error) = self.prover.refuse(&inner, cause).await {
                tracing::error!(%error, "the cluster cannot be told that its proof is refused");
            }
        })
    }

    fn input<'a>(&'a self, request: &'a RangeRequest) -> BoxFuture<'a, Result<Bytes, String>> {
        Box::pin(self.side.input(request))
    }
}
