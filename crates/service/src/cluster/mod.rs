//! The proof service `cluster`: witness here, proof there.

#[cfg(test)]
mod tests;
mod verdict;
mod watch;

use crate::{
    AggregationRequest, EpochProof, JobError, NodeSide, RangeProof, RangeRequest, Work,
    blame::{blamed, dearest},
    maker::Maker,
    side::Gathered,
};
use bytes::Bytes;
use proofmill_backends::Proof;
use proofmill_client::{
    CheckpointProof, ClientError, ClusterProver, EpochProof as EpochProofFile, Made, StatedProof, Statement,
    VerifyError,
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

impl Maker for ClusterService {
    fn side(&self) -> &NodeSide {
        &self.side
    }

    async fn range(&self, request: &RangeRequest, work: &Work) -> Result<RangeProof, JobError> {
        let Gathered { statement, input, witness, executed } = self.side.gather(request, work).await?;
        let watch = Watch::new(work);
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
        let watch = Watch::new(work);
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

    async fn verify<S: Statement>(&self, proof: &StatedProof<S>) -> Result<(), VerifyError> {
        self.prover.verify_stated(proof).await
    }

    async fn refused(&self, proof: &Proof, cause: &str) {
        if let Err(error) = self.prover.refuse(proof, cause).await {
            tracing::error!(%error, "the cluster cannot be told that its proof is refused");
        }
    }
}
