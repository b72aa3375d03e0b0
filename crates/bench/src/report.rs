//! The report of a run: for machines as JSON, for people as Markdown, for eyes as a plot.

use crate::{
    clock::utc,
    log::{Log, Timing, Trouble},
    page::{Batch, Batches},
    plot,
    server::Server,
    stats::Spread,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt::Write};

/// How and where a run was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What it is called.
    pub label: String,
    /// Which Proofmill made the report.
    pub version: String,
    /// When, in Unix seconds.
    pub made_at: u64,
    /// Where its figures are from: files, addresses.
    pub sources: Vec<String>,
    /// The machine that the report was made on, if that is the provers'.
    pub server: Option<Server>,
    /// What was run, where a session ran it.
    #[serde(default)]
    pub setup: Option<Setup>,
}

/// What a session ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// What proved, and how many side by side.
    pub provers: String,
    /// What was sent, by whom, how often.
    pub load: String,
    /// What was measured: a revision, or this binary.
    pub revision: String,
    /// The chains.
    pub chains: String,
    /// From the start of the provers to the last batch, in seconds.
    pub seconds: u64,
}

/// One batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its number.
    pub batch: u64,
    /// What proved it, where that is said.
    pub prover: Option<String>,
    /// The log that says so, where nothing says what proved it and several logs were read.
    #[serde(default)]
    pub log: Option<String>,
    /// Whether it is an epoch's proof, of the batches up to this one.
    pub of_epoch: bool,
    /// What the proof took, in milliseconds.
    pub time_ms: u64,
    /// Gas of its blocks.
    pub gas: Option<u64>,
    /// Transactions.
    pub transactions: Option<u64>,
    /// Blocks.
    pub blocks: Option<u64>,
    /// Instructions of the proof.
    pub instructions: Option<u64>,
}

impl Row {
    /// What it is compared with: its prover type, or its log, or `-`; and whether it is of an epoch.
    pub fn kind(&self) -> String {
        let prover = self.prover.as_deref().or(self.log.as_deref()).unwrap_or(ABSENT);
        if self.of_epoch { format!("{prover} epoch") } else { prover.to_owned() }
    }
}

/// All batches of one kind together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Seconds that proofs took.
    pub time_s: Spread,
    /// Gas of the batches of which it is known; nothing where it is of none.
    pub gas: Option<u64>,
    /// Gas of those by the seconds of their proofs.
    pub gas_per_s: Option<f64>,
    /// Transactions of the batches of which they are known; nothing where they are of none.
    pub transactions: Option<u64>,
}

/// A run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How and where it was made.
    pub session: Session,
    /// Its batches, by number and prover type.
    pub batches: Vec<Row>,
    /// By [kind](Row::kind).
    pub summaries: BTreeMap<String, Summary>,
    /// What is noticeable, in words.
    pub observations: Vec<String>,
}

/// Where nothing is known.
const ABSENT: &str = "-";
/// So many batches, or ranges of them, are named at most.
const MOST: usize = 20;
/// So many times the median is far from the others.
const OUTLIER: f64 = 2.0;

impl Report {
    /// Brings together what a log and a page of metrics say. A batch that one prover type proved several times counts with its last
    /// proof.
    pub fn new(session: Session, log: Log, metrics: &Batches) -> Self {
        let key =
            |timing: &Timing| (timing.batch, timing.of_epoch, timing.prover.clone(), timing.log.clone());
        let last: BTreeMap<_, &Timing> = log.timings.iter().map(|timing| (key(timing), timing)).collect();
        let batches: Vec<Row> = last.into_values().map(|timing| row(timing, metrics)).collect();
        let mut kinds: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for row in &batches {
            kinds.entry(row.kind()).or_default().push(row);
        }
        let summaries = kinds.iter().map(|(kind, rows)| (kind.clone(), summary(rows))).collect();
        let observations = observations(&log, &batches, &kinds);
        Self { session, batches, summaries, observations }
    }

    /// The metrics of L2 were asked for, and are gone: what is missing says why.
    pub fn without_metrics(&mut self, cause: &str) {
        let said = format!(
            "The metrics of L2 could not be read ({cause}): gas, transactions and blocks are `{ABSENT}`. Collect again from the same \
             logs when L2 is up, by the address of its page that ends in /metrics."
        );
        self.observations.insert(0, said);
    }

    /// The session did not come to its end: what is here is what was proven until then.
    pub fn cut_short(&mut self, cause: &str) {
        self.observations.insert(0, format!("The session did not come to its end: {cause}."));
    }

