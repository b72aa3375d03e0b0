//! What an operator sees of batches that wait: for provers of another type, and for attestors.

use crate::{
    process::{free_port, stand_in, told},
    site::{Site, publisher},
};
use serde_json::Value;

#[test]
fn a_batch_that_waits_for_another_type_is_shown_with_what_it_has_and_who_makes_the_rest() {
    let mut site =
        Site::new(&stand_in(), &["--prover", "exec,openvm", "--attestors", "1", "--threshold", "1"]);
    // Its attestors are away.
    let (_, key) = publisher(&site, 0x35, 10);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let mut coordinator = site.coordinator(&["--attestor", &nobody], &[("PRIVATE_KEY", &key)]);
    let shown = |site: &Site| {
        let role = format!("http://127.0.0.1:{}", site.metrics);
        told(site.role("status").args(["status", "--role", &role]))
    };
    let first = |site: &Site| {
        let status: Value = serde_json::from_str(&site.page("/status")).unwrap();
        status["batches"]["first"][0].clone()
    };
    site.load_until("a batch to wait for provers", |site| {
        let proofs = &first(site)["proofs"];
        [&proofs["exec"]["state"], &proofs["openvm"]["state"]] == ["waiting", "waiting"]
    });
    // A proof of one type comes, and the other is waited for.
    let mut openvm = site.prover("openvm");
    site.wait_for("a proof of one type", |site| first(site)["proofs"]["openvm"]["state"] == "proven");
    let batch = first(&site)["number"].as_u64().unwrap();
    let waited = |site: &Site| first(site)["proofs"]["exec"]["for_"]["secs"].as_u64().unwrap();
    let before = waited(&site);
    site.wait_for("time to be told", |site| waited(site) > before);
    let said = shown(&site);
    let row =
        said.lines().find(|line| line.contains(&format!(" {batch} "))).unwrap_or_else(|| panic!("{said}"));
    assert!(row.contains(" openvm ") && row.contains("exec: no prover has it, for "), "{said}");
    let labels = |prover: &str, state: &str| {
        format!("{{batch_number=\"{batch}\",level=\"range\",prover=\"{prover}\",state=\"{state}\"")
    };
    let page = site.page("/metrics");
    for (prover, state) in [("openvm", "proven"), ("exec", "waiting")] {
        let sample = format!("proofmill_pull_batch_seconds{}", labels(prover, state));
        assert!(page.contains(&sample), "{sample} is not in\n{page}");
    }
    // A prover takes it.
    let mut slow = site.role("slow");
    slow.args(["prover", "--prover-type", "exec", "--max-weight", "2", "--delay", "600000"]);
    slow.args(["--coordinator", &format!("http://127.0.0.1:{}", site.port)]);
    let mut slow = site.start(&mut slow, "slow");
    site.wait_for("it to be held", |site| !first(site)["proofs"]["exec"]["state"]["held"].is_null());
    let by = first(&site)["proofs"]["exec"]["state"]["held"]["by"].as_str().unwrap().to_owned();
    assert!(site.said("slow").contains(&format!("name={by}")), "{by}:\n{}", site.said("slow"));
    let said = shown(&site);
    assert!(said.contains(&format!("exec: {by} has it for ")), "{said}");
    let page = site.page("/metrics");
    let sample = format!("proofmill_pull_batch_left_seconds{},holder=\"{by}\"}} ", labels("exec", "held"));
    assert!(page.contains(&sample), "{sample} is not in\n{page}");
    // The proof that is there cannot go to L1 either, which is told as well.
    site.wait_for("the attestors to be missed", |site| {
        shown(site).contains("could not be made ready for L1 for")
    });
    let figure = |site: &Site, name: &str| {
        let page = site.page("/metrics");
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse::<f64>().unwrap()
    };
    assert!(figure(&site, "proofmill_settle_unready_proofs") >= 1.0);
    let waited = figure(&site, "proofmill_settle_unready_seconds");
    site.wait_for("the time to be counted", |site| figure(site, "proofmill_settle_unready_seconds") > waited);
    assert!(
        site.page("/healthz").contains(&format!("problem: batch {batch} is not settled")),
        "{}",
        shown(&site)
    );
    assert!(openvm.terminate() && slow.terminate(), "{}", site.said("slow"));
    assert!(coordinator.terminate(), "{}", site.said("coordinator"));
}
