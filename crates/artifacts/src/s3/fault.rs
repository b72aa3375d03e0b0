//! What an answer of S3 means. Servers differ in status codes, so the codes in their answers' text are read, which are part
//! of S3's protocol.

use super::{S3Options, S3Settings};
use crate::ArtifactError;
use object_store::Error;
use std::borrow::Cow;
use url::Url;

/// How much of an answer is shown, in bytes.
const SHOWN: usize = 400;

/// Codes of a wrong region. `object_store` has its own words for a redirect that says no more.
const REGION: [&str; 5] = [
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "IllegalLocationConstraintException",
    "TemporaryRedirect",
    "redirect without LOCATION",
];

/// Codes of keys that the server does not know or that may not do what is asked.
const KEYS: [&str; 6] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "NotSignedUp",
    "AccessDenied",
    "ExpiredToken",
    "InvalidToken",
];

/// A bucket on a server.
#[derive(Clone, Debug)]
pub(super) struct Place {
    name: String,
    settings: S3Settings,
}

impl Place {
    pub(super) fn new(options: &S3Options, address: &str) -> Self {
        let S3Options { bucket, region, settings, .. } = options;
        let host = Url::parse(address).ok().and_then(|url| {
            let host = url.host_str()?.to_owned();
            Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
        });
        let host = host.as_deref().unwrap_or("an address that is none");
        Self { name: format!("S3 bucket {bucket} in {region} at {host}"), settings: *settings }
    }

    pub(super) fn wrong_settings(&self, error: &dyn std::error::Error) -> ArtifactError {
        self.refused("use the bucket", error.to_string(), "check bucket, region and AWS_ENDPOINT_URL")
    }

    pub(super) fn fault(&self, doing: &'static str, error: &Error) -> ArtifactError {
        let said = in_one_line(error);
        let has = |codes: &[&str]| codes.iter().any(|code| said.contains(code));
        if has(&["NoSuchBucket"]) {
            let remedy = format!("make the bucket, or name the right one ({})", self.settings.bucket);
            return self.refused(doing, said, remedy);
        }
        if has(&REGION) {
            return self.refused(
                doing,
                said,
                format!("name the bucket's own region ({})", self.settings.region),
            );
        }
        if has(&KEYS) || matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) {
            return self.refused(
                doing,
                said,
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they may get, put, delete and list (who may not \
                 list is refused what is not there)",
            );
        }
        // 408 and 429 ask for patience.
        let refuses = said.contains("non-2xx status code: 4")
            && !said.contains("status code: 408")
            && !said.contains("status code: 429");
        if refuses {
            return self.refused(doing, said, "check bucket, region, keys and AWS_ENDPOINT_URL");
        }
        ArtifactError::Away { doing, place: self.name.clone(), cause: said }
    }

    fn refused(
        &self,
        doing: &'static str,
        cause: String,
        remedy: impl Into<Cow<'static, str>>,
    ) -> ArtifactError {
        ArtifactError::Refused { doing, place: self.name.clone(), cause, remedy: remedy.into() }
    }
}

/// Whether the bucket answers that it has no such blob.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && !error.to_string().contains("NoSuchBucket")
}

/// What is wrong with the blob, where that is the cause.
pub(super) fn damage(error: &Error) -> Option<String> {
    // A first range that a blob of any length has.
    if error.to_string().contains("InvalidRange") || error.to_string().contains("status code: 416") {
        return Some("it is empty".to_owned());
    }
    matches!(error, Error::Precondition { .. }).then(|| "another one was stored while it was read".to_owned())
}

fn in_one_line(error: &Error) -> String {
    let mut text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = text.char_indices().find(|(at, _)| *at >= SHOWN) {
        text.truncate(cut);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: &str, code: &str) -> ArtifactError {
        said_to(S3Options::new("proofs", "us-east-1"), status, code)
    }

    fn said_to(options: S3Options, status: &str, code: &str) -> ArtifactError {
        let body = format!("<Error><Code>{code}</Code><Region>eu-west-1</Region></Error>");
        let source = format!("Server returned non-2xx status code: {status}: {body}").into();
        Place::new(&options, "https://s3.us-east-1.amazonaws.com")
            .fault("read an artifact", &Error::Generic { store: "S3", source })
    }

    #[test]
    fn answers_are_told_apart() {
        let remedy = |error| match error {
            ArtifactError::Refused { remedy, .. } => remedy.into_owned(),
            other => other.to_string(),
        };
        assert!(remedy(said("400 Bad Request", "AuthorizationHeaderMalformed")).contains("region"));
        assert!(remedy(said("301 Moved Permanently", "PermanentRedirect")).contains("region"));
        assert!(remedy(said("404 Not Found", "NoSuchBucket")).contains("make the bucket"));
        assert!(remedy(said("403 Forbidden", "InvalidAccessKeyId")).contains("AWS_ACCESS_KEY_ID"));
        // Each names the setting by which its bucket was named.
        let settings = S3Settings { bucket: "--failures", region: "AWS_REGION" };
        let failures = || S3Options { settings, ..S3Options::new("failures", "us-east-1") };
        for (options, bucket, region) in [
            (failures(), "--failures", "AWS_REGION"),
            (S3Options::new("b", "r"), "--s3-bucket", "--s3-region"),
        ] {
            let no_bucket = remedy(said_to(options.clone(), "404 Not Found", "NoSuchBucket"));
            assert!(no_bucket.ends_with(&format!("({bucket})")), "{no_bucket}");
            let elsewhere = remedy(said_to(options, "301 Moved Permanently", "PermanentRedirect"));
            assert!(elsewhere.ends_with(&format!("({region})")), "{elsewhere}");
        }
        assert!(matches!(said("503 Service Unavailable", "SlowDown"), ArtifactError::Away { .. }));
        assert!(matches!(said("500 Internal Server Error", "InternalError"), ArtifactError::Away { .. }));
        assert!(matches!(said("429 Too Many Requests", "TooManyRequests"), ArtifactError::Away { .. }));
    }
}
