//! Addresses of nodes often hold access keys: no error shows more of them than scheme, host and port.

use proofmill_loadgen::{CancellationToken, Funder, LoadError, LoadKind, LoadPlan, run};
use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};

/// What sending load says of a node at `origin` with a key in every place that an address has for one.
async fn error_of(origin: &str) -> LoadError {
    let (scheme, authority) = origin.split_once("://").unwrap();
    let url = format!(
        "{scheme}://secret-user:secret-word@{authority}/v3/secret-path(1)?apikey=secret-query#secret"
    );
    let funder: Funder = format!("{:064x}", 77).parse().unwrap();
    let plan = LoadPlan::new(LoadKind::EthTransfers);
    let error =
        run(&url.parse().unwrap(), &funder, &plan, &CancellationToken::new(), &mut |_| {}).await.unwrap_err();
    assert!(!format!("{error} {error:?} {error:#?}").contains("secret"), "{error:?}");
    error
}

#[tokio::test]
async fn of_a_node_that_is_away() {
    let error = error_of("http://127.0.0.1:9").await;
    assert!(matches!(error, LoadError::Unreachable { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("http://127.0.0.1:9 ") && said.contains("refused"), "{said}");
}

/// A server that answers every request with this status, and repeats what it was asked for as many do.
fn repeating(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let length = stream.read(&mut asked).unwrap();
            let asked = String::from_utf8_lossy(&asked[..length]);
            let body = format!("Cannot do {}", asked.lines().next().unwrap_or_default());
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            stream.write_all([head, body].concat().as_bytes()).unwrap();
        }
    });
    origin
}

#[tokio::test]
async fn of_a_server_that_does_not_know_the_path() {
    let origin = repeating("404 Not Found");
    let error = error_of(&origin).await;
    let said = error.to_string();
    assert!(said.contains(&origin) && said.contains("404"), "{said}");
}

#[tokio::test]
async fn of_a_server_that_is_no_node() {
    let error = error_of(&repeating("200 OK")).await;
    assert!(matches!(error, LoadError::Unreadable { method: "eth_chainId", .. }), "{error}");
}
