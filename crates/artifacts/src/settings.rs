//! Which store there is: the one place where settings become a store.

use crate::{
    ArtifactError, ArtifactStore, DEFAULT_LIMIT, FsArtifacts, Notice, RedisArtifacts, RedisOptions,
    S3Artifacts, S3Options, measured::Measured,
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A store that settings name.
#[derive(Clone, Debug)]
pub enum StoreChoice {
    /// A folder.
    Folder(FolderOptions),
    /// Redis.
    Redis(RedisOptions),
    /// S3.
    S3(S3Options),
}

/// How a folder is used.
#[derive(Clone, Debug)]
pub struct FolderOptions {
    /// The folder.
    pub folder: PathBuf,
    /// The most bytes that a blob may have.
    pub limit: u64,
}

impl FolderOptions {
    /// With the limit that there is where nothing is said.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), limit: DEFAULT_LIMIT }
    }
}

/// What settings say of stores. Its `Debug` shows of Redis servers how many there are: an address may hold a password.
#[derive(Clone, Default)]
pub struct StoreSettings {
    /// Which store it is: `fs`, `redis` or `s3`. Follows from the others where nothing is said.
    pub engine: Option<String>,
    /// A folder.
    pub folder: Option<PathBuf>,
    /// Redis servers.
    pub redis_nodes: Vec<String>,
    /// A bucket.
    pub s3_bucket: Option<String>,
    /// Its region.
    pub s3_region: Option<String>,
    /// For how long Redis keeps what nobody renews, where it is not as the SP1 cluster has it.
    pub lifetime: Option<Duration>,
    /// Bytes above which an artifact is cut into pieces in Redis, where it is not as the SP1 cluster has it.
    pub piece: Option<usize>,
    /// The most bytes that an artifact may have, unpacked, where it is not [`DEFAULT_LIMIT`].
    pub limit: Option<u64>,
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, folder, redis_nodes, s3_bucket, s3_region, lifetime, piece, limit } = self;
        f.debug_struct("StoreSettings")
            .field("engine", engine)
            .field("folder", folder)
            .field("redis_nodes", &redis_nodes.len())
            .field("s3_bucket", s3_bucket)
            .field("s3_region", s3_region)
            .field("lifetime", lifetime)
            .field("piece", piece)
            .field("limit", limit)
            .finish()
    }
}

/// Why settings name no store, or more than one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreSettingsError {
    /// Several stores.
    #[error(
        "{} are named as artifact store, and there is one: give either --artifacts, or --redis-nodes (CLI_REDIS_NODES), or \
         --s3-bucket with --s3-region (CLI_S3_BUCKET, CLI_S3_REGION)",
        .0.join(" and ")
    )]
    Several(Vec<&'static str>),
    /// A bucket without its region.
    #[error("the S3 bucket {0} needs its region: give --s3-region (CLI_S3_REGION)")]
    NoRegion(String),
    /// A region without a bucket.
    #[error(
        "an S3 region is named without a bucket: give --s3-bucket (CLI_S3_BUCKET), or leave the region out"
    )]
    NoBucket,
    /// The store that is asked for is not described.
    #[error(
        "the artifact store is to be {engine} (--artifact-store, NODE_ARTIFACT_STORE), and nothing says where: give {wanted}"
    )]
    Unsaid {
        /// The store.
        engine: &'static str,
        /// What is missing.
        wanted: &'static str,
    },
    /// Another store is described than the one that is asked for.
    #[error(
        "the artifact store is to be {engine} (--artifact-store, NODE_ARTIFACT_STORE), but {named} is named"
    )]
    Another {
        /// What is asked for.
        engine: &'static str,
        /// What is described.
        named: &'static str,
    },
    /// No such store.
    #[error("there is no artifact store {0:?}: fs, redis and s3 are there")]
    Unknown(String),
}

const FOLDER: &str = "a folder";
const REDIS: &str = "Redis";
const S3: &str = "S3";

