//! How much is read and written, how long that takes, and what goes wrong.

use crate::{ArtifactError, ArtifactKind, ArtifactStore, Reply};
use bytes::Bytes;
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use proofmill_primitives::ArtifactId;
use std::{sync::Arc, time::Instant};

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

    crate::forwarded!(remove_ref, upkeep);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::FsArtifacts;
    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, with_local_recorder,
    };
    use std::{
        collections::BTreeMap,
        fs,
        path::{Path, PathBuf},
        sync::{
            Mutex,
            atomic::{AtomicU64, Ordering},
        },
    };

    const KIND: ArtifactKind = ArtifactKind::Intermediate;

    /// Counters, by their name and the values of their labels.
    #[derive(Default)]
    struct Counted(Mutex<BTreeMap<Vec<String>, Arc<AtomicU64>>>);

    impl Counted {
        /// The faults that were counted: operation, cause, and how many.
        fn faults(&self) -> Vec<(String, String, u64)> {
            let counted = self.0.lock().unwrap();
            let faults = counted.iter().filter_map(|(of, times)| match of.as_slice() {
                [name, operation, cause] if name == FAULTS => {
                    Some((operation.clone(), cause.clone(), times.load(Ordering::Relaxed)))
                }
                _ => None,
            });
            faults.collect()
        }
    }

    impl Recorder for Counted {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let labels = key.labels().map(|label| label.value().to_owned());
            let of = std::iter::once(key.name().to_owned()).chain(labels).collect();
            Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(of).or_default()))
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    /// The only file below a folder.
    fn file_below(folder: &Path) -> PathBuf {
        let only = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        if only.is_dir() { file_below(&only) } else { only }
    }

    #[test]
    fn calls_that_fail_are_counted_by_operation_and_cause() {
        let counted = Counted::default();
        let faults = |of: &[(&str, &str, u64)]| {
            let owned = of
                .iter()
                .map(|(operation, cause, times)| ((*operation).to_owned(), (*cause).to_owned(), *times));
            owned.collect::<Vec<_>>()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        with_local_recorder(&counted, || {
            runtime.block_on(async {
                let inner = FsArtifacts::open(folder.path()).unwrap();
                let blobs = inner.root().join(KIND.name());
                let store = Measured::new(inner);
                store.put(&"17".into(), KIND, Bytes::from_static(b"a proof")).await.unwrap();
                store.get(&"17".into(), KIND).await.unwrap();
                assert_eq!(counted.faults(), faults(&[]), "what goes well is no fault");
                for times in 1..=2 {
                    store.get(&"18".into(), KIND).await.unwrap_err();
                    assert_eq!(counted.faults(), faults(&[("get", "missing", times)]));
                }
                let file = file_below(&blobs);
                let bytes = fs::read(&file).unwrap();
                fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
                store.get(&"17".into(), KIND).await.unwrap_err();
                assert_eq!(counted.faults(), faults(&[("get", "damaged", 1), ("get", "missing", 2)]));
                store.put(&"".into(), KIND, Bytes::new()).await.unwrap_err();
                let put = ("put".to_owned(), "bad-id".to_owned(), 1);
                assert!(counted.faults().contains(&put), "{:?}", counted.faults());
            });
        });
    }
}
