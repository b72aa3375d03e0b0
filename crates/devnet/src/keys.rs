//! Who is who on a devnet.

use crate::DevnetError;
use alloy_primitives::{Address, B256, b256};
use proofmill_chain::SigningKey;

/// The keys that anvil derives from its default phrase, `test test test test test test test test test test test junk`.
/// Everybody knows them: they hold play money on local nodes alone.
const WELL_KNOWN: [B256; 10] = [
    b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    b256!("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    b256!("0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
    b256!("0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"),
    b256!("0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"),
    b256!("0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"),
    b256!("0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e"),
    b256!("0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356"),
    b256!("0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97"),
    b256!("0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"),
];
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
        let signers = WELL_KNOWN.get(FIRST_ATTESTOR..FIRST_ATTESTOR + attestors).ok_or(
            DevnetError::TooManyAttestors { most: WELL_KNOWN.len() - FIRST_ATTESTOR, got: attestors },
        )?;
        let key = |key: &B256| SigningKey::try_from(*key);
        let [funder, proposer, prover, ..] = &WELL_KNOWN;
        Ok(Self {
            funder: key(funder)?,
            proposer: key(proposer)?,
            prover: key(prover)?,
            attestors: signers.iter().map(key).collect::<Result<_, _>>()?,
        })
    }

    /// The accounts that have ether on both chains from the start.
    pub(crate) fn rich() -> Vec<Address> {
        let keys = WELL_KNOWN.iter().filter_map(|key| SigningKey::try_from(*key).ok());
        keys.map(|key| key.address()).collect()
    }

    /// The key that pays for load on L2, for programs that take it from their environment.
    pub const fn funder_text() -> B256 {
        WELL_KNOWN[0]
    }

    /// The key that submits proofs, for programs that take it from their environment.
    pub const fn prover_text() -> B256 {
        WELL_KNOWN[2]
    }

    /// The keys of the attestors, for processes that take them from their environment.
    pub fn attestor_texts(attestors: usize) -> &'static [B256] {
        &WELL_KNOWN[FIRST_ATTESTOR..WELL_KNOWN.len().min(FIRST_ATTESTOR + attestors)]
    }
}
