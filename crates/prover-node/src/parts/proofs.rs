//! Finished proofs, kept by what they prove: whoever needs a proof again finds it, after a restart, a reorg, in another
//! session.

use super::{EpochProof, RangeProof};
use crate::rules::{EpochSpec, Executed, ProofCost, RangeSpec, SplitPoint};
use alloy_primitives::Address;
use bytes::Bytes;
use futures::future::BoxFuture;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, ContentKey, FsArtifacts};
use proofmill_primitives::{ArtifactId, ProgramVersion, ProverType};
use proofmill_program::{AggregationPublicValues, PublicValues, RangePublicValues};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{fmt, path::Path};

/// What a range proof is of. The hashes say which blocks; what else the proof says follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RangeKey {
    /// What makes it.
    pub prover: ProverType,
    /// The range program.
    pub program: ProgramVersion,
    /// The rollup's contract on L1.
    pub rollup: Address,
    /// Who proves, and may claim the reward.
    pub prover_id: Address,
    /// The blocks.
    pub range: RangeSpec,
}

/// What an epoch proof is of. Into how many ranges its blocks were cut does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EpochKey {
    /// What makes it.
    pub prover: ProverType,
    /// The aggregation program.
    pub program: ProgramVersion,
    /// The range program.
    pub range_program: ProgramVersion,
    /// The rollup's contract on L1.
    pub rollup: Address,
    /// Who proves, and may claim the reward.
    pub prover_id: Address,
    /// The blocks, and where their checkpoints end.
    pub span: EpochSpec,
}

/// What is kept of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredRange {
    /// Its proof.
    Proof(Box<RangeProof>),
    /// It was too much for a prover, and is proven in two parts.
    Split(SplitPoint),
}

/// A place for finished proofs.
pub trait ProofStore: fmt::Debug + Send + Sync {
    /// What is kept of a range. What is damaged counts as not there.
    ///
    /// # Errors
    ///
    /// [`ArtifactError`] where the store cannot be used.
    fn range<'a>(&'a self, key: &'a RangeKey) -> BoxFuture<'a, Result<Option<StoredRange>, ArtifactError>>;

    /// Keeps a range proof, or the split of a range. When this returns, it is durable.
    fn put_range<'a>(
        &'a self,
        key: &'a RangeKey,
        stored: &'a StoredRange,
    ) -> BoxFuture<'a, Result<(), ArtifactError>>;

    /// Removes what is kept of a range, if anything is.
    fn remove_range<'a>(&'a self, key: &'a RangeKey) -> BoxFuture<'a, Result<(), ArtifactError>>;

    /// An epoch proof. One that is damaged counts as not there.
    fn epoch<'a>(&'a self, key: &'a EpochKey) -> BoxFuture<'a, Result<Option<EpochProof>, ArtifactError>>;

    /// Keeps an epoch proof. When this returns, it is durable.
    fn put_epoch<'a>(
        &'a self,
        key: &'a EpochKey,
        proof: &'a EpochProof,
    ) -> BoxFuture<'a, Result<(), ArtifactError>>;

    /// Removes an epoch proof, if it is there.
    fn remove_epoch<'a>(&'a self, key: &'a EpochKey) -> BoxFuture<'a, Result<(), ArtifactError>>;

    /// Remembers that a proof of these bytes, which ends with this block, is refused and not removed yet, and why. When this returns, it is
    /// durable.
    fn mark_refused<'a>(
        &'a self,
        block: u64,
        proof: &'a Bytes,
        cause: &'a str,
    ) -> BoxFuture<'a, Result<(), ArtifactError>>;

    /// Why a proof of these bytes was refused that is not removed yet, if it was.
    fn refused<'a>(
        &'a self,
        block: u64,
        proof: &'a Bytes,
    ) -> BoxFuture<'a, Result<Option<String>, ArtifactError>>;

    /// It is removed: the same bytes may come again.
    fn forget_refused<'a>(&'a self, block: u64, proof: &'a Bytes)
    -> BoxFuture<'a, Result<(), ArtifactError>>;

    /// Removes what is about blocks up to this one only, of whatever rollup; how much.
    fn release(&self, through: u64) -> BoxFuture<'_, Result<usize, ArtifactError>>;
}

impl RangeKey {
    /// Whether a proof that says this is the one under the key.
    pub(crate) fn is_of(&self, values: &RangePublicValues) -> bool {
        let range = &self.range;
        (values.rollup, values.prover) == (self.rollup, self.prover_id)
            && (values.firstBlock, values.lastBlock) == (range.blocks.first(), range.blocks.last())
            && (values.parentHash, values.lastHash) == (range.parent_hash, range.last_hash)
    }

