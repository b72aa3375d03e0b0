//! From a program and its input to a proof that was verified here.

use crate::{
    Accepted, CheckpointProof, ClientError, ClusterClient, EpochProof, OpAggregationProof, OpRangeProof,
    ProofAsked, StatedProof, Statement, VerifyError, cluster::allowed, evidence, programs, verify,
};
use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, refusal_of};
use proofmill_backends::{Backend, Proof, SnarkVariant};
use proofmill_primitives::{ArtifactId, ProofMode, ProverType};
use proofmill_program::{
    Aggregation, RangePublicValues, aggregation,
    op::{self, OpAggregation, OpRangePublicValues},
};
use proofmill_wire::operator::{ProofPhase, ProofProgress};
use std::{collections::BTreeSet, num::NonZeroU64, path::PathBuf, sync::Arc, time::Duration};
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
    /// How far proofs are carried that join others, and so are what L1 is shown: [`ProofMode::Compressed`], or
    /// [`ProofMode::Plonk`] where its contract verifies SNARKs.
    pub joined: ProofMode,
    /// Whether what rests on a setup for development is taken: where L1 is a development chain, or no L1 is shown what is made.
    pub development: bool,
    /// The folder where bad proofs are kept as evidence; nowhere, where none is named.
    pub evidence: Option<PathBuf>,
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

    /// Proves a range of an OP Stack chain. `input` is what [`proofmill_program::op::range::encode_derived`] made, `statement` what
    /// running the program natively says. `stop` as in [`ClusterProver::prove`].
    ///
    /// # Errors
    /// The proof says something else than `statement`, or there is none: see [`ClientError`].
    pub async fn prove_op_range(
        &self,
        input: &[u8],
        statement: OpRangePublicValues,
        stop: &CancellationToken,
        show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<Made<OpRangeProof>, ClientError> {
        let stdin = self.backend.encode_input(&[input], &[])?;
        self.prove_statement(programs::op_range(self.prover_type()), stdin, statement, stop, show).await
    }

    /// Joins range proofs of an OP Stack chain that follow on each other, oldest first, for OP Succinct's contracts. `stop` as in
    /// [`ClusterProver::prove`].
    ///
    /// # Errors
    /// The ranges do not fit together or onto L1, or a proof is of another program: see [`ClientError`].
    pub async fn prove_op_aggregation(
        &self,
        by: &OpAggregation,
        ranges: &[OpRangeProof],
        stop: &CancellationToken,
        show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<Made<OpAggregationProof>, ClientError> {
        let statements: Vec<_> = ranges.iter().map(|range| range.statement.clone()).collect();
        let proofs: Vec<_> = ranges.iter().map(|range| range.proof.clone()).collect();
        let statement = op::aggregation::fold(by, &statements)?;
        let input = op::aggregation::encode_input(by, &statements);
        let stdin = self.backend.encode_input(&[&input], &proofs)?;
        self.prove_statement(programs::op_aggregation(self.prover_type()), stdin, statement, stop, show).await
    }

    async fn prove_statement<S: Statement>(
        &self,
        program: &[u8],
        stdin: Vec<u8>,
        statement: S,
        stop: &CancellationToken,
        show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<Made<StatedProof<S>>, ClientError> {
        let mode = if S::JOINS { self.joined } else { ProofMode::Compressed };
        let wanted = Wanted { program, mode, says: &statement.said() };
        let Made { proof, progress, verified_in } = self.obtain(wanted, stdin, stop, show).await?;
        Ok(Made { proof: StatedProof { statement, proof }, progress, verified_in })
    }

    /// Proves any program, and verifies the proof. `stdin` is in the backend's encoding.
    ///
    /// A proof that was asked for before is not made again, unless it is lost, damaged or bad: it does not verify, or was
    /// refused elsewhere ([`refuse`](Self::refuse)). A bad one is kept as evidence, removed, and made anew once. When `stop` is
    /// cancelled, the request is withdrawn from the cluster, if it was made here and nobody else has asked for the same. When
    /// the caller only stops waiting (the future is dropped), the cluster goes on: the work may be asked for again.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn prove(
        &self,
        program: &[u8],
        stdin: Vec<u8>,
        mode: ProofMode,
        stop: &CancellationToken,
        show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<Made<Proof>, ClientError> {
        self.obtain(Wanted { program, mode, says: &[] }, stdin, stop, show).await
    }

    async fn obtain(
        &self,
        wanted: Wanted<'_>,
        stdin: Vec<u8>,
        stop: &CancellationToken,
        mut show: impl FnMut(&ProofProgress) + Send,
    ) -> Result<Made<Proof>, ClientError> {
        let asked = self.store(wanted.program, stdin, wanted.mode).await?;
        let progress = self.ended(&asked, stop, &mut show).await?;
        let fault = match self.look(wanted, progress, Look::First).await? {
            Ok(made) => return Ok(made),
            Err(fault) => fault,
        };
        // Otherwise it would be found made, and be of no use, for ever.
        tracing::error!(proof = %fault.progress.proof_id, error = %fault.error, "a finished proof is made anew");
        let refusal = match &fault.bytes {
            Some(bytes) => Some(self.put_aside(&fault, bytes).await?),
            None => None,
        };
        self.artifacts.delete(&name(&fault.progress), ArtifactKind::Proof).await?;
        let accepted = self.client.ask_anew(&asked).await?;
        let progress = self.wait(&accepted, stop, &mut show).await?;
        let again = self.look(wanted, progress, Look::MadeAnew).await?;
        if let Err(fault) = &again
            && let Some(bytes) = &fault.bytes
        {
            self.put_aside(fault, bytes).await?;
            // Who asks next has it made anew: the note stays for whoever keeps it besides.
            self.artifacts.delete(&name(&fault.progress), ArtifactKind::Proof).await?;
        }
        // What was made anew has passed whoever kept the one before. It may be refused by a note where nothing was put aside here: a client
        // that is killed when it has removed a refused proof leaves its note, and another one may well have the same bytes.
        let of_the_new = again.as_ref().ok().map(|made| refusal_of(&made.proof.encode()));
        let notes: BTreeSet<ArtifactId> = refusal.into_iter().chain(of_the_new).collect();
        for note in &notes {
            self.artifacts.delete(note, ArtifactKind::Intermediate).await?;
        }
        again.map_err(|fault| fault.error)
    }

    /// The finished proof, verified; or what is wrong with it, where it should be made again.
    async fn look(
        &self,
        wanted: Wanted<'_>,
        progress: ProofProgress,
        look: Look,
    ) -> Result<Result<Made<Proof>, Fault>, ClientError> {
        let bytes = match self.artifacts.get(&name(&progress), ArtifactKind::Proof).await {
            Ok(bytes) => bytes,
            Err(error @ (ArtifactError::Missing { .. } | ArtifactError::Damaged { .. })) => {
                return Ok(Err(Fault { error: error.into(), bytes: None, progress }));
            }
            Err(error) => return Err(error.into()),
        };
        let unpacked = self.unpack(wanted.program, &bytes).await;
        let proof = match unpacked.map_err(|error| unverified(error, &progress)) {
            Ok(proof) => proof,
            Err(error) if error.is_bad_proof() => {
                return Ok(Err(Fault { error, bytes: Some(bytes), progress }));
            }
            Err(error) => return Err(error),
        };
        // From here on in our own form, whatever the form in which it is stored.
        let bytes = Bytes::from(proof.encode());
        let fault = |error, progress| Ok(Err(Fault { error, bytes: Some(bytes.clone()), progress }));
        if look == Look::First
            && let Some(cause) = self.refusal(&bytes).await?
        {
            let id = progress.proof_id.clone();
            return fault(ClientError::DoesNotHold { id, artifact: name(&progress), cause }, progress);
        }
        match self.check(wanted, &proof, &progress).await {
            Ok(verified_in) => Ok(Ok(Made { proof, progress, verified_in })),
            Err(error) if error.is_bad_proof() => fault(error, progress),
            // Not in its place, but good for whoever asks for it: nobody is to refuse it.
            Err(error @ ClientError::OtherSnark { .. }) => Ok(Err(Fault { error, bytes: None, progress })),
            Err(error) => Err(error),
        }
    }

    /// Verifies a proof, and compares it with what is wanted; how long verifying took. One that is insecure is no bad proof: made again,
    /// it would be the same.
    async fn check(
        &self,
        wanted: Wanted<'_>,
        proof: &Proof,
        progress: &ProofProgress,
    ) -> Result<Duration, ClientError> {
        let id = progress.proof_id.clone();
        if proof.mode != wanted.mode {
            return Err(ClientError::OtherMode { id, asked: wanted.mode, got: proof.mode });
        }
        let failed = |error: VerifyError| unverified(error, progress);
        let verified_in = verify::verify(&self.backend, wanted.program, proof).await.map_err(failed)?;
        self.check_setup(proof).await.map_err(failed)?;
        if let Some((asked, got)) = self.other_snark(proof).await.map_err(failed)? {
            return Err(ClientError::OtherSnark { id, asked, got });
        }
        if !wanted.says.is_empty() && !wanted.says.contains(&proof.public_values) {
            let public_values = alloy_primitives::hex::encode_prefixed(&proof.public_values);
            return Err(ClientError::SaysSomethingElse { id, public_values });
        }
        Ok(verified_in)
    }

    /// The SNARK that is asked for with this mode; any where none is named.
    fn snark(&self, mode: ProofMode) -> Option<SnarkVariant> {
        self.backend.snark_variant().filter(|_| mode == ProofMode::Plonk)
    }

    /// Which SNARK is asked for, and which one a proof is, where that is another.
    async fn other_snark(&self, proof: &Proof) -> Result<Option<(SnarkVariant, String)>, VerifyError> {
        let Some(asked) = self.snark(proof.mode) else { return Ok(None) };
        let proof = proof.clone();
        let got = verify::look_at(&self.backend, move |backend| backend.variant_of(&proof)).await?;
        let got = got.unwrap_or_else(|| "none".to_owned());
        Ok((got != asked.name()).then_some((asked, got)))
    }

    /// Verifies the file of a proof that was kept, as one that comes back from the cluster is. Where a SNARK is wanted of what joins
    /// ranges, nothing before it is enough, and no other SNARK.
    ///
    /// # Errors
    /// [`VerifyError::Refused`] where it does not hold, [`VerifyError::Insecure`] where nobody should rely on it.
    pub async fn verify_stated<S: Statement>(&self, stated: &StatedProof<S>) -> Result<(), VerifyError> {
        let mode = stated.proof.mode;
        if S::JOINS && self.joined == ProofMode::Plonk && mode != ProofMode::Plonk {
            return Err(VerifyError::Refused(format!("it is a {mode} proof, and a SNARK is wanted")));
        }
        verify::verify_stated(&self.backend, stated).await?;
        self.check_setup(&stated.proof).await?;
        let other = self.other_snark(&stated.proof).await?;
        other.map_or(Ok(()), |(asked, got)| {
            Err(VerifyError::Refused(format!("it is the SNARK `{got}`, and `{asked}` is wanted")))
        })
    }

    /// Errors where a proof rests on a setup for development, and none such is taken.
    async fn check_setup(&self, proof: &Proof) -> Result<(), VerifyError> {
        if self.development {
            return Ok(());
        }
        let asked = proof.clone();
        let insecure = verify::look_at(&self.backend, move |backend| backend.insecure(&asked)).await?;
        insecure.map_or(Ok(()), |cause| Err(VerifyError::Insecure(cause)))
    }

    /// Reads a proof as it is stored for its client.
    async fn unpack(&self, program: &[u8], stored: &Bytes) -> Result<Proof, VerifyError> {
        let (program, stored) = (program.to_vec(), stored.clone());
        verify::look_at(&self.backend, move |backend| backend.unpack(&stored, &program)).await
    }

    /// Somebody refuses a proof that this made, whatever it is worth here: whoever keeps it does not hand it out again, and who
    /// asks next gets one that is made anew.
    ///
    /// # Errors
    /// The artifact store cannot be used.
    pub async fn refuse(&self, proof: &Proof, cause: &str) -> Result<(), ClientError> {
        let note = refusal_of(&proof.encode());
        Ok(self.artifacts.put(&note, ArtifactKind::Intermediate, cause.as_bytes().to_vec().into()).await?)
    }

    /// Why a proof of these bytes was refused, if it was.
    async fn refusal(&self, bytes: &[u8]) -> Result<Option<String>, ClientError> {
        match self.artifacts.get(&refusal_of(bytes), ArtifactKind::Intermediate).await {
            Ok(cause) => Ok(Some(String::from_utf8_lossy(&cause).into_owned())),
            Err(ArtifactError::Missing { .. }) => Ok(None),
            // Somebody left a note, whatever it said.
            Err(ArtifactError::Damaged { .. }) => Ok(Some("it was refused".to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps a bad proof as evidence, and leaves a note for those that keep it; the note's name.
    async fn put_aside(&self, fault: &Fault, bytes: &Bytes) -> Result<ArtifactId, ClientError> {
        let cause = fault.error.to_string();
        if let Some(folder) = self.evidence.clone() {
            let (bytes, cause, of) = (bytes.clone(), cause.clone(), fault.progress.proof_id.clone());
            let kept =
                tokio::task::spawn_blocking(move || evidence::keep(&folder, &of, &bytes, &cause)).await;
            match kept {
                Ok(Ok(file)) => tracing::warn!(file = %file.display(), "the bad proof was kept as evidence"),
                Ok(Err(error)) => tracing::error!(%error, "a bad proof cannot be kept as evidence"),
                Err(error) => tracing::error!(%error, "a bad proof cannot be kept as evidence"),
            }
        }
        let note = refusal_of(bytes);
        self.artifacts.put(&note, ArtifactKind::Intermediate, cause.into()).await?;
        Ok(note)
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
        let mut ended = self.ended(&asked, stop, &mut show).await?;
        // One that ended before a restart: the ledger does not keep what the program committed to.
        if ended.public_values.is_empty() {
            let accepted = self.client.ask_anew(&asked).await?;
            ended = self.wait(&accepted, stop, show).await?;
        }
        match self.cycle_limit {
            // Whoever had it executed allowed it more.
            Some(limit) if ended.instructions > limit.get() => Err(ClientError::past(limit, ended.proof_id)),
            _ => Ok(ended),
        }
    }

    /// Asks, and waits for the end. Where somebody else had asked, and it failed for allowing fewer instructions, it is asked for again.
    async fn ended(
        &self,
        asked: &ProofAsked,
        stop: &CancellationToken,
        show: &mut (impl FnMut(&ProofProgress) + Send),
    ) -> Result<ProofProgress, ClientError> {
        let accepted = self.client.ask(asked).await?;
        let less = accepted.cycle_limit.is_some_and(|of| asked.cycle_limit.is_none_or(|ours| of < ours));
        let ended = self.wait(&accepted, stop, &mut *show).await;
        if less && matches!(ended, Err(ClientError::CannotExecute { .. })) {
            let accepted = self.client.ask(asked).await?;
            return self.wait(&accepted, stop, show).await;
        }
        ended
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
            snark: self.snark(mode),
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
            _ => Err(ClientError::ended_by(id, ended)),
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    program: &'a [u8],
    mode: ProofMode,
    /// What its public values may be; any, where none are named.
    says: &'a [Vec<u8>],
}

/// Which look at a finished proof it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    First,
    /// Whoever refused the one before has not seen this one, even where its bytes are the same.
    MadeAnew,
}

/// What is wrong with a finished proof.
struct Fault {
    error: ClientError,
    /// The bad bytes, where there are any.
    bytes: Option<Bytes>,
    progress: ProofProgress,
}

/// What it means for whoever asked that a proof does not verify here.
fn unverified(error: VerifyError, progress: &ProofProgress) -> ClientError {
    let (id, artifact) = (progress.proof_id.clone(), name(progress));
    match error {
        VerifyError::Refused(cause) => ClientError::DoesNotHold { id, artifact, cause },
        VerifyError::Insecure(cause) => ClientError::Insecure { id, artifact, cause },
        VerifyError::Failed(error) => error.into(),
        VerifyError::BrokeOff => ClientError::CheckBrokeOff { id },
    }
}

fn name(progress: &ProofProgress) -> ArtifactId {
    progress.proof_artifact_id.as_str().into()
}
