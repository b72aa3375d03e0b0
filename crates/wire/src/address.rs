//! Where the services listen.

use tonic::transport::{ClientTlsConfig, Endpoint};

/// The text is not the address of a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is not the address of a service ({cause}): use http://host:port or https://host:port")]
pub struct BadAddress {
    /// As it was given.
    pub address: String,
    /// What is wrong with it.
    pub cause: String,
}

/// The service at an address as people write it. No service here has TLS; a proxy before it may, with a certificate that this
/// machine trusts.
///
/// # Errors
/// The text is not such an address. An address without `http://` is refused here, because every call to it would fail
/// in a way that looks like a service that is away.
pub fn endpoint(address: &str) -> Result<Endpoint, BadAddress> {
    let bad = |cause: &str| BadAddress { address: address.to_owned(), cause: cause.to_owned() };
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|error| bad(&error.to_string()))?;
    match endpoint.uri().scheme_str() {
        Some("http") => Ok(endpoint),
        Some("https") => endpoint
            .tls_config(ClientTlsConfig::new().with_native_roots())
            .map_err(|error| bad(&error.to_string())),
        Some(_) => Err(bad("it has another scheme")),
        None => Err(bad("it has no scheme")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_its_scheme() {
        for good in ["http://127.0.0.1:50051", "http://cluster:50051/", "http://[::1]:7", "https://cluster"] {
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
