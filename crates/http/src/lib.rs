//! The one way in which Proofmill asks a server over HTTP: every client is made here, so that all of them have the same
//! TLS, with the certificates that the machine trusts. And what is shown of a server: its address often holds an access
//! key, so [`NodeUrl`] shows none of it but scheme, host and port, and [`in_one_line`] leaves out what HTTP clients put
//! into their errors.
//!
//! TLS is rustls with *ring*. What reqwest would choose by itself, AWS-LC, is a C library that takes longer to compile
//! than any other dependency; without it, somebody has to install a provider before the first client is made, and that
//! is done here. clippy refuses the constructors of alloy that go past this.

use alloy_rpc_client::RpcClient;
use reqwest::Client;
use std::{error::Error, fmt, sync::Once};
use url::Url;

/// A client for the JSON-RPC node at `url`. It connects when it is first asked.
pub fn rpc_client(url: Url) -> RpcClient {
    RpcClient::new_http_with_client(client(), url)
}

/// A client of its own: two of them share no connections, so each may live in a runtime of its own.
pub fn client() -> Client {
    // An error says that there is a provider already: this one, or what the embedding program prefers.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().build().unwrap_or_else(|error| {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            tracing::warn!(
                "only http:// can be used, https:// cannot: {} (install the package ca-certificates)",
                in_one_line(&error)
            );
        });
        without_certificates()
    })
}

/// A client that trusts nobody: every server with TLS is refused.
#[expect(clippy::expect_used, reason = "what can fail is reading certificates, and none are read")]
fn without_certificates() -> Client {
    Client::builder().tls_certs_only([]).build().expect("nothing is read")
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

/// An error with its sources, without the URLs that HTTP clients put in.
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
    text
}

/// reqwest says for which URL something failed.
fn without_url(said: &str) -> String {
    match (said.find(" for url ("), said.rfind(')')) {
        (Some(from), Some(to)) if from < to => [&said[..from], &said[to + 1..]].concat(),
        _ => said.to_owned(),
    }
}
