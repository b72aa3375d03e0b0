//! From logs and pages to reports and comparisons.
#![allow(clippy::unwrap_used)]

use proofmill_bench::{
    Report, Session, compare,
    compare::Verdict,
    log::{self, Log, Writer},
    page,
};

fn report(log: &str, metrics: &str) -> Report {
    Report::new(
        Session { label: "a run".into(), ..Session::default() },
        log::read(log),
        &page::parse(metrics).unwrap(),
    )
}

/// A log of one prover type; times around `ms`.
fn run(ms: u64, salt: u64) -> String {
    let line = |batch: u64| {
        format!("INFO batch={batch} prover=openvm proving_time_ms={} Proved\n", ms + (batch * 37 + salt) % 29)
    };
    (1..=20).map(line).collect()
}

#[test]
fn a_prover_that_was_restarted_and_a_batch_proven_twice() {
    let log = "\u{1b}[32mINFO\u{1b}[0m batch=1 proving_time_s=9 proving_time_ms=9000 Proved batch 1\n\
        INFO starting\nINFO batch=2 proving_time_ms=4000\nINFO batch=1 proving_time_ms=5000\nWARN nonce too low\n";
    let page = "batch_gas_used{batch_number=\"1\"} 1000\nbatch_tx_count{batch_number=\"1\"} 0\n";
    let report = report(log, page);
    let rows: Vec<_> = report.batches.iter().map(|row| (row.batch, row.time_ms, row.gas)).collect();
    assert_eq!(rows, [(1, 5_000, Some(1_000)), (2, 4_000, None)]);
    let text = report.observations.join("\n");
    for part in [
        "Batch 1 was proven 2 times by -",
        "Empty batches (no transactions): batch 1",
        "No metrics of L2 (gone, or never there): batch 2",
        "Nonces refused",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let markdown = report.markdown();
    assert!(markdown.contains("| 1 | - | 5.0 | 5000 | 1000 | 0 | - | - |"), "{markdown}");
    assert!(markdown.contains("| 2 | - | 4.0 | 4000 | - | - | - | - |"), "{markdown}");
    assert_eq!(report.summaries["-"].gas_per_s, Some(200.0));
    let again: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(again, report);
}

#[test]
fn several_provers_are_told_apart() {
    let report =
        report("batch=1 prover=sp1 proving_time_ms=900\nbatch=1 prover=openvm proving_time_ms=300\n", "");
    assert_eq!(report.summaries.keys().collect::<Vec<_>>(), ["openvm", "sp1"]);
    let plot = report.plot();
    assert_eq!(plot.matches("<title>").count(), 2);
    assert!(plot.contains("batch 1, sp1: 0.9 s"));
}

/// Two provers of ethrex: their lines have no prover type.
fn two_logs(writers: [Writer; 2]) -> Report {
    let mut log = Log::default();
    for (ms, by) in [900, 300].into_iter().zip(&writers) {
        log.read(&format!("INFO batch=1 proving_time_s=0 proving_time_ms={ms} Proved batch 1\n"), by);
    }
    Report::new(Session::default(), log, &page::Batches::new())
}

#[test]
fn logs_whose_lines_have_no_prover_type_are_told_apart() {
    let named = |prover: &str| Writer { prover: Some(prover.into()), ..Writer::default() };
    let report = two_logs([named("sp1"), named("risc0")]);
    assert_eq!(report.summaries.keys().collect::<Vec<_>>(), ["risc0", "sp1"]);
    assert_eq!(report.batches.len(), 2);

    let of_file = |file: &str| Writer { log: Some(file.into()), ..Writer::default() };
    let report = two_logs([of_file("b.log"), of_file("a.log")]);
    let rows: Vec<_> = report.batches.iter().map(|row| (row.kind(), row.time_ms)).collect();
    assert_eq!(rows, [("a.log".to_owned(), 300), ("b.log".to_owned(), 900)]);
    assert!(!report.observations.iter().any(|said| said.contains("proven 2 times")), "{report:?}");

    // What a line says goes first.
    let mut log = Log::default();
    log.read("batch=1 prover=openvm proving_time_ms=5", &named("sp1"));
    log.read("batch=1 prover=openvm proving_time_ms=5", &of_file("a.log"));
    let openvm = log.timings.iter().all(|timing| timing.prover.as_deref() == Some("openvm"));
    assert!(openvm && log.timings.iter().all(|timing| timing.log.is_none()), "{log:?}");
}

#[test]
fn a_total_of_zero_is_known_and_one_of_nothing_is_not() {
    let line = "batch=1 prover=sp1 proving_time_ms=1000\n";
    let empty = report(line, "batch_gas_used{batch_number=\"1\"} 0\nbatch_tx_count{batch_number=\"1\"} 0\n");
    assert!(empty.markdown().contains("| 1.00 | 0 | 0 | 0 |"), "{}", empty.markdown());
    let summary = &serde_json::to_value(&empty).unwrap()["summaries"]["sp1"];
    assert_eq!((summary["gas"].as_u64(), summary["transactions"].as_u64()), (Some(0), Some(0)));

    let unknown = report(line, "");
    assert!(unknown.markdown().contains("| 1.00 | - | - | - |"), "{}", unknown.markdown());
    let summary = &serde_json::to_value(&unknown).unwrap()["summaries"]["sp1"];
    assert!(summary["gas"].is_null() && summary["transactions"].is_null(), "{summary}");
}

#[test]
fn metrics_that_are_gone_are_said_with_cause_and_remedy() {
    let mut report = report("batch=1 prover=sp1 proving_time_ms=1000\n", "");
    report.without_metrics("connection refused");
    let said = &report.observations[0];
    assert!(said.contains("connection refused") && said.contains("Collect again"), "{said}");
    assert!(report.markdown().contains("| 1 | sp1 | 1.0 | 1000 | - | - | - | - |"));
}

#[test]
fn a_log_without_times_says_what_to_do() {
    assert!(report("INFO proving\n", "").observations[0].contains("--timed"));
    assert!(report("", "").observations[0].contains("the log is empty"));
}

#[test]
fn an_outlier_is_named() {
    let log = run(1_000, 0) + "batch=21 prover=openvm proving_time_ms=9000\n";
    assert!(
        report(&log, "")
            .observations
            .iter()
            .any(|said| said.contains("More than twice the median's time: batch 21"))
    );
}

#[test]
fn two_runs_of_the_same_are_noise_and_others_are_not() {
    let same = compare(&report(&run(1_000, 0), ""), &report(&run(1_000, 11), ""));
    assert_eq!(same[0].verdict(), Verdict::Noise, "{}", same[0]);
    let slower = compare(&report(&run(1_000, 0), ""), &report(&run(1_200, 5), ""));
    assert_eq!(slower[0].verdict(), Verdict::Slower, "{}", slower[0]);
    assert!(slower[0].to_string().contains("the second is slower"));
    let few = compare(&report("batch=1 proving_time_ms=5", ""), &report("batch=1 proving_time_ms=9", ""));
    assert_eq!(few[0].verdict(), Verdict::TooFew);
    // An interval of one proof is no wider than it.
    assert_eq!(few[0].to_string(), "-: 1 and 1 proofs: too few proofs to tell: five of each run are needed");
}

#[test]
fn another_load_is_no_other_speed() {
    let pages = |gas: u64| -> String {
        (1..=20).map(|batch| format!("batch_gas_used{{batch_number=\"{batch}\"}} {gas}\n")).collect()
    };
    let (a, b) = (report(&run(1_000, 0), &pages(1_000)), report(&run(2_000, 7), &pages(2_000)));
    let compared = compare(&a, &b);
    assert!(compared[0].by_gas);
    assert!(compared[0].ratio.unwrap().0 < 1.05, "{}", compared[0]);
}

#[test]
fn an_epochs_proof_is_not_that_of_its_last_checkpoint() {
    let log = "batch=7 level=\"range\" prover=openvm proving_time_ms=300\nbatch=7 level=\"epoch\" prover=openvm proving_time_ms=900\n";
    let report = report(log, "batch_gas_used{batch_number=\"7\"} 100\n");
    assert_eq!(report.summaries.keys().collect::<Vec<_>>(), ["openvm", "openvm epoch"]);
    assert_eq!(
        report.batches.iter().map(|row| (row.time_ms, row.gas)).collect::<Vec<_>>(),
        [(300, Some(100)), (900, None)]
    );
    assert!(report.observations.is_empty(), "{:?}", report.observations);
}

#[test]
fn an_empty_log_of_blank_lines_is_empty() {
    assert!(report("\n\n", "").observations[0].contains("the log is empty"));
}

#[test]
fn names_do_not_break_a_table_and_thousands_of_batches_no_line() {
    let mut log = Log::default();
    let by = Writer { log: Some("a|b\n.log".into()), ..Writer::default() };
    let lines: String = (1..=3_000).map(|batch| format!("batch={batch} proving_time_ms=5\n")).collect();
    log.read(&(lines.clone() + &lines), &by);
    let label = "one | two\n# three".to_owned();
    let report = Report::new(
        Session { label, sources: vec!["a|b".into()], ..Session::default() },
        log,
        &page::Batches::new(),
    );
    let markdown = report.markdown();
    assert!(markdown.starts_with("# Proving times: one | two # three\n"), "{}", &markdown[..80]);
    for row in ["| from | a\\|b |\n", "| 1 | a\\|b .log | 0.0 | 5 |"] {
        assert!(markdown.contains(row), "{row} is not in it");
    }
    assert!(!markdown.lines().any(|line| line.starts_with("# three")));
    let text = report.observations.join("\n");
    assert!(text.contains("No metrics of L2 (gone, or never there): batch 1-3000."), "{text}");
    assert!(text.contains("2980 more batches were proven several times"), "{text}");
    assert!(report.observations.len() < 30, "{}", report.observations.len());
}

#[test]
fn whatever_a_log_claims_is_summed_up() {
    let most = u64::MAX;
    let page = "batch_gas_used{batch_number=\"1\"} 1e300\nbatch_gas_used{batch_number=\"2\"} 5\n";
    let report = report(&format!("batch=1 proving_time_ms={most}\nbatch=2 proving_time_ms={most}\n"), page);
    assert!(report.summaries["-"].gas_per_s.is_some_and(f64::is_finite), "{report:?}");
    assert!(!report.plot().contains("NaN") && !report.plot().contains("inf"));
}

#[test]
fn times_below_a_millisecond_are_compared() {
    let run = |ms: u64| -> String {
        (1..=20)
            .map(|batch| format!("batch={batch} prover=exec proving_time_ms={}\n", ms * (batch % 2)))
            .collect()
    };
    let compared = compare(&report(&run(0), ""), &report(&run(0), ""));
    assert_eq!(compared[0].verdict(), Verdict::Noise, "{}", compared[0]);
    let compared = compare(&report(&run(1), ""), &report(&run(9), ""));
    assert_ne!(compared[0].verdict(), Verdict::TooFew, "{}", compared[0]);
}
