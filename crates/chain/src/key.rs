//! The keys that sign.

use crate::ChainError;
use alloy_primitives::{Address, B256, Signature};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use std::{fmt, str::FromStr};

/// A private key, for transactions and attestations. Its `Debug` shows the address only.
#[derive(Clone)]
pub struct SigningKey(PrivateKeySigner);

impl SigningKey {
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
