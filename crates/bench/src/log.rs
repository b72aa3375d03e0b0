//! What a prover's log says of its proofs.
//!
//! A line counts where it has a field `proving_time_ms` and a field `batch` (or `batch_number`, or `id` as ethrex's prover has it since it
//! proves payloads of other kinds, too), in whatever order, with whatever other fields and text around them: `key=value` as `tracing`
//! writes it, coloured or not, or one JSON object a line, also behind the name that a container's log puts before each line, or inside the
//! object that Docker keeps it in (`json-file`). Several provers may have written one log.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One proof, as its prover logged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Which batch.
    pub batch: u64,
    /// What it took, in milliseconds.
    pub ms: u64,
    /// The prover type, where the line says it, or whoever named the log.
    pub prover: Option<String>,
    /// The log that it is in, where nothing says the prover type and several logs are read.
    pub log: Option<String>,
    /// Whether it is an epoch's proof: a batch has its last checkpoint's number then, which that checkpoint's own proof has too.
    pub of_epoch: bool,
    /// Where the line says that the prover proves nothing (`exec`).
    pub proves_nothing: bool,
    /// Instructions of the program, where somebody counted them.
    pub instructions: Option<u64>,
}

/// What is found between the proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A GPU had too little memory.
    GpuMemory,
    /// A node refused transactions for their nonces: the chain was restarted under the load.
    Nonce,
    /// A node's mempool was full.
    Mempool,
    /// A node's mempool may not take what is sent at once.
    MempoolNear,
    /// A node asked for fewer requests.
    Throttled,
    /// A proof was tried again, or given back.
    Retry,
    /// Something could not connect.
    NoConnection,
}

/// Lines of our own processes: what is said, and the source that says it. A message is changed there and here.
const OURS: [(Trouble, &str, &str); 14] = [
    (Trouble::Nonce, "the chain was restarted under the load", "loadgen/src/error.rs"),
    (Trouble::Mempool, "the node's mempool is full", "loadgen/src/run.rs"),
    (Trouble::Mempool, "the node's mempool was full", "loadgen/src/error.rs"),
    (Trouble::MempoolNear, "the mempool's limit is near", "loadgen/src/run.rs"),
    (Trouble::Retry, "task to be tried again", "cluster/src/state/mod.rs"),
    (Trouble::Retry, "a batch was given back", "proof-coordinator/src/shell/submit.rs"),
    (Trouble::Retry, "a batch is taken back", "proof-coordinator/src/shell/looks.rs"),
    (Trouble::Retry, "a batch cannot be proven now", "proof-coordinator/src/follow.rs"),
    (Trouble::Retry, "a batch could not be proven", "proof-coordinator/src/pulling/puller.rs"),
    (Trouble::Retry, "a proof was refused", "proof-coordinator/src/shell/submit.rs"),
    (Trouble::Retry, "a proof is refused", "proof-coordinator/src/settle/tell.rs"),
    (Trouble::Retry, "a range is not proven", "prover-node/src/shell/told.rs"),
    (Trouble::NoConnection, "cannot be reached", "loadgen/src/error.rs"),
    (Trouble::Throttled, "it limits requests (", "endpoints/src/monitor.rs"),
];