impl StoreSettings {
    /// The one store that is named; nothing where none is.
    ///
    /// # Errors
    ///
    /// See [`StoreSettingsError`].
    pub fn choose(self) -> Result<Option<StoreChoice>, StoreSettingsError> {
        let engine = match self.engine.as_deref().map(str::trim) {
            None | Some("") => None,
            Some("fs") => Some((FOLDER, "--artifacts")),
            Some("redis") => Some((REDIS, "--redis-nodes (CLI_REDIS_NODES or NODE_REDIS_NODES)")),
            Some("s3") => Some((
                S3,
                "--s3-bucket and --s3-region (CLI_S3_BUCKET and CLI_S3_REGION, or NODE_S3_BUCKET and NODE_S3_REGION)",
            )),
            Some(other) => return Err(StoreSettingsError::Unknown(other.to_owned())),
        };
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        // An empty value in the environment says nothing.
        let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let (bucket, region) = (said(self.s3_bucket), said(self.s3_region));
        let nodes: Vec<_> = self.redis_nodes.into_iter().filter(|node| !node.trim().is_empty()).collect();
        let s3 = match (bucket, region) {
            (Some(bucket), Some(region)) => Some(S3Options { limit, ..S3Options::new(bucket, region) }),
            (Some(bucket), None) => return Err(StoreSettingsError::NoRegion(bucket)),
            // AWS's tools want one anyway.
            (None, Some(_)) if engine.is_none() && nodes.is_empty() && self.folder.is_none() => {
                return Err(StoreSettingsError::NoBucket);
            }
            (None, _) => None,
        };
        let redis = (!nodes.is_empty()).then(|| {
            let stock = RedisOptions::new(nodes);
            RedisOptions {
                lifetime: self.lifetime.unwrap_or(stock.lifetime),
                piece: self.piece.unwrap_or(stock.piece),
                limit,
                ..stock
            }
        });
        let mut named: Vec<_> = [
            self.folder.map(|folder| (FOLDER, StoreChoice::Folder(FolderOptions { folder, limit }))),
            redis.map(|options| (REDIS, StoreChoice::Redis(options))),
            s3.map(|options| (S3, StoreChoice::S3(options))),
        ]
        .into_iter()
        .flatten()
        .collect();
        if named.len() > 1 {
            return Err(StoreSettingsError::Several(named.into_iter().map(|(name, _)| name).collect()));
        }
        match (named.pop(), engine) {
            (Some((named, _)), Some((engine, _))) if named != engine => {
                Err(StoreSettingsError::Another { engine, named })
            }
            (Some((_, choice)), _) => Ok(Some(choice)),
            // The folder has a default.
            (None, None | Some((FOLDER, _))) => Ok(None),
            (None, Some((engine, wanted))) => Err(StoreSettingsError::Unsaid { engine, wanted }),
        }
    }
}

impl StoreSettings {
    /// The one store that is named, and this folder where none is.
    ///
    /// # Errors
    ///
    /// See [`StoreSettingsError`].
    pub fn choose_or(self, folder: &Path) -> Result<StoreChoice, StoreSettingsError> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        let folder = || StoreChoice::Folder(FolderOptions { folder: folder.to_owned(), limit });
        Ok(self.choose()?.unwrap_or_else(folder))
    }
}

impl StoreChoice {
    /// Opens the store, and asks it whether it is as it should be. One that is away is opened all the same: whoever uses it
    /// waits for it. What an operator should change is a warning in the log, as soon as the store is there.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Io`] where the folder cannot be used, [`ArtifactError::Refused`] where a server refuses.
    pub async fn open(self) -> Result<Arc<dyn ArtifactStore>, ArtifactError> {
        match self {
            Self::Folder(FolderOptions { folder, limit }) => {
                tracing::info!(store = "fs", folder = %folder.display(), "artifact store");
                Ok(Arc::new(Measured::new(FsArtifacts::open(&folder)?.with_limit(limit))))
            }
            Self::Redis(options) => {
                tracing::info!(store = "redis", nodes = options.nodes.len(), "artifact store");
                let store = RedisArtifacts::new(&options)?;
                match store.notices().await {
                    Ok(notices) => notices.iter().for_each(Notice::warn),
                    Err(error @ ArtifactError::Away { .. }) => {
                        is_away(&error);
                        store.warn_once_there();
                    }
                    Err(error) => return Err(error),
                }
                Ok(Arc::new(Measured::new(store)))
            }
            Self::S3(options) => {
                tracing::info!(
                    store = "s3",
                    bucket = options.bucket,
                    region = options.region,
                    "artifact store"
                );
                let store = S3Artifacts::new(&options)?;
                match store.check().await {
                    Ok(()) => {}
                    Err(error @ ArtifactError::Away { .. }) => is_away(&error),
                    Err(error) => return Err(error),
                }
                Ok(Arc::new(Measured::new(store)))
            }
        }
    }
}

