//! The one way in which Proofmill asks a server over HTTP: every client is made here, so that all of them have the same
//! TLS, with the certificates that the machine trusts. And what is shown of a server: its address often holds an access
//! key, so [`NodeUrl`] shows none of it but scheme, host and port, and [`in_one_line`] leaves out what HTTP clients put
//! into their errors.
//!
//! TLS is rustls with *ring*. What reqwest would choose by itself, AWS-LC, is a C library that takes longer to compile
//! than any other dependency; without it, somebody has to install a provider before the first client is made, and that
//! is done here. clippy refuses the constructors of alloy that go past this.

use alloy_rpc_client::RpcClient;
use reqwest::{Client, Response};
use std::{error::Error, fmt, str::FromStr, sync::Once, time::Duration};
use url::{Host, Url};

/// How long a server may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a server may send nothing while an answer is due. Whoever asks has a bound of its own, which is shorter; where one is
/// forgotten, a server that hangs does not hold it up for good.
const SILENT_FOR: Duration = Duration::from_secs(600);

/// A client for the JSON-RPC node at `url`. It connects when it is first asked.
pub fn rpc_client(url: Url) -> RpcClient {
    RpcClient::new_http_with_client(client_for(&url), url)
}

/// A client of its own: two of them share no connections, so each may live in a runtime of its own.
///
/// Proxies are those of the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
pub fn client() -> Client {
    built(builder)
}

/// A client for one server. A server on this machine is reached directly, whatever the environment says of proxies.
/// Redirects are not followed: the address of a node often holds an access key, and it is not for whoever is pointed to.
pub fn client_for(url: &Url) -> Client {
    bounded(url, SILENT_FOR)
}

fn bounded(url: &Url, silent_for: Duration) -> Client {
    let direct = is_loopback(url);
    built(|| {
        let builder = builder().redirect(reqwest::redirect::Policy::none());
        let builder = builder.connect_timeout(CONNECT_WITHIN).read_timeout(silent_for);
        if direct { builder.no_proxy() } else { builder }
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// Has whatever makes TLS connections in this process use *ring*: for clients of other protocols than HTTP.
pub fn use_ring() {
    // An error says that there is a provider already: this one, or what the embedding program prefers.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Where every client of this workspace begins.
#[expect(
    clippy::disallowed_methods,
    reason = "`built` installs the provider that the other callers of it would lack"
)]
fn builder() -> reqwest::ClientBuilder {
    Client::builder()
}

fn built(builder: impl Fn() -> reqwest::ClientBuilder) -> Client {
    use_ring();
    builder().build().unwrap_or_else(|error| {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::warn!(
                "only http:// can be used, https:// cannot: {} (install the package ca-certificates)",
                in_one_line(&error)
            );
        });
        without_certificates(builder())
    })
}

/// A client that trusts nobody: every server with TLS is refused.
#[expect(clippy::expect_used, reason = "what can fail is reading certificates, and none are read")]
fn without_certificates(builder: reqwest::ClientBuilder) -> Client {
    builder.tls_certs_only([]).build().expect("nothing is read")
}

/// Where a node is. Paths, queries and user names often are access keys: it shows only scheme, host and port.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeUrl(Url);

impl NodeUrl {
    /// All of it.
    pub const fn secret(&self) -> &Url {
        &self.0
    }

    /// A client for this node.
    pub fn client(&self) -> RpcClient {
        rpc_client(self.0.clone())
    }
}

/// Why a text is not the address of a node. It shows nothing of the text but its scheme: the rest may be an access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadNodeUrl {
    /// It is not a URL.
    NotAUrl {
        /// What is wrong.
        reason: String,
    },
    /// There is no scheme.
    NoScheme,
    /// It is a WebSocket.
    WebSocket,
    /// It is of a scheme that no node has.
    OtherScheme {
        /// The scheme.
        scheme: String,
    },
}

impl fmt::Display for BadNodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAUrl { reason } => {
                write!(f, "not a URL ({reason}): http://HOST:PORT or https://HOST/PATH is wanted")?;
                f.write_str("; an IPv6 address stands in brackets, as in http://[::1]:8545")
            }
            Self::NoScheme => f.write_str("no scheme: write http:// or https:// before it"),
            Self::WebSocket => f.write_str(
                "WebSockets are not used: give the node's HTTP address (http:// or https://), which most nodes serve beside it",
            ),
            Self::OtherScheme { scheme } => {
                write!(f, "a node cannot be reached by {scheme}: give its HTTP address (http:// or https://)")
            }
        }
    }
}

impl Error for BadNodeUrl {}

impl FromStr for NodeUrl {
    type Err = BadNodeUrl;