    /// For people.
    pub fn markdown(&self) -> String {
        let Session { label, version, made_at, sources, server, setup } = &self.session;
        let mut out = format!("# Proving times: {}\n\n", in_line(label));
        // Writing into a text cannot fail.
        let _ = writeln!(out, "| | |\n|---|---|\n| made at | {} UTC, Proofmill {version} |", utc(*made_at));
        let _ = writeln!(out, "| from | {} |", cell(&sources.join(", ")));
        if let Some(Setup { provers, load, revision, chains, seconds }) = setup {
            let [provers, load, revision, chains] = [provers, load, revision, chains].map(|text| cell(text));
            let _ = writeln!(
                out,
                "| provers | {provers}, for {seconds} s |\n| load | {load} |\n| revision | {revision} |\n| chains | {chains} |"
            );
        }
        match server {
            Some(Server { cpu, cores, memory_mb, gpus, os }) => {
                let gpus = if gpus.is_empty() { "none found".to_owned() } else { gpus.join(", ") };
                let [cpu, gpus, os] = [cpu, &gpus, os].map(|text| cell(text));
                let _ = writeln!(
                    out,
                    "| CPU | {cpu}, {cores} logical cores |\n| memory | {memory_mb} MiB |\n| GPU | {gpus} |\n| OS | {os} |"
                );
            }
            None => out += "| machine | not this one: nothing is known of it |\n",
        }
        out += "\n| batch | prover | time s | time ms | gas | transactions | blocks | instructions |\n|---|---|---|---|---|---|---|---|\n";
        for row in &self.batches {
            let prover = cell(&row.kind());
            let figures = [row.gas, row.transactions, row.blocks, row.instructions].map(figure).join(" | ");
            let _ = writeln!(
                out,
                "| {} | {prover} | {:.1} | {} | {figures} |",
                row.batch,
                row.time_ms as f64 / 1e3,
                row.time_ms
            );
        }
        out += "\n| prover | proofs | mean s | min | median | p95 | max | total gas | gas/s | transactions |\n|---|---|---|---|---|---|---|---|---|---|\n";
        for (prover, Summary { time_s: time, gas, gas_per_s, transactions }) in &self.summaries {
            let rate = gas_per_s.map_or_else(|| ABSENT.to_owned(), |rate| format!("{rate:.0}"));
            let [gas, transactions] = [*gas, *transactions].map(figure);
            let prover = cell(prover);
            let _ = writeln!(
                out,
                "| {prover} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {gas} | {rate} | {transactions} |",
                time.count, time.mean, time.min, time.median, time.p95, time.max
            );
        }
        out += "\n## Observations\n\n";
        if self.observations.is_empty() {
            out += "- Nothing out of the ordinary.\n";
        }
        for observation in &self.observations {
            let _ = writeln!(out, "- {}", in_line(observation));
        }
        out
    }

    /// The time of each batch, as SVG.
    pub fn plot(&self) -> String {
        plot::times(&self.session.label, &self.batches)
    }

    fn rows(&self, kind: &str) -> impl Iterator<Item = &Row> {
        self.batches.iter().filter(move |row| row.kind() == kind)
    }

    /// The times of one kind, in milliseconds, or by gas.
    pub(crate) fn costs(&self, kind: &str, by_gas: bool) -> Vec<f64> {
        let cost = |row: &Row| {
            // What took less than the log's unit took about half of it: a ratio of zeros says nothing.
            let time = (row.time_ms as f64).max(0.5);
            if by_gas { row.gas.filter(|gas| *gas > 0).map(|gas| time / gas as f64) } else { Some(time) }
        };
        self.rows(kind).filter_map(cost).collect()
    }

    /// Whether the gas of every batch of a kind is known.
    pub(crate) fn has_gas(&self, kind: &str) -> bool {
        self.rows(kind).all(|row| row.gas.is_some_and(|gas| gas > 0))
    }
}

fn row(timing: &Timing, metrics: &Batches) -> Row {
    // What L2 says is of the one batch, and an epoch's proof is of several.
    let of_batch = metrics.get(&timing.batch).filter(|_| !timing.of_epoch);
    let Batch { gas, transactions, blocks, instructions } = of_batch.copied().unwrap_or_default();
    let instructions = timing.instructions.or(instructions);
    Row {
        batch: timing.batch,
        prover: timing.prover.clone(),
        log: timing.log.clone(),
        of_epoch: timing.of_epoch,
        time_ms: timing.ms,
        gas,
        transactions,
        blocks,
        instructions,
    }
}