fn is_away(error: &ArtifactError) {
    tracing::warn!(%error, "the artifact store does not answer yet");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings() -> StoreSettings {
        StoreSettings::default()
    }

    fn text(of: &str) -> Option<String> {
        Some(of.to_owned())
    }

    #[test]
    fn one_store_is_chosen() {
        let redis = StoreSettings { redis_nodes: vec!["redis://a".into(), "redis://b".into()], ..settings() };
        assert!(
            matches!(redis.clone().choose(), Ok(Some(StoreChoice::Redis(options))) if options.nodes.len() == 2)
        );
        let s3 = StoreSettings { s3_bucket: text("b"), s3_region: text("r"), ..settings() };
        assert!(matches!(s3.clone().choose(), Ok(Some(StoreChoice::S3(options))) if options.bucket == "b"));
        let folder = StoreSettings { folder: Some("f".into()), ..settings() };
        assert!(matches!(folder.choose(), Ok(Some(StoreChoice::Folder(_)))));
        assert!(settings().choose().unwrap().is_none());
        let empty = StoreSettings { s3_bucket: text(""), redis_nodes: vec!["".into()], ..settings() };
        assert!(empty.choose().unwrap().is_none());
        for (engine, of) in [("redis", redis), ("s3", s3), ("fs", settings())] {
            assert!(StoreSettings { engine: text(engine), ..of }.choose().is_ok(), "{engine}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let redis = StoreSettings { redis_nodes: vec!["redis://:secret@a".into()], ..settings() };
        let mut s3 = S3Options::new("b", "r");
        s3.keys = Some(("a-secret-id".to_owned(), "a-secret-key".to_owned()));
        s3.endpoint = Some("http://user:secret@s3.example".to_owned());
        let choice = redis.clone().choose().unwrap();
        for shown in [format!("{redis:?}"), format!("{choice:?}"), format!("{s3:?}")] {
            assert!(!shown.contains("secret"), "{shown}");
        }
        let Err(error) = S3Artifacts::new(&s3) else { panic!("an address with a password was taken") };
        let said = error.to_string();
        assert!(said.contains("AWS_SECRET_ACCESS_KEY") && !said.contains("secret@"), "{said}");
    }

    #[test]
    fn the_limit_is_one_for_whatever_store() {
        let limits = |settings: StoreSettings| match settings.choose_or(Path::new("default")).unwrap() {
            StoreChoice::Folder(FolderOptions { limit, .. }) => limit,
            StoreChoice::Redis(RedisOptions { limit, .. }) => limit,
            StoreChoice::S3(S3Options { limit, .. }) => limit,
        };
        let redis = StoreSettings { redis_nodes: vec!["redis://a".into()], ..settings() };
        let s3 = StoreSettings { s3_bucket: text("b"), s3_region: text("r"), ..settings() };
        let folder = StoreSettings { folder: Some("f".into()), ..settings() };
        for store in [settings(), redis, s3, folder] {
            assert_eq!(limits(StoreSettings { limit: Some(7), ..store.clone() }), 7);
            assert_eq!(limits(store), DEFAULT_LIMIT);
        }
    }

    #[test]
    fn none_or_several_are_errors() {
        let nodes = vec!["redis://a".to_owned()];
        let both = StoreSettings {
            redis_nodes: nodes.clone(),
            s3_bucket: text("b"),
            s3_region: text("r"),
            ..settings()
        };
        assert_eq!(both.choose().unwrap_err(), StoreSettingsError::Several(vec!["Redis", "S3"]));
        let folder = StoreSettings { folder: Some("f".into()), redis_nodes: nodes.clone(), ..settings() };
        assert_eq!(folder.choose().unwrap_err(), StoreSettingsError::Several(vec!["a folder", "Redis"]));
        let bucket = StoreSettings { s3_bucket: text("b"), ..settings() };
        assert_eq!(bucket.choose().unwrap_err(), StoreSettingsError::NoRegion("b".into()));
        let region = StoreSettings { s3_region: text("r"), ..settings() };
        assert_eq!(region.choose().unwrap_err(), StoreSettingsError::NoBucket);
        for engine in ["redis", "s3"] {
            let error = StoreSettings { engine: text(engine), ..settings() }.choose().unwrap_err();
            assert!(matches!(error, StoreSettingsError::Unsaid { .. }), "{error}");
        }
        let other = StoreSettings { engine: text("s3"), redis_nodes: nodes, ..settings() };
        assert_eq!(other.choose().unwrap_err(), StoreSettingsError::Another { engine: "S3", named: "Redis" });
        let unknown = StoreSettings { engine: text("nfs"), ..settings() };
        assert_eq!(unknown.choose().unwrap_err(), StoreSettingsError::Unknown("nfs".into()));
    }
}
