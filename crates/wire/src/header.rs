//! What Proofmill's own clients and workers say beyond the SP1 cluster's messages, as gRPC request headers.

use crate::text::{MAX_TEXT, breaks_lines, brief};
use proofmill_fault::{Code, Fault};
use proofmill_primitives::{Dialect, ProverType, TaskId, UnknownName};
use std::collections::BTreeMap;
use tonic::{
    Request, Status,
    metadata::{AsciiMetadataValue, MetadataMap, MetadataValue},
};

/// The prover type of a proof request.
const PROVER: &str = "proofmill-prover";
/// Which SNARK is asked for.
const SNARK: &str = "proofmill-snark";
/// The prover types a worker runs, separated by commas.
const PROVERS: &str = "proofmill-provers";
/// Which process a worker is: two of one name differ by it.
const INCARNATION: &str = "proofmill-incarnation";
/// A worker's process that was never registered before.
const FRESH: &str = "proofmill-fresh";
/// How tasks may be written that a worker can do, separated by commas.
const DIALECTS: &str = "proofmill-dialects";
/// Under which name a task's metadata say in which dialect it is written. Here because both sides must agree on it.
pub const DIALECT: &str = "proofmill";

/// The entry in a task's metadata for how often it was done in vain: what it left is not there. In the SP1 cluster's layout, where a
/// task that is done is found by its outputs, each time is a task of its own.
pub const REPEATED: &str = "repeated";
/// Whose fault a failure is, and which: a code of `proofmill-fault`.
const FAULT: &str = "proofmill-fault";
/// Why a task or a proof failed, as UTF-8.
const CAUSE: &str = "proofmill-cause-bin";
/// What a worker's tasks wait for, as UTF-8: of each a line, with its id, a space, and the text.
const WAITING: &str = "proofmill-waiting-bin";
/// The most bytes of the text of one of them, and of all that one heartbeat says: as base64 they take a third more, of the 16 KiB that
/// headers may have in all.
const MAX_WAIT: usize = 512;
const MAX_WAITING: usize = 12 * MAX_WAIT;

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

/// Names the SNARK that is asked for, of those that there are of one mode.
pub fn set_snark<T>(request: &mut Request<T>, name: &'static str) {
    request.metadata_mut().insert(SNARK, AsciiMetadataValue::from_static(name));
}