impl Trouble {
    /// Lines of nodes, libraries and other provers.
    const OF_OTHERS: [(Self, &'static [&'static str]); 6] = [
        (
            Self::GpuMemory,
            &[
                "cuda out of memory",
                "out of memory on device",
                "cudaerrormemoryallocation",
                "gpu out of memory",
            ],
        ),
        (Self::Nonce, &["nonce too low", "nonce mismatch", "invalid nonce", "nonce too high"]),
        (Self::Mempool, &["txpool is full", "mempool is full", "mempool full", "transaction pool is full"]),
        (Self::Throttled, &["429 too many requests", "rate limit", "too many requests"]),
        (Self::Retry, &["retrying proof", "failed to prove"]),
        (Self::NoConnection, &["connection refused", "error connecting", "failed to connect"]),
    ];

    /// What a line in lower case says; each once.
    fn of(line: &str) -> BTreeSet<Self> {
        let of_others = Self::OF_OTHERS
            .iter()
            .filter(|(_, signs)| signs.iter().any(|sign| line.contains(sign)))
            .map(|(trouble, _)| *trouble);
        let ours = OURS.iter().filter(|(_, sign, _)| line.contains(sign)).map(|(trouble, ..)| *trouble);
        of_others.chain(ours).collect()
    }

    /// What it is and what to do, for a report.
    pub const fn words(self) -> &'static str {
        match self {
            Self::GpuMemory => {
                "GPU out of memory: prove smaller batches, or give the GPU to one prover alone"
            }
            Self::Nonce => "nonces refused: the chain was restarted under the load; start the load anew",
            Self::Mempool => "mempool full: send fewer transactions at once, or raise the node's limit",
            Self::MempoolNear => {
                "the mempool's limit is near: send fewer transactions at once, or raise the node's limit"
            }
            Self::Throttled => "throttled by a node: its answers, not the prover, may be what is measured",
            Self::Retry => "proofs tried again or given back: their times are not those of one try",
            Self::NoConnection => "connections refused: what was to be reached was not there yet, or no more",
        }
    }
}

/// Whose a log is, for lines that do not say it: ethrex's have no prover type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// The prover type.
    pub prover: Option<String>,
    /// What tells the log from others that are read with it.
    pub log: Option<String>,
}

/// A log that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Its proofs, in their order.
    pub timings: Vec<Timing>,
    /// How often what was found.
    pub troubles: BTreeMap<Trouble, u64>,
    /// Batches of which a proof coordinator has verified and kept a proof.
    pub verified: BTreeSet<u64>,
    /// Lines that are not blank.
    pub lines: u64,
}

/// What our proof coordinator says of such a proof, with its `batch` and its `prover`, and the source that says it.
const VERIFIED: (&str, &str) = ("a batch is proven", "proof-coordinator/src/follow.rs");

/// Reads a log. Whatever is not understood is passed over.
pub fn read(text: &str) -> Log {
    let mut log = Log::default();
    log.read(text, &Writer::default());
    log
}

impl Log {
    /// Reads a log besides.
    pub fn read(&mut self, text: &str, by: &Writer) {
        text.lines().for_each(|line| self.take_of(line, by));
    }

    /// Reads one more line.
    pub fn take(&mut self, line: &str) {
        self.take_of(line, &Writer::default());
    }

    fn take_of(&mut self, line: &str, by: &Writer) {
        self.lines += u64::from(!line.trim().is_empty());
        let line = without_colours(&unwrapped(line).unwrap_or_else(|| line.to_owned()));
        self.timings.extend(timing(&line, by));
        if line.contains(VERIFIED.0) {
            let fields = text_fields(&line);
            let batch = fields.get("batch").filter(|_| fields.contains_key("prover"));
            self.verified.extend(batch.and_then(|batch| batch.parse::<u64>().ok()));
        }
        for trouble in Trouble::of(&line.to_lowercase()) {
            *self.troubles.entry(trouble).or_default() += 1;
        }
    }
}

/// The line that Docker's `json-file` log keeps in an object, with the stream that it came by.
fn unwrapped(line: &str) -> Option<String> {
    let object = line.starts_with("{\"log\":").then(|| serde_json::from_str::<Value>(line).ok()).flatten()?;
    object.get("stream")?;
    Some(object.get("log")?.as_str()?.trim_end().to_owned())
}

/// Without the escape sequences of a terminal.
fn without_colours(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('\u{1b}') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        // `ESC [ parameters letter`; a lone ESC is dropped.
        if let Some(sequence) = rest.strip_prefix('[') {
            let end = sequence.find(|c: char| ('@'..='~').contains(&c));
            rest = end.map_or("", |end| &sequence[end + 1..]);
        }
    }
    out.push_str(rest);
    out
}

