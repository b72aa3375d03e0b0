//! Proofs that were made and are not there any more.

use crate::site::{PATIENCE, Site, prove};
use proofmill_artifacts::{ArtifactError, ArtifactKind};
use proofmill_backends::Proof;
use proofmill_client::{ClientError, Made};
use proofmill_primitives::{ArtifactId, ProgramVersion};
use std::{collections::BTreeSet, fs, path::Path};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Asks, and plays the worker for the first `made` requests that were not seen before. `harm` comes over each proof once it
/// is stored.
async fn proven(
    site: &Site,
    known: &mut BTreeSet<String>,
    made: usize,
    harm: impl Fn(&Path),
) -> Result<Made<Proof>, ClientError> {
    let (seen, mut ids) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let proving = prove(&site.prover, &stop, seen);
    let working = async {
        let mut left = made;
        while let Some((id, artifact)) = ids.recv().await {
            if left > 0 && known.insert(id.clone()) {
                left -= 1;
                site.complete(&id, &artifact, &harm).await;
            }
        }
        assert_eq!(left, 0, "so many were not asked for");
    };
    tokio::join!(proving, working).0
}

fn turn_a_bit(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(file, bytes).unwrap();
}

fn remove(file: &Path) {
    fs::remove_file(file).unwrap();
}

const fn leave(_: &Path) {}

#[tokio::test]
async fn a_proof_that_was_damaged_or_lost_is_made_again_and_one_that_is_there_is_not() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let mut known = BTreeSet::new();
        let first = proven(&site, &mut known, 1, leave).await.unwrap();
        let same = proven(&site, &mut known, 0, leave).await.unwrap();
        assert_eq!(same.progress.proof_id, first.progress.proof_id);
        let mut ids = vec![first.progress.proof_id];
        for harm in [turn_a_bit, remove, |file: &Path| fs::write(file, b"nonsense").unwrap()] {
            harm(&site.file());
            let again = proven(&site, &mut known, 1, leave).await.unwrap();
            assert_eq!(again.proof.public_values, again.progress.proof_id.as_bytes(), "the new one");
            ids.push(again.progress.proof_id);
            // From then on it is found.
            proven(&site, &mut known, 0, leave).await.unwrap();
        }
        ids.dedup();
        assert_eq!(ids.len(), 4);
        site.stop.cancel();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_proof_that_is_lost_again_at_once_is_an_error() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let mut known = BTreeSet::new();
        let error = proven(&site, &mut known, 2, remove).await.unwrap_err();
        assert!(matches!(error, ClientError::Artifact(ArtifactError::Missing { .. })), "{error}");
        proven(&site, &mut known, 1, leave).await.unwrap();
        site.stop.cancel();
    })
    .await
    .unwrap();
}

/// As one that an earlier version made with other circuits.
#[tokio::test]
async fn a_proof_that_does_not_hold_is_named_with_what_to_do() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let mut known = BTreeSet::new();
        let Made { proof, progress, .. } = proven(&site, &mut known, 1, leave).await.unwrap();
        let other = Proof { program: ProgramVersion([7; 32].into()), ..proof };
        let name = ArtifactId::from(progress.proof_artifact_id.as_str());
        site.prover.artifacts.put(&name, ArtifactKind::Proof, other.encode().into()).await.unwrap();
        let error = proven(&site, &mut known, 0, leave).await.unwrap_err();
        assert!(matches!(&error, ClientError::DoesNotHold { artifact, .. } if *artifact == name), "{error}");
        assert!(error.to_string().contains("same version"), "{error}");
        site.stop.cancel();
    })
    .await
    .unwrap();
}
