//! The artifact store as SP1's engines see it.

use super::{faults::faulted, names::is_kept};
use crate::stdin::read;
use bytes::Bytes;
use proofmill_artifacts::{ArtifactError, ArtifactKind, ArtifactStore};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::ArtifactId;
use proofmill_sp1_prover::clients::{Later, Store};
use serde::{Serialize, de::DeserializeOwned};
use sp1_prover_types::ArtifactType;
use std::sync::Arc;

/// Each artifact under the name that it has.
pub(crate) struct Plain(pub(crate) Arc<dyn ArtifactStore>);

impl Plain {
    pub(crate) async fn program(&self, id: &ArtifactId) -> Result<Bytes, Fault> {
        self.0.get(id, ArtifactKind::Program).await.map_err(Fault::from)
    }

    pub(crate) async fn input(&self, id: &ArtifactId, private: bool) -> Result<Bytes, Fault> {
        let kind = if private { ArtifactKind::PrivateStdin } else { ArtifactKind::Stdin };
        self.0.get(id, kind).await.map_err(Fault::from)
    }

    pub(crate) async fn has(&self, id: Option<&ArtifactId>) -> Result<bool, Fault> {
        match id {
            Some(id) => self.0.exists(id, ArtifactKind::Exchanged).await.map_err(Fault::from),
            None => Ok(false),
        }
    }

    /// Whether what a task left is there, every byte of it. What is damaged is removed, so that nobody takes it for made.
    pub(crate) async fn is_whole(&self, id: &ArtifactId) -> Result<bool, Fault> {
        // Most are not there, which is found out at less cost; and one that is there stays.
        if !self.has(Some(id)).await? {
            return Ok(false);
        }
        match self.0.get(id, ArtifactKind::Exchanged).await {
            Ok(_) => Ok(true),
            Err(ArtifactError::Missing { .. }) => Ok(false),
            Err(error @ ArtifactError::Damaged { .. }) => {
                self.remove(id, &error).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn remove(&self, id: &ArtifactId, cause: &impl std::fmt::Display) -> Result<(), Fault> {
        tracing::error!(%id, %cause, "removing a damaged artifact");
        self.0.delete(id, ArtifactKind::Exchanged).await.map_err(Fault::from)
    }

    /// What a task left, decoded. What is damaged is removed, where it is made again.
    pub(crate) async fn load<T: DeserializeOwned>(&self, id: &ArtifactId) -> Result<T, Fault> {
        let fault = match self.0.get(id, ArtifactKind::Exchanged).await {
            Ok(bytes) => match read(&bytes) {
                Ok(read) => return Ok(read),
                Err(cause) => Fault::new(Code::Damaged, format!("the artifact {id}: {cause}")),
            },
            Err(error) => error.into(),
        };
        if fault.code == Code::Damaged && is_kept(id.as_str()) {
            self.remove(id, &fault).await?;
        }
        Err(fault)
    }

    pub(crate) async fn save(&self, id: &ArtifactId, what: &impl Serialize) -> Result<(), Fault> {
        let bytes = bincode::serialize(what)
            .map_err(|error| Fault::new(Code::ProverFailed, format!("it cannot be encoded: {error}")))?;
        self.0.put(id, ArtifactKind::Exchanged, bytes.into()).await.map_err(Fault::from)
    }
}

fn kind_of(kind: ArtifactType) -> anyhow::Result<ArtifactKind> {
    Ok(match kind {
        ArtifactType::UnspecifiedArtifactType => ArtifactKind::Exchanged,
        ArtifactType::Program => ArtifactKind::Program,
        ArtifactType::Stdin => ArtifactKind::Stdin,
        ArtifactType::PrivateStdin => ArtifactKind::PrivateStdin,
        ArtifactType::Proof => ArtifactKind::Proof,
        other => anyhow::bail!("{other} is not kept in the artifact store"),
    })
}

impl Store for Plain {
    fn put<'a>(&'a self, id: &'a str, kind: ArtifactType, bytes: Vec<u8>) -> Later<'a, ()> {
        Box::pin(async move {
            let kind = kind_of(kind)?;
            let mut bytes = Bytes::from(bytes);
            if kind == ArtifactKind::Program {
                // SP1 encodes the ELF as a byte string; the store does so where others read it.
                bytes = bincode::deserialize::<Vec<u8>>(&bytes)?.into();
            }
            self.0.put(&id.into(), kind, bytes).await.map_err(|error| faulted(error.into()))
        })
    }

    fn get<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, Vec<u8>> {
        Box::pin(async move {
            let kind = kind_of(kind)?;
            let bytes = self.0.get(&id.into(), kind).await.map_err(|error| faulted(error.into()))?;
            Ok(match kind {
                ArtifactKind::Program => bincode::serialize(&bytes.to_vec())?,
                _ => bytes.to_vec(),
            })
        })
    }

    fn exists<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, bool> {
        Box::pin(async move {
            let kind = kind_of(kind)?;
            self.0.exists(&id.into(), kind).await.map_err(|error| faulted(error.into()))
        })
    }

    /// What has a name of ours is found again by who starts over; it goes when nobody has used it for long.
    fn delete<'a>(&'a self, id: &'a str, kind: ArtifactType) -> Later<'a, ()> {
        Box::pin(async move {
            if is_kept(id) {
                return Ok(());
            }
            self.0.delete(&id.into(), kind_of(kind)?).await.map_err(|error| faulted(error.into()))
        })
    }

    fn add_ref<'a>(&'a self, id: &'a str, holder: &'a str) -> Later<'a, ()> {
        Box::pin(
            async move { self.0.add_ref(&id.into(), holder).await.map_err(|error| faulted(error.into())) },
        )
    }

    fn remove_ref<'a>(&'a self, id: &'a str, kind: ArtifactType, holder: &'a str) -> Later<'a, bool> {
        Box::pin(async move {
            if is_kept(id) {
                return Ok(false);
            }
            let kind = kind_of(kind)?;
            self.0.remove_ref(&id.into(), kind, holder).await.map_err(|error| faulted(error.into()))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proofmill_artifacts::FsArtifacts;
    use std::{fs, path::PathBuf};

    /// The only file below a folder.
    fn file_in(folder: &std::path::Path) -> PathBuf {
        let groups = fs::read_dir(folder).unwrap().map(|group| group.unwrap().path());
        let mut files = groups.flat_map(|group| fs::read_dir(group).unwrap());
        files.next().unwrap().unwrap().path()
    }

    #[tokio::test]
    async fn what_is_damaged_is_not_taken_for_made() {
        let folder = std::env::temp_dir().join(format!("proofmill-sp1-damaged-{}", std::process::id()));
        let store = Plain(Arc::new(FsArtifacts::open(&folder).unwrap()));
        let id = ArtifactId::new("key-1");
        assert!(!store.is_whole(&id).await.unwrap());
        for looks in [true, false] {
            store.save(&id, &vec![7_u8; 1000]).await.unwrap();
            assert!(store.is_whole(&id).await.unwrap());
            assert_eq!(store.load::<Vec<u8>>(&id).await.unwrap(), [7; 1000]);
            let file = file_in(&folder.join("exchanged"));
            let mut bytes = fs::read(&file).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&file, bytes).unwrap();
            assert!(store.has(Some(&id)).await.unwrap(), "it has its length");
            if looks {
                assert!(!store.is_whole(&id).await.unwrap());
            } else {
                assert_eq!(store.load::<Vec<u8>>(&id).await.unwrap_err().code, Code::Damaged);
            }
            assert!(!store.has(Some(&id)).await.unwrap(), "it is removed");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
