//! Private keys: from a file or the environment, never from a flag, which every user of the machine sees.

use eyre::Result;
use proofmill_chain::SigningKey;
use std::path::Path;

/// Pays on L1, where no file is named.
pub(crate) const L1_KEY: &str = "PRIVATE_KEY";
/// Signs attestations, where no file is named.
pub(crate) const ATTESTOR_KEY: &str = "PROOFMILL_ATTESTOR_KEY";
/// Pays for what `load` sends, where no file is named.
pub(crate) const LOAD_KEY: &str = "LOAD_TEST_PRIVATE_KEY";

/// The key in the file, or in the environment variable.
pub(crate) fn key(file: Option<&Path>, variable: &str) -> Result<SigningKey> {
    Ok(match file {
        Some(path) => SigningKey::from_file(path)?,
        None => SigningKey::from_env(variable)?,
    })
}
