//! What every engine can do.

use crate::{ArtifactError, ArtifactKind, key};
use bytes::Bytes;
use proofmill_primitives::ArtifactId;
use std::{collections::BTreeSet, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

/// What the methods of [`ArtifactStore`] return.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, ArtifactError>> + Send + 'a>>;

/// What [`ArtifactStore::remove_unused`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many blobs.
    pub blobs: u64,
    /// The bytes that they took.
    pub bytes: u64,
}

/// A place for blobs. Used as `Arc<dyn ArtifactStore>`.
///
/// An id comes from a client and may be any text; a store either keeps the blob under that name and no other, or refuses
/// with [`ArtifactError::BadId`]. Use an id for one kind: Redis keeps one blob for an id, whatever its kind.
pub trait ArtifactStore: fmt::Debug + Send + Sync {
    /// Stores a blob. When this returns, it is durable, and every process sees it whole. One that was there under the
    /// name is replaced.
    fn put<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, bytes: Bytes) -> Reply<'a, ()>;

    /// Gives a blob as it was stored.
    ///
    /// # Errors
    ///
    /// [`Missing`](ArtifactError::Missing) or [`Damaged`](ArtifactError::Damaged): in both cases whoever made it must
    /// make it again.
    fn get<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes>;

    /// Whether there is such a blob, of the right length. Its bytes are not looked at: [`get`](Self::get) can still find
    /// it damaged.
    fn exists<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, bool>;

    /// Removes a blob. Nothing happens where there is none.
    fn delete<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, ()>;

    /// Removes what nobody has stored, read or asked for in that time. Finished proofs stay, and so does what `in_use`
    /// names, under every kind. Nothing where blobs expire by themselves; where the store cannot tell when a blob was read,
    /// only intermediate results go, by when they were stored.
    fn remove_unused<'a>(
        &'a self,
        unused_for: Duration,
        in_use: Arc<BTreeSet<ArtifactId>>,
    ) -> Reply<'a, Removed>;

    /// For how long a blob is kept without being renewed; nothing where blobs do not expire by themselves.
    fn lifetime(&self) -> Option<Duration> {
        None
    }

    /// Keeps blobs from expiring, whatever their kind: from now on they are kept for [`lifetime`](Self::lifetime) again. Those
    /// of a live proof must be named here more often than that. Where blobs do not expire by themselves this is a use of them, as
    /// far as the store tells such. Names without a blob do no harm.
    fn keep_alive<'a>(&'a self, _ids: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Lets blobs that would be kept for longer expire after this time, unless [`keep_alive`](Self::keep_alive) names them again.
    /// What never expires stays so; nothing happens where blobs do not expire by themselves.
    fn let_expire<'a>(&'a self, _ids: Arc<BTreeSet<ArtifactId>>, _after: Duration) -> Reply<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Notes that `holder` needs a blob, for as long as it lives and nobody takes the note back. Stores without such notes (the
    /// folder, S3) do nothing, as the SP1 cluster's clients do there.
    fn add_ref<'a>(&'a self, _id: &'a ArtifactId, _holder: &'a str) -> Reply<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Takes back what [`add_ref`](Self::add_ref) noted. Where nobody is left who needs the blob, it is removed, and this is true;
    /// so too where nobody was noted before. A store without such notes removes nothing.
    fn remove_ref<'a>(
        &'a self,
        _id: &'a ArtifactId,
        _kind: ArtifactKind,
        _holder: &'a str,
    ) -> Reply<'a, bool> {
        Box::pin(async { Ok(false) })
    }

    /// Stores a blob under a name that follows from its bytes, unless it is there already, and gives that name.
    fn put_content<'a>(&'a self, kind: ArtifactKind, bytes: Bytes) -> Reply<'a, ArtifactId> {
        Box::pin(async move {
            let id = key::content_id(&bytes);
            match self.get(&id, kind).await {
                Ok(there) if there == bytes => {}
                // A damaged one, or another one, is mended by storing this one.
                Ok(_) | Err(ArtifactError::Missing { .. } | ArtifactError::Damaged { .. }) => {
                    self.put(&id, kind, bytes).await?;
                }
                Err(error) => return Err(error),
            }
            Ok(id)
        })
    }
}
