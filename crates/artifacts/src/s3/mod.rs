//! Blobs in S3, or in what speaks its protocol, as the artifact clients of the SP1 cluster keep them there
//! (`succinctlabs/sp1-cluster` at `9864f8b`, `crates/artifact/src/s3.rs`): one zstd stream at
//! `artifacts|programs|stdins|private-stdins|proofs/<id>`, uploaded in parts where it has more than 32 MiB.
//!
//! An id with other characters than letters, digits, `-`, `_` and `.` may be percent-encoded; the SP1 cluster makes none.
//! Expiry is the bucket's: a rule for each prefix.

mod bucket;
mod fault;

pub use bucket::{Bucket, S3Options, S3Settings};

use crate::{
    ArtifactError, ArtifactKind, ContentKey, MAX_ID_LENGTH, Removed, Reply,
    packing::{self, BrokeOff, IN_FLIGHT, Packed, Pieces, Unpacking},
    raw::{Look, Peers, RawStore, is_framed, most},
};
use bytes::Bytes;
use fault::Place;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{
    GetOptions, GetResult, MultipartUpload, ObjectStore, ObjectStoreExt, aws::AmazonS3, path::Path,
};
use proofmill_primitives::ArtifactId;
use std::{
    collections::BTreeSet,
    future::Future,
    iter,
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// How long one request may take, besides the time that a part of a blob takes.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Bytes of a blob that the store takes or gives in a second, at the least.
const SLOWEST: u64 = 1 << 20;

/// Blobs in a bucket. Connects when it is used.
#[derive(Clone, Debug)]
pub struct S3Artifacts {
    store: Arc<AmazonS3>,
    place: Place,
    part: usize,
    limit: u64,
}

impl S3Artifacts {
    /// Reads options and environment; asks nobody.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Refused`] where the settings contradict each other.
    pub fn new(options: &S3Options) -> Result<Self, ArtifactError> {
        let Bucket { store, place } = Bucket::open(options)?;
        Ok(Self { store, place, part: options.part.max(5 << 20), limit: options.limit })
    }

    /// Lists what is not there: whether keys, region and bucket are right. (Who may not list is refused each blob that is not
    /// there, and could not tell that from a blob that it may not see.)
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Away`] or [`ArtifactError::Refused`].
    pub async fn check(&self) -> Result<(), ArtifactError> {
        let mut listed = self.store.list(Some(&Path::from("artifacts/proofmill-probe")));
        match within(listed.try_next()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.place.fault("use the bucket", &error)),
        }
    }

    async fn get(&self, key: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        within(self.store.get_opts(key, options)).await
    }

    async fn write_parts(&self, key: &Path, pieces: Pieces) -> object_store::Result<()> {
        let mut upload = within(self.store.put_multipart(key)).await?;
        let sent = match send_parts(&mut *upload, pieces).await {
            Ok(()) => within(upload.complete()).await.map(drop),
            Err(error) => Err(error),
        };
        if sent.is_err() {
            // What is left of it is for the bucket's rule on incomplete uploads.
            let _ = within(upload.abort()).await;
        }
        sent
    }

    /// The packed bytes: the first range says how long the whole is, the others must be of the same version.
    async fn read_packed(&self, key: &Path) -> object_store::Result<Unpacking> {
        let part = self.part as u64;
        let first = self.get(key, GetOptions::new().with_range(Some(0..part))).await?;
        let (size, e_tag) = (first.meta.size, first.meta.e_tag.clone());
        let others = (1..size.div_ceil(part)).map(|index| (index * part, None));
        let range = async |(start, begun): (u64, Option<GetResult>)| {
            let range = start..size.min(start + part);
            let options = GetOptions::new().with_range(Some(range)).with_if_match(e_tag.clone());
            let got = match begun {
                Some(begun) => begun,
                None => self.get(key, options).await?,
            };
            carrying(part.min(size), got.bytes()).await
        };
        let unpacking = Unpacking::start(most(self.limit));
        let all = stream::iter(iter::once((0, Some(first))).chain(others));
        let mut parts = all.map(range).buffered(IN_FLIGHT);
        while let Some(part) = parts.try_next().await? {
            if !unpacking.add(part).await {
                break;
            }
        }
        drop(parts);
        Ok(unpacking)
    }

    async fn sweep_intermediate(
        &self,
        unused_for: Duration,
        in_use: &BTreeSet<ArtifactId>,
    ) -> object_store::Result<Removed> {
        let mut removed = Removed::default();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let oldest = now.saturating_sub(unused_for).as_secs();
        let mut listed = self.store.list(Some(&Path::from(folder(ArtifactKind::Intermediate))));
        while let Some(object) = within(listed.try_next()).await? {
            let name = object.location.filename().unwrap_or_default();
            let stored = u64::try_from(object.last_modified.timestamp()).unwrap_or(0);
            // Others in a bucket are not ours to remove.
            if ContentKey::names(name) && stored < oldest && !in_use.contains(&ArtifactId::new(name)) {
                within(self.store.delete(&object.location)).await?;
                removed.blobs += 1;
                removed.bytes += object.size;
            }
        }
        Ok(removed)
    }
}

async fn send_parts(upload: &mut dyn MultipartUpload, pieces: Pieces) -> object_store::Result<()> {
    let mut sending = stream::FuturesUnordered::new();
    let mut pieces = pin!(pieces.into_stream());
    while let Some(piece) = pieces.next().await {
        if sending.len() >= IN_FLIGHT {
            sending.try_next().await?;
        }
        let piece = piece.map_err(broke_off)?;
        sending.push(carrying(piece.len() as u64, upload.put_part(piece.into())));
    }
    sending.try_collect().await
}

fn broke_off(broke_off: BrokeOff) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(broke_off) }
}

/// How long a request may take that carries so many bytes of a blob: other parts of it go over the same line at the same time. One that was
/// given up too early would be made again from its first byte on, and so would those of others beside it.
fn patience(bytes: u64) -> Duration {
    ANSWER_WITHIN + Duration::from_secs(bytes.saturating_mul(IN_FLIGHT as u64) / SLOWEST)
}

/// A request that is not answered is an error.
async fn within<T>(request: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
    carrying(0, request).await
}

/// The same of one that carries so many bytes of a blob.
async fn carrying<T>(
    bytes: u64,
    request: impl Future<Output = object_store::Result<T>>,
) -> object_store::Result<T> {
    match tokio::time::timeout(patience(bytes), request).await {
        Ok(answer) => answer,
        Err(late) => Err(object_store::Error::Generic { store: "S3", source: Box::new(late) }),
    }
}

const fn folder(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Intermediate | ArtifactKind::Exchanged => "artifacts",
        ArtifactKind::Program => "programs",
        ArtifactKind::Stdin => "stdins",
        ArtifactKind::PrivateStdin => "private-stdins",
        ArtifactKind::Proof => "proofs",
    }
}

/// S3 allows keys of 1,024 bytes.
fn key_of(id: &ArtifactId, kind: ArtifactKind) -> Result<Path, ArtifactError> {
    let key = Path::from_iter([folder(kind), id.as_str()]);
    if key.as_ref().len() > MAX_ID_LENGTH {
        let max = MAX_ID_LENGTH - folder(kind).len() - 1;
        return Err(ArtifactError::BadId { length: key.as_ref().len() - folder(kind).len() - 1, max });
    }
    Ok(key)
}

impl RawStore for S3Artifacts {
    fn peers(&self) -> Peers {
        Peers::Sp1Cluster
    }

    fn limit(&self) -> u64 {
        self.limit
    }

    fn write<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, parts: Vec<Bytes>) -> Reply<'a, ()> {
        Box::pin(async move {
            let key = key_of(id, kind)?;
            let size = parts.iter().map(Bytes::len).sum::<usize>() as u64;
            let stored = match packing::pack(parts, self.part, !is_framed(kind)).await {
                Ok(Packed::Pieces(pieces)) => self.write_parts(&key, pieces).await,
                Ok(Packed::Whole(packed)) => {
                    let length = packed.len() as u64;
                    carrying(length, self.store.put(&key, packed.into())).await.map(drop)
                }
                Err(error) => Err(broke_off(error)),
            };
            stored.map_err(|error| self.place.not_stored(id, size, &error))
        })
    }

    fn read<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
        Box::pin(async move {
            let unpacking = match self.read_packed(&key_of(id, kind)?).await {
                Ok(unpacking) => unpacking,
                Err(error) if fault::is_missing(&error) => {
                    return Err(ArtifactError::Missing { id: id.clone(), kind });
                }
                Err(error) => match fault::damage(&error) {
                    Some(detail) => return Err(ArtifactError::Damaged { id: id.clone(), kind, detail }),
                    None => return Err(self.place.fault("read an artifact", &error)),
                },
            };
            unpacking.finish().await.map_err(|cause| cause.of(id, kind, self.limit))
        })
    }

    fn look<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Option<Look>> {
        Box::pin(async move {
            match within(self.store.head(&key_of(id, kind)?)).await {
                Ok(_) => Ok(Some(Look::There)),
                Err(error) if fault::is_missing(&error) => Ok(None),
                Err(error) => Err(self.place.fault("look for an artifact", &error)),
            }
        })
    }

    fn remove<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, ()> {
        Box::pin(async move {
            match within(self.store.delete(&key_of(id, kind)?)).await {
                Ok(()) => Ok(()),
                Err(error) if fault::is_missing(&error) => Ok(()),
                Err(error) => Err(self.place.fault("remove an artifact", &error)),
            }
        })
    }

    /// S3 does not tell when a blob was read. Intermediate results of ours go by when they were stored; whoever misses one has
    /// it made again. Programs, inputs and proofs are for the bucket's rules.
    fn sweep<'a>(&'a self, unused_for: Duration, in_use: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, Removed> {
        Box::pin(async move {
            let swept = self.sweep_intermediate(unused_for, &in_use).await;
            swept.map_err(|error| self.place.fault("remove artifacts that nobody uses", &error))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `get_s3_key_from_id` of the SP1 cluster's client.
    #[test]
    fn keys_are_those_of_the_sp1_cluster() {
        for (kind, key) in [
            (ArtifactKind::Intermediate, "artifacts/artifact_01jd"),
            (ArtifactKind::Exchanged, "artifacts/artifact_01jd"),
            (ArtifactKind::Program, "programs/artifact_01jd"),
            (ArtifactKind::Stdin, "stdins/artifact_01jd"),
            (ArtifactKind::PrivateStdin, "private-stdins/artifact_01jd"),
            (ArtifactKind::Proof, "proofs/artifact_01jd"),
        ] {
            assert_eq!(key_of(&"artifact_01jd".into(), kind).unwrap().as_ref(), key);
        }
    }

    /// All of them would be given up, and begun again, for as long as there is so much to be stored.
    #[test]
    fn eight_large_blobs_at_once_get_over_a_line_of_fifty_megabits() {
        let part = 32_u64 << 20;
        let seconds = 8 * IN_FLIGHT as u64 * part * 8 / 50_000_000;
        assert!(patience(part).as_secs() > seconds, "{:?} for {seconds} s", patience(part));
        assert_eq!(patience(0), ANSWER_WITHIN);
    }

    #[test]
    fn hostile_ids_stay_in_their_folder() {
        let ids = ["..", ".", "../proofs/x", "a/b", "a//b", "/a", "%2E%2E", "a%2Fb", "\n", "é", "*"];
        let keys: BTreeSet<_> =
            ids.iter().map(|id| key_of(&(*id).into(), ArtifactKind::Stdin).unwrap()).collect();
        assert_eq!(keys.len(), ids.len());
        assert!(keys.iter().all(|key| key.parts().count() == 2 && key.as_ref().starts_with("stdins/")));
        let long = "x".repeat(MAX_ID_LENGTH);
        assert!(matches!(
            key_of(&long.as_str().into(), ArtifactKind::Stdin),
            Err(ArtifactError::BadId { .. })
        ));
    }
}
