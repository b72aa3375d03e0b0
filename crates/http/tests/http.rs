//! Clients speak TLS, and what is shown of a server holds no access key.
#![expect(clippy::unwrap_used, reason = "tests")]

use proofmill_http::{BodyError, NodeUrl, body, client_for, in_one_line, rpc_client};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[tokio::test]
async fn an_https_node_is_asked_with_tls() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", server.local_addr().unwrap()).parse().unwrap();
    let asked = tokio::spawn(async move { rpc_client(url).request_noparams::<String>("eth_chainId").await });
    let (mut connection, _) = server.accept().await.unwrap();
    let mut greeting = [0; 3];
    connection.read_exact(&mut greeting).await.unwrap();
    // A handshake record (22) of TLS 1.x.
    assert_eq!(greeting[..2], [22, 3]);
    connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    drop(connection);
    let refused = asked.await.unwrap().unwrap_err();
    assert!(!refused.is_error_resp(), "{refused}");
}

/// Takes a request, as far as its head goes: what comes before it is no answer to it.
async fn hear(connection: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(connection.read_buf(&mut head).await.unwrap(), 0, "it hung up");
    }
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_limit_whatever_it_says_of_its_length() {
    let whole = "x".repeat(1_000);
    let told = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{whole}");
    let pieces = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n{whole}\r\n0\r\n\r\n");
    for answer in [told, pieces] {
        for (limit, fits) in [(1_000, true), (999, false)] {
            let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url: url::Url = format!("http://{}/", server.local_addr().unwrap()).parse().unwrap();
            let asked = tokio::spawn(async move { client_for(&url).get(url.clone()).send().await.unwrap() });
            let (mut connection, _) = server.accept().await.unwrap();
            hear(&mut connection).await;
            connection.write_all(answer.as_bytes()).await.unwrap();
            match body(asked.await.unwrap(), limit).await {
                Ok(read) => assert!(fits && read == whole.as_bytes()),
                Err(error) => {
                    assert!(!fits && matches!(error, BodyError::TooLarge { limit: 999 }), "{error}")
                }
            }
        }
    }
}

#[tokio::test]
async fn a_page_in_place_of_an_answer_is_no_flood() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = NodeUrl::from(format!("http://{}", server.local_addr().unwrap()).parse::<url::Url>().unwrap());
    let asked = tokio::spawn(async move { url.client().request_noparams::<String>("eth_chainId").await });
    let (mut connection, _) = server.accept().await.unwrap();
    hear(&mut connection).await;
    let page = format!("<html>\n\u{1b}[31m{}</html>\n", "<p>bad gateway</p>\n".repeat(10_000));
    let head = format!("HTTP/1.1 502 Bad Gateway\r\nContent-Length: {}\r\n\r\n", page.len());
    connection.write_all((head + &page).as_bytes()).await.unwrap();
    let shown = in_one_line(&asked.await.unwrap().unwrap_err());
    assert!(shown.contains("502") && shown.chars().count() <= 1_001, "{} characters", shown.chars().count());
    assert!(!shown.contains(char::is_control), "{shown}");
}

#[tokio::test]
async fn access_keys_are_not_shown() {
    // Nobody listens there, nor does another test by now.
    let free = "127.0.0.1:9";
    let url =
        NodeUrl::from(format!("http://user:secret1@{free}/secret2?key=secret3").parse::<url::Url>().unwrap());
    let error = url.client().request_noparams::<String>("eth_chainId").await.unwrap_err();
    assert!(error.to_string().contains("secret"), "nothing had to be left out: {error}");
    for shown in [url.to_string(), format!("{url:?}"), in_one_line(&error)] {
        assert!(!shown.contains("secret"), "{shown}");
    }
    assert_eq!(url.to_string(), format!("http://{free}"));
    assert!(url.secret().as_str().contains("secret2"));
}
