//! What a rollup's verifiers are is looked at in every way in: `contracts deploy` and `contracts schedule`.

use crate::process::{Running, fail, free_port, proofmill, stand_in, succeed, wait};
use proofmill_localnet::{Anvil, AnvilOptions};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

const ATTESTORS: &str = "0x0000000000000000000000000000000000000011,0x0000000000000000000000000000000000000022,\
                         0x0000000000000000000000000000000000000033";
const PLACE: &str = "0x00000000000000000000000000000000000000cc";

struct Chains {
    l1: Anvil,
    l2: Anvil,
}

impl Chains {
    /// An L1 with the chain id of Ethereum.
    async fn new() -> Self {
        Self::on(1).await
    }

    /// An L1 with this chain id.
    async fn on(l1: u64) -> Self {
        let l2 = AnvilOptions::new().spawn().await.unwrap();
        let l1 = AnvilOptions::new().chain_id(l1).spawn().await.unwrap();
        Self { l1, l2 }
    }

    fn contracts(&self, folder: &Path, what: &str) -> Command {
        let mut command = proofmill(folder);
        command.args(["contracts", what, "--l1-rpc", self.l1.rpc_url().as_str()]);
        command.env("PRIVATE_KEY", self.l1.accounts()[0].private_key.to_string());
        command
    }

    fn deploy(&self, folder: &Path) -> Command {
        let mut command = self.contracts(folder, "deploy");
        command.args(["--l2-rpc", self.l2.rpc_url().as_str(), "--genesis-block", "0", "--prover", "openvm"]);
        command.args(["--proposer", "0x00000000000000000000000000000000000000aa"]);
        command.args(["--owner", &self.l1.accounts()[0].address.to_string()]);
        command
    }

    /// A rollup whose proofs attestors sign.
    fn attested(&self, folder: &Path) -> String {
        let deployed = succeed(self.deploy(folder).args(["--attestor", ATTESTORS, "--trust-attestors"]));
        told(deployed.split_once("L1 block").unwrap().0, "rollup")
    }

    async fn put(&self, code: &str) {
        let client = proofmill_http::rpc_client(self.l1.rpc_url().clone());
        client.request::<_, Value>("anvil_setCode", json!([PLACE, code])).await.unwrap();
    }
}

