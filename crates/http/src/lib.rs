//! The one way in which Proofmill asks a server over HTTP: every client is made here, so that all of them have the same
//! TLS, with the certificates that the machine trusts.
//!
//! TLS is rustls with *ring*. What reqwest would choose by itself, AWS-LC, is a C library that takes longer to compile
//! than any other dependency; without it, somebody has to install a provider before the first client is made, and that
//! is done here. clippy refuses the constructors of alloy that go past this.

use alloy_rpc_client::RpcClient;
use reqwest::Client;
use url::Url;

/// A client for the JSON-RPC node at `url`. It connects when it is first asked.
pub fn rpc_client(url: Url) -> RpcClient {
    RpcClient::new_http_with_client(client(), url)
}

/// A client of its own: two of them share no connections, so each may live in a runtime of its own.
pub fn client() -> Client {
    // An error says that there is a provider already: this one, or what the embedding program prefers.
    drop(rustls::crypto::ring::default_provider().install_default());
    #[expect(clippy::disallowed_methods, reason = "the provider is installed")]
    Client::new()
}
