//! How much is read and written, how long that takes, and what goes wrong.

use crate::{ArtifactError, ArtifactKind, ArtifactStore, Removed, Reply};
use bytes::Bytes;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use proofmill_primitives::ArtifactId;
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

const BYTES: &str = "proofmill_artifact_bytes_total";
const SECONDS: &str = "proofmill_artifact_seconds";
const FAULTS: &str = "proofmill_artifact_faults_total";

/// A store whose reads and writes are counted where the process has a recorder of metrics. Reads from a cache in front of it are
/// not among them.
#[derive(Debug)]
pub(crate) struct Measured {
    store: Arc<dyn ArtifactStore>,
}

impl Measured {
    pub(crate) fn new(store: impl ArtifactStore + 'static) -> Self {
        describe_counter!(BYTES, Unit::Bytes, "Bytes of artifacts that were put and got, unpacked, by kind.");
        describe_histogram!(
            SECONDS,
            Unit::Seconds,
            "What the artifact store took for one call, by operation."
        );
        describe_counter!(FAULTS, "Calls of the artifact store that failed, by operation and cause.");
        Self { store: Arc::new(store) }
    }
}

fn note<T>(
    operation: &'static str,
    kind: ArtifactKind,
    begun: Instant,
    outcome: &Result<T, ArtifactError>,
    bytes: impl FnOnce(&T) -> usize,
) {
    histogram!(SECONDS, "operation" => operation).record(begun.elapsed());
    match outcome {
        Ok(value) => {
            counter!(BYTES, "operation" => operation, "kind" => kind.name()).increment(bytes(value) as u64);
        }
        Err(error) => counter!(FAULTS, "operation" => operation, "cause" => error.name()).increment(1),
    }
}

impl ArtifactStore for Measured {
    fn put<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, bytes: Bytes) -> Reply<'a, ()> {
        Box::pin(async move {
            let (begun, length) = (Instant::now(), bytes.len());
            let outcome = self.store.put(id, kind, bytes).await;
            note("put", kind, begun, &outcome, |()| length);
            outcome
        })
    }

    fn get<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, Bytes> {
        Box::pin(async move {
            let begun = Instant::now();
            let outcome = self.store.get(id, kind).await;
            note("get", kind, begun, &outcome, Bytes::len);
            outcome
        })
    }

    fn exists<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, bool> {
        Box::pin(async move {
            let begun = Instant::now();
            let outcome = self.store.exists(id, kind).await;
            note("exists", kind, begun, &outcome, |_| 0);
            outcome
        })
    }

    fn delete<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, ()> {
        Box::pin(async move {
            let begun = Instant::now();
            let outcome = self.store.delete(id, kind).await;
            note("delete", kind, begun, &outcome, |()| 0);
            outcome
        })
    }

    fn add_ref<'a>(&'a self, id: &'a ArtifactId, holder: &'a str) -> Reply<'a, ()> {
        self.store.add_ref(id, holder)
    }

    fn remove_ref<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind, holder: &'a str) -> Reply<'a, bool> {
        self.store.remove_ref(id, kind, holder)
    }

    fn remove_unused<'a>(
        &'a self,
        unused_for: Duration,
        in_use: Arc<BTreeSet<ArtifactId>>,
    ) -> Reply<'a, Removed> {
        self.store.remove_unused(unused_for, in_use)
    }

    fn lifetime(&self) -> Option<Duration> {
        self.store.lifetime()
    }

    fn keep_alive<'a>(&'a self, ids: Arc<BTreeSet<ArtifactId>>) -> Reply<'a, ()> {
        self.store.keep_alive(ids)
    }

    fn let_expire<'a>(&'a self, ids: Arc<BTreeSet<ArtifactId>>, after: Duration) -> Reply<'a, ()> {
        self.store.let_expire(ids, after)
    }
}
