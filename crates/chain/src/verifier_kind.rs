//! What a verifier contract wants to be shown.

use crate::{
    AttestorSet, ChainError, L1,
    contracts::{AllOfVerifier::verifiersCall, SnarkVerifier::halo2VerifierCall},
};
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolValue;

/// Whether the code of a Halo2 verifier rests on the setup for development, whose secret everybody knows.
pub fn is_for_development(halo2: &[u8]) -> bool {
    proofmill_srs::development_words().iter().any(|word| halo2.windows(word.len()).any(|part| part == word))
}

/// A verifier contract, by what it takes as a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifierKind {
    /// Signatures of attestors.
    Attestors(AttestorSet),
    /// A SNARK that the EVM verifies.
    Snark {
        /// The contract.
        verifier: Address,
        /// Whether its Halo2 verifier is on the setup for development: then anybody can make a SNARK of anything for it.
        insecure: bool,
    },
    /// What each of several verifiers takes, none of which is of this kind itself.
    AllOf(Vec<VerifierKind>),
    /// A contract that this code does not know. It gets the proof as it is.
    Other {
        /// The contract.
        verifier: Address,
    },
}

/// Why no SNARK is made for a verifier: it would take none such, which shows only hours later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherSetup {
    /// The verifier is on the setup for development, and the SNARK is not.
    #[error(
        "the verifier on L1 is on the setup for development, and takes no SNARK on another: name one on it with --snark \
         insecure-development-small"
    )]
    OfCeremony,
    /// The SNARK is on the setup for development, and the verifier is not.
    #[error(
        "the verifier on L1 is not on the setup for development, and takes no SNARK on that: name one on a setup of a ceremony with --snark \
         small or --snark published"
    )]
    ForDevelopment,
    /// The verifier is on a setup of a ceremony, and no SNARK is named.
    #[error(
        "the verifier on L1 is on a setup of a ceremony, whose SNARKs are known by a file alone: name which one with --snark small or \
         --snark published, and the folder that has, or is to have, its `.verifier` file with --snark-dir"
    )]
    NotNamed,
}

impl VerifierKind {
    /// Asks the contract.
    ///
    /// # Errors
    /// There is no contract, or L1 cannot be read.
    pub async fn find(l1: &L1, verifier: Address) -> Result<Self, ChainError> {
        let asked = match l1.read(verifier, &verifiersCall {}, None).await {
            Ok(asked) => asked,
            Err(ChainError::Reverted(_) | ChainError::Malformed { .. }) => {
                return Self::find_single(l1, verifier).await;
            }
            Err(error) => return Err(error),
        };
        let mut kinds = Vec::new();
        for verifier in asked {
            kinds.push(Self::find_single(l1, verifier).await?);
        }
        Ok(Self::AllOf(kinds))
    }

    async fn find_single(l1: &L1, verifier: Address) -> Result<Self, ChainError> {
        if let Some(set) = AttestorSet::find(l1, verifier).await? {
            return Ok(Self::Attestors(set));
        }
        match Self::halo2_behind(l1, verifier).await {
            Ok(halo2) => Ok(Self::Snark { verifier, insecure: is_for_development(&l1.code(halo2).await?) }),
            Err(ChainError::Reverted(_) | ChainError::Malformed { .. }) => Ok(Self::Other { verifier }),
            Err(error) => Err(error),
        }
    }

    /// The contract by which a [`Snark`](Self::Snark) verifier verifies Halo2 proofs.
    ///
    /// # Errors
    /// It is no such verifier, or L1 cannot be read.
    pub async fn halo2_behind(l1: &L1, verifier: Address) -> Result<Address, ChainError> {
        l1.read(verifier, &halo2VerifierCall {}, None).await
    }

    /// The verifiers that are asked.
    pub fn single(&self) -> impl Iterator<Item = &Self> {
        match self {
            Self::AllOf(kinds) => kinds.as_slice(),
            single => std::slice::from_ref(single),
        }
        .iter()
    }

    /// Whether a SNARK is wanted.
    pub fn wants_snark(&self) -> bool {
        self.single().any(|kind| matches!(kind, Self::Snark { .. }))
    }

    /// Whether a SNARK is wanted that anybody can make of anything.
    pub fn is_insecure(&self) -> bool {
        self.single().any(|kind| matches!(kind, Self::Snark { insecure: true, .. }))
    }

    /// Checks that SNARKs are made of the setup that the verifier is on. Whether those that are named are for development; nothing where
    /// none are named.
    ///
    /// # Errors
    /// They are not. Where no SNARK is wanted, any are right.
    pub fn check_setup(&self, for_development: Option<bool>) -> Result<(), OtherSetup> {
        if !self.wants_snark() {
            return Ok(());
        }
        match (for_development, self.is_insecure()) {
            (Some(false), true) => Err(OtherSetup::OfCeremony),
            (Some(true), false) => Err(OtherSetup::ForDevelopment),
            (None, false) => Err(OtherSetup::NotNamed),
            (None | Some(true), true) | (Some(false), false) => Ok(()),
        }
    }

    /// Puts together what [`single`](Self::single) verifiers take, in their order, as this contract takes it.
    pub fn proof_bytes(&self, parts: Vec<Bytes>) -> Bytes {
        match self {
            Self::AllOf(_) => parts.abi_encode().into(),
            _ => parts.into_iter().next().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snark_is_made_of_the_setup_that_its_verifier_is_on() {
        let snark = |insecure| VerifierKind::Snark { verifier: Address::ZERO, insecure };
        let other = VerifierKind::Other { verifier: Address::ZERO };
        let both = |insecure| VerifierKind::AllOf(vec![other.clone(), snark(insecure)]);
        for (named, insecure, checked) in [
            (None, true, Ok(())),
            (None, false, Err(OtherSetup::NotNamed)),
            (Some(true), true, Ok(())),
            (Some(true), false, Err(OtherSetup::ForDevelopment)),
            (Some(false), true, Err(OtherSetup::OfCeremony)),
            (Some(false), false, Ok(())),
        ] {
            assert_eq!(snark(insecure).check_setup(named), checked);
            assert_eq!(both(insecure).check_setup(named), checked);
            assert_eq!(other.check_setup(named), Ok(()));
        }
    }
}
