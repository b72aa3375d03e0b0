//! Each bad input is a clear error with its cause, exit code 1 or 2, and nothing lost.

use crate::process::{cluster, fail, free_port, output, proofmill, stand_in, wait, worker};
use proofmill_localnet::AnvilOptions;
use std::{fs, path::Path};

#[test]
fn a_prover_that_is_not_compiled_in_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["prove", "--prover", "sp1", "--l2-rpc", "http://127.0.0.1:1"];
    let said = fail(proofmill(folder.path()).args(args));
    assert!(
        said.contains("`sp1` is not compiled into this binary") && said.contains("proofmill-sp1"),
        "{said}"
    );
}

#[test]
fn an_unknown_mode_prover_or_weight_names_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let rpc = ["prove", "--l2-rpc", "http://127.0.0.1:1"];
    for (args, hint) in [
        (vec!["--mode", "fast"], "compressed"),
        (vec!["--prover", "sp2"], "openvm"),
        (vec!["--prover", "tdx"], "attests by hardware"),
        (vec!["--prover", "risc0"], "downloads its circuits"),
        (vec!["--max-weight", "0"], "fits no task"),
        (vec!["--max-weight=-3"], "whole number"),
        (vec!["--max-weight", "1", "--prover", "exec"], "beside the 1 GB of its controller"),
        (
            vec!["--max-weight", "1", "--prover", "exec", "--mode", "core"],
            "beside the 1 GB of its controller",
        ),
        (vec!["--mode", "execute", "--prover", "exec"], "--execute-only"),
    ] {
        let said = fail(proofmill(folder.path()).args(rpc).args(&args));
        assert!(said.contains(hint), "{args:?}: {said}");
    }
}

/// As compose files and charts set those that are left out.
#[test]
fn variables_that_are_set_to_nothing_count_as_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut range = proofmill(folder.path());
    range.args(["range", "--prover", "exec"]);
    for variable in
        ["PROOFMILL_SETTINGS", "L1_RPC", "L1_BEACON_RPC", "L2_RPC", "L2_NODE_RPC", "DEFAULT_RANGE"]
    {
        range.env(variable, "");
    }
    let said = fail(&mut range);
    assert!(said.contains("name a chain with --l2-rpc"), "{said}");

    let mut proposer = proofmill(folder.path());
    proposer.args(["op-proposer", "--prover", "exec"]);
    for variable in ["L1_RPC", "L2_RPC", "L2_NODE_RPC"] {
        proposer.env(variable, "http://127.0.0.1:9");
    }
    for variable in [
        "L2OO_ADDRESS",
        "FACTORY_ADDRESS",
        "GAME_TYPE",
        "FAST_FINALITY_MODE",
        "RANGE_PROOF_INTERVAL",
        "OP_SUCCINCT_CONFIG_NAME",
        "SIGNER_URL",
        "SIGNER_ADDRESS",
        "METRICS_PORT",
        "AGG_PROOF_MODE",
    ] {
        proposer.env(variable, " ");
    }
    let said = fail(&mut proposer);
    assert!(said.contains("name a contract: --oracle (L2OO_ADDRESS)"), "{said}");
    // What must be there is missed by its flag.
    let said = fail(proposer.env("L1_RPC", ""));
    assert!(said.contains("required") && said.contains("--l1-rpc"), "{said}");
}

#[test]
fn a_program_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (elf, stdin) = (folder.path().join("bad.elf"), folder.path().join("stdin"));
    fs::write(&elf, b"not a program").unwrap();
    fs::write(&stdin, b"").unwrap();
    let (elf, stdin) = (elf.to_str().unwrap(), stdin.to_str().unwrap());
    let said =
        fail(proofmill(folder.path()).args(["prove", "--prover", "exec", "--elf", elf, "--stdin", stdin]));
    assert!(said.contains("not a valid exec program"), "{said}");
    let said = fail(
        proofmill(folder.path()).args(["prove", "--prover", "exec", "--elf", "/no/such", "--stdin", stdin]),
    );
    assert!(said.contains("cannot read /no/such"), "{said}");
}

