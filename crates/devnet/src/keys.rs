//! Who is who on a devnet.

use crate::DevnetError;
use alloy_primitives::{Address, B256};
use proofmill_chain::SigningKey;
use proofmill_localnet::WELL_KNOWN_KEYS;

/// The funder, the proposer and the prover come before the attestors.
const FIRST_ATTESTOR: usize = 3;

/// The keys of a devnet: anvil's well-known development keys.
#[derive(Clone, Debug)]
pub struct DevKeys {
    /// Pays for load on L2, and deploys on L1.
    pub funder: SigningKey,
    /// Commits to checkpoints.
    pub proposer: SigningKey,
    /// Submits proofs, and is named in them.
    pub prover: SigningKey,
    /// Sign that they verified proofs.
    pub attestors: Vec<SigningKey>,
}

impl DevKeys {
    /// The keys of a devnet with so many attestors: seven at the most.
    ///
    /// # Errors
    /// [`DevnetError::TooManyAttestors`].
    pub fn well_known(attestors: usize) -> Result<Self, DevnetError> {
        let signers = WELL_KNOWN_KEYS.get(FIRST_ATTESTOR..FIRST_ATTESTOR + attestors).ok_or(
            DevnetError::TooManyAttestors { most: WELL_KNOWN_KEYS.len() - FIRST_ATTESTOR, got: attestors },
        )?;
        let key = |key: &B256| SigningKey::try_from(*key);
        let [funder, proposer, prover, ..] = &WELL_KNOWN_KEYS;
        Ok(Self {
            funder: key(funder)?,
            proposer: key(proposer)?,
            prover: key(prover)?,
            attestors: signers.iter().map(key).collect::<Result<_, _>>()?,
        })
    }

    /// The accounts that have ether on both chains from the start.
    pub(crate) fn rich() -> Vec<Address> {
        let keys = WELL_KNOWN_KEYS.iter().filter_map(|key| SigningKey::try_from(*key).ok());
        keys.map(|key| key.address()).collect()
    }

    /// The key that pays for load on L2, for programs that take it from their environment.
    pub const fn funder_text() -> B256 {
        WELL_KNOWN_KEYS[0]
    }

    /// The key that submits proofs, for programs that take it from their environment.
    pub const fn prover_text() -> B256 {
        WELL_KNOWN_KEYS[2]
    }

    /// The keys of the attestors, for processes that take them from their environment.
    pub fn attestor_texts(attestors: usize) -> &'static [B256] {
        &WELL_KNOWN_KEYS[FIRST_ATTESTOR..WELL_KNOWN_KEYS.len().min(FIRST_ATTESTOR + attestors)]
    }
}
