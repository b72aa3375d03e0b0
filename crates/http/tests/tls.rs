//! A client can speak TLS: it opens a connection with a handshake, and refuses a server that does not answer in kind.

use proofmill_http::rpc_client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
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
