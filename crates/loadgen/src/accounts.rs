//! The keys that sign.

use crate::LoadError;
use alloy_primitives::{Address, B256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use std::{env, fmt, fs, path::Path, str::FromStr};

/// The rich key that funds the senders and deploys the contracts. Its `Debug` shows the address only.
#[derive(Clone)]
pub struct Funder(pub(crate) PrivateKeySigner);

impl Funder {
    /// The key in an environment variable.
    pub fn from_env(name: &str) -> Result<Self, LoadError> {
        env::var(name).map_err(|_| LoadError::KeyUnset { name: name.to_owned() })?.parse()
    }

    /// The key in a file, in hexadecimal; white space around it is ignored.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        fs::read_to_string(path)
            .map_err(|source| LoadError::KeyFile { path: path.to_owned(), source })?
            .parse()
    }

    /// The address that pays.
    pub const fn address(&self) -> Address {
        self.0.address()
    }
}

impl TryFrom<B256> for Funder {
    type Error = LoadError;

    fn try_from(key: B256) -> Result<Self, LoadError> {
        PrivateKeySigner::from_bytes(&key).map(Self).map_err(|_| LoadError::BadKey)
    }
}

impl FromStr for Funder {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        text.trim().parse::<B256>().map_err(|_| LoadError::BadKey)?.try_into()
    }
}

impl fmt::Debug for Funder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Funder({})", self.address())
    }
}

/// The key number `index` of a seed.
pub(crate) fn derived(seed: u64, index: u64) -> PrivateKeySigner {
    // A hash is not a valid key with a chance of 2^-128: then the next one is taken.
    let mut key = keccak256([&b"proofmill load"[..], &seed.to_be_bytes(), &index.to_be_bytes()].concat());
    loop {
        match PrivateKeySigner::from_bytes(&key) {
            Ok(signer) => return signer,
            Err(_) => key = keccak256(key),
        }
    }
}
