//! Whether a verifier takes the SNARK that is to be made for it: found out before it is, which takes hours.

use proofmill_backends::{Backend, SnarkVariant};
use proofmill_chain::{AskedSnark, OtherSnark, SnarkForm, VerifierKind};
use std::sync::Arc;

fn form(variant: SnarkVariant) -> SnarkForm {
    SnarkForm {
        name: variant.name(),
        for_development: variant.is_for_development(),
        rows: variant.size.wrapper_k(),
    }
}

/// Checks that a verifier takes the SNARK that is `named`, or the one that needs no name: its setup, its size, and the circuit of this
/// release as far as `backend`, which was told of the same, knows it. What cannot be compared is not refused, and the log says so.
///
/// # Errors
/// It takes no such SNARK. Where it wants none, any is right.
pub async fn check_snark(
    kind: &VerifierKind,
    named: Option<SnarkVariant>,
    backend: Option<Arc<dyn Backend>>,
) -> Result<(), OtherSnark> {
    if !kind.wants_snark() {
        return Ok(());
    }
    let variant = named.unwrap_or(SnarkVariant::DEVELOPMENT);
    let (forms, words) = (SnarkVariant::ALL.map(form), words(backend).await);
    let asked = AskedSnark { forms: &forms, form: form(variant), named: named.is_some(), words: &words };
    if !kind.check_snark(&asked)? {
        tracing::info!(
            snark = %variant,
            "whether the verifier on L1 takes this release's circuit of the SNARK cannot be compared: the circuit is not known here yet, or \
             the contract is of another generator"
        );
    }
    Ok(())
}

/// What contracts have in their code that take the SNARK; nothing where that is not known.
async fn words(backend: Option<Arc<dyn Backend>>) -> Vec<[[u8; 32]; 2]> {
    let Some(backend) = backend else { return Vec::new() };
    match tokio::task::spawn_blocking(move || backend.contract_words()).await {
        Ok(Ok(words)) => words,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the circuit of the SNARK is not compared with that of the verifier on L1");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!("describing the circuit of the SNARK broke off; please report it");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;

    /// As the contract shows them: other rows would be another circuit.
    #[tokio::test]
    async fn a_snark_of_another_size_is_refused_before_it_is_made() {
        for variant in SnarkVariant::ALL {
            for taken in SnarkVariant::ALL {
                let halo2 = proofmill_srs::rows_word(taken.size.wrapper_k()).to_vec().into();
                let insecure = taken.is_for_development();
                let kind = VerifierKind::Snark { verifier: Address::ZERO, insecure, halo2 };
                let checked = check_snark(&kind, Some(variant), None).await;
                assert_eq!(checked.is_ok(), variant == taken, "{variant} for {taken}: {checked:?}");
            }
        }
        let other = VerifierKind::Other { verifier: Address::ZERO };
        assert_eq!(check_snark(&other, None, None).await, Ok(()));
    }
}
