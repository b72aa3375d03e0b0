//! A worker that is refused.

use super::*;

#[tokio::test]
async fn a_worker_that_is_refused_leaves_nothing_that_waits_for_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
    let (handle, calls) = Handle::without_room();
    let coordinator = Coordinator { handle, ledger };
    let request = OpenRequest {
        worker_id: "w".into(),
        worker_type: WorkerType::All.into(),
        max_weight: 8,
        ..OpenRequest::default()
    };
    let refused = coordinator.open(Request::new(request)).await.err().unwrap();
    assert_eq!((refused.code(), calls.len()), (tonic::Code::Unavailable, 0), "{refused}");
}
