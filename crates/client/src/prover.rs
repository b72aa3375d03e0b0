//! From a program and its input to a proof that was verified here.

use crate::{
    Accepted, CheckpointProof, ClientError, ClusterClient, EpochProof, ProofAsked, StatedProof, Statement,
    cluster::{allowed, is_late},
    programs,
};
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore};
use proofmill_backends::{Backend, Proof};
use proofmill_primitives::{ArtifactId, ProofMode, ProverType};
use proofmill_program::{Aggregation, RangePublicValues, aggregation};
use proofmill_wire::operator::{ProofPhase, ProofProgress};
use std::{num::NonZeroU64, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Makes proofs of one prover type on a cluster.
#[derive(Clone)]
pub struct ClusterProver {
    /// The cluster.
    pub client: ClusterClient,
    /// The artifacts that it shares with its clients.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// What encodes inputs, and checks what comes back.
    pub backend: Arc<dyn Backend>,
    /// How long one proof may take; ten years at the most.
    pub timeout: Duration,
    /// The most instructions that a program may take.
    pub cycle_limit: Option<NonZeroU64>,
}

impl std::fmt::Debug for ClusterProver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterProver")
            .field("prover", &self.prover_type())
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// A proof, and what it took.
#[derive(Clone, Debug)]
pub struct Made<P> {
    /// The proof, verified.
    pub proof: P,
    /// The cluster's last word on it: instructions, tasks, workers, times.
    pub progress: ProofProgress,
    /// How long verifying took, without making keys.
    pub verified_in: Duration,
}

impl ClusterProver {
    /// The prover type whose proofs this makes.
    pub fn prover_type(&self) -> ProverType {
        self.backend.prover_type()
    }

    /// Proves a checkpoint. `input` is what [`proofmill_program::range::encode_input`] made, `statement` what the native
    /// execution of the same blocks says. `stop` as in [`ClusterProver::prove`].
    ///
    /// # Errors
    /// The proof says something else than `statement`, or there is none: see [`ClientError`].
    pub async fn prove_range(
        &self,
        input: &[u8],
        statement: RangePublicValues,
        stop: &CancellationToken,
        show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<Made<CheckpointProof>, ClientError> {
        let stdin = self.backend.encode_input(&[input], &[])?;
        let program = programs::range(self.prover_type());
        self.prove_statement(program, stdin, statement, stop, show).await
    }

    /// Joins range proofs that follow on each other, oldest first, into the proof of an epoch. `stop` as in
    /// [`ClusterProver::prove`].
    ///
    /// # Errors
    /// The ranges do not fit together or into their checkpoints, or a proof is of another program: see [`ClientError`].
    pub async fn prove_epoch(
        &self,
        by: &Aggregation,
        ranges: &[CheckpointProof],
        stop: &CancellationToken,
        show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<Made<EpochProof>, ClientError> {
        let statements: Vec<_> = ranges.iter().map(|range| range.statement.clone()).collect();
        let proofs: Vec<_> = ranges.iter().map(|range| range.proof.clone()).collect();
        let statement = aggregation::fold(by, &statements)?;
        let input = aggregation::encode_input(by, &statements);
        let stdin = self.backend.encode_input(&[&input], &proofs)?;
        let program = programs::aggregation(self.prover_type());
        self.prove_statement(program, stdin, statement, stop, show).await
    }

    async fn prove_statement<S: Statement>(
        &self,
        program: &[u8],
        stdin: Vec<u8>,
        statement: S,
        stop: &CancellationToken,
        show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<Made<StatedProof<S>>, ClientError> {
        let Made { proof, progress, verified_in } =
            self.prove(program, stdin, ProofMode::Compressed, stop, show).await?;
        if !programs::says(&proof.public_values, &statement) {
            return Err(ClientError::SaysSomethingElse {
                id: progress.proof_id,
                public_values: alloy_primitives::hex::encode_prefixed(&proof.public_values),
            });
        }
        Ok(Made { proof: StatedProof { statement, proof }, progress, verified_in })
    }

    /// Proves any program, and verifies the proof. `stdin` is in the backend's encoding.
    ///
    /// A proof that was asked for before is not made again, unless it is lost or damaged. When `stop` is cancelled, the
    /// request is withdrawn from the cluster, if it was made here and nobody else has asked for the same. When the caller
    /// only stops waiting (the future is dropped), the cluster goes on: the work may be asked for again.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn prove(
        &self,
        program: &[u8],
        stdin: Vec<u8>,
        mode: ProofMode,
        stop: &CancellationToken,
        mut show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<Made<Proof>, ClientError> {
        let asked = self.store(program, stdin, mode).await?;
        let accepted = self.client.ask(&asked).await?;
        let mut progress = self.wait(&accepted, stop, &mut show).await?;
        let proof = match self.fetch(&progress).await {
            Err(error) if is_lost(&error) => {
                // Otherwise it would be found made, and not be there, for ever.
                self.artifacts.delete(&name(&progress), ArtifactKind::Proof).await?;
                let accepted = self.client.ask_anew(&asked).await?;
                progress = self.wait(&accepted, stop, &mut show).await?;
                self.fetch(&progress).await?
            }
            fetched => fetched?,
        };
        let id = progress.proof_id.clone();
        if proof.mode != mode {
            return Err(ClientError::OtherMode { id, asked: mode, got: proof.mode });
        }
        let (backend, program, checked) = (self.backend.clone(), program.to_vec(), proof.clone());
        let check = tokio::task::spawn_blocking(move || {
            let expected = programs::version(&*backend, &program)?;
            let start = std::time::Instant::now();
            backend.verify(&checked, expected).map(|()| start.elapsed())
        });
        let verified_in = match check.await {
            Ok(Ok(verified_in)) => verified_in,
            Ok(Err(error)) => {
                let cause = error.to_string();
                return Err(ClientError::DoesNotHold { id, artifact: name(&progress), cause });
            }
            Err(_) => return Err(ClientError::CheckBrokeOff { id }),
        };
        Ok(Made { proof, progress, verified_in })
    }

    /// Only runs a program on the cluster: what it takes and what it commits to. `stop` as in [`ClusterProver::prove`].
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn execute(
        &self,
        program: &[u8],
        stdin: Vec<u8>,
        stop: &CancellationToken,
        mut show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<ProofProgress, ClientError> {
        let asked = self.store(program, stdin, ProofMode::Execute).await?;
        let accepted = self.client.ask(&asked).await?;
        let ended = self.wait(&accepted, stop, &mut show).await?;
        if !ended.public_values.is_empty() {
            return Ok(ended);
        }
        // One that ended before a restart: the ledger does not keep what the program committed to.
        let accepted = self.client.ask_anew(&asked).await?;
        self.wait(&accepted, stop, show).await
    }

    /// Puts program and input where the cluster finds them.
    async fn store(
        &self,
        program: &[u8],
        stdin: Vec<u8>,
        mode: ProofMode,
    ) -> Result<ProofAsked, ClientError> {
        Ok(ProofAsked {
            prover: self.prover_type(),
            circuits: self.backend.circuits(),
            program: self.artifacts.put_content(ArtifactKind::Program, program.to_vec().into()).await?,
            stdin: self.artifacts.put_content(ArtifactKind::Stdin, stdin.into()).await?,
            mode,
            cycle_limit: self.cycle_limit,
            timeout: self.timeout,
        })
    }

    /// Waits for the end.
    async fn wait(
        &self,
        accepted: &Accepted,
        stop: &CancellationToken,
        show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<ProofProgress, ClientError> {
        let id = accepted.id.clone();
        // The cluster gives up by itself at the same time: this only catches a cluster whose clock runs behind.
        let patience = allowed(self.timeout) + Duration::from_secs(5);
        let ended = tokio::select! {
            ended = self.client.follow(&id, show) => ended?,
            () = stop.cancelled() => {
                self.client.withdraw(accepted).await?;
                return Err(ClientError::Cancelled { id });
            }
            () = tokio::time::sleep(patience) => {
                self.client.withdraw(accepted).await?;
                return Err(ClientError::TimedOut { id, after: allowed(self.timeout) });
            }
        };
        match ended.phase() {
            ProofPhase::Completed => Ok(ended),
            ProofPhase::Cancelled => Err(ClientError::Cancelled { id }),
            _ if is_late(&ended.cause) => Err(ClientError::Late { id, cause: ended.cause }),
            _ => Err(ClientError::Failed { id, cause: ended.cause }),
        }
    }

    /// The proof that was made.
    async fn fetch(&self, progress: &ProofProgress) -> Result<Proof, ClientError> {
        Ok(Proof::decode(&self.artifacts.get(&name(progress), ArtifactKind::Proof).await?)?)
    }
}

fn name(progress: &ProofProgress) -> ArtifactId {
    progress.proof_artifact_id.as_str().into()
}

/// Whether the proof must be made again.
const fn is_lost(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Decode(_)
            | ClientError::Artifact(ArtifactError::Missing { .. } | ArtifactError::Damaged { .. })
    )
}