    pub(crate) fn content(&self) -> ContentKey {
        let Self { prover, program, rollup, prover_id, range } = self;
        let [first, last] = [range.blocks.first(), range.blocks.last()].map(u64::to_le_bytes);
        ContentKey::of(&[
            b"range proof",
            prover.name().as_bytes(),
            program.0.as_slice(),
            rollup.as_slice(),
            prover_id.as_slice(),
            &first,
            &last,
            range.parent_hash.as_slice(),
            range.last_hash.as_slice(),
        ])
    }

    fn id(&self) -> ArtifactId {
        id("range", self.range.blocks.last(), &self.content())
    }
}

impl EpochKey {
    /// Whether a proof that says this is the one under the key.
    pub(crate) fn is_of(&self, values: &AggregationPublicValues) -> bool {
        let EpochSpec { range, from_commitment, to_commitment } = &self.span;
        (values.rollup, values.prover) == (self.rollup, self.prover_id)
            && values.rangeKey == self.range_program.0
            && (values.firstBlock, values.lastBlock) == (range.blocks.first(), range.blocks.last())
            && (values.parentHash, values.lastHash) == (range.parent_hash, range.last_hash)
            && (values.fromCommitment, values.toCommitment) == (*from_commitment, *to_commitment)
    }

    pub(crate) fn content(&self) -> ContentKey {
        let Self { prover, program, range_program, rollup, prover_id, span } = self;
        let EpochSpec { range, from_commitment, to_commitment } = span;
        let [first, last] = [range.blocks.first(), range.blocks.last()].map(u64::to_le_bytes);
        ContentKey::of(&[
            b"epoch proof",
            prover.name().as_bytes(),
            program.0.as_slice(),
            range_program.0.as_slice(),
            rollup.as_slice(),
            prover_id.as_slice(),
            &first,
            &last,
            range.parent_hash.as_slice(),
            range.last_hash.as_slice(),
            from_commitment.as_slice(),
            to_commitment.as_slice(),
        ])
    }

    fn id(&self) -> ArtifactId {
        id("epoch", self.span.range.blocks.last(), &self.content())
    }
}

/// What the name of a note begins with that a proof is refused.
const REFUSED: &str = "refused";

fn refused_id(block: u64, proof: &Bytes) -> ArtifactId {
    id(REFUSED, block, &ContentKey::of(&[b"refused proof", proof]))
}

/// The last block stands in the name, so that what is old can be found without reading it.
fn id(what: &str, last_block: u64, content: &ContentKey) -> ArtifactId {
    ArtifactId::new(format!("{what}-{last_block}-{content}"))
}

fn last_block(id: &ArtifactId) -> Option<u64> {
    let mut parts = id.as_str().split('-');
    parts.next().filter(|what| ["range", "epoch", REFUSED].contains(what))?;
    parts.next()?.parse().ok()
}

/// Finished proofs of one rollup in a folder, which is used for nothing else: what is released goes by block numbers alone.
#[derive(Clone, Debug)]
pub struct FsProofs {
    artifacts: FsArtifacts,
}

/// A proof as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    /// ABI-encoded.
    values: Vec<u8>,
    proof: Vec<u8>,
    executed: Executed,
    cost: ProofCost,
}

/// What is written of a range.
#[derive(Serialize, Deserialize)]
enum WrittenRange {
    Proof(Written),
    Split(SplitPoint),
}

impl Written {
    fn new(values: &impl PublicValues, proof: &Bytes, executed: Executed, cost: ProofCost) -> Self {
        Self { values: values.to_bytes(), proof: proof.to_vec(), executed, cost }
    }
}

impl FsProofs {
    /// Opens the store in a folder, and creates it where it is missing. Does file I/O on the calling thread.
    ///
    /// # Errors
    ///
    /// [`ArtifactError`] where the folder cannot be used.
    pub fn open(folder: &Path) -> Result<Self, ArtifactError> {
        Ok(Self { artifacts: FsArtifacts::open(folder)? })
    }

