//! The proof service `cluster`: witness here, proof there.

#[cfg(test)]
mod tests;
mod verdict;
mod watch;

use crate::{
    AggregationRequest, Away, EpochProof, Flaw, JobError, L1Verifiers, NodeSide, RangeProof, RangeRequest,
    Work,
    blame::{blamed, dearest},
    maker::Maker,
    side::{Gathered, flaw},
};
use bytes::Bytes;
use proofmill_backends::Proof;
use proofmill_client::{
    CheckpointProof, ClientError, ClusterProver, EpochProof as EpochProofFile, Made, StatedProof, Statement,
    VerifyError,
};
use proofmill_primitives::ProofMode;
use proofmill_program::AggregationPublicValues;
use std::sync::Arc;
use verdict::no_proof;
use watch::{Watch, cost};

/// Makes the proofs of one prover type on a cluster.
#[derive(Debug)]
pub struct ClusterService {
    /// Asks the cluster.
    pub prover: ClusterProver,
    /// The chain, and the copies.
    pub side: NodeSide,
    /// What SNARKs are made for.
    pub verifiers: Arc<dyn L1Verifiers>,
    /// A block that takes more instructions for each gas is warned of.
    pub warn_above: u64,
}

impl ClusterService {
    /// How far the proof of an epoch that ends with this block is carried. Rules change: where SNARKs are made, those of its last checkpoint
    /// are asked.
    async fn carried(&self, last_block: u64) -> Result<ProofMode, Away> {
        match self.prover.joined {
            ProofMode::Plonk => {
                let last = self.side.checkpoint_of(last_block).await?;
                self.verifiers.epoch_mode(self.prover.prover_type(), last).await
            }
            joined => Ok(joined),
        }
    }
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
        let carried = self.carried(request.span.range.blocks.last()).await;
        let joined = carried.map_err(|Away { cause }| JobError::Unavailable { cause })?;
        let prover = ClusterProver { joined, ..self.prover.clone() };
        let watch = Watch::new(work);
        let proving = prover.prove_epoch(&request.by, &ranges, work.cancel(), |progress| watch.see(progress));
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

    async fn verify_epoch(&self, proof: &StatedProof<AggregationPublicValues>) -> Result<(), Flaw> {
        // A SNARK is enough for every verifier.
        let joined = match proof.proof.mode {
            ProofMode::Plonk => self.prover.joined,
            _ => {
                let carried = self.carried(proof.statement.lastBlock).await;
                carried.map_err(|Away { cause }| Flaw::Unchecked { cause })?
            }
        };
        let prover = ClusterProver { joined, ..self.prover.clone() };
        prover.verify_stated(proof).await.map_err(flaw)
    }

    async fn refused(&self, proof: &Proof, cause: &str) -> bool {
        let told = self.prover.refuse(proof, cause).await;
        if let Err(error) = &told {
            tracing::error!(%error, "the cluster cannot be told that its proof is refused");
        }
        told.is_ok()
    }
}
