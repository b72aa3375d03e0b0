//! What an answer of S3 means. Servers differ in status codes, so the codes in their answers are read, which are part of S3's
//! protocol. Nothing else in an error decides: it names the blob as well, which is as clients call it.

use super::{S3Options, S3Settings};
use crate::ArtifactError;
use object_store::Error;
use proofmill_primitives::ArtifactId;
use std::borrow::Cow;
use url::Url;

/// How much of an answer is shown, in characters.
const SHOWN: usize = 400;

/// Codes of a wrong region.
const REGION: [&str; 4] = [
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "IllegalLocationConstraintException",
    "TemporaryRedirect",
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

/// Codes of a request that was signed at another time than the server's.
const CLOCK: [&str; 2] = ["RequestTimeTooSkewed", "RequestExpired"];

/// Codes of servers that want the bucket in their host's name.
const HOST: [&str; 2] = ["SecondLevelDomainForbidden", "PathStyleDomainForbidden"];

/// Codes of a store that takes nothing more: Ceph's, and MinIO's for a bucket and for all of it.
const FULL: [&str; 3] = ["QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull"];

/// The status of a server without space.
const NO_SPACE: u16 = 507;

/// A blob that cannot be read from its first byte on, because it has none.
const NO_RANGE: &str = "InvalidRange";

const NO_BUCKET: &str = "NoSuchBucket";

/// A server's answer, as far as something follows from it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    status: Option<u16>,
    code: Option<String>,
    /// A redirect that does not say where to: the region is another one.
    redirects: bool,
}

impl Answer {
    /// The words of `object_store` for what a server said, wherever they are among an error's causes; those around them name
    /// the request.
    fn of(error: &Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(answer) = Self::read(&error.to_string()) {
                return answer;
            }
            cause = error.source();
        }
        Self::default()
    }

    fn read(said: &str) -> Option<Self> {
        if let Some(answer) = said.strip_prefix("Server returned non-2xx status code: ") {
            let status = answer.get(..3).and_then(|status| status.parse().ok());
            return Some(Self { status, code: code_in(answer), redirects: false });
        }
        if let Some(answer) = said.strip_prefix("Server returned error response: ") {
            return Some(Self { code: code_in(answer), ..Self::default() });
        }
        if said.starts_with("Received redirect without LOCATION") {
            return Some(Self { redirects: true, ..Self::default() });
        }
        // What is said of one of several: its key, a sentence, and the code at the end.
        let failed = said.strip_prefix("DeleteObjects request failed for key ")?;
        let (_, code) = failed.strip_suffix(')')?.rsplit_once("(code: ")?;
        Some(Self { code: Some(code.to_owned()), ..Self::default() })
    }

    fn is(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }

    fn is_full(&self) -> bool {
        self.is(&FULL) || self.status == Some(NO_SPACE)
    }
}

