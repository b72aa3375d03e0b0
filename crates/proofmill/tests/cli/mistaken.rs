//! What people mistake for something else: addresses, files, numbers. Each is said to be that, with the remedy, and at once.

use crate::process::{cluster, fail, free_port, proofmill};
use proofmill_devnet::DevKeys;
use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    thread,
};

/// A web page that answers whatever is asked.
fn web_page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let page = "<html>Welcome</html>";
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}", page.len());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), answer) = (stream, answer.clone()) else { continue };
            thread::spawn(move || {
                let mut asked = [0; 4096];
                if stream.read(&mut asked).is_ok_and(|count| count > 0) {
                    // Who has left already is not answered.
                    drop(stream.write_all(answer.as_bytes()));
                    drop(stream.shutdown(Shutdown::Write));
                }
                while stream.read(&mut asked).is_ok_and(|count| count > 0) {}
            });
        }
    });
    address
}

#[test]
fn the_address_of_another_service_is_said_to_be_that() {
    let folder = tempfile::tempdir().unwrap();
    let (_cluster, address) = cluster(folder.path(), free_port());
    for words in
        [&["status", "--node"][..], &["epoch", "prove", "1", "--node"], &["epoch", "retry", "1", "--node"]]
    {
        let said = fail(proofmill(folder.path()).args(words).arg(&address));
        assert!(
            said.contains("another service listens there") && said.contains(&address),
            "{words:?}: {said}"
        );
    }
}

#[test]
fn a_web_page_is_none_of_our_services_and_no_node() {
    let folder = tempfile::tempdir().unwrap();
    let page = web_page();
    for (words, remedy) in [
        (&["status", "--cluster"][..], "check the host and the port"),
        (&["status", "--node"], "check the host and the port"),
        (&["epoch", "prove", "1", "--node"], "check the host and the port"),
        (&["status", "--role"], "check that it is the --metrics-listen of a role"),
        (&["load", "--rpc-url"], "check that the address is that of the JSON-RPC service"),
        (
            &["prove", "--prover", "exec", "--l2-rpc"],
            "check that the address is that of the JSON-RPC service",
        ),
    ] {
        let mut command = proofmill(folder.path());
        command.env("LOAD_TEST_PRIVATE_KEY", DevKeys::funder_text().to_string());
        let said = fail(command.args(words).arg(&page));
        assert!(said.contains(remedy) && said.contains(&page), "{words:?}: {said}");
    }
}

#[test]
fn what_is_no_place_to_listen_is_not_taken_for_one_in_use() {
    let folder = tempfile::tempdir().unwrap();
    for (command, flag) in [
        (&["cluster"][..], "--listen"),
        (&["cluster"], "--metrics-listen"),
        (&["dev", "--prover", "exec"], "--metrics-listen"),
    ] {
        for place in ["nonsense", "9100", "127.0.0.1:99999"] {
            let said = fail(proofmill(folder.path()).args(command).args([flag, place]));
            assert!(said.contains(flag) && said.contains("write a host and a port"), "{said}");
            assert!(!said.contains("stop what listens there"), "{said}");
        }
    }
}

#[test]
fn a_file_is_no_store_of_failures() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no records").unwrap();
    for words in [&["list"][..], &["show", "epoch-1"]] {
        let failures = ["failures"].iter().chain(words);
        let said = fail(proofmill(folder.path()).args(failures).arg("--failures").arg(&file));
        assert!(said.contains("not a directory") && said.contains(file.to_str().unwrap()), "{said}");
    }
    let said = fail(proofmill(folder.path()).args(["failures", "list", "--failures", "s3:/bucket"]));
    assert!(said.contains("no failure store") && said.contains("s3://"), "{said}");
}

/// A secret that was not filled in: what was acknowledged would be on a disk that nobody thinks of.
#[test]
fn an_empty_file_for_the_database_is_not_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    fs::write(&file, "\n").unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut command = proofmill(folder.path());
    let said = fail(command.args(["cluster", "--listen", &listen, "--database-file"]).arg(&file));
    assert!(said.contains("--database-file") && said.contains("is empty"), "{said}");
}

#[test]
fn chains_and_workers_that_cannot_be_are_refused_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    for (words, hint) in [
        (&["dev", "--workers", "1,100000"][..], "100000 GB, but the machine"),
        (&["dev", "--l2-block-time", "0"], "--l2-block-time"),
        (&["localnet", "--l2-block-time", "0"], "--l2-block-time"),
        (&["localnet", "--stack", "op", "--l2-block-time", "18446744073709551615"], "--l2-block-time"),
        (&["dev", "--until-settled", "0"], "--until-settled"),
    ] {
        let said = fail(proofmill(folder.path()).args(words).args(["--prover", "exec"]));
        assert!(said.contains(hint), "{words:?}: {said}");
        assert!(!folder.path().join("data/localnet.lock").exists(), "{words:?}");
    }
}

/// Where an error has its cause in its own words, the cause is not said again.
#[test]
fn a_cause_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = proofmill(folder.path());
    let said = fail(command.args(["srs", "check"]).arg(folder.path()));
    assert_eq!(said.matches("it is a folder").count(), 1, "{said}");
    let said = fail(proofmill(folder.path()).args(["load", "--key-file", "none"]));
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
}

/// Nobody types it again and again at the flag.
#[test]
fn a_value_of_the_environment_is_said_to_stand_there() {
    let folder = tempfile::tempdir().unwrap();
    let said = fail(proofmill(folder.path()).arg("worker").env("WORKER_MAX_WEIGHT_OVERRIDE", "much"));
    assert!(said.contains("stands in the environment variable WORKER_MAX_WEIGHT_OVERRIDE"), "{said}");
    fs::write(folder.path().join("proofmill.toml"), "[worker]\nmax-weight = \"much\"\n").unwrap();
    let said = fail(proofmill(folder.path()).arg("worker"));
    assert!(said.contains("stands in the settings file proofmill.toml"), "{said}");
}
