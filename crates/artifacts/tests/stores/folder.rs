//! What is said of stores before one is used.

use proofmill_artifacts::{ArtifactError, StoreSettings};

#[tokio::test]
async fn what_settings_name_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let named = StoreSettings { folder: Some(folder.path().join("a")), ..StoreSettings::default() };
    named.choose().unwrap().unwrap().open().await.unwrap();
    assert!(folder.path().join("a").is_dir());
    let nonsense =
        StoreSettings { redis_nodes: vec!["user:secret@nowhere".into()], ..StoreSettings::default() };
    let refused = nonsense.choose().unwrap().unwrap().open().await.unwrap_err();
    assert!(matches!(refused, ArtifactError::Refused { .. }), "{refused}");
    assert!(!refused.to_string().contains("secret"), "{refused}");
    // A server that is not there yet is no reason not to start.
    let away = StoreSettings { redis_nodes: vec!["redis://127.0.0.1:1".into()], ..StoreSettings::default() };
    away.choose().unwrap().unwrap().open().await.unwrap();
}
