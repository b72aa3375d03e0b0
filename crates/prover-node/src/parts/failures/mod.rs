//! The failure store: what failed, with all that is needed to look into it and to prove it again.
//!
//! A record is a folder of its own: `record.json`, which is written last and makes it one, and the files that it names. The
//! store is a folder, or a prefix in an S3 bucket.

mod id;
mod record;

pub use id::FailureId;
pub use record::{BadProof, FailureRecord, Holds, MissingFile, NewFile, ProgramPair, RecordFile, Subject};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as Key,
};
use proofmill_artifacts::{ArtifactError, Bucket, S3Options, S3Settings};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The file that makes a folder a record.
const RECORD: &str = "record.json";

/// The settings by which a bucket of failures is named.
const SETTINGS: S3Settings =
    S3Settings { bucket: "--failures, PROOFMILL_FAILURES", region: "AWS_REGION in the environment" };

/// How long a store may be silent, besides the time that a content takes.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Bytes of a content that a store takes or gives in a second, at the least.
const SLOWEST: u64 = 1 << 20;

/// Whether a record is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was written.
    New,
    /// It was there.
    Already,
}

/// Why the failure store did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FailureStoreError {
    /// The folder cannot be used.
    #[error("cannot {doing} {what}: {source}; check that this user may do that, and that there is space")]
    Folder {
        /// What was being done.
        doing: &'static str,
        /// With what.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The bucket cannot be used.
    #[error(transparent)]
    Bucket(#[from] ArtifactError),
    /// No such record, or no such file in it.
    #[error("there is no {what} in {place}: `proofmill failures list` shows what there is")]
    Missing {
        /// What.
        what: String,
        /// Where it was looked for.
        place: String,
    },
    /// A record that this release cannot read.
    #[error(
        "the record {id} in {place} cannot be read: {cause}; it was cut off or changed, or a later release made it, which can read it"
    )]
    Unreadable {
        /// Which.
        id: FailureId,
        /// Where.
        place: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A file of a record is not as it was written.
    #[error(
        "{name} of record {id} in {place} has {got} bytes, and was written with {expected}: it was cut off or changed; what the \
         record has besides can still be used"
    )]
    Damaged {
        /// The file.
        name: String,
        /// Of which record.
        id: FailureId,
        /// Where.
        place: String,
        /// Its length.
        got: u64,
        /// What its length was.
        expected: u64,
    },
    /// A file of a record has other bytes than were written.
    #[error(
        "{name} of record {id} in {place} is not what was written: its disk or somebody has changed it; what the record has besides can \
         still be used"
    )]
    Changed {
        /// The file.
        name: String,
        /// Of which record.
        id: FailureId,
        /// Where.
        place: String,
    },
    /// What is to be a failure store is none.
    #[error(
        "{text} is no failure store: give a folder, or s3://BUCKET/PREFIX with AWS_REGION in the environment ({cause})"
    )]
    Address {
        /// What was given, where it can hold no key.
        text: String,
        /// What is wrong with it.
        cause: String,
    },
}

impl FailureStoreError {
    /// Whether the store only does not answer now.
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Bucket(ArtifactError::Away { .. }))
    }
}

/// A place for records of failures. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FailureStore {
    place: Place,
}

/// A store, and the prefix of the records in it.
type Opened = (Arc<dyn ObjectStore>, Key);

#[derive(Clone, Debug)]
enum Place {
    /// Made with the first record.
    Folder(PathBuf),
    Bucket {
        bucket: Bucket,
        prefix: Key,
        name: String,
    },
}

