//! The artifact clients of the SP1 cluster, as far as their layout goes (`crates/artifact` of `succinctlabs/sp1-cluster` at `9864f8b`),
//! under the trait by which SP1's own code stores and reads everything: the encodings are that trait's.

use anyhow::{Context, bail};
use redis::aio::MultiplexedConnection;
use sp1_prover_types::{ArtifactClient, ArtifactId, ArtifactType};
use std::path::PathBuf;

/// Redis: one zstd stream at the key of the id, or, above a size, the fields of a hash and their number.
#[derive(Clone)]
pub(crate) struct StockRedis {
    connection: MultiplexedConnection,
    /// `ARTIFACT_CHUNK_SIZE_BYTES`.
    chunk: usize,
    /// Whether a hash has the number of its chunks: not where an older client stored it (up to 2.6; OP Succinct pins 2.1.2).
    is_marked: bool,
}

const COUNT: &str = "__n";

impl StockRedis {
    pub(crate) async fn connect(url: &str, chunk: usize) -> Self {
        let connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        Self { connection, chunk, is_marked: true }
    }

    /// The same as OP Succinct has it.
    pub(crate) fn older(self) -> Self {
        Self { is_marked: false, ..self }
    }
}

fn chunks(id: &str) -> String {
    format!("{id}:chunks")
}

impl ArtifactClient for StockRedis {
    async fn upload_raw(
        &self,
        artifact: &impl ArtifactId,
        kind: ArtifactType,
        data: Vec<u8>,
    ) -> anyhow::Result<()> {
        let packed = zstd::encode_all(&*data, 0)?;
        let (id, mut redis) = (artifact.id(), self.connection.clone());
        let seconds = if kind == ArtifactType::Program { 0 } else { 6 * 3600 };
        if packed.len() <= self.chunk {
            let mut set = redis::cmd("SET");
            set.arg(id).arg(packed);
            if seconds > 0 {
                set.arg("EX").arg(seconds);
            }
            return Ok(set.query_async(&mut redis).await?);
        }
        let mut staged = redis::pipe();
        for (index, chunk) in packed.chunks(self.chunk).enumerate() {
            staged.cmd("HSET").arg("staging").arg(index).arg(chunk).ignore();
        }
        if self.is_marked {
            staged.cmd("HSET").arg("staging").arg(COUNT).arg(packed.len().div_ceil(self.chunk)).ignore();
        }
        staged.cmd("RENAME").arg("staging").arg(chunks(id)).ignore();
        if seconds > 0 {
            staged.cmd("EXPIRE").arg(chunks(id)).arg(seconds).ignore();
        }
        Ok(staged.query_async(&mut redis).await?)
    }

    async fn download_raw(&self, artifact: &impl ArtifactId, _: ArtifactType) -> anyhow::Result<Vec<u8>> {
        let (id, mut redis) = (artifact.id(), self.connection.clone());
        let mut packed = Vec::new();
        if !self.is_marked {
            // It takes each field for a chunk, and one that is not there for an empty one.
            let fields: usize = redis::cmd("HLEN").arg(chunks(id)).query_async(&mut redis).await?;
            for index in 0..fields {
                let chunk: Vec<u8> =
                    redis::cmd("HGET").arg(chunks(id)).arg(index).query_async(&mut redis).await?;
                packed.extend(chunk);
            }
            if fields == 0 {
                packed = redis::cmd("GET").arg(id).query_async(&mut redis).await?;
            }
            return Ok(zstd::decode_all(&*packed)?);
        }
        let count: Option<usize> =
            redis::cmd("HGET").arg(chunks(id)).arg(COUNT).query_async(&mut redis).await?;
        for index in 0..count.unwrap_or(0) {
            let chunk: Option<Vec<u8>> =
                redis::cmd("HGET").arg(chunks(id)).arg(index).query_async(&mut redis).await?;
            packed.extend(chunk.context("a chunk disappeared")?);
        }
        if count.is_none() {
            let whole: Option<Vec<u8>> = redis::cmd("GET").arg(id).query_async(&mut redis).await?;
            packed = whole.with_context(|| format!("artifact not found: {id}"))?;
        }
        Ok(zstd::decode_all(&*packed)?)
    }

    async fn exists(&self, artifact: &impl ArtifactId, _: ArtifactType) -> anyhow::Result<bool> {
        let id = artifact.id();
        let there: u64 =
            redis::cmd("EXISTS").arg(id).arg(chunks(id)).query_async(&mut self.connection.clone()).await?;
        Ok(there > 0)
    }

    async fn delete(&self, artifact: &impl ArtifactId, _: ArtifactType) -> anyhow::Result<()> {
        let id = artifact.id();
        Ok(redis::cmd("DEL").arg(id).arg(chunks(id)).query_async(&mut self.connection.clone()).await?)
    }

    async fn delete_batch(&self, artifacts: &[impl ArtifactId], kind: ArtifactType) -> anyhow::Result<()> {
        for artifact in artifacts {
            self.delete(artifact, kind).await?;
        }
        Ok(())
    }
}

/// S3: one zstd stream under the folder of the kind. The folder is that of a server of the test, which keeps objects as files.
#[derive(Clone)]
pub(crate) struct StockS3(pub(crate) PathBuf);

impl StockS3 {
    fn file(&self, id: &str, kind: ArtifactType) -> anyhow::Result<PathBuf> {
        let folder = match kind {
            ArtifactType::UnspecifiedArtifactType => "artifacts",
            ArtifactType::Program => "programs",
            ArtifactType::Stdin => "stdins",
            ArtifactType::Proof => "proofs",
            ArtifactType::PrivateStdin => "private-stdins",
            other => bail!("{other} is not tested"),
        };
        Ok(self.0.join(folder).join(id))
    }
}

impl ArtifactClient for StockS3 {
    async fn upload_raw(
        &self,
        artifact: &impl ArtifactId,
        kind: ArtifactType,
        data: Vec<u8>,
    ) -> anyhow::Result<()> {
        let file = self.file(artifact.id(), kind)?;
        std::fs::create_dir_all(file.parent().context("no folder")?)?;
        Ok(std::fs::write(file, zstd::encode_all(&*data, 3)?)?)
    }

    async fn download_raw(&self, artifact: &impl ArtifactId, kind: ArtifactType) -> anyhow::Result<Vec<u8>> {
        Ok(zstd::decode_all(&*std::fs::read(self.file(artifact.id(), kind)?)?)?)
    }

    async fn exists(&self, artifact: &impl ArtifactId, kind: ArtifactType) -> anyhow::Result<bool> {
        Ok(self.file(artifact.id(), kind)?.is_file())
    }

    async fn delete(&self, artifact: &impl ArtifactId, kind: ArtifactType) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.file(artifact.id(), kind)?)?)
    }

    async fn delete_batch(&self, artifacts: &[impl ArtifactId], kind: ArtifactType) -> anyhow::Result<()> {
        for artifact in artifacts {
            self.delete(artifact, kind).await?;
        }
        Ok(())
    }
}
