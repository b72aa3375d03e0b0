//! The same test on each engine.

use proofmill_ledger::Ledger;
use proofmill_localstore::LocalPostgres;

/// A server; nothing, with a word, on a machine without one.
pub(crate) fn server() -> Option<LocalPostgres> {
    LocalPostgres::start_or_skip().unwrap()
}

/// Runs a test on an empty ledger of each engine.
pub(crate) async fn each(test: impl AsyncFn(Ledger)) {
    test(Ledger::in_memory().await.unwrap()).await;
    let folder = tempfile::tempdir().unwrap();
    test(Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap()).await;
    if let Some(server) = server() {
        test(Ledger::open_postgres(&server.url(), "test").await.unwrap()).await;
    }
}
