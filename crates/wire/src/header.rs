//! What Proofmill's own clients and workers say beyond the SP1 cluster's messages, as gRPC request headers.

use proofmill_primitives::{ProverType, UnknownName};
use tonic::{
    Request,
    metadata::{AsciiMetadataValue, MetadataValue},
};

/// The prover type of a proof request.
const PROVER: &str = "proofmill-prover";
/// The prover types a worker runs, separated by commas.
const PROVERS: &str = "proofmill-provers";
/// Which process a worker is: two of one name differ by it.
const INCARNATION: &str = "proofmill-incarnation";
/// Why a task or a proof failed, as UTF-8.
const CAUSE: &str = "proofmill-cause-bin";
/// The most bytes of a cause that travel: gRPC peers refuse large headers.
const MAX_CAUSE: usize = 2048;

/// Names the prover type that a proof is asked of.
pub fn set_prover<T>(request: &mut Request<T>, prover: ProverType) {
    request.metadata_mut().insert(PROVER, AsciiMetadataValue::from_static(prover.name()));
}

/// The prover type that a proof is asked of; `sp1` where nothing is said.
///
/// # Errors
/// An unknown name.
pub fn prover<T>(request: &Request<T>) -> Result<ProverType, UnknownName> {
    text(request, PROVER).map_or(Ok(ProverType::Sp1), |name| name.parse())
}

/// Names the prover types that a worker runs.
pub fn set_provers<T>(request: &mut Request<T>, provers: &[ProverType]) {
    let names: Vec<_> = provers.iter().map(|prover| prover.name()).collect();
    if let Ok(value) = AsciiMetadataValue::try_from(names.join(",")) {
        request.metadata_mut().insert(PROVERS, value);
    }
}

/// The prover types that a worker runs; `sp1` where nothing is said.
///
/// # Errors
/// An unknown name.
pub fn provers<T>(request: &Request<T>) -> Result<Vec<ProverType>, UnknownName> {
    match text(request, PROVERS) {
        None => Ok(vec![ProverType::Sp1]),
        Some(names) => names.split(',').map(|name| name.trim().parse()).collect(),
    }
}

/// Says which process a worker is.
pub fn set_incarnation<T>(request: &mut Request<T>, incarnation: &str) {
    if let Ok(value) = AsciiMetadataValue::try_from(incarnation) {
        request.metadata_mut().insert(INCARNATION, value);
    }
}

/// Which process a worker is, where it says so.
pub fn incarnation<T>(request: &Request<T>) -> Option<String> {
    text(request, INCARNATION).map(str::to_owned)
}

/// Says why.
pub fn set_cause<T>(request: &mut Request<T>, cause: &str) {
    let mut end = cause.len().min(MAX_CAUSE);
    while !cause.is_char_boundary(end) {
        end -= 1;
    }
    request.metadata_mut().insert_bin(CAUSE, MetadataValue::from_bytes(&cause.as_bytes()[..end]));
}

/// Why, where it was said.
pub fn cause<T>(request: &Request<T>) -> Option<String> {
    let bytes = request.metadata().get_bin(CAUSE)?.to_bytes().ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn text<'a, T>(request: &'a Request<T>, name: &str) -> Option<&'a str> {
    request.metadata().get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_says_nothing_speaks_sp1() {
        let request = Request::new(());
        assert_eq!(prover(&request), Ok(ProverType::Sp1));
        assert_eq!(provers(&request), Ok(vec![ProverType::Sp1]));
        assert_eq!(cause(&request), None);
    }

    #[test]
    fn an_unknown_prover_is_an_error() {
        let mut request = Request::new(());
        request.metadata_mut().insert(PROVERS, AsciiMetadataValue::from_static("openvm, tdx"));
        assert!(provers(&request).is_err());
    }

    #[test]
    fn a_long_cause_is_cut_between_characters() {
        let mut request = Request::new(());
        set_cause(&mut request, &"é".repeat(MAX_CAUSE));
        assert_eq!(cause(&request), Some("é".repeat(MAX_CAUSE / 2)));
    }
}