#[test]
fn a_node_that_is_away_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let said = fail(proofmill(folder.path()).args(["prove", "--prover", "exec", "--l2-rpc", &url]));
    assert!(said.contains(&url), "{said}");
    // It is tried for some time, and nobody should wonder what the command does.
    assert!(said.contains("waiting for the chain's endpoints"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_and_a_start_beyond_the_head_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let node = AnvilOptions::new().chain_id(4242).spawn().await.unwrap();
    let rpc = ["prove", "--prover", "exec", "--l2-rpc", node.rpc_url().as_str()];
    let said = fail(proofmill(folder.path()).args(rpc).args(["--chain-id", "10"]));
    assert!(said.contains("4242") && said.contains("10"), "{said}");
    let said = fail(proofmill(folder.path()).args(rpc).args(["--start", "1000"]));
    assert!(said.contains("1004") || said.contains("1000"), "{said}");
    let said = fail(proofmill(folder.path()).args(rpc).args(["--start", "9", "--end", "3"]));
    assert!(said.contains("empty"), "{said}");
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let said = fail(proofmill(folder.path()).args(["cluster", "--listen", &listen]));
    assert!(said.contains(&listen) && said.contains("in use"), "{said}");
}

#[test]
fn a_data_directory_of_another_version_or_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    fs::write(folder.path().join("data/VERSION"), "999\n").unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let said = fail(proofmill(folder.path()).args(["cluster", "--listen", &listen]));
    assert!(said.contains("999"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let (_cluster, _) = cluster(folder.path(), free_port());
    let said = fail(proofmill(folder.path()).args(["cluster", "--listen", &listen]));
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn a_worker_cannot_declare_more_memory_than_the_machine_has() {
    let folder = tempfile::tempdir().unwrap();
    let said = fail(proofmill(folder.path()).args(["worker", "--max-weight", "100000"]));
    assert!(said.contains("100000 GB, but the machine"), "{said}");
}

#[test]
fn a_cluster_that_is_not_there_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let said = fail(proofmill(folder.path()).args(["status", "--cluster", &url]));
    assert!(said.contains("proofmill cluster"), "{said}");
}

/// Or a worker, by its id alone, could rewrite what its operator has read.
#[test]
fn a_terminal_is_sent_nothing_that_it_obeys() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let (_cluster, address) = cluster(data, free_port());
    let _worker = worker(data, &address, "\u{1b}[2J\u{9b}1Agood");
    let mut shown = String::new();
    wait("the worker to register", || {
        let asked = output(proofmill(data).args(["status", "--cluster", &address]));
        shown = String::from_utf8(asked.stdout).unwrap();
        shown.contains("good")
    });
    assert!(shown.contains("\\u{1b}[2J\\u{9b}1Agood"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{9b}']), "{shown:?}");
}

#[test]
fn a_file_that_is_no_proof_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let verify = |file: &Path| fail(proofmill(folder.path()).arg("verify").arg(file));
    // More than any machine has memory for, and almost all of it a hole.
    for (text, length) in [("hello", 5), ("", 0), ("PMPROOF", 7), ("hello", 1 << 42)] {
        fs::write(&file, text).unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_len(length).unwrap();
        let said = verify(&file);
        assert!(said.contains("not a Proofmill proof") && said.contains("file"), "{said}");
    }
    let said = verify(folder.path());
    assert!(said.contains("cannot read") && said.contains("directory"), "{said}");
}

/// Hours of proving would end with a proof that has no place.
#[test]
fn a_place_that_cannot_be_written_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let file = folder.path().join("file");
    fs::write(&file, "in place of a folder").unwrap();
    for (place, cause) in [(folder.path().to_owned(), "directory"), (file.join("below"), "cannot write")] {
        for (command, flag) in [
            (&["prove"][..], "--output"),
            (&["prove"], "--report"),
            (&["range", "--prove"], "--output"),
            (&["range", "--prove"], "--report"),
        ] {
            let args = ["--prover", "exec", "--l2-rpc", &url, flag];
            let said = fail(proofmill(folder.path()).args(command).args(args).arg(&place));
            assert!(
                said.contains(cause) && said.contains(&format!("with {flag}")),
                "{command:?} {flag}: {said}"
            );
            assert!(!said.contains(&url), "the node is asked: {said}");
        }
    }
    let args = ["prove", "--prover", "exec", "--l2-rpc", &url, "--export"];
    let said = fail(proofmill(folder.path()).args(args).arg(&file));
    assert!(said.contains("with --export") && !said.contains(&url), "{said}");
    // The default, too: beside the program.
    let elf = file.with_extension("elf");
    fs::write(&elf, b"").unwrap();
    fs::create_dir(elf.with_extension("proof")).unwrap();
    let args = ["prove", "--prover", "exec", "--stdin", elf.to_str().unwrap(), "--elf"];
    let said = fail(proofmill(folder.path()).args(args).arg(&elf));
    assert!(said.contains("with --output") && said.contains("file.proof"), "{said}");
    // Before any chain is started.
    let said =
        fail(proofmill(folder.path()).args(["dev", "--prover", "exec", "--report"]).arg(file.join("x")));
    assert!(said.contains("with --report") && !folder.path().join("data/localnet.lock").exists(), "{said}");
}

/// L1 is not asked, which is away.
#[test]
fn a_file_of_any_length_is_refused_before_it_is_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let (file, url) = (folder.path().join("file"), format!("http://127.0.0.1:{}", free_port()));
    for (begins, hint) in [
        ("hello", "neither a range or epoch proof"),
        ("{", "more than 16 MB"),
        ("\u{3}\0\0\0", "more than 16 MB"),
        // A hole from its first byte on is a proof of SP1's that was not wrapped.
        ("", "have the SP1 cluster wrap it"),
    ] {
        fs::write(&file, begins).unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_len(1 << 42).unwrap();
        let mut submit = proofmill(folder.path());
        submit.args(["submit", "--l1-rpc", &url, "--rollup", &format!("0x{}", "11".repeat(20)), "--proof"]);
        let said = fail(submit.arg(&file).env("PRIVATE_KEY", format!("0x{}", "11".repeat(32))));
        assert!(said.contains(hint) && !said.contains(&url), "{begins:?}: {said}");
    }
}

