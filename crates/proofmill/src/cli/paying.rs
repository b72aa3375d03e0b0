//! Which accounts pay on L1, and who signs for them.

use clap::Args;
use eyre::{Result, bail};
use std::path::PathBuf;
use url::Url;

/// Who pays on L1. One definition, for every command that sends there.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Paying {
    /// File with the private key that pays on L1; where no account is named at all, the environment variable PRIVATE_KEY holds the
    /// key. Provers take several, of all sorts: the next account pays where one cannot, or is stuck
    #[arg(long, env = "PROOFMILL_KEY_FILE", value_delimiter = ',', value_name = "FILE")]
    pub(crate) key_file: Vec<PathBuf>,
    /// Encrypted file with such a key (Web3 Secret Storage, as geth, Clef and Foundry write it)
    #[arg(long, env = "PROOFMILL_KEYSTORE", value_delimiter = ',', value_name = "FILE")]
    pub(crate) keystore: Vec<PathBuf>,
    /// File whose first line is the password of --keystore: one for all, or one for each. Without one, the environment variable
    /// PROOFMILL_KEYSTORE_PASSWORD holds it
    #[arg(long, env = "PROOFMILL_KEYSTORE_PASSWORD_FILE", value_delimiter = ',', value_name = "FILE")]
    pub(crate) keystore_password_file: Vec<PathBuf>,
    /// Web3Signer in its mode eth1, which keeps the keys of --web3signer-account and signs with them
    #[arg(
        long,
        env = "PROOFMILL_WEB3SIGNER",
        hide_env_values = true,
        value_parser = super::node_url,
        value_name = "URL"
    )]
    pub(crate) web3signer: Option<Url>,
    /// Account whose key --web3signer has
    #[arg(long, env = "PROOFMILL_WEB3SIGNER_ACCOUNT", value_delimiter = ',', value_name = "ADDRESS")]
    pub(crate) web3signer_account: Vec<alloy_primitives::Address>,
}

impl Paying {
    /// Whether an account is named, or a part of one; else the key in the environment pays.
    pub(crate) const fn names_an_account(&self) -> bool {
        !(self.key_file.is_empty()
            && self.keystore.is_empty()
            && self.keystore_password_file.is_empty()
            && self.web3signer.is_none()
            && self.web3signer_account.is_empty())
    }

    /// Whatever goes together is there together. clap's `requires` does not see what stands in the settings file.
    pub(crate) fn check(&self) -> Result<()> {
        if self.web3signer.is_some() == self.web3signer_account.is_empty() {
            bail!(
                "a signing service and its account go together: name both with --web3signer and --web3signer-account \
                 (of op-proposer also --signer-url and --signer-address)"
            );
        }
        if self.keystore.is_empty() && !self.keystore_password_file.is_empty() {
            bail!(
                "--keystore-password-file is given without the file that it opens: name that with --keystore"
            );
        }
        Ok(())
    }
}
