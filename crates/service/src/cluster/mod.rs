//! The proof service `cluster`: witness here, proof there.

mod check;
mod copies;
#[cfg(test)]
mod tests;
mod verdict;
mod watch;

use crate::{
    AggregationRequest, BlockHashes, EpochProof, Executed, Flaw, JobError, ProofService, RangeProof,
    RangeRequest, Work,
    blame::{blamed, dearest},
};
use bytes::Bytes;
use check::{check_rules, witness};
use copies::{epoch_file, export, range_file, withdraw};
use futures::future::BoxFuture;
use proofmill_chain::{ChainError, ProofTypeConfig, Rollup};
use proofmill_client::{
    CheckpointProof, ClientError, ClusterProver, EpochProof as EpochProofFile, Made, ProofFileError,
    StatedProof, Statement, VerifyError,
};
use proofmill_program::{ProvenFor, range};
use proofmill_witness::Node;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use verdict::{no_proof, not_gathered};
use watch::{Watch, cost};

/// Makes the proofs of one prover type on a cluster.
#[derive(Debug)]
pub struct ClusterService {
    /// Asks the cluster.
    pub prover: ClusterProver,
    /// The rollup on L1, which may come to have other rules.
    pub rollup: Rollup,
    /// The programs that the cluster proves.
    pub programs: ProofTypeConfig,
    /// The rollup's chain.
    pub l2: Node,
    /// The hashes of its blocks, by which L1 names them.
    pub blocks: Arc<dyn BlockHashes>,
    /// Where finished proofs are put for whoever wants to verify them.
    pub folder: PathBuf,
    /// A block that takes more instructions for each gas is warned of.
    pub warn_above: u64,
    /// Within this time the witness of a range must be gathered.
    pub gather_within: Duration,
    /// Cancelled when this process ends, before its work is.
    pub ending: CancellationToken,
}

impl ClusterService {
    async fn range(&self, request: &RangeRequest, work: &Work) -> Result<RangeProof, JobError> {
        let of = proven_for(request);
        let number = request.checkpoint.number;
        let unavailable = |error: ChainError| JobError::Unavailable { cause: error.to_string() };
        let rules = self.rollup.rules_of(number).await.map_err(unavailable)?;
        check_rules(number, &rules, request.statement.config_hash, &self.programs)?;
        let gathered = tokio::time::timeout(self.gather_within, witness(&self.l2, &*self.blocks, request));
        let gathered = work.cancel().run_until_cancelled(gathered).await.ok_or(JobError::Cancelled)?;
        let witnessed = gathered.map_err(|_| not_gathered(self.gather_within))??;
        let statement = range::public_values(of, &witnessed.outcome);
        let input = range::encode_input(of, &witnessed.input);
        let executed =
            Executed { gas_used: witnessed.outcome.gas_used, transactions: witnessed.outcome.transactions };
        let mut watch = Watch::new(work);
        let prover = ClusterProver { cycle_limit: request.cycle_limit, ..self.prover.clone() };
        let proving = prover.prove_range(&input, statement, work.cancel(), |progress| watch.see(progress));
        let made: Result<Made<CheckpointProof>, ClientError> = proving.await;
        let Made { proof, progress, .. } = match made {
            Ok(made) => made,
            Err(error) => {
                return Err(blamed(no_proof(work, error), request.range.blocks, witnessed.input).await);
            }
        };
        if progress.instructions > self.warn_above.saturating_mul(executed.gas_used)
            && let Some(dearest) = dearest(witnessed.input).await
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
        let name = range_file(&proof.statement.firstBlock, &proof.statement.lastBlock);
        self.save(&name, &proof, &bytes).await;
        Ok(RangeProof { values: proof.statement, proof: bytes, executed, cost: cost(&progress) })
    }

