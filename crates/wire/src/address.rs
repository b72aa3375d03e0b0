//! Where the services listen.

use tonic::transport::{ClientTlsConfig, Endpoint};

/// The text is not the address of a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is not the address of a service ({cause}): use http://host:port or https://host:port")]
pub struct BadAddress {
    /// As it was given, without user, password, path and query.
    pub address: String,
    /// What is wrong with it.
    pub cause: String,
}

/// The service at an address as people write it. No service here has TLS; a proxy before it may, with a certificate that this
/// machine trusts.
///
/// # Errors
/// The text is not such an address. An address without `http://` is refused here, because every call to it would fail
/// in a way that looks like a service that is away. So is one with a user, a path or a query: nobody is told of them, and what
/// may be a password or a key is shown in no log, because no address has one.
pub fn endpoint(address: &str) -> Result<Endpoint, BadAddress> {
    // In a list with commas there may be spaces, as between the addresses of nodes.
    let address = address.trim();
    let bad = |cause: &str| BadAddress { address: shown(address), cause: cause.to_owned() };
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|error| bad(&error.to_string()))?;
    let uri = endpoint.uri();
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(bad("services take no user or password in it"));
    }
    if uri.path_and_query().is_some_and(|rest| !matches!(rest.as_str(), "" | "/")) {
        return Err(bad("services have no path or query in it"));
    }
    match uri.scheme_str() {
        Some("http") => Ok(endpoint),
        Some("https") => endpoint
            .tls_config(ClientTlsConfig::new().with_native_roots())
            .map_err(|error| bad(&error.to_string())),
        Some(_) => Err(bad("it has another scheme")),
        None => Err(bad("it has no scheme")),
    }
}

/// Scheme, host and port of what may be an address.
fn shown(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    // A password may hold a slash that should have been escaped.
    let place = rest.rsplit('@').next().unwrap_or_default();
    let host = place.split(['/', '?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_key_is_refused_and_the_key_not_shown() {
        for (bad, cause) in [
            ("http://user:secret@cluster:50051", "user or password"),
            ("http://secret@cluster:50051", "user or password"),
            ("http://user:sec/secret@cluster:50051", ""),
            ("https://cluster:50051/secret", "path or query"),
            ("https://cluster:50051/?key=secret", "path or query"),
            ("cluster:50051/secret", ""),
            ("user:secret@cluster", ""),
            ("http://user:secret@", ""),
        ] {
            let said = endpoint(bad).unwrap_err().to_string();
            assert!(said.contains(cause) && !said.contains("secret"), "{bad}: {said}");
        }
        assert_eq!(shown("http://user:secret@cluster:50051/secret?a"), "http://cluster:50051");
    }

    #[test]
    fn an_address_needs_its_scheme() {
        for good in
            ["http://127.0.0.1:50051", " http://cluster:50051/\r", "http://[::1]:7", "https://cluster"]
        {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in ["cluster:50051", "cluster", "", "/x", "ftp://cluster:1", "http://"] {
            assert!(
                endpoint(bad).is_err_and(|error| error.to_string().contains("http://host:port")),
                "{bad}"
            );
        }
    }
}