/// The last word of the last line that begins so.
fn told(said: &str, name: &str) -> String {
    let line = said.lines().rev().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

/// The contract takes it, and whoever sent it would read that it was done.
#[tokio::test(flavor = "multi_thread")]
async fn roles_that_are_given_already_are_not_given_again() {
    let chains = Chains::new().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let rollup = chains.attested(data);
    let owner = chains.l1.accounts()[0].address.to_string();
    let act = |words: &[&str]| {
        let mut command = chains.contracts(data, words[0]);
        command.args(["--rollup", &rollup]).args(&words[1..]);
        command
    };
    let said = fail(&mut act(&["set-guardian"]));
    assert!(said.contains("has no guardian") && said.contains("nothing is sent"), "{said}");
    let said = fail(&mut act(&["transfer-ownership", "--to", &owner]));
    assert!(said.contains("is the owner already"), "{said}");
    succeed(&mut act(&["set-guardian", "--guardian", PLACE]));
    let said = fail(&mut act(&["set-guardian", "--guardian", PLACE]));
    assert!(said.contains("is the guardian already"), "{said}");
    succeed(&mut act(&["transfer-ownership", "--to", PLACE]));
    let said = fail(&mut act(&["transfer-ownership", "--to", PLACE]));
    assert!(said.contains("is to accept"), "{said}");
    // Who is to send it later is told, and given it. To name the owner takes it back.
    let said = succeed(&mut act(&["transfer-ownership", "--to", PLACE, "--calldata"]));
    assert!(said.contains("would change nothing") && said.contains("data"), "{said}");
    succeed(&mut act(&["transfer-ownership", "--to", &owner]));
}

/// A call that waits for a timelock is made of the rules in force, and knows nothing of those that come before it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn rules_for_later_are_said_to_take_back_those_that_are_scheduled() {
    let chains = Chains::new().await;
    let folder = tempfile::tempdir().unwrap();
    let rollup = chains.attested(folder.path());
    let schedule = |words: &[&str]| {
        let mut command = chains.contracts(folder.path(), "schedule");
        command.args(["--rollup", &rollup]).args(words);
        command
    };
    let later = ["--proposer", PLACE, "--calldata"];
    let said = succeed(&mut schedule(&later));
    assert!(said.contains("data") && !said.contains("note:"), "{said}");
    succeed(&mut schedule(&["--proposer", "0x00000000000000000000000000000000000000bb"]));
    let said = succeed(&mut schedule(&later));
    assert!(said.contains("data") && said.contains("they take back what those change"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_anybody_can_stand_for_is_refused_in_every_way_in() {
    let chains = Chains::new().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let one_of_three = || {
        let mut command = chains.contracts(data, "deploy-verifier");
        command.args(["--attestor", ATTESTORS, "--threshold", "1"]);
        command
    };
    let said = fail(&mut one_of_three());
    assert!(said.contains("L1 is Ethereum") && said.contains("--trust-attestors"), "{said}");
    let verifier = told(&succeed(one_of_three().arg("--trust-attestors")), "verifier");
    let rollup = chains.attested(data);

    let schedule = || {
        let mut command = chains.contracts(data, "schedule");
        command.args(["--rollup", &rollup, "--calldata"]);
        command
    };
    let deploy = || {
        let mut command = chains.deploy(data);
        command.arg("--dry-run");
        command
    };
    let named = |address: &str| format!("--verifier=openvm={address}");
    for way in [&deploy as &dyn Fn() -> Command, &schedule] {
        // One of three by accident, on a public network or not.
        let said = fail(way().arg(named(&verifier)).arg("--trust-attestors"));
        assert!(said.contains("1 of 3") && said.contains("--threshold 1"), "{said}");
        let said = fail(way().arg(named(&verifier)).args(["--trust-attestors", "--threshold", "2"]));
        assert!(said.contains("1 of 3"), "{said}");
        let said = fail(way().arg(named(&verifier)).args(["--threshold", "1"]));
        assert!(said.contains("L1 is Ethereum"), "{said}");
        let said = succeed(way().arg(named(&verifier)).args(["--threshold", "1", "--trust-attestors"]));
        assert!(said.contains("1 of 3 attestors") && said.contains("0000000000000022"), "{said}");

        // An account that delegates to a verifier, a contract that takes anything, and nothing.
        for (code, hint) in [
            (format!("0xef0100{}", verifier.trim_start_matches("0x")), "EIP-7702"),
            ("0x00".to_owned(), "takes what is no proof"),
            ("0x".to_owned(), "no contract"),
        ] {
            chains.put(&code).await;
            let said = fail(way().arg(named(PLACE)).args(["--threshold", "1", "--trust-attestors"]));
            assert!(said.contains(hint), "{said}");
        }
    }

    // What would be refused of a timelock, or of a multisig, is said before it waits for that.
    let said = fail(schedule().args(["--proposer", PLACE, "--from-checkpoint", "0"]));
    assert!(said.contains("--from-checkpoint"), "{said}");
    let said = fail(schedule().args(["--prover", "openvm,openvm"]));
    assert!(said.contains("names openvm twice"), "{said}");
    let said = succeed(schedule().args(["--proposer", PLACE, "--from-checkpoint", "1"]));
    assert!(said.contains("data") && !said.contains("note:"), "{said}");
    let said = succeed(chains.contracts(data, "pause").args(["--rollup", &rollup, "--calldata"]));
    assert!(said.contains("is not the guardian, nobody is") && said.contains("data"), "{said}");

    let mut deploy_final = chains.contracts(data, "deploy");
    deploy_final.args([
        "--l2-rpc",
        chains.l2.rpc_url().as_str(),
        "--genesis-block",
        "0",
        "--proposer",
        PLACE,
    ]);
    let deployed = succeed(deploy_final.args(["--attestor", ATTESTORS, "--trust-attestors"]));
    let ownerless = told(deployed.split_once("L1 block").unwrap().0, "rollup");
    for what in ["cancel", "resume"] {
        let said = fail(chains.contracts(data, what).args(["--rollup", &ownerless]));
        assert!(said.contains("has no owner") && said.contains("contracts deploy"), "{said}");
    }

    // What proves nothing, and rules that are no rollup's.
    let exec = format!("--verifier=exec={verifier}");
    let said = fail(deploy().args(["--prover", "exec", &exec, "--attestor", ATTESTORS, "--trust-attestors"]));
    assert!(said.contains("proves nothing"), "{said}");
    let said = fail(schedule().args(["--prover", "exec", &exec]));
    assert!(said.contains("proves nothing"), "{said}");
    let hash = format!("0x{}", "17".repeat(32));
    let said = fail(schedule().args(["--config-hash", &hash]));
    assert!(said.contains("--l2-rpc"), "{said}");
    let said = fail(schedule().args(["--config-hash", &hash, "--l2-rpc", chains.l2.rpc_url().as_str()]));
    assert!(said.contains(&hash) && said.contains("the rules of L2 hash to"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_that_is_there_moves_to_snarks() {
    let chains = Chains::on(31_337).await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let rollup = chains.attested(data);
    let of_rollup = |what: &str| {
        let mut command = chains.contracts(data, what);
        command.args(["--rollup", &rollup]);
        command
    };
    let show = || succeed(&mut of_rollup("show"));
    assert!(show().contains("2 of 3 attestors") && !show().contains("SNARK"), "{}", show());

    let deploy = |more: &[&str]| {
        let mut command = chains.contracts(data, "deploy-verifier");
        command.args(["--halo2-verifier", "development"]).args(more);
        command
    };
    let said = succeed(&mut deploy(&[]));
    assert!(said.contains("INSECURE") && !said.contains("attestors"), "{said}");
    let snark = told(&said, "verifier");
    let said = succeed(&mut deploy(&["--attestor", ATTESTORS]));
    assert!(said.contains("INSECURE") && said.contains("2 of 3 attestors"), "{said}");
    let both = told(&said, "verifier");
    for (verifier, signed) in [(snark, false), (both, true)] {
        let said = succeed(of_rollup("schedule").arg(format!("--verifier=openvm={verifier}")));
        assert!(said.contains("INSECURE") && said.contains("transaction"), "{said}");
        let shown = show();
        let (in_force, scheduled) = shown.split_once("scheduled from checkpoint").unwrap();
        assert!(!in_force.contains("SNARK") && scheduled.contains(&verifier), "{shown}");
        assert!(scheduled.contains("verifies a SNARK on the INSECURE setup"), "{shown}");
        assert_eq!(scheduled.contains("2 of 3 attestors"), signed, "{shown}");
        succeed(&mut of_rollup("cancel"));
    }
    // One of another release is not tried.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/epoch-snark.bin");
    let said = fail(&mut deploy(&["--try-proof", file]));
    assert!(said.contains("not of this release's aggregation program"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snark_of_another_setup_or_size_than_the_verifiers_is_refused_at_the_start() {
    let chains = Chains::on(31_337).await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let rollup = |halo2: &[&str]| {
        let deployed = succeed(chains.deploy(data).arg("--halo2-verifier").args(halo2));
        told(deployed.split_once("L1 block").unwrap().0, "rollup")
    };
    let development = rollup(&["development"]);
    // Of the size `published`: the rows of its circuit are in the code.
    let rows = alloy_primitives::hex::encode(proofmill_srs::rows_word(22));
    chains.put(&format!("0x5f5ffd{rows}")).await;
    let other = rollup(&[PLACE, "--untried"]);
    let both = rollup(&[PLACE, "--untried", "--attestor", ATTESTORS]);
    let l2 = chains.l2.rpc_url().to_string();
    let node = ["prover-node", "--l2-rpc", &l2, "--cluster", "http://127.0.0.1:1"];
    for (at, (command, rollup, snark, hint)) in [
        (&node[..], &development, Some("small"), "--snark insecure-development-small"),
        (
            &node[..],
            &development,
            Some("insecure-development-published"),
            "and insecure-development-published is to be made",
        ),
        (&node[..], &other, Some("insecure-development-small"), "--snark small"),
        (&node[..], &other, Some("small"), "name the other one with --snark published"),
        (&node[..], &other, None, "`.verifier` file"),
        (&["attestor"][..], &both, None, "`.verifier` file"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut role = proofmill(data);
        role.args(command).args(["--l1-rpc", chains.l1.rpc_url().as_str(), "--rollup", rollup]);
        role.args(["--listen", &format!("127.0.0.1:{}", free_port())]);
        role.args(snark.map(|name| format!("--snark={name}")));
        role.arg(format!("--binary=openvm={}", stand_in().display()));
        let key = chains.l1.accounts()[0].private_key.to_string();
        role.env("PRIVATE_KEY", &key).env("PROOFMILL_ATTESTOR_KEY", &key);
        // Otherwise it would wait, for the cluster or for proofs.
        let log = data.join(format!("{at}.log"));
        let _role = Running::start(&mut role, &log);
        wait("the role to refuse", || fs::read_to_string(&log).unwrap().contains(hint));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_of_snarks_is_judged_before_it_is_deployed_for_a_rollup_that_is_there() {
    let chains = Chains::new().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let rollup = chains.attested(data);
    let place = ["--halo2-verifier", PLACE];
    let verifier = || chains.contracts(data, "deploy-verifier");
    let deploy = || {
        let mut command = chains.deploy(data);
        command.arg("--dry-run");
        command
    };
    for way in [&verifier as &dyn Fn() -> Command, &deploy] {
        let said = fail(way().args(["--halo2-verifier", "development"]));
        assert!(said.contains("chain id 1") && said.contains("setup of a ceremony"), "{said}");
        for (code, hint) in [("0x00", "takes what is no proof"), ("0x", "no contract")] {
            chains.put(code).await;
            let said = fail(way().args(place).arg("--untried"));
            assert!(said.contains(hint), "{said}");
        }
        // One that takes nothing may be a verifier: nobody knows until a SNARK was tried on it.
        chains.put("0x5f5ffd").await;
        let said = fail(way().args(place));
        assert!(said.contains("--try-proof") && said.contains("--untried"), "{said}");
        let said = fail(way().args(place).args(["--untried", "--try-proof", "proof.bin"]));
        assert!(said.contains("cannot be used with"), "{said}");
        let said = succeed(way().args(place).arg("--untried"));
        assert!(said.contains("a SNARK of each epoch's proof") && !said.contains("INSECURE"), "{said}");
    }
    let said = fail(verifier().arg("--untried"));
    assert!(said.contains("--halo2-verifier"), "{said}");
    // With attestors beside it, whom nobody has to trust alone.
    let deployed = succeed(verifier().args(place).args(["--untried", "--attestor", ATTESTORS]));
    let mut schedule = chains.contracts(data, "schedule");
    schedule.args(["--rollup", &rollup, "--calldata"]);
    let said = succeed(schedule.arg(format!("--verifier=openvm={}", told(&deployed, "verifier"))));
    assert!(said.contains("a SNARK of each epoch's proof") && said.contains("2 of 3 attestors"), "{said}");
}

/// Whoever was stopped between two contracts goes on with those that are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_is_there_is_not_paid_for_again() {
    let chains = Chains::on(31_337).await;
    let folder = tempfile::tempdir().unwrap();
    let l1 = proofmill_http::rpc_client(chains.l1.rpc_url().clone());
    let account = chains.l1.accounts()[0].address.to_string();
    let sent = async || -> String {
        l1.request("eth_getTransactionCount", json!([account, "latest"])).await.unwrap()
    };
    let deploy = |more: &[&str]| {
        let mut command = chains.contracts(folder.path(), "deploy-verifier");
        told(&succeed(command.args(["--halo2-verifier", "development"]).args(more)), "verifier")
    };
    // The Halo2 verifier, and the one of SNARKs.
    let snark = deploy(&[]);
    assert_eq!(sent().await, "0x2");
    // The one that counts attestors, and the one that asks both.
    let attestors = ["--attestor", ATTESTORS];
    let both = deploy(&attestors);
    assert_eq!(sent().await, "0x4");
    assert_ne!(snark, both);
    assert_eq!((deploy(&attestors), deploy(&[])), (both, snark));
    assert_eq!(sent().await, "0x4");
}

/// It was paid for, and nobody could find it again.
#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_was_deployed_is_told_although_its_rollup_was_not() {
    let chains = Chains::on(31_337).await;
    let folder = tempfile::tempdir().unwrap();
    let l1 = proofmill_http::rpc_client(chains.l1.rpc_url().clone());
    let account = chains.l1.accounts()[0].address.to_string();
    // Enough for the verifier, and not for the rollup, which takes five times as much.
    l1.request::<_, Value>("anvil_setBalance", json!([account, "0x2386f26fc10000"])).await.unwrap();
    let output = chains.deploy(folder.path()).args(["--attestor", ATTESTORS]).output().unwrap();
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success() && error.contains("send it more"), "{said}{error}");
    let code: String = l1.request("eth_getCode", json!([told(&said, "openvm"), "latest"])).await.unwrap();
    assert!(code.len() > 2, "{said}");
}
