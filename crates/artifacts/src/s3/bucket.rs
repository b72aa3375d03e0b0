//! How a bucket is opened: what is set, and what the environment says.
//!
//! Access keys, endpoint and the rest come from the environment, as for the AWS tools: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
//! `AWS_SESSION_TOKEN`, `AWS_ENDPOINT_URL`, web identity, container and instance roles. Profiles (`AWS_PROFILE`, `~/.aws`) are not read.
//! A variable that is set to nothing counts as not set.
//!
//! The bucket is in the path of a request; with `AWS_S3_FORCE_PATH_STYLE=false` (a variable of the SP1 cluster's clients) or
//! `AWS_VIRTUAL_HOSTED_STYLE_REQUEST=true` it is in the name of the host.

use super::fault::Place;
use crate::{ArtifactError, DEFAULT_LIMIT};
use object_store::{
    ObjectStore, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
    client::{HttpClient, HttpConnector},
};
use std::{env, ffi::OsString, fmt, sync::Arc, time::Duration};
use url::Url;

/// Blobs that have more, packed, are uploaded in parts and read in ranges of this size, in bytes.
const PART: usize = 32 << 20;

/// How S3 is used. Its `Debug` shows neither keys nor the server's address, which may hold a password.
#[derive(Clone)]
pub struct S3Options {
    /// The bucket.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Where the server is; AWS's, or `AWS_ENDPOINT_URL`, where none is named.
    pub endpoint: Option<String>,
    /// Access key and secret key; those of the environment, where none are given.
    pub keys: Option<(String, String)>,
    /// Which settings say so.
    pub settings: S3Settings,
    /// Bytes of a part; 32 MiB as the SP1 cluster's clients have it, 5 MiB at the least.
    pub part: usize,
    /// The most bytes that a blob may have, unpacked.
    pub limit: u64,
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, region, settings, part, limit, .. } = self;
        f.debug_struct("S3Options")
            .field("bucket", bucket)
            .field("region", region)
            .field("settings", settings)
            .field("part", part)
            .field("limit", limit)
            .finish_non_exhaustive()
    }
}

/// The settings by which people name a bucket and its region, for remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct S3Settings {
    /// The one that names the bucket.
    pub bucket: &'static str,
    /// The one that names its region.
    pub region: &'static str,
}

impl S3Settings {
    /// Those of the artifact store.
    pub const ARTIFACTS: Self = Self { bucket: "--s3-bucket", region: "--s3-region" };
}

impl S3Options {
    /// As the SP1 cluster's clients use it, with what the environment says of keys and endpoint.
    pub fn new(bucket: impl Into<String>, region: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            region: region.into(),
            endpoint: None,
            keys: None,
            settings: S3Settings::ARTIFACTS,
            part: PART,
            limit: DEFAULT_LIMIT,
        }
    }
}

/// A bucket, as the settings and the environment name it. Connects when it is used. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub(super) store: Arc<AmazonS3>,
    pub(super) place: Place,
}

impl Bucket {
    /// Reads options and environment; asks nobody.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Refused`] where the settings contradict each other.
    pub fn open(options: &S3Options) -> Result<Self, ArtifactError> {
        let mut builder = from_environment(env::vars_os())
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            // Whoever asks decides for how long to ask again.
            .with_retry(RetryConfig {
                max_retries: 2,
                retry_timeout: Duration::from_secs(5),
                ..RetryConfig::default()
            });
        if let Some((key, secret)) = &options.keys {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        let named = |key| builder.get_config_value(&key);
        let endpoint = options.endpoint.clone();
        let endpoint = endpoint
            .or_else(|| named(AmazonS3ConfigKey::S3Endpoint))
            .or_else(|| named(AmazonS3ConfigKey::Endpoint));
        let address =
            endpoint.clone().unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", options.region));
        let place = Place::new(options, &address);
        let mut url = Url::parse(&address).map_err(|error| place.wrong_settings(&error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(place.no_scheme());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(place.address_with_password());
        }
        let is_in_host = is_in_host(
            named(AmazonS3ConfigKey::VirtualHostedStyleRequest).as_deref(),
            env::var("AWS_S3_FORCE_PATH_STYLE").ok().as_deref(),
        );
        if is_in_host {
            url = with_bucket(url, &options.bucket).map_err(|error| place.wrong_settings(&error))?;
        }
        warn_of_profile(&builder);
        builder = builder.with_virtual_hosted_style_request(is_in_host);
        if endpoint.is_some() || is_in_host {
            let address = url.as_str().trim_end_matches('/').to_owned();
            builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, address);
            builder = builder.with_allow_http(url.scheme() == "http");
        }
        let store = builder
            .with_http_connector(Connector(url))
            .build()
            .map_err(|error| place.wrong_settings(&error))?;
        Ok(Self { store: Arc::new(store), place })
    }

    /// The bucket's objects.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        self.store.clone()
    }

    /// What an answer of the bucket means, with the remedy.
    pub fn fault(&self, doing: &'static str, error: &object_store::Error) -> ArtifactError {
        self.place.fault(doing, error)
    }
}

/// What the environment says, as [`AmazonS3Builder::from_env`] reads it. But that takes a variable that is set to nothing for one that says
/// something: an empty session token would be sent with each request, and refused. Compose files and charts leave a variable out that way.
fn from_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in variables {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
            && name.starts_with("AWS_")
            && !value.trim().is_empty()
            && let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>()
        {
            builder = builder.with_config(key, value);
        }
    }
    builder
}

