//! A page of metrics, fetched.

use eyre::{Result, WrapErr, bail};
use proofmill_bench::page;
use std::time::Duration;
use url::Url;

/// How long the metrics are waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that a page of metrics has, in bytes.
const LONGEST: usize = 64 << 20;

/// What a page says of batches.
pub(crate) async fn fetch(url: &Url) -> Result<page::Batches> {
    let place = place(url);
    let ask = async {
        let mut answer = proofmill_http::client_for(url).get(url.clone()).send().await?.error_for_status()?;
        let mut bytes = Vec::new();
        while bytes.len() <= LONGEST
            && let Some(chunk) = answer.chunk().await?
        {
            bytes.extend_from_slice(&chunk);
        }
        Ok::<_, reqwest::Error>(bytes)
    };
    let bytes = tokio::time::timeout(PATIENCE, ask)
        .await
        .wrap_err_with(|| format!("{place} did not send its metrics within {} s", PATIENCE.as_secs()))?
        .map_err(reqwest::Error::without_url)
        .wrap_err_with(|| format!("no metrics from {place}: is L2 still up?"))?;
    if bytes.len() > LONGEST {
        bail!("{place} sends more than {} MB: that is no page of metrics", LONGEST >> 20);
    }
    page::parse(&String::from_utf8_lossy(&bytes))
        .wrap_err_with(|| format!("what {place} sent cannot be used"))
}

/// Without what may be a key.
fn place(url: &Url) -> String {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
    format!("{host}:{port}{}", url.path())
}
