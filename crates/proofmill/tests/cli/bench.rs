//! `proofmill bench`, as people type it.

use crate::process::{fail, free_port, proofmill, succeed};
use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
};

/// Answers one request with a page; its address.
pub(crate) fn serve_once(page: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/metrics", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", page.len());
        stream.write_all((head + page).as_bytes()).unwrap();
    });
    address
}

fn log(path: &Path, ms: u64) {
    let line = |batch: u64| {
        format!(
            "INFO batch={batch} prover=openvm proving_time_s=1 proving_time_ms={}\n",
            ms + batch * 37 % 29
        )
    };
    fs::write(path, (1..=12).map(line).collect::<String>()).unwrap();
}

#[test]
fn reports_of_two_runs_and_their_difference() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    log(&data.join("a.log"), 1_000);
    log(&data.join("b.log"), 1_500);
    let metrics = serve_once(
        "batch_gas_used{batch_number=\"1\"} 21000\nbatch_tx_count{batch_number=\"1\"} 1\nbatch_size{batch_number=\"1\"} 4\n",
    );
    let args =
        ["bench", "collect", "--log", "a.log", "--out", "a", "--label", "first", "--metrics", &metrics];
    let said = succeed(proofmill(data).args(args));
    assert!(said.contains("| 1 | openvm | 1.0 | 1008 | 21000 | 1 | 4 | - |"), "{said}");
    assert!(said.contains("No metrics of L2 (gone, or never there): batch 2-12."), "{said}");
    for name in ["report.md", "report.json", "report.svg"] {
        assert!(data.join("a").join(name).exists(), "{name}");
    }
    succeed(proofmill(data).args(["bench", "collect", "--log", "b.log", "--out", "b"]));
    let difference = succeed(proofmill(data).args(["bench", "compare", "a", "b/report.json"]));
    assert!(
        difference.contains("openvm: 12 and 12 proofs") && difference.contains("the second is slower"),
        "{difference}"
    );
    let same = succeed(proofmill(data).args(["bench", "compare", "a", "a"]));
    assert!(same.contains("noise"), "{same}");
}

#[test]
fn what_cannot_be_reported_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    log(&data.join("a.log"), 1_000);
    fs::write(data.join("untimed.log"), "INFO proving\n").unwrap();
    let collect = |args: &[&str]| fail(proofmill(data).args(["bench", "collect"]).args(args));
    assert!(collect(&["--log", "none.log"]).contains("cannot read the log none.log"));
    assert!(collect(&["--log", "untimed.log"]).contains("--timed"));
    let said = fail(proofmill(data).args(["bench", "compare", "a.log", "a.log"]));
    assert!(said.contains("is no report of `proofmill bench collect`"), "{said}");
}

#[test]
fn metrics_that_are_gone_are_left_out_of_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    log(&data.join("a.log"), 1_000);
    let html = serve_once("<!DOCTYPE html><html><body>hello</body></html>");
    let nobody = format!("http://127.0.0.1:{}/metrics", free_port());
    for (metrics, cause) in [(html, "no page of Prometheus metrics"), (nobody, "is L2 still up?")] {
        let args = ["bench", "collect", "--log", "a.log", "--out", "a", "--metrics", &metrics];
        let said = succeed(proofmill(data).args(args));
        assert!(said.contains("| 1 | openvm | 1.0 | 1008 | - | - | - | - |"), "{said}");
        assert!(said.contains("| openvm | 12 |") && said.contains("| - | - | - |"), "{said}");
        let line = said.lines().find(|line| line.contains("The metrics of L2 could not be read")).unwrap();
        assert!(line.contains(cause) && line.contains("Collect again"), "{line}");
        let report = fs::read(data.join("a/report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        assert!(report["batches"][0]["gas"].is_null(), "{report}");
        assert!(report["summaries"]["openvm"]["gas"].is_null(), "{report}");
        assert!(report["observations"][0].as_str().unwrap().contains(cause), "{report}");
        fs::remove_dir_all(data.join("a")).unwrap();
    }
}

#[test]
fn logs_of_ethrex_are_told_apart_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    for (name, ms) in [("a.log", 900), ("b.log", 300)] {
        let line = format!("INFO batch=1 proving_time_s=0 proving_time_ms={ms} Proved batch 1\n");
        fs::write(data.join(name), line).unwrap();
    }
    let collect = |a: &str, b: &str| {
        succeed(proofmill(data).args(["bench", "collect", "--out", "out", "--log", a, "--log", b]))
    };
    let said = collect("sp1=a.log", "risc0=b.log");
    assert!(said.contains("| 1 | sp1 | 0.9 | 900 |") && said.contains("| 1 | risc0 | 0.3 | 300 |"), "{said}");
    let said = collect("a.log", "b.log");
    assert!(
        said.contains("| 1 | a.log | 0.9 | 900 |") && said.contains("| 1 | b.log | 0.3 | 300 |"),
        "{said}"
    );
    assert!(!said.contains("was proven 2 times"), "{said}");
}
