//! Intermediate results that are lost or damaged on the disk, and such as are whole but wrong.

use crate::{
    backend::{Slow, UNNAMED, segment_text},
    harness::{Hand, Site},
};
use proofmill_artifacts::{ArtifactKind, ArtifactStore, refusal_of};
use proofmill_backends::{Plan, Proof};
use proofmill_primitives::WorkerKind;
use proofmill_wire::operator::ProofPhase;
use std::{collections::BTreeMap, fs, path::Path};

/// Makes a proof of four segments, and does something to the file of the first once it is there and before it is used:
/// its neighbour is held until then.
async fn with_first_segment(harm: fn(&Path)) -> BTreeMap<u32, u32> {
    let site = Site::new(Slow::new(20).holding([1])).await;
    let _workers = [site.worker("a", WorkerKind::All, 3), site.worker("b", WorkerKind::All, 3)];
    site.request("p", 4, 2).await;
    site.until("the first is there", || site.file_of(0).is_some()).await;
    harm(&site.file_of(0).unwrap());
    site.backend.let_go();
    site.proof("p", 4).await;
    site.backend.proven()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_segment_alone_is_proven_again() {
    let proven = with_first_segment(|file| {
        let mut bytes = fs::read(file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(file, bytes).unwrap();
    })
    .await;
    assert_eq!(proven, BTreeMap::from([(0, 2), (1, 1), (2, 1), (3, 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_segment_alone_is_proven_again() {
    let proven = with_first_segment(|file| {
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..bytes.len() - 5]).unwrap();
    })
    .await;
    assert_eq!(proven, BTreeMap::from([(0, 2), (1, 1), (2, 1), (3, 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_segment_alone_is_proven_again() {
    let proven = with_first_segment(|file| fs::remove_file(file).unwrap()).await;
    assert_eq!(proven, BTreeMap::from([(0, 2), (1, 1), (2, 1), (3, 1)]));
}

const CORE: u32 = 1;
const COMPRESSED: u32 = 2;

/// A site where all four segments were proven for another request, so that they are found and not made.
async fn with_segments(backend: Slow) -> (Site, Hand) {
    let site = Site::new(backend).await;
    let worker = site.worker("w", WorkerKind::All, 4);
    site.request("before", 4, CORE).await;
    site.proof("before", 4).await;
    (site, worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_segment_alone_is_proven_again() {
    let (site, _worker) = with_segments(Slow::new(1)).await;
    site.replace(segment_text(2).as_bytes(), "something else").await;
    site.request("p", 4, COMPRESSED).await;
    site.proof("p", 4).await;
    assert_eq!(site.backend.proven(), BTreeMap::from([(0, 1), (1, 1), (2, 2), (3, 1)]));
    // Nothing is left of it for others.
    site.forget(|_| false).await;
    site.request("again", 4, CORE).await;
    site.proof("again", 4).await;
    assert_eq!(*site.backend.refused.lock().unwrap(), 1);
}

/// Two nodes refuse one child each, and the first of them both of its children, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn several_wrong_segments_are_proven_again() {
    let (site, _worker) = with_segments(Slow::new(1)).await;
    for segment in [0, 1, 3] {
        site.replace(segment_text(segment).as_bytes(), format!("something else {segment}")).await;
    }
    site.request("p", 4, COMPRESSED).await;
    site.proof("p", 4).await;
    let proven = site.backend.proven();
    // The one that was right already is made again with the one that was not.
    assert_eq!((proven[&1], proven[&2], proven[&3]), (2, 1, 2), "{proven:?}");
    assert!(proven[&0] <= 3, "{proven:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_none_is_named_all_that_were_refused_are_made_again() {
    let (site, _worker) = with_segments(Slow::new(1)).await;
    site.replace(segment_text(0).as_bytes(), UNNAMED).await;
    site.request("p", 4, COMPRESSED).await;
    site.proof("p", 4).await;
    assert_eq!(site.backend.proven(), BTreeMap::from([(0, 2), (1, 2), (2, 1), (3, 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_root_alone_is_folded_again() {
    let (site, _worker) = with_segments(Slow::new(1)).await;
    site.request("p", 4, COMPRESSED).await;
    site.proof("p", 4).await;
    site.forget(|_| false).await;
    let root: String = (0..4).map(segment_text).collect();
    site.replace(root.as_bytes(), "something else").await;
    site.request("again", 4, COMPRESSED).await;
    site.proof("again", 4).await;
    assert_eq!(site.backend.proven(), Slow::once(4));
    assert_eq!(*site.backend.refused.lock().unwrap(), 1);
}

/// Puts the plan of so many segments in the place of that of four.
async fn with_wrong_plan(site: &Site, segments: usize) {
    let stored = site.intermediates().await;
    let (bytes, mut plan) = stored
        .iter()
        .find_map(|(_, bytes)| Some((bytes, bitcode::deserialize::<Plan>(bytes).ok()?)))
        .expect("no plan is stored");
    assert_eq!(plan.segments.len(), 4);
    let segment = plan.segments[0].clone();
    plan.segments.resize(segments, segment);
    site.replace(bytes, bitcode::serialize(&plan).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_plan_is_made_again() {
    for segments in [3, 5] {
        let (site, _worker) = with_segments(Slow::new(1)).await;
        site.forget(|bytes| bytes.starts_with(b"<segment ")).await;
        with_wrong_plan(&site, segments).await;
        site.request("p", 4, COMPRESSED).await;
        site.proof("p", 4).await;
        assert_eq!(site.backend.proven(), (0..4).map(|segment| (segment, 2)).collect(), "{segments}");
    }
}

/// No segment is left to be proven, so only the last step can tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_plan_is_made_again_although_its_segments_are_there() {
    let (site, _worker) = with_segments(Slow::new(1)).await;
    with_wrong_plan(&site, 3).await;
    site.request("p", 4, COMPRESSED).await;
    site.proof("p", 4).await;
    assert_eq!(site.backend.proven(), Slow::once(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_proof_that_is_none_is_made_again() {
    let (site, _worker) = with_segments(Slow::new(1)).await;
    let stored = site.intermediates().await;
    let (_, finished) = stored.iter().find(|(_, bytes)| Proof::decode(bytes).is_ok()).unwrap();
    site.replace(finished, "something else").await;
    site.request("again", 4, CORE).await;
    site.proof("again", 4).await;
    assert_eq!(site.backend.proven(), Slow::once(4));
}

/// It is a proof, and nobody here could tell that it does not hold: whoever asked for it could, and left a note.
#[tokio::test(flavor = "multi_thread")]
async fn a_finished_proof_that_was_refused_is_not_handed_out_again() {
    let (site, _worker) = with_segments(Slow::new(1)).await;
    let stored = site.intermediates().await;
    let proofs = || stored.iter().filter_map(|(_, bytes)| Some((bytes, Proof::decode(bytes).ok()?)));
    let (finished, proof) = proofs().next().unwrap();
    let bad = Proof { body: b"a forgery".to_vec(), ..proof }.encode();
    site.replace(finished, bad.clone()).await;
    site.request("bad", 4, CORE).await;
    site.ended("bad").await;
    let handed_out = site.artifacts.get(&"bad-proof".into(), ArtifactKind::Proof).await.unwrap();
    assert_eq!(handed_out, bad, "it was found");
    site.artifacts.put(&refusal_of(&bad), ArtifactKind::Intermediate, "why".into()).await.unwrap();
    site.request("again", 4, CORE).await;
    site.proof("again", 4).await;
    assert_eq!(site.backend.proven(), Slow::once(4), "its parts are good");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_again_and_again_fails_the_proof_with_its_cause() {
    let (site, _worker) = with_segments(Slow::new(1).refusing_children()).await;
    site.request("p", 4, COMPRESSED).await;
    let progress = site.ended("p").await;
    assert_eq!(progress.phase(), ProofPhase::Failed);
    assert!(progress.cause.contains("4 times"), "{}", progress.cause);
    assert!(progress.cause.contains("child 0 is wrong"), "{}", progress.cause);
    // The one that is named, then both children of the node, then none any more.
    assert!(site.backend.proven().values().all(|times| *times <= 3), "{:?}", site.backend.proven());
    assert!(*site.backend.refused.lock().unwrap() <= 12);
}
