//! Who signs the transactions of an account.

use crate::{ChainError, RemoteSigner, SigningKey};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_primitives::Address;

/// Who signs the transactions of an account. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Signer {
    /// A key in this process.
    Key(SigningKey),
    /// A service that has the key.
    Remote(RemoteSigner),
    /// Nobody here: what a transaction of the account would take can be asked, and nothing can be sent.
    Nobody(Address),
}

impl Signer {
    /// The account.
    pub const fn address(&self) -> Address {
        match self {
            Self::Key(key) => key.address(),
            Self::Remote(remote) => remote.address(),
            Self::Nobody(account) => *account,
        }
    }

    /// Signs a transaction.
    ///
    /// # Errors
    /// The key cannot sign, the service does not answer or signs something else, or there is nobody who could.
    pub(crate) async fn sign(&self, transaction: &TxEip1559) -> Result<TxEnvelope, ChainError> {
        match self {
            Self::Key(key) => {
                let signature = key.sign(&transaction.signature_hash())?;
                Ok(transaction.clone().into_signed(signature).into())
            }
            Self::Remote(remote) => remote.sign(transaction).await,
            Self::Nobody(account) => Err(ChainError::NobodySigns { account: *account }),
        }
    }
}

impl From<SigningKey> for Signer {
    fn from(key: SigningKey) -> Self {
        Self::Key(key)
    }
}

impl From<RemoteSigner> for Signer {
    fn from(remote: RemoteSigner) -> Self {
        Self::Remote(remote)
    }
}