    async fn epoch(&self, request: &AggregationRequest, work: &Work) -> Result<EpochProof, JobError> {
        let ranges = request
            .ranges
            .iter()
            .map(|range| CheckpointProof::decode(&range.proof))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| JobError::Failed { cause: error.to_string() })?;
        let mut watch = Watch::new(work);
        let proving =
            self.prover.prove_epoch(&request.by, &ranges, work.cancel(), |progress| watch.see(progress));
        let Made { proof, progress, .. }: Made<EpochProofFile> =
            proving.await.map_err(|error| no_proof(work, error))?;
        let bytes: Bytes = proof.encode().into();
        let name = epoch_file(&proof.statement.firstBlock, &proof.statement.lastBlock);
        self.save(&name, &proof, &bytes).await;
        Ok(EpochProof {
            values: proof.statement,
            proof: bytes,
            executed: request.executed(),
            cost: cost(&progress),
        })
    }

    async fn check<S: Statement>(&self, bytes: &Bytes, values: &S) -> Result<(), Flaw> {
        let stated = StatedProof::<S>::decode(bytes).map_err(|error| match error {
            ProofFileError::OtherStatement { .. } => Flaw::Bad { cause: error.to_string() },
            _ => Flaw::Unreadable,
        })?;
        if stated.statement != *values {
            return Err(Flaw::Bad { cause: "its file says something else".to_owned() });
        }
        self.prover.verify_stated(&stated).await.map_err(|error| match error {
            VerifyError::Refused(cause) => Flaw::Bad { cause },
            error => Flaw::Unchecked { cause: error.to_string() },
        })
    }

    /// A copy for people: the node keeps its own.
    async fn save<S: Statement>(&self, name: &str, proof: &StatedProof<S>, bytes: &Bytes) {
        let path = self.folder.join(name);
        if let Err(error) = export(&path, proof, bytes).await {
            tracing::warn!(path = %path.display(), %error, "a finished proof could not be put there");
        }
    }

    /// Runs the work until this process ends: what is cancelled then is wanted again by the next one, so the cluster goes
    /// on with it.
    async fn until_ending<T>(
        &self,
        making: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        tokio::select! {
            biased;
            () = self.ending.cancelled() => Err(JobError::Cancelled),
            made = making => made,
        }
    }
}

impl ProofService for ClusterService {
    fn prove_range<'a>(
        &'a self,
        request: &'a RangeRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<RangeProof, JobError>> {
        Box::pin(self.until_ending(self.range(request, work)))
    }

    fn aggregate<'a>(
        &'a self,
        request: &'a AggregationRequest,
        work: &'a Work,
    ) -> BoxFuture<'a, Result<EpochProof, JobError>> {
        Box::pin(self.until_ending(self.epoch(request, work)))
    }

    fn check_range<'a>(&'a self, proof: &'a RangeProof) -> BoxFuture<'a, Result<(), Flaw>> {
        Box::pin(self.check(&proof.proof, &proof.values))
    }

    fn check_epoch<'a>(&'a self, proof: &'a EpochProof) -> BoxFuture<'a, Result<(), Flaw>> {
        Box::pin(self.check(&proof.proof, &proof.values))
    }

    fn refuse<'a>(&'a self, proof: &'a Bytes, cause: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (name, inner) = match (CheckpointProof::decode(proof), EpochProofFile::decode(proof)) {
                (Ok(read), _) => {
                    (range_file(&read.statement.firstBlock, &read.statement.lastBlock), read.proof)
                }
                (_, Ok(read)) => {
                    (epoch_file(&read.statement.firstBlock, &read.statement.lastBlock), read.proof)
                }
                // What cannot be read was not handed out by a cluster of this version.
                _ => return,
            };
            if let Err(error) = self.prover.refuse(&inner, cause).await {
                tracing::error!(%error, "the cluster cannot be told that its proof is refused");
            }
            withdraw(&self.folder.join(name), proof).await;
        })
    }

    fn input<'a>(&'a self, request: &'a RangeRequest) -> BoxFuture<'a, Result<Bytes, String>> {
        Box::pin(async move {
            let gathering =
                tokio::time::timeout(self.gather_within, self.l2.witness(request.range.blocks, &|_| {}));
            let gathered = gathering.await.map_err(|_| not_gathered(self.gather_within).to_string())?;
            let witnessed = gathered.map_err(|error| error.to_string())?;
            Ok(range::encode_input(proven_for(request), &witnessed.input).into())
        })
    }
}

const fn proven_for(request: &RangeRequest) -> ProvenFor {
    ProvenFor { rollup: request.statement.rollup, prover: request.statement.prover }
}