/// Keys that are named in no way that is read here would be missed in silence.
fn warn_of_profile(builder: &AmazonS3Builder) {
    let keys = [
        AmazonS3ConfigKey::AccessKeyId,
        AmazonS3ConfigKey::WebIdentityTokenFile,
        AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
        AmazonS3ConfigKey::ContainerCredentialsFullUri,
    ];
    let has_keys = keys.iter().any(|key| builder.get_config_value(key).is_some());
    if !has_keys && env::var("AWS_PROFILE").is_ok_and(|profile| !profile.trim().is_empty()) {
        tracing::warn!(
            "AWS_PROFILE is not read: give the keys as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (this machine's role is used)"
        );
    }
}

/// Whether the bucket is to be in the name of the host, as the environment has it under the two names.
fn is_in_host(virtual_hosted: Option<&str>, force_path_style: Option<&str>) -> bool {
    let is = |said: Option<&str>, words: &[&str]| {
        said.is_some_and(|said| words.iter().any(|word| said.trim().eq_ignore_ascii_case(word)))
    };
    is(virtual_hosted, &["1", "true", "on", "yes", "y"]) || is(force_path_style, &["0", "false"])
}

/// A server's address with the bucket in the name of the host, where it is not there yet.
fn with_bucket(mut url: Url, bucket: &str) -> Result<Url, url::ParseError> {
    let host = url.host_str().unwrap_or_default();
    if !host.starts_with(&format!("{bucket}.")) {
        let host = format!("{bucket}.{host}");
        url.set_host(Some(&host))?;
    }
    Ok(url)
}

/// Requests go through the client that everything here has: its TLS, its certificates.
#[derive(Debug)]
struct Connector(Url);

impl HttpConnector for Connector {
    fn connect(&self, _: &object_store::ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(proofmill_http::client_for(&self.0)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_has_its_scheme_and_may_end_with_a_slash() {
        let opened = |endpoint: &str| {
            let keys = Some(("key".to_owned(), "secret".to_owned()));
            let endpoint = Some(endpoint.to_owned());
            Bucket::open(&S3Options { endpoint, keys, ..S3Options::new("proofs", "r") }).map(drop)
        };
        for good in ["http://127.0.0.1:9000", "http://minio:9000/", "https://minio"] {
            opened(good).unwrap();
        }
        for bad in ["minio:9000", "minio", "", "ftp://minio", "http://"] {
            let refused = opened(bad).unwrap_err();
            assert!(matches!(refused, ArtifactError::Refused { .. }), "{bad}: {refused}");
            assert!(refused.to_string().contains("AWS_ENDPOINT_URL"), "{bad}: {refused}");
        }
    }

    #[test]
    fn a_variable_that_is_set_to_nothing_says_nothing() {
        let read = |variables: &[(&str, &str)]| {
            from_environment(variables.iter().map(|(name, value)| (name.into(), value.into())))
        };
        let said = read(&[
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_SESSION_TOKEN", "token"),
            ("AWS_ENDPOINT_URL", "http://minio:9000"),
            ("PATH", "/bin"),
        ]);
        for (key, value) in [
            (AmazonS3ConfigKey::AccessKeyId, "key"),
            (AmazonS3ConfigKey::SecretAccessKey, "secret"),
            (AmazonS3ConfigKey::Token, "token"),
            (AmazonS3ConfigKey::Endpoint, "http://minio:9000"),
        ] {
            assert_eq!(said.get_config_value(&key).as_deref(), Some(value), "{key:?}");
        }
        for nothing in ["", " "] {
            let said = read(&[
                ("AWS_ACCESS_KEY_ID", nothing),
                ("AWS_SESSION_TOKEN", nothing),
                ("AWS_ENDPOINT_URL", nothing),
                ("AWS_ENDPOINT_URL_S3", nothing),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", nothing),
            ]);
            for key in [
                AmazonS3ConfigKey::AccessKeyId,
                AmazonS3ConfigKey::Token,
                AmazonS3ConfigKey::Endpoint,
                AmazonS3ConfigKey::S3Endpoint,
                AmazonS3ConfigKey::WebIdentityTokenFile,
            ] {
                assert_eq!(said.get_config_value(&key), None, "{key:?}");
            }
        }
    }

    #[test]
    fn the_bucket_is_in_the_host_only_where_the_environment_says_so() {
        for (virtual_hosted, path_style, expected) in [
            (None, None, false),
            (Some("true"), None, true),
            (Some("false"), Some("true"), false),
            (None, Some("1"), false),
            (None, Some("false"), true),
            (None, Some("0"), true),
        ] {
            assert_eq!(is_in_host(virtual_hosted, path_style), expected, "{virtual_hosted:?} {path_style:?}");
        }
        for (address, expected) in [
            ("https://oss.example", "https://proofs.oss.example/"),
            ("https://proofs.oss.example", "https://proofs.oss.example/"),
            ("http://localhost:9000", "http://proofs.localhost:9000/"),
        ] {
            assert_eq!(with_bucket(Url::parse(address).unwrap(), "proofs").unwrap().as_str(), expected);
        }
    }
}
