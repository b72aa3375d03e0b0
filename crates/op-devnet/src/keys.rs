//! Who is who. The keys are those that anvil derives from its default phrase: everybody knows them, and they hold play money on
//! local nodes alone.

use crate::OpDevnetError;
use alloy_primitives::B256;
use alloy_signer_local::PrivateKeySigner;
use proofmill_localnet::{DevAccount, WELL_KNOWN_KEYS};

/// The keys of a chain.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    /// Deploys on L1, and owns the system configuration.
    pub(crate) owner: PrivateKeySigner,
    /// Posts batches.
    pub(crate) batcher: PrivateKeySigner,
    /// Makes deposits.
    pub(crate) depositor: PrivateKeySigner,
    /// All ten; from the fourth on they are nobody else's.
    pub(crate) all: Vec<DevAccount>,
}

/// The first that users may have to themselves.
pub(crate) const FIRST_USER: usize = 3;

impl Keys {
    pub(crate) fn well_known() -> Result<Self, OpDevnetError> {
        let signer = |key: &B256| {
            PrivateKeySigner::from_bytes(key).map_err(|error| OpDevnetError::Send(error.to_string()))
        };
        let [owner, batcher, depositor, ..] = &WELL_KNOWN_KEYS;
        let all = WELL_KNOWN_KEYS
            .iter()
            .map(|key| Ok(DevAccount { address: signer(key)?.address(), private_key: *key }))
            .collect::<Result<_, OpDevnetError>>()?;
        Ok(Self { owner: signer(owner)?, batcher: signer(batcher)?, depositor: signer(depositor)?, all })
    }
}
