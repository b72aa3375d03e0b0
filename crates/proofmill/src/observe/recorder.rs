//! What the crates of this process count by themselves, for Prometheus.

use eyre::{Result, WrapErr};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// Upper bounds of seconds: from a read of a small artifact to the longest proofs.
const SECONDS: [f64; 16] =
    [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 7200.0, 21600.0];

/// Begins to record, if nobody has yet in this process. What was counted before is not among it.
pub(super) fn install() -> Result<PrometheusHandle> {
    static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = INSTALLED.get() {
        return Ok(handle.clone());
    }
    let milliseconds = SECONDS.map(|bound| bound * 1e3);
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_ms".into()), &milliseconds))
        .and_then(PrometheusBuilder::install_recorder)
        .wrap_err("cannot record metrics")?;
    Ok(INSTALLED.get_or_init(|| handle).clone())
}
