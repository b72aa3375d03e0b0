//! What a worker reads again and again: every segment's task wants the same program, input and plan.

use crate::{ArtifactError, ArtifactKind, ArtifactStore, ContentKey, Reply};
use bytes::Bytes;
use lru::LruCache;
use proofmill_primitives::ArtifactId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type Key = (ArtifactKind, ArtifactId);

/// A store with the blobs in front of it that were read last, up to a number of bytes; those read longest ago go first.
///
/// Programs and inputs are kept: what has their name never changes. An intermediate result under a name that follows from
/// what it is made of is kept, too, and the store is asked each time whether it is still there: somebody removes what turns
/// out to be wrong. Finished proofs are always read. Who asks for a blob that somebody else is reading waits for that.
#[derive(Debug)]
pub struct Cached {
    store: Arc<dyn ArtifactStore>,
    limit: u64,
    kept: Mutex<Kept>,
    reading: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug)]
struct Kept {
    blobs: LruCache<Key, Bytes>,
    bytes: u64,
}

impl Kept {
    fn remove(&mut self, key: &Key) {
        self.bytes -= self.blobs.pop(key).map_or(0, |blob| blob.len() as u64);
    }

    fn add(&mut self, key: Key, blob: Bytes, limit: u64) {
        self.remove(&key);
        // All others would go for one that does not stay either.
        if blob.len() as u64 > limit {
            return;
        }
        self.bytes += blob.len() as u64;
        self.blobs.put(key, blob);
        while self.bytes > limit
            && let Some((_, oldest)) = self.blobs.pop_lru()
        {
            self.bytes -= oldest.len() as u64;
        }
    }
}

impl Cached {
    /// Keeps up to `limit` bytes.
    pub fn new(store: Arc<dyn ArtifactStore>, limit: u64) -> Self {
        let kept = Mutex::new(Kept { blobs: LruCache::unbounded(), bytes: 0 });
        Self { store, limit, kept, reading: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> MutexGuard<'_, HashMap<Key, Arc<tokio::sync::Mutex<()>>>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blob, if it is kept and still what the store has.
    async fn find(&self, key: &Key) -> Result<Option<Bytes>, ArtifactError> {
        let Some(blob) = self.kept().blobs.get(key).cloned() else { return Ok(None) };
        if key.0 == ArtifactKind::Intermediate && !self.store.exists(&key.1, key.0).await? {
            self.kept().remove(key);
            return Ok(None);
        }
        Ok(Some(blob))
    }

    async fn read(&self, key: Key) -> Result<Bytes, ArtifactError> {
        if !is_kept(&key) {
            return self.store.get(&key.1, key.0).await;
        }
        // Goes last, also where whoever waits here gives up.
        let _looks_back = LooksBack { cached: self, key: &key };
        let turn = Arc::clone(self.reading().entry(key.clone()).or_default());
        let _turn = turn.lock().await;
        match self.find(&key).await {
            Ok(None) => self.store.get(&key.1, key.0).await.inspect(|blob| {
                self.kept().add(key.clone(), blob.clone(), self.limit);
            }),
            Ok(Some(blob)) => Ok(blob),
            Err(error) => Err(error),
        }
    }
}

/// Forgets that a blob is being read once nobody does: of work that is withdrawn nothing must be left, however often that happens.
struct LooksBack<'a> {
    cached: &'a Cached,
    key: &'a Key,
}

impl Drop for LooksBack<'_> {
    fn drop(&mut self) {
        let mut reading = self.cached.reading();
        if reading.get(self.key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            reading.remove(self.key);
        }
    }
}

fn is_kept(key: &Key) -> bool {
    match key.0 {
        ArtifactKind::Program | ArtifactKind::Stdin | ArtifactKind::PrivateStdin => true,
        ArtifactKind::Intermediate => ContentKey::names(key.1.as_str()),
        ArtifactKind::Exchanged | ArtifactKind::Proof => false,
    }
}

impl ArtifactStore for Cached {
    fn put<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, bytes: Bytes) -> Reply<'a, ()> {
        Box::pin(async move {
            self.kept().remove(&(kind, id.clone()));
            self.store.put(id, kind, bytes).await
        })
    }

    fn get<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
        Box::pin(self.read((kind, id.clone())))
    }

    fn delete<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, ()> {
        Box::pin(async move {
            self.kept().remove(&(kind, id.clone()));
            self.store.delete(id, kind).await
        })
    }

    fn remove_ref<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, holder: &'a str) -> Reply<'a, bool> {
        Box::pin(async move {
            let removed = self.store.remove_ref(id, kind, holder).await?;
            if removed {
                self.kept().remove(&(kind, id.clone()));
            }
            Ok(removed)
        })
    }

    crate::forwarded!(exists, upkeep);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::FsArtifacts;

    /// A store whose blobs never come.
    #[derive(Debug)]
    struct Silent {
        store: FsArtifacts,
    }

    impl ArtifactStore for Silent {
        fn get<'a>(&'a self, _: &'a ArtifactId, _: ArtifactKind) -> Reply<'a, Bytes> {
            Box::pin(std::future::pending())
        }

        crate::forwarded!(put, exists, delete, upkeep);
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_read_that_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let store = Silent { store: FsArtifacts::open(folder.path()).unwrap() };
        let cached = Cached::new(Arc::new(store), 1_000);
        let id = ArtifactId::new("program");
        let mut first = cached.get(&id, ArtifactKind::Program);
        let mut waits = cached.get(&id, ArtifactKind::Program);
        for read in [&mut first, &mut waits] {
            tokio::select! {
                biased;
                _ = read => panic!("it came"),
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(cached.reading().len(), 1);
        // The other one has its turn then.
        drop(first);
        assert_eq!(cached.reading().len(), 1);
        drop(waits);
        assert_eq!(cached.reading().len(), 0);
    }
}