/// Not even the node is asked, which is away.
#[test]
fn a_wrap_that_nobody_can_make_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let args = ["prove", "--prover", "exec", "--l2-rpc", &url, "--mode", "plonk"];
    let said = fail(proofmill(folder.path()).args(args));
    assert!(said.contains("exec cannot make a `plonk` proof") && said.contains("circuit files"), "{said}");
    let said = fail(proofmill(folder.path()).args(args).arg("--execute-only"));
    assert!(said.contains(&url), "{said}");
    // OpenVM makes one of an epoch, and of no blocks.
    for command in [&["prove"][..], &["range", "--prove"]] {
        let args = ["--prover", "openvm", "--l2-rpc", &url, "--mode", "plonk"];
        let said = fail(proofmill(folder.path()).args(command).args(args));
        assert!(said.contains("an epoch's proof") && said.contains("--mode compressed"), "{said}");
        let said = fail(proofmill(folder.path()).args(&command[..1]).args(args).arg("--execute-only"));
        assert!(!said.contains("an epoch's proof"), "{said}");
    }
}

#[test]
fn verifiers_that_would_not_count_are_refused_before_anything_is_deployed() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let (a, b) = ("0x00000000000000000000000000000000000000aa", "0x00000000000000000000000000000000000000bb");
    for (words, hint) in [
        (vec![format!("--verifier=sp1={a}"), format!("--attestor={b}")], "--prover"),
        (vec![format!("--verifier=openvm={a}"), format!("--verifier=openvm={b}")], "twice"),
        (vec![format!("--verifier=openvm={a}"), format!("--attestor={b}")], "--attestor"),
        (vec!["--prover=exec".to_owned(), format!("--attestor={b}")], "--attestor"),
        (vec!["--prover=exec".to_owned(), format!("--halo2-verifier={b}")], "--prover"),
        (vec![format!("--verifier=openvm={a}"), format!("--halo2-verifier={b}")], "leave one out"),
        (vec!["--prover=openvm,openvm".to_owned(), format!("--attestor={b}")], "names openvm twice"),
        (vec!["--halo2-verifier=nonsense".to_owned()], "neither `development` nor an address"),
    ] {
        let mut command = proofmill(folder.path());
        command.args(["contracts", "deploy", "--l1-rpc", &url, "--l2-rpc", &url, "--proposer", a]);
        let said = fail(command.args(&words).env("PRIVATE_KEY", format!("0x{}", "11".repeat(32))));
        assert!(said.contains(hint) && !said.contains(&url), "{words:?}: {said}");
    }
}

#[test]
fn the_zero_address_is_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let a = "0x00000000000000000000000000000000000000aa";
    for role in ["--proposer", "--owner", "--guardian", "--attestor"] {
        let mut command = proofmill(folder.path());
        command.args(["contracts", "deploy", "--l1-rpc", &url, "--l2-rpc", &url]);
        if role != "--proposer" {
            command.args(["--proposer", a]);
        }
        let said = fail(command.arg(format!("{role}=0x{}", "00".repeat(20))));
        assert!(said.contains("nobody has the key") && said.contains(role), "{role}: {said}");
    }
    // The contract would take it, and keep its owner.
    let mut command = proofmill(folder.path());
    command.args(["contracts", "transfer-ownership", "--l1-rpc", &url, "--rollup", a]);
    let said = fail(command.arg(format!("--to=0x{}", "00".repeat(20))));
    assert!(said.contains("nobody has the key") && said.contains("--to"), "{said}");
    // Nobody could claim what its proofs are worth.
    let mut command = proofmill(folder.path());
    command.args(["prover-node", "--l1-rpc", &url, "--l2-rpc", &url, "--rollup", a]);
    let said = fail(command.arg(format!("--prover-id=0x{}", "00".repeat(20))));
    assert!(said.contains("nobody has the key") && said.contains("--prover-id"), "{said}");
}

