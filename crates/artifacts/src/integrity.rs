//! The layer between blobs and engines: a blob comes back as it was stored, or not at all.
//!
//! | kind | in a folder | in Redis and S3 |
//! |---|---|---|
//! | intermediate | header with length and BLAKE3 | header with length and BLAKE3 |
//! | program | header | length (8 bytes, little-endian), then the ELF |
//! | exchanged, stdin, private stdin, proof | header | as it is |
//!
//! The SP1 cluster's `upload_program` stores `bincode(Vec<u8>)`, which is that length and those bytes
//! (`sp1-prover-types`, `artifacts.rs`); inputs and proofs are encoded by whoever makes them. What has a name that follows
//! from its content is compared with it wherever it has no header.

use crate::{
    ArtifactError, ArtifactKind, ArtifactStore, MAX_ID_LENGTH, Removed, Reply, frame, key,
    raw::{Look, Peers, RawStore, within},
};
use bytes::Bytes;
use proofmill_primitives::ArtifactId;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Larger blobs are hashed where that does not hold up other futures.
const LARGE: usize = 256 * 1024;

/// How a blob of a kind is written.
#[derive(Clone, Copy)]
enum Form {
    Framed,
    Prefixed,
    Plain,
}

impl Form {
    const fn of(peers: Peers, kind: ArtifactKind) -> Self {
        match (peers, kind) {
            (Peers::None, _) | (_, ArtifactKind::Intermediate) => Self::Framed,
            (_, ArtifactKind::Program) => Self::Prefixed,
            (
                _,
                ArtifactKind::Exchanged
                | ArtifactKind::Stdin
                | ArtifactKind::PrivateStdin
                | ArtifactKind::Proof,
            ) => Self::Plain,
        }
    }

    fn encode(self, id: &ArtifactId, kind: ArtifactKind, bytes: Bytes) -> Vec<Bytes> {
        match self {
            Self::Framed => vec![frame::encode(id, kind, &bytes).into(), bytes],
            Self::Prefixed => {
                vec![Bytes::copy_from_slice(&(bytes.len() as u64).to_le_bytes()), bytes]
            }
            Self::Plain => vec![bytes],
        }
    }

    /// The blob; or what is wrong with what was read.
    fn decode(self, id: &ArtifactId, kind: ArtifactKind, read: &Bytes) -> Result<Bytes, String> {
        let bytes = match self {
            Self::Framed => {
                let start = frame::verify(read, id, kind).map_err(|problem| problem.to_string())?;
                return Ok(read.slice(start..));
            }
            Self::Prefixed => {
                let promised = read.first_chunk().map(|length| u64::from_le_bytes(*length));
                let rest = read.len().saturating_sub(8);
                if promised != Some(rest as u64) {
                    return Err(format!("{rest} bytes follow the length, which is {promised:?}"));
                }
                read.slice(8..)
            }
            Self::Plain => read.clone(),
        };
        if key::is_other_content(id, &bytes) {
            return Err("its content is not the one that it is named after".to_owned());
        }
        Ok(bytes)
    }
}

fn check(id: &ArtifactId) -> Result<(), ArtifactError> {
    match id.as_str().len() {
        1..=MAX_ID_LENGTH => Ok(()),
        length => Err(ArtifactError::BadId { length, max: MAX_ID_LENGTH }),
    }
}

/// Runs what takes long for large blobs where it does not hold up other futures.
async fn aside<T: Send + 'static>(size: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if size < LARGE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and drops this future, too.
            Err(_) => std::future::pending().await,
        },
    }
}

/// The blob, where it is whole.
async fn whole<R: RawStore>(store: &R, id: &ArtifactId, kind: ArtifactKind) -> Result<Bytes, ArtifactError> {
    let read = store.read(id, kind).await?;
    let (form, name) = (Form::of(store.peers(), kind), id.clone());
    let bytes = aside(read.len(), move || form.decode(&name, kind, &read))
        .await
        .map_err(|detail| ArtifactError::Damaged { id: id.clone(), kind, detail })?;
    within(store.limit(), id, kind, bytes.len() as u64)?;
    Ok(bytes)
}

