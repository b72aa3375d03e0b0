//! `proofmill bench`, as people type it.

use crate::process::{fail, proofmill, succeed};
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
    assert!(said.contains("No metrics of L2 (gone, or never there): batch 2, 3"), "{said}");
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
    let html = serve_once("<!DOCTYPE html><html><body>hello</body></html>");
    let said = collect(&["--log", "a.log", "--metrics", &html]);
    assert!(said.contains("no page of Prometheus metrics") && said.contains("<!DOCTYPE html>"), "{said}");
    let said = collect(&["--log", "a.log", "--metrics", "http://127.0.0.1:9/metrics"]);
    assert!(said.contains("is L2 still up?"), "{said}");
    let said = fail(proofmill(data).args(["bench", "compare", "a.log", "a.log"]));
    assert!(said.contains("is no report of `proofmill bench collect`"), "{said}");
}
