//! Answers on disk: used, never trusted, never of another chain.

use crate::scene::{CHAIN_ID, Scene, range};
use proofmill_localnet::Hardfork;
use proofmill_proxy::{Action, Proxy};
use proofmill_witness::{NodeOptions, Witnessed};
use std::{
    fs,
    path::{Path, PathBuf},
};

async fn witnessed(proxy: &Proxy, folder: &Path, first: u64, last: u64) -> (Witnessed, usize) {
    let before = proxy.requests();
    let node = NodeOptions::new(proxy.url.clone()).chain_id(CHAIN_ID).cache(folder).connect().await.unwrap();
    let witnessed = node.witness(range(first, last), &|_| {}).await.unwrap();
    (witnessed, proxy.requests() - before)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_build_asks_next_to_nothing() {
    let mut scene = Scene::new(Hardfork::Prague, 9).await;
    scene.mix(8).await;
    let proxy = Proxy::new(scene.url(), |_| Action::Forward).await;
    let folder = tempfile::tempdir().unwrap();
    let (first, many) = witnessed(&proxy, folder.path(), 3, 8).await;
    let (second, few) = witnessed(&proxy, folder.path(), 3, 8).await;
    assert_eq!(first, second);
    assert!(many > 40, "{many}");
    // Chain id, rules, the last block's hash before and after, whether there is an execution witness; ancestors.
    assert!(few <= 20, "{few} of {many}");
    assert_eq!(proxy.requests_of("eth_getProof"), {
        witnessed(&proxy, folder.path(), 3, 8).await;
        proxy.requests_of("eth_getProof")
    });

    // Every kind of damage: flipped, cut short, emptied.
    let mut entries = Vec::new();
    files(folder.path(), &mut entries);
    for (at, path) in entries.iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        match at % 4 {
            0 => bytes.truncate(bytes.len() / 2),
            1 => bytes.clear(),
            2 => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            _ => continue,
        }
        fs::write(path, bytes).unwrap();
    }
    let (third, again) = witnessed(&proxy, folder.path(), 3, 8).await;
    assert_eq!(first, third);
    assert!(again > few, "{again}");
    let (_, healed) = witnessed(&proxy, folder.path(), 3, 8).await;
    assert!(healed <= few, "{healed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorg_never_meets_old_entries() {
    let mut scene = Scene::new(Hardfork::Prague, 10).await;
    scene.mix(6).await;
    let proxy = Proxy::new(scene.url(), |_| Action::Forward).await;
    let folder = tempfile::tempdir().unwrap();
    let (before, _) = witnessed(&proxy, folder.path(), 3, 8).await;
    let reorg = scene.reorg(4);
    tokio::task::spawn_blocking(reorg).await.unwrap();
    let (after, _) = witnessed(&proxy, folder.path(), 3, 8).await;
    assert_eq!(before.outcome.block_hashes[..2], after.outcome.block_hashes[..2]);
    assert_ne!(before.outcome.last_hash, after.outcome.last_hash);
    assert!(after.outcome.transactions < before.outcome.transactions);
}

/// A folder that cannot be written costs time, not the result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_that_cannot_be_written_is_done_without() {
    let mut scene = Scene::new(Hardfork::Prague, 11).await;
    scene.mix(2).await;
    let proxy = Proxy::new(scene.url(), |_| Action::Forward).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    witnessed(&proxy, &file, 3, 4).await;
}
