//! An artifact store that does not answer.

use crate::harness::start_on;
use proofmill_artifacts::{ArtifactKind, ArtifactStore, FsArtifacts, Reply, forwarded};
use proofmill_primitives::ArtifactId;
use proofmill_wire::cluster::{
    ProofRequestCreateRequest, ProofRequestGetRequest, cluster_service_client::ClusterServiceClient,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A real store that answers nothing while it is told so, as a share whose server is gone.
#[derive(Debug)]
struct Silent {
    store: FsArtifacts,
    is_silent: AtomicBool,
}

impl ArtifactStore for Silent {
    fn exists<'a>(&'a self, id: &'a ArtifactId, kind: ArtifactKind) -> Reply<'a, bool> {
        match self.is_silent.load(Ordering::SeqCst) {
            true => Box::pin(std::future::pending()),
            false => self.store.exists(id, kind),
        }
    }

    forwarded!(put, get, delete, upkeep);
}

/// Clients give up after ten seconds, and would say that the cluster does not answer.
#[tokio::test]
async fn a_store_that_does_not_answer_is_named_as_the_cause() {
    let folder = tempfile::tempdir().unwrap();
    let store = FsArtifacts::open(&folder.path().join("artifacts")).unwrap();
    let store = Arc::new(Silent { store, is_silent: AtomicBool::new(true) });
    store.put(&"program".into(), ArtifactKind::Program, "elf".into()).await.unwrap();
    store.put(&"stdin".into(), ArtifactKind::Stdin, "in".into()).await.unwrap();
    let (_folder, channel) = start_on(store.clone()).await;
    let mut api = ClusterServiceClient::new(channel);
    let request = ProofRequestCreateRequest {
        proof_id: "p".into(),
        program_artifact_id: "program".into(),
        stdin_artifact_id: "stdin".into(),
        options_artifact_id: Some("2".into()),
        ..ProofRequestCreateRequest::default()
    };
    let refused = api.proof_request_create(request.clone()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable, "{refused}");
    assert!(refused.message().contains("the artifact store does not answer"), "{refused}");
    // It can be asked for again under the same name, and is then taken.
    store.is_silent.store(false, Ordering::SeqCst);
    api.proof_request_create(request).await.unwrap();
    let known = api.proof_request_get(ProofRequestGetRequest { proof_id: "p".into() }).await.unwrap();
    assert!(known.into_inner().proof_request.is_some());
}
