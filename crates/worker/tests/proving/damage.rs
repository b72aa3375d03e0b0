//! Intermediate results that are lost or damaged on the disk.

use crate::{backend::Slow, harness::Site};
use proofmill_primitives::WorkerKind;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

/// Makes a proof of four segments, and does something to the file of the first once it is there and before it is used:
/// its neighbour takes longer.
async fn with_first_segment(harm: fn(&Path)) -> BTreeMap<u32, u32> {
    let mut slow = Slow::new(20);
    slow.slower.insert(1, Duration::from_millis(600));
    let site = Site::new(slow).await;
    let _workers = [site.worker("a", WorkerKind::All, 3), site.worker("b", WorkerKind::All, 3)];
    site.request("p", 4, 2).await;
    site.until("the first is there", || site.file_of(0).is_some()).await;
    harm(&site.file_of(0).unwrap());
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