    async fn read<T: DeserializeOwned>(&self, id: &ArtifactId) -> Result<Option<T>, ArtifactError> {
        let bytes = match self.artifacts.get(id, ArtifactKind::Proof).await {
            Ok(bytes) => bytes,
            Err(ArtifactError::Missing { .. }) => return Ok(None),
            Err(error @ ArtifactError::Damaged { .. }) => {
                tracing::warn!(%error, "a stored proof is made again");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let read = bitcode::deserialize(&bytes);
        Ok(read.inspect_err(|error| unreadable(id, error)).ok())
    }

    async fn write(&self, id: &ArtifactId, what: &impl Serialize) -> Result<(), ArtifactError> {
        // Nothing in these types can fail to be written.
        let bytes = bitcode::serialize(what).unwrap_or_default();
        self.artifacts.put(id, ArtifactKind::Proof, bytes.into()).await
    }
}

fn unreadable(id: &ArtifactId, error: &dyn fmt::Display) {
    tracing::warn!(%id, %error, "a stored proof was written by another version, and is made again");
}

fn values<V: PublicValues>(id: &ArtifactId, bytes: &[u8]) -> Option<V> {
    V::from_bytes(bytes).inspect_err(|error| unreadable(id, error)).ok()
}

impl ProofStore for FsProofs {
    fn range<'a>(&'a self, key: &'a RangeKey) -> BoxFuture<'a, Result<Option<StoredRange>, ArtifactError>> {
        Box::pin(async move {
            let id = key.id();
            Ok(match self.read(&id).await? {
                Some(WrittenRange::Split(point)) => Some(StoredRange::Split(point)),
                Some(WrittenRange::Proof(Written { values: bytes, proof, executed, cost })) => {
                    values(&id, &bytes).map(|values| {
                        let proof = proof.into();
                        StoredRange::Proof(Box::new(RangeProof { values, proof, executed, cost }))
                    })
                }
                None => None,
            })
        })
    }

    fn put_range<'a>(
        &'a self,
        key: &'a RangeKey,
        stored: &'a StoredRange,
    ) -> BoxFuture<'a, Result<(), ArtifactError>> {
        Box::pin(async move {
            let written = match stored {
                StoredRange::Proof(made) => {
                    WrittenRange::Proof(Written::new(&made.values, &made.proof, made.executed, made.cost))
                }
                StoredRange::Split(point) => WrittenRange::Split(*point),
            };
            self.write(&key.id(), &written).await
        })
    }

    fn epoch<'a>(&'a self, key: &'a EpochKey) -> BoxFuture<'a, Result<Option<EpochProof>, ArtifactError>> {
        Box::pin(async move {
            let id = key.id();
            let Some(Written { values: bytes, proof, executed, cost }) = self.read(&id).await? else {
                return Ok(None);
            };
            Ok(values(&id, &bytes).map(|values| EpochProof { values, proof: proof.into(), executed, cost }))
        })
    }

    fn put_epoch<'a>(
        &'a self,
        key: &'a EpochKey,
        proof: &'a EpochProof,
    ) -> BoxFuture<'a, Result<(), ArtifactError>> {
        Box::pin(async move {
            let EpochProof { values, proof, executed, cost } = proof;
            self.write(&key.id(), &Written::new(values, proof, *executed, *cost)).await
        })
    }

    fn remove_range<'a>(&'a self, key: &'a RangeKey) -> BoxFuture<'a, Result<(), ArtifactError>> {
        Box::pin(async move { self.artifacts.delete(&key.id(), ArtifactKind::Proof).await })
    }

    fn remove_epoch<'a>(&'a self, key: &'a EpochKey) -> BoxFuture<'a, Result<(), ArtifactError>> {
        Box::pin(async move { self.artifacts.delete(&key.id(), ArtifactKind::Proof).await })
    }

    fn mark_refused<'a>(
        &'a self,
        block: u64,
        proof: &'a Bytes,
        cause: &'a str,
    ) -> BoxFuture<'a, Result<(), ArtifactError>> {
        let cause = Bytes::copy_from_slice(cause.as_bytes());
        Box::pin(
            async move { self.artifacts.put(&refused_id(block, proof), ArtifactKind::Proof, cause).await },
        )
    }

    fn refused<'a>(
        &'a self,
        block: u64,
        proof: &'a Bytes,
    ) -> BoxFuture<'a, Result<Option<String>, ArtifactError>> {
        Box::pin(async move {
            match self.artifacts.get(&refused_id(block, proof), ArtifactKind::Proof).await {
                Ok(cause) => Ok(Some(String::from_utf8_lossy(&cause).into_owned())),
                Err(ArtifactError::Missing { .. }) => Ok(None),
                // Somebody refused it, whatever was said.
                Err(ArtifactError::Damaged { .. }) => Ok(Some("it was refused".to_owned())),
                Err(error) => Err(error),
            }
        })
    }

    fn forget_refused<'a>(
        &'a self,
        block: u64,
        proof: &'a Bytes,
    ) -> BoxFuture<'a, Result<(), ArtifactError>> {
        Box::pin(async move { self.artifacts.delete(&refused_id(block, proof), ArtifactKind::Proof).await })
    }

    fn release(&self, through: u64) -> BoxFuture<'_, Result<usize, ArtifactError>> {
        Box::pin(async move {
            let mut removed = 0;
            for stored in self.artifacts.list().await? {
                if last_block(&stored.id).is_some_and(|last| last <= through) {
                    self.artifacts.delete(&stored.id, stored.kind).await?;
                    removed += 1;
                }
            }
            Ok(removed)
        })
    }
}
