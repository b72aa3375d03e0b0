//! What the documents say of metrics and events is what the sources have.

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The sources of every crate, without their tests.
fn sources() -> String {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let mut folders: Vec<_> = crates.map(|entry| entry.unwrap().path().join("src")).collect();
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text += &fs::read_to_string(path).unwrap();
            }
        }
    }
    text
}

/// The names in the first cells of a document's tables.
fn names(document: &str) -> BTreeSet<&str> {
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|line| line.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// What follows on each of these words, up to a quote.
fn quoted<'a>(text: &'a str, words: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(words).skip(1).filter_map(|rest| rest.split('"').next())
}

#[test]
fn every_event_is_documented_and_logged() {
    let (document, sources) = (document("logs.md"), sources());
    let documented = names(&document);
    let logged: BTreeSet<&str> = quoted(&sources, "event = \"").collect();
    assert!(logged.len() > 10, "{logged:?}");
    let missing: Vec<_> = logged.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/logs.md: {missing:?}");
    for event in documented {
        assert!(sources.contains(&format!("\"{event}\"")), "nothing logs {event}");
    }
}

#[test]
fn every_documented_metric_is_one_of_the_sources() {
    let (document, sources) = (document("metrics.md"), sources());
    for metric in names(&document) {
        assert!(sources.contains(&format!("\"{metric}\"")), "nothing counts {metric}");
    }
}

#[test]
fn every_metric_of_the_sources_is_documented() {
    let (document, sources) = (document("metrics.md"), sources());
    let documented = names(&document);
    let is_name = |text: &&str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    // The names of crates, which other things have, too.
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let crates: BTreeSet<String> =
        crates.map(|entry| entry.unwrap().file_name().into_string().unwrap().replace('-', "_")).collect();
    let ours = quoted(&sources, "\"proofmill_").filter(is_name).filter(|name| !crates.contains(*name));
    let ours: BTreeSet<String> = ours.map(|name| format!("proofmill_{name}")).collect();
    assert!(ours.len() > 50, "{ours:?}");
    let missing: Vec<_> = ours.iter().filter(|name| !documented.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/metrics.md: {missing:?}");
}

/// The metrics in an expression of PromQL: the names that have an underscore and are no label's.
fn metrics(expression: &str) -> BTreeSet<String> {
    let families = ["proofmill_", "batch_", "epoch_", "cluster_worker_", "coordinator_"];
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let labels = ["batch_number", "task_type", "tx_hash", "worker_type"];
    let words = expression.split(|c| !is_name(c));
    let words = words.filter(|word| families.iter().any(|family| word.starts_with(family)));
    let series = words.filter(|word| !labels.contains(word)).map(|word| {
        let mut parts = ["_bucket", "_sum", "_count"].iter().filter_map(|part| word.strip_suffix(part));
        // `batch_tx_count` is a name of its own.
        parts.find(|family| family.ends_with("_seconds")).unwrap_or(word).to_owned()
    });
    series.collect()
}

/// Every expression in a dashboard.
fn expressions(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().flat_map(expressions).collect(),
        Value::Object(fields) => {
            let own = fields.get("expr").and_then(Value::as_str);
            own.into_iter().chain(fields.values().flat_map(expressions)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn the_dashboard_shows_metrics_that_are_documented() {
    let dashboard: Value = serde_json::from_str(&document("grafana/proofmill.json")).unwrap();
    let expressions = expressions(&dashboard);
    let shown: BTreeSet<String> = expressions.iter().flat_map(|expression| metrics(expression)).collect();
    let document = document("metrics.md");
    let documented = names(&document);
    let missing: Vec<_> = shown.iter().filter(|metric| !documented.contains(metric.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/metrics.md: {missing:?}");
    for metric in [
        "batch_gas_used",
        "batch_tx_count",
        "batch_size",
        "batch_verification_gas",
        "proofmill_cluster_tasks",
        "proofmill_cluster_queue_wait_seconds",
        "proofmill_settle_gas_total",
        "proofmill_settle_fee_eth_total",
    ] {
        assert!(shown.contains(metric), "the dashboard lacks {metric}: {shown:?}");
    }
    // Panels have numbers of their own, and each that asks something a place.
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    assert!(panels.iter().all(|panel| panel["gridPos"]["w"].as_u64().is_some_and(|width| width <= 24)));
    assert!(expressions.len() >= panels.iter().filter(|panel| panel["type"] != "row").count());
}