/// The SNARK that is asked for, as it was named; any where nothing is said.
pub fn snark<T>(request: &Request<T>) -> Option<String> {
    text(request, SNARK).map(str::to_owned)
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

/// Says that a worker's process was never registered before: what was given to its name is lost with the process before it.
pub fn set_fresh<T>(request: &mut Request<T>) {
    request.metadata_mut().insert(FRESH, AsciiMetadataValue::from_static("1"));
}

/// Whether a worker says that its process was never registered before.
pub fn is_fresh<T>(request: &Request<T>) -> bool {
    text(request, FRESH).is_some()
}

/// Names the dialects that a worker speaks.
pub fn set_dialects<T>(request: &mut Request<T>, dialects: &[Dialect]) {
    let names: Vec<_> = dialects.iter().map(Dialect::to_string).collect();
    if let Ok(value) = AsciiMetadataValue::try_from(names.join(",")) {
        request.metadata_mut().insert(DIALECTS, value);
    }
}

/// The dialects that a worker speaks. One that says nothing is a node of the SP1 cluster, or a Proofmill worker from before
/// dialects had names, which at least tells its prover types. Names that this version does not know are of no use to it.
pub fn dialects<T>(request: &Request<T>) -> Vec<Dialect> {
    match (text(request, DIALECTS), text(request, PROVERS)) {
        (Some(names), _) => names.split(',').filter_map(|name| name.trim().parse().ok()).collect(),
        (None, Some(_)) => vec![Dialect::UNNAMED],
        (None, None) => vec![Dialect::Sp1Cluster],
    }
}

/// Says whose fault it is, and why.
pub fn set_fault<T>(request: &mut Request<T>, fault: &Fault) {
    set_code(request.metadata_mut(), fault.code);
    set_cause(request, &fault.text);
}

/// Whose fault it is, and why. Of a peer that does not say, `otherwise`.
pub fn fault<T>(request: &Request<T>, otherwise: Fault) -> Fault {
    let code = code(request.metadata()).unwrap_or(otherwise.code);
    Fault::new(code, cause(request).unwrap_or(otherwise.text))
}

/// A refusal that says whose fault it is.
pub fn refusal(status: tonic::Code, fault: &Fault) -> Status {
    let mut metadata = MetadataMap::new();
    set_code(&mut metadata, fault.code);
    Status::with_metadata(status, brief(fault.text.as_str(), MAX_TEXT), metadata)
}

/// Whose fault a refusal is, where it says so.
pub fn code_of(status: &Status) -> Option<Code> {
    code(status.metadata())
}

fn set_code(metadata: &mut MetadataMap, code: Code) {
    if let Ok(value) = AsciiMetadataValue::try_from(code.to_string()) {
        metadata.insert(FAULT, value);
    }
}

fn code(metadata: &MetadataMap) -> Option<Code> {
    Code::parse(metadata.get(FAULT)?.to_str().ok()?)
}

/// Says why.
pub fn set_cause<T>(request: &mut Request<T>, cause: &str) {
    let cause = brief(cause, MAX_TEXT);
    request.metadata_mut().insert_bin(CAUSE, MetadataValue::from_bytes(cause.as_bytes()));
}

/// Why, where it was said. A peer may say more than ours do, and not in UTF-8.
pub fn cause<T>(request: &Request<T>) -> Option<String> {
    let bytes = request.metadata().get_bin(CAUSE)?.to_bytes().ok()?;
    Some(brief(String::from_utf8_lossy(&bytes), MAX_TEXT))
}

/// Says what running tasks wait for. Of very many those that come first are said: a worker's tasks wait for one store.
pub fn set_waiting<T>(request: &mut Request<T>, waiting: impl IntoIterator<Item = (TaskId, String)>) {
    let mut lines = String::new();
    for (task, text) in waiting {
        let line = format!("{task} {}\n", brief(text.replace(breaks_lines, " "), MAX_WAIT));
        if lines.len() + line.len() > MAX_WAITING {
            break;
        }
        lines.push_str(&line);
    }
    if !lines.is_empty() {
        request.metadata_mut().insert_bin(WAITING, MetadataValue::from_bytes(lines.as_bytes()));
    }
}

/// What a worker's tasks wait for, by the task; nothing where nothing is said.
pub fn waiting<T>(request: &Request<T>) -> BTreeMap<TaskId, String> {
    let said = request.metadata().get_bin(WAITING).and_then(|said| said.to_bytes().ok());
    let said = said.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines = said.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(task, text)| (TaskId::from(task), brief(text, MAX_WAIT))).collect()
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
        assert_eq!((cause(&request), snark(&request)), (None, None));
        assert_eq!((incarnation(&request), is_fresh(&request)), (None, false));
    }

    #[test]
    fn an_unknown_prover_is_an_error() {
        let mut request = Request::new(());
        request.metadata_mut().insert(PROVERS, AsciiMetadataValue::from_static("openvm, tdx"));
        assert!(provers(&request).is_err());
    }

    #[test]
    fn a_worker_that_says_nothing_is_a_stock_node_and_an_old_one_is_not() {
        let mut request = Request::new(());
        assert_eq!(dialects(&request), [Dialect::Sp1Cluster]);
        set_provers(&mut request, &[ProverType::Sp1]);
        assert_eq!(dialects(&request), [Dialect::UNNAMED]);
        let spoken = [Dialect::Own(7), Dialect::Sp1Cluster];
        set_dialects(&mut request, &spoken);
        assert_eq!(dialects(&request), spoken);
        let newer = AsciiMetadataValue::from_static("sp1-cluster, proofmill-v9");
        request.metadata_mut().insert(DIALECTS, newer);
        assert_eq!(dialects(&request), [Dialect::Sp1Cluster]);
    }

    #[test]
    fn a_fault_travels_with_its_code() {
        let otherwise = || Fault::new(Code::Rejected, "nothing was said");
        let mut request = Request::new(());
        assert_eq!(fault(&request, otherwise()), otherwise());
        let sent = Fault::new(Code::StoreAway, "the share — is not mounted");
        set_fault(&mut request, &sent);
        assert_eq!(fault(&request, otherwise()), sent);
        // A newer peer's code is read as its place; an older peer has words only.
        request.metadata_mut().insert(FAULT, AsciiMetadataValue::from_static("store/on-fire"));
        let read = fault(&request, otherwise());
        assert_eq!((read.code, read.text), (Code::Other(proofmill_fault::At::Store), sent.text.clone()));
        let mut old = Request::new(());
        set_cause(&mut old, "no luck");
        assert_eq!(fault(&old, otherwise()), Fault::new(Code::Rejected, "no luck"));
        let refused = refusal(tonic::Code::InvalidArgument, &Fault::new(Code::Late, "over"));
        assert_eq!((code_of(&refused), refused.message()), (Some(Code::Late), "over"));
    }

    #[test]
    fn what_tasks_wait_for_travels_by_the_task_within_what_headers_may_have() {
        let mut request = Request::new(());
        assert_eq!(waiting(&request), BTreeMap::new());
        set_waiting(&mut request, []);
        assert!(request.metadata().is_empty());
        let said = |task: &str, text: &str| (TaskId::from(task), text.to_owned());
        set_waiting(&mut request, [said("t", "no space — in\nb/"), said("u", "")]);
        assert_eq!(waiting(&request), BTreeMap::from([said("t", "no space — in b/"), said("u", "")]));
        // Many that say much.
        let long = "é".repeat(MAX_WAIT);
        set_waiting(&mut request, (0..100).map(|number| said(&format!("t{number:03}"), &long)));
        let heard = waiting(&request);
        assert!(heard.len() > 8 && heard.contains_key(&TaskId::from("t000")), "{}", heard.len());
        assert!(heard.values().all(|text| text.len() <= MAX_WAIT && text.ends_with("é…")));
        let sent = request.metadata().get_bin(WAITING).map_or(0, |value| value.as_encoded_bytes().len());
        assert!((1..12 << 10).contains(&sent), "{sent}");
        // A peer that does not cut it itself, and one whose text is none.
        let longest = MetadataValue::from_bytes(format!("t {long}").as_bytes());
        request.metadata_mut().insert_bin(WAITING, longest);
        assert!(waiting(&request).values().all(|text| text.len() <= MAX_WAIT && text.ends_with("é…")));
        request.metadata_mut().insert_bin(WAITING, MetadataValue::from_bytes(&[0xff, b'\n', b' ', 0xff]));
        assert_eq!(waiting(&request), BTreeMap::from([said("", "\u{fffd}")]));
    }

    #[test]
    fn a_long_cause_is_cut_by_who_says_it_and_by_who_hears_it() {
        let long = "é".repeat(MAX_TEXT);
        let cut = "é".repeat(MAX_TEXT / 2 - 2) + "…";
        let mut request = Request::new(());
        set_cause(&mut request, &long);
        assert_eq!(cause(&request).as_ref(), Some(&cut));
        request.metadata_mut().insert_bin(CAUSE, MetadataValue::from_bytes(long.as_bytes()));
        assert_eq!(cause(&request).as_ref(), Some(&cut));
        request.metadata_mut().insert_bin(CAUSE, MetadataValue::from_bytes(&[0xff; MAX_TEXT]));
        assert!(cause(&request).is_some_and(|cause| cause.len() <= MAX_TEXT && cause.ends_with('…')));
        let refused = refusal(tonic::Code::InvalidArgument, &Fault::new(Code::Late, long.as_str()));
        assert_eq!(refused.message(), cut);
    }
}