/// What is noticeable, in words.
fn observations(log: &Log, batches: &[Row], kinds: &BTreeMap<String, Vec<&Row>>) -> Vec<String> {
    let mut out = Vec::new();
    if batches.is_empty() {
        let cause = if log.lines == 0 {
            "the log is empty: no prover has written to it yet"
        } else {
            "no line has `batch` and `proving_time_ms`: start the prover with --timed (PROVER_CLIENT_TIMED=true), or wait for \
             its first batch"
        };
        out.push(format!("No batch was proven: {cause}."));
    }
    if log.timings.iter().any(|timing| timing.proves_nothing) {
        out.push("`exec` proves nothing: its times are those of an execution.".to_owned());
    }
    let empty = batches.iter().filter(|row| row.transactions == Some(0));
    observe(&mut out, "Empty batches (no transactions)", empty);
    let unknown = batches.iter().filter(|row| row.gas.is_none() && !row.of_epoch);
    observe(&mut out, "No metrics of L2 (gone, or never there)", unknown);
    out.extend(proven_again(log, batches));
    for rows in kinds.values().filter(|rows| rows.len() >= 4) {
        let median = Spread::of(rows.iter().map(|row| row.time_ms as f64)).median;
        let far = rows.iter().copied().filter(|row| row.time_ms as f64 > OUTLIER * median);
        observe(&mut out, "More than twice the median's time", far);
    }
    for (trouble, count) in &log.troubles {
        out.push(format!("{} ({}).", sentence(*trouble), lines(*count)));
    }
    out
}

/// The batches that one prover type proved several times.
fn proven_again(log: &Log, batches: &[Row]) -> Vec<String> {
    let mut times: BTreeMap<_, usize> = BTreeMap::new();
    for timing in &log.timings {
        *times.entry((timing.batch, timing.of_epoch, &timing.prover, &timing.log)).or_default() += 1;
    }
    let times =
        |row: &Row| times.get(&(row.batch, row.of_epoch, &row.prover, &row.log)).copied().unwrap_or(0);
    let again: Vec<_> = batches.iter().map(|row| (row, times(row))).filter(|(_, times)| *times > 1).collect();
    let said = again.iter().take(MOST).map(|(row, times)| {
        format!("Batch {} was proven {times} times by {}; the last one counts.", row.batch, row.kind())
    });
    let more = again.len().saturating_sub(MOST);
    let more =
        (more > 0).then(|| format!("{more} more batches were proven several times; the last one counts."));
    said.chain(more).collect()
}

fn summary(rows: &[&Row]) -> Summary {
    let known = || rows.iter().filter_map(|row| Some((row.gas?, row.time_ms)));
    // Whatever a log claims: the sum of two times may be more than a number holds.
    let time = known().map(|(_, time)| time).fold(0, u64::saturating_add);
    let gas = sum(known().map(|(gas, _)| gas));
    Summary {
        time_s: Spread::of(rows.iter().map(|row| row.time_ms as f64 / 1e3)),
        gas,
        gas_per_s: gas.filter(|_| time > 0).map(|gas| gas as f64 * 1e3 / time as f64),
        transactions: sum(rows.iter().filter_map(|row| row.transactions)),
    }
}

/// Of nothing that is known, the sum is not known either; 0 is known.
fn sum(known: impl Iterator<Item = u64>) -> Option<u64> {
    known.reduce(u64::saturating_add)
}

fn observe<'a>(observations: &mut Vec<String>, what: &str, rows: impl Iterator<Item = &'a Row>) {
    let mut numbers: Vec<u64> = rows.map(|row| row.batch).collect();
    numbers.dedup();
    if !numbers.is_empty() {
        observations.push(format!("{what}: batch {}.", ranges(&numbers)));
    }
}

/// Numbers in order, those that follow on each other as one range.
fn ranges(numbers: &[u64]) -> String {
    let ranges: Vec<_> = numbers.chunk_by(|before, after| before.checked_add(1) == Some(*after)).collect();
    let words = ranges.iter().take(MOST).filter_map(|range| match range {
        [one] => Some(one.to_string()),
        [first, .., last] => Some(format!("{first}-{last}")),
        [] => None,
    });
    let more: usize = ranges.iter().skip(MOST).map(|range| range.len()).sum();
    let more = (more > 0).then(|| format!("and {more} more"));
    words.chain(more).collect::<Vec<_>>().join(", ")
}

/// A text in one line.
fn in_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// A text in a cell of a table: one line, and no end of the cell in it.
fn cell(text: &str) -> String {
    in_line(text).replace('|', "\\|")
}

fn sentence(trouble: Trouble) -> String {
    let words = trouble.words();
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn lines(count: u64) -> String {
    if count == 1 { "1 line of the log".to_owned() } else { format!("{count} lines of the log") }
}

fn figure(figure: Option<u64>) -> String {
    figure.map_or_else(|| ABSENT.to_owned(), |figure| figure.to_string())
}
