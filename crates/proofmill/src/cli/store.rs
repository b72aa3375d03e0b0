//! Where artifacts are.

use clap::Args;
use eyre::{Result, bail};
use proofmill_artifacts::StoreSettings;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

/// The artifact store: a folder, Redis or S3. It must be the same one for cluster, workers and clients. The names in the
/// environment are those of the SP1 cluster's clients (`CLI_…`) and nodes (`NODE_…`), and either is understood by every role.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Store {
    /// Which artifact store it is: fs, redis or s3 [default: the one that is named, else fs]
    #[arg(long, env = "NODE_ARTIFACT_STORE", value_name = "STORE")]
    pub(crate) artifact_store: Option<String>,
    /// Artifact folder that cluster, workers and clients share [default: `artifacts` in the data folder]
    #[arg(long, env = "PROOFMILL_ARTIFACTS", value_name = "DIR")]
    pub(crate) artifacts: Option<PathBuf>,
    /// Redis servers with the artifacts, the same ones in the same order everywhere: redis://:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, env = "CLI_REDIS_NODES", hide_env_values = true, value_delimiter = ',', value_name = "URL")]
    pub(crate) redis_nodes: Vec<String>,
    /// S3 bucket with the artifacts; keys and endpoint are those of the AWS tools (AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL)
    #[arg(long, env = "CLI_S3_BUCKET", value_name = "BUCKET")]
    pub(crate) s3_bucket: Option<String>,
    /// Region of the bucket
    #[arg(long, env = "CLI_S3_REGION", value_name = "REGION")]
    pub(crate) s3_region: Option<String>,
    /// Seconds that an artifact stays in Redis when no proof in progress uses it; programs stay [default: 21600]
    #[arg(long, env = "ARTIFACT_TIMEOUT_SECONDS", value_name = "SECONDS")]
    pub(crate) artifact_lifetime: Option<NonZeroU64>,
    /// Bytes above which an artifact is cut into pieces in Redis [default: 33554432]
    #[arg(long, env = "ARTIFACT_CHUNK_SIZE_BYTES", hide = true, value_name = "BYTES")]
    pub(crate) artifact_piece: Option<NonZeroUsize>,
    /// Bytes, uncompressed, that one artifact may have, the same everywhere; a larger input is refused [default: 4294967296]
    #[arg(long, env = "ARTIFACT_LIMIT_BYTES", value_name = "BYTES")]
    pub(crate) artifact_limit: Option<NonZeroU64>,
    #[arg(long, env = "NODE_REDIS_NODES", hide = true, hide_env_values = true, value_delimiter = ',')]
    node_redis_nodes: Vec<String>,
    #[arg(long, env = "NODE_S3_BUCKET", hide = true)]
    node_s3_bucket: Option<String>,
    #[arg(long, env = "NODE_S3_REGION", hide = true)]
    node_s3_region: Option<String>,
}

impl Store {
    /// What is said under either name.
    ///
    /// # Errors
    /// The two names say different things.
    pub(crate) fn settings(&self) -> Result<StoreSettings> {
        Ok(StoreSettings {
            engine: self.artifact_store.clone(),
            folder: self.artifacts.clone(),
            redis_nodes: either("REDIS_NODES", &self.redis_nodes, &self.node_redis_nodes)?,
            s3_bucket: either("S3_BUCKET", &self.s3_bucket, &self.node_s3_bucket)?,
            s3_region: either("S3_REGION", &self.s3_region, &self.node_s3_region)?,
            lifetime: self.artifact_lifetime.map(|seconds| Duration::from_secs(seconds.get())),
            piece: self.artifact_piece.map(NonZeroUsize::get),
            limit: self.artifact_limit.map(NonZeroU64::get),
        })
    }
}

fn either<T: Default + Clone + PartialEq>(name: &str, of_clients: &T, of_nodes: &T) -> Result<T> {
    let nothing = T::default();
    if *of_clients == nothing || of_clients == of_nodes {
        return Ok(of_nodes.clone());
    }
    if *of_nodes != nothing {
        bail!("CLI_{name} and NODE_{name} name different artifact stores: keep the right one");
    }
    Ok(of_clients.clone())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn clients_and_nodes_names_are_understood() {
        let nodes = |url: &str| vec![url.to_owned()];
        let cli = Store { redis_nodes: nodes("redis://a"), ..Store::default() };
        assert_eq!(cli.settings().unwrap().redis_nodes, nodes("redis://a"));
        let node = Store { node_redis_nodes: nodes("redis://a"), ..Store::default() };
        assert_eq!(node.settings().unwrap().redis_nodes, nodes("redis://a"));
        let same = Store { node_redis_nodes: nodes("redis://a"), ..cli.clone() };
        assert_eq!(same.settings().unwrap().redis_nodes, nodes("redis://a"));
        let other = Store { node_redis_nodes: nodes("redis://b"), ..cli };
        assert!(other.settings().unwrap_err().to_string().contains("NODE_REDIS_NODES"));
    }
}
