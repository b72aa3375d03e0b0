//! The keys that sign.

use crate::LoadError;
use alloy_primitives::{Address, B256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use std::{collections::HashMap, fmt, fs, path::Path, str::FromStr};

/// The rich key that funds the senders and deploys the contracts. Its `Debug` shows the address only.
#[derive(Clone)]
pub struct Funder(pub(crate) PrivateKeySigner);

impl Funder {
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

/// The keys of accounts that send. Its `Debug` shows how many there are.
#[derive(Clone)]
pub struct AccountKeys(pub(crate) Vec<PrivateKeySigner>);

impl AccountKeys {
    /// The keys in a file: one on each line, in hexadecimal, as ethrex has them. Blank lines are passed over.
    ///
    /// # Errors
    /// The file cannot be read, has no key, or has a line that is none or that repeats one. No error shows a line's text.
    pub fn from_file(path: &Path) -> Result<Self, LoadError> {
        let text = fs::read_to_string(path)
            .map_err(|source| LoadError::KeyFile { path: path.to_owned(), source })?;
        let (mut keys, mut lines) = (Vec::new(), HashMap::new());
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let Funder(key) = text.parse().map_err(|_| LoadError::KeyLine { path: path.to_owned(), line })?;
            // Two senders of one account would sign the same nonces.
            if let Some(first) = lines.insert(key.address(), line) {
                return Err(LoadError::KeyTwice { path: path.to_owned(), line, first });
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(LoadError::NoKeys { path: path.to_owned() }) } else { Ok(Self(keys)) }
    }

    /// The first of them, to pay for the others.
    ///
    /// # Panics
    /// Never: there is one at least.
    pub fn first(&self) -> Funder {
        Funder(self.0[0].clone())
    }

    /// How many there are; at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is one at least")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for AccountKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKeys({})", self.len())
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AccountKeys, LoadError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.txt");
        fs::write(&path, text).unwrap();
        AccountKeys::from_file(&path)
    }

    #[test]
    fn a_file_has_one_key_on_each_line() {
        let (one, two) = ("11".repeat(32), "22".repeat(32));
        let keys = read(&format!("0x{one}\n\n  {two}  \r\n")).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys.first().address(), one.parse::<Funder>().unwrap().address());
        assert_eq!(format!("{keys:?}"), "AccountKeys(2)");
    }

    #[test]
    fn a_bad_line_is_named_by_its_number_and_not_shown() {
        let key = "11".repeat(32);
        for (text, line) in [
            (format!("{key}\n0x{}\n", "zz".repeat(32)), 2),
            (format!("\n\n{key}00\n"), 3),
            (format!("{}\n{key}\n", "00".repeat(32)), 1),
        ] {
            let error = read(&text).unwrap_err();
            assert!(matches!(error, LoadError::KeyLine { line: at, .. } if at == line), "{error}");
            let said = format!("{error} {error:?}");
            assert!(
                said.contains(&format!("line {line} ")) && !said.contains("zz") && !said.contains("1111"),
                "{said}"
            );
        }
        let twice = read(&format!("{key}\n0x{key}\n")).unwrap_err();
        assert!(matches!(twice, LoadError::KeyTwice { line: 2, first: 1, .. }), "{twice}");
        assert!(matches!(read("\n"), Err(LoadError::NoKeys { .. })));
    }
}
