//! Why a contract that verifies SNARKs, or that asks several verifiers, refused a proof.

use crate::contracts::{
    AllOfVerifier::AllOfVerifierErrors as AllErrors, SnarkVerifier::SnarkVerifierErrors as SnarkErrors,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolInterface;

/// The custom error of a verifier of SNARKs, or of one that asks several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnarkRefusal {
    /// The proof was cut off, or something was added.
    #[error("a SNARK for this contract has {expected} bytes, not {given}: ask for a `plonk` proof")]
    WrongProofLength {
        /// Bytes of every proof.
        expected: U256,
        /// Bytes of this one.
        given: U256,
    },
    /// The proof is of another program.
    #[error("the SNARK is of program {given}, not of {expected}, or for another machine")]
    WrongProgram {
        /// What the rollup asks for.
        expected: B256,
        /// What the proof is of.
        given: B256,
    },
    /// A number of the proof has not its one form.
    #[error("word {index} of the SNARK is not below the order of the field")]
    NotCanonical {
        /// Which word, from 0.
        index: U256,
    },
    /// The Halo2 verifier refuses it.
    #[error(
        "the SNARK does not hold: it was altered, or is of other public values, another circuit or another setup"
    )]
    ProofDoesNotHold,
    /// The contract that verifies Halo2 proofs is not there.
    #[error(
        "there is no contract at {given}, where the Halo2 verifier should be; an account that delegates (EIP-7702) is none"
    )]
    NoHalo2Verifier {
        /// Where it should be.
        given: Address,
    },
    /// Too few verifiers, or too many.
    #[error("a verifier that asks others asks 2 to 8 of them, not {given}")]
    WrongNumberOfVerifiers {
        /// How many were given.
        given: U256,
    },
    /// A verifier is not there.
    #[error(
        "there is no contract at {given}, where a verifier should be; an account that delegates (EIP-7702) is none"
    )]
    NoVerifier {
        /// Where it should be.
        given: Address,
    },
    /// A verifier is there twice.
    #[error("the verifier {given} is named twice")]
    TheSameVerifier {
        /// Which.
        given: Address,
    },
}

impl SnarkRefusal {
    /// Reads what a reverted call returned, if it is one of these.
    pub(crate) fn decode(data: &Bytes) -> Option<Self> {
        if let Ok(error) = SnarkErrors::abi_decode_validate(data) {
            use SnarkErrors as E;
            return Some(match error {
                E::WrongProofLength(e) => Self::WrongProofLength { expected: e.expected, given: e.given },
                E::WrongProgram(e) => Self::WrongProgram { expected: e.expected, given: e.given },
                E::NotCanonical(e) => Self::NotCanonical { index: e.index },
                E::ProofDoesNotHold(_) => Self::ProofDoesNotHold,
                E::NoHalo2Verifier(e) => Self::NoHalo2Verifier { given: e.given },
            });
        }
        match AllErrors::abi_decode_validate(data).ok()? {
            AllErrors::WrongNumberOfVerifiers(e) => Some(Self::WrongNumberOfVerifiers { given: e.given }),
            AllErrors::NoVerifier(e) => Some(Self::NoVerifier { given: e.given }),
            AllErrors::TheSameVerifier(e) => Some(Self::TheSameVerifier { given: e.given }),
            // Said as of signatures, which it is about there, too.
            AllErrors::NotCanonical(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;
    use proofmill_primitives::CheckpointNumber;

    #[test]
    fn what_a_verifier_says_that_has_too_little_gas_is_told_from_what_it_looked_at() {
        let rejected = |reason| Refusal::ProofRejected {
            proof_type: "openvm".to_owned(),
            checkpoint: CheckpointNumber(4),
            reason: Box::new(reason),
        };
        let does_not_hold = || Refusal::Snark(SnarkRefusal::ProofDoesNotHold);
        let other = |data: &[u8]| Refusal::Other { data: Bytes::copy_from_slice(data) };
        for may in [does_not_hold(), rejected(does_not_hold()), rejected(other(&[]))] {
            assert!(may.may_be_of_gas(), "{may}");
        }
        let index = U256::ZERO;
        // A call that reverts without a reason by itself blames no proof.
        for not in [
            other(&[]),
            rejected(other(&[1, 2, 3, 4])),
            rejected(Refusal::Snark(SnarkRefusal::NotCanonical { index })),
            rejected(Refusal::NotCanonical),
            Refusal::NothingToPrune,
        ] {
            assert!(!not.may_be_of_gas(), "{not}");
        }
    }
}
