//! A wire between a client and a node that can be cut, and a node that is broken.

use serde_json::{Value, json};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use url::Url;

pub(crate) struct Proxy {
    url: Url,
    up: Arc<watch::Sender<bool>>,
    listening: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(node: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let target = format!("{}:{}", node.host_str().unwrap(), node.port().unwrap());
        let up = Arc::new(watch::Sender::new(true));
        let state = up.clone();
        let listening = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (mut state, target) = (state.subscribe(), target.clone());
                tokio::spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let mut node = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut node) => {}
                        _ = state.wait_for(|up| !up) => {}
                    }
                });
            }
        });
        Self { url, up, listening }
    }

    pub(crate) fn url(&self) -> Url {
        self.url.clone()
    }

    /// Ends all connections; new ones are closed at once.
    pub(crate) fn cut(&self) {
        self.up.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.up.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A node of this chain that knows its chain id, and refuses everything else.
pub(crate) async fn refusing(chain_id: u64) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let request = read_request(&mut client).await;
                let mut answer = json!({ "jsonrpc": "2.0", "id": request["id"] });
                if request["method"] == "eth_chainId" {
                    answer["result"] = json!(format!("{chain_id:#x}"));
                } else {
                    answer["error"] = json!({ "code": -32_000, "message": "missing trie node" });
                }
                let body = answer.to_string();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
                client.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    url
}

/// The body of one HTTP request: it is whole when it can be read as JSON.
async fn read_request(client: &mut TcpStream) -> Value {
    let mut request = Vec::new();
    loop {
        let mut part = [0; 4096];
        let length = client.read(&mut part).await.unwrap();
        assert!(length > 0, "the client left");
        request.extend_from_slice(&part[..length]);
        let Some(head) = request.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_slice(&request[head + 4..]) {
            return body;
        }
    }
}
