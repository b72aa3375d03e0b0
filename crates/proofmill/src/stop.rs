//! SIGINT and SIGTERM.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled at the first SIGINT or SIGTERM. At the second the process ends at once.
pub(crate) fn on_signal() -> std::io::Result<CancellationToken> {
    on_signal_or_at_once(|| ())
}

/// The same. `at_once` ends what would outlive a process that is not given the time to do so.
pub(crate) fn on_signal_or_at_once(
    at_once: impl FnOnce() + Send + 'static,
) -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = stop.clone();
    tokio::spawn(async move {
        let (signal, _) = next(&mut interrupt, &mut terminate).await;
        tracing::info!(signal, "ending in order; a second signal ends this process at once");
        token.cancel();
        let (signal, code) = next(&mut interrupt, &mut terminate).await;
        tracing::warn!(signal, "ended at once");
        at_once();
        std::process::exit(code);
    });
    Ok(stop)
}

/// The name of the next signal, and with what a process ends that it ends, as shells report it.
async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = interrupt.recv() => ("SIGINT", 130),
        _ = terminate.recv() => ("SIGTERM", 143),
    }
}
