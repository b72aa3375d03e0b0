//! Finished proofs, in the artifact store: by what they are of, so that they are found again.

use crate::rules::BatchId;
use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, ContentKey, refusal_of};
use proofmill_primitives::{ArtifactId, ProgramVersion, ProverType};
use std::sync::Arc;

/// Which proof: of a batch, by a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProofKey {
    pub(super) batch: BatchId,
    pub(super) prover: ProverType,
    pub(super) program: ProgramVersion,
}

impl ProofKey {
    fn id(&self) -> ArtifactId {
        let BatchId { level, content, .. } = &self.batch;
        let (level, prover) = (level.name().as_bytes(), self.prover.name().as_bytes());
        ContentKey::of(&[b"pulled proof", level, content, prover, self.program.0.as_slice()]).artifact()
    }

    /// What is kept with it.
    fn note(&self) -> ArtifactId {
        ContentKey::of(&[b"note on a pulled proof", self.id().as_str().as_bytes()]).artifact()
    }
}

/// What lies where a proof would.
enum There {
    Good(Bytes),
    /// It is damaged, or was refused.
    Bad,
    Nothing,
}

/// The artifact store, as the coordinator uses it.
#[derive(Clone, Debug)]
pub(super) struct Shelf(pub(super) Arc<dyn ArtifactStore>);

impl Shelf {
    pub(super) async fn has_proof(&self, key: &ProofKey) -> Result<bool, ArtifactError> {
        self.0.exists(&key.id(), ArtifactKind::Proof).await
    }

    /// The proof, if there is one that can be read and was not refused. One that is of no use is removed.
    pub(super) async fn proof(&self, key: &ProofKey) -> Result<Option<Bytes>, ArtifactError> {
        match self.there(key).await? {
            There::Good(bytes) => return Ok(Some(bytes)),
            There::Bad => self.remove(key).await?,
            There::Nothing => {}
        }
        Ok(None)
    }

    /// The same, and nothing is removed: one may be put there at this moment.
    pub(super) async fn look(&self, key: &ProofKey) -> Result<Option<Bytes>, ArtifactError> {
        Ok(match self.there(key).await? {
            There::Good(bytes) => Some(bytes),
            There::Bad | There::Nothing => None,
        })
    }

    async fn there(&self, key: &ProofKey) -> Result<There, ArtifactError> {
        let bytes = match self.0.get(&key.id(), ArtifactKind::Proof).await {
            Ok(bytes) => bytes,
            Err(ArtifactError::Missing { .. }) => return Ok(There::Nothing),
            Err(ArtifactError::Damaged { .. }) => return Ok(There::Bad),
            Err(error) => return Err(error),
        };
        let is_refused = self.0.exists(&refusal_of(&bytes), ArtifactKind::Intermediate).await?;
        Ok(if is_refused { There::Bad } else { There::Good(bytes) })
    }

    /// What was kept with a proof, if it can be read.
    pub(super) async fn note(&self, key: &ProofKey) -> Result<Option<Bytes>, ArtifactError> {
        match self.0.get(&key.note(), ArtifactKind::Proof).await {
            Ok(note) => Ok(Some(note)),
            Err(ArtifactError::Missing { .. } | ArtifactError::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a proof that was just verified, and before it what is kept with it. Where the same one was refused before, it was made anew
    /// since, and who makes it makes the same bytes again: whoever refuses it has to say so again.
    pub(super) async fn put_proof(
        &self,
        key: &ProofKey,
        proof: Bytes,
        note: Bytes,
    ) -> Result<(), ArtifactError> {
        let refusal = refusal_of(&proof);
        if !note.is_empty() {
            self.0.put(&key.note(), ArtifactKind::Proof, note).await?;
        }
        self.0.put(&key.id(), ArtifactKind::Proof, proof).await?;
        if self.0.exists(&refusal, ArtifactKind::Intermediate).await? {
            self.0.delete(&refusal, ArtifactKind::Intermediate).await?;
        }
        Ok(())
    }

    pub(super) async fn remove(&self, key: &ProofKey) -> Result<(), ArtifactError> {
        self.0.delete(&key.id(), ArtifactKind::Proof).await
    }

    /// Somebody refuses a proof of these bytes: it is not handed out again.
    pub(super) async fn refuse(&self, proof: &[u8], cause: &str) -> Result<(), ArtifactError> {
        let cause = cause.as_bytes().to_vec().into();
        self.0.put(&refusal_of(proof), ArtifactKind::Intermediate, cause).await
    }
}
