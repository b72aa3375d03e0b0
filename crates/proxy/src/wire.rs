//! A wire between a client and a node that can be cut.

use std::sync::Arc;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use url::Url;

/// A port that leads to a node, while it is not cut. Ends when dropped.
#[derive(Debug)]
pub struct Wire {
    url: Url,
    up: Arc<watch::Sender<bool>>,
    listening: JoinHandle<()>,
}

impl Wire {
    /// A wire to this node.
    pub async fn to(node: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let target = format!("{}:{}", node.host_str().unwrap(), node.port().unwrap());
        let up = Arc::new(watch::Sender::new(true));
        let state = Arc::clone(&up);
        let listening = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (mut state, target) = (state.subscribe(), target.clone());
                tokio::spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let Ok(mut node) = TcpStream::connect(target).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut node) => {}
                        _ = state.wait_for(|up| !up) => {}
                    }
                });
            }
        });
        Self { url, up, listening }
    }

    /// Where it begins.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// Ends all connections; new ones are closed at once.
    pub fn cut(&self) {
        self.up.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.up.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
