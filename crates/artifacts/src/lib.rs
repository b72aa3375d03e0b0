//! The blobs that tasks exchange: programs, inputs, plans, segment proofs, finished proofs. [`ArtifactStore`] is what
//! workers and cluster see; [`FsArtifacts`] keeps the blobs in a folder that the processes of one machine (or of several,
//! over a network file system) share. A blob comes back as it was stored, or not at all: length and checksum are
//! checked, and a damaged blob is an error of its own, so that the task that made it can be run again.
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

mod error;
mod fs;
mod key;
mod kind;
mod store;

pub use error::ArtifactError;
pub use fs::{FsArtifacts, MAX_ID_LENGTH, Stored};
pub use key::{ContentKey, refusal_of};
pub use kind::ArtifactKind;
pub use store::{ArtifactStore, Removed, Reply};