    fn from_str(text: &str) -> Result<Self, BadNodeUrl> {
        let text = text.trim();
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(url::ParseError::RelativeUrlWithoutBase) => return Err(BadNodeUrl::NoScheme),
            // `[::1]:8545`, `127.0.0.1:8545`
            Err(_) if !text.contains("://") => return Err(BadNodeUrl::NoScheme),
            Err(error) => return Err(BadNodeUrl::NotAUrl { reason: error.to_string() }),
        };
        match url.scheme() {
            "http" | "https" => Ok(Self(url)),
            "ws" | "wss" => Err(BadNodeUrl::WebSocket),
            // `localhost:8545` is read as the scheme `localhost`, and `::1` cannot be.
            _ if !text.contains("://") => Err(BadNodeUrl::NoScheme),
            scheme => Err(BadNodeUrl::OtherScheme { scheme: scheme.to_owned() }),
        }
    }
}

impl From<Url> for NodeUrl {
    fn from(url: Url) -> Self {
        Self(url)
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why the body of an answer cannot be had.
#[derive(Debug)]
pub enum BodyError {
    /// It is larger than anything that was asked for.
    TooLarge {
        /// The most bytes that are taken.
        limit: usize,
    },
    /// The server, or the network, broke it off.
    BrokeOff(reqwest::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "the answer is larger than {} MB", limit >> 20),
            Self::BrokeOff(error) => f.write_str(&in_one_line(error)),
        }
    }
}

impl Error for BodyError {}

/// The body of an answer, piece by piece up to a limit: a server may send any number of bytes.
///
/// # Errors
///
/// [`BodyError`].
pub async fn body(mut answer: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    if answer.content_length().is_some_and(|length| length > limit as u64) {
        return Err(BodyError::TooLarge { limit });
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(BodyError::BrokeOff)? {
        if body.len() + part.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// Characters of an error that are shown: some quote the whole answer of a server, a page of HTML for example.
const SHOWN: usize = 1_000;

/// An error with its sources, without the URLs that HTTP clients put in: one line of bounded length.
pub fn in_one_line(error: &dyn Error) -> String {
    let mut text = without_url(&error.to_string());
    let mut source = error.source();
    while let Some(error) = source {
        let said = without_url(&error.to_string());
        // Wrappers often repeat what they wrap.
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = error.source();
    }
    line(&text, SHOWN)
}

/// What a server said, in one line without control characters: at most `most` characters of it, and `…` where it goes on.
pub fn line(text: &str, most: usize) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|char| !char.is_control());
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// reqwest says for which URL something failed.
fn without_url(said: &str) -> String {
    match (said.find(" for url ("), said.rfind(')')) {
        (Some(from), Some(to)) if from < to => [&said[..from], &said[to + 1..]].concat(),
        _ => said.to_owned(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn simple_taiko_node_229_addresses_are_checked_when_they_are_given() {
        for good in [
            "http://127.0.0.1:8545",
            "https://node.example/v3/key",
            "http://[::1]:8545/",
            " http://user:secret@node.example:80 ",
        ] {
            good.parse::<NodeUrl>().unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        for (bad, wanted) in [
            ("localhost:8545", BadNodeUrl::NoScheme),
            ("127.0.0.1:8545", BadNodeUrl::NoScheme),
            ("[::1]:8545", BadNodeUrl::NoScheme),
            ("node.example/v3/secret", BadNodeUrl::NoScheme),
            ("", BadNodeUrl::NoScheme),
            ("//node.example", BadNodeUrl::NoScheme),
            ("ws://127.0.0.1:8546", BadNodeUrl::WebSocket),
            ("wss://node.example/secret", BadNodeUrl::WebSocket),
            ("file:///tmp/geth.ipc", BadNodeUrl::OtherScheme { scheme: "file".into() }),
        ] {
            let error = bad.parse::<NodeUrl>().expect_err(bad);
            assert_eq!(error, wanted, "{bad}");
            assert!(!error.to_string().contains("secret"));
        }
        for broken in ["http://::1:8545", "http://", "http://node:port", "http://[::1:8545"] {
            let error = broken.parse::<NodeUrl>().expect_err(broken);
            assert!(matches!(error, BadNodeUrl::NotAUrl { .. }), "{broken}: {error}");
            assert!(error.to_string().contains("[::1]"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("http://{}/", server.local_addr().unwrap()).parse().unwrap();
        // The connection is made, and nobody takes it up.
        let error = bounded(&url, Duration::from_millis(50)).get(url).send().await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        drop(server);
    }

    #[test]
    fn what_a_server_says_is_one_line_of_bounded_length() {
        for (said, most, shown) in [
            ("no such\n\tblock ", 100, "no such block"),
            ("a\u{1b}[2Jb\u{9b}c\r\nd", 100, "a[2Jbc d"),
            ("äöü", 3, "äöü"),
            ("äöüß", 3, "äöü…"),
            ("", 0, ""),
        ] {
            assert_eq!(line(said, most), shown);
        }
    }

    #[test]
    fn servers_of_this_machine_are_known_by_their_address() {
        for (url, local) in [
            ("http://localhost:1", true),
            ("http://a.localhost:1", true),
            ("http://127.9.9.9:1", true),
            ("http://[::1]:1", true),
            ("http://[::ffff:127.0.0.1]:1", true),
            ("http://10.0.0.1:1", false),
            ("http://localhost.example", false),
            ("https://node.example", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), local, "{url}");
        }
    }
}