fn timing(line: &str, by: &Writer) -> Option<Timing> {
    if !line.contains("proving_time_ms") {
        return None;
    }
    let is_json = line.contains("\"proving_time_ms\"");
    let object = line.find('{').filter(|_| is_json).map(|at| &line[at..]);
    let fields = object.map_or_else(|| Some(text_fields(line)), json_fields)?;
    let get = |name: &str| fields.get(name).map(String::as_str);
    let said = get("prover").or_else(|| get("prover_type")).map(str::to_lowercase);
    let prover = said.or_else(|| by.prover.clone());
    Some(Timing {
        batch: ["batch", "batch_number", "id"].into_iter().find_map(get)?.parse().ok()?,
        ms: get("proving_time_ms")?.parse().ok()?,
        log: by.log.clone().filter(|_| prover.is_none()),
        prover,
        of_epoch: get("level") == Some("epoch"),
        proves_nothing: get("proves_nothing") == Some("true"),
        instructions: get("instructions").and_then(|text| text.parse().ok()),
    })
}

/// All `key=value` of a line; a value may be quoted. The first of a name counts.
fn text_fields(line: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut rest = line;
    while let Some(at) = rest.find('=') {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let before = rest[..at].trim_end();
        let name = before.rsplit(|c| !is_name(c)).next().unwrap_or_default();
        rest = rest[at + 1..].trim_start();
        let (value, after) = match rest.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some(parts) => parts,
            None => {
                let end =
                    rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | '}' | ']' | ')' | ';'));
                rest.split_at(end.unwrap_or(rest.len()))
            }
        };
        if !name.is_empty() {
            fields.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        rest = after;
    }
    fields
}

