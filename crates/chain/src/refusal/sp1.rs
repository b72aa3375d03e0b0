//! Why a contract of Succinct's refused a SNARK of SP1's.

use crate::contracts::Sp1Verifiers::Sp1VerifiersErrors;
use alloy_primitives::Bytes;
use alloy_sol_types::SolInterface;

/// What Succinct's gateway, or a verifier behind it, says.
pub(super) fn cause(data: &Bytes) -> Option<String> {
    use Sp1VerifiersErrors as E;
    let cause = match E::abi_decode_validate(data).ok()? {
        E::RouteNotFound(e) => {
            format!(
                "RouteNotFound: the gateway has no verifier for the circuit {}: have a release of SP1 wrap it that the gateway knows, or name \
                 another gateway in the rollup's rules",
                e.selector
            )
        }
        E::RouteIsFrozen(e) => {
            format!(
                "RouteIsFrozen: the gateway takes no proofs of the circuit {} any more: have a later release of SP1 wrap it",
                e.selector
            )
        }
        E::WrongVerifierSelector(e) => {
            format!(
                "WrongVerifierSelector: the proof is of circuit {}, not of {}: have the release of SP1 wrap it that the verifier is of, or \
                 name a gateway in the rollup's rules",
                e.received, e.expected
            )
        }
        E::InvalidExitCode(_) => "InvalidExitCode: the program did not end well".to_owned(),
        E::InvalidVkRoot(_) => {
            "InvalidVkRoot: another release of SP1 made the proof than the verifier is of".to_owned()
        }
        E::PublicInputNotInField(_) => {
            "PublicInputNotInField: a public input is no number of the field".to_owned()
        }
        E::ProofInvalid(_) => {
            "ProofInvalid: the proof does not hold for this program and these values".to_owned()
        }
        E::InvalidProof(_) => {
            "InvalidProof: the proof does not hold for this program and these values".to_owned()
        }
    };
    Some(cause)
}

#[cfg(test)]
mod tests {
    use crate::Refusal;
    use alloy_primitives::hex;

    #[test]
    fn what_a_gateway_of_succincts_says_is_said() {
        let word = [&hex!("4388a21c")[..], &[0; 28]].concat();
        for (data, says) in [
            ([&hex!("f208777e")[..], &word].concat(), "no verifier for the circuit 0x4388a21c"),
            ([&hex!("ebf10823")[..], &word].concat(), "takes no proofs of the circuit 0x4388a21c"),
            ([&hex!("f208777e")[..], &word].concat(), "have a release of SP1 wrap it that the gateway knows"),
            (hex!("09bde339").to_vec(), "InvalidProof: the proof does not hold"),
            (hex!("7fcdd1f4").to_vec(), "ProofInvalid: the proof does not hold"),
            (hex!("d58aec58").to_vec(), "another release of SP1"),
        ] {
            let said = Refusal::decode(&data.into()).to_string();
            assert!(said.contains(says), "{said}");
        }
    }
}
