//! Two proposers at the same time.

use super::{Chain, Running, STRANGER};
use crate::process::{PATIENCE, wait};
use alloy_primitives::Address;
use proofmill_chain::{Sender, SigningKey};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Starts two of a command, with accounts and folders of their own; the folders have what they say in `log`.
fn two(data: &Path, command: impl Fn(&Path) -> Command) -> ([PathBuf; 2], Vec<Running>) {
    let folders = ["one", "two"].map(|name| data.join(name));
    let start = |(key, folder): (&str, &PathBuf)| {
        fs::create_dir(folder).unwrap();
        Running::start(command(folder).env("PRIVATE_KEY", key), &folder.join("log"))
    };
    let running = [super::PROPOSER, STRANGER].into_iter().zip(&folders).map(start).collect();
    (folders, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_proposers_of_outputs_get_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &["--op-interval", "6"]);
    let first = chain.newest().await;
    let stranger = chain.stranger().await.account();
    let owner = super::PROPOSER.parse::<alloy_primitives::B256>().unwrap();
    let owner = Sender::new(chain.l1().await, SigningKey::try_from(owner).unwrap());
    chain.oracle().await.add_proposer(&owner, stranger).await.unwrap();
    let (folders, mut running) = two(data, |folder| {
        let mut command = chain.proposer(folder);
        // Each block is a range of its own.
        command.env("RANGE_PROOF_EVM_GAS_LIMIT", "1").env("MAX_CONCURRENT_PROOF_REQUESTS", "3");
        command
    });
    let said = |at: usize| fs::read_to_string(folders[at].join("log")).unwrap_or_default();
    // Whoever proposes, each goes on from there.
    for at in [0, 1] {
        wait("four outputs", || said(at).matches("an output is on L1").count() >= 4);
    }
    for (at, running) in running.iter_mut().enumerate() {
        assert!(running.terminate() && !said(at).contains("panicked"), "{}", said(at));
    }
    assert!(said(0).contains("output proposed") || said(1).contains("output proposed"));
    let newest = chain.newest().await;
    assert!(newest.block >= first.block + 4 * 6);
    assert_eq!(newest.root, chain.output(newest.block).await);
    // Of both: one of them may have come so late that the other one has proven all.
    let ranges = said(0) + &said(1);
    let ranges: Vec<_> = ranges
        .lines()
        .filter(|line| line.contains(" range proven "))
        .filter_map(|line| line.split_once("blocks=")?.1.split(' ').next())
        .collect();
    let of_one = |range: &&str| range.split_once('-').is_none_or(|(first, last)| first == last);
    assert!(!ranges.is_empty() && ranges.iter().all(of_one), "{ranges:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_proposers_of_games_build_on_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let chain = Chain::start(data, &[]);
    let (games, anchor) = chain.games(600, 600).await;
    let (folders, mut running) = two(data, |folder| {
        let mut command = chain.games_proposer(folder, &games);
        // More than there will be: nobody waits for a proof.
        command.env("FAST_FINALITY_MODE", "true").env("FAST_FINALITY_PROVING_LIMIT", "100");
        command.env("RANGE_PROOF_EVM_GAS_LIMIT", "1");
        command
    });
    let said = |at: usize| fs::read_to_string(folders[at].join("log")).unwrap_or_default();
    let end = Instant::now() + PATIENCE;
    let view = loop {
        let view = games.view(Address::ZERO, 0).await.unwrap();
        if view.games.len() >= 6 && view.games.iter().any(|game| game.prover.is_some()) {
            break view;
        }
        assert!(Instant::now() < end, "{view:?}\n{}\n{}", said(0), said(1));
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    for (at, running) in running.iter_mut().enumerate() {
        assert!(running.terminate() && !said(at).contains("panicked"), "{}", said(at));
    }
    // Who comes second to a claim is refused, and goes on from the game that is there.
    let mut blocks = BTreeSet::new();
    for game in &view.games {
        assert!(blocks.insert(game.claim.block), "two bonds for one claim: {view:?}");
        assert_eq!(game.claim.root, chain.output(game.claim.block).await);
        assert_eq!(game.claim.block, game.start.block + 4);
    }
    assert_eq!(view.games[0].start.block, anchor.block);
}
