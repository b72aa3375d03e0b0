//! Blobs from a beacon node.

use crate::{BuildError, l1::by_hash};
use alloy_primitives::{B256, Bytes};
use c_kzg::{Blob, Bytes32, ethereum_kzg_settings};
use proofmill_derivation::{BlobData, combination};
use proofmill_http::{NodeUrl, body, client_for, in_one_line, line};
use reqwest::{Client, Response, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};
use tokio::{sync::OnceCell, task::spawn_blocking};

/// How long an answer may take: a block's blobs are megabytes.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The largest answer that is taken, in bytes: a block's blobs, written in hexadecimal, are a tenth of it.
const LARGEST: usize = 64 << 20;
/// The largest refusal that is read, in bytes, and so many characters of what it says are shown.
const LARGEST_REFUSAL: usize = 64 << 10;
const SHOWN: usize = 300;
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

/// When slots are, in seconds, and of which L1.
#[derive(Clone, Copy, Debug)]
struct Slots {
    genesis: u64,
    long: u64,
    /// EIP-155 chain id of its execution nodes, where it says that.
    chain_id: Option<u64>,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Genesis {
    genesis_time: String,
}

/// The first of the two lengths is the older one, which newer clients leave out.
#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Spec {
    #[serde(default)]
    seconds_per_slot: Option<String>,
    #[serde(default)]
    slot_duration_ms: Option<String>,
    #[serde(default)]
    deposit_chain_id: Option<String>,
}