/// The fields of an object and of the objects in it. Those inside go first: what a program says is in an object of its own, and
/// `level` outside is how much the line matters.
fn json_fields(line: &str) -> Option<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    // What follows on the object is not of it.
    let mut objects = vec![serde_json::Deserializer::from_str(line).into_iter::<Value>().next()?.ok()?];
    while let Some(object) = objects.pop() {
        for (name, value) in object.as_object()? {
            match value {
                Value::Object(_) => objects.push(value.clone()),
                Value::String(text) => {
                    fields.insert(name.clone(), text.clone());
                }
                Value::Array(_) | Value::Null => {}
                other => {
                    fields.insert(name.clone(), other.to_string());
                }
            }
        }
    }
    Some(fields)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::{fs, path::Path};

    fn one(line: &str) -> Option<(u64, u64, Option<String>)> {
        let log = read(line);
        log.timings.first().map(|timing| (timing.batch, timing.ms, timing.prover.clone()))
    }

    #[test]
    fn lines_of_ethrex_with_and_without_colours() {
        assert_eq!(
            one(
                "2026-01-01T00:00:00Z  INFO ethrex_prover: batch=3 proving_time_s=47 proving_time_ms=47123 Proved batch 3 in 47.12s"
            ),
            Some((3, 47_123, None))
        );
        let coloured = "\u{1b}[2m2026-01-01T00:00:00Z\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m \u{1b}[2methrex\u{1b}[0m\u{1b}[2m:\u{1b}[0m \
            \u{1b}[3mbatch\u{1b}[0m\u{1b}[2m=\u{1b}[0m12 \u{1b}[3mprover_type\u{1b}[0m\u{1b}[2m=\u{1b}[0mSP1 \
            \u{1b}[3mproving_time_s\u{1b}[0m\u{1b}[2m=\u{1b}[0m1 \u{1b}[3mproving_time_ms\u{1b}[0m\u{1b}[2m=\u{1b}[0m1005 Proved batch 12";
        assert_eq!(one(coloured), Some((12, 1005, Some("sp1".into()))));
        // As its prover writes it today, by itself and in a container.
        let payload = "INFO ethrex_prover::prover: Proved payload #12 in 47.12s id=12 proving_time_s=47 proving_time_ms=47123";
        assert_eq!(one(payload), Some((12, 47_123, None)));
        for line in [payload, coloured] {
            let kept =
                json!({ "log": format!("{line}\n"), "stream": "stderr", "time": "2026-01-01T00:00:00Z" });
            assert_eq!(one(&kept.to_string()), one(line));
        }
        assert_eq!(one(&format!("prover-1  | {payload}")), Some((12, 47_123, None)));
        // The batch goes first, where there is one.
        assert_eq!(one("id=7 batch=3 proving_time_ms=9"), Some((3, 9, None)));
    }

    #[test]
    fn our_lines_as_text_and_as_json() {
        assert_eq!(
            one(
                "INFO proved a batch batch=7 level=\"range\" prover=openvm proves_nothing=false proving_time_s=301 proving_time_ms=301482"
            ),
            Some((7, 301_482, Some("openvm".into())))
        );
        let json = r#"{"timestamp":"…","level":"INFO","fields":{"message":"proved a batch","batch":7,"prover":"openvm","proving_time_ms":301482}}"#;
        assert_eq!(one(json), Some((7, 301_482, Some("openvm".into()))));
        assert_eq!(one(&format!("prover-1  | {json} ")), Some((7, 301_482, Some("openvm".into()))));
        let epoch = r#"{"level":"INFO","fields":{"message":"proved a batch","batch":7,"level":"epoch","proving_time_ms":9}}"#;
        assert!(read(epoch).timings[0].of_epoch);
    }

    #[test]
    fn what_is_none_is_passed_over() {
        for line in [
            "",
            "=",
            "==",
            "batch=3",
            "proving_time_ms=4",
            "batch=x proving_time_ms=4",
            "batch=-1 proving_time_ms=4",
            "{\"proving_time_ms\":",
        ] {
            assert_eq!(one(line), None, "{line}");
        }
    }

    #[test]
    fn troubles_are_counted() {
        let log = read("ERROR Nonce too low\nWARN txpool is full\nWARN txpool is full\n");
        assert_eq!(log.troubles, [(Trouble::Nonce, 1), (Trouble::Mempool, 2)].into());
    }

    #[test]
    fn our_signs_are_what_our_sources_say() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (sign, source) in OURS.iter().map(|(_, sign, source)| (*sign, *source)).chain([VERIFIED]) {
            let text = fs::read_to_string(crates.join(source)).unwrap();
            let mut code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            assert!(code.any(|line| line.contains(sign)), "{source} does not say: {sign}");
            assert_eq!(sign, sign.to_lowercase());
        }
    }

    #[test]
    fn what_our_processes_log_of_a_batch_that_is_tried_again_is_found() {
        for line in [
            "INFO proofmill_proof_coordinator::shell::submit: a batch was given back batch=3 level=\"range\" code=\"lost\"",
            "WARN proofmill_proof_coordinator::shell::looks: a batch is taken back: its prover is late batch=3",
            "ERROR proofmill_proof_coordinator::pulling::puller: a batch could not be proven batch=3 error=no",
            "WARN proofmill_proof_coordinator::shell::submit: a proof was refused batch=3 reason=\"unreadable\"",
            "{\"level\":\"WARN\",\"fields\":{\"message\":\"a batch cannot be proven now\",\"batch\":3}}",
        ] {
            assert_eq!(read(line).troubles, [(Trouble::Retry, 1)].into(), "{line}");
        }
    }

    #[test]
    fn an_endpoint_that_limits_our_requests_is_throttling_whatever_it_says() {
        for said in ["exceeded project rate limit", "daily quota of compute units"] {
            let cause = format!("it limits requests ({said}), and is asked again in 30 s: wait");
            let line = format!(
                "WARN proofmill_endpoints::monitor: an endpoint has a problem chain=\"L2\" cause=\"{cause}\"\n"
            );
            assert_eq!(read(&line).troubles, [(Trouble::Throttled, 1)].into(), "{line}");
        }
    }

    #[test]
    fn a_mempool_that_is_nearly_full_is_not_a_full_one() {
        let log =
            read("WARN the mempool's limit is near: send fewer transactions at once round=900 waiting=0\n");
        assert_eq!(log.troubles, [(Trouble::MempoolNear, 1)].into());
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "\\PC*[=\"\u{1b}\\[{}]*\\PC*proving_time_ms\\PC*") {
            read(&line);
        }

        #[test]
        fn other_fields_do_not_matter(batch: u32, ms: u32, before in "[a-z ]{0,20}", other in "[a-z]{1,8}") {
            prop_assume!(other != "batch" && !before.contains('='));
            let line = format!("{before} {other}=\"a b=c\" proving_time_ms={ms} x={other} batch={batch}: done in {ms}ms");
            prop_assert_eq!(one(&line).map(|(batch, ms, _)| (batch, ms)), Some((u64::from(batch), u64::from(ms))));
        }
    }
}