/// The code in an answer's body. A name in it is escaped, and cannot look like one.
fn code_in(body: &str) -> Option<String> {
    let (_, rest) = body.split_once("<Code>")?;
    Some(rest.split_once("</Code>")?.0.trim().to_owned())
}

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

    /// Errors quote the address, and S3 knows no such password.
    pub(super) fn address_with_password(&self) -> ArtifactError {
        let remedy = "leave them out of AWS_ENDPOINT_URL: keys are named by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        self.refused("use the bucket", "its address has a user or a password".to_owned(), remedy)
    }

    pub(super) fn no_scheme(&self) -> ArtifactError {
        let cause = "its address does not begin with http:// or https://".to_owned();
        self.refused(
            "use the bucket",
            cause,
            "write AWS_ENDPOINT_URL as http://host:port or https://host:port",
        )
    }

    /// Why a blob of so many bytes could not be stored. S3 does not tell how many would be free.
    pub(super) fn not_stored(&self, id: &ArtifactId, needed: u64, error: &Error) -> ArtifactError {
        let answer = Answer::of(error);
        if !answer.is_full() {
            return self.fault("store an artifact", error);
        }
        let place = format!("{} ({})", self.name, in_one_line(error, &answer));
        ArtifactError::NoSpace { id: id.clone(), place, needed, available: 0 }
    }

    pub(super) fn fault(&self, doing: &'static str, error: &Error) -> ArtifactError {
        let answer = Answer::of(error);
        let said = in_one_line(error, &answer);
        if answer.is_full() {
            return self.refused(doing, said, "free some space there, or raise the bucket's quota");
        }
        if answer.is(&[NO_BUCKET]) {
            let remedy = format!("make the bucket, or name the right one ({})", self.settings.bucket);
            return self.refused(doing, said, remedy);
        }
        if answer.redirects || answer.is(&REGION) {
            return self.refused(
                doing,
                said,
                format!("name the bucket's own region ({})", self.settings.region),
            );
        }
        if answer.is(&CLOCK) {
            let remedy = "set this machine's clock, or the server's: they are minutes apart";
            return self.refused(doing, said, remedy);
        }
        if answer.is(&HOST) {
            let remedy = "set AWS_S3_FORCE_PATH_STYLE=false: the server wants the bucket in its host's name";
            return self.refused(doing, said, remedy);
        }
        if answer.is(&KEYS) || matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
        {
            return self.refused(
                doing,
                said,
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they may get, put, delete and list (who may not \
                 list is refused what is not there)",
            );
        }
        // 408 and 429 ask for patience.
        if answer.status.is_some_and(|status| matches!(status, 400..=499) && !matches!(status, 408 | 429)) {
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
    matches!(error, Error::NotFound { .. }) && !Answer::of(error).is(&[NO_BUCKET])
}

/// What is wrong with the blob, where that is the cause.
pub(super) fn damage(error: &Error) -> Option<String> {
    let answer = Answer::of(error);
    // A first range that a blob of any length has.
    if answer.is(&[NO_RANGE]) || answer.status == Some(416) {
        return Some("it is empty".to_owned());
    }
    matches!(error, Error::Precondition { .. }).then(|| "another one was stored while it was read".to_owned())
}

/// The beginning of an error, and the code in its answer where that would be cut off.
fn in_one_line(error: &Error, answer: &Answer) -> String {
    let text = proofmill_http::line(&error.to_string(), SHOWN);
    match answer.code.as_deref() {
        Some(code) if text.ends_with('…') => format!("{code}: {text}"),
        _ => text,
    }
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
        assert!(remedy(said("403 Forbidden", "RequestTimeTooSkewed")).contains("clock"));
        assert!(
            remedy(said("403 Forbidden", "SecondLevelDomainForbidden")).contains("AWS_S3_FORCE_PATH_STYLE")
        );
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
        // As `object_store` has it: a 403 is a refusal of its own kind.
        let denied = |code: &str| {
            let body = format!("<Error><Code>{code}</Code></Error>");
            let source = format!("Server returned non-2xx status code: 403 Forbidden: {body}").into();
            let error = Error::PermissionDenied { path: "artifacts/x".to_owned(), source };
            let place = Place::new(&S3Options::new("proofs", "us-east-1"), "https://s3.example");
            remedy(place.fault("read an artifact", &error))
        };
        assert!(denied("RequestTimeTooSkewed").contains("clock"));
        assert!(denied("AccessDenied").contains("AWS_ACCESS_KEY_ID"));
        assert!(matches!(said("503 Service Unavailable", "SlowDown"), ArtifactError::Away { .. }));
        assert!(matches!(said("500 Internal Server Error", "InternalError"), ArtifactError::Away { .. }));
        assert!(matches!(said("429 Too Many Requests", "TooManyRequests"), ArtifactError::Away { .. }));
    }

    /// An error as `object_store` makes it: the request, with the blob's name, around what the server said.
    #[derive(Debug, thiserror::Error)]
    #[error("Error performing GET https://s3.example/proofs/artifacts/{id} in 3ms - {source}")]
    struct Request {
        id: String,
        source: Answered,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("Server returned non-2xx status code: {0}")]
    struct Answered(String);

    fn asked_for(id: &str, status: &str, code: &str) -> Error {
        let key = id.replace('<', "&lt;");
        let body = format!("<Error><Key>{key}</Key><Code>{code}</Code><Resource>/{key}</Resource></Error>");
        let source = Request { id: id.to_owned(), source: Answered(format!("{status}: {body}")) }.into();
        match status.get(..3) {
            Some("404") => Error::NotFound { path: format!("artifacts/{id}"), source },
            _ => Error::Generic { store: "S3", source },
        }
    }

    #[test]
    fn what_a_client_calls_a_blob_decides_nothing() {
        let place = Place::new(&S3Options::new("proofs", "us-east-1"), "https://s3.example");
        let long = "x".repeat(1000);
        let names = [
            "plain",
            &long,
            "InvalidRange",
            "NoSuchBucket",
            "AccessDenied",
            "PermanentRedirect",
            "status code: 416",
            "non-2xx status code: 403",
            "redirect without LOCATION",
            "<Code>NoSuchBucket</Code>",
            "Server returned non-2xx status code: 416: InvalidRange",
        ];
        for id in names {
            let fault = |status, code| place.fault("read an artifact", &asked_for(id, status, code));
            let denied = fault("400 Bad Request", "AccessDenied");
            let ArtifactError::Refused { cause, remedy, .. } = denied else { panic!("{id}: {denied}") };
            assert!(remedy.contains("AWS_ACCESS_KEY_ID"), "{id}: {remedy}");
            assert!(cause.contains("AccessDenied"), "{id}: {cause}");
            let slow = fault("503 Service Unavailable", "SlowDown");
            assert!(matches!(slow, ArtifactError::Away { .. }), "{id}: {slow}");
            assert!(is_missing(&asked_for(id, "404 Not Found", "NoSuchKey")), "{id}");
            assert!(!is_missing(&asked_for(id, "404 Not Found", "NoSuchBucket")), "{id}");
            assert_eq!(damage(&asked_for(id, "503 Service Unavailable", "SlowDown")), None, "{id}");
            assert!(damage(&asked_for(id, "400 Bad Request", "InvalidRange")).is_some(), "{id}");
            assert!(damage(&asked_for(id, "416 Range Not Satisfiable", "Other")).is_some(), "{id}");
        }
    }

    /// Keys are right, and what was made is worth waiting for.
    #[test]
    fn a_bucket_that_takes_nothing_more_is_full() {
        let place = Place::new(&S3Options::new("proofs", "us-east-1"), "https://s3.example");
        let id = ArtifactId::new("plain");
        for (status, code) in [
            ("403 Forbidden", "QuotaExceeded"),
            ("400 Bad Request", "XMinioAdminBucketQuotaExceeded"),
            ("507 Insufficient Storage", "XMinioStorageFull"),
            ("507 Insufficient Storage", "Other"),
        ] {
            let error = asked_for("plain", status, code);
            let full = place.not_stored(&id, 7, &error);
            assert!(matches!(full, ArtifactError::NoSpace { needed: 7, .. }), "{code}: {full}");
            assert!(full.to_string().contains(code), "{full}");
            // Whoever stores something else there is told no other cause.
            let refused = place.fault("write to", &error).to_string();
            assert!(refused.contains("quota") && !refused.contains("AWS_ACCESS_KEY_ID"), "{refused}");
        }
        let denied = place.not_stored(&id, 7, &asked_for("plain", "403 Forbidden", "AccessDenied"));
        assert!(matches!(denied, ArtifactError::Refused { .. }), "{denied}");
        let slow = place.not_stored(&id, 7, &asked_for("plain", "503 Service Unavailable", "SlowDown"));
        assert!(matches!(slow, ArtifactError::Away { .. }), "{slow}");
    }

    #[test]
    fn what_is_said_of_one_of_several_is_read_from_its_end() {
        let failed = "DeleteObjects request failed for key (code: NoSuchBucket): no (code: x): Access Denied (code: AccessDenied)";
        let answer = Answer::read(failed);
        assert_eq!(answer, Some(Answer { code: Some("AccessDenied".to_owned()), ..Answer::default() }));
        assert_eq!(Answer::read("Error performing GET https://s3.example/AccessDenied in 3ms"), None);
    }
}