impl FailureStore {
    /// In this folder, which is made with the first record.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { place: Place::Folder(folder.into()) }
    }

    /// In a bucket, under a prefix. Asks nobody.
    ///
    /// # Errors
    ///
    /// [`FailureStoreError::Bucket`] where the environment's settings contradict each other.
    pub fn in_bucket(options: S3Options, prefix: &str) -> Result<Self, FailureStoreError> {
        let name = format!("s3://{}/{prefix}", options.bucket);
        let bucket = Bucket::open(&S3Options { settings: SETTINGS, ..options })?;
        Ok(Self { place: Place::Bucket { bucket, prefix: Key::from(prefix), name } })
    }

    /// Where settings say: a folder, or `s3://BUCKET/PREFIX` in `region`. Asks nobody.
    ///
    /// # Errors
    ///
    /// [`FailureStoreError::Address`] where neither is named, [`FailureStoreError::Bucket`] where the environment's settings
    /// contradict each other.
    pub fn at(text: &str, region: Option<&str>) -> Result<Self, FailureStoreError> {
        let shown = || if text.contains('@') { "what was given".to_owned() } else { format!("{text:?}") };
        let wrong = |cause: &str| FailureStoreError::Address { text: shown(), cause: cause.to_owned() };
        let Some(rest) = text.strip_prefix("s3://") else {
            return match text.split_once("://") {
                Some(_) => Err(wrong("only s3:// is known")),
                None if text.is_empty() => Err(wrong("it is empty")),
                None if text.starts_with("s3:") => Err(wrong("a bucket is named after s3://")),
                None => Ok(Self::in_folder(text)),
            };
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong("no bucket is named"));
        }
        if rest.contains('@') {
            return Err(wrong(
                "keys are named by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, not in an address",
            ));
        }
        let region = region.filter(|region| !region.is_empty()).ok_or_else(|| wrong("no region is named"))?;
        Self::in_bucket(S3Options::new(bucket, region), prefix)
    }

    /// Finds out whether a bucket can be used: its name, region and keys. A folder is made with the first record.
    ///
    /// # Errors
    ///
    /// [`FailureStoreError::Bucket`]; it may only be away ([`is_away`](FailureStoreError::is_away)).
    pub async fn check(&self) -> Result<(), FailureStoreError> {
        let Place::Bucket { bucket, prefix, .. } = &self.place else { return self.open().map(drop) };
        let store = bucket.store();
        let first = within(0, store.list(Some(prefix)).try_next()).await;
        first.map(drop).map_err(|error| self.failed("look for records in", error))
    }

    /// Keeps a record with its files, unless one of the same failure is there.
    ///
    /// # Errors
    ///
    /// [`FailureStoreError`] where the store cannot be used.
    pub async fn keep(&self, record: &FailureRecord, files: &[NewFile]) -> Result<Kept, FailureStoreError> {
        let id = FailureId::of(&record.subject);
        let (store, prefix) = self.open_to_write()?;
        let folder = prefix.join(id.as_str());
        let mark = folder.clone().join(RECORD);
        match within(0, store.head(&mark)).await {
            Ok(_) => return Ok(Kept::Already),
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(self.failed("look for a record in", error)),
        }
        let json = serde_json::to_vec_pretty(record).map_err(|error| {
            self.failed("write", StoreError::Generic { store: "JSON", source: error.into() })
        })?;
        let files = files.iter().map(|file| (folder.clone().join(file.name.as_str()), file.content.clone()));
        for (key, content) in files.chain([(mark, json.into())]) {
            let written = within(content.len() as u64, store.put(&key, content.into())).await;
            written.map_err(|error| self.failed("write to", error))?;
        }
        Ok(Kept::New)
    }

    /// The records that are there, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`FailureStoreError`] where the store cannot be read.
    pub async fn list(&self) -> Result<Vec<FailureId>, FailureStoreError> {
        let Some((store, prefix)) = self.open()? else { return Ok(Vec::new()) };
        let objects: Vec<_> = within(0, store.list(Some(&prefix)).try_collect())
            .await
            .map_err(|error| self.failed("read", error))?;
        let mut ids = Vec::new();
        for object in objects {
            let parts: Vec<_> = object.location.parts().collect();
            if let [.., folder, file] = parts.as_slice()
                && file.as_ref() == RECORD
                && let Some(id) = FailureId::parse(folder.as_ref())
            {
                ids.push(id);
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// A record.
    ///
    /// # Errors
    ///
    /// [`FailureStoreError::Missing`], [`FailureStoreError::Unreadable`], or another where the store cannot be read.
    pub async fn record(&self, id: &FailureId) -> Result<FailureRecord, FailureStoreError> {
        let bytes = self.read(id, RECORD).await?;
        let unreadable = |cause: String| {
            let (id, place) = (id.clone(), self.to_string());
            FailureStoreError::Unreadable { id, place, cause }
        };
        let record: FailureRecord =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        // Names become paths where records are downloaded, and others may write to the store.
        match record.files.iter().find(|file| !file.has_a_plain_name()) {
            Some(file) => Err(unreadable(format!("{:?} is no name of a file of a record", file.name))),
            None => Ok(record),
        }
    }

    /// The record itself, as it was written.
    ///
    /// # Errors
    ///
    /// [`FailureStoreError::Missing`], or another where the store cannot be read.
    pub async fn record_file(&self, id: &FailureId) -> Result<Bytes, FailureStoreError> {
        self.read(id, RECORD).await
    }

    /// A file that a record names, whole.
    ///
    /// # Errors
    ///
    /// [`FailureStoreError::Missing`], [`FailureStoreError::Damaged`], [`FailureStoreError::Changed`], or another where the store cannot
    /// be read.
    pub async fn file(&self, id: &FailureId, file: &RecordFile) -> Result<Bytes, FailureStoreError> {
        let content = self.read(id, &file.name).await?;
        let (got, expected) = (content.len() as u64, file.bytes);
        let (name, id, place) = (file.name.clone(), id.clone(), self.to_string());
        if got != expected {
            return Err(FailureStoreError::Damaged { name, id, place, got, expected });
        }
        match &file.hash {
            Some(hash) if *hash != record::hash_of(&content) => {
                Err(FailureStoreError::Changed { name, id, place })
            }
            _ => Ok(content),
        }
    }

    async fn read(&self, id: &FailureId, name: &str) -> Result<Bytes, FailureStoreError> {
        let missing = || FailureStoreError::Missing {
            what: if name == RECORD { format!("record {id}") } else { format!("{name} of record {id}") },
            place: self.to_string(),
        };
        let (store, prefix) = self.open()?.ok_or_else(missing)?;
        let key = prefix.join(id.as_str()).join(name);
        let got = match within(0, store.get(&key)).await {
            Ok(got) => got,
            Err(StoreError::NotFound { .. }) => return Err(missing()),
            Err(error) => return Err(self.failed("read", error)),
        };
        within(got.meta.size, got.bytes()).await.map_err(|error| self.failed("read", error))
    }

    /// The store, if there is one.
    fn open(&self) -> Result<Option<Opened>, FailureStoreError> {
        match &self.place {
            Place::Folder(folder) => match folder.try_exists() {
                // The store would find nothing in a file, and say that there is nothing.
                Ok(true) if !folder.is_dir() => {
                    Err(self.folder_failed("read", io::ErrorKind::NotADirectory.into()))
                }
                Ok(true) => self.local(folder).map(Some),
                Ok(false) => Ok(None),
                Err(source) => Err(self.folder_failed("read", source)),
            },
            Place::Bucket { bucket, prefix, .. } => Ok(Some((bucket.store(), prefix.clone()))),
        }
    }

    fn open_to_write(&self) -> Result<Opened, FailureStoreError> {
        match &self.place {
            Place::Folder(folder) => {
                fs::create_dir_all(folder).map_err(|source| self.folder_failed("make", source))?;
                self.local(folder)
            }
            Place::Bucket { bucket, prefix, .. } => Ok((bucket.store(), prefix.clone())),
        }
    }

    fn local(&self, folder: &Path) -> Result<Opened, FailureStoreError> {
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| self.failed("open", error))?;
        Ok((Arc::new(store.with_fsync(true)), Key::default()))
    }

    fn failed(&self, doing: &'static str, error: StoreError) -> FailureStoreError {
        match &self.place {
            Place::Folder(_) => self.folder_failed(doing, io::Error::other(error)),
            Place::Bucket { bucket, .. } => bucket.fault(doing, &error).into(),
        }
    }

    fn folder_failed(&self, doing: &'static str, source: io::Error) -> FailureStoreError {
        FailureStoreError::Folder { doing, what: self.to_string(), source }
    }
}

/// Gives up on a store that is silent.
async fn within<T>(
    bytes: u64,
    request: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let longest = ANSWER_WITHIN + Duration::from_secs(bytes / SLOWEST);
    match tokio::time::timeout(longest, request).await {
        Ok(answer) => answer,
        Err(_) => {
            let source = format!("no answer within {} s", longest.as_secs()).into();
            Err(StoreError::Generic { store: "failures", source })
        }
    }
}

impl fmt::Display for FailureStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(folder) => folder.display().fmt(f),
            Place::Bucket { name, .. } => f.write_str(name),
        }
    }
}
