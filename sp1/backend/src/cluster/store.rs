//! The artifact store as SP1's engines see it.

use super::faults::faulted;
use crate::stdin::read;
use bytes::Bytes;
use proofmill_artifacts::{ArtifactKind, ArtifactStore};
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

    /// What a task left, decoded.
    pub(crate) async fn load<T: DeserializeOwned>(&self, id: &ArtifactId) -> Result<T, Fault> {
        let bytes = self.0.get(id, ArtifactKind::Exchanged).await.map_err(Fault::from)?;
        read(&bytes).map_err(|cause| Fault::new(Code::Damaged, format!("the artifact {id}: {cause}")))
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
            if super::names::is_kept(id) {
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
            if super::names::is_kept(id) {
                return Ok(false);
            }
            let kind = kind_of(kind)?;
            self.0.remove_ref(&id.into(), kind, holder).await.map_err(|error| faulted(error.into()))
        })
    }
}
