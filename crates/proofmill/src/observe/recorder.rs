//! What the crates of this process count by themselves, for Prometheus.

use eyre::{Result, WrapErr};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{sync::OnceLock, time::Duration};

/// Upper bounds of seconds: from a read of a small artifact to the longest proofs.
const SECONDS: [f64; 16] =
    [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 7200.0, 21600.0];

/// How often the samples of histograms are added up: until then each of them is kept.
const GATHERED: Duration = Duration::from_secs(5);

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
    tokio::spawn(gather(handle.clone(), GATHERED));
    Ok(INSTALLED.get_or_init(|| handle).clone())
}

/// Adds the samples up, also where nobody reads the metrics: only its health may be asked for.
async fn gather(recorded: PrometheusHandle, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        recorded.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{histogram, with_local_recorder};
    use proofmill_worker::memory::peak_mb;

    #[tokio::test]
    async fn samples_that_nobody_reads_do_not_pile_up() {
        let recorder = PrometheusBuilder::new().build_recorder();
        tokio::spawn(gather(recorder.handle(), Duration::from_millis(1)));
        let samples = with_local_recorder(&recorder, || histogram!("a_seconds"));
        let before = peak_mb();
        // 32 MB in all.
        for _ in 0..200 {
            (0..20_000).for_each(|_| samples.record(0.5));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let more = peak_mb() - before;
        assert!(more < 16, "{more} MB more");
    }
}
