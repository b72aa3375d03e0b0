//! The keys that sign.

use crate::ChainError;
use alloy_primitives::{Address, B256, Signature};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use std::{env, fmt, fs, path::Path, str::FromStr};

/// A private key, for transactions and attestations. Its `Debug` shows the address only.
#[derive(Clone)]
pub struct SigningKey(PrivateKeySigner);

impl SigningKey {
    /// The key in an environment variable; one that is set to nothing counts as not set.
    pub fn from_env(name: &str) -> Result<Self, ChainError> {
        let set = env::var(name).ok().filter(|text| !text.trim().is_empty());
        let text = set.ok_or_else(|| ChainError::KeyUnset { name: name.to_owned() })?;
        text.parse().map_err(|_| ChainError::BadKeyIn { place: name.to_owned() })
    }

    /// The key in a file, in hexadecimal; white space around it is ignored.
    pub fn from_file(path: &Path) -> Result<Self, ChainError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ChainError::KeyFile { path: path.to_owned(), source })?;
        text.parse().map_err(|_| ChainError::BadKeyIn { place: path.display().to_string() })
    }

    /// The account that it signs for.
    pub const fn address(&self) -> Address {
        self.0.address()
    }

    pub(crate) fn sign(&self, hash: &B256) -> Result<Signature, ChainError> {
        Ok(self.0.sign_hash_sync(hash)?)
    }
}

impl From<PrivateKeySigner> for SigningKey {
    fn from(key: PrivateKeySigner) -> Self {
        Self(key)
    }
}

impl TryFrom<B256> for SigningKey {
    type Error = ChainError;

    fn try_from(key: B256) -> Result<Self, ChainError> {
        PrivateKeySigner::from_bytes(&key).map(Self).map_err(|_| ChainError::BadKey)
    }
}

impl FromStr for SigningKey {
    type Err = ChainError;

    fn from_str(text: &str) -> Result<Self, ChainError> {
        text.trim().parse::<B256>().map_err(|_| ChainError::BadKey)?.try_into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.address())
    }
}
