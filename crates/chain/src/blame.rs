//! Which proof a contract's refusal blames: by its custom error, by an error of a verifier, or by its words.

use crate::Refusal;
use alloy_primitives::{Bytes, keccak256};
use alloy_sol_types::{Revert, SolError};
use proofmill_primitives::ProverType;

/// A proof that a contract found not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlamedProof {
    /// That of a type, by the name that the contract has for it.
    Named(String),
    /// One of those that were given: the contract does not say which.
    Unnamed,
}

/// What verifiers revert with where nothing is around it: SP1's, gnark's and RISC Zero's.
const OF_VERIFIERS: [&str; 4] =
    ["InvalidProof()", "ProofInvalid()", "VerificationFailed()", "InvalidProofData()"];
/// What a text says of a proof that is not valid, beside that it is about a proof.
const WORDS: [&str; 5] = ["invalid", "not valid", "not verif", "reject", "fail"];

impl Refusal {
    /// The proof that is at fault, if one is: it should be made again. Nothing where the proof was not even looked at, because
    /// what stands for it, the signatures of attestors, was not taken.
    pub fn blames(&self) -> Option<BlamedProof> {
        if let Some(name) = self.invalid_proof() {
            return Some(BlamedProof::Named(name.to_owned()));
        }
        let Self::Other { data } = self else { return None };
        if is_of_a_verifier(data) {
            return Some(BlamedProof::Unnamed);
        }
        blamed_by(&Revert::abi_decode(data).ok()?.reason)
    }

    /// What a node says in words alone, because it gives no data: counts where the words blame a proof, and else says nothing.
    pub(crate) fn of_words(said: &str) -> Self {
        let data = match blamed_by(said) {
            Some(_) => Revert::from(said).abi_encode().into(),
            None => Bytes::new(),
        };
        Self::Other { data }
    }
}

fn is_of_a_verifier(data: &Bytes) -> bool {
    let selector = |of: &str| keccak256(of).0[..4].to_vec();
    data.get(..4).is_some_and(|first| OF_VERIFIERS.iter().any(|of| selector(of) == first))
}

fn blamed_by(said: &str) -> Option<BlamedProof> {
    let said = said.to_lowercase();
    let words: Vec<_> = said.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    if !words.contains(&"proof") || !WORDS.iter().any(|word| said.contains(word)) {
        return None;
    }
    let named = ProverType::ALL.into_iter().find(|of| words.contains(&of.name()));
    Some(named.map_or(BlamedProof::Unnamed, |of| BlamedProof::Named(of.name().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, U256};
    use proofmill_primitives::CheckpointNumber;

    fn named(name: &str) -> Option<BlamedProof> {
        Some(BlamedProof::Named(name.to_owned()))
    }

    fn says(text: &str) -> Option<BlamedProof> {
        Refusal::Other { data: Revert::from(text).abi_encode().into() }.blames()
    }

    #[test]
    fn a_custom_error_names_the_type() {
        let checkpoint = CheckpointNumber(4);
        let rejected = |reason| Refusal::ProofRejected {
            proof_type: "sp1".to_owned(),
            checkpoint,
            reason: Box::new(reason),
        };
        assert_eq!(rejected(Refusal::Other { data: Bytes::new() }).blames(), named("sp1"));
        let (required, given) = (U256::from(2), U256::from(1));
        assert_eq!(rejected(Refusal::TooFewSignatures { required, given }).blames(), None);
        assert_eq!(Refusal::NoBatches.blames(), None);
        let signer = Address::ZERO;
        assert_eq!(Refusal::NotAnAttestor { signer }.blames(), None);
    }

    #[test]
    fn a_verifiers_own_error_blames_some_proof() {
        for of in OF_VERIFIERS {
            let data = keccak256(of).0[..4].to_vec().into();
            assert_eq!(Refusal::decode(&data).blames(), Some(BlamedProof::Unnamed), "{of}");
        }
        assert_eq!(Refusal::Other { data: vec![1, 2, 3, 4].into() }.blames(), None);
        assert_eq!(Refusal::Other { data: Bytes::new() }.blames(), None);
    }

    #[test]
    fn words_blame_a_proof_and_other_words_do_not() {
        assert_eq!(says("OnChainProposer: Invalid SP1 proof failed proof verification"), named("sp1"));
        assert_eq!(says("invalid openvm proof"), named("openvm"));
        assert_eq!(says("the proof was rejected"), Some(BlamedProof::Unnamed));
        for other in ["proof window closed", "invalid signature", "submitEpochProof failed", ""] {
            assert_eq!(says(other), None, "{other}");
        }
        // A node that strips the data may leave the words.
        assert_eq!(
            Refusal::of_words("execution reverted: Invalid SP1 proof (code 3)").blames(),
            named("sp1")
        );
        assert_eq!(Refusal::of_words("execution reverted (code 3)"), Refusal::Other { data: Bytes::new() });
    }
}
