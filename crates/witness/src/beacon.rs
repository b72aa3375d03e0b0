//! Blobs from a beacon node.

use crate::{BuildError, l1::by_hash};
use alloy_primitives::{B256, Bytes};
use c_kzg::{Blob, Bytes32, ethereum_kzg_settings};
use proofmill_derivation::{BlobData, combination};
use proofmill_http::{NodeUrl, body, client_for, in_one_line};
use reqwest::{Client, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};
use tokio::{sync::OnceCell, task::spawn_blocking};

/// How long an answer may take: a block's blobs are megabytes.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The largest answer that is taken, in bytes: a block's blobs, written in hexadecimal, are a tenth of it.
const LARGEST: usize = 64 << 20;
/// Tries of a request, with pauses between them.
const TRIES: u32 = 3;
/// Where clients tell when slots began, and how long they are.
const GENESIS: &str = "/eth/v1/beacon/genesis";
const SPEC: &str = "/eth/v1/config/spec";

/// A beacon node, as the beacon API has it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Beacon {
    url: NodeUrl,
    client: Client,
    slots: Arc<OnceCell<Slots>>,
}

/// When slots are, in seconds.
#[derive(Clone, Copy, Debug)]
struct Slots {
    genesis: u64,
    long: u64,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Genesis {
    genesis_time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Spec {
    seconds_per_slot: String,
}

#[derive(Deserialize)]
struct Sidecar {
    blob: Bytes,
}

impl Beacon {
    /// The node at `url`. It is asked when something is needed of it.
    pub fn new(url: NodeUrl) -> Self {
        let client = client_for(url.secret());
        Self { url, client, slots: Arc::default() }
    }

    /// The blobs of an L1 block with these hashes.
    ///
    /// # Errors
    /// With what the node says; where it has given them up, that.
    pub(crate) async fn blobs(
        &self,
        block: u64,
        timestamp: u64,
        wanted: &[B256],
    ) -> Result<Vec<BlobData>, BuildError> {
        let slots = *self.slots.get_or_try_init(|| self.slots()).await?;
        let slot = timestamp.checked_sub(slots.genesis).map(|since| since / slots.long.max(1));
        let slot = slot.ok_or_else(|| self.failed(GENESIS, "its chain begins after the block".into()))?;
        // The newer endpoint has the blobs alone; the older one goes with the sidecars of before Fusaka.
        let newer: Option<Answer<Vec<Bytes>>> = self.ask(&format!("/eth/v1/beacon/blobs/{slot}")).await?;
        let shown = match newer {
            Some(Answer { data }) => data,
            None => {
                let older: Option<Answer<Vec<Sidecar>>> =
                    self.ask(&format!("/eth/v1/beacon/blob_sidecars/{slot}")).await?;
                older.map_or_else(Vec::new, |older| older.data.into_iter().map(|one| one.blob).collect())
            }
        };
        let committed = spawn_blocking(move || by_hash(shown.into_iter().filter_map(committed).collect()));
        let mut found = committed.await.map_err(|error| BuildError::Stopped(error.to_string()))?;
        wanted
            .iter()
            .map(|hash| found.remove(hash).ok_or(BuildError::BlobMissing { block, slot, hash: *hash }))
            .collect()
    }

    async fn slots(&self) -> Result<Slots, BuildError> {
        let unknown = |path: &'static str| self.failed(path, "it does not say when its slots are".into());
        let genesis: Answer<Genesis> = self.ask(GENESIS).await?.ok_or_else(|| unknown(GENESIS))?;
        let spec: Answer<Spec> = self.ask(SPEC).await?.ok_or_else(|| unknown(SPEC))?;
        let genesis = genesis.data.genesis_time.parse().map_err(|_| unknown(GENESIS))?;
        let long = spec.data.seconds_per_slot.parse().map_err(|_| unknown(SPEC))?;
        Ok(Slots { genesis, long })
    }

    /// The answer; none where there is no such thing.
    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, BuildError> {
        let mut url = self.url.secret().clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        let mut last = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(500 << attempt)).await;
            }
            let answer = match self.client.get(url.clone()).timeout(ANSWER_WITHIN).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    last = in_one_line(&error.without_url());
                    continue;
                }
            };
            let status = answer.status();
            if matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE) {
                return Ok(None);
            }
            if !status.is_success() {
                last = format!("it answers with status {}", status.as_u16());
                if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                    continue;
                }
                break;
            }
            match body(answer, LARGEST).await {
                Ok(body) => match serde_json::from_slice(&body) {
                    Ok(read) => return Ok(Some(read)),
                    Err(error) => last = format!("its answer cannot be read: {error}"),
                },
                Err(error) => last = error.to_string(),
            }
        }
        Err(self.failed(path, last))
    }

    fn failed(&self, path: &str, reason: String) -> BuildError {
        BuildError::Beacon { endpoint: self.url.to_string(), path: path.to_owned(), reason }
    }
}

/// A blob with its commitment, which is computed here: nodes of today do not show it. None for what is no blob.
fn committed(blob: Bytes) -> Option<BlobData> {
    let read = Blob::from_bytes(&blob).ok()?;
    let commitment = ethereum_kzg_settings(0).blob_to_kzg_commitment(&read).ok()?.to_bytes();
    Some(BlobData { blob, commitment: Bytes::copy_from_slice(commitment.as_ref()) })
}

/// The proof of all blobs of an input. None where there are no blobs, or one is none.
pub(crate) fn proof(blobs: &[BlobData]) -> Option<Bytes> {
    if blobs.is_empty() {
        return None;
    }
    let combined = combination(blobs)?;
    let blob = Blob::from_bytes(&combined.blob).ok()?;
    let (proof, _) = ethereum_kzg_settings(0).compute_kzg_proof(&blob, &Bytes32::new(combined.z.0)).ok()?;
    Some(Bytes::copy_from_slice(proof.to_bytes().as_ref()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Beacon;
    use crate::BuildError;
    use alloy_primitives::B256;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use url::Url;

    /// A node that tells its slots, and has given its blobs up: in one way or the other.
    async fn pruning(blobs: &'static str) -> Beacon {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = vec![0; 4_096];
                let len = stream.read(&mut asked).await.unwrap_or_default();
                let asked = String::from_utf8_lossy(&asked[..len]).into_owned();
                let (status, body) = if asked.contains("/beacon/genesis") {
                    ("200 OK", r#"{"data":{"genesis_time":"1000"}}"#)
                } else if asked.contains("/config/spec") {
                    ("200 OK", r#"{"data":{"SECONDS_PER_SLOT":"12"}}"#)
                } else if blobs.is_empty() {
                    ("404 Not Found", r#"{"code":404,"message":"gone"}"#)
                } else {
                    ("200 OK", blobs)
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        Beacon::new(url.into())
    }

    #[tokio::test]
    async fn a_node_that_has_given_blobs_up_is_named_with_their_slot() {
        let wanted = B256::repeat_byte(1);
        for blobs in ["", r#"{"data":[]}"#] {
            let beacon = pruning(blobs).await;
            let error = beacon.blobs(77, 1_000 + 12 * 5, &[wanted]).await.unwrap_err();
            assert!(
                matches!(error, BuildError::BlobMissing { block: 77, slot: 5, hash } if hash == wanted),
                "{error}"
            );
            assert!(error.to_string().contains("18 days"), "{error}");
        }
    }
}
