//! What an engine does: it keeps bytes under names, and does not look at them.

use crate::{ArtifactError, ArtifactKind, Removed, Reply, frame};
use bytes::Bytes;
use proofmill_primitives::ArtifactId;
use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

/// Who else reads and writes what an engine keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Nobody: each blob has length and checksum in front of it.
    None,
    /// Clients and nodes of the SP1 cluster, too. What they exchange with us (programs, inputs, finished proofs) is in their
    /// encodings; only what our tasks hand to each other has length and checksum in front of it.
    Sp1Cluster,
}

/// Whether what the SP1 cluster's peers share with us has length and checksum in front of it.
pub(crate) const fn is_framed(kind: ArtifactKind) -> bool {
    matches!(kind, ArtifactKind::Intermediate)
}

/// The most bytes that an engine reads of a blob: what stands in front of it is not among those that are limited.
pub(crate) const fn most(limit: u64) -> u64 {
    limit.saturating_add(frame::MAX_HEADER as u64)
}

/// Refuses a blob of more bytes than are allowed.
pub(crate) fn within(
    limit: u64,
    id: &ArtifactId,
    kind: ArtifactKind,
    size: u64,
) -> Result<(), ArtifactError> {
    if size > limit {
        return Err(ArtifactError::TooLarge { id: id.clone(), kind, size, limit });
    }
    Ok(())
}

/// What an engine knows of a blob without reading it.
#[derive(Clone, Debug)]
pub enum Look {
    /// Nothing but that it is there.
    There,
    /// How it begins, and how long it is.
    Start {
        /// The first bytes, at least as many as a header has, if there are so many.
        bytes: Bytes,
        /// Bytes in all.
        length: u64,
    },
}

/// An engine. Every engine is an [`ArtifactStore`](crate::ArtifactStore): names, lengths and checksums are checked above it.
///
/// The ids it is given have 1 to [`MAX_ID_LENGTH`](crate::MAX_ID_LENGTH) bytes.
pub trait RawStore: fmt::Debug + Send + Sync {
    /// Who else reads and writes here.
    fn peers(&self) -> Peers;

    /// The most bytes that a blob may have, unpacked. More than that is neither taken nor given; an engine reads no more than
    /// that and a header.
    fn limit(&self) -> u64;

    /// Stores the parts, one after the other, as one blob. When this returns it is durable as far as the engine is, and
    /// every process sees it whole. One that was there under the name is replaced.
    fn write<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, parts: Vec<Bytes>) -> Reply<'a, ()>;

    /// Gives a blob. One that is replaced meanwhile may be given as damaged: it is read again.
    fn read<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes>;

    /// Whether there is a blob. Counts as a use of it.
    fn look<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Option<Look>>;

    /// Removes a blob, if there is one.
    fn remove<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, ()>;

    /// See [`ArtifactStore::add_ref`](crate::ArtifactStore::add_ref).
    fn hold<'a>(&'a self, _id: &'a ArtifactId, _holder: &'a str) -> Reply<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// See [`ArtifactStore::remove_ref`](crate::ArtifactStore::remove_ref).
    fn let_go<'a>(&'a self, _id: &'a ArtifactId, _holder: &'a str) -> Reply<'a, bool> {
        Box::pin(async { Ok(false) })
    }

    /// See [`ArtifactStore::remove_unused`](crate::ArtifactStore::remove_unused).
    fn sweep<'a>(&'a self, unused_for: Duration, in_use: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, Removed>;

    /// See [`ArtifactStore::lifetime`](crate::ArtifactStore::lifetime).
    fn expiry(&self) -> Option<Duration> {
        None
    }

    /// See [`ArtifactStore::keep_alive`](crate::ArtifactStore::keep_alive).
    fn renew<'a>(&'a self, _ids: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// See [`ArtifactStore::let_expire`](crate::ArtifactStore::let_expire).
    fn shorten<'a>(&'a self, _ids: Arc<BTreeSet<ArtifactId>>, _to: Duration) -> Reply<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}
