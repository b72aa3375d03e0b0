//! The blobs that tasks exchange: programs, inputs, plans, segment proofs, finished proofs. [`ArtifactStore`] is what
//! workers and cluster see. Three engines keep the bytes: [`FsArtifacts`] in a folder that the processes of one machine (or of
//! several, over a network file system) share, [`RedisArtifacts`] and [`S3Artifacts`] where clients and nodes of the SP1 cluster
//! look for them. [`StoreSettings`] says which, [`StoreChoice::open`] opens it; [`Cached`] keeps what a worker reads again.
//!
//! A blob comes back as it was stored, or not at all: what is ours has length and checksum in front of it, a layer above the
//! engines. A damaged blob is an error of its own, so that the task that made it can be run again; so is a store that is away.
//!
//! ```
//! use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore, ContentKey, FsArtifacts};
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! let store = FsArtifacts::open(folder.path())?;
//! let name = ContentKey::of(&[b"segment-proof", b"exec", b"program", &7u32.to_le_bytes()]).artifact();
//! store.put(&name, ArtifactKind::Intermediate, "a proof".into()).await?;
//! assert_eq!(store.get(&name, ArtifactKind::Intermediate).await?, "a proof");
//! let missing = store.get(&"another".into(), ArtifactKind::Proof).await;
//! assert!(matches!(missing, Err(ArtifactError::Missing { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?; Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod error;
mod forwarding;
mod frame;
mod fs;
mod integrity;
mod key;
mod kind;
mod measured;
mod packing;
mod raw;
mod redis;
mod s3;
mod settings;
mod store;

pub use cache::Cached;
pub use error::ArtifactError;
#[doc(hidden)]
pub use forwarding::types;
pub use fs::{FsArtifacts, Stored};
pub use key::{ContentKey, refusal_of};
pub use kind::ArtifactKind;
pub use raw::{Look, Peers, RawStore};
pub use redis::{Notice, RedisArtifacts, RedisOptions};
pub use s3::{Bucket, S3Artifacts, S3Options, S3Settings};
pub use settings::{FolderOptions, StoreChoice, StoreSettings, StoreSettingsError};
pub use store::{ArtifactStore, Removed, Reply};

/// The most bytes that an id may have.
pub const MAX_ID_LENGTH: usize = 1024;

/// The most bytes that a blob may have, unpacked, where nothing else is said: a megabyte may unpack to more than a machine has.
pub const DEFAULT_LIMIT: u64 = 4 << 30;
