//! Against the real anvil.
#![allow(clippy::unwrap_used, missing_docs)]

use proofmill_localnet::{Anvil, AnvilOptions, Hardfork, LocalnetError, Mining, ends_with_parent};
use proofmill_skipped::skipped;
use std::{path::Path, process::Command, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One JSON-RPC request over a fresh connection.
async fn call(node: &Anvil, method: &str) -> String {
    let url = node.rpc_url();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}"#);
    let mut stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn options_reach_the_node_and_drop_ends_it() {
    let node = AnvilOptions::new()
        .chain_id(901)
        .hardfork(Hardfork::Cancun)
        .mining(Mining::OnRequest)
        .accounts(3)
        .spawn()
        .await
        .unwrap();
    assert!(call(&node, "eth_chainId").await.contains("0x385"));
    assert!(call(&node, "anvil_nodeInfo").await.to_lowercase().contains("cancun"));
    assert_eq!(node.accounts().len(), 3);
    assert_eq!(
        node.accounts()[0].address,
        alloy_primitives::address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
    );
    let pid = node.pid();
    assert!(is_alive(pid));
    drop(node);
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_dumped_state_is_loaded_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.json");
    let node = AnvilOptions::new().dump_state(&file).spawn().await.unwrap();
    for _ in 0..3 {
        call(&node, "evm_mine").await;
    }
    node.stop().await.unwrap();
    assert!(file.is_file());
    let node = AnvilOptions::new().load_state(&file).spawn().await.unwrap();
    assert!(call(&node, "eth_blockNumber").await.contains("0x3"));
}

#[tokio::test]
async fn failures_say_what_the_node_said() {
    let error = AnvilOptions::new().genesis("/nowhere/genesis.json").spawn().await.unwrap_err();
    assert!(matches!(error, LocalnetError::Exited { .. }), "{error}");
    assert!(error.to_string().contains("/nowhere/genesis.json"), "{error}");

    let error = AnvilOptions::new().program("/nowhere/anvil").spawn().await.unwrap_err();
    assert!(matches!(error, LocalnetError::Spawn { .. } | LocalnetError::Exited { .. }), "{error}");

    let taken = AnvilOptions::new().spawn().await.unwrap();
    let port = taken.rpc_url().port().unwrap();
    let error = AnvilOptions::new().port(port).spawn().await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, does: &str| {
        let script = folder.path().join(name);
        std::fs::write(&script, format!("#!/bin/sh\n{does}\n")).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, executable).unwrap();
        script
    };
    // What it says at its very end is among it, after much else.
    let script_that_ends = script("ends", "seq 5000 >&2\necho the last word >&2\nexit 3");
    let error = AnvilOptions::new().program(&script_that_ends).spawn().await.unwrap_err();
    assert!(matches!(error, LocalnetError::Exited { .. }), "{error}");
    assert!(error.to_string().contains("the last word"), "{error}");

    let script = script("slow", "echo still loading\nsleep 600");
    // In which a script begins, on a machine that does nothing else; and on one that stood still.
    for seconds in [3, 30, 150] {
        let timeout = Duration::from_secs(seconds);
        let error = AnvilOptions::new().program(&script).ready_timeout(timeout).spawn().await.unwrap_err();
        assert!(matches!(error, LocalnetError::NotReady { .. }), "{error}");
        if error.to_string().contains("still loading") {
            return;
        }
    }
    panic!("what it said is not told");
}

/// A child that starts a node and is then killed with `SIGKILL` must leave no node behind.
#[test]
fn the_node_ends_with_a_killed_parent() {
    if !Path::new("/usr/bin/setpriv").is_file() {
        return skipped("setpriv is not installed");
    }
    if std::env::var_os("LOCALNET_TEST_PARENT").is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let node = runtime.block_on(AnvilOptions::new().spawn()).unwrap();
        println!("node {}", node.pid());
        std::thread::sleep(Duration::from_secs(120));
        return;
    }
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_node_ends_with_a_killed_parent", "--nocapture"])
        .env("LOCALNET_TEST_PARENT", "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(parent.stdout.take().unwrap()));
    // The test harness prints its own words before ours on the same line.
    let pid: u32 =
        lines.find_map(|line| Some(line.unwrap().split_once("node ")?.1.trim().parse().unwrap())).unwrap();
    assert!(is_alive(pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    let ended = (0..2_000).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        !is_alive(pid)
    });
    assert!(ended, "the node {pid} outlived its parent");
}

/// The parent was killed before the child could ask the kernel to be killed with it.
#[test]
fn who_has_lost_the_parent_already_does_not_become_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made");
    let mut command = ends_with_parent(Path::new("touch"));
    command.arg(&file);
    if command.get_program() == "touch" {
        return skipped("setpriv is not installed");
    }
    // Another process is the parent.
    let mut other = Command::new("sh");
    other.args(["-c", "\"$@\"; true", "sh"]).arg(command.get_program()).args(command.get_args());
    assert!(other.status().unwrap().success() && !file.exists());
    assert!(command.status().unwrap().success() && file.exists());
}
