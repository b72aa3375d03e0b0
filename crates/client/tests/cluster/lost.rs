//! Proofs that were made and are not there any more.

use crate::site::{PATIENCE, Site, prove};
use proofmill_artifacts::{ArtifactError, ArtifactKind, refusal_of};
use proofmill_backends::Proof;
use proofmill_client::{ClientError, Made};
use proofmill_primitives::{ArtifactId, ProgramVersion, ProofMode};
use proofmill_program::RangePublicValues;
use proofmill_wire::operator::ProofProgress;
use std::{collections::BTreeSet, fs, path::Path};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Asks, and plays the worker for the first `made` requests that were not seen before. `harm` comes over each proof once it
/// is stored.
pub(crate) async fn proven(
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

pub(crate) const fn leave(_: &Path) {}

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

/// The proof in the store is replaced by what is no such proof, in one of these ways.
async fn spoil(site: &Site, made: &Made<Proof>, how: impl Fn(Proof) -> Proof) -> Vec<u8> {
    let bad = how(made.proof.clone()).encode();
    let name = ArtifactId::from(made.progress.proof_artifact_id.as_str());
    site.prover.artifacts.put(&name, ArtifactKind::Proof, bad.clone().into()).await.unwrap();
    bad
}

/// As one that an earlier version made with other circuits.
fn of_another_program(proof: Proof) -> Proof {
    Proof { program: ProgramVersion([7; 32].into()), ..proof }
}

/// The evidence that was kept.
fn evidence(site: &Site) -> Vec<Vec<u8>> {
    let files =
        fs::read_dir(site.folder.path().join("bad")).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let files = files.into_iter().map(|file| file.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|end| end == "proof"))
        .map(|file| fs::read(file).unwrap())
        .collect()
}

#[tokio::test]
async fn a_bad_stored_proof_is_removed_and_made_anew_once() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let mut known = BTreeSet::new();
        let mut made = proven(&site, &mut known, 1, leave).await.unwrap();
        let ways: [fn(Proof) -> Proof; 3] = [
            of_another_program,
            |proof| Proof { mode: ProofMode::Core, ..proof },
            |proof| Proof { body: vec![1], ..proof },
        ];
        for (count, way) in (1..).zip(ways) {
            let bad = spoil(&site, &made, way).await;
            let again = proven(&site, &mut known, 1, leave).await.unwrap();
            assert_ne!(again.progress.proof_id, made.progress.proof_id);
            assert_eq!(again.proof.public_values, again.progress.proof_id.as_bytes(), "the new one");
            let kept = evidence(&site);
            assert!(kept.len() == count && kept.contains(&bad));
            // From then on it is found, and no note is left of the bad one.
            proven(&site, &mut known, 0, leave).await.unwrap();
            let note = site.prover.artifacts.exists(&refusal_of(&bad), ArtifactKind::Intermediate).await;
            assert!(!note.unwrap());
            made = again;
        }
        site.stop.cancel();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_proof_that_is_bad_again_is_named_with_what_to_do_and_kept() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let mut known = BTreeSet::new();
        // What a worker makes that was built otherwise.
        *site.made.lock().unwrap() = of_another_program;
        let error = proven(&site, &mut known, 2, leave).await.unwrap_err();
        assert!(matches!(&error, ClientError::DoesNotHold { .. }) && error.is_bad_proof(), "{error}");
        assert!(error.to_string().contains("same version"), "{error}");
        assert_eq!(evidence(&site).len(), 2, "each says which request it is of");
        // Nothing bad stays: the next one asks for a new proof, and gets a good one where the worker is mended.
        *site.made.lock().unwrap() = |proof| proof;
        proven(&site, &mut known, 1, leave).await.unwrap();
        site.stop.cancel();
    })
    .await
    .unwrap();
}

/// It verifies here. L1, say, refuses it.
#[tokio::test]
async fn a_proof_that_was_refused_elsewhere_is_made_anew_once_whatever_it_is_worth_here() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let mut known = BTreeSet::new();
        let made = proven(&site, &mut known, 1, leave).await.unwrap();
        site.prover.refuse(&made.proof, "L1 refuses it").await.unwrap();
        let again = proven(&site, &mut known, 1, leave).await.unwrap();
        assert_ne!(again.progress.proof_id, made.progress.proof_id);
        assert_eq!(evidence(&site), [made.proof.encode()]);
        // Made anew, it may well have the same bytes: those pass.
        *site.made.lock().unwrap() = |proof| Proof { public_values: b"the same".to_vec(), ..proof };
        site.prover.refuse(&again.proof, "L1 refuses it").await.unwrap();
        let third = proven(&site, &mut known, 1, leave).await.unwrap();
        site.prover.refuse(&third.proof, "L1 refuses it").await.unwrap();
        let fourth = proven(&site, &mut known, 1, leave).await.unwrap();
        assert_eq!(fourth.proof, third.proof);
        proven(&site, &mut known, 0, leave).await.unwrap();
        site.stop.cancel();
    })
    .await
    .unwrap();
}

/// Its client was killed when it had removed the refused proof, and before it let go of the note.
#[tokio::test]
async fn a_note_of_a_refused_proof_that_is_removed_goes_once_another_is_made() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let mut known = BTreeSet::new();
        *site.made.lock().unwrap() = |proof| Proof { public_values: b"the same".to_vec(), ..proof };
        let made = proven(&site, &mut known, 1, leave).await.unwrap();
        site.prover.refuse(&made.proof, "L1 refuses it").await.unwrap();
        remove(&site.file());
        let again = proven(&site, &mut known, 1, leave).await.unwrap();
        assert_eq!(again.proof, made.proof);
        assert_ne!(again.progress.proof_id, made.progress.proof_id);
        let note = refusal_of(&made.proof.encode());
        let note = site.prover.artifacts.exists(&note, ArtifactKind::Intermediate).await;
        assert!(!note.unwrap(), "whoever asks next would have it made once more");
        proven(&site, &mut known, 0, leave).await.unwrap();
        site.stop.cancel();
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_proof_of_something_else_is_made_anew() {
    tokio::time::timeout(PATIENCE, async {
        let site = Site::new().await;
        let mut known = BTreeSet::new();
        let statement = RangePublicValues { chainId: 7, firstBlock: 1, lastBlock: 5, ..Default::default() };
        let mut ids = Vec::new();
        let (seen, mut asked) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let show = |progress: &ProofProgress| {
            let _ = seen.send((progress.proof_id.clone(), progress.proof_artifact_id.clone()));
        };
        let proving = site.prover.prove_range(b"no blocks", statement, &stop, show);
        let working = async {
            while let Some((id, artifact)) = asked.recv().await {
                if known.insert(id.clone()) {
                    // It says its own id.
                    site.complete(&id, &artifact, leave).await;
                    ids.push(id);
                }
                if ids.len() == 2 {
                    break;
                }
            }
        };
        let (error, ()) = tokio::join!(proving, working);
        let error = error.unwrap_err();
        assert!(matches!(error, ClientError::SaysSomethingElse { .. }), "{error}");
        assert_eq!(evidence(&site).len(), 2);
        site.stop.cancel();
    })
    .await
    .unwrap();
}