#[test]
fn lengths_of_time_that_the_contract_refuses_are_refused_before_anything_is_deployed() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}", free_port());
    let a = "0x00000000000000000000000000000000000000aa";
    // The window and an epoch: 90 s.
    let clock = ["--slot-seconds=10", "--epoch-slots=3", "--window-epochs=2"];
    let guardian = format!("--guardian={a}");
    for (words, hint) in [
        (vec!["--silence=89"], "90 s at least"),
        (vec!["--change-delay=89"], "90 s at least"),
        (vec!["--max-lag=9"], "a slot at least, which is 10 s"),
        // A second more than 100 years.
        (vec!["--max-lag=3153600001"], "100 years"),
        (vec!["--silence=3153600001"], "100 years"),
        (vec!["--change-delay=3153600001"], "100 years"),
        // Nobody could end such a pause.
        (vec![guardian.as_str(), "--max-pause=91"], "Name an --owner"),
        (vec![guardian.as_str(), "--change-delay=100", "--max-pause=101"], "for 100 s at the most"),
    ] {
        let mut command = proofmill(folder.path());
        command.args(["contracts", "deploy", "--l1-rpc", &url, "--l2-rpc", &url, "--proposer", a]);
        let said = fail(command.args(["--prover", "exec"]).args(clock).args(&words));
        assert!(said.contains(hint) && !said.contains(&url), "{words:?}: {said}");
    }
    // What follows from a window of 300 years.
    let mut command = proofmill(folder.path());
    command.args(["contracts", "deploy", "--l1-rpc", &url, "--l2-rpc", &url, "--proposer", a]);
    let said = fail(command.args(["--prover", "exec", "--window-epochs=200000000"]));
    assert!(said.contains("100 years") && said.contains("--window-epochs") && !said.contains(&url), "{said}");
    for words in [vec![guardian.as_str(), "--max-pause=90"], vec!["--silence=90"], vec!["--silence=0"]] {
        let mut command = proofmill(folder.path());
        command.args(["contracts", "deploy", "--l1-rpc", &url, "--l2-rpc", &url, "--proposer", a]);
        let said = fail(command.args(["--prover", "exec"]).args(clock).args(&words));
        assert!(said.contains(&url), "the node is asked, which is away: {words:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_whose_consensus_others_check_is_not_settled_as_a_rollup() {
    let folder = tempfile::tempdir().unwrap();
    let l1 = AnvilOptions::new().spawn().await.unwrap();
    let l2 = AnvilOptions::new().chain_id(1).spawn().await.unwrap();
    let mut command = proofmill(folder.path());
    command.args(["contracts", "deploy", "--prover", "exec", "--genesis-block", "0"]);
    command.args(["--l1-rpc", l1.rpc_url().as_str(), "--l2-rpc", l2.rpc_url().as_str()]);
    command.args(["--proposer", "0x00000000000000000000000000000000000000aa"]);
    let said = fail(command.env("PRIVATE_KEY", l1.accounts()[0].private_key.to_string()));
    assert!(
        said.contains("chain 1 has Ethereum's rules") && said.contains("a chain id of its own"),
        "{said}"
    );
}

/// Before L2, or the contract, is asked anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_snark_for_development_is_refused_where_l1_is_for_more_than_that() {
    let folder = tempfile::tempdir().unwrap();
    let l1 = AnvilOptions::new().chain_id(1).spawn().await.unwrap();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let mut command = proofmill(folder.path());
    command.args(["op-proposer", "--prover=exec", "--snark=insecure-development-small"]);
    command.args(["--oracle", "0x00000000000000000000000000000000000000aa"]);
    command.arg(format!("--binary=openvm={}", stand_in().display()));
    command.env("L1_RPC", l1.rpc_url().as_str()).env("L2_RPC", &nobody).env("L2_NODE_RPC", &nobody);
    let said = fail(command.env("PRIVATE_KEY", l1.accounts()[0].private_key.to_string()));
    for word in ["insecure-development-small", "chain id 1", "--snark small"] {
        assert!(said.contains(word), "{said}");
    }
}