#[derive(Deserialize)]
struct Sidecar {
    blob: Bytes,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Beacon {
    /// The node at `url`. It is asked when something is needed of it.
    pub fn new(url: NodeUrl) -> Self {
        let client = client_for(url.secret());
        Self { url, client, slots: Arc::default() }
    }

    /// Whether it is a beacon node of this L1, by the chain id that its configuration names.
    ///
    /// # Errors
    /// [`BuildError::BeaconChain`]; or [`BuildError::Beacon`], where it does not answer as one.
    pub async fn check(&self, l1_chain_id: u64) -> Result<(), BuildError> {
        self.slots_of(l1_chain_id).await.map(drop)
    }

    async fn slots_of(&self, l1_chain_id: u64) -> Result<Slots, BuildError> {
        let slots = *self.slots.get_or_try_init(|| self.slots()).await?;
        match slots.chain_id {
            Some(got) if got != l1_chain_id => {
                Err(BuildError::BeaconChain { endpoint: self.url.to_string(), expected: l1_chain_id, got })
            }
            _ => Ok(slots),
        }
    }

    /// The blobs of a block of this L1 with these hashes.
    ///
    /// # Errors
    /// With what the node says; where it has given them up, or is of another L1, that.
    pub(crate) async fn blobs(
        &self,
        l1_chain_id: u64,
        block: u64,
        timestamp: u64,
        wanted: &[B256],
    ) -> Result<Vec<BlobData>, BuildError> {
        let slots = self.slots_of(l1_chain_id).await?;
        let slot = timestamp.checked_sub(slots.genesis).map(|since| since / slots.long);
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
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
        let Spec { seconds_per_slot, slot_duration_ms, deposit_chain_id } = spec.data;
        let long = number(seconds_per_slot).or_else(|| number(slot_duration_ms).map(|ms| ms / 1_000));
        let long = long.filter(|long| *long > 0).ok_or_else(|| unknown(SPEC))?;
        Ok(Slots { genesis, long, chain_id: number(deposit_chain_id) })
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
                last = refusal(answer).await;
                if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                    continue;
                }
                break;
            }
            match body(answer, LARGEST).await {
                Ok(read) => match serde_json::from_slice(&read) {
                    Ok(read) => return Ok(Some(read)),
                    Err(error) => last = foreign(&read, &error),
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

/// What a node says of a request that it refuses: one that does not keep all columns of blobs says so, for example.
async fn refusal(answer: Response) -> String {
    let status = answer.status().as_u16();
    let read = body(answer, LARGEST_REFUSAL).await.unwrap_or_default();
    match serde_json::from_slice::<Refusal>(&read) {
        Ok(Refusal { message }) => format!("it answers with status {status}: {}", line(&message, SHOWN)),
        Err(_) => format!("it answers with status {status}"),
    }
}

/// What an answer is that is none of the beacon API: a page of a proxy, for example.
fn foreign(answer: &[u8], error: &serde_json::Error) -> String {
    let begin = line(&String::from_utf8_lossy(&answer[..answer.len().min(60)]), 60);
    format!("what it answers is not of the beacon API ({error}), and begins with `{begin}`")
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

    const SPEC: &str = r#"{"data":{"SECONDS_PER_SLOT":"12","DEPOSIT_CHAIN_ID":"1"}}"#;

    /// A node with this configuration that began at time 1000, and what it says of blobs: nothing where that is empty.
    async fn node(spec: &'static str, blobs: &'static str) -> Beacon {
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
                    ("200 OK", spec)
                } else if blobs.is_empty() {
                    ("404 Not Found", r#"{"code":404,"message":"gone"}"#)
                } else if blobs.contains(r#""code":400"#) {
                    ("400 Bad Request", blobs)
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
            let beacon = node(SPEC, blobs).await;
            let error = beacon.blobs(1, 77, 1_000 + 12 * 5, &[wanted]).await.unwrap_err();
            assert!(
                matches!(error, BuildError::BlobMissing { block: 77, slot: 5, hash } if hash == wanted),
                "{error}"
            );
            assert!(error.to_string().contains("18 days"), "{error}");
        }
    }

    #[tokio::test]
    async fn why_a_node_refuses_is_said_in_one_line() {
        let few = r#"{"code":400,"message":"required 64 columns,\nonly 4 were found: run with --supernode"}"#;
        let error = node(SPEC, few).await.blobs(1, 77, 1_060, &[B256::ZERO]).await.unwrap_err().to_string();
        assert!(
            error.contains("status 400: required 64 columns, only 4 were found: run with --supernode"),
            "{error}"
        );
        let page = "<html>\"code\":400</html>";
        let error = node(SPEC, page).await.blobs(1, 77, 1_060, &[B256::ZERO]).await.unwrap_err().to_string();
        assert!(error.contains("status 400;") && !error.contains("html"), "{error}");
    }

    #[tokio::test]
    async fn slots_are_known_in_seconds_or_milliseconds() {
        for spec in [SPEC, r#"{"data":{"SLOT_DURATION_MS":"12000"}}"#] {
            let beacon = node(spec, "").await;
            beacon.check(1).await.unwrap();
            let error = beacon.blobs(1, 77, 1_000 + 12 * 5, &[B256::ZERO]).await.unwrap_err();
            assert!(matches!(error, BuildError::BlobMissing { slot: 5, .. }), "{spec}: {error}");
        }
        for spec in [r#"{"data":{}}"#, r#"{"data":{"SECONDS_PER_SLOT":"0"}}"#] {
            let error = node(spec, "").await.check(1).await.unwrap_err();
            assert!(error.to_string().contains("when its slots are"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_node_of_another_l1_and_a_page_in_place_of_one_are_named() {
        let beacon = node(SPEC, "").await;
        let of_blobs = beacon.blobs(11_155_111, 77, 1_060, &[B256::ZERO]).await.unwrap_err();
        for error in [beacon.check(11_155_111).await.unwrap_err(), of_blobs] {
            assert!(matches!(error, BuildError::BeaconChain { expected: 11_155_111, got: 1, .. }), "{error}");
            assert!(error.to_string().contains("L1_BEACON_RPC"), "{error}");
        }
        let page = node("<html>\n<title>Welcome</title></html>", "").await;
        let error = page.check(1).await.unwrap_err().to_string();
        for part in ["config/spec", "<html> <title>Welcome", "not of the beacon API", "L1_BEACON_RPC"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