impl<R: RawStore> ArtifactStore for R {
    fn put<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, bytes: Bytes) -> Reply<'a, ()> {
        Box::pin(async move {
            check(id)?;
            within(self.limit(), id, kind, bytes.len() as u64)?;
            let (form, name) = (Form::of(self.peers(), kind), id.clone());
            let parts = aside(bytes.len(), move || form.encode(&name, kind, bytes)).await;
            self.write(id, kind, parts).await
        })
    }

    fn get<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
        Box::pin(async move {
            check(id)?;
            match whole(self, id, kind).await {
                // It may have been replaced between two of its pieces.
                Err(ArtifactError::Damaged { .. }) => whole(self, id, kind).await,
                answer => answer,
            }
        })
    }

    fn exists<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, bool> {
        Box::pin(async move {
            check(id)?;
            Ok(match self.look(id, kind).await? {
                None => false,
                Some(Look::There) => true,
                Some(Look::Start { bytes, length }) => {
                    frame::header(&bytes, length).is_some_and(|header| header.id == *id)
                }
            })
        })
    }

    fn delete<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, ()> {
        Box::pin(async move {
            check(id)?;
            self.remove(id, kind).await
        })
    }

    fn add_ref<'a>(&'a self, id: &'a ArtifactId, holder: &'a str) -> Reply<'a, ()> {
        Box::pin(async move {
            check(id)?;
            self.hold(id, holder).await
        })
    }

    /// The kind is no part of a name where there are notes of who needs a blob.
    fn remove_ref<'a>(&'a self, id: &'a ArtifactId, _: ArtifactKind, holder: &'a str) -> Reply<'a, bool> {
        Box::pin(async move {
            check(id)?;
            self.let_go(id, holder).await
        })
    }

    fn remove_unused<'a>(
        &'a self,
        unused_for: Duration,
        in_use: Arc<BTreeSet<ArtifactId>>,
    ) -> Reply<'a, Removed> {
        self.sweep(unused_for, in_use)
    }

    fn lifetime(&self) -> Option<Duration> {
        self.expiry()
    }

    fn keep_alive<'a>(&'a self, ids: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, ()> {
        self.renew(ids)
    }

    fn let_expire<'a>(&'a self, ids: Arc<BTreeSet<ArtifactId>>, after: Duration) -> Reply<'a, ()> {
        self.shorten(ids, after)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Mutex;

    /// What each reading gives, the last one first.
    #[derive(Debug)]
    struct Replaced(Mutex<Vec<Bytes>>);

    impl RawStore for Replaced {
        fn peers(&self) -> Peers {
            Peers::None
        }

        fn limit(&self) -> u64 {
            1000
        }

        fn write<'a>(&'a self, _: &'a ArtifactId, _: ArtifactKind, parts: Vec<Bytes>) -> Reply<'a, ()> {
            self.0.lock().unwrap().push(parts.concat().into());
            Box::pin(async { Ok(()) })
        }

        fn read<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
            let blob = self.0.lock().unwrap().pop();
            Box::pin(async move { blob.ok_or_else(|| ArtifactError::Missing { id: id.clone(), kind }) })
        }

        fn look<'a>(&'a self, _: &'a ArtifactId, _: ArtifactKind) -> Reply<'a, Option<Look>> {
            Box::pin(async { Ok(None) })
        }

        fn remove<'a>(&'a self, _: &'a ArtifactId, _: ArtifactKind) -> Reply<'a, ()> {
            Box::pin(async { Ok(()) })
        }

        fn sweep<'a>(&'a self, _: Duration, _: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, Removed> {
            Box::pin(async { Ok(Removed::default()) })
        }
    }

    #[tokio::test]
    async fn what_is_replaced_while_it_is_read_is_read_again_and_what_stays_so_is_damaged() {
        let store = Replaced(Mutex::default());
        let (id, kind) = (&ArtifactId::new("x"), ArtifactKind::Exchanged);
        let torn = Bytes::from_static(b"half of one and half of another");
        store.put(id, kind, "whole".into()).await.unwrap();
        store.0.lock().unwrap().push(torn.clone());
        assert_eq!(store.get(id, kind).await.unwrap(), "whole");
        store.0.lock().unwrap().extend([torn.clone(), torn]);
        let damaged = store.get(id, kind).await;
        assert!(matches!(damaged, Err(ArtifactError::Damaged { .. })), "{damaged:?}");
        let missing = store.get(id, kind).await;
        assert!(matches!(missing, Err(ArtifactError::Missing { .. })), "{missing:?}");
    }
}
