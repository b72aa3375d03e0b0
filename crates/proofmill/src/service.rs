//! The proof service `cluster`: witness here, proof there.

use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_client::{CheckpointProof, ClientError, ClusterProver, EpochProof, Made};
use proofmill_primitives::Instructions;
use proofmill_program::range;
use proofmill_prover_node::{
    parts::{AggregationRequest, EpochProof as NodeEpochProof, ProofService, RangeProof, RangeRequest, Work},
    rules::{JobError, Progress, ProofCost},
};
use proofmill_wire::operator::ProofProgress;
use proofmill_witness::{BuildError, Node, Witnessed};
use std::{path::PathBuf, time::Duration};
use tokio_util::sync::CancellationToken;

/// Makes the proofs of one prover type on a cluster.
#[derive(Debug)]
pub(crate) struct ClusterService {
    pub(crate) prover: ClusterProver,
    /// The rollup's chain.
    pub(crate) l2: Node,
    /// Where finished proofs are put for whoever wants to verify them.
    pub(crate) folder: PathBuf,
    /// Cancelled when this process ends, before its work is.
    pub(crate) ending: CancellationToken,
}

impl ClusterService {
    async fn witness(&self, request: &RangeRequest) -> Result<Witnessed, JobError> {
        let blocks = request.range.blocks;
        let witnessed = self.l2.witness(blocks, &|_| {}).await.map_err(no_witness)?;
        request.check(&range::public_values(request.statement.rollup, &witnessed.outcome))?;
        Ok(witnessed)
    }

    async fn range(&self, request: &RangeRequest, work: &Work) -> Result<RangeProof, JobError> {
        let rollup = request.statement.rollup;
        let witnessed = work.cancel().run_until_cancelled(self.witness(request)).await;
        let witnessed = witnessed.ok_or(JobError::Cancelled)??;
        let statement = range::public_values(rollup, &witnessed.outcome);
        let input = range::encode_input(rollup, &witnessed.input);
        let mut watch = Watch::new(work);
        let proving =
            self.prover.prove_range(&input, statement, work.cancel(), |progress| watch.see(progress));
        let Made { proof, progress, .. }: Made<CheckpointProof> =
            proving.await.map_err(|error| no_proof(work, error))?;
        let bytes: Bytes = proof.encode().into();
        self.save(&format!("{}.bin", request.range.blocks), &bytes).await;
        Ok(RangeProof { values: proof.statement, proof: bytes, cost: cost(&progress) })
    }

    async fn epoch(&self, request: &AggregationRequest, work: &Work) -> Result<NodeEpochProof, JobError> {
        let ranges = request
            .ranges
            .iter()
            .map(|range| CheckpointProof::decode(&range.proof))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| JobError::Failed { cause: error.to_string() })?;
        let mut watch = Watch::new(work);
        let by = request.by;
        let proving =
            self.prover.prove_epoch(by.prover_id, &ranges, work.cancel(), |progress| watch.see(progress));
        let Made { proof, progress, .. }: Made<EpochProof> =
            proving.await.map_err(|error| no_proof(work, error))?;
        let bytes: Bytes = proof.encode().into();
        self.save(&format!("epoch-{}.bin", request.span.blocks), &bytes).await;
        Ok(NodeEpochProof { values: proof.statement, proof: bytes, cost: cost(&progress) })
    }

    /// A copy for people: the node keeps its own.
    async fn save(&self, name: &str, bytes: &Bytes) {
        let path = self.folder.join(name);
        let written = async {
            tokio::fs::create_dir_all(&self.folder).await?;
            tokio::fs::write(&path, bytes).await
        };
        if let Err(error) = written.await {
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
    ) -> BoxFuture<'a, Result<NodeEpochProof, JobError>> {
        Box::pin(self.until_ending(self.epoch(request, work)))
    }

    fn input<'a>(&'a self, request: &'a RangeRequest) -> BoxFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let witnessed = self.l2.witness(request.range.blocks, &|_| {}).await.ok()?;
            Some(range::encode_input(request.statement.rollup, &witnessed.input).into())
        })
    }
}

/// Passes on how far the cluster is.
struct Watch<'a> {
    work: &'a Work,
    diagnosis: String,
}

impl<'a> Watch<'a> {
    const fn new(work: &'a Work) -> Self {
        Self { work, diagnosis: String::new() }
    }

    fn see(&mut self, progress: &ProofProgress) {
        let tasks = || progress.kinds.iter().filter(|kind| kind.kind != "Controller");
        let total = tasks().map(|kind| kind.planned.max(kind.pending + kind.running + kind.succeeded)).sum();
        let done = tasks().map(|kind| kind.succeeded).sum();
        self.work.progress(Progress { done, total });
        if progress.diagnosis != self.diagnosis {
            self.diagnosis.clone_from(&progress.diagnosis);
            if !self.diagnosis.is_empty() {
                self.work.held_up(&self.diagnosis);
            }
        }
    }
}

fn cost(progress: &ProofProgress) -> ProofCost {
    let segments = progress.kinds.iter().find(|kind| kind.kind == "ProveShard").map(|kind| kind.succeeded);
    ProofCost {
        instructions: (progress.instructions > 0).then_some(Instructions(progress.instructions)),
        segments,
        took: Duration::from_millis(progress.ended_at_ms.saturating_sub(progress.created_at_ms)),
    }
}

fn no_witness(error: BuildError) -> JobError {
    let cause = error.to_string();
    match error {
        BuildError::Execution(_) => JobError::Refuted { cause },
        BuildError::Unreachable { .. }
        | BuildError::Refused { .. }
        | BuildError::MethodMissing { .. }
        | BuildError::BeyondHead { .. }
        | BuildError::Lags { .. }
        | BuildError::BlockGone { .. }
        | BuildError::Reorg { .. }
        | BuildError::NoHistory { .. } => JobError::Unavailable { cause },
        _ => JobError::Failed { cause },
    }
}

fn no_proof(work: &Work, error: ClientError) -> JobError {
    let cause = error.to_string();
    match error {
        ClientError::Cancelled { .. } => JobError::Cancelled,
        _ if work.cancel().is_cancelled() => {
            tracing::warn!(%error, "a proof that nobody wants any more could not be withdrawn from the cluster");
            JobError::Cancelled
        }
        ClientError::NobodyThere { .. }
        | ClientError::Cluster { .. }
        | ClientError::Away { .. }
        | ClientError::Unknown { .. }
        | ClientError::Artifact(_) => JobError::Unavailable { cause },
        _ => JobError::Failed { cause },
    }
}
